"""The keys of `training` that every family of models has: those that the platform itself reads."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from study.config.numbers import Count, Positive
from study.config.section import Section


class TrainingSection(Section):
    """How one trial trains. A family may add keys, and give these other defaults."""

    epochs: Count = Field(50, description="passes over the training patches")
    patches_per_step: Count = Field(1, description="patches in one optimiser step")
    learning_rate: Positive = Field(1e-3, description="Adam's rate for the network")
    schedule: Literal["steps", "cosine"] = Field(
        "steps",
        description="steps: learning rates are cut every so many epochs; cosine: they fall to "
        "0 over all epochs, along half of a cosine",
    )
    decay_every: Count = Field(15, description="epochs between two cuts of the learning rates")
    decay_factor: Annotated[float, Field(gt=0.0, le=1.0)] = Field(
        0.5, description="what a cut multiplies the learning rates by"
    )
    max_grad_norm: Positive | None = Field(
        None, description="gradients longer than this are shortened to it, per trial; null: never"
    )

    @model_validator(mode="after")
    def _leave_nothing_unread(self) -> Self:
        cuts = ("decay_every", "decay_factor")
        changed = [n for n in cuts if getattr(self, n) != type(self).model_fields[n].default]
        if self.schedule == "cosine" and changed:
            raise ValueError(
                f"{' and '.join(changed)} must be left out where schedule is cosine, for nothing "
                "is cut then; leave out one or the other"
            )
        return self
