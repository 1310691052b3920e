"""Bitstreams that one machine writes are checked on another; what differs is found, and told."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from study.clouds import read_cloud
from study.codecs.bitstream_manifest import read_bitstream_manifest
from study.codecs.bitstreams import points_hash
from study.codecs.verifying import Checked, Outcome, as_promised, verify
from study.commands.main import main
from tests.study.bitstreams import GIVEN, change, checked, exported, first
from tests.study.finished import finished_study

if TYPE_CHECKING:
    from study.storage.folder import StudyFolder

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> StudyFolder:
    return finished_study(tmp_path_factory.mktemp("finished"))


@pytest.fixture(scope="module")
def made(study: StudyFolder, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return exported(study, tmp_path_factory.mktemp("made"))


@pytest.fixture
def bits(made: Path, tmp_path: Path) -> Path:
    """A copy that a test may change."""
    return shutil.copytree(made, tmp_path / "bits")


def test_it_is_as_promised_where_it_was_made(
    made: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    manifest = read_bitstream_manifest(made)
    assert len(manifest.files) == GIVEN * len(manifest.codecs)
    assert (manifest.study, manifest.clouds) == ("small", "given")
    assert [file.cloud for file in manifest.files[:GIVEN]] == ["0.npy", "1.npy", "2.npy"]
    told = checked(made, capsys, f"as promised: {GIVEN * len(manifest.codecs)} files", code=0)
    assert f"verifying: 1 of {len(manifest.files)} files" in told
    found = verify(made, manifest, lambda *_: None)
    assert {each.outcome for each in found} == {Outcome.SAME}


def test_the_validation_clouds_are_the_default(
    study: StudyFolder, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["--root", str(study.path.parent), str(tmp_path / "out")]
    assert main(["export", "small", "--bitstreams", *words]) == 0
    assert main(["export", "small", "--clouds", *words[:-1], str(tmp_path / "clouds")]) == 0
    manifest = read_bitstream_manifest(tmp_path / "out")
    assert manifest.clouds == "validation"
    (cloud,) = (tmp_path / "clouds").iterdir()
    assert cloud.stem in manifest.files[0].file
    assert manifest.files[0].longest_side == np.ptp(read_cloud(cloud).points, axis=0).max()
    assert main(["export", "small", "--bitstreams", *words]) == 2
    assert "bitstreams are written into a new folder" in capsys.readouterr().err


def test_nothing_is_left_where_a_cloud_cannot_be_coded(
    study: StudyFolder, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    np.save(tmp_path / "far.npy", np.array([[0.0, 0, 0], [1e200, 0, 0], [0, 1e200, 0]]))
    words = ["--root", str(study.path.parent), "--on", str(tmp_path / "far.npy")]
    assert main(["export", "small", "--bitstreams", *words, str(tmp_path / "out")]) == 2
    assert capsys.readouterr().err.startswith("error: ")
    assert [path.name for path in tmp_path.iterdir()] == ["far.npy"]


def elsewhere(bits: Path, capability: str, threads: int) -> tuple[int, str]:
    """Verify in a process that computes otherwise."""
    environment = {"ATEN_CPU_CAPABILITY": capability, "DPCC_NATIVE": "0"}
    ended = subprocess.run(
        [sys.executable, "-m", "study", "verify", str(bits)],
        cwd=ROOT,
        env=os.environ | environment | {"OMP_NUM_THREADS": str(threads)},
        capture_output=True,
        text=True,
        check=False,
    )
    return ended.returncode, ended.stdout + ended.stderr


def test_it_is_as_promised_under_another_capability_and_with_other_threads(made: Path) -> None:
    code, said = elsewhere(made, "default", 2)
    assert code == 0, said
    assert "here " in said
    assert "DEFAULT, 2 threads, no native kernels" in said
    assert "as promised: " in said


@pytest.mark.slow
@pytest.mark.parametrize("capability", ["default", "avx2"])
@pytest.mark.parametrize("threads", [1, 2, 3])
def test_it_is_as_promised_under_all(made: Path, capability: str, threads: int) -> None:
    code, said = elsewhere(made, capability, threads)
    assert code == 0, said


def test_a_changed_byte_is_found(bits: Path, capsys: pytest.CaptureFixture[str], seed: int) -> None:
    place = first(bits).file
    data = bytearray((bits / place).read_bytes())
    data[seed % len(data)] ^= 1
    (bits / place).write_bytes(data)
    checked(bits, capsys, f"{place} was changed: its SHA-256 is not", "not as promised: 1 of")


def test_another_length_is_found(bits: Path, capsys: pytest.CaptureFixture[str]) -> None:
    entry = first(bits)
    data = (bits / entry.file).read_bytes()
    (bits / entry.file).write_bytes(data[:-1])
    checked(bits, capsys, f"must have {len(data):,} bytes, and has {len(data) - 1:,}")
    (bits / entry.file).write_bytes(data * 1000)
    checked(bits, capsys, f"must have {len(data):,} bytes, and has more")


def test_a_changed_point_is_found(bits: Path, capsys: pytest.CaptureFixture[str]) -> None:
    entry = first(bits)
    points = np.load(bits / entry.decoded)
    points[7, 1] += 1e-12
    np.save(bits / entry.decoded, points)
    checked(bits, capsys, f"{entry.decoded} was changed: the SHA-256 of its points is not")


def record(bits: Path, points: np.ndarray[Any, np.dtype[np.float64]]) -> None:
    """Record other decoded points of the first file, with their hash: a truthful other machine."""
    np.save(bits / first(bits).decoded, points)
    told = {"points": len(points), "points_sha256": points_hash(points)}
    change(bits, lambda manifest: manifest["files"][0].update(told))


@pytest.mark.parametrize(
    ("by", "outcome"),
    [(1e-9, Outcome.ROUNDING), (0.9e-4, Outcome.ROUNDING), (1.1e-4, Outcome.POINTS)],
)
def test_it_says_by_how_much_a_point_differs(bits: Path, by: float, outcome: Outcome) -> None:
    """One point is moved along an axis by so many longest sides."""
    entry = first(bits)
    points = np.load(bits / entry.decoded)
    points[3, 2] += by * entry.longest_side
    record(bits, points)
    found = verify(bits, read_bitstream_manifest(bits), lambda *_: None)
    assert found[0].outcome is outcome
    assert found[0].difference is not None
    assert found[0].difference.largest == pytest.approx(by, rel=1e-3)
    assert found[0].difference.mean == pytest.approx(by / len(points), rel=1e-3)
    assert as_promised(found) is (outcome is Outcome.ROUNDING)


def test_a_count_that_differs_is_told_and_no_failure_while_it_is_rare(
    bits: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    points = np.load(bits / first(bits).decoded)
    record(bits, points[1:])
    count = f"{len(points):,} points, and {len(points) - 1:,} were recorded"
    checked(
        bits,
        capsys,
        count,
        "1 with a count or a tie decided otherwise, which may be, rarely",
        code=0,
    )
    record(bits, points[: len(points) // 2])
    checked(bits, capsys, "other points", "not as promised: 1 of")
    record(bits, points[1:] + 0.1 * first(bits).longest_side)
    checked(bits, capsys, "other points", "not as promised: 1 of")


def test_a_tie_is_told_of_codecs_that_have_ties(
    bits: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    points = np.load(bits / first(bits).decoded)
    points[3] += 0.01 * first(bits).longest_side
    record(bits, points)
    told = f"1 of {len(points):,} points are farther than 0.0001"
    checked(bits, capsys, told, "not as promised: 1 of")
    change(bits, lambda manifest: manifest["codecs"][0].update(has_ties=True))
    checked(bits, capsys, told, "1 with a count or a tie decided otherwise", code=0)


def test_counts_may_differ_in_a_tenth_of_the_files(made: Path) -> None:
    entry = first(made)
    for files, most in ((1, 1), (9, 1), (20, 2), (39, 3)):
        for odd in (most, most + 1):
            found = [Checked(entry, Outcome.COUNT)] * odd + [Checked(entry, Outcome.SAME)] * files
            found = found[: max(files, odd)]
            assert as_promised(found) is (odd <= most), (files, odd)


@pytest.mark.parametrize("what", ["file", "decoded"])
def test_a_missing_file_is_found(what: str, bits: Path, capsys: pytest.CaptureFixture[str]) -> None:
    place = getattr(first(bits), what)
    (bits / place).unlink()
    checked(bits, capsys, f"{place} is missing")


def test_a_codec_that_is_damaged_or_another_is_found(
    bits: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    change(bits, lambda manifest: manifest["codecs"][0].update(id="00000000"))
    checked(bits, capsys, "the codec must be 00000000")
    (bits / read_bitstream_manifest(bits).codecs[0].folder / "weights.safetensors").write_bytes(b"")
    checked(bits, capsys, "weights.safetensors is damaged")


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--knee", "--on", "x.ply", "out"], "--on names clouds for --bitstreams"),
        (["--bitstreams", "--register", "out"], "--bitstreams writes bitstreams, and --register"),
        (["--bitstreams"], "bitstreams are written into a new folder: name it"),
    ],
)
def test_options_that_do_not_go_together(
    words: list[str], sentence: str, study: StudyFolder, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["export", "small", "--root", str(study.path.parent), *words]) == 2
    assert sentence in capsys.readouterr().err
