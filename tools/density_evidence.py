"""Whether the density metric tells codecs apart: the numbers of decision 0043.

    python -m tools.density_evidence [--split validation]
    python -m tools.density_evidence --study metrics-001 [--root studies]

Beside the metric stand two that cannot run away: `bounded` divides each difference of numbers of
neighbours by the larger number, and `16th` is the difference in the logarithm of the distance to
the 16th neighbour, which has no radius and no cap. Some ten minutes on one core; with a study two,
of its codecs on its test objects alone.
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from itertools import combinations, pairwise, product
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from scipy.spatial import cKDTree
from scipy.stats import spearmanr

from study.clouds import Cloud
from study.metrics import density_metric, to_unit_frame
from study.metrics.density import NEIGHBOURS, RADIUS
from study.metrics.measurement import code, measure_coded
from study.metrics.sample import Convention
from study.storage.folder import find_study
from tools.metric_codecs import learned, objects, test_objects, untrained

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from study.metrics.measurement import Coder
    from study.storage.folder import StudyFolder

    Points = NDArray[np.float64]
    Key = tuple[str, str]
    Values = Mapping[str, float]

VARIANTS = ("density", "bounded", "16th")
TOLD = ("d1_psnr_db", "chamfer", *VARIANTS)
KTH = 16
SPARSE = (4096, 2048, 1024, 512, 256)
FEW, SHARES, NOISE = 2048, (0.5, 0.75, 1.0, 1.25, 1.5, 2.0), 0.03
"""Of samplings that are not as many as the original's points, or moved, where its longest side is
2."""
LEAST_APART = 1e-6
"""Instead of the distance to a neighbour in the same place."""


def variants(original: Points, decoded: Points) -> dict[str, float]:
    """Return the density metric and those beside it of two clouds in the unit frame."""
    trees = cKDTree(original), cKDTree(decoded)
    matches = trees[1].query(original)[1], trees[0].query(decoded)[1]
    counts = [_counts(tree) for tree in trees]
    logs = [_log_distance(tree) for tree in trees]
    bounded = apart = 0.0
    for side, match in enumerate(matches):
        mine, other = counts[side], counts[1 - side][match]
        bounded += float(np.mean(np.abs(other - mine) / np.maximum(other, mine)))
        apart += float(np.mean(np.abs(logs[side] - logs[1 - side][match])))
    return {"density": density_metric(original, decoded), "bounded": bounded, "16th": apart}


def _counts(tree: cKDTree) -> Points:
    """Return (n,): how many of the `NEIGHBOURS` nearest of each point are within `RADIUS`."""
    distance, _ = tree.query(
        tree.data, k=min(NEIGHBOURS, tree.n), distance_upper_bound=RADIUS * (1 + 1e-12)
    )
    found: Points = np.isfinite(distance).sum(axis=1).astype(np.float64)
    return found


def _log_distance(tree: cKDTree) -> Points:
    """Return (n,): the logarithm of each point's distance to its `KTH` neighbour."""
    distance, _ = tree.query(tree.data, k=[min(KTH + 1, tree.n)])
    found: Points = np.log(np.maximum(distance[:, 0], LEAST_APART))
    return found


def values_of(coder: Coder, cloud: Cloud) -> dict[str, float]:
    """Return what a codec makes of a cloud: rate, distances, and all `VARIANTS`."""
    coded = code(coder, cloud)
    wanted = ("bpp", "d1_psnr_db", "chamfer", "points_ratio")
    values = measure_coded("", cloud, coded, Convention(), wanted).values
    found = variants(
        to_unit_frame(cloud.points, cloud.points),
        to_unit_frame(coded.decoded.points, cloud.points),
    )
    return {name: float(value or 0.0) for name, value in values.items()} | found


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="Whether density tells codecs apart.")
    parser.add_argument("--split", choices=("validation", "test"), default="validation")
    parser.add_argument("--study", help="its codecs, and no others (tools/metrics_study.yaml)")
    parser.add_argument("--root", type=Path, default=Path("studies"), help="where it is")
    arguments = parser.parse_args()
    if arguments.study:
        _tell_learned(find_study(arguments.root, arguments.study))
        return
    clouds = objects(arguments.split)
    draw, moves = np.random.default_rng(0), np.random.default_rng(1)
    whole: dict[Key, list[Values]] = defaultdict(list)
    halves: dict[Key, list[tuple[Values, Values]]] = defaultdict(list)
    floors: dict[str, list[Values]] = defaultdict(list)
    for cloud in clouds.values():
        order = draw.permutation(len(cloud.points))
        two = [Cloud(cloud.points[np.sort(half)], None, ()) for half in np.array_split(order, 2)]
        for key, coder in _codecs().items():
            whole[key].append(values_of(coder, cloud))
            halves[key].append((values_of(coder, two[0]), values_of(coder, two[1])))
        first, second = (to_unit_frame(half.points, cloud.points) for half in two)
        for count in SPARSE:
            some = [draw.permutation(len(each))[:count] for each in (first, second)]
            floors[f"{count} points"].append(variants(first[some[0]], second[some[1]]))
        few = first[moves.permutation(len(first))[:FEW]]
        for share, noise in product(SHARES, (0.0, NOISE)):
            other = second[moves.permutation(len(second))[: int(share * FEW)]]
            other = other + moves.normal(scale=noise, size=other.shape)
            name = f"{FEW} points, and {share} times as many moved by {noise}"
            floors[name].append(variants(few, other))
    _tell_means(whole)
    _tell_order(whole)
    _tell_halves(halves)
    _tell_floors(floors)


