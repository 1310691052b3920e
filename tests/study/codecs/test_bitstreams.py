"""Bitstreams that one machine writes are checked on another; what differs is found, and told."""

from __future__ import annotations

import io
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from study.clouds import read_cloud
from study.codecs.bitstream_manifest import FileEntry, read_bitstream_manifest
from study.codecs.bitstreams import points_hash
from study.codecs.verifying import Checked, Outcome, as_promised, verify
from study.commands.main import main
from tests.study.finished import finished_study

if TYPE_CHECKING:
    from collections.abc import Callable

    from study.storage.folder import StudyFolder

ROOT = Path(__file__).parents[3]
GIVEN = 3


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> StudyFolder:
    return finished_study(tmp_path_factory.mktemp("finished"))


@pytest.fixture(scope="module")
def made(study: StudyFolder, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Files of a study's front for clouds of ours, one of them tiny and far from the origin."""
    folder = tmp_path_factory.mktemp("made")
    rng = np.random.default_rng(14)
    for number, scale in enumerate((1.0, 30.0, 1e-3)):
        points = rng.normal(size=(300, 3))
        points *= scale / np.linalg.norm(points, axis=1, keepdims=True)
        np.save(folder / f"{number}.npy", points + number)
    on = [word for number in range(GIVEN) for word in ("--on", str(folder / f"{number}.npy"))]
    words = ["export", "small", "--root", str(study.path.parent), "--bitstreams", *on]
    assert main([*words, str(folder / "bits")]) == 0
    return folder / "bits"


@pytest.fixture
def bits(made: Path, tmp_path: Path) -> Path:
    """A copy that a test may change."""
    return shutil.copytree(made, tmp_path / "bits")


def first(bits: Path) -> FileEntry:
    return read_bitstream_manifest(bits).files[0]


def change(bits: Path, alter: Callable[[Any], object]) -> None:
    """Write the manifest anew, altered."""
    manifest = json.loads((bits / "manifest.json").read_text())
    alter(manifest)
    (bits / "manifest.json").write_text(json.dumps(manifest))


def checked(bits: Path, capsys: pytest.CaptureFixture[str], *sentences: str, code: int = 1) -> str:
    """Verify; the exit code and what is said are as expected."""
    capsys.readouterr()
    assert main(["verify", str(bits)]) == code
    said = capsys.readouterr()
    told = said.err if code == 2 else said.out
    for sentence in sentences:
        assert sentence in " ".join(told.split()), told
    assert said.err == "" or code == 2
    return told


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
    checked(bits, capsys, count, "1 with another number of points, which may be, rarely", code=0)
    record(bits, points[: len(points) // 2])
    checked(bits, capsys, "other points", "not as promised: 1 of")
    record(bits, points[1:] + 0.1 * first(bits).longest_side)
    checked(bits, capsys, "other points", "not as promised: 1 of")


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
