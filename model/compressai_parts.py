"""CompressAI's entropy bottleneck, without the rest of CompressAI.

Importing any part of the package runs its front door, which imports every model, data set and
transform that it has, and with them torchvision, pandas and PyTorch Geometric: four seconds for
every worker of a study and for every command that codes. The bottleneck needs none of that. So the
front door is passed by: while the part is imported, a bare module stands in the package's place.
A full import before or after works as ever, and gives the same class.
"""

from __future__ import annotations

import sys
from importlib import import_module
from importlib.util import find_spec
from types import ModuleType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from compressai.entropy_models import EntropyBottleneck

__all__ = ["EntropyBottleneck"]

_PACKAGE = "compressai"
_PART = "compressai.entropy_models"


def _import_bottleneck() -> type[EntropyBottleneck]:
    spec = None if _PACKAGE in sys.modules else find_spec(_PACKAGE)
    if spec is None or spec.submodule_search_locations is None:
        # Imported already, or not installed: then the import says so.
        return _import_directly()
    stand_in = ModuleType(_PACKAGE)
    stand_in.__path__ = list(spec.submodule_search_locations)
    sys.modules[_PACKAGE] = stand_in
    try:
        return _import_directly()
    finally:
        del sys.modules[_PACKAGE]


def _import_directly() -> type[EntropyBottleneck]:
    bottleneck: type[EntropyBottleneck] = import_module(_PART).EntropyBottleneck
    return bottleneck


if not TYPE_CHECKING:
    EntropyBottleneck = _import_bottleneck()
