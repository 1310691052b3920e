"""A data set and trainings that take a fraction of a second."""

from __future__ import annotations

from typing import TYPE_CHECKING

from model.config import ModelConfig
from study.config import DataRecipe
from study.data import open_data_set, prepare
from study.families.dpcc.architecture import DpccArchitecture
from study.families.dpcc.settings import LossWeights, TrainingConfig
from study.training.evaluation import Validation
from study.training.training import EpochResult, Member, Training

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from model.codec import Codec
    from study.config import SplitName, TrainingSection
    from study.data import DataSet

MODEL = ModelConfig(k=8, hidden_dim=16)
LOSS = LossWeights()
SETTINGS = TrainingConfig(patches_per_step=2)
RECIPE = DataRecipe(max_objects=8, points_per_object=150, cube_size=100.0, min_points=50)


def tiny_data_set(root: Path, recipe: DataRecipe = RECIPE, model: ModelConfig = MODEL) -> DataSet:
    """Six objects of 150 points to train on, one to validate on, one to test on."""
    recipe = recipe.model_copy(update={"normals": model.compress_normal})
    form = DpccArchitecture(model).form
    return open_data_set(prepare(recipe, form=form, root=root), form)


def member(
    trial: int = 0,
    *,
    seed: int = 1,
    loss: LossWeights = LOSS,
    training: TrainingSection = SETTINGS,
    order_from: int = 0,
) -> Member:
    return Member(trial=trial, seed=seed, loss=loss, training=training, order_from=order_from)


def training_of(
    data: DataSet,
    *members: Member,
    model: ModelConfig = MODEL,
    order_seed: int = 0,
    extra_metrics: tuple[str, ...] = (),
) -> Training:
    return Training(
        architecture=DpccArchitecture(model),
        members=members or [member()],
        data=data,
        order_seed=order_seed,
        device="cpu",
        extra_metrics=extra_metrics,
    )


def train(
    training: Training,
    folder: Path | None = None,
    on_epoch: Callable[[dict[int, EpochResult]], None] | None = None,
    *,
    epochs: int | None = None,
) -> None:
    """Train until nobody is left, or some epochs, with a checkpoint after each."""
    while training.living and (epochs is None or epochs > 0):
        results = training.run_epoch()
        epochs = None if epochs is None else epochs - 1
        if folder is not None:
            training.save(folder)
        if on_epoch is not None:
            on_epoch(results)


def without_clocks(results: Mapping[int, EpochResult]) -> dict[int, dict[str, float]]:
    return {
        trial: {k: v for k, v in result.metrics.items() if not k.endswith("_s")}
        for trial, result in results.items()
    }


def validate(codec: Codec, data: DataSet, split: SplitName, device: str) -> list[dict[str, float]]:
    """Evaluate once."""
    return Validation(DpccArchitecture(codec.config), data, split, device).of(codec)
