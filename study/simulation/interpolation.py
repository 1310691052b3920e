"""Ways to interpolate learning curves, and the choice of the best one for a recording.

Legend: R recorded points, Q points asked about, A axes of the unit cube, V values of a curve.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
from scipy.interpolate import RBFInterpolator
from scipy.spatial.distance import cdist

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from numpy.typing import NDArray

    Predict = Callable[[NDArray[np.float64]], NDArray[np.float64]]

FOLDS = 10
_SCALES = (1.0, 0.5, 0.25, 0.12, 0.06)
"""Lengths to try for an axis of the cube: along a short one curves hardly change."""

_SPLINES = {"thin_plate_spline": 1, "linear": 0}
"""Kernels, each with the degree of its polynomial. Degree 1 needs more points than axes in general
position, which choices do not give; degree 0 needs one point."""

_SMOOTHINGS = (0.01, 0.0, 0.03, 0.1, 0.3)
_POWERS = (4.0, 2.0, 6.0)
_COINCIDENT = 1e-12


@dataclass(frozen=True)
class Way:
    """One way to interpolate.

    Attributes:
        kind: ``spline``, ``weighted`` (by inverse distance) or ``nearest``.
        scales: the lengths of the axes, one for each setting.
        kernel: a spline's.
        amount: a spline's smoothing, or the power of the distance.
    """

    kind: str
    scales: tuple[float, ...]
    kernel: str = ""
    amount: float = 0.0

    @property
    def words(self) -> str:
        """What it is called."""
        match self.kind:
            case "spline":
                return f"{self.kernel.replace('_', ' ')}, smoothing {self.amount:g}"
            case "weighted":
                return f"inverse distance to the power {self.amount:g}"
            case "nearest":
                return "nearest neighbour"
            case other:
                raise AssertionError(other)


@dataclass(frozen=True)
class Chosen:
    """The way with the least error, and its rivals.

    Attributes:
        way: the best one.
        rivals: the best way of every kind, the best kind first.
    """

    way: Way
    rivals: tuple[Way, ...]


def choose(
    points: NDArray[np.float64], values: NDArray[np.float64], groups: Sequence[slice]
) -> Chosen:
    """Choose by cross-validation: errors are in units of each value's own spread.

    Args:
        points: (R, A)
        values: (R, V)
        groups: the axes of each setting.
    """
    spread = values.std(axis=0)
    varying = spread > 0
    score = partial(_score, points, values[:, varying] / spread[varying], groups)
    scales = (1.0,) * len(groups)
    splines = [Way("spline", scales, kernel, _SMOOTHINGS[0]) for kernel in _SPLINES]
    best = {
        "spline": min((_tuned(way, score) for way in splines), key=lambda found: found[1]),
        "weighted": _tuned(Way("weighted", scales, amount=_POWERS[0]), score),
        "nearest": _tuned(Way("nearest", scales), score),
    }
    ranked = sorted(best.values(), key=lambda found: found[1])
    return Chosen(ranked[0][0], tuple(way for way, _ in ranked))


def _tuned(way: Way, score: Callable[[Way], float]) -> tuple[Way, float]:
    """Improve the parameters of a way one after the other, until none gets better."""
    error = score(way)
    while True:
        before = error
        for position in range(len(way.scales) + 1):
            for other in _variants(way, position):
                if (its := score(other)) < error:
                    way, error = other, its
        if error == before:
            return way, error


def _variants(way: Way, position: int) -> Iterable[Way]:
    if position < len(way.scales):
        for scale in _SCALES:
            if scale != way.scales[position]:
                scales = [*way.scales]
                scales[position] = scale
                yield replace(way, scales=tuple(scales))
    else:
        amounts = {"spline": _SMOOTHINGS, "weighted": _POWERS, "nearest": ()}[way.kind]
        for amount in amounts:
            if amount != way.amount:
                yield replace(way, amount=amount)


def _score(
    points: NDArray[np.float64], values: NDArray[np.float64], groups: Sequence[slice], way: Way
) -> float:
    """Error of a way: mean over points, sum over values; infinite where it cannot be fitted."""
    try:
        predicted = left_out(way, points, values, groups, seed=0)
    except (np.linalg.LinAlgError, ValueError):
        return math.inf
    error = float(np.abs(predicted - values).sum() / len(values))
    return error if math.isfinite(error) else math.inf


def left_out(
    way: Way,
    points: NDArray[np.float64],
    values: NDArray[np.float64],
    groups: Sequence[slice],
    *,
    seed: int,
) -> NDArray[np.float64]:
    """Predict each point from the others, a tenth of the points left out at a time, (R, V).

    Args:
        way: how to interpolate.
        points: (R, A)
        values: (R, V)
        groups: the axes of each setting.
        seed: decides which points are left out together.
    """
    order = np.random.default_rng(seed).permutation(len(points))
    predicted = np.empty_like(values)
    for fold in np.array_split(order, min(FOLDS, len(points))):
        others = np.setdiff1d(order, fold)
        predict = fit(way, points[others], values[others], groups)
        predicted[fold] = predict(points[fold])
    return predicted


def fit(
    way: Way,
    points: NDArray[np.float64],
    values: NDArray[np.float64],
    groups: Sequence[slice],
) -> Predict:
    """Return the interpolation of the recorded points, (Q, A) -> (Q, V)."""
    axes = np.empty(points.shape[1])
    for group, scale in zip(groups, way.scales, strict=True):
        axes[group] = scale
    scaled = points * axes
    match way.kind:
        case "spline":
            told = RBFInterpolator(
                scaled,
                values,
                kernel=way.kernel,
                smoothing=way.amount,
                degree=_SPLINES[way.kernel],
            )
            return partial(_scaled, told, axes)
        case "weighted":
            return partial(_scaled, partial(_weighted, scaled, values, way.amount), axes)
        case "nearest":
            return partial(_scaled, partial(_nearest, scaled, values), axes)
        case other:
            raise AssertionError(other)


def _scaled(
    told: Predict, axes: NDArray[np.float64], asked: NDArray[np.float64]
) -> NDArray[np.float64]:
    values: NDArray[np.float64] = told(asked * axes)
    return values


def _weighted(
    points: NDArray[np.float64],
    values: NDArray[np.float64],
    power: float,
    asked: NDArray[np.float64],
) -> NDArray[np.float64]:
    weights: NDArray[np.float64] = 1.0 / (cdist(asked, points) + _COINCIDENT) ** power
    means: NDArray[np.float64] = weights @ values / weights.sum(axis=1, keepdims=True)
    return means


def _nearest(
    points: NDArray[np.float64], values: NDArray[np.float64], asked: NDArray[np.float64]
) -> NDArray[np.float64]:
    found: NDArray[np.float64] = values[cdist(asked, points).argmin(axis=1)]
    return found
