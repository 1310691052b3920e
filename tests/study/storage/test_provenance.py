"""What opened a study is written down at each opening, without what is secret."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from study.base import checkout as checkouts
from study.storage import provenance
from study.storage.folder import StudyFolder
from study.storage.provenance import keep_provenance, last_opened, provenance_files

if TYPE_CHECKING:
    from pathlib import Path


def _git(folder: Path, *words: str) -> None:
    who = ("-c", "user.name=a", "-c", "user.email=a@b")
    command = ["git", "-C", str(folder), *who, *words]
    subprocess.run(command, check=True, capture_output=True)


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A checkout with a changed file, a secret that has changed, and a file that git ignores."""
    code = tmp_path / "code"
    code.mkdir()
    _git(code, "init")
    (code / "Secrets").mkdir()
    for name in ("a.py", "my.env", "Secrets/a.txt"):
        (code / name).write_text("before\n")
    _git(code, "add", ".")
    _git(code, "commit", "-m", "first")
    (code / "a.py").write_text("changed\n")
    for name in ("my.env", "Secrets/a.txt"):
        (code / name).write_text("hunter2\n")
    (code / "new.txt").write_text("untracked\n")
    return code


@pytest.fixture
def folder(tmp_path: Path) -> StudyFolder:
    (tmp_path / "toy").mkdir()
    return StudyFolder(tmp_path / "toy")


def test_openings_are_kept_apart_and_secrets_out(
    checkout: Path, folder: StudyFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "argv", ["study", "run", "--address", "ray://me:hunter2@host:1"])
    first = keep_provenance(folder, checkout=checkout)
    before = first.read_bytes()
    second = keep_provenance(folder, checkout=checkout)
    third = keep_provenance(folder, checkout=checkout)
    second.unlink()
    fourth = keep_provenance(folder, checkout=checkout)
    assert first.read_bytes() == before
    assert provenance_files(folder) == [first, third, fourth]
    told = json.loads(before)
    assert "+changed" in told["diff"]
    assert len(told["commit"]) == 40
    assert told["why_not"] is None
    assert any(line.startswith("torch==") for line in told["packages"])
    assert b"hunter2" not in before
    assert b"untracked" not in before
    shown = last_opened(folder)
    assert shown is not None
    assert f"by commit {told['commit'][:10]} with local changes, torch " in shown


def test_a_long_diff_is_cut(
    checkout: Path, folder: StudyFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(provenance, "MOST_BYTES", 1000)
    (checkout / "a.py").write_text("changed\n" * 100_000)
    told = json.loads(keep_provenance(folder, checkout=checkout).read_text())
    assert told["diff_is_cut"]
    assert len(told["diff"]) == 1000


def test_without_a_commit_it_says_why(checkout: Path, folder: StudyFolder, tmp_path: Path) -> None:
    for place, why in ((tmp_path, "not in a checkout of git"), (checkout, "git does not answer")):
        if place == checkout:
            (checkout / ".git" / "HEAD").write_text("nonsense")
        told = json.loads(keep_provenance(folder, checkout=place).read_text())
        assert told["commit"] is None
        assert why in told["why_not"]
        assert "code of no known commit" in str(last_opened(folder))


def test_a_git_that_hangs_is_ended_with_what_it_started(
    checkout: Path, folder: StudyFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "git").write_text("#!/bin/sh\nsleep 600 &\necho 1234abcd\nwait\n")
    (tmp_path / "git").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    monkeypatch.setattr(checkouts, "TIMEOUT_S", 0.5)
    told = json.loads(keep_provenance(folder, checkout=checkout).read_text())
    assert told["commit"] is None
    assert "timed out" in told["why_not"]


def test_without_git_it_says_so(
    checkout: Path, folder: StudyFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    told = json.loads(keep_provenance(folder, checkout=checkout).read_text())
    assert told["commit"] is None
    assert "git does not answer: [Errno 2]" in told["why_not"]


def test_what_nobody_wrote_is_not_read(folder: StudyFolder, tmp_path: Path) -> None:
    """Of an earlier version there is none; somebody else's may be a link, or hold anything."""
    assert last_opened(folder) is None
    place = folder.path / provenance.FOLDER
    place.mkdir()
    (tmp_path / "secret.json").write_text("{}")
    (place / "1.json").symlink_to(tmp_path / "secret.json")
    assert provenance_files(folder) == []
    for number, text in enumerate(("[", "[]", '{"packages": [1]}', "{}"), start=2):
        (place / f"{number}.json").write_text(text)
        assert last_opened(folder) is None
