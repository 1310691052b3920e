"""One pair of scales: a coder and a cloud on it, and every metric of the table is read off.

Whoever says what a codec is worth measures here: the end of a trial, `study evaluate`, baselines,
the gallery of reconstructions, and the example at the end of a run.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, TypeVar

import numpy as np

from study.metrics.sample import Coded, Sample
from study.metrics.table import MEASURES
from study.metrics.work import counted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from study.metrics.sample import Convention, Decoded, Source

    Clock = Callable[[], float]

Result = TypeVar("Result")

MOST_RUNS = 5
"""Of coding one cloud; the fastest counts."""

REPEATS_S = 1.0
"""What may be spent on running again, for encoding and for decoding each, on all clouds of a
measurement together."""


class Coder(Protocol):
    """What can be measured: a codec of ours, Draco, or any other that makes bytes of points."""

    @property
    def codes_normals(self) -> bool:
        """Whether it takes a cloud's normals; otherwise it is given none."""

    def compress(
        self, points: NDArray[np.float64], normals: NDArray[np.float32] | None, /
    ) -> bytes:
        """Write a cloud as a file."""

    def decompress(self, data: bytes, /) -> Decoded:
        """Read it back."""


@dataclass(frozen=True)
class CloudResult:
    """What one cloud cost and kept.

    Attributes:
        cloud: its name.
        points: of the input.
        file_bytes: the length of the file; 0 where none was written.
        values: by metric, in the order of the table; None where the cloud or the codec lacks what
            the metric needs.
        counts: by metric per point: what its value is the share of.
    """

    cloud: str
    points: int
    file_bytes: int
    values: Mapping[str, float | None]
    counts: Mapping[str, float]


def measure_clouds(
    coder: Coder, clouds: Sequence[tuple[str, Source]], convention: Convention
) -> Iterator[CloudResult]:
    """Yield all that can be measured of each cloud, in order.

    Where there are several, the smallest is coded once beforehand: what first calls load and build
    must not count as the first cloud's seconds.

    Args:
        coder: what writes and reads files.
        clouds: with their names.
        convention: the frame and the PSNRs.

    Raises:
        StudyError: a cloud cannot be compared with.
        Exception: whatever the coder raises.
    """
    if len(clouds) > 1:
        _, smallest = min(clouds, key=lambda each: len(each[1].points))
        code(coder, smallest)
    for name, cloud in clouds:
        coded = code(coder, cloud, REPEATS_S / len(clouds), with_work=True)
        yield measure_coded(name, cloud, coded, convention, list(MEASURES))


def measure_coded(
    name: str, cloud: Source, coded: Coded, convention: Convention, metrics: Sequence[str]
) -> CloudResult:
    """Return some metrics of a cloud that was coded.

    Args:
        name: of the cloud.
        cloud: what was coded.
        coded: what `code` returned.
        convention: the frame and the PSNRs.
        metrics: names of `MEASURES`.
    """
    found = convention.framed(cloud, coded.decoded.points)
    sample = Sample(convention.original(cloud), found, coded.decoded.normals, coded)
    return result_of(sample, metrics, name)


def code(coder: Coder, cloud: Source, repeats_s: float = 0.0, *, with_work: bool = False) -> Coded:
    """Write a cloud as a file and read it back.

    Args:
        coder: what does.
        cloud: what is coded.
        repeats_s: for taking its seconds well, see `fastest`, of writing and of reading each.
        with_work: whether what it takes a network is counted too, which is one more run.
    """
    normals = cloud.normals if coder.codes_normals else None
    file, encode_s = fastest(lambda: coder.compress(cloud.points, normals), repeats_s)
    decoded, decode_s = fastest(lambda: coder.decompress(file), repeats_s)
    work = counted(coder, cloud.points, normals) if with_work else None
    return Coded(file, decoded, encode_s, decode_s, work)


def fastest(
    work: Callable[[], Result], repeats_s: float, clock: Clock = time.perf_counter
) -> tuple[Result, float]:
    """Return what some work gives, and the seconds of its fastest run.

    It runs once, and again while its runs have taken less than `repeats_s` together, `MOST_RUNS`
    times at most. Whatever else a machine does adds to a run and never takes away: the least is
    nearest to what the work itself takes.
    """
    started = clock()
    result = work()
    least = spent = clock() - started
    runs = 1
    while runs < MOST_RUNS and spent < repeats_s:
        started = clock()
        result = work()
        took = clock() - started
        least, spent, runs = min(least, took), spent + took, runs + 1
    return result, least


def result_of(sample: Sample, metrics: Sequence[str], name: str = "") -> CloudResult:
    """Return some metrics of a sample: None where it lacks what one needs."""
    points = len(sample.original.points)
    values: dict[str, float | None] = {}
    counts = {}
    for metric in metrics:
        measure = MEASURES[metric]
        if not all(map(sample.has, measure.needs)):
            values[metric] = None
            continue
        number = measure.compute(sample)
        if measure.is_per_point:
            counts[metric] = number
            number = number / points
        values[metric] = number
    file_bytes = len(sample.coded.file) if sample.coded else 0
    return CloudResult(name, points, file_bytes, values, counts)


def over_clouds(results: Sequence[CloudResult], metric: str) -> float | None:
    """Return a metric of several clouds; None where one of them has no value.

    An average over some would compare with nothing.
    """
    if not MEASURES[metric].is_per_point:
        return mean(results, metric)
    if any(each.values.get(metric) is None for each in results):
        return None
    return sum(each.counts[metric] for each in results) / sum(each.points for each in results)


def mean(results: Sequence[CloudResult], metric: str) -> float | None:
    """Return the mean of a metric over clouds; None where one of them has no value."""
    values = [value for each in results if (value := each.values.get(metric)) is not None]
    return float(np.mean(values)) if len(values) == len(results) else None


def known_over_clouds(results: Sequence[CloudResult], metrics: Iterable[str]) -> dict[str, float]:
    """Return those of some metrics that all clouds have."""
    found = {metric: over_clouds(results, metric) for metric in metrics}
    return {metric: value for metric, value in found.items() if value is not None}
