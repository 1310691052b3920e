"""Result files of others, and ours for them: what is read is what stands there, or a sentence."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from study.base.errors import StudyError
from study.clouds import Cloud, write_cloud
from study.codecs.results import read_curve, read_evaluation, write_evaluation
from study.commands.declared.codecs import YARDSTICKS
from study.commands.main import main
from study.yardsticks.draco import draco
from study.yardsticks.family import NAMES

if TYPE_CHECKING:
    from study.codecs.evaluation import Evaluation

SHEET = """\
sequence,numOutputPointsT,numBitsGeoEncT,d1T,d2T,encTimeT,decTimeT
longdress,700,2000,61.5,65.25,1.5,0.5
longdress,300,1000,55.0,,1.25,0.25
loot,900,4000,62.0,66.0,2.5,1.5
loot,200,500,54.0,58.0,1.0,0.5
"""
POINTS = {"clouds/Longdress.ply": 1000, "Loot.ply": 2000}


@pytest.fixture(scope="module")
def measured() -> Evaluation:
    random = np.random.default_rng(3)
    clouds = {name: Cloud(random.normal(size=(200, 3)), None, ()) for name in ("b/two.ply", "one")}
    return draco(bits=(3, 6)).measure(clouds)


def test_the_names_in_the_help_are_those_that_there_are() -> None:
    assert YARDSTICKS == NAMES


def test_a_sheet_is_read_by_rate_over_the_points_of_its_clouds(tmp_path: Path) -> None:
    file = tmp_path / "theirs.csv"
    file.write_text(SHEET, encoding="utf-8-sig")
    found = read_evaluation(file, POINTS)
    low, high = found.points
    assert low.mean("bpp") == (1000 + 500) / 3000
    assert high.mean("bpp") == (2000 + 4000) / 3000
    assert high.mean("d1_psnr_db") == (61.5 + 62.0) / 2
    assert low.mean("d2_psnr_db") is None  # one of its cells is empty
    assert low.mean("points_ratio") == (300 / 1000 + 200 / 2000) / 2
    assert [result.values["encode_s"] for result in low.results] == [1.25, 1.0]
    curve = read_curve(file, POINTS)
    assert (curve.name, curve.counts) == ("theirs", "geometry bits of its sheet")
    assert found.convention is None


def test_a_column_of_input_points_needs_no_clouds(tmp_path: Path) -> None:
    file = tmp_path / "theirs.csv"
    rows = [f"{row},{n}" for row, n in zip(SHEET.split(), ["numInputPointsT", *[500] * 4],
                                           strict=True)]  # fmt: skip
    file.write_text("\n".join(rows))
    assert read_evaluation(file).points[0].mean("bpp") == 1500 / 1000


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ("a,b\n1,2\n", "lacks sequence, numBitsGeoEncT, d1T; name them in its first line"),
        ("", "lacks sequence"),
        (SHEET.splitlines()[0], "must have 1 to 100,000 rows, and .* has none"),
        (SHEET.replace("loot", "soldier"), "no cloud 'soldier' is given; name the clouds after it"),
        (SHEET.replace("2000", "many"), "numBitsGeoEncT of 'longdress' .* number, and is 'many'"),
        (SHEET.replace("1000", "-4"), "bits of 'longdress' .* must be above 0, and are -4"),
        (SHEET.replace("1000", "inf"), "must be above 0, and are inf"),
        (SHEET.replace("55.0", "nan"), "d1T of 'longdress' .* must be a number, and is 'nan'"),
        (SHEET.rpartition("loot")[0], "as many rows, .* they have longdress 2, loot 1"),
        (SHEET.replace("loot", "x" * 1001), "up to 1000 characters, and line 4"),
        (SHEET.replace("loot", '"lo'), "must be a sheet|as many rows"),
    ],
)
def test_another_sheet_is_a_sentence(tmp_path: Path, content: str, sentence: str) -> None:
    file = tmp_path / "theirs.csv"
    file.write_text(content)
    with pytest.raises(StudyError, match=sentence):
        read_evaluation(file, POINTS)


def test_compressais_json_is_read_and_labelled(tmp_path: Path) -> None:
    file = tmp_path / "theirs.json"
    results = {"bpp": [0.5, 1], "d1-psnr": [30, None], "encoding_time": [1, 2], "ms-ssim": [0, 0]}
    file.write_text(json.dumps({"name": "theirs", "description": "x", "results": results}))
    found = read_evaluation(file)
    assert (found.counts, found.convention) == ("bpp as its file counts it", None)
    assert [point.mean("encode_s") for point in found.points] == [1, 2]
    assert found.curve().psnr_db == (30.0,)
    with pytest.raises(StudyError, match="only means over clouds are known"):
        write_evaluation(found, tmp_path / "sheet.csv", file_format="mpeg")


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"results": {"bpp": [1.0], "psnr-rgb": [30.0]}}, "'d1_psnr_db' is missing"),
        ({"results": {"bpp": [1.0], "d1-psnr": ["x"]}}, "could not convert string"),
        ({"results": {"bpp": [1.0] * 1001, "d1-psnr": [1.0] * 1001}}, "may have 1000"),
        ({"psnr": "10 log10 of something"}, "no peak and factor of a PSNR"),
        ({"psnr": "3 p^2, p = the tallest"}, "is not a valid PeakRule"),
        ({"clouds": {"a": {"points": "many"}}}, "invalid literal for int"),
    ],
)
def test_another_json_is_a_sentence(
    tmp_path: Path, change: dict[str, object], complaint: str
) -> None:
    held = {"name": "a", "results": {"bpp": [1.0], "d1-psnr": [30.0]}} | change
    file = tmp_path / "theirs.json"
    file.write_text(json.dumps(held))
    with pytest.raises(StudyError, match=f"or what CompressAI does, .*{complaint}"):
        read_evaluation(file)


def test_ours_comes_back_from_json_as_it_was(measured: Evaluation, tmp_path: Path) -> None:
    write_evaluation(measured, tmp_path / "a.json")
    found = read_evaluation(tmp_path / "a.json")
    assert found.to_json() == measured.to_json()
    assert found.curve() == measured.curve()
    for ours, theirs in zip(measured.points, found.points, strict=True):
        assert ours.results == theirs.results


def test_ours_comes_back_from_a_sheet(measured: Evaluation, tmp_path: Path) -> None:
    write_evaluation(measured, tmp_path / "a.csv", file_format="mpeg")
    text = (tmp_path / "a.csv").read_text()
    assert text.splitlines()[0] == SHEET.splitlines()[0]
    rows = list(csv.DictReader(io.StringIO(text)))
    assert [row["sequence"] for row in rows] == ["one", "one", "two", "two"]
    found = read_evaluation(tmp_path / "a.csv", {"one": 200, "two": 200})
    for metric in ("bpp", "d1_psnr_db", "points_ratio", "decode_s"):
        ours, theirs = ([p.mean(metric) for p in each.points] for each in (measured, found))
        assert theirs == pytest.approx(ours)


def test_files_of_before_are_read(measured: Evaluation, tmp_path: Path) -> None:
    """They do not say what their rate counts: it was measured here."""
    held = measured.to_json()
    del held["rate"]
    (tmp_path / "old.json").write_text(json.dumps(held))
    assert read_evaluation(tmp_path / "old.json").counts == "measured bytes"


def test_the_command_line_shows_files_of_others(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("loot", "longdress"):
        write_cloud(f"{name}.ply", np.random.default_rng(1).normal(size=(50, 3)))
    Path("theirs.csv").write_text(SHEET)
    assert main(["baseline", "theirs.csv", "loot.ply", "longdress.ply"]) == 0
    shown = " ".join(capsys.readouterr().out.split())
    assert "15.000" in shown  # 1,500 bits over 100 points
    assert "rate: geometry bits of its sheet" in shown
    assert "PSNR: of a peak that its file does not tell" in shown
    assert not list(tmp_path.glob("*.json"))
    assert main(["baseline", "theirs.csv", "loot.ply", "longdress.ply", "--out", "a.json"]) == 0
    assert read_curve(Path("a.json")).counts == "geometry bits of its sheet"
    assert main(["baseline", "a.json"]) == 0
    assert main(["baseline", "draco-merged", "loot.ply", "--format", "mpeg"]) == 0
    assert Path("draco-merged-evaluation.csv").read_text().startswith("sequence,")
    capsys.readouterr()
    for words, sentence in (
        (["drako", "loot.ply"], "'drako' is neither; did you mean 'draco'?"),
        (["draco", "loot.ply", "--tmc3", "x"], "--tmc3 is a program for gpcc"),
        (["theirs.csv"], "no cloud 'longdress' is given"),
        (["gpcc", "loot.ply"], "loot.ply is none of them; give your own program with --tmc3"),
        (["draco"], "measured on clouds, and none is given"),
    ):
        assert main(["baseline", *words]) == 2
        assert sentence in " ".join(capsys.readouterr().err.split())
