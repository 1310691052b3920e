"""All yardsticks by the names that users call them by."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from study.base.errors import StudyError
from study.base.spelling import did_you_mean
from study.codecs.results import read_evaluation

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from study.clouds import Cloud
    from study.codecs.evaluation import Evaluation
    from study.yardsticks.yardstick import Progress, Yardstick


@dataclass(frozen=True)
class ResultFile:
    """What others measured and wrote down, in one of the formats of `study.codecs.results`."""

    path: Path

    def measure(
        self,
        clouds: Mapping[str, Cloud],
        *,
        metrics: Sequence[str] | None = None,  # noqa: ARG002 (a file has what it has)
        progress: Progress | None = None,  # noqa: ARG002 (nothing takes time)
    ) -> Evaluation:
        """Read the file; clouds say how many points the sequences of a sheet have."""
        return read_evaluation(self.path, {name: len(c.points) for name, c in clouds.items()})


def yardstick(name: str, program: str | None = None) -> Yardstick:
    """Return a yardstick by its name, or by the path of a result file.

    Args:
        name: one of `NAMES`, or a path.
        program: the user's `tmc3`, for ``gpcc``; None: what was recorded.

    Raises:
        StudyError: there is none of this name, or it cannot be had here.
    """
    if name in _MADE:
        return _MADE[name](program)
    if Path(name).is_file():
        return ResultFile(Path(name))
    raise StudyError(f"there is no yardstick '{name}'; {did_you_mean(name, _MADE)}")


def _octree(_program: str | None) -> Yardstick:
    from study.yardsticks.octree import octree

    return octree()


def _draco(_program: str | None) -> Yardstick:
    # Each is imported when it is wanted: one needs Arrow, another what reads clouds.
    from study.yardsticks.draco import draco

    return draco()


def _draco_merged(_program: str | None) -> Yardstick:
    from study.yardsticks.draco import draco

    return draco(merges=True)


def _gpcc(program: str | None) -> Yardstick:
    if program is not None:
        from study.yardsticks.tmc3 import tmc3

        return tmc3(program)
    from study.yardsticks.recorded import RecordedGpcc

    return RecordedGpcc()


_MADE: Mapping[str, Callable[[str | None], Yardstick]] = {
    "octree": _octree,
    "draco": _draco,
    "draco-merged": _draco_merged,
    "gpcc": _gpcc,
}
NAMES = tuple(_MADE)
