"""Folders of bitstreams that somebody made up: each is refused or told in a sentence."""

from __future__ import annotations

import io
import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from study.codecs.bitstream_manifest import read_bitstream_manifest
from tests.study.bitstreams import change, checked, exported, first
from tests.study.finished import finished_study

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    study = finished_study(tmp_path_factory.mktemp("finished"))
    return exported(study, tmp_path_factory.mktemp("made"))


@pytest.fixture
def bits(made: Path, tmp_path: Path) -> Path:
    """A copy that a test may change."""
    return shutil.copytree(made, tmp_path / "bits")


@pytest.mark.parametrize(
    "place", ["/etc/passwd", "../out", "files/../../x", "a\\b", "a//b", "\x1b[2J"]
)
def test_paths_that_leave_the_folder_are_refused(
    place: str, bits: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for change_it in (
        lambda manifest: manifest["files"][0].update(file=place),
        lambda manifest: manifest["files"][0].update(decoded=place),
        lambda manifest: manifest["codecs"][0].update(folder=place),
    ):
        shutil.copy(bits / "manifest.json", bits / "kept")
        change(bits, change_it)
        told = checked(bits, capsys, "must be a path within the folder", code=2)
        assert "\x1b" not in told
        shutil.move(bits / "kept", bits / "manifest.json")


@pytest.mark.parametrize(
    "where", ["file", "folder above it", "decoded", "codec's file", "manifest"]
)
def test_links_are_refused(
    where: str, bits: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    entry = first(bits)
    weights = f"{read_bitstream_manifest(bits).codecs[0].folder}/weights.safetensors"
    places = {
        "file": entry.file,
        "folder above it": str(Path(entry.file).parent),
        "decoded": entry.decoded,
        "codec's file": weights,
        "manifest": "manifest.json",
    }
    path = bits / places[where]
    path.rename(tmp_path / "moved")
    path.symlink_to(tmp_path / "moved")
    checked(bits, capsys, "is a link or a device, which may lead anywhere", code=2)


def test_a_pipe_is_refused(bits: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = bits / first(bits).file
    path.unlink()
    os.mkfifo(path)
    checked(bits, capsys, "is a link or a device", code=2)


@pytest.mark.parametrize(
    ("alter", "sentence"),
    [
        (lambda m: m.update(format=2), "reads bitstreams of format 1, and"),
        (lambda m: m.update(format="1"), "'format': Input should be a valid integer, not '1'"),
        (lambda m: m.pop("files"), "'files': Field required"),
        (lambda m: m.update(files=[]), "'files': Tuple should have at least 1 item"),
        (lambda m: m.update(files={}), "'files': Input should be a valid array"),
        (lambda m: m["files"][0].update(bytes=10**30), "'files.0.bytes': Input should be"),
        (lambda m: m["files"][0].update(bytes=-1), "'files.0.bytes': Input should be greater"),
        (lambda m: m["files"][0].update(points=True), "'files.0.points': Input should be a valid"),
        (lambda m: m["files"][0].update(points=1e300), "'files.0.points': Input should be a valid"),
        (lambda m: m["files"][0].update(longest_side=0.0), "'files.0.longest_side': Input should"),
        (lambda m: m["files"][0].update(longest_side=float("nan")), "'files.0.longest_side'"),
        (lambda m: m["files"][0].update(sha256="x" * 64), "'files.0.sha256': String should match"),
        (lambda m: m["files"][0].update(codec="\x1b[2J"), r"'\x1b[2J', which is not listed"),
        (lambda m: m["files"][0].update(cloud="x" * 10_000), "at most 1000 characters"),
        (lambda m: m["codecs"].append(m["codecs"][0]), "two codecs have one name"),
        (
            lambda m: m["codecs"].append(m["codecs"][0] | {"name": "b"}),
            "two codecs have one folder",
        ),
        (lambda m: m["files"].append(m["files"][0]), "a compressed file is listed twice"),
        (
            lambda m: m["files"].append(m["files"][0] | {"file": "other"}),
            "decoded points are listed twice",
        ),
    ],
)
def test_hostile_manifests_are_refused(
    alter: Callable[[Any], object], sentence: str, bits: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    change(bits, alter)
    told = checked(bits, capsys, sentence, code=2)
    assert "\x1b" not in told
    assert len(told) < 600


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"\xff\xfe",
        b"[" * 100_000,
        b"7",
        b"null",
        b"9" * 100_000,
        b" " * (1 << 24) + b"{}",
    ],
    ids=["empty", "cut", "no text", "deep", "number", "null", "huge number", "too long"],
)
def test_what_is_no_manifest_is_refused(
    content: bytes, bits: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (bits / "manifest.json").write_bytes(content)
    checked(bits, capsys, "manifest.json is damaged or made up", code=2)


def test_a_folder_of_something_else_is_refused(
    bits: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    checked(tmp_path / "nothing", capsys, "bitstreams are a folder that `study export", code=2)
    (bits / "manifest.json").unlink()
    checked(bits, capsys, "manifest.json is missing", code=2)


def test_control_characters_are_shown(bits: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (bits / first(bits).file).unlink()
    change(bits, lambda manifest: manifest["files"][0].update(cloud="[red]\x1b[2J"))
    change(bits, lambda manifest: manifest["made_by"].update(processor="[bold]\x1b[2J"))
    told = checked(bits, capsys, r"[red]\x1b[2J: ", r"made [bold]\x1b[2J")
    assert "\x1b" not in told


@pytest.mark.parametrize("shape", [(10**15, 3), (2**62, 3), (300,), (0, 3)])
def test_an_npy_file_that_claims_more_than_it_holds_costs_nothing(
    shape: tuple[int, ...], bits: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    header = io.BytesIO()
    described = {"descr": "<f8", "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(header, described)  # type: ignore[no-untyped-call]
    (bits / first(bits).decoded).write_bytes(header.getvalue())
    checked(bits, capsys, first(bits).decoded, "not as promised: 1 of")


def test_a_pickle_is_not_run(bits: Path, capsys: pytest.CaptureFixture[str]) -> None:
    objects = np.array([print], dtype=object)
    np.save(bits / first(bits).decoded, objects, allow_pickle=True)
    checked(bits, capsys, "is no npy file")
    np.savez(bits / "x.npz", objects)
    (bits / "x.npz").rename(bits / first(bits).decoded)
    checked(bits, capsys, "is no npy file")
