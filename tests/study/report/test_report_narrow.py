"""The Pareto table on terminals that are too narrow for all of it."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from study.base.records import TrialState
from study.fronts.judged import JudgedStudy
from study.report import fitting_front_table
from tests.study.report.test_report import OBJECTIVES, study


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
