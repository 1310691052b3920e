"""The table of the loss study."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from tools.chamfer.tables import table
from tools.loss_study.comparing import interval, mean_difference
from tools.loss_study.measured import METRICS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tools.loss_study.measured import Row

REFERENCE = "chamfer"
RATIOS = {"chamfer", "density"}
"""Metrics that are compared by their ratio: their logarithms are averaged."""


def compared(rows: Sequence[Row], distortion: str, metric: str) -> list[list[float]]:
    """How far a distortion's curve lies above chamfer's, by seed and object.

    An object that a seed cannot compare, for the two have no rates in common, is left out of all.

    Returns:
        (S, O) differences, of logarithms for `RATIOS`.
    """
    seeds = sorted({row.seed for row in rows})
    clouds = sorted({row.cloud for row in rows})
    found = []
    for cloud in clouds:
        column = [
            mean_difference(
                *_curve(rows, seed, REFERENCE, cloud, metric),
                *_curve(rows, seed, distortion, cloud, metric),
            )
            for seed in seeds
        ]
        kept = [value for value in column if value is not None]
        if len(kept) == len(seeds):
            found.append(kept)
    return [list(each) for each in zip(*found, strict=True)]


def _curve(
    rows: Sequence[Row], seed: int, distortion: str, cloud: str, metric: str
) -> tuple[np.ndarray[tuple[int, ...], np.dtype[np.float64]], ...]:
    chosen = [
        row.values
        for row in rows
        if (row.seed, row.distortion, row.cloud) == (seed, distortion, cloud)
    ]
    of = math.log if metric in RATIOS else float
    return (
        np.array([values["bpp"] for values in chosen]),
        np.array([of(values[metric]) for values in chosen]),
    )


def losses(rows: Sequence[Row]) -> str:
    """One line for each distortion: its rates, and its metrics at equal rate."""
    lines = []
    for distortion in dict.fromkeys(row.distortion for row in rows):
        own = [row for row in rows if row.distortion == distortion]
        weights = sorted({row.weight for row in own})
        ends = [
            float(np.mean([row.values["bpp"] for row in own if row.weight == weight]))
            for weight in (weights[-1], weights[0])
        ]
        cells = [f"{ends[0]:.2f} to {ends[1]:.2f}"]
        cells += [
            "" if distortion == REFERENCE else _cell(rows, distortion, metric)
            for metric in METRICS[1:]
        ]
        lines.append([distortion, *cells])
    head = ["trained by", "bpp", "D1, dB", "D2, dB", "chamfer", "density"]
    return table(head, lines)


def _cell(rows: Sequence[Row], distortion: str, metric: str) -> str:
    differences = compared(rows, distortion, metric)
    found = interval(differences)
    if metric not in RATIOS:
        return f"{found.mean:+.2f} ({found.low:+.2f} to {found.high:+.2f})"
    mean, low, high = (100 * math.expm1(value) for value in found)
    return f"{mean:+.0f}% ({low:+.0f} to {high:+.0f})"
