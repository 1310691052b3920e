"""Ways to tell a curve from those around it, and which of them is off least on a recording.

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
"""How far an axis of the cube counts: along a short one curves hardly change."""

_SPLINES = {"thin_plate_spline": 1, "linear": 0}
"""Kernels, and the degree of the polynomial below them. The first needs more points than axes in
general position, which choices do not give; the second needs one point."""

_SMOOTHINGS = (0.01, 0.0, 0.03, 0.1, 0.3)
_POWERS = (4.0, 2.0, 6.0)
_COINCIDENT = 1e-12


@dataclass(frozen=True)
class Way:
    """One way to interpolate.

    Attributes:
        kind: ``spline``, ``weighted`` (by inverse distance) or ``nearest``.
        scales: one for each setting.
        kernel: of a spline.
        amount: smoothing of a spline, or the power of the distance.
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
    """The way that is off least, and by how much each kind is at its best.

    Attributes:
        way: the best one.
        rivals: the best way of every kind.
    """

    way: Way
    rivals: tuple[Way, ...]


def choose(
    points: NDArray[np.float64], values: NDArray[np.float64], groups: Sequence[slice]
) -> Chosen:
    """Choose by cross-validation: each value's mean error, in units of its own spread.

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
    """Improve one setting of a way after the other, until none gets better."""
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
    """Mean error, and infinite where a way cannot be gone."""
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
    """Return what is told of each point from the others, a tenth of them left out at a time.

    Args:
        way: how.
        points: (R, A)
        values: (R, V)
        groups: the axes of each setting.
        seed: of the order in which they are dealt.
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
    """Return what tells curves, (Q, A) -> (Q, V)."""
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
