"""Other codecs at the quality or the rate of one of ours, on a single object."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from model.octree.codec import OctreeCodec, OctreeOptions
from model.octree.general import general_tables
from study.base.errors import StudyError
from study.clouds import Cloud
from study.metrics.measurement import REPEATS_S, code, measure_coded
from study.metrics.sample import Convention
from study.yardsticks.draco import DEFAULT_BITS, Draco
from study.yardsticks.recorded import RecordedGpcc

if TYPE_CHECKING:
    from collections.abc import Sequence

    from study.metrics.measurement import CloudResult, Coder
    from study.metrics.sample import Coded, Source

QUALITY = "d1_psnr_db"
_FEWEST, _MOST = 1.0, 14.0
"""Binary logarithms of the voxels over the longest side, between which the octree is tried."""
_HALVINGS = 9
"""Of that range: to a fortieth of a step, which is a sixth of a decibel."""


def measured(
    coder: Coder, cloud: Source, metrics: Sequence[str], repeats_s: float = REPEATS_S
) -> tuple[CloudResult, Coded]:
    """Return what a codec makes of the object, as numbers and as it is."""
    coded = code(coder, cloud, repeats_s, with_work=repeats_s > 0)
    return measure_coded("", cloud, coded, Convention(), metrics), coded


def octree_near(cloud: Source, ours: CloudResult, metrics: Sequence[str]) -> dict[str, CloudResult]:
    """Return the octree at the coarsest voxels that reach our quality, by name.

    Nothing where our codec lost nothing, or the octree does not reach its quality.
    """
    wanted = ours.values[QUALITY]
    if wanted is None or not math.isfinite(wanted):
        return {}
    low, high = _FEWEST, _MOST
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        result, _ = measured(_octree(middle), cloud, [QUALITY], repeats_s=0.0)
        if (result.values[QUALITY] or 0.0) >= wanted:
            high = middle
        else:
            low = middle
    if high == _MOST:
        return {}
    return {f"octree, {2**high:.3g} voxels": measured(_octree(high), cloud, metrics)[0]}


def gpcc_near(cloud: Source, ours: CloudResult) -> dict[str, CloudResult]:
    """Return what is recorded of G-PCC at the qualities next to ours, by name.

    Nothing where nothing is recorded of the object.
    """
    wanted = ours.values[QUALITY]
    try:
        found = RecordedGpcc().measure({"": Cloud(cloud.points, None, ())})
    except StudyError:
        return {}
    lines = {f"G-PCC, {p.setting} (recorded)": p.results[0] for p in found.points}
    reached = [name for name, line in lines.items() if (line.values[QUALITY] or 0) >= (wanted or 0)]
    below = [name for name in lines if name not in reached]
    return {name: lines[name] for name in (*below[-1:], *reached[:1])}


def draco_near(cloud: Source, ours: CloudResult, metrics: Sequence[str]) -> dict[str, CloudResult]:
    """Return Draco's results at the rates next to ours, by name.

    Raises:
        StudyError: it is not installed.
    """
    # Draco computes in single precision, which is finest at the origin.
    local = Cloud(cloud.points - cloud.points.min(axis=0), cloud.normals, ())
    sizes = sorted((len(Draco(bits).compress(local.points)), bits) for bits in DEFAULT_BITS)
    smaller = [bits for size, bits in sizes if size <= ours.file_bytes]
    larger = [bits for size, bits in sizes if size > ours.file_bytes]
    nearest = smaller[-1:] + larger[:1]
    return {f"Draco, {bits} bits": measured(Draco(bits), local, metrics)[0] for bits in nearest}


def _octree(log_voxels: float) -> OctreeCodec:
    options = OctreeOptions(edge_of_longest_side=2.0**-log_voxels, tables=general_tables())
    return OctreeCodec(options)
