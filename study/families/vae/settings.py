"""The sections of a study file that are the variational autoencoder's."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from study.config.numbers import Count
from study.config.section import Section
from study.config.training import TrainingSection


class VaeModel(Section):
    """What the autoencoder looks like."""

    points: Count = Field(
        128, description="points that it reads of a patch, and points that it makes of it"
    )
    dimensions: Literal[2, 3] = Field(
        3, description="coordinates that it reads and makes of a point; with 2, z is 0"
    )
    latents: int = Field(
        8,
        ge=2,
        le=256,  # Its candidates, 64 MB, are made before a codec's weights are looked at.
        multiple_of=2,
        description="numbers that a patch becomes, coded in pairs",
    )
    width: Count = Field(128, description="width of the hidden layers")


class VaeLoss(Section):
    """The weights of the loss's terms; each has the term's name."""

    chamfer: float = Field(
        1.0, ge=0.0, description="weight of the chamfer distance, in squared half cubes"
    )
    kl_lambda: float = Field(
        0.03, ge=0.0, description="weight of the KL divergence, in bits per input point"
    )


class VaeTraining(TrainingSection):
    """How one trial trains."""

    patches_per_step: Count = Field(8, description="patches in one optimiser step")
