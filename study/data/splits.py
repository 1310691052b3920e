"""The splits for training, validation and tests: decided per object, never per patch."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from study.base.errors import StudyError

if TYPE_CHECKING:
    from collections.abc import Collection

    from study.config.data import DataRecipe, SplitName


def assign_splits(clouds: Collection[str], recipe: DataRecipe) -> dict[str, SplitName]:
    """Choose the clouds to use and give each its split.

    The result depends on the set of names and the recipe alone, not on the order of the names.

    Args:
        clouds: names of all clouds of the source.
        recipe: how many to take, which shares to hold out, and the seed.

    Returns:
        The split of every chosen cloud, ordered by name.

    Raises:
        StudyError: there are too few clouds for every split to get one.
    """
    names = sorted(clouds)
    shuffled = [names[i] for i in np.random.default_rng(recipe.seed).permutation(len(names))]
    chosen = shuffled[: recipe.max_objects]
    test = _held_out(len(chosen), recipe.test_fraction)
    validation = _held_out(len(chosen), recipe.validation_fraction)
    if test + validation >= len(chosen):
        raise StudyError(_too_few(len(names), test, validation, recipe))
    splits: dict[str, SplitName] = dict.fromkeys(chosen, "train")
    splits |= dict.fromkeys(chosen[:test], "test")
    splits |= dict.fromkeys(chosen[test : test + validation], "validation")
    return dict(sorted(splits.items()))


def _held_out(clouds: int, fraction: float) -> int:
    """Number of clouds to hold out: at least one, unless the share is 0."""
    return max(1, round(clouds * fraction)) if fraction > 0.0 else 0


def _too_few(available: int, test: int, validation: int, recipe: DataRecipe) -> str:
    capped = recipe.max_objects is not None and recipe.max_objects < available
    given = f"max_objects is {recipe.max_objects}" if capped else f"the source has {available}"
    ways = ["raise max_objects" if capped else "add clouds"]
    if recipe.test_fraction > 0.0:
        ways.append("lower the fractions (test_fraction may be 0)")
    else:
        ways.append("lower validation_fraction")
    return (
        f"splits are made by cloud and must leave one to train on: with {validation} to validate "
        f"on and {test} to test on at least {test + validation + 1} clouds are needed, and "
        f"{given}; {' or '.join(ways)}"
    )
