"""CompressAI's entropy bottleneck, without the rest of CompressAI.

Importing any part of the package runs its front door, which imports every model, data set and
transform that it has, and with them torchvision, pandas and PyTorch Geometric: four seconds and
more for every worker of a study and for every command that codes. The bottleneck needs none of
that, but both its module and its constructor come in by that door. So it is passed by: meanwhile a
bare module stands in the package's place. A full import before or after works as ever, and gives
the same class.

Likewise its module imports ``scipy.stats``, a quarter of all that a worker imports, for the normal
distribution of another entropy model. SciPy imports its parts when they are first asked for, so
that other model still finds it.
"""

from __future__ import annotations

import sys
from contextlib import contextmanager
from importlib import import_module
from importlib.util import find_spec
from threading import Lock
from types import ModuleType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from compressai.entropy_models import EntropyBottleneck

__all__ = ["EntropyBottleneck", "new_bottleneck"]

_PACKAGE = "compressai"
_PART = "compressai.entropy_models"
_STATISTICS = "scipy.stats"


def new_bottleneck(channels: int) -> EntropyBottleneck:
    """Return an untrained bottleneck."""
    with _front_door_passed_by():
        return EntropyBottleneck(channels)


@contextmanager
def _front_door_passed_by() -> Iterator[None]:
    """Put a stand-in for the package where imports find it, unless it is imported already."""
    spec = None if _PACKAGE in sys.modules else find_spec(_PACKAGE)
    if spec is None or spec.submodule_search_locations is None:
        # Imported already, or not installed: then the import says so.
        yield
        return
    stand_in = ModuleType(_PACKAGE)
    stand_in.__path__ = list(spec.submodule_search_locations)
    # What a bottleneck's constructor asks the package: its answers where nobody has set others.
    vars(stand_in).update(get_entropy_coder=lambda: "ans", available_entropy_coders=lambda: ["ans"])
    sys.modules[_PACKAGE] = stand_in
    try:
        yield
    finally:
        del sys.modules[_PACKAGE]


class _ComesWhenAsked(ModuleType):
    """Stands in for a module until somebody asks it for something, and then hands on the real one.

    Another thread may import the module meanwhile, as Scikit-learn's import does.
    """

    def __getattr__(self, name: str) -> object:
        # Whoever looks through all modules, as `inspect` does, asks for their files and the like.
        if name.startswith("__") and name != "__path__":
            raise AttributeError(name)
        self.leave()
        return getattr(import_module(self.__name__), name)

    def leave(self) -> None:
        """Make room for the real module, unless that is there already."""
        package, _, own = self.__name__.rpartition(".")
        with _LEAVING:
            if sys.modules.get(self.__name__) is self:
                del sys.modules[self.__name__]
            # An import statement may also make it the package's attribute.
            if (parent := vars(sys.modules.get(package, self))).get(own) is self:
                del parent[own]


_LEAVING = Lock()


@contextmanager
def _without_statistics() -> Iterator[None]:
    """Let an import of SciPy's statistics do nothing, unless they are imported already."""
    if _STATISTICS in sys.modules:
        yield
        return
    stand_in = _ComesWhenAsked(_STATISTICS)
    sys.modules[_STATISTICS] = stand_in
    try:
        yield
    finally:
        stand_in.leave()


def _import_bottleneck() -> type[EntropyBottleneck]:
    with _front_door_passed_by(), _without_statistics():
        bottleneck: type[EntropyBottleneck] = import_module(_PART).EntropyBottleneck
        return bottleneck


if not TYPE_CHECKING:
    EntropyBottleneck = _import_bottleneck()
