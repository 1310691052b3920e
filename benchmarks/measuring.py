"""Timing two ways of doing the same thing, fairly on a machine that does other things too.

The two take turns (A B A B ...), so that whatever slows the machine slows both; each pair gives a
ratio, and the median of those is the result. CPU time is what counts: waiting for a core that
another process holds is not work. Wall time is printed beside it.
"""

from __future__ import annotations

import os
import statistics
import time
from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


@dataclass
class Lap:
    """A stopwatch that a run may press after each of its phases; whoever has none need not.

    Attributes:
        phases_ms: CPU time per phase, in the order in which they were first pressed.
    """

    phases_ms: dict[str, float] = field(default_factory=lambda: defaultdict(float))
    _since: float = field(default_factory=time.process_time)

    def __call__(self, phase: str) -> None:
        """Book the CPU time since the last press (or the start) on a phase."""
        now = time.process_time()
        self.phases_ms[phase] += 1e3 * (now - self._since)
        self._since = now


@dataclass(frozen=True)
class Way:
    """One way of doing it.

    Attributes:
        name: as the table shows it.
        run: does it once.
    """

    name: str
    run: Callable[[Lap], object]


@dataclass(frozen=True)
class Sample:
    """One run."""

    cpu_ms: float
    wall_ms: float
    phases_ms: dict[str, float]


@dataclass(frozen=True)
class Comparison:
    """The runs of two ways, pair by pair."""

    ours: Way
    other: Way
    pairs: Sequence[tuple[Sample, Sample]]

    @property
    def ratio(self) -> float:
        """Median over the pairs of our CPU time over the other's."""
        return statistics.median(ours.cpu_ms / other.cpu_ms for ours, other in self.pairs)

    @property
    def wall_ratio(self) -> float:
        """The same of the wall times."""
        return statistics.median(ours.wall_ms / other.wall_ms for ours, other in self.pairs)

    def lines(self) -> list[str]:
        """The table: both ways, the phases if any were measured, and the ratio."""
        ours, other = zip(*self.pairs, strict=True)
        named = ((self.ours.name, ours), (self.other.name, other))
        width = max(len(name) for name, _ in named)
        table = [f"  {'':{width}}  {'CPU ms':>8}  {'wall ms':>8}"]
        table += [
            f"  {name:{width}}  {statistics.median(sample.cpu_ms for sample in samples):8.2f}"
            f"  {statistics.median(sample.wall_ms for sample in samples):8.2f}{_breakdown(samples)}"
            for name, samples in named
        ]
        quartiles = statistics.quantiles((a.cpu_ms / b.cpu_ms for a, b in self.pairs), n=4)
        table.append(
            f"  ratio {self.ratio:.3f} of the CPU time (quartiles {quartiles[0]:.3f} to "
            f"{quartiles[2]:.3f}), {self.wall_ratio:.3f} of the wall time: "
            f"{1 / self.ratio:.1f} times as fast"
        )
        return table


def compare(ours: Way, other: Way, pairs: int, warm_up: int = 3) -> Comparison:
    """Run both in turns, `warm_up` pairs first that do not count."""
    measured = [(_measure(ours), _measure(other)) for _ in range(warm_up + pairs)]
    return Comparison(ours, other, measured[warm_up:])


def surroundings() -> str:
    """What the numbers were measured on."""
    load = ", ".join(f"{value:.1f}" for value in os.getloadavg())
    return (
        f"torch {torch.__version__}, {torch.get_num_threads()} thread(s), {os.cpu_count()} cores, "
        f"load average {load}"
    )


def _measure(way: Way) -> Sample:
    lap = Lap()
    wall, cpu = time.perf_counter(), time.process_time()
    way.run(lap)
    cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
    return Sample(1e3 * cpu, 1e3 * wall, dict(lap.phases_ms))


def _breakdown(samples: Sequence[Sample]) -> str:
    """Median CPU time of each phase."""
    phases = {
        phase: statistics.median(sample.phases_ms[phase] for sample in samples)
        for phase in samples[0].phases_ms
    }
    return "".join(f"   {phase} {value:.1f}" for phase, value in phases.items())
