"""A data set and trainings that take a fraction of a second."""

from __future__ import annotations

from typing import TYPE_CHECKING

from model.config import ModelConfig
from study.config import LossWeights, TrainingConfig
from study.data import DataRecipe, open_data_set, prepare
from study.training import Member, Training

if TYPE_CHECKING:
    from pathlib import Path

    from study.data import DataSet

MODEL = ModelConfig(k=8, hidden_dim=16)
LOSS = LossWeights()
SETTINGS = TrainingConfig(patches_per_step=2)
RECIPE = DataRecipe(max_objects=8, points_per_object=150, cube_size=100.0, min_points=50)


def tiny_data_set(root: Path, recipe: DataRecipe = RECIPE, model: ModelConfig = MODEL) -> DataSet:
    """Six objects of 150 points to train on, one to validate on, one to test on."""
    recipe = recipe.model_copy(update={"normals": model.compress_normal})
    folder = prepare(recipe, downsample_rate=model.downsample_rate, k=model.k, root=root)
    return open_data_set(folder)


def training_of(
    data: DataSet,
    *members: Member,
    settings: TrainingConfig = SETTINGS,
    model: ModelConfig = MODEL,
    order_seed: int = 0,
) -> Training:
    return Training(
        model=model,
        training=settings,
        members=members or [Member(seed=1, loss=LOSS)],
        data=data,
        order_seed=order_seed,
    )
