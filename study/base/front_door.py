"""Packages whose public names are imported at first use."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


def importing_at_first_use(package: str, home: Mapping[str, str]) -> Callable[[str], object]:
    """Return a package's ``__getattr__``.

    Args:
        package: its name.
        home: public name -> the module of the package that defines it.
    """

    def hand_out(name: str) -> object:
        if name not in home:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        return getattr(import_module(f"{package}.{home[name]}"), name)

    return hand_out
