"""Timing several ways of doing the same thing, fairly on a machine that does other things too.

The ways take turns (A B C A B C ...), so that whatever slows the machine slows all; each round
gives a ratio for any two of them, and the median of those is the result. What counts on a CPU is
CPU time: waiting for a core that another process holds is not work; wall time is printed beside it.
Where there is a GPU all benchmarks of training use it, and wall time counts: from before the first
kernel is asked for until the GPU has finished the last.
"""

from __future__ import annotations

import os
import platform
import statistics
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

import torch

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


def on_gpu() -> bool:
    """Whether training is measured on a GPU. `CUDA_VISIBLE_DEVICES=` hides it."""
    return torch.cuda.is_available()


def device() -> str:
    """What training is measured on."""
    return "cuda" if on_gpu() else "cpu"


def cores() -> int:
    """Those that this process may use."""
    return len(os.sched_getaffinity(0))


@dataclass
class Lap:
    """A stopwatch that a run may press after each of its phases; whoever has none need not.

    On a CPU it books CPU time. On a GPU it books the time between events in its queue of kernels,
    which makes nothing wait; they can be read when the GPU has finished.
    """

    _booked_ms: dict[str, float] = field(default_factory=dict)
    _events: list[tuple[str, torch.cuda.Event]] = field(default_factory=list)
    _since: float = field(default_factory=time.process_time)

    def __post_init__(self) -> None:
        if on_gpu():
            self._note("")

    def __call__(self, phase: str) -> None:
        """Book the time since the last press (or the start) on a phase."""
        if on_gpu():
            self._note(phase)
            return
        now = time.process_time()
        self._book(phase, 1e3 * (now - self._since))
        self._since = now

    def phases_ms(self) -> dict[str, float]:
        """Time per phase, in the order in which they were first pressed; waits for a GPU."""
        if self._events:
            self._events[-1][1].synchronize()
        for (_, begin), (phase, end) in zip(self._events, self._events[1:], strict=False):
            self._book(phase, begin.elapsed_time(end))
        del self._events[:-1]
        return dict(self._booked_ms)

    def _note(self, phase: str) -> None:
        event = torch.cuda.Event(enable_timing=True)
        event.record()
        self._events.append((phase, event))

    def _book(self, phase: str, ms: float) -> None:
        self._booked_ms[phase] = self._booked_ms.get(phase, 0.0) + ms


@dataclass(frozen=True)
class Way:
    """One way of doing it.

    Attributes:
        name: as the table shows it.
        run: does it once.
        share: of what the other ways do in a run; times are divided by it.
    """

    name: str
    run: Callable[[Lap], object]
    share: float = 1.0


@dataclass(frozen=True)
class Sample:
    """One run."""

    cpu_ms: float
    wall_ms: float
    phases_ms: dict[str, float]

    @property
    def counted_ms(self) -> float:
        """What ratios are of."""
        return self.wall_ms if on_gpu() else self.cpu_ms


@dataclass(frozen=True)
class Bar:
    """What a benchmark is to reach, and what it did.

    Attributes:
        name: what is measured.
        least: how many times as fast it is to be, at least.
        measured: how many times as fast it is.
    """

    name: str
    least: float
    measured: float

    @property
    def held(self) -> bool:
        """Whether it is reached."""
        return self.measured >= self.least

    def __str__(self) -> str:
        return f"bar {self.least:g}: {'held' if self.held else 'NOT HELD'}"


class Ratio(NamedTuple):
    """One way's time over another's: median and quartiles over the rounds, and of the wall time."""

    median: float
    lower: float
    upper: float
    wall: float

    def __str__(self) -> str:
        return (
            f"{self.median:.3f} of the {'wall' if on_gpu() else 'CPU'} time (quartiles "
            f"{self.lower:.3f} to {self.upper:.3f}), {self.wall:.3f} of the wall time: "
            f"{1 / self.median:.1f} times as fast"
        )


@dataclass(frozen=True)
class Turns:
    """The runs of several ways, round by round."""

    ways: Sequence[Way]
    rounds: Sequence[Sequence[Sample]]

    def ratio(self, this: int, other: int) -> Ratio:
        """Of the time of one way over that of another; both by their place."""
        counted = [r[this].counted_ms / r[other].counted_ms for r in self.rounds]
        wall = [r[this].wall_ms / r[other].wall_ms for r in self.rounds]
        lower, median, upper = statistics.quantiles(counted, n=4)
        return Ratio(median, lower, upper, statistics.median(wall))

    def counted_ms(self, way: int) -> float:
        """Median over the rounds of a way's time that counts."""
        return statistics.median(r[way].counted_ms for r in self.rounds)

    def table(self) -> list[str]:
        """Every way's times, and its phases if any were measured."""
        width = max(len(way.name) for way in self.ways)
        lines = [f"  {'':{width}}  {'CPU ms':>8}  {'wall ms':>8}"]
        for way, samples in zip(self.ways, zip(*self.rounds, strict=True), strict=True):
            cpu = statistics.median(sample.cpu_ms for sample in samples)
            wall = statistics.median(sample.wall_ms for sample in samples)
            lines.append(f"  {way.name:{width}}  {cpu:8.2f}  {wall:8.2f}{_breakdown(samples)}")
        return lines

    def lines(self) -> list[str]:
        """The table, and the ratio of the first way to the second."""
        return [*self.table(), f"  ratio {self.ratio(0, 1)}"]


def take_turns(ways: Sequence[Way], rounds: int, warm_up: int = 3) -> Turns:
    """Run all ways in turns, `warm_up` rounds first that do not count."""
    measured = [[measure(way) for way in ways] for _ in range(warm_up + rounds)]
    return Turns(ways, measured[warm_up:])


def compare(ours: Way, other: Way, pairs: int, warm_up: int = 3) -> Turns:
    """Two ways in turns."""
    return take_turns((ours, other), pairs, warm_up)


def surroundings() -> str:
    """What the numbers were measured on."""
    load = ", ".join(f"{value:.1f}" for value in os.getloadavg())
    gpu = torch.cuda.get_device_name() if on_gpu() else "no GPU"
    return (
        f"torch {torch.__version__}, {torch.get_num_threads()} thread(s), {cores()} cores "
        f"({platform.machine()}, {torch.backends.cpu.get_cpu_capability()}), {gpu}, load average "
        f"{load}"
    )


def settle() -> None:
    """Wait until a GPU has finished what it was asked for."""
    if on_gpu():
        torch.cuda.synchronize()


def measure(way: Way) -> Sample:
    """One run."""
    settle()
    wall, cpu = time.perf_counter(), time.process_time()
    lap = Lap()
    way.run(lap)
    settle()
    cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
    phases = {phase: ms / way.share for phase, ms in lap.phases_ms().items()}
    return Sample(1e3 * cpu / way.share, 1e3 * wall / way.share, phases)


def _breakdown(samples: Sequence[Sample]) -> str:
    """Median time of each phase."""
    phases = {
        phase: statistics.median(sample.phases_ms[phase] for sample in samples)
        for phase in samples[0].phases_ms
    }
    return "".join(f"   {phase} {value:.1f}" for phase, value in phases.items())
