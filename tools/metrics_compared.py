"""What each metric rewards: codecs of every kind at equal rate, in one picture and one table.

    python -m tools.metrics_compared STUDY [--root studies] [--object NAME] [--out FILE.png]

STUDY is a finished one, of embedded objects with all their points and their normals
(`data: {normals: true}`): tools/metrics_study.yaml is what docs/metrics.md shows. Objects are those
of its test split. The rate is that of the study's knee, or of `--trial`, object by object.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import stdtrit

from study.clouds import Cloud
from study.config.judging import judge
from study.metrics.measurement import code, measure_coded
from study.metrics.sample import Convention
from study.metrics.table import MEASURES, SHOWN
from study.storage.folder import find_study
from study.storage.progress import read_progress
from study.yardsticks.draco import DEFAULT_BITS, Draco
from study.yardsticks.recorded import RecordedGpcc
from tools.metric_codecs import learned, octree_within, test_objects
from tools.metrics_picture import Shown, draw

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from study.data import StoredCloud
    from study.metrics.measurement import CloudResult, Coder

OURS = "D-PCC"
OCTREES = {
    "octree": ("none", "between"),
    "octree, coarse counts": ("coarse", "between"),
    "octree, exact counts": ("exact", "between"),
    "octree, centres": ("none", "centres"),
}
LOGARITHMIC = {"bpp", "chamfer", "density"}
"""Metrics that are compared by their ratio."""


@dataclass(frozen=True)
class Example:
    """What a codec made of a cloud.

    Attributes:
        result: its metrics.
        points: (m, 3), decoded; None where only numbers are recorded.
        setting: what tells the codec from others of its kind.
    """

    result: CloudResult
    points: NDArray[np.float64] | None
    setting: str


def main() -> None:
    """Measure, print the table, and draw the picture."""
    parser = argparse.ArgumentParser(description="What each metric rewards, at equal rate.")
    parser.add_argument("name", help="a finished study of embedded objects")
    parser.add_argument("--root", type=Path, default=Path("studies"), help="where it is")
    parser.add_argument("--trial", type=int, help="of its front; default: the knee")
    parser.add_argument("--object", help="which one is drawn; default: the median in D1 of D-PCC")
    parser.add_argument("--out", type=Path, default=Path("docs/images/metrics.png"))
    arguments = parser.parse_args()
    folder = find_study(arguments.root, arguments.name)
    config = folder.config()
    progress = read_progress(folder, config)
    knee = judge(config, progress.records).knee
    assert knee is not None, "the study has a front"
    number = knee.number if arguments.trial is None else arguments.trial
    ours = next(codec for record, codec in learned(folder) if record.number == number)
    clouds = test_objects(folder, number)
    table = {cloud.name: examples(cloud, ours) for cloud in clouds}
    for line in table_of(table):
        print(line)
    order = sorted(table, key=lambda name: table[name][OURS].result.values["d1_psnr_db"] or 0.0)
    name = arguments.object or order[len(order) // 2]
    original = next(cloud for cloud in clouds if cloud.name == name)
    shown = [Shown(codec, e.setting, e.points, e.result.values) for codec, e in table[name].items()]
    draw(name, np.asarray(original.points), shown, arguments.out)
    print(arguments.out, f"{arguments.out.stat().st_size / 1000:.0f} kB")


def examples(cloud: StoredCloud, ours: Coder) -> dict[str, Example]:
    """Return what codecs of every kind make of a cloud at the rate of ours, or next to it."""
    found = {OURS: _measured(cloud, ours, "")}
    wanted = found[OURS].result.file_bytes
    for name, (counts, placing) in OCTREES.items():
        octree = octree_within(cloud, wanted, counts, placing)  # type: ignore[arg-type]
        voxels = 1 / (octree.options.edge_of_longest_side or 1.0)
        found[name] = _measured(cloud, octree, f"{voxels:.3g} voxels")
    for name, merges in (("Draco, merged", True), ("Draco", False)):
        codecs = {f"{bits} bits": Draco(bits, merges) for bits in DEFAULT_BITS}
        sizes = {bits: len(codec.compress(_local(cloud))) for bits, codec in codecs.items()}
        nearest = min(sizes, key=partial(_away, sizes, wanted))
        found[name] = _measured(cloud, codecs[nearest], nearest)
    points = RecordedGpcc().measure({"": Cloud(cloud.points, None, ())}).points
    by_setting = {point.setting: point.results[0] for point in points}
    sizes = {setting: result.file_bytes for setting, result in by_setting.items()}
    nearest = min(sizes, key=partial(_away, sizes, wanted))
    found["G-PCC (recorded)"] = Example(by_setting[nearest], None, nearest)
    return found


def _away(sizes: Mapping[str, int], wanted: int, setting: str) -> float:
    return abs(float(np.log(sizes[setting] / wanted)))


def _local(cloud: StoredCloud) -> NDArray[np.float64]:
    """Draco computes in single precision, which is finest at the origin."""
    local: NDArray[np.float64] = cloud.points - cloud.points.min(axis=0)
    return local


def _measured(cloud: StoredCloud, coder: Coder, setting: str) -> Example:
    given = Cloud(_local(cloud), cloud.normals, ())
    coded = code(coder, given)
    result = measure_coded(cloud.name, given, coded, Convention(), SHOWN)
    moved = coded.decoded.points + cloud.points.min(axis=0)
    return Example(result, moved, setting)


def table_of(table: Mapping[str, Mapping[str, Example]]) -> list[str]:
    """Return the lines of a Markdown table: means over objects, and differences from ours.

    Differences are paired by object, with 95 % intervals by Student's t; of what is `LOGARITHMIC`
    means are geometric and differences are factors.
    """
    lines = [f"{len(table)} objects; in brackets: against {OURS}, 95 % interval over objects", ""]
    lines.append("| codec | " + " | ".join(MEASURES[metric].heading for metric in SHOWN) + " |")
    lines.append("| --- " * (1 + len(SHOWN)) + "|")
    names = list(next(iter(table.values())))
    columns = {
        (name, metric): [each[name].result.values.get(metric) for each in table.values()]
        for name in names
        for metric in SHOWN
    }
    for name in names:
        cells = [_cell(columns[name, m], columns[OURS, m], m, compared=name != OURS) for m in SHOWN]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return lines


def _cell(
    values: Sequence[float | None], ours: Sequence[float | None], metric: str, *, compared: bool
) -> str:
    if None in values:
        return ""
    mine, theirs = (np.array(each, dtype=np.float64) for each in (values, ours))
    is_ratio = metric in LOGARITHMIC
    if is_ratio:
        mine, theirs = np.log(mine), np.log(theirs)
    mean = float(np.exp(mine.mean()) if is_ratio else mine.mean())
    text = format(mean, MEASURES[metric].digits)
    if not compared:
        return text
    apart = mine - theirs
    half = stdtrit(len(apart) - 1, 0.975) * apart.std(ddof=1) / np.sqrt(len(apart))
    low, high = apart.mean() - half, apart.mean() + half
    if is_ratio:
        return f"{text} (×{np.exp(low):.2g} to {np.exp(high):.2g})"
    return f"{text} ({low:+.2f} to {high:+.2f})"


if __name__ == "__main__":
    main()
