"""What is read at the end: it can be typed as it stands, and is shown as it was said."""

from __future__ import annotations

import io
import sys
from typing import TYPE_CHECKING

import pytest
from rich.console import Console

from study.ending import show_front
from study.records import TrialRecord, TrialState
from study.report import ReportFiles
from study.study_file import parse_study
from tests.study.toy import STUDY

if TYPE_CHECKING:
    from pathlib import Path

FAILED = TrialRecord(0, TrialState.FAILED, {}, outcome="KeyError: '[/red]' of [a] [bold]")


def shown(root: Path, extra: str = "") -> str:
    console = Console(file=io.StringIO(), width=200)
    folder = root / "toy"
    html, png, csv, parquet = (
        folder / f"front.{kind}" for kind in ("html", "png", "csv", "parquet")
    )
    files = ReportFiles(html, png, csv, parquet)
    show_front(parse_study(STUDY + extra, origin="x"), [FAILED], files, console)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_the_reason_of_a_failure_is_no_markup(tmp_path: Path) -> None:
    assert FAILED.outcome in shown(tmp_path)


@pytest.mark.parametrize("program", ["study", "somewhere/pytest"])
def test_the_next_command_names_the_root_that_was_read(
    program: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", [program])
    assert "study ui --root else " in shown(tmp_path / "else")
    assert "study ui " in shown(tmp_path / "studies")
    assert "--root" not in shown(tmp_path / "studies")


def test_credentials_stay_off_the_screen(tmp_path: Path) -> None:
    text = shown(tmp_path, "tracking: {uri: 'https://me:secret@host'}")
    assert "secret" not in text
    assert "https://***@host" in text
