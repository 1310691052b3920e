"""A study judged: each answer against its definition, and computed once however often asked."""

from __future__ import annotations

from typing import TYPE_CHECKING

import moocore
import numpy as np
import pytest

from study.base.records import EpochRecord, TrialRecord, TrialState
from study.fronts.dominance import contributions, nondominated
from study.fronts.front import Direction, Objective
from study.fronts.judged import JudgedStudy
from tests.study.counting import counted

if TYPE_CHECKING:
    from numpy.typing import NDArray

RATE = Objective("bpp", Direction.MINIMIZE, reference=5.0)
QUALITY = Objective("d1_psnr_db", Direction.MAXIMIZE, reference=20.0)
BOTH = (RATE, QUALITY)


def trial(number: int, bpp: float, psnr_db: float) -> TrialRecord:
    epochs = tuple(
        EpochRecord(epoch, {"bpp_estimated": bpp + epoch, "d1_psnr_db": psnr_db + epoch})
        for epoch in (1, 2)
    )
    final = {"bpp": bpp, "d1_psnr_db": psnr_db}
    return TrialRecord(number, TrialState.COMPLETE, {"a": bpp}, epochs, final=final)


def drawn(seed: int, count: int = 30) -> list[TrialRecord]:
    random = np.random.default_rng(seed)
    values = np.column_stack((random.uniform(0.5, 4.0, count), random.uniform(21.0, 40.0, count)))
    return [trial(number, *of) for number, of in enumerate(values.tolist())]


def everything(study: JudgedStudy) -> list[object]:
    """All that a study can be asked."""
    cached = [name for name, of in vars(JudgedStudy).items() if type(of).__name__ != "function"]
    return [getattr(study, name) for name in cached if not name.startswith("__")]


def test_each_answer_is_computed_once(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    study = JudgedStudy(drawn(seed), BOTH)
    fronts = counted(monkeypatch, moocore, "is_nondominated")
    ranks = counted(monkeypatch, moocore, "pareto_rank")
    volumes = counted(monkeypatch, moocore, "hypervolume")
    first = everything(study)
    asked = (fronts.total, ranks.total)
    assert asked == (2, 1)  # The front of trials, and that of epochs.
    assert fronts.repeated == 0
    before = volumes.total
    assert all(a is b for a, b in zip(first, everything(study), strict=True))
    assert (fronts.total, ranks.total, volumes.total) == (*asked, before)


def test_it_keeps_what_it_was_given() -> None:
    records = [trial(0, 1.0, 30.0)]
    study = JudgedStudy(records, list(BOTH))
    records.append(trial(1, 0.5, 40.0))
    assert [record.number for record in study.front] == [0]
    with pytest.raises(AttributeError):
        study.records = ()  # type: ignore[misc]


def test_ranks_are_fronts_of_what_is_left(seed: int) -> None:
    left = drawn(seed)
    ranks = JudgedStudy(left, BOTH).ranks
    for rank in range(1, max(ranks.values()) + 1):
        best = JudgedStudy(left, BOTH).on_front
        assert {number for number, at in ranks.items() if at == rank} == best
        left = [record for record in left if record.number not in best]
    assert left == []


def test_one_objective_has_one_best_which_is_its_end_and_its_knee() -> None:
    """The volume is a length: how much better the best is than the reference."""
    study = JudgedStudy([trial(0, 1.0, 30.0), trial(1, 2.0, 34.0), trial(2, 3.0, 34.0)], (QUALITY,))
    assert [record.number for record in study.front] == [1, 2]
    assert study.hypervolume == pytest.approx(14.0)
    assert study.ranks == {0: 2, 1: 1, 2: 1}
    assert study.names == {1: ("best-d1-psnr-db", "knee")}
    assert [(step.hypervolume, step.front_size) for step in study.steps] == [
        (10.0, 1),
        (14.0, 1),
        (14.0, 2),
    ]
    assert study.front_over_epochs.keys() == {(1, 2), (2, 2)}
    assert not any(gap.is_wide for gap in study.gaps)


def test_nothing_is_judged_as_nothing() -> None:
    for objectives in (BOTH, (QUALITY,)):
        study = JudgedStudy([TrialRecord(0, TrialState.RUNNING, {})], objectives)
        assert (study.front, study.gaps, study.steps, study.knee) == ((), (), (), None)
        assert (study.hypervolume, study.growth, study.front_over_epochs) == (0.0, None, {})
        assert study.losses.shape == (0, len(objectives))


@pytest.mark.parametrize("objectives", [1, 2, 3])
def test_a_contribution_is_what_is_lost_without_a_row(objectives: int, seed: int) -> None:
    losses = np.random.default_rng(seed).uniform(0.0, 1.2, (12, objectives))
    losses[3] = losses[7]  # A copy: without one of them nothing is lost.
    best = nondominated(losses)
    reference = np.ones(objectives)

    def volume(rows: NDArray[np.float64]) -> float:
        if objectives == 1:
            return float(max([0.0, *(1.0 - rows[:, 0]).tolist()]))
        inside = rows[(rows < reference).all(axis=1)]
        return float(moocore.hypervolume(inside, ref=reference)) if len(inside) else 0.0

    others = [best & (np.arange(len(losses)) != row) for row in range(len(losses))]
    naive = [volume(losses[best]) - volume(losses[each]) for each in others]
    assert contributions(losses, reference) == pytest.approx(naive, abs=1e-12)