def _codecs() -> dict[Key, Coder]:
    return {(kind, s): coder for kind, some in untrained().items() for s, coder in some}


def _tell_means(whole: Mapping[Key, list[Values]]) -> None:
    print("means over objects")
    for (kind, setting), found in whole.items():
        cells = (f"{name} {np.mean([v[name] for v in found]):.4g}" for name in ("bpp", *TOLD))
        print(f"  {kind}, {setting}: {', '.join(cells)}")


def _tell_order(whole: Mapping[Key, list[Values]]) -> None:
    print("from one rate to the next of a kind: share of objects at which it improves")
    for kind in dict.fromkeys(kind for kind, _ in whole):
        settings = [key for key in whole if key[0] == kind]
        cells = []
        for name in TOLD:
            sign = 1 if name == "d1_psnr_db" else -1
            better = [
                sign * (b[name] - a[name]) > 0
                for low, high in pairwise(settings)
                for a, b in zip(whole[low], whole[high], strict=True)
            ]
            cells.append(f"{name} {np.mean(better):.2f}")
        print(f"  {kind}: {', '.join(cells)}")
    print("Spearman's correlation with D1 over all codecs, mean over objects")
    for name in TOLD[1:]:
        pairs = zip(*whole.values(), strict=True)
        found = [spearmanr([v["d1_psnr_db"] for v in p], [v[name] for v in p])[0] for p in pairs]
        print(f"  {name}: {np.mean(found):.2f}")


def _tell_halves(halves: Mapping[Key, list[tuple[Values, Values]]]) -> None:
    print("two halves of an object's points, coded and measured apart")
    for name in TOLD:
        apart = [
            abs(a[name] - b[name]) / (abs(a[name] + b[name]) / 2)
            for found in halves.values()
            for a, b in found
        ]
        same = [
            (p[0][name] - q[0][name]) * (p[1][name] - q[1][name]) > 0
            for one, other in combinations(halves.values(), 2)
            for p, q in zip(one, other, strict=True)
        ]
        print(
            f"  {name}: {np.median(apart):.1%} apart (90 %: {np.quantile(apart, 0.9):.1%}); "
            f"{np.mean(same):.1%} of pairs of codecs in the same order"
        )


def _tell_floors(floors: Mapping[str, list[Values]]) -> None:
    print("two samplings of the same surface, no codec between: median (least to most)")
    for told, found in floors.items():
        columns = ((name, [values[name] for values in found]) for name in VARIANTS)
        cells = (f"{n} {np.median(c):.3g} ({min(c):.2g} to {max(c):.3g})" for n, c in columns)
        print(f"  {told}: {', '.join(cells)}")


def _tell_learned(study: StudyFolder) -> None:
    """Tell how far a study's codecs are apart, against the error of a mean over its objects."""
    codecs = learned(study)
    stored = test_objects(study, codecs[0][0].number)
    clouds = [Cloud(each.points, None, ()) for each in stored]
    found = [[values_of(codec, cloud) for cloud in clouds] for _, codec in codecs]
    print(f"{len(codecs)} codecs on {len(clouds)} objects: mean of each, and F over objects")
    for name in ("bpp", *TOLD):
        values = np.array([[each[name] for each in some] for some in found])
        scale = values if name == "d1_psnr_db" else np.log(values)
        apart = scale - scale.mean(axis=0)
        left = apart - apart.mean(axis=1, keepdims=True)
        freedom = (len(codecs) - 1) * (len(clouds) - 1)
        of_mean = (left**2).sum() / freedom / len(clouds)
        ratio = apart.mean(axis=1).var(ddof=1) / of_mean
        means = " ".join(f"{mean:.4g}" for mean in values.mean(axis=1))
        print(f"  {name}: {means}; F {ratio:.3g}")


if __name__ == "__main__":
    main()
