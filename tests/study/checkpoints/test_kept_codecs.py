"""What stays of a study's codecs: worked examples, the budget, faults."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from study.base.records import TrialState
from study.checkpoints.earlier_epochs import kept_earlier_epochs
from study.checkpoints.kept_codecs import DELETED, KeptCodecs
from study.fronts.front import Direction, Objective
from study.fronts.judged import JudgedStudy
from study.fronts.measures import Constraint
from study.training.codec_files import codec_file
from tests.study.on_disk import (
    COMPLETE,
    OBJECTIVES,
    PLENTY,
    SIZE,
    keeper,
    log,
    record,
    there,
    train,
    write,
)

if TYPE_CHECKING:
    from pathlib import Path


class TestWorkedExamples:
    def test_epochs_that_a_later_one_beats_go_and_the_newest_stays(self, tmp_path: Path) -> None:
        kept = keeper(tmp_path)
        for count in range(1, 4):
            write(tmp_path, 7, count)
            kept.on_trial(record(7, *[(1.0, 30.0), (1.0, 31.0), (1.2, 30.5)][:count]))
        assert there(tmp_path) == {(7, 2), (7, 3)}  # 1 is worse than 2; 3 is the newest

    def test_an_early_epoch_of_lower_rate_stays_to_the_end(self, tmp_path: Path) -> None:
        kept = keeper(tmp_path)
        train(kept, tmp_path, record(0, (0.7, 33), (1.2, 32), (1.1, 36), state=COMPLETE))
        assert there(tmp_path) == {(0, 1), (0, 3)}
        one = record(0, (0.7, 33), (1.1, 36), state=COMPLETE)
        (early,) = kept_earlier_epochs(tmp_path, JudgedStudy([one], OBJECTIVES))
        assert (early.trial, early.epoch, early.values) == (0, 1, (0.7, 33.0))
        assert early.path == codec_file(tmp_path, 0, 1)

    def test_a_complete_trial_that_beats_others_takes_their_codecs(self, tmp_path: Path) -> None:
        kept = keeper(tmp_path)
        train(kept, tmp_path, record(0, (0.7, 33), (1.1, 36), state=COMPLETE))
        train(kept, tmp_path, record(1, (0.6, 34), (1.0, 35), state=COMPLETE))
        assert there(tmp_path) == {(0, 2), (1, 1), (1, 2)}

    def test_what_a_running_trial_alone_beats_stays_until_that_has_ended(
        self, tmp_path: Path
    ) -> None:
        kept = keeper(tmp_path)
        better = record(1, (0.6, 34))
        write(tmp_path, 1, 1)
        kept.on_trial(better)
        train(kept, tmp_path, record(0, (0.7, 33), state=COMPLETE))
        assert there(tmp_path) == {(0, 1), (1, 1)}
        kept.on_trial(replace(better, state=TrialState.PRUNED))
        assert there(tmp_path) == {(0, 1)}

    @pytest.mark.parametrize("state", [TrialState.PRUNED, TrialState.FAILED])
    def test_nothing_stays_of_who_was_stopped_or_failed(
        self, state: TrialState, tmp_path: Path
    ) -> None:
        train(keeper(tmp_path), tmp_path, record(0, (0.7, 33), (1.1, 36), state=state))
        assert there(tmp_path) == set()
        assert not (tmp_path / "trial-0000").exists()
        assert [line["why"] for line in log(tmp_path)] == [f"its trial is {state.value}"] * 2

    def test_the_measured_front_stays_though_estimates_are_beaten(self, tmp_path: Path) -> None:
        """Estimated at 1.0 bpp, measured at 0.9: the front of the table shows it."""
        kept = keeper(tmp_path)
        train(kept, tmp_path, record(0, (1.0, 33), state=COMPLETE, final=(0.9, 33)))
        train(kept, tmp_path, record(1, (0.95, 34), state=COMPLETE, final=(1.1, 34)))
        assert there(tmp_path) == {(0, 1), (1, 1)}

    def test_an_epoch_that_is_not_told_yet_stays(self, tmp_path: Path) -> None:
        """The worker trains on while the driver writes down the last epoch."""
        kept = keeper(tmp_path)
        write(tmp_path, 0, 1)
        write(tmp_path, 0, 2)
        kept.on_trial(record(0, (1.0, 30)))
        assert there(tmp_path) == {(0, 1), (0, 2)}

    def test_what_breaks_a_constraint_beats_nothing(self, tmp_path: Path) -> None:
        kept = KeptCodecs(tmp_path, OBJECTIVES, PLENTY, print, [Constraint("bpp", most=1.0)])
        train(kept, tmp_path, record(0, (0.99, 20), state=COMPLETE))
        train(kept, tmp_path, record(1, (0.9, 33), (1.1, 36), state=COMPLETE, feasible=False))
        assert there(tmp_path) == {(0, 1), (1, 1)}
        assert log(tmp_path)[-1]["why"] == "breaks a constraint"

    def test_while_all_break_a_constraint_the_one_that_breaks_it_least_stays(
        self, tmp_path: Path
    ) -> None:
        """It used to be deleted with the others, and nothing was left of the study."""
        bounds = [Constraint("bpp", most=1.0), Constraint("d1_psnr_db", least=40.0)]
        kept = KeptCodecs(tmp_path, OBJECTIVES, PLENTY, print, bounds)
        # Beyond by 0.5 + 0.1, by 0.2 + 0.2, by 0.2 + 0.3, and by 0.1 + nothing.
        values = [(1.5, 36.0), (1.2, 32.0), (1.2, 28.0), (1.1, 40.0)]
        stays = [0, 1, 1, 3]
        for number, (value, best) in enumerate(zip(values, stays, strict=True)):
            train(kept, tmp_path, record(number, value, state=COMPLETE, feasible=False))
            assert there(tmp_path) == {(best, 1)}
        again = KeptCodecs(tmp_path, OBJECTIVES, PLENTY, print, bounds)
        for number in (3, 1, 0, 2):  # a study that goes on, in any order
            again.on_trial(record(number, values[number], state=COMPLETE, feasible=False))
        assert there(tmp_path) == {(3, 1)}
        train(again, tmp_path, record(4, (0.9, 41.0), state=COMPLETE))
        assert there(tmp_path) == {(4, 1)}
        assert {line["why"] for line in log(tmp_path)} == {"breaks a constraint"}

    def test_a_last_epoch_that_is_measured_to_break_one_has_taken_no_other_along(
        self, tmp_path: Path
    ) -> None:
        """Seconds have no estimate: until they are measured, nothing says that it is too slow."""
        kept = KeptCodecs(tmp_path, OBJECTIVES, PLENTY, print, [Constraint("decode_s", most=0.05)])
        values = [(0.9, 33.0), (0.95, 32.0), (1.0, 32.5), (0.8, 34.0)]
        train(kept, tmp_path, record(0, *values, state=COMPLETE, feasible=False))
        assert there(tmp_path) == {(0, 1)}

    def test_objectives_without_estimates_have_last_epochs_only(self, tmp_path: Path) -> None:
        objectives = (Objective("encode_s", Direction.MINIMIZE, reference=1.0), OBJECTIVES[1])
        kept = KeptCodecs(tmp_path, objectives, PLENTY, print)
        one = record(0, (0.7, 33), (1.1, 36), state=COMPLETE)
        train(kept, tmp_path, replace(one, final={"encode_s": 0.1, "d1_psnr_db": 36.0}))
        assert there(tmp_path) == {(0, 2)}
        assert kept_earlier_epochs(tmp_path, JudgedStudy([one], objectives)) == []


class TestBudget:
    def test_those_that_add_least_go_first_and_it_is_told(self, tmp_path: Path) -> None:
        """(0.5, 25), (0.6, 30), (2, 31): up to (3, 20) the first adds 0.1 x 5, the last 1 x 1."""
        said: list[str] = []
        kept = keeper(tmp_path, 2 * SIZE, said)
        values = [(0.5, 25), (0.6, 30), (2.0, 31)]
        for number, value in enumerate(values):
            train(kept, tmp_path, record(number, value, state=COMPLETE))
        assert there(tmp_path) == {(1, 1), (2, 1)}
        assert len(said) == 1
        assert "the codec of trial 0 after epoch 1 was deleted although nothing beats it" in said[0]
        assert "200 bytes (storage.codec_bytes)" in said[0]
        (line,) = log(tmp_path)
        assert {key: line[key] for key in ("trial", "epoch", "bytes", "why")} == {
            "trial": 0,
            "epoch": 1,
            "bytes": SIZE,
            "why": "beyond storage.codec_bytes",
        }

    def test_earlier_epochs_go_before_any_measured_codec(self, tmp_path: Path) -> None:
        kept = keeper(tmp_path, SIZE)
        train(kept, tmp_path, record(0, (0.5, 30), (2.9, 31), state=COMPLETE))
        assert there(tmp_path) == {(0, 2)}  # though it adds far less

    def test_a_running_trials_newest_never_goes(self, tmp_path: Path) -> None:
        kept = keeper(tmp_path, 1)
        for number in range(3):
            write(tmp_path, number, 1)
            kept.on_trial(record(number, (1.0 + number, 30.0 + number)))
        assert there(tmp_path) == {(0, 1), (1, 1), (2, 1)}
        write(tmp_path, 0, 2)
        kept.on_trial(record(0, (1.0, 30.0), (2.0, 33.0)))
        assert there(tmp_path) == {(0, 2), (1, 1), (2, 1)}

    def test_of_two_that_are_equal_one_stays(self, tmp_path: Path) -> None:
        kept = keeper(tmp_path, SIZE)
        for number in range(2):
            train(kept, tmp_path, record(number, (1.0, 30), state=COMPLETE))
        assert there(tmp_path) == {(1, 1)}

    def test_a_tight_budget_is_not_told_a_thousand_times(self, tmp_path: Path) -> None:
        said: list[str] = []
        kept = keeper(tmp_path, SIZE, said)
        for number in range(40):
            value = (1.0 + number / 40, 30.0 + number / 40)
            train(kept, tmp_path, record(number, value, state=COMPLETE))
        assert len(log(tmp_path)) == 39
        assert len(said) == 6
        assert "32 of the front so far" in said[-1]

    def test_a_study_that_goes_on_with_less_room_makes_it(self, tmp_path: Path) -> None:
        ended = [record(n, (1.0 + n, 30.0 + n), state=COMPLETE) for n in range(5)]
        kept = keeper(tmp_path)
        for each in ended:
            train(kept, tmp_path, each)
        assert len(there(tmp_path)) == 5
        again = keeper(tmp_path, 2 * SIZE)
        for each in ended:
            again.on_trial(each)
        assert len(there(tmp_path)) == 2


class TestFaults:
    def test_a_codec_that_is_missing_is_as_good_as_deleted(self, tmp_path: Path) -> None:
        kept = keeper(tmp_path)
        train(kept, tmp_path, record(0, (1.0, 30), state=COMPLETE))
        codec_file(tmp_path, 0, 1).unlink()
        train(kept, tmp_path, record(1, (0.9, 31), state=COMPLETE))
        assert there(tmp_path) == {(1, 1)}

    def test_what_a_killed_worker_left_goes_with_its_trial(self, tmp_path: Path) -> None:
        kept = keeper(tmp_path)
        write(tmp_path, 0, 1)
        (tmp_path / "trial-0000" / ".epoch-0002.pt.partial").write_bytes(b"half")
        (tmp_path / "trial-0000" / "epoch-mine.pt").write_bytes(b"not ours")
        kept.on_trial(record(0, (1.0, 30), state=TrialState.FAILED))
        assert [path.name for path in tmp_path.glob("trial-0000/*")] == ["epoch-mine.pt"]

    def test_a_disk_that_refuses_stops_no_study(self, tmp_path: Path) -> None:
        said: list[str] = []
        (tmp_path / DELETED).mkdir(parents=True)  # which cannot be written to
        kept = keeper(tmp_path, said=said)
        train(kept, tmp_path, record(0, (1.0, 30), (0.9, 31), (0.8, 32), state=COMPLETE))
        assert there(tmp_path) == {(0, 3)}
        assert len(said) == 1
        assert "could not be deleted or noted" in said[0]


def test_a_note_reads_its_own_trials_folder_only(tmp_path: Path) -> None:
    """However many codecs there are."""
    calls = 0

    class Counted(type(tmp_path)):  # type: ignore[misc]
        def stat(self, *, follow_symlinks: bool = True) -> object:
            nonlocal calls
            calls += 1
            return super().stat(follow_symlinks=follow_symlinks)

    kept = keeper(Counted(tmp_path))
    for number in range(300):
        angle = (number + 1) / 301 * math.pi / 2
        value = (3.0 - 2 * math.sin(angle), 20.0 + 10 * math.cos(angle))
        write(tmp_path, number, 1)
        kept.on_trial(record(number, value, state=COMPLETE))
    assert len(there(tmp_path)) == 300
    assert calls <= 4 * 300
