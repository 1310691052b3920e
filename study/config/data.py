"""The `data:` section of a study file: which points, how they are cut, which are held out."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from model.partition import PartitionConfig, usual_voxel_depth
from model.placement import LONGEST_SIDE
from study.clouds.sampling import MOST_SAMPLES

SplitName = Literal["train", "validation", "test"]
SPLITS: tuple[SplitName, ...] = ("train", "validation", "test")

EMBEDDED = "embedded"
"""The `source` that names the objects shipped with the package."""

TOY = "toy"
"""The `source` that names sets of ten random points in a square."""


class DataRecipe(BaseModel):
    """Everything that decides which patches a data set holds.

    Two equal recipes on equal files give the same bytes.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    source: str = Field(
        default=EMBEDDED,
        min_length=1,
        description="`embedded` for the objects shipped with the package; a folder of clouds and "
        "models (PLY, OBJ, OFF, STL, LAS, LAZ, bin, npy, npz, zip, sh3f; sub-folders included); "
        "one such file that holds several; a data set pickled by D-PCC (.pkl); or `toy` for 100 "
        "flat sets of ten random points, to try a family on",
    )
    max_objects: int | None = Field(
        default=None, ge=1, description="take a seeded choice of this many objects; null takes all"
    )
    points_per_object: int | None = Field(
        default=None,
        ge=1,
        le=MOST_SAMPLES,
        description="keep a seeded choice of this many points of each object, and take this many "
        "from the surface of a mesh; null keeps all, and takes 100,000 from a mesh",
    )
    cube_size: float = Field(
        default=50.0,
        ge=1.0,
        le=LONGEST_SIDE,
        description="edge of the cubes that become patches, where the longest side of an object "
        "is 100",
    )
    min_points: int = Field(
        default=256, ge=1, description="drop training cubes with fewer points than this"
    )
    min_points_evaluation: int = Field(
        default=100,
        ge=1,
        description="voxels stand for the points of validation and test cubes, and of cubes in "
        "files, with fewer points than this",
    )
    max_points: int = Field(
        default=8192, ge=1, description="split cubes with more points than this in 8"
    )
    voxel_depth: int | None = Field(
        default=None,
        ge=0,
        description="a voxel is a cube halved this many times; null: so often that voxels measure "
        "about 1.5, where the longest side of an object is 100",
    )
    normals: bool = Field(
        default=False,
        description="keep the points' normals, for D2 PSNR and for codecs that code them too "
        "(model.compress_normal)",
    )
    validation_fraction: float = Field(
        default=0.15,
        gt=0.0,
        lt=1.0,
        description="share of the objects held out to validate on after each epoch (at least one)",
    )
    test_fraction: float = Field(
        default=0.15,
        ge=0.0,
        lt=1.0,
        description="share of the objects held out to test on (at least one, unless it is 0)",
    )
    seed: int = Field(
        default=0, ge=0, description="seed of the choices of objects and points and of the splits"
    )

    @model_validator(mode="after")
    def _leave_objects_to_train_on(self) -> Self:
        held_out = self.validation_fraction + self.test_fraction
        if held_out >= 1.0:
            raise ValueError(
                "validation_fraction and test_fraction must leave objects to train on: their sum "
                f"must be below 1, and it is {held_out:g}; lower one of them"
            )
        return self

    @model_validator(mode="after")
    def _cut_possibly(self) -> Self:
        for split in SPLITS:
            self.partition(split)  # a CodecError is a ValueError, and says what to change
        return self

    def partition(self, split: SplitName = "test") -> PartitionConfig:
        """How the clouds of a split are cut; files are cut like test clouds."""
        return PartitionConfig(
            cube_size=self.cube_size,
            min_points=self.min_points if split == "train" else self.min_points_evaluation,
            max_points=self.max_points,
            voxel_depth=usual_voxel_depth(self.cube_size)
            if self.voxel_depth is None
            else self.voxel_depth,
        )
