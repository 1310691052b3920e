"""What the user sees while a study runs: on a terminal a table, elsewhere a few lines."""

from __future__ import annotations

import io
import re
from dataclasses import replace

import pytest
from rich.console import Console

import study
from study.base.records import EpochRecord, TrialRecord, TrialState
from study.fronts.front import Direction, Objective
from study.fronts.measures import Constraint
from study.report.live import LiveTable, PlainLines, live_view
from study.storage.study_file import parse_study
from tests.study.toy import STUDY

OBJECTIVES = (
    Objective("bpp", Direction.MINIMIZE, 3.0),
    Objective("d1_psnr_db", Direction.MAXIMIZE, 25.0),
)


def running(number: int, epochs: int = 0, total: int = 6) -> TrialRecord:
    metrics = {"bpp_estimated": 1.5, "d1_psnr_db": 31.25}
    return TrialRecord(
        number=number,
        state=TrialState.RUNNING,
        params={"loss.bpp_lambda": 1e-4},
        epochs=tuple(EpochRecord(epoch + 1, metrics) for epoch in range(epochs)),
        total_epochs=total,
        is_baseline=number == 0,
        elapsed_s=60.0 * epochs,
    )


def complete(number: int, bpp: float, psnr_db: float) -> TrialRecord:
    return TrialRecord(
        number=number,
        state=TrialState.COMPLETE,
        params={"loss.bpp_lambda": 1e-4},
        epochs=running(number, 6).epochs,
        total_epochs=6,
        final={"bpp": bpp, "d1_psnr_db": psnr_db},
    )


def screen(table: LiveTable, height: int = 25) -> str:
    console = Console(file=io.StringIO(), width=90, height=height, force_terminal=False)
    console.print(table)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def line_of(trial: str, shown: str) -> list[str]:
    (line,) = [line for line in shown.splitlines() if re.match(rf"│ +{re.escape(trial)} │", line)]
    return [cell.strip() for cell in line.strip("│").split("│")]


def test_the_table_is_there_before_the_first_trial() -> None:
    assert "starting Ray" in screen(LiveTable("mine", 8, OBJECTIVES))


def test_the_table_tells_how_far_each_trial_is_and_what_the_front_holds() -> None:
    table = LiveTable("mine", 8, OBJECTIVES)
    table.on_trial(running(0, epochs=2))
    table.on_trial(running(1, epochs=6))
    table.on_trial(complete(2, bpp=0.5, psnr_db=35.0))
    shown = screen(table)
    assert line_of("★ 0", shown)[1:] == ["running", "2/6", "~1.500", "~31.25", "2m 00s"]
    assert line_of("1", shown)[1:3] == ["measuring", "6/6"]
    assert line_of("◆ 2", shown)[1:5] == ["complete", "6/6", "0.500", "35.00"]
    assert "1 of 8 trials finished" in shown
    assert "1 on the front (◆) · hypervolume 25.000" in shown  # (3 - 0.5) * (35 - 25)


def test_the_columns_are_the_first_objectives() -> None:
    metrics = ("decode_s", "d1_psnr_db", "bpp", "chamfer", "density")
    objectives = [Objective(metric, Direction.MINIMIZE, 100.0) for metric in metrics]
    table = LiveTable("mine", 8, objectives)
    table.on_trial(running(0, epochs=2))
    final = {"decode_s": 0.0512, "d1_psnr_db": 35.0, "bpp": 0.5, "chamfer": 1.5e-4, "density": 1.0}
    table.on_trial(replace(complete(1, bpp=0.5, psnr_db=35.0), final=final))
    shown = screen(table)
    assert "decode s" in shown
    assert "density" not in shown
    assert line_of("★ 0", shown)[3:7] == ["", "~31.25", "~1.500", ""]
    assert line_of("◆ 1", shown)[3:7] == ["0.0512", "35.00", "0.500", "0.00015"]


def test_what_is_pruned_or_infeasible_is_not_on_the_front_and_says_so() -> None:
    pruned = replace(running(1, epochs=2), state=TrialState.PRUNED, outcome="stopped after epoch 2")
    infeasible = replace(complete(2, bpp=2.0, psnr_db=35.0), feasible=False)
    table = LiveTable("mine", 8, OBJECTIVES)
    console = Console(file=io.StringIO(), width=120)
    lines = PlainLines(console, 8, OBJECTIVES, [Constraint("bpp", most=1.0)])
    for record in (pruned, infeasible):
        table.on_trial(record)
        lines.on_trial(record)
    shown = screen(table)
    assert line_of("1", shown)[1:3] == ["pruned", "2/6"]
    assert line_of("2", shown)[1] == "infeasible"
    assert "2 of 8 trials finished · 0 on the front" in shown
    assert isinstance(console.file, io.StringIO)
    assert console.file.getvalue().splitlines() == [
        "trial 1: pruned, bpp ~1.500, D1 PSNR ~31.25, stopped after epoch 2 (1 of 8 finished)",
        "trial 2: complete, bpp 2.000, D1 PSNR 35.00, breaks bpp <= 1 (2 of 8 finished)",
    ]


