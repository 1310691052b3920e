"""Naive twins of the metrics: loops and whole distance matrices, written from the definitions."""

from __future__ import annotations

import math
from itertools import permutations
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[np.float64]


def distances(a: Array, b: Array) -> Array:
    return np.array([[math.dist(p, q) for q in b] for p in a])


def chamfer(original: Array, decoded: Array) -> float:
    squares = distances(original, decoded) ** 2
    return float(squares.min(axis=1).mean() + squares.min(axis=0).mean())


def emd(original: Array, decoded: Array) -> float:
    """Of all one-to-one matchings of equally many points, few of them."""
    lengths, rows = distances(original, decoded), range(len(original))
    return min(
        float(sum(lengths[row, column] for row, column in zip(rows, order, strict=True)))
        / len(rows)
        for order in permutations(rows)
    )


def hausdorff(original: Array, decoded: Array) -> float:
    table = distances(original, decoded)
    return float(max(table.min(axis=1).max(), table.min(axis=0).max()))


def d1_psnr_db(original: Array, decoded: Array, peak: float) -> float:
    squares = distances(original, decoded) ** 2
    mse = max(squares.min(axis=1).mean(), squares.min(axis=0).mean())
    return 10 * math.log10(3 * peak**2 / mse)


def d2_psnr_db(original: Array, decoded: Array, normals: Array, peak: float) -> float:
    table = distances(original, decoded)
    outward = [
        float((d - original[o]) @ normals[o]) ** 2
        for d, o in zip(decoded, table.argmin(axis=0), strict=True)
    ]
    back = []
    for o, d in zip(original, table.argmin(axis=1), strict=True):
        whose = int(table[:, d].argmin())
        back.append(float((o - decoded[d]) @ normals[whose]) ** 2)
    return 10 * math.log10(3 * peak**2 / max(np.mean(outward), np.mean(back)))


def density_metric(original: Array, decoded: Array) -> float:
    def crowding(points: Array) -> list[tuple[int, float]]:
        found = []
        for row in distances(points, points):
            within = [distance for distance in sorted(row)[:100] if distance <= 0.15]
            found.append((len(within), sum(within) / len(within)))
        return found

    def one_way(a: Array, b: Array) -> float:
        of_a, of_b = crowding(a), crowding(b)
        counts, means = [], []
        for i, j in enumerate(distances(a, b).argmin(axis=1)):
            (num_a, dist_a), (num_b, dist_b) = of_a[i], of_b[j]
            counts.append(abs(num_b + 1e-8 - num_a) / (num_b + 1e-8))
            means.append(abs(dist_b + 1e-8 - dist_a) / (dist_b + 1e-8))
        return float(np.mean(counts) + 1e-4 * np.mean(means))

    return one_way(original, decoded) + one_way(decoded, original)


def normals_f1(original: Array, of_original: Array, decoded: Array, of_decoded: Array) -> float:
    hits, claimed = 0, set()
    for d, row in enumerate(distances(decoded, original)):
        o = int(row.argmin())
        if row[o] <= 0.05 and math.dist(of_decoded[d], of_original[o]) <= 0.2:
            hits += 1
            claimed.add(o)
    return 2 * hits / (2 * hits + (len(decoded) - hits) + (len(original) - len(claimed)))
