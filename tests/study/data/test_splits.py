from __future__ import annotations

import pytest

from study.base.errors import StudyError
from study.config import DataRecipe
from study.data.splits import assign_splits

NAMES = [f"cloud{i}" for i in range(20)]


def test_every_cloud_gets_one_split_of_the_size_asked_for() -> None:
    splits = assign_splits(NAMES, DataRecipe(validation_fraction=0.2, test_fraction=0.1))
    assert sorted(splits) == sorted(NAMES)
    counts = [list(splits.values()).count(split) for split in ("train", "validation", "test")]
    assert counts == [14, 4, 2]


def test_the_order_of_the_names_does_not_matter_and_the_seed_does() -> None:
    first = assign_splits(NAMES, DataRecipe(seed=1))
    assert assign_splits(NAMES[::-1], DataRecipe(seed=1)) == first
    assert assign_splits(NAMES, DataRecipe(seed=2)) != first


def test_max_objects_takes_a_seeded_choice() -> None:
    chosen = assign_splits(NAMES, DataRecipe(max_objects=8))
    assert len(chosen) == 8
    assert set(chosen) != set(assign_splits(NAMES, DataRecipe(max_objects=8, seed=1)))
    assert len(assign_splits(NAMES, DataRecipe(max_objects=100))) == 20


def test_three_clouds_are_enough_and_two_without_a_test_split() -> None:
    assert sorted(assign_splits(NAMES[:3], DataRecipe()).values()) == [
        "test",
        "train",
        "validation",
    ]
    two = assign_splits(NAMES[:2], DataRecipe(test_fraction=0.0))
    assert sorted(two.values()) == ["train", "validation"]


@pytest.mark.parametrize("count", [1, 2])
def test_too_few_clouds_say_how_many_are_needed(count: int) -> None:
    with pytest.raises(
        StudyError, match=rf"at least 3 clouds are needed.* source has {count}; add"
    ):
        assign_splits(NAMES[:count], DataRecipe())


def test_too_few_of_many_clouds_name_the_setting() -> None:
    with pytest.raises(StudyError, match=r"max_objects is 2; raise max_objects"):
        assign_splits(NAMES, DataRecipe(max_objects=2))