def test_a_long_study_fits_the_screen_and_hides_no_running_trial() -> None:
    table = LiveTable("long", 100, OBJECTIVES)
    table.on_trial(running(0, epochs=1))
    for number in range(1, 60):
        table.on_trial(complete(number, bpp=1.0, psnr_db=30.0))
    shown = screen(table, height=20)
    assert len(shown.splitlines()) <= 20
    assert line_of("★ 0", shown)[1] == "running"
    assert "48 trials not shown" in " ".join(shown.split())


def together(cohort: int, *records: TrialRecord) -> list[TrialRecord]:
    metrics = {"population": float(len(records))}
    return [
        replace(
            record,
            cohort=cohort,
            epochs=tuple(
                EpochRecord(each.epoch, {**each.metrics, **metrics}) for each in record.epochs
            ),
        )
        for record in records
    ]


def test_the_table_says_how_many_train_together() -> None:
    table = LiveTable("mine", 8, OBJECTIVES)
    for record in together(0, running(0), running(1)):
        table.on_trial(record)
    assert "2 train in 1 cohort" in " ".join(screen(table).split())
    for record in together(1, running(2), running(3, epochs=1)):
        table.on_trial(record)
    assert "4 train in 2 cohorts" in " ".join(screen(table).split())


def test_the_table_does_not_speak_of_cohorts_of_one() -> None:
    table = LiveTable("mine", 8, OBJECTIVES)
    for number in range(3):
        table.on_trial(replace(running(number), cohort=number))
    assert "cohort" not in screen(table)


def test_of_trials_that_train_together_one_line_tells_an_epoch(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now = 0.0
    monkeypatch.setattr("study.report.live.time.monotonic", lambda: now)
    console = Console(file=io.StringIO(), width=120)
    config = parse_study(STUDY.replace("trials: 3", "trials: 2"), origin="toy")
    with live_view(console, config, OBJECTIVES) as view:
        for epochs in range(3):
            for record in together(0, running(0, epochs), running(1, epochs)):
                view.on_trial(record)
            now += 10.0
        ended = together(0, complete(0, bpp=0.5, psnr_db=35.0), complete(1, 1.0, 36.0))
        for record in [*ended, *ended]:  # shown once more when the cohort ends
            view.on_trial(record)
    assert isinstance(console.file, io.StringIO)
    numbers = "bpp ~1.500, D1 PSNR ~31.25"
    assert console.file.getvalue().splitlines() == [
        "trial 0: started",
        "trial 1: started",
        f"trial 0: epoch 1/6, {numbers} (2 train together)",
        f"trial 0: epoch 2/6, {numbers} (2 train together)",
        "trial 0: complete, bpp 0.500, D1 PSNR 35.00 (1 of 2 finished)",
        "trial 1: complete, bpp 1.000, D1 PSNR 36.00 (2 of 2 finished)",
    ]


def test_without_a_terminal_a_trial_is_a_line_when_it_starts_and_when_it_ends() -> None:
    console = Console(file=io.StringIO(), width=120)
    config = parse_study(STUDY.replace("trials: 3", "trials: 2"), origin="toy")
    with live_view(console, config, OBJECTIVES) as view:
        assert isinstance(view, PlainLines)
        view.on_trial(running(0))
        for epochs in range(1, 7):  # within one moment: none of these is worth a line
            view.on_trial(running(0, epochs))
        view.on_trial(complete(0, bpp=0.5, psnr_db=35.0))
        failed = TrialRecord(1, TrialState.FAILED, {}, outcome="diverged: the loss became NaN")
        view.on_trial(failed)
    assert isinstance(console.file, io.StringIO)
    assert console.file.getvalue().splitlines() == [
        "trial 0: started",
        "trial 0: complete, bpp 0.500, D1 PSNR 35.00 (1 of 2 finished)",
        "trial 1: failed, diverged: the loss became NaN (2 of 2 finished)",
    ]


def test_the_front_door_lists_the_public_names() -> None:
    assert study.__all__ == [
        "Ended",
        "StudyConfig",
        "StudyError",
        "TrialRecord",
        "TrialState",
        "load_study",
        "run_study",
    ]
    assert all(getattr(study, name) is not None for name in study.__all__)
    with pytest.raises(AttributeError, match="nothing_else"):
        _ = study.nothing_else
