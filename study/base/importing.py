"""What a study file names as ``module:Class``."""

from __future__ import annotations

from importlib import import_module

from study.base.errors import StudyError


def imported(key: str, name: str, path: str) -> object:
    """Import what a key of the study file names.

    Args:
        key: the key, such as ``search.sampler``.
        name: its value, as the user wrote it.
        path: what that stands for, as ``module:Class``.

    Raises:
        StudyError: there is no such module, or nothing of that name in it.
    """
    module, _, attribute = path.partition(":")
    try:
        found: object = getattr(import_module(module), attribute)
    except (ImportError, AttributeError, TypeError, ValueError) as error:
        message = (
            f"{key}: {name} cannot be imported: {error}; give module:Class of a module "
            "that Python finds: its folder must be in PYTHONPATH"
        )
        raise StudyError(message) from error
    return found
