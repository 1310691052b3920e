"""Proposals that depend on a trial's number alone: random, quasi-random, a grid, slices of a range.

Each is a function of the study's seed and the number: what is stored, and how often it was asked,
change nothing. A study that was killed and goes on proposes what it would have proposed anyway.
"""

from __future__ import annotations

from functools import cache
from itertools import islice
from typing import TYPE_CHECKING, Protocol
from zlib import crc32

import numpy as np

from study.base.errors import StudyError
from study.base.seeds import Purpose, derived_seed
from study.search.conditions import is_active, ordered
from study.search.space import decides_shape, is_integer

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from study.config import StudyConfig
    from study.config.choices import Choice

_GOLDEN = (5**0.5 - 1) / 2
_SEEDS = 2**32
"""How many seeds there are; a seed's share of them is a random number."""

DEFAULT_POINTS = 4
MOST_POINTS = 100_000


class Numbered(Protocol):
    """A way to propose settings by a trial's number."""

    def choose(self, number: int, name: str) -> Choice:
        """Return a setting of a trial."""
        ...


def wished(config: StudyConfig) -> int:
    """Return how many trials the study file names: the published one, and those of `first`."""
    return 1 + len(config.search.first)


def seed_of(config: StudyConfig, number: int, name: str = "") -> int:
    """Return the seed of a trial's proposals, or of those for one setting."""
    return derived_seed(config.seed, Purpose.SEARCH, number, crc32(name.encode()))


class RandomChoices:
    """Every value as likely as every other; `log` ranges by orders of magnitude."""

    def __init__(self, config: StudyConfig) -> None:
        self._config = config

    def choose(self, number: int, name: str) -> Choice:
        """Draw a setting of a trial."""
        share = seed_of(self._config, number, name) / _SEEDS
        return _at(self._config, name, share)


class SobolChoices:
    """A scrambled Sobol sequence over all of the space but what is stratified.

    Powers of two of consecutive trials are spread evenly, by each setting and by pairs of them.
    """

    def __init__(self, config: StudyConfig) -> None:
        self._config = config
        search = config.search
        self._names = [name for name in search.space if name not in search.stratify]
        self._points: NDArray[np.float64] = np.empty((0, len(self._names)))

    def choose(self, number: int, name: str) -> Choice:
        """Return a setting of a trial."""
        index = number - wished(self._config)
        if index >= len(self._points):  # A longer sequence begins with the shorter one.
            self._points = self._first(max(6, index.bit_length()))
        return _at(self._config, name, float(self._points[index, self._names.index(name)]))

    def _first(self, exponent: int) -> NDArray[np.float64]:
        from scipy.stats import qmc  # It takes a while to import.

        rng = np.random.default_rng(derived_seed(self._config.seed, Purpose.SEARCH))
        engine = qmc.Sobol(len(self._names), scramble=True, rng=rng)
        points: NDArray[np.float64] = engine.random_base2(exponent)
        return points


class Slices:
    """Slices of a range, each visited once by as many consecutive trials as there are slices.

    The order is drawn anew for each round. Within its slice a trial goes on from the one before it
    by the golden ratio, so that the places visited there are spread evenly after any number of
    rounds.
    """

    def __init__(self, config: StudyConfig) -> None:
        self._config = config

    def choose(self, number: int, name: str) -> Choice:
        """Return a stratified setting of a trial."""
        config = self._config
        slices = config.search.stratify[name]
        turn, place = divmod(number - wished(config), slices)
        order = np.random.default_rng(seed_of(config, turn, f"{name} order")).permutation(slices)
        chosen = int(order[place])
        start = seed_of(config, chosen, f"{name} start") / _SEEDS
        return _at(config, name, (chosen + (start + turn * _GOLDEN) % 1.0) / slices)


class GridChoices:
    """All combinations of choices, and of evenly spaced points of each range, ends included.

    They are tried in a random order, but one shape of codec after the other. A setting that is
    searched under a condition varies only where it holds.

    Raises:
        StudyError: there are too many.
    """

    def __init__(self, config: StudyConfig) -> None:
        self._config = config
        self._points = _product(config)

    def __len__(self) -> int:
        """Return how many combinations there are."""
        return len(self._points)

    def choose(self, number: int, name: str) -> Choice:
        """Return a setting of a trial.

        Raises:
            StudyError: all combinations were tried.
        """
        index = number - wished(self._config)
        if index >= len(self):
            message = f"the grid has {len(self):,} points, and trial {number} needs one more"
            raise StudyError(message)
        return self._points[index][name]


def _at(config: StudyConfig, name: str, share: float) -> Choice:
    return config.search.space[name].at(share, integer=is_integer(config, name))


def _product(config: StudyConfig) -> list[dict[str, Choice]]:
    space = config.search.space
    count: int = config.search.sampler_options.get("points", DEFAULT_POINTS)

    @cache
    def values(name: str) -> list[Choice]:
        if (options := space[name].options) is not None:
            return list(options)
        # The ends belong to the grid; `at` never reaches the upper one.
        places = [min(step / (count - 1), 1.0) for step in range(count)]
        return list(dict.fromkeys(_on_grid(config, name, place) for place in places))

    def extend(settings: dict[str, Choice], rest: list[str]) -> Iterator[dict[str, Choice]]:
        if not rest:
            yield settings
        elif is_active(space[rest[0]], settings):
            for value in values(rest[0]):
                yield from extend({**settings, rest[0]: value}, rest[1:])
        else:
            yield from extend(settings, rest[1:])

    free = [
        name
        for name, searched in space.items()
        if searched.options is None and not searched.when and not is_integer(config, name)
    ]
    # One more than may be, unless it is clear already that there are more.
    most = 0 if count ** len(free) > MOST_POINTS else MOST_POINTS
    points = list(islice(extend({}, ordered(space)), most + 1))
    if len(points) > most:
        raise StudyError(
            f"search: a grid may have at most {MOST_POINTS:,} points, and this has more; "
            "remove choices or settings, or lower sampler_options.points"
        )
    shuffled = np.random.default_rng(seed_of(config, 0, "grid")).permutation(len(points))
    shapes: dict[tuple[tuple[str, Choice], ...], int] = {}
    for point in points:
        shapes.setdefault(_shape(point), len(shapes))
    return [points[i] for i in sorted(shuffled, key=lambda i: shapes[_shape(points[i])])]


def _shape(settings: dict[str, Choice]) -> tuple[tuple[str, Choice], ...]:
    return tuple((name, value) for name, value in settings.items() if decides_shape(name))


def _on_grid(config: StudyConfig, name: str, place: float) -> Choice:
    """Return a range's value at a place from 0 (low) to 1 (high)."""
    searched = config.search.space[name]
    low, high = searched.ends
    value = low * (high / low) ** place if searched.log else low + place * (high - low)
    value = min(max(value, low), high)
    return round(value) if is_integer(config, name) else float(value)
