"""The `data:` section of a study file: which points, how they are cut, who is held out."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

SplitName = Literal["train", "validation", "test"]
SPLITS: tuple[SplitName, ...] = ("train", "validation", "test")

EMBEDDED = "embedded"
"""The `source` that names the objects shipped with the package."""

LONGEST_SIDE = 100.0
"""Every cloud is scaled by one factor so that the longest side of its box has this length. It is
also the peak of every PSNR (the unit of `cube_size`)."""


class DataRecipe(BaseModel):
    """Everything that decides which patches a data set holds.

    Two equal recipes on equal files give the same bytes.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    source: str = Field(
        default=EMBEDDED,
        min_length=1,
        description="`embedded` for the objects shipped with the package, or a folder of PLY "
        "files (sub-folders included)",
    )
    max_objects: int | None = Field(
        default=None, ge=1, description="take a seeded choice of this many objects; null takes all"
    )
    points_per_object: int | None = Field(
        default=None,
        ge=1,
        description="keep a seeded choice of this many points of each object; null keeps all",
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
        default=100, ge=1, description="drop validation and test cubes with fewer points than this"
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

    def min_points_of(self, split: SplitName) -> int:
        """Fewest points that a cube of this split may have."""
        return self.min_points if split == "train" else self.min_points_evaluation
