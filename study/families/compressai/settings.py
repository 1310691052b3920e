"""The sections of a study file that are those of CompressAI's PointNet."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from study.config.numbers import Count
from study.config.section import Section
from study.config.training import TrainingSection

Width = Annotated[int, Field(ge=1, le=1 << 14)]
"""At most so many: a bottleneck of any width is made before a codec's weights are looked at."""


class PointNetModel(Section):
    """What the codec looks like. The defaults are CompressAI's."""

    points: Count = Field(
        1024, description="points that it reads of a patch, and points that it makes of it"
    )
    encoder_widths: tuple[Width, ...] = Field(
        (64, 64, 64, 128), description="widths of the layers before the maximum over points"
    )
    latents: Width = Field(1024, description="numbers that a patch becomes, each rounded and coded")
    decoder_widths: tuple[Width, ...] = Field(
        (256, 512), description="widths of the hidden layers after it"
    )


class PointNetLoss(Section):
    """The weights of the loss's terms, which have the names of CompressAI's criterion."""

    bpp: float = Field(1.0, ge=0.0, description="weight of the rate, in bits per input point")
    rec: float = Field(
        1.0, ge=0.0, description="weight of the chamfer distance, in squared half cubes"
    )


class PointNetTraining(TrainingSection):
    """How one trial trains."""

    patches_per_step: Count = Field(
        8, description="patches in one optimiser step, over which its norms take their means"
    )
