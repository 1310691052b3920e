"""The `data:` section of a study file."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from study.config import DataRecipe


def test_fractions_must_leave_objects_to_train_on() -> None:
    with pytest.raises(ValidationError, match=r"below 1, and it is 1\.1"):
        DataRecipe(validation_fraction=0.6, test_fraction=0.5)


def test_every_field_of_the_recipe_explains_itself() -> None:
    assert all(field.description for field in DataRecipe.model_fields.values())


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"min_points": 9000}, "at most max_points, and they are 9000 and 8192; change one"),
        ({"max_points": 99}, "at most max_points, and they are 256 and 99"),
        ({"voxel_depth": 21}, "voxel_depth must be from 0 to 20 where cube_size is 50, not 21"),
    ],
)
def test_a_recipe_that_cuts_nothing_is_refused(change: dict[str, int], sentence: str) -> None:
    with pytest.raises(ValidationError, match=sentence):
        DataRecipe.model_validate(change)
