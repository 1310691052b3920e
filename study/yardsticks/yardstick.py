"""The one thing that a yardstick can do: say what it costs and keeps on clouds.

What can code is measured as our codecs are (`CodedYardstick`). What was coded elsewhere is looked
up (`study.yardsticks.recorded`) or read from a file (`study.yardsticks.family.ResultFile`).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol

from study.codecs.evaluation import Evaluation, RatePoint, require_measurable
from study.metrics import PsnrConvention
from study.metrics.measurement import code, measure_clouds, measure_coded
from study.metrics.sample import Convention

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from study.clouds import Cloud
    from study.metrics.measurement import CloudResult, Coder

    Progress = Callable[[int, int], None]
    """Is told how many clouds are done, times operating points, and of how many."""

DEFAULT_CONVENTION = PsnrConvention()


class Yardstick(Protocol):
    """A codec to compare with."""

    def measure(
        self,
        clouds: Mapping[str, Cloud],
        *,
        metrics: Sequence[str] | None = None,
        progress: Progress | None = None,
    ) -> Evaluation:
        """Say what it makes of clouds, at one operating point or more.

        Args:
            clouds: by name.
            metrics: names of `MEASURES`, for whoever cannot wait for all; None: all. Seconds are
                then those of a single run.
            progress: is told how far it is.

        Raises:
            StudyError: the yardstick is not to be had here or has nothing on these clouds, there
                are no clouds, or one is without extent.
        """


@dataclass(frozen=True)
class CodedYardstick:
    """A codec that runs here, at one setting or more.

    Attributes:
        name: in tables and legends.
        description: what it is, with versions and settings, in one line.
        coders: what codes, by the setting that tells it from the others; from the lowest rate on.
        local: how a cloud is moved and scaled before it is coded, all axes alike; None: not at all.
            No metric sees the difference, and the few bytes that would tell the way back are not
            counted, in the yardstick's favour.
        convention: of the PSNRs.
    """

    name: str
    description: str
    coders: Sequence[tuple[str, Coder]]
    local: Callable[[Cloud], Cloud] | None = None
    convention: PsnrConvention = DEFAULT_CONVENTION

    def measure(
        self,
        clouds: Mapping[str, Cloud],
        *,
        metrics: Sequence[str] | None = None,
        progress: Progress | None = None,
    ) -> Evaluation:
        """Write every cloud as a file with each setting, read it back, and measure."""
        require_measurable(clouds)
        local = [(n, self.local(cloud) if self.local else cloud) for n, cloud in clouds.items()]
        total, done, points = len(local) * len(self.coders), 0, []
        for setting, coder in self.coders:
            results = []
            for result in self._results(coder, local, metrics):
                results.append(result)
                done += 1
                if progress is not None:
                    progress(done, total)
            points.append(RatePoint(setting, tuple(results)))
        return Evaluation(self.name, self.description, self.convention, tuple(points))

    def _results(
        self, coder: Coder, clouds: Sequence[tuple[str, Cloud]], metrics: Sequence[str] | None
    ) -> Iterable[CloudResult]:
        convention = Convention(self.convention)
        if metrics is None:
            return measure_clouds(coder, clouds, convention)
        return (
            measure_coded(name, cloud, code(coder, cloud), convention, metrics)
            for name, cloud in clouds
        )


def at_the_origin(cloud: Cloud) -> Cloud:
    """Move the corner of a cloud's box to the origin.

    For what computes in single precision: in national coordinates a cloud would collapse to a few
    points.
    """
    return replace(cloud, points=cloud.points - cloud.points.min(axis=0))
