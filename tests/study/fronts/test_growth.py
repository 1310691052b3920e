"""How the front grew, against the front and the volume of everything so far."""

from __future__ import annotations

import numpy as np
import pytest

from study.base.records import EpochRecord, TrialRecord, TrialState
from study.fronts.front import Direction, Objective
from study.fronts.growth import Step
from study.fronts.judged import JudgedStudy

BOTH = (
    Objective("bpp", Direction.MINIMIZE, reference=2.0),
    Objective("d1_psnr_db", Direction.MAXIMIZE, reference=30.0),
)


def trial(
    number: int,
    bpp: float,
    psnr_db: float,
    *,
    ended_s: float,
    epochs: int = 2,
    state: TrialState = TrialState.COMPLETE,
) -> TrialRecord:
    return TrialRecord(
        number,
        state,
        {},
        epochs=tuple(EpochRecord(e, {}) for e in range(1, epochs + 1)),
        final={"bpp": bpp, "d1_psnr_db": psnr_db} if state is TrialState.COMPLETE else {},
        ended_s=ended_s,
    )


def test_a_worked_example() -> None:
    """Boxes: (2 - 1) * 2 = 2; nothing more; (2 - 1.5) * 4 covers 1 more than what is there."""
    trials = [
        trial(0, 1.5, 34.0, ended_s=30.0, epochs=4),
        trial(1, 1.0, 32.0, ended_s=10.0),
        trial(2, 0.1, 50.0, ended_s=20.0, epochs=1, state=TrialState.PRUNED),
        TrialRecord(3, TrialState.RUNNING, {}),
    ]
    assert JudgedStudy(trials, BOTH).steps == (
        Step(trial=1, ended=1, epochs=2, hypervolume=2.0, front_size=1),
        Step(trial=2, ended=2, epochs=3, hypervolume=2.0, front_size=1),
        Step(trial=0, ended=3, epochs=7, hypervolume=3.0, front_size=2),
    )


def test_every_step_is_the_front_of_what_had_ended(seed: int) -> None:
    generator = np.random.default_rng(seed)
    trials = [
        trial(
            number,
            float(generator.integers(1, 25)) / 10,
            float(generator.integers(28, 40)),
            ended_s=float(generator.integers(0, 40)),
            state=TrialState.FAILED if generator.random() < 0.1 else TrialState.COMPLETE,
        )
        for number in range(60)
    ]
    steps = JudgedStudy(trials, BOTH).steps
    order = [trials[step.trial] for step in steps]
    assert sorted(record.number for record in order) == list(range(60))
    assert [record.ended_s for record in order] == sorted(record.ended_s or 0 for record in order)
    for count, step in enumerate(steps, start=1):
        assert step.front_size == len(JudgedStudy(order[:count], BOTH).front)
        assert step.hypervolume == pytest.approx(JudgedStudy(order[:count], BOTH).hypervolume)


def test_nothing_has_ended() -> None:
    assert JudgedStudy([], BOTH).steps == ()
