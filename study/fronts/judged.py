"""A study judged: what its trials are worth against each other, each answer computed once.

Whoever shows, tags, exports or compares a study takes a `JudgedStudy`. It knows its records,
objectives and constraints, and computes the front, ranks, names, gaps and growth when first asked.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from study.base.records import TrialState
from study.fronts.dominance import nondominated, volume
from study.fronts.epochs import front_of, points_of_complete
from study.fronts.feasible import least_infeasible
from study.fronts.front import to_minimisation
from study.fronts.gaps import gaps_along, late_growth, moving_setting
from study.fronts.growth import progress
from study.fronts.points import KNEE, named_rows
from study.fronts.ranking import layers

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from study.base.records import TrialRecord
    from study.fronts.epochs import Points
    from study.fronts.front import Objective
    from study.fronts.gaps import Gap, Growth, Mover
    from study.fronts.growth import Step
    from study.fronts.measures import Constraint

    Losses = NDArray[np.float64]
    """(trials, objectives), to minimise."""


@dataclass(frozen=True, eq=False)
class JudgedStudy:
    """The trials of a study, and what spans their front. It never changes: judge anew instead.

    Attributes:
        records: all trials, in any order.
        objectives: at least one.
        constraints: what a codec must keep to. Which trials broke one, `TrialRecord.feasible`
            tells; the constraints say which, and judge earlier epochs.
    """

    records: Sequence[TrialRecord]
    objectives: Sequence[Objective]
    constraints: Sequence[Constraint] = ()

    def __post_init__(self) -> None:
        """Keep copies: whoever goes on filling a list changes no study that was judged."""
        for name in ("records", "objectives", "constraints"):
            object.__setattr__(self, name, tuple(getattr(self, name)))

    @cached_property
    def candidates(self) -> tuple[TrialRecord, ...]:
        """The trials that may be on the front: complete, feasible, every objective finite.

        A complete trial whose objective is missing, NaN or infinite should not exist (a diverged
        trial ends as failed). Should one appear all the same, it is left out here rather than
        refused: it still shows in the tables, and one odd trial must not cost the user the report
        of a whole study.
        """
        return tuple(
            record
            for record in self.records
            if record.state is TrialState.COMPLETE
            and record.feasible
            and all(math.isfinite(record.final.get(o.metric, math.nan)) for o in self.objectives)
        )

    @cached_property
    def losses(self) -> Losses:
        """What the candidates are worth, to minimise: (candidates, objectives)."""
        values = [[record.final[o.metric] for o in self.objectives] for record in self.candidates]
        return to_minimisation(
            np.reshape(values, (len(self.candidates), len(self.objectives))), self.objectives
        )

    @cached_property
    def reference(self) -> NDArray[np.float64]:
        """What bounds the hypervolume, to minimise: (objectives,)."""
        return to_minimisation([o.reference for o in self.objectives], self.objectives)

    @cached_property
    def _front_rows(self) -> list[int]:
        kept = np.flatnonzero(nondominated(self.losses))
        ordered: list[int] = kept[np.lexsort(self.losses[kept].T[::-1])].tolist()
        return ordered

    @cached_property
    def front(self) -> tuple[TrialRecord, ...]:
        """The candidates that no other dominates, the best in the first objective first.

        A trial dominates another when it is no worse in every objective and better in one. Trials
        with equal values do not dominate each other, so all of them are there.
        """
        return tuple(self.candidates[row] for row in self._front_rows)

    @cached_property
    def front_losses(self) -> Losses:
        """What the members of the front are worth, to minimise, in its order."""
        return self.losses[self._front_rows]

    @cached_property
    def on_front(self) -> frozenset[int]:
        """The numbers of the front's trials."""
        return frozenset(record.number for record in self.front)

    @cached_property
    def least_infeasible(self) -> TrialRecord | None:
        """The complete trial that breaks the constraints least, where none keeps them all."""
        return least_infeasible(self.records, self.constraints)

    @cached_property
    def hypervolume(self) -> float:
        """The volume that the front dominates, bounded by the references.

        The unit is the product of the objectives' units. It never shrinks when a trial is added,
        and it does not depend on how the points are spread beyond the volume they cover. One trial
        of 0.5 bpp and 35 dB with references 2 bpp and 30 dB: (2 - 0.5) * (35 - 30) = 7.5 bpp dB.
        """
        return volume(self.front_losses, self.reference)

    @cached_property
    def ranks(self) -> Mapping[int, int]:
        """The layer of each candidate, by its number: 1 on the front, 2 on what is left, ..."""
        found = layers(self.losses).tolist()
        return {r.number: layer + 1 for r, layer in zip(self.candidates, found, strict=True)}

    @cached_property
    def named_points(self) -> Mapping[str, TrialRecord]:
        """The operating points that have a name: the front's ends, and its knee last.

        Of rate and one PSNR they are ``low-rate``, ``high-rate`` and ``knee``; of other objectives
        the ends are called ``best-METRIC``, with dashes for the metric's underscores. One trial may
        have several names: the only one of a front has them all. A tie goes to the better first
        objective. No front, no names.
        """
        rows = named_rows(self.front_losses, self.objectives)
        return {name: self.front[row] for name, row in rows.items()}

    @cached_property
    def names(self) -> Mapping[int, tuple[str, ...]]:
        """The names of each trial that has any, by its number."""
        found: dict[int, tuple[str, ...]] = {}
        for name, record in self.named_points.items():
            found[record.number] = (*found.get(record.number, ()), name)
        return found

    @property
    def knee(self) -> TrialRecord | None:
        """The front's knee (`study.fronts.points.knee_row`); None where there is no front."""
        return self.named_points.get(KNEE)

    @cached_property
    def gaps(self) -> tuple[Gap, ...]:
        """The gaps between neighbours on the front, the widest first (`gaps_along`)."""
        return tuple(gaps_along(self.front, self.front_losses))

    @cached_property
    def steps(self) -> tuple[Step, ...]:
        """How the front grew with each trial that ended (`study.fronts.growth`)."""
        losses = {r.number: row for r, row in zip(self.candidates, self.losses, strict=True)}
        return tuple(progress(self.records, losses, self.reference))

    @cached_property
    def growth(self) -> Growth | None:
        """What the last quarter of the ended trials added; None where that tells nothing yet."""
        return late_growth(self.steps)

    @cached_property
    def moving_setting(self) -> Mover | None:
        """The setting that moves trials along the front most; None where there is none."""
        return moving_setting(self.records, self.objectives[0].metric)

    @cached_property
    def front_over_epochs(self) -> Points:
        """The front over all epochs of complete trials, by trial and epoch, of estimates."""
        points: Points = {}
        for record in self.records:
            if record.state is TrialState.COMPLETE:
                points |= points_of_complete(record, self.objectives, self.constraints)
        return front_of(points)
