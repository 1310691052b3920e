"""The sections of a study file that are the voxel codec's."""

from __future__ import annotations

import json
from typing import Annotated, Self

from pydantic import Field, model_validator

from study.config.numbers import Count, Positive
from study.config.section import Section
from study.config.training import TrainingSection
from study.zoo.catalog import shipped_folder

Weight = Annotated[float, Field(ge=0.0)]


class VoxelModel(Section):
    """What the decoder looks like, and at which edges of voxels it is trained."""

    width: Annotated[int, Field(ge=4, multiple_of=4)] = Field(
        96, description="width of what the decoder knows of a voxel; a multiple of 4"
    )
    point_width: Count = Field(64, description="width of the layers that place each point")
    layers: Annotated[int, Field(ge=0)] = Field(
        1, description="rounds of attention among touching voxels"
    )
    reach: Count = Field(
        2, description="voxels to each side that the first layer sees: 2 are 5 x 5 x 5"
    )
    first_edge: Annotated[float, Field(gt=0.0, le=0.5)] = Field(
        1 / 16,
        description="a voxel's edge, as a share of a cloud's longest side, before it is trained",
    )
    edge_octaves: Positive = Field(
        1.0,
        description="training draws from edges within so many octaves, around the trained one: the "
        "wider, the more rates the codec can be asked for",
    )
    thinning_octaves: Annotated[float, Field(ge=0.0)] = Field(
        2.0,
        description="training drops up to all but a 2^-x of a patch's points, so that the decoder "
        "knows other densities",
    )
    augment: bool = Field(
        True,  # noqa: FBT003  a field's default
        description="turn and mirror patches at random in training, by the 48 symmetries of a cube",
    )
    start: str | None = Field(
        None,
        description="a codec that comes with the package, such as voxel (`study zoo`): trials "
        "begin with its network; null: they begin with random weights",
    )
    voxels_per_patch: Annotated[int, Field(ge=8)] = Field(
        800, description="of a patch with more voxels, training decodes so many, next to each other"
    )

    @model_validator(mode="after")
    def _fit_what_it_starts_with(self) -> Self:
        if self.start is None:
            return self
        described = (shipped_folder(self.start) / "codec.json").read_text(encoding="utf-8")
        theirs = json.loads(described)["architecture"]["model"]
        other = [name for name in _SHAPE if getattr(self, name) != theirs[name]]
        if other:
            expected = ", ".join(f"{name}: {theirs[name]}" for name in other)
            raise ValueError(
                f"trials that start with the codec {self.start} must have a network of its shape, "
                f"{expected}; change that, or leave start out"
            )
        return self


_SHAPE = ("width", "point_width", "layers", "reach")
"""Settings that shape the network."""


class VoxelLoss(Section):
    """The weights of the loss's terms: together they choose the edge."""

    distortion: Weight = Field(
        1.0, description="weight of the D1 error in dB (term distortion): minus the D1 PSNR"
    )
    density_coe: Weight = Field(
        3.0,
        description="weight of how far the predicted shares of points are from the true "
        "ones: their divergence in bits per point (term density)",
    )
    bpp_lambda: Weight = Field(
        10.0, description="weight of the octree's bits per input point: dB that a bit is worth"
    )


class VoxelTraining(TrainingSection):
    """How one trial trains."""

    learning_rate: Positive = Field(2e-3, description="Adam's rate for the network")
    edge_learning_rate: Positive = Field(0.02, description="Adam's rate for the edge, in octaves")
    max_grad_norm: Positive | None = Field(
        1.0, description="gradients longer than this are shortened to it, per trial; null: never"
    )
