"""The learning curve of any setting of a recorded space.

A recorded setting has its recorded curve. Between recorded settings a curve is interpolated, and no
value leaves the range that was recorded of its metric at its epoch. Other differences between
trials, such as the luck of an epoch, are in recorded curves and not in interpolated ones.
"""

from __future__ import annotations

from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING

import numpy as np

from study.simulation.cube import Cube
from study.simulation.interpolation import choose, fit, left_out
from study.simulation.recording import key_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from study.config.choices import Choice
    from study.simulation.interpolation import Way
    from study.simulation.recording import RecordedTrial, Recording

_REPORT_SEED = 1
"""Reported errors are of other groups of left-out trials than those that chose the way."""


@dataclass(frozen=True)
class Curve:
    """The learning curve of a trial.

    Attributes:
        epochs: the metrics after each epoch.
        final: the metrics of the finished codec.
    """

    epochs: tuple[Mapping[str, float], ...]
    final: Mapping[str, float]


@dataclass(frozen=True)
class Rival:
    """A way to interpolate, and its errors.

    Attributes:
        words: what it is called.
        errors: metric -> the median error over all trials, left out in ten groups; over finished
            codecs for ``final.`` metrics, over all epochs for others.
    """

    words: str
    errors: Mapping[str, float]


class Surrogate:
    """Gives the learning curve of any setting, from a recording.

    Args:
        recording: complete trials.
        metrics: names of the metrics that curves shall have; any that was not recorded is left out.
    """

    def __init__(self, recording: Recording, metrics: Sequence[str]) -> None:
        trials = recording.trials
        of_epochs = [name for name in trials[0].epochs[0] if name in metrics]
        of_final = [name for name in trials[0].final if name in metrics]
        self._columns: tuple[tuple[int | None, str], ...] = (
            *((epoch, name) for epoch in range(recording.epochs) for name in of_epochs),
            *((None, name) for name in of_final),
        )
        self._epochs = recording.epochs
        self._cube = Cube(recording.config.search.space, [each.settings for each in trials])
        self._recorded = {key_of(each.settings): self._as_recorded(each) for each in trials}
        points = np.array([self._cube.place(each.settings) for each in trials])
        values = np.array([self._values(each) for each in trials])
        self._low, self._high = values.min(axis=0), values.max(axis=0)
        groups = self._cube.groups
        chosen = choose(points, values, groups)
        self._predict = fit(chosen.way, points, values, groups)
        self.rivals = tuple(self._rival(way, points, values) for way in chosen.rivals)
        """The best way of each kind, the chosen one first."""
        self.epoch_s = median(seconds for each in trials for seconds in each.epoch_s)
        """Seconds of work for one epoch of one trial."""
        self.measuring_s = median(each.measuring_s for each in trials)
        """Seconds of work to measure one finished codec."""

    def curve(self, settings: Mapping[str, Choice]) -> Curve:
        """Return the curve of some settings.

        Raises:
            StudyError: they lie outside the recorded space.
        """
        if (recorded := self._recorded.get(key_of(settings))) is not None:
            return recorded
        values = self._predict(self._cube.place(settings)[np.newaxis])[0]
        return self._as_curve(np.clip(values, self._low, self._high).tolist())

    def _as_recorded(self, trial: RecordedTrial) -> Curve:
        return self._as_curve(self._values(trial))

    def _values(self, trial: RecordedTrial) -> list[float]:
        return [
            (trial.final if epoch is None else trial.epochs[epoch])[name]
            for epoch, name in self._columns
        ]

    def _as_curve(self, values: Sequence[float]) -> Curve:
        epochs: list[dict[str, float]] = [{} for _ in range(self._epochs)]
        final: dict[str, float] = {}
        for (epoch, name), value in zip(self._columns, values, strict=True):
            (final if epoch is None else epochs[epoch])[name] = value
        return Curve(tuple(epochs), final)

    def _rival(self, way: Way, points: NDArray[np.float64], values: NDArray[np.float64]) -> Rival:
        told = left_out(way, points, values, self._cube.groups, seed=_REPORT_SEED)
        told = np.clip(told, self._low, self._high)
        off: dict[str, list[NDArray[np.float64]]] = {}
        for column, (epoch, name) in enumerate(self._columns):
            key = name if epoch is not None else f"final.{name}"
            off.setdefault(key, []).append(np.abs(told[:, column] - values[:, column]))
        return Rival(way.words, {key: float(np.median(each)) for key, each in off.items()})
