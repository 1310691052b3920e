"""Codecs measured from the command line: a table, JSON, and a curve beside the front."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np
import pytest

from model.cloud_codec import CloudCodec
from model.codec_folder import load_codec, save_codec
from model.partition import PartitionConfig
from model.patch_coder import PatchCoder
from study.clouds import write_cloud
from study.commands.main import main
from tests.model.support import fresh_codec, surface

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    coder = PatchCoder.freeze(fresh_codec(1))
    cutting = PartitionConfig(min_points=20, max_points=500)
    save_codec(CloudCodec(coder, cutting), tmp_path / "codec", {})
    write_cloud(tmp_path / "sheet.ply", surface(1, 400).astype(np.float64))
    np.savez(tmp_path / "two.npz", a=surface(2, 300), b=surface(3, 200))
    return tmp_path


def test_a_codec_is_measured_on_every_cloud_of_every_file(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["evaluate", "codec", "sheet.ply", "two.npz", "--out", "deep/out.json"]) == 0
    held = json.loads((here / "deep" / "out.json").read_text())
    assert set(held["clouds"]) == {"sheet.ply", "two.npz/a", "two.npz/b"}
    codec = load_codec(here / "codec").codec
    written = sum(
        len(codec.compress(surface(seed, count).astype(np.float64)))
        for seed, count in ((1, 400), (2, 300), (3, 200))
    )
    assert held["results"]["bpp"] == pytest.approx([8 * written / 900])
    shown = capsys.readouterr().out
    assert "3 clouds" in shown
    assert "PSNR: 3 p^2, p = longest side" in shown
    assert f"{8 * written / 900:.3f}" in shown
    assert (
        shown.count("D2") == shown.count("D2 PSNR is not shown: it needs the points' normals") == 1
    )
    assert "density" in shown
    assert f"{held['results']['points_ratio'][0]:.3f}" in shown


def test_draco_has_a_row_for_each_rate(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["baseline", "draco", "sheet.ply", "--out", "draco.json"]) == 0
    held = json.loads((here / "draco.json").read_text())
    assert held["results"]["bpp"] == sorted(held["results"]["bpp"])
    shown = capsys.readouterr().out
    assert all(setting in shown for setting in held["settings"])
    assert main(["baseline", "draco", "sheet.ply", "--out", "draco.json"]) == 2
    assert "draco.json exists" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["evaluate", "codec", "no.ply"], "no.ply cannot be read"),
        (["evaluate", "no", "sheet.ply"], "no/codec.json cannot be read"),
        (["baseline", "draco", "no.ply"], "no.ply cannot be read"),
        (["evaluate", "codec", "sheet.ply", "sheet.ply"], "sheet.ply is named twice"),
    ],
)
def test_what_cannot_be_used_is_a_sentence_and_code_2(
    words: list[str], sentence: str, here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*words, "--out", "out.json"]) == 2
    assert sentence in capsys.readouterr().err
    assert not (here / "out.json").exists()


def test_all_that_is_wrong_with_the_files_is_told_at_once(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (here / "torn.ply").write_bytes((here / "sheet.ply").read_bytes()[:-7])
    write_cloud(here / "dot.ply", np.ones((3, 3)))
    files = ["torn.ply", "sheet.ply", "no.ply", "dot.ply", "two.npz"]
    for command in (["evaluate", "codec"], ["baseline", "draco"]):
        assert main([*command, *files, "--out", "out.json"]) == 2
        first, torn, missing, dot = capsys.readouterr().err.splitlines()
        assert first == "error: 3 clouds cannot be measured, so none was:"
        assert "torn.ply" in torn
        assert "no.ply cannot be read" in missing
        assert "the 3 points of 'dot.ply' are all the same; leave it out" in dot
        assert not (here / "out.json").exists()


def test_the_numbers_are_named_after_the_codec(here: Path) -> None:
    assert main(["evaluate", "codec", "sheet.ply"]) == 0
    assert main(["baseline", "draco", "sheet.ply"]) == 0
    for name in ("codec", "draco"):
        held = json.loads((here / f"{name}-evaluation.json").read_text())
        assert held["results"]["bpp"]
        assert held["name"].lower() == name


@pytest.mark.usefixtures("here")
def test_progress_is_lines_without_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["evaluate", "codec", "sheet.ply", "two.npz"]) == 0
    shown = capsys.readouterr().out.splitlines()
    assert shown[0] == "measuring: 1 of 3 clouds"
    assert "measuring: 3 of 3 clouds" in shown
    assert main(["baseline", "draco", "sheet.ply"]) == 0
    assert "measuring: 9 of 9 clouds" in capsys.readouterr().out
