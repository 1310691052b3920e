"""Does `model.norm: masked` cost anything? `python -m benchmarks.norms`, half an hour or more.

Trains the same trials with both normalisations to the end, several seeds and rates as one cohort
each, and prints the finished codecs' measured rates and qualities. Time is not its subject.
"""

from __future__ import annotations

import argparse
import statistics
from pathlib import Path

import moocore
import numpy as np

from model.config import ModelConfig
from study.config import DataRecipe
from study.data import open_data_set, prepare
from study.families.dpcc.architecture import DpccArchitecture
from study.families.dpcc.settings import LossWeights, TrainingConfig
from study.training.training import Member, Training

SEEDS = (1, 2, 3)
RATES = (1e-3, 0.01, 0.03, 0.08)
NORMS = ("published", "masked")
WORST = (3.0, -25.0)
"""Rate in bpp and negative D1 PSNR in dB: where hypervolumes are measured from."""

Finished = dict[tuple[int, float], tuple[float, float]]
"""Seed and lambda to bpp and D1 PSNR in dB."""


def main() -> None:
    """Train and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.norms", description=__doc__)
    parser.add_argument("--epochs", type=int, default=16)
    parser.add_argument("--objects", type=int, default=30)
    parser.add_argument("--data", type=Path, default=Path("data"), help="where data is prepared")
    arguments = parser.parse_args()
    finished = {
        norm: trained(
            ModelConfig(norm=norm),  # type: ignore[arg-type] # a Literal of both
            arguments.epochs,
            arguments.objects,
            arguments.data,
        )
        for norm in NORMS
    }
    print("\n".join(lines(finished["published"], finished["masked"])))


def trained(model: ModelConfig, epochs: int, objects: int, root: Path) -> Finished:
    """The finished codecs of all seeds and rates."""
    recipe = DataRecipe(max_objects=objects, points_per_object=4096)
    architecture = DpccArchitecture(model)
    form = architecture.form
    data = open_data_set(prepare(recipe, form=form, root=root.resolve()), form)
    settings = TrainingConfig(epochs=epochs, decay_every=max(1, epochs // 3), learning_rate=4e-3)
    grid = [(seed, rate) for seed in SEEDS for rate in RATES]
    members = [
        Member(trial, seed, LossWeights(bpp_lambda=rate), settings)
        for trial, (seed, rate) in enumerate(grid)
    ]
    training = Training(
        architecture=architecture, members=members, data=data, order_seed=0, device="cpu"
    )
    while training.living:
        training.run_epoch()
        print(f"{model.norm}: epoch {training.clock} of {epochs}", flush=True)
    measured = {grid[trial]: training.measure(trial).metrics for trial in training.finished}
    return {key: (found["bpp"], found["d1_psnr_db"]) for key, found in measured.items()}


def lines(published: Finished, masked: Finished) -> list[str]:
    """The table: mean and standard deviation over the seeds, and what the pairs differ by."""
    told = ["lambda   published: bpp, dB                   masked: bpp, dB"]
    for rate in RATES:
        both = [[found[seed, rate] for seed in SEEDS] for found in (published, masked)]
        told.append(f"{rate:<7g}  " + "    ".join(map(_spread, both)))
    for axis, unit in ((0, "bpp"), (1, "dB")):
        pairs = [masked[key][axis] - published[key][axis] for key in published]
        error = statistics.stdev(pairs) / len(pairs) ** 0.5
        told.append(f"masked - published: {statistics.mean(pairs):+.3f} ± {error:.3f} {unit}")
    for seed in SEEDS:
        volumes = [
            moocore.hypervolume(
                np.array([[f[seed, r][0], -f[seed, r][1]] for r in RATES]), ref=WORST
            )
            for f in (published, masked)
        ]
        told.append(f"seed {seed}: hypervolume {volumes[0]:.2f} and {volumes[1]:.2f}")
    return told


def _spread(points: list[tuple[float, float]]) -> str:
    return ", ".join(
        f"{statistics.mean(values):.3f} ± {statistics.stdev(values):.3f}"
        for values in zip(*points, strict=True)
    )


if __name__ == "__main__":
    main()
