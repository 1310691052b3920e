"""G-PCC on the embedded objects, as it was recorded once: for all who do not have its software.

The table beside this file holds what came out (see NOTICE). An object is known by its points, not
by its name: of fewer of its points, or of others, nothing is recorded.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow.parquet as pq

from study.base.errors import StudyError
from study.codecs.evaluation import Evaluation, RatePoint, require_measurable
from study.data.sources import EmbeddedObjects
from study.metrics.measurement import CloudResult
from study.metrics.table import MEASURES
from study.yardsticks.tmc3 import GRID_DEPTH, SETTINGS
from study.yardsticks.yardstick import DEFAULT_CONVENTION

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from study.clouds import Cloud
    from study.yardsticks.yardstick import Progress

TABLE = Path(__file__).with_name("gpcc_objects_cc0.parquet")
VERSION = "v23.0-rc2"

RECORDED = "recorded bytes"
"""What the rate counts."""

_METRICS = ("bpp", "d1_psnr_db", "d2_psnr_db", "chamfer")
"""What was recorded besides the numbers of points; nothing else is known."""


class RecordedGpcc:
    """G-PCC's octree at depths 3 to 8, of the embedded objects with all their points."""

    def measure(
        self,
        clouds: Mapping[str, Cloud],
        *,
        metrics: Sequence[str] | None = None,
        progress: Progress | None = None,
    ) -> Evaluation:
        """Look up what was recorded.

        Raises:
            StudyError: some cloud is none of the embedded objects; or there are none.
        """
        require_measurable(clouds)
        objects = names_of(clouds)
        if strangers := [name for name in clouds if name not in objects]:
            raise StudyError(
                "G-PCC is recorded for the embedded objects with all their points only, and "
                f"{_listed(strangers)} {'is' if len(strangers) == 1 else 'are'} none of them; give "
                "your own program with --tmc3 PATH"
            )
        rows = pq.read_table(TABLE).to_pylist()
        depths = sorted({row["depth"] for row in rows if row["mode"] == "octree"})
        known = {(r["name"], r["depth"]): r for r in rows if r["mode"] == "octree"}
        points = [
            RatePoint(
                f"depth {depth}",
                tuple(_result(name, known[objects[name], depth], metrics) for name in clouds),
            )
            for depth in depths
        ]
        if progress is not None:
            progress(len(clouds) * len(depths), len(clouds) * len(depths))
        return Evaluation(
            name="G-PCC",
            description=f"G-PCC as recorded with TMC13 {VERSION}, not run here: octree, "
            f"positionQuantizationScale=2^(depth-{GRID_DEPTH}), {', '.join(SETTINGS)}",
            convention=DEFAULT_CONVENTION,
            points=tuple(points),
            counts=RECORDED,
        )


def names_of(clouds: Mapping[str, Cloud]) -> dict[str, str]:
    """Return which embedded object each cloud is, of those that are one with all its points."""
    embedded = EmbeddedObjects()
    by_sums: dict[tuple[int, ...], list[str]] = {}
    for name in embedded.point_counts:
        by_sums.setdefault(_sums(embedded.read(name).points), []).append(name)
    found = {}
    for name, cloud in clouds.items():
        for candidate in by_sums.get(_sums(cloud.points), ()):
            if np.array_equal(_ordered(cloud.points), _ordered(embedded.read(candidate).points)):
                found[name] = candidate
    return found


def _sums(points: NDArray[np.float64]) -> tuple[int, ...]:
    """Return what tells most clouds apart in no time; the objects' coordinates are integers."""
    return (len(points), *(int(total) for total in points.sum(axis=0)))


def _ordered(points: NDArray[np.float64]) -> NDArray[np.float64]:
    ordered: NDArray[np.float64] = points[np.lexsort(points.T)]
    return ordered


def _result(cloud: str, row: Mapping[str, float], metrics: Sequence[str] | None) -> CloudResult:
    points, decoded = int(row["points_in"]), float(row["points_out"])
    values: dict[str, float | None] = dict.fromkeys(MEASURES if metrics is None else metrics)
    values |= {metric: float(row[metric]) for metric in _METRICS}
    values["points_ratio"] = decoded / points
    counts = {"bpp": 8.0 * row["bytes"], "points_ratio": decoded}
    return CloudResult(cloud, points, int(row["bytes"]), values, counts)


def _listed(names: Sequence[str], most: int = 3) -> str:
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more
