"""The Pareto table on terminals that are too narrow for all of it."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import pytest
from rich.console import Console

from study.base.records import TrialRecord, TrialState
from study.commands.main import main
from study.fronts.front import Direction, Objective
from study.fronts.judged import JudgedStudy
from study.report import fitting_front_table
from study.report.terminal import print_whole
from tests.study.measured import STUDY, measured_study
from tests.study.report.test_report import OBJECTIVES, study

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("width", "missing"), [(100, []), (80, ["time"]), (72, ["time", "gain dB"])]
)
def test_a_narrow_terminal_has_the_points_names_and_whole_numbers(
    width: int, missing: list[str]
) -> None:
    complete = [record for record in study() if record.state is TrialState.COMPLETE]
    console = Console(file=io.StringIO(), width=width)
    console.print(fitting_front_table(JudgedStudy(complete, OBJECTIVES), console, width))
    assert isinstance(console.file, io.StringIO)
    text = console.file.getvalue()
    assert [name for name in ("time", "gain dB") if name not in text] == missing
    assert ("gain:" in text) == ("gain dB" not in missing)
    assert "…" not in text
    assert all(name in text for name in ("low-rate", "knee", "high-rate", "6.42e-4", "36.00"))


FOUR = ("bpp_lambda", "chamfer_coe", "density_coe", "pts_num_coe")


def measured() -> list[TrialRecord]:
    final = {"bpp": 1.234, "d1_psnr_db": 34.56, "decode_s": 0.0123}
    params = {f"loss.{name}": 1.234e-4 for name in FOUR}
    return [TrialRecord(number, TrialState.COMPLETE, params, final=final) for number in range(12)]


@pytest.mark.parametrize("width", [20, 40, 60, 80, 100, None])
@pytest.mark.parametrize("count", [1, 2, 3])
def test_objectives_are_whole_whatever_the_width(width: int | None, count: int) -> None:
    """Settings go first; the footnote names them. What is wider than the console wraps there."""
    time = Objective("decode_s", Direction.MINIMIZE, reference=1.0)
    judged = JudgedStudy(measured(), (*OBJECTIVES, time)[:count])
    console = Console(file=io.StringIO(), width=width or 80)
    print_whole(fitting_front_table(judged, console, width), console)
    assert isinstance(console.file, io.StringIO)
    text = console.file.getvalue()
    assert "…" not in text
    for value in ("1.234", "34.56", "0.0123")[:count]:
        assert text.count(value) >= 12
    assert all(name in text for name in judged.named_points)
    headings = ("λ bpp", "chamfer", "density", "pts_num")
    table = text.partition("D1 PSNR:")[0]
    hidden = [name for name, words in zip(FOUR, headings, strict=True) if words not in table]
    assert hidden == list(FOUR[len(FOUR) - len(hidden) :])  # The last ones go first.
    assert (len(hidden) == len(FOUR)) or width != 20
    assert not hidden or width is not None
    for name in hidden:
        assert f"loss.{name}" in text.replace("\n", " ")


def test_a_pipe_has_no_width_but_the_one_that_is_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    space = ", ".join(f"loss.{name}: {{low: 1.0e-8, high: 1.0}}" for name in FOUR)
    wide = STUDY.replace("{trials: 12}", f"{{trials: 12, space: {{{space}}}}}")
    measured_study(tmp_path, "mine", study=wide)
    settings = []
    for columns in (None, "60", "1000"):
        monkeypatch.delenv("COLUMNS", raising=False)
        if columns is not None:
            monkeypatch.setenv("COLUMNS", columns)
        assert main(["front", "mine", "--root", str(tmp_path)]) == 0
        told = capsys.readouterr().out
        assert "…" not in told.partition("\n\n")[2].partition("D1 PSNR:")[0]
        settings.append("no room for" not in told)
    assert settings == [True, False, True]


def test_headings_take_one_line_where_there_is_no_width(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    measured_study(tmp_path, "mine", study=STUDY + "constraints: [decode_s <= 1]")
    whole = []
    for columns in (None, "100"):
        monkeypatch.delenv("COLUMNS", raising=False)
        if columns is not None:
            monkeypatch.setenv("COLUMNS", columns)
        assert main(["front", "mine", "--root", str(tmp_path)]) == 0
        (line,) = (
            line for line in capsys.readouterr().out.splitlines() if line.startswith(" trial  ")
        )
        whole.append("D1 PSNR dB" in line and "decode s" in line)
    assert whole == [True, False]
