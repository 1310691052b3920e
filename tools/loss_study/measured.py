"""What the loss study measured: one row for each codec and object, in a file beside this one."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from study.search.space import apply
from study.storage.folder import find_study
from study.storage.progress import read_progress
from study.training.cloud_results import read_results

if TYPE_CHECKING:
    from collections.abc import Iterable

    from study.families.dpcc.settings import LossWeights

FILE = Path(__file__).with_name("measured.csv")
METRICS = ("bpp", "d1_psnr_db", "d2_psnr_db", "chamfer", "density")
DISTORTIONS = {
    ("last_chamfer",): "chamfer",
    ("density_aware",): "density-aware chamfer",
    ("last_chamfer", "density_aware"): "chamfer and density-aware",
    ("last_chamfer", "shape"): "chamfer and shape",
    ("sliced",): "sliced Wasserstein",
    ("sinkhorn",): "Sinkhorn divergence",
    ("last_chamfer", "adversarial"): "chamfer and critic",
}
"""Which weights are above 0, and what that is called."""


class Row(NamedTuple):
    """What a codec made of an object.

    Attributes:
        seed: of the study.
        distortion: one of `DISTORTIONS`.
        weight: lambda, of the rate.
        cloud: the object.
        values: by name, those of `METRICS`.
    """

    seed: int
    distortion: str
    weight: float
    cloud: str
    values: dict[str, float]


def name_of(loss: LossWeights) -> str:
    """Return what a trial's distortion is called."""
    terms = {term: None for known in DISTORTIONS for term in known}
    return DISTORTIONS[tuple(t for t in terms if getattr(loss, f"{t}_coe") > 0.0)]


def rows_of(root: Path, name: str, *, without_first: bool = False) -> list[Row]:
    """Read a finished study.

    Args:
        root: of all studies.
        name: of this one.
        without_first: leave out trial 0, which is that of another study too.
    """
    folder = find_study(root, name)
    config = folder.config()
    rows = []
    for record in read_progress(folder, config).records[int(without_first) :]:
        loss = apply(config, record.params).loss
        found = read_results(folder.codecs, record.number)
        if not found:
            raise SystemExit(f"{name}: trial {record.number} has no results; finish the study")
        for each in found:
            values = {metric: float(each.values[metric] or 0.0) for metric in METRICS}
            row = Row(config.seed, name_of(loss), loss.bpp_lambda, each.cloud, values)
            rows.append(row)
    return rows


def write(rows: Iterable[Row], path: Path = FILE) -> None:
    """Write rows as a table."""
    with path.open("w", encoding="utf-8", newline="") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(["seed", "distortion", "lambda", "object", *METRICS])
        for row in rows:
            told = [f"{row.values[metric]:.5g}" for metric in METRICS]
            table.writerow([row.seed, row.distortion, f"{row.weight:g}", row.cloud, *told])


def read(path: Path = FILE) -> list[Row]:
    """Read them again."""
    with path.open(encoding="utf-8", newline="") as file:
        return [
            Row(
                int(each["seed"]),
                each["distortion"],
                float(each["lambda"]),
                each["object"],
                {metric: float(each[metric]) for metric in METRICS},
            )
            for each in csv.DictReader(file)
        ]
