"""What stays of a study's codecs, held against plain loops over all that ever happened."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np
import pytest

from study.codec_files import codec_file, codec_files
from study.front import Direction, Objective
from study.kept_codecs import DELETED, KeptCodecs, candidates
from study.measures import Constraint
from study.records import EpochRecord, TrialRecord, TrialState

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

OBJECTIVES = (
    Objective("bpp", Direction.MINIMIZE, reference=3.0),
    Objective("d1_psnr_db", Direction.MAXIMIZE, reference=20.0),
)
EPOCHS = 4
SIZE = 100
PLENTY = 10**9

Value = tuple[float, float]


def record(
    number: int,
    *values: Value,
    state: TrialState = TrialState.RUNNING,
    final: Value | None = None,
    feasible: bool = True,
) -> TrialRecord:
    """A trial with these estimates; measured, if complete, as the last of them or as said."""
    measured = dict(zip(("bpp", "d1_psnr_db"), final or values[-1], strict=True)) if values else {}
    return TrialRecord(
        number,
        state,
        {},
        tuple(
            EpochRecord(epoch, {"bpp_estimated": bpp, "d1_psnr_db": psnr_db})
            for epoch, (bpp, psnr_db) in enumerate(values, start=1)
        ),
        total_epochs=EPOCHS,
        final=measured if state is TrialState.COMPLETE else {},
        feasible=feasible,
    )


def write(codecs: Path, trial: int, epoch: int, size: int = SIZE) -> None:
    file = codec_file(codecs, trial, epoch)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(bytes(size))


def there(codecs: Path) -> set[tuple[int, int]]:
    return {(trial, epoch) for trial, epoch, _ in codec_files(codecs)}


def keeper(codecs: Path, most: int = PLENTY, said: list[str] | None = None) -> KeptCodecs:
    return KeptCodecs(codecs, OBJECTIVES, most, (said if said is not None else []).append)


def train(kept: KeptCodecs, codecs: Path, whole: TrialRecord) -> None:
    """Tell of a trial epoch by epoch as it happens, and of its end."""
    for count, epoch in enumerate(whole.epochs, start=1):
        write(codecs, whole.number, epoch.epoch)
        running = replace(whole, state=TrialState.RUNNING, epochs=whole.epochs[:count], final={})
        kept.note(running)
    kept.note(whole)


def log(codecs: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in (codecs / DELETED).read_text().splitlines()]


COMPLETE = TrialState.COMPLETE


class TestWorkedExamples:
    def test_epochs_that_a_later_one_beats_go_and_the_newest_stays(self, tmp_path: Path) -> None:
        kept = keeper(tmp_path)
        for count in range(1, 4):
            write(tmp_path, 7, count)
            kept.note(record(7, *[(1.0, 30.0), (1.0, 31.0), (1.2, 30.5)][:count]))
        assert there(tmp_path) == {(7, 2), (7, 3)}  # 1 is worse than 2; 3 is the newest

    def test_an_early_epoch_of_lower_rate_stays_to_the_end(self, tmp_path: Path) -> None:
        kept = keeper(tmp_path)
        train(kept, tmp_path, record(0, (0.7, 33), (1.2, 32), (1.1, 36), state=COMPLETE))
        assert there(tmp_path) == {(0, 1), (0, 3)}
        found = candidates(tmp_path, [record(0, (0.7, 33), (1.1, 36), state=COMPLETE)], OBJECTIVES)
        (early,) = found
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
        kept.note(better)
        train(kept, tmp_path, record(0, (0.7, 33), state=COMPLETE))
        assert there(tmp_path) == {(0, 1), (1, 1)}
        kept.note(replace(better, state=TrialState.PRUNED))
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
        kept.note(record(0, (1.0, 30)))
        assert there(tmp_path) == {(0, 1), (0, 2)}

    def test_what_breaks_a_constraint_beats_nothing(self, tmp_path: Path) -> None:
        kept = KeptCodecs(tmp_path, OBJECTIVES, PLENTY, print, [Constraint("bpp", most=1.0)])
        train(kept, tmp_path, record(0, (0.9, 33), (1.1, 36), state=COMPLETE, feasible=False))
        assert there(tmp_path) == {(0, 1)}

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
        assert candidates(tmp_path, [one], objectives) == []


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
            kept.note(record(number, (1.0 + number, 30.0 + number)))
        assert there(tmp_path) == {(0, 1), (1, 1), (2, 1)}
        write(tmp_path, 0, 2)
        kept.note(record(0, (1.0, 30.0), (2.0, 33.0)))
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
            again.note(each)
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
        kept.note(record(0, (1.0, 30), state=TrialState.FAILED))
        assert [path.name for path in tmp_path.glob("trial-0000/*")] == ["epoch-mine.pt"]

    def test_a_disk_that_refuses_stops_no_study(self, tmp_path: Path) -> None:
        said: list[str] = []
        (tmp_path / DELETED).mkdir(parents=True)  # which cannot be written to
        kept = keeper(tmp_path, said=said)
        train(kept, tmp_path, record(0, (1.0, 30), (0.9, 31), (0.8, 32), state=COMPLETE))
        assert there(tmp_path) == {(0, 3)}
        assert len(said) == 1
        assert "could not be deleted or noted" in said[0]


@dataclass
class History:
    """A made-up study: who trains, in which epoch, and how each will end."""

    rng: np.random.Generator
    codecs: Path
    records: dict[int, TrialRecord] = field(default_factory=dict)
    most: int = PLENTY

    def __post_init__(self) -> None:
        self.kept = keeper(self.codecs, self.most)

    def step(self) -> None:
        running = [n for n, one in self.records.items() if one.state is TrialState.RUNNING]
        if not running or (len(running) < 5 and self.rng.random() < 0.3):
            number = len(self.records)
            self.note(record(number))
            return
        chosen = self.records[int(self.rng.choice(running))]
        fate = self.rng.random()
        if len(chosen.epochs) == EPOCHS:
            self.note(self.measured(chosen))
        elif fate < 0.1:
            states = [TrialState.PRUNED, TrialState.FAILED]
            self.note(replace(chosen, state=states[int(self.rng.integers(2))]))
        else:
            # Coarse values, so that some are equal.
            bpp, psnr_db = self.rng.integers(1, 16, 2) / 4
            metrics = {"bpp_estimated": float(bpp), "d1_psnr_db": 30.0 + float(psnr_db)}
            epoch = EpochRecord(len(chosen.epochs) + 1, metrics)
            write(self.codecs, chosen.number, epoch.epoch)
            self.note(replace(chosen, epochs=(*chosen.epochs, epoch)))

    def measured(self, trained: TrialRecord) -> TrialRecord:
        last = trained.epochs[-1].metrics
        final = {
            "bpp": last["bpp_estimated"] + float(self.rng.integers(-1, 2)) / 8,
            "d1_psnr_db": last["d1_psnr_db"],
        }
        return replace(trained, state=COMPLETE, final=final)

    def note(self, one: TrialRecord) -> None:
        self.records[one.number] = one
        self.kept.note(one)

    def restart(self) -> None:
        """A driver that was killed: the next has the records and the folder, in any order."""
        self.kept = keeper(self.codecs, self.most)
        for number in self.rng.permutation(len(self.records)):
            self.kept.note(self.records[int(number)])


def beats(one: Value, other: Value) -> bool:
    no_worse = one[0] <= other[0] and one[1] >= other[1]
    return no_worse and one != other


def best(points: Mapping[tuple[int, int], Value]) -> set[tuple[int, int]]:
    """The front by comparing each with each."""
    return {
        key
        for key, value in points.items()
        if not any(beats(other, value) for other in points.values())
    }


def expected(records: Sequence[TrialRecord]) -> set[tuple[int, int]]:
    complete = [one for one in records if one.state is COMPLETE]
    estimated = {
        (one.number, epoch.epoch): (epoch.metrics["bpp_estimated"], epoch.metrics["d1_psnr_db"])
        for one in complete
        for epoch in one.epochs
    }
    final = {(one.number, EPOCHS): (one.final["bpp"], one.final["d1_psnr_db"]) for one in complete}
    return best(estimated) | best(final)


@pytest.mark.parametrize("history_seed", range(6))
def test_after_any_history_the_front_is_there_and_nothing_else_of_ended_trials(
    history_seed: int, tmp_path: Path
) -> None:
    history = History(np.random.default_rng(history_seed), tmp_path)
    for step in range(250):
        history.step()
        if history.rng.random() < 0.03:
            history.restart()
        records = list(history.records.values())
        ended = {one.number for one in records if one.state.is_final}
        on_disk = there(tmp_path)
        assert {key for key in on_disk if key[0] in ended} == expected(records), step
        for one in records:
            if one.number not in ended and one.epochs:
                assert (one.number, one.epochs[-1].epoch) in on_disk, step
    assert len(expected(records)) > 1
    found = {(each.trial, each.epoch) for each in candidates(tmp_path, records, OBJECTIVES)}
    assert found <= there(tmp_path)
    assert all(epoch < EPOCHS for _, epoch in found)


@pytest.mark.parametrize("history_seed", range(3))
def test_within_a_budget_no_more_is_there_than_must_be(history_seed: int, tmp_path: Path) -> None:
    most = 6 * SIZE
    history = History(np.random.default_rng(history_seed), tmp_path, most=most)
    for step in range(200):
        history.step()
        on_disk = there(tmp_path)
        running = [one for one in history.records.values() if not one.state.is_final]
        newest = {(one.number, one.epochs[-1].epoch) for one in running if one.epochs}
        assert newest <= on_disk, step
        assert SIZE * len(on_disk) <= max(most, SIZE * len(newest)), step


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
        kept.note(record(number, value, state=COMPLETE))
    assert len(there(tmp_path)) == 300
    assert calls <= 4 * 300
