"""Settings as points of a unit cube, which gives them distances."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from study.base.errors import StudyError
from study.search.space import contains

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from study.config.choices import Choice
    from study.config.ranges import Range

_ABSENT = 0.5
"""Where a number lies that does not apply to a trial: in the middle, equally far from both ends."""


class Cube:
    """The space of a recording, range by range.

    A range takes one axis from 0 (low) to 1 (high), logarithmic where the search is. Choices take
    one axis each: 1 for the chosen one and 0 for the others, so that all are equally far apart; two
    choices need one axis only, and a constant none. Where a setting does not apply to every trial
    it has a further axis, 1 where it is absent.

    Args:
        space: what is searched.
        recorded: the settings of all recorded trials; a setting that does not apply is missing.
    """

    def __init__(
        self, space: Mapping[str, Range], recorded: Sequence[Mapping[str, Choice]]
    ) -> None:
        self._space = space
        self._optional = {name for name in space if any(name not in each for each in recorded)}
        some = recorded[0]
        widths = [len(self._axes(name, some)) for name in space]
        ends = np.cumsum([0, *widths])
        self.groups: tuple[slice, ...] = tuple(
            slice(int(begin), int(end)) for begin, end in pairwise(ends)
        )
        """The axes of each setting, in the order of the space."""

    def place(self, settings: Mapping[str, Choice]) -> NDArray[np.float64]:
        """Return the point of some settings.

        Raises:
            StudyError: they lie outside the space, or lack a setting that every recorded trial has.
        """
        return np.array(
            [axis for name in self._space for axis in self._axes(name, settings)], dtype=np.float64
        )

    def _axes(self, name: str, settings: Mapping[str, Choice]) -> list[float]:
        searched, value = self._space[name], settings.get(name)
        if value is None:
            if name not in self._optional:
                raise StudyError(
                    f"every recorded trial has {name}, and these settings have not; record trials "
                    "without it, or simulate with the space that was recorded"
                )
            missing = [_ABSENT] if searched.options is None else [0.0] * _axes_of(searched.options)
            return [*missing, 1.0]
        if not contains(searched, value):
            raise StudyError(
                f"curves are known within the recorded space only, and {name} is {value!r} where "
                f"{_shown(searched)} was recorded; simulate a space that lies within it"
            )
        axes = _one_hot(searched, value) if searched.options else [_share(searched, value)]
        return [*axes, 0.0] if name in self._optional else axes


def _share(searched: Range, value: Choice) -> float:
    low, high = searched.ends
    number = float(value)
    if searched.log:
        return math.log(number / low) / math.log(high / low)
    return (number - low) / (high - low)


def _one_hot(searched: Range, value: Choice) -> list[float]:
    options = searched.options or ()
    return [float(value == option) for option in options][: _axes_of(options)]


def _axes_of(options: Sequence[Choice]) -> int:
    return len(options) if len(options) > 2 else len(options) - 1


def _shown(searched: Range) -> str:
    if searched.options is not None:
        return f"one of {list(searched.options)}"
    return f"{searched.low!r} to {searched.high!r}"
