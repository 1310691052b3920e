"""The kernels' library: made once, kept where only its user writes, done without where it must be.

Compilers run for real, but do not optimise here: what they make is tested elsewhere.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import torch

from model.layers import Perceptron
from model.native import library as native

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]
FLAGS = ("-O0", "-std=c++17", "-shared", "-fPIC")
ALONE = f"""
import study, model.codec
from model.native import library
assert library.library.cache_info().misses == 0, "an import compiles"
library.FLAGS = {FLAGS}
assert library.library() is not None
"""
COMPILER = next(filter(None, map(shutil.which, ("c++", "g++", "clang++"))), None)

needs_compiler = pytest.mark.skipif(COMPILER is None, reason="there is no C++ compiler here")


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Where a library would be kept; nothing is known of any library yet."""
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("CXX", raising=False)
    monkeypatch.delenv(native.SWITCH, raising=False)
    monkeypatch.setattr(native, "FLAGS", FLAGS)
    native.library.cache_clear()
    yield tmp_path / "cache" / "dpcc-study"
    native.library.cache_clear()


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A library that two other processes made at once, each in its first call."""
    cache = tmp_path_factory.mktemp("made")
    chosen = {"CXX", native.SWITCH}
    environment = {name: value for name, value in os.environ.items() if name not in chosen}
    environment["XDG_CACHE_HOME"] = str(cache)
    command = [sys.executable, "-W", "error::RuntimeWarning", "-c", ALONE]
    both = [subprocess.Popen(command, env=environment, cwd=ROOT) for _ in range(2)]
    assert [process.wait() for process in both] == [0, 0]
    (found,) = (cache / "dpcc-study").iterdir()
    return found


def script(path: Path, body: str) -> str:
    path.write_text(f"#!/bin/sh\n{body}\n", encoding="utf-8")
    path.chmod(0o700)
    return str(path)


def works() -> bool:
    """Tell whether a network runs, with kernels or without."""
    layer = Perceptron(1, 3, 8, 2)
    layer(torch.rand(1, 2, 5, 3), None).sum().backward()
    weight = layer.hidden.linear.weight
    return weight.grad is not None and bool(weight.grad.isfinite().all())


@needs_compiler
def test_it_is_made_once_and_kept_privately(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CXX", f"{COMPILER} -pipe")
    assert native.library() is not None
    assert works()
    (path,) = folder.iterdir()
    before = path.stat()
    assert folder.stat().st_mode & 0o777 == 0o700
    native.library.cache_clear()
    assert native.library() is not None
    assert (path.stat().st_ino, path.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


def test_without_a_compiler_there_is_none_and_no_word_of_it(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert native.library() is None
    assert works()
    assert not folder.exists()


def test_it_can_be_switched_off(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(native.SWITCH, "0")
    assert native.library() is None
    assert works()
    assert not folder.exists()


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ("echo no licence >&2; exit 1", "no licence"),
        ('[ "$1" = --version ] || { echo no such flag >&2; exit 1; }', "no such flag"),
        ('[ "$1" = --version ] || exit 1', "non-zero exit status 1"),
        ("true", "kernels.so"),
        ("echo nonsense > kernels.so", "file too short"),
    ],
)
def test_a_compiler_that_fails_is_told_of_once(
    body: str, reason: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CXX", script(tmp_path / "broken", body))
    with pytest.warns(RuntimeWarning, match=rf"broken could make no kernels.*{reason}.*silences"):
        assert works()
    assert native.library() is None
    assert works()


@needs_compiler
def test_a_cache_that_cannot_be_written_is_done_without(tmp_path: Path) -> None:
    (tmp_path / "cache").touch()
    assert native.library() is not None
    (kept,) = (tmp_path / "temporary").iterdir()
    assert kept.stat().st_mode & 0o777 == 0o700
    assert works()


@needs_compiler
def test_where_nothing_can_be_written_pytorch_does_the_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "cache").touch()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "cache"))
    with pytest.warns(RuntimeWarning, match="File exists|Not a directory"):
        assert works()


@needs_compiler
@pytest.mark.parametrize("of_others", ["writable", "a link"])
def test_a_folder_that_others_may_write_into_is_not_used(
    of_others: str, folder: Path, tmp_path: Path
) -> None:
    planted = tmp_path / "planted"
    (planted if of_others == "a link" else folder).mkdir(parents=True)
    if of_others == "a link":
        folder.parent.mkdir()
        folder.symlink_to(planted)
    else:
        folder.chmod(0o777)
    assert native.library() is not None
    assert list(folder.iterdir()) == []
    (kept,) = (tmp_path / "temporary").iterdir()
    assert len(list(kept.iterdir())) == 1


@needs_compiler
def test_folders_of_somebody_else_are_not_used(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever runs the tests is somebody else to another user."""
    user = os.geteuid() + 1
    kept = tmp_path / "temporary" / f"dpcc-study-{user}"
    for made_by_us in (folder, kept):
        made_by_us.mkdir(parents=True, mode=0o700)
    monkeypatch.setattr(os, "geteuid", lambda: user)
    with pytest.warns(RuntimeWarning, match="must be a folder that belongs to this user"):
        assert works()
    assert list(folder.iterdir()) == list(kept.iterdir()) == []


@needs_compiler
@pytest.mark.parametrize("damage", ["empty", "cut short", "one bit", "nonsense"])
def test_a_damaged_library_is_made_anew(damage: str, folder: Path, made: Path) -> None:
    content = bytearray(made.read_bytes())
    content[len(content) // 2] ^= damage == "one bit"
    damaged = {
        "empty": b"",
        "cut short": bytes(content[: len(content) // 3]),
        "one bit": bytes(content),
        "nonsense": b"nonsense" + hashlib.sha256(b"nonsense").digest(),
    }
    folder.mkdir(parents=True, mode=0o700)
    (folder / made.name).write_bytes(damaged[damage])
    assert native.library() is not None
    assert works()
    (path,) = folder.iterdir()
    assert path.name == made.name
    assert native._is_whole(path)
    assert path.stat().st_size > len(damaged["cut short"])


@needs_compiler
def test_two_processes_make_it_at_once(made: Path) -> None:
    assert native._is_whole(made)


@needs_compiler
def test_loading_leaves_the_arithmetic_of_the_process_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """`-ffast-math` links in code that sets numbers below 1e-38 to zero, for everybody."""
    monkeypatch.undo()
    monkeypatch.delenv(native.SWITCH, raising=False)
    assert "-O0" not in native.FLAGS
    assert native.library() is not None
    assert (torch.tensor([1e-40]) * 1.0).item() > 0
    assert sys.float_info.min / 2 > 0


def test_a_package_brings_the_sources_along() -> None:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]
    packaged = settings["setuptools"]
    assert "model.native" in packaged["packages"]
    sources = ROOT / "model" / "native"
    patterns = packaged["package-data"]["model.native"]
    brought = {path.name for pattern in patterns for path in sources.glob(pattern)}
    assert brought == set(native.SOURCES)
    assert brought == {path.name for path in sources.iterdir() if path.suffix in {".cpp", ".hpp"}}
