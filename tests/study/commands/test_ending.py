"""What is read at the end: it can be typed as it stands, and is shown as it was said."""

from __future__ import annotations

import io
import sys
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from rich.console import Console

from study.base.records import EpochRecord, TrialRecord, TrialState
from study.commands import running
from study.commands.ending import NOTHING_FINISHED, show_end, show_front
from study.commands.main import main
from study.config.judging import judge
from study.driver.runner import Ended
from study.driver.termination import INTERRUPTED, Reason, Termination
from study.report import ReportFiles
from study.storage.folder import StudyFolder
from study.storage.study_file import parse_study
from study.training.codec_files import codec_file
from tests.study.measured import measured_study
from tests.study.toy import STUDY

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

FAILED = TrialRecord(0, TrialState.FAILED, {}, outcome="KeyError: '[/red]' of [a] [bold]")


def shown(root: Path, extra: str = "", records: Sequence[TrialRecord] = (FAILED,)) -> str:
    console = Console(file=io.StringIO(), width=200)
    folder = root / "toy"
    files = ReportFiles(folder)
    config = parse_study(STUDY + extra, origin="x")
    show_front(config, judge(config, records), files, console)
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
    assert "study ui toy --root else " in shown(tmp_path / "else")
    assert "study ui toy " in shown(tmp_path / "studies")
    assert "--root" not in shown(tmp_path / "studies")


def test_trials_that_were_stopped_early_are_counted(tmp_path: Path) -> None:
    pruned = [TrialRecord(number, TrialState.PRUNED, {}) for number in (1, 2)]
    assert "2 trials were stopped early" in shown(tmp_path, records=[FAILED, *pruned])
    assert "1 trial was stopped early" in shown(tmp_path, records=[FAILED, pruned[0]])
    assert "stopped early" not in shown(tmp_path)


def test_where_no_trial_keeps_a_constraint_the_nearest_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "argv", ["study"])
    bound = "constraints: [bpp <= 0.5]"
    beyond = [replace(rising(number), feasible=False) for number in (0, 1)]
    told = (
        "no trial keeps bpp <= 0.5; the nearest is trial 0, which breaks bpp <= 0.5 by 1.6; "
        f"`study export toy --trial 0 OUT --root {tmp_path}` takes it"
    )
    assert told in shown(tmp_path, bound, beyond)
    assert "the nearest is" not in shown(tmp_path, bound, [*beyond, rising(2)])
    assert "the nearest is" not in shown(tmp_path, bound)


def test_credentials_stay_off_the_screen(tmp_path: Path) -> None:
    text = shown(tmp_path, "tracking: {uri: 'https://me:secret@host'}")
    assert "secret" not in text


def rising(number: int) -> TrialRecord:
    """A complete trial whose rate and quality rise with every epoch: each of them is a bargain."""
    values = [(0.1 * (number + 1) + epoch, 30.0 + epoch - number) for epoch in range(3)]
    return TrialRecord(
        number,
        TrialState.COMPLETE,
        {},
        tuple(
            EpochRecord(epoch, {"bpp_estimated": bpp, "d1_psnr_db": psnr_db})
            for epoch, (bpp, psnr_db) in enumerate(values, start=1)
        ),
        total_epochs=3,
        final=dict(zip(("bpp", "d1_psnr_db"), values[-1], strict=True)),
    )


def test_earlier_epochs_that_are_bargains_too_are_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["study"])
    for epoch in (1, 2, 3):
        file = codec_file(tmp_path / "studies" / "toy" / "codecs", 0, epoch)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch()
    text = shown(tmp_path / "studies", records=[rising(0)])
    told = "trial 0 after epoch 2 would be on the front: 1.100 bpp, 31.00 D1 PSNR dB (estimated)"
    assert told in text
    assert "trial 0 after epoch 1 would be on the front: 0.100 bpp, 30.00" in text
    assert "after epoch 3" not in text  # That is the trial itself, measured.
    # Up to 3 bpp and 25 dB, the first epoch adds 1.0 x 5 and the second 1.0 x 1.
    assert "study export toy --trial 0 --epoch 1 OUT takes such a codec" in text
    assert "more;" not in text


