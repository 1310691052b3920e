"""Where more trials would help: the front's gaps, whether it still grows, what moves along it."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from study.base.records import TrialRecord
    from study.fronts.growth import Step

_WIDE = 1.5
"""A gap is wide from so many times the even share on. Of points that lie at random, one gap in five
is (exp(-1.5) = 0.22); a front that is well covered has none."""


class Gap(NamedTuple):
    """Two neighbours on the front, with nothing between.

    Attributes:
        better, worse: the neighbours; the first is the better one in the first objective.
        share: how much of the way along the whole front lies between them, 0 to 1.
        is_wide: it is longer than the front's points, evenly spread, would leave.
    """

    better: TrialRecord
    worse: TrialRecord
    share: float
    is_wide: bool


def gaps_along(best: Sequence[TrialRecord], losses: NDArray[np.float64]) -> list[Gap]:
    """Return the gaps between neighbours of the front, the widest first.

    Every objective is scaled to [0, 1] over the front, so that units do not matter, and distances
    are sums over the objectives. Neighbours are those that the shortest tree over all points joins:
    of two objectives the next ones along the front, since the way from its one end to the other is
    2 by any path that never turns back. Shares add up to 1. An example: (0.5 bpp, 30 dB),
    (1 bpp, 38 dB), (2.5 bpp, 40 dB) become (0, 1), (0.25, 0.2), (1, 0); the gaps are 1.05 / 2 and
    0.95 / 2. O(n^2) for n points on the front.

    Args:
        best: the front, in its order.
        losses: (members, objectives), to minimise, in the same order.
    """
    if len(best) < 2:
        return []
    span = np.ptp(losses, axis=0)
    edges = _shortest_tree((losses - losses.min(axis=0)) / np.where(span > 0, span, 1.0))
    # Of points that are all equal there is nothing between any two.
    total = sum(length for _, _, length in edges) or 1.0
    # Between two places there is one way, and none that it could be wider than.
    ways = sum(length > 0 for _, _, length in edges)
    wide = _WIDE / len(edges) if ways > 1 else math.inf
    found = [
        Gap(best[a], best[b], length / total, length / total >= wide) for a, b, length in edges
    ]
    return sorted(found, key=lambda gap: -gap.share)


def _shortest_tree(points: NDArray[np.float64]) -> list[tuple[int, int, float]]:
    """Return the edges of the least spanning tree by sums of differences: Prim's algorithm.

    Each edge is (a, b, length), a < b. Memory is O(n): no matrix of all distances is made.
    """
    outside = np.ones(len(points), dtype=bool)
    nearest, distance = np.zeros(len(points), dtype=np.intp), np.full(len(points), np.inf)
    newest, edges = 0, []
    for _ in range(len(points) - 1):
        outside[newest] = False
        anew = np.abs(points - points[newest]).sum(axis=1)
        closer = anew < distance
        distance[closer], nearest[closer] = anew[closer], newest
        newest = int(np.where(outside, distance, np.inf).argmin())
        a, b = sorted((newest, int(nearest[newest])))
        edges.append((a, b, float(distance[newest])))
    return edges


class Growth(NamedTuple):
    """What the last trials of a study were worth.

    Attributes:
        trials: how many of those that ended count as the last.
        ended: of how many.
        gained: what they added to the hypervolume, as a share of what it is now.
    """

    trials: int
    ended: int
    gained: float

    @property
    def goes_on(self) -> bool:
        """Whether as many trials again can be expected to be worth something."""
        return self.gained > LITTLE

    @property
    def has_settled(self) -> bool:
        """Whether as many trials again can be expected to be worth little."""
        return not self.goes_on and self.ended >= _TELLING


LITTLE = 0.005
"""A growth, as a share of the hypervolume, that is hardly worth a quarter of a study's time."""

_TELLING = 40
"""Of the recorded trials (`study/simulation/embedded.parquet`), drawn at random: where the last
quarter added less than `LITTLE`, as many again added more than that in 45 % of the cases after 16
trials (up to 10 % of the volume), in 30 % after 40 (up to 4 %), and in 22 % after 96."""

_FEWEST = 8
"""Of fewer trials a quarter is one, and one trial tells nothing."""


def late_growth(steps: Sequence[Step]) -> Growth | None:
    """Return what the last quarter of the ended trials added; None where that tells nothing yet."""
    if len(steps) < _FEWEST or not steps[-1].hypervolume:
        return None
    last = len(steps) // 4
    before, now = steps[-last - 1].hypervolume, steps[-1].hypervolume
    return Growth(last, len(steps), (now - before) / now)


class Mover(NamedTuple):
    """A setting that moves trials along the front.

    Attributes:
        setting: its dotted name.
        correlation: Spearman's, with the first objective.
        trials: those that have the setting.
    """

    setting: str
    correlation: float
    trials: int

    @property
    def is_sure(self) -> bool:
        """Whether it moves them by half at least, and chance hardly does as much.

        By Fisher's transform, 2.5 standard errors: where four settings move nothing, one of them
        seems to in one study of twenty.
        """
        if self.trials < _FEWEST_RANKED or abs(self.correlation) < _MOVES:
            return False
        if abs(self.correlation) > 1 - 1e-12:
            return True
        return math.atanh(abs(self.correlation)) * math.sqrt((self.trials - 3) / 1.06) >= 2.5


_MOVES = 0.5
_FEWEST_RANKED = 6
"""For each setting, four trials are in order by chance in one study of 12; six in one of 360."""


def moving_setting(records: Sequence[TrialRecord], metric: str) -> Mover | None:
    """Return the setting whose ranks go most with those of the first objective.

    It is Spearman's, with `metric`, the first objective, over the complete trials; of settings that
    are numbers, where at least four trials have them. None where no setting does.
    """
    complete = [r for r in records if metric in r.final]
    best: Mover | None = None
    for name in dict.fromkeys(name for record in complete for name in record.params):
        pairs = [
            (float(value), record.final[metric])
            for record in complete
            if isinstance(value := record.params.get(name), int | float)
            and not isinstance(value, bool)
        ]
        if len(pairs) < 4:
            continue
        ranks = np.array([_ranks(column) for column in np.array(pairs).T])
        if np.ptp(ranks, axis=1).min() == 0:
            continue
        found = float(np.corrcoef(ranks)[0, 1])
        if best is None or abs(found) > abs(best.correlation):
            best = Mover(name, found, len(pairs))
    return best


def _ranks(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the values' ranks; equal values share the mean of theirs."""
    _, place, count = np.unique(values, return_inverse=True, return_counts=True)
    ends = np.cumsum(count)
    ranks: NDArray[np.float64] = (ends - (count - 1) / 2)[place]
    return ranks
