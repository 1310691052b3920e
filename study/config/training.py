"""The keys of `training` that every family of models has: those that the platform itself reads."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from study.config.numbers import Count, Positive
from study.config.section import Section


class TrainingSection(Section):
    """How one trial trains. A family may add keys, and give these other defaults."""

    epochs: Count = Field(50, description="passes over the training patches")
    patches_per_step: Count = Field(1, description="patches in one optimiser step")
    learning_rate: Positive = Field(1e-3, description="Adam's rate for the network")
    decay_every: Count = Field(15, description="epochs between two cuts of the learning rates")
    decay_factor: Annotated[float, Field(gt=0.0, le=1.0)] = Field(
        0.5, description="what a cut multiplies the learning rates by"
    )
    max_grad_norm: Positive | None = Field(
        None, description="gradients longer than this are shortened to it, per trial; null: never"
    )