def test_of_many_earlier_epochs_a_few_are_named(tmp_path: Path) -> None:
    epochs = tuple(
        EpochRecord(epoch, {"bpp_estimated": 0.1 * epoch, "d1_psnr_db": 30.0 + epoch})
        for epoch in range(1, 10)
    )
    for epoch in range(1, 10):
        file = codec_file(tmp_path / "toy" / "codecs", 0, epoch)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch()
    text = shown(tmp_path, records=[replace(rising(0), epochs=epochs)])
    assert text.count("would be on the front") == 3
    assert "and 5 more; " in text


def test_without_kept_codecs_nothing_is_said_of_them(tmp_path: Path) -> None:
    assert "would be on the front" not in shown(tmp_path, records=[rising(0)])


def test_a_study_in_which_nothing_ended_says_so(tmp_path: Path) -> None:
    """Its hours may be over before that, or its epochs be fewer than a trial's."""
    config = parse_study(STUDY, origin="x")
    files = ReportFiles(tmp_path / "toy")
    running = TrialRecord(0, TrialState.INTERRUPTED, {})
    over = Termination(Reason.HOURS_SPENT, "its hours are over")
    for records in ([], [running]):
        console = Console(file=io.StringIO(), width=200)
        ended = Ended(StudyFolder(tmp_path / "toy"), records, files, None, over)
        assert show_end(config, ended, console) == NOTHING_FINISHED
        assert isinstance(console.file, io.StringIO)
        assert console.file.getvalue().rstrip().endswith("no trial ended")


def interrupted(*_: object, **__: object) -> None:
    """Ctrl-C, where something else was called."""
    raise KeyboardInterrupt


@pytest.mark.parametrize(
    ("trials", "told"),
    [
        (
            12,
            (
                "interrupted after the last trial: all trials have ended and are kept; `study "
                "front mine --root {root}` shows the front and makes the report\n"
            ),
        ),
        (11, "interrupted\n"),
    ],
)
def test_ctrl_c_after_the_last_trial_says_that_all_is_kept(
    trials: int,
    told: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sys, "argv", ["study"])
    measured_study(tmp_path, "mine", [(1.0 + 0.1 * n, 30.0) for n in range(trials)])
    monkeypatch.setattr(running, "resume_study", interrupted)
    assert main(["resume", "mine", "--root", str(tmp_path)]) == 130
    assert capsys.readouterr().err == told.format(root=tmp_path)


def test_ctrl_c_while_the_example_is_made_names_what_is_missing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "argv", ["study"])
    folder = measured_study(tmp_path, "mine")
    ended = Ended(folder, [rising(number) for number in range(12)], ReportFiles(folder.path), None)
    monkeypatch.setattr(running, "resume_study", lambda *_, **__: ended)
    monkeypatch.setattr("study.commands.demonstration.demonstrate", interrupted)
    assert main(["resume", "mine", "--root", str(tmp_path)]) == 130
    assert capsys.readouterr().err == (
        "interrupted while the example was made: all trials have ended, and the report is "
        f"written; `study export mine --knee OUT --root {tmp_path}` takes a codec\n"
    )


@pytest.mark.parametrize(
    ("epochs", "told"),
    [
        ([], ""),
        ([0, 0], "; 2 trials begin anew"),
        (
            [0, 2, 1],
            ", with the 3 finished epochs of 2 unfinished trials; 1 other trial begins anew",
        ),
        ([1], ", with the 1 finished epoch of 1 unfinished trial"),
    ],
)
def test_an_interrupted_study_says_what_is_kept_of_its_trials(
    epochs: Sequence[int], told: str, tmp_path: Path
) -> None:
    records = [rising(0)] + [
        TrialRecord(number, TrialState.INTERRUPTED, {}, rising(0).epochs[:count])
        for number, count in enumerate(epochs, start=1)
    ]
    console = Console(file=io.StringIO(), width=200)
    ended = Ended(StudyFolder(tmp_path / "toy"), records, None, None, INTERRUPTED)
    assert show_end(parse_study(STUDY, origin="x"), ended, console) == 130
    assert isinstance(console.file, io.StringIO)
    assert f"trials complete; kept in {tmp_path}/toy{told}\n" in console.file.getvalue()
