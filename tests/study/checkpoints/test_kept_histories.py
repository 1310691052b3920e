"""What stays of a study's codecs after any history, held against plain loops over all of it."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np
import pytest

from study.base.records import EpochRecord, TrialRecord, TrialState
from study.checkpoints.earlier_epochs import kept_earlier_epochs
from study.fronts.judged import JudgedStudy
from tests.study.on_disk import (
    COMPLETE,
    EPOCHS,
    OBJECTIVES,
    PLENTY,
    SIZE,
    Value,
    keeper,
    record,
    there,
    write,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path


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
        self.kept.on_trial(one)

    def restart(self) -> None:
        """A driver that was killed: the next has the records and the folder, in any order."""
        self.kept = keeper(self.codecs, self.most)
        for number in self.rng.permutation(len(self.records)):
            self.kept.on_trial(self.records[int(number)])


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
    found = {
        (each.trial, each.epoch)
        for each in kept_earlier_epochs(tmp_path, JudgedStudy(records, OBJECTIVES))
    }
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
