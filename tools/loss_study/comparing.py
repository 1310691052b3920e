"""Fronts of the loss study, compared object by object and seed by seed.

Legend: S seeds, O objects.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from scipy.stats import t as student

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    Array = NDArray[np.float64]


class Interval(NamedTuple):
    """A mean, and where its truth lies with 95 % confidence."""

    mean: float
    low: float
    high: float


def mean_difference(rates: Array, values: Array, others: Array, of_others: Array) -> float | None:
    """How much higher the second of two curves lies, on average over their common rates.

    Between its operating points a curve is straight over the logarithm of the rate, which is what
    is averaged over.

    Args:
        rates: of the first curve's operating points, in any order.
        values: of the metric, at these.
        others: the second curve's rates.
        of_others: its values.

    Returns:
        None where they have no rates in common.
    """
    logs, other_logs = np.log(rates), np.log(others)
    low = max(logs.min(), other_logs.min())
    high = min(logs.max(), other_logs.max())
    if low >= high:
        return None
    # Both are straight between these places.
    kinks = np.concatenate([logs, other_logs, [low, high]])
    at = np.unique(kinks[(low <= kinks) & (kinks <= high)])
    gain = _along(other_logs, of_others, at) - _along(logs, values, at)
    return float(((gain[1:] + gain[:-1]) / 2 * np.diff(at)).sum() / (high - low))


def _along(logs: Array, values: Array, at: Array) -> Array:
    order = np.argsort(logs)
    found: Array = np.interp(at, logs[order], values[order])
    return found


def interval(table: ArrayLike, level: float = 0.95) -> Interval:
    """The mean of an (S, O) table, with an interval for other seeds and other objects.

    Both are random and crossed: ``y = mean + seed + object + rest``. Of the three mean squares of
    an analysis of variance, the mean's variance is ``(seeds + objects - rest) / (S O)``, with
    Satterthwaite's degrees of freedom; it is taken no lower than seeds or objects alone make it.
    """
    values = np.asarray(table, dtype=np.float64)
    seeds, objects = values.shape
    mean = float(values.mean())
    of_seeds, of_objects = values.mean(axis=1), values.mean(axis=0)
    rest = values - of_seeds[:, None] - of_objects + mean
    freedom = np.array([seeds - 1, objects - 1, (seeds - 1) * (objects - 1)])
    sums = [
        objects * np.square(of_seeds - mean).sum(),
        seeds * np.square(of_objects - mean).sum(),
        np.square(rest).sum(),
    ]
    squares = np.array(sums) / freedom
    between = max(squares[0] + squares[1] - squares[2], squares[0], squares[1])
    if between == 0.0:
        return Interval(mean, mean, mean)
    degrees = between**2 / (np.square(squares) / freedom).sum()
    half = student.ppf((1 + level) / 2, degrees) * np.sqrt(between / values.size)
    return Interval(mean, mean - float(half), mean + float(half))
