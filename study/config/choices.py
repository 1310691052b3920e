"""Choices of a search space that are lists or tables, as the texts that Optuna can store.

A trial's settings are numbers, words and truth values everywhere: in Optuna's database, in tables
and in MLflow. A list (such as a ``downsample_rate``) or a table (several settings of the model that
only make sense together) travels as its JSON text, and is read where it is put into its place.
"""

from __future__ import annotations

import json

Choice = bool | int | float | str


def as_choice(value: object) -> object:
    """Return a list or table as its JSON text, and anything else as it is."""
    return json.dumps(value) if isinstance(value, list | tuple | dict) else value


def meaning_of(choice: Choice) -> object:
    """Return what a choice stands for: the list or table of a JSON text, else the choice itself."""
    if not (isinstance(choice, str) and choice.startswith(("[", "{"))):
        return choice
    try:
        return json.loads(choice)
    except json.JSONDecodeError:
        return choice
