"""Point clouds as files: read and written by suffix.

Names are imported at first use: the readers bring NumPy, and some of them large libraries.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from study.clouds.cloud import DEFAULT_SAMPLES, Cloud
    from study.clouds.files import count_points, list_clouds, read_cloud, read_clouds
    from study.clouds.writing import write_cloud

__all__ = [
    "DEFAULT_SAMPLES",
    "Cloud",
    "count_points",
    "list_clouds",
    "read_cloud",
    "read_clouds",
    "write_cloud",
]

_HOME = {
    "DEFAULT_SAMPLES": "cloud",
    "Cloud": "cloud",
    "count_points": "files",
    "list_clouds": "files",
    "read_cloud": "files",
    "read_clouds": "files",
    "write_cloud": "writing",
}


def __getattr__(name: str) -> object:
    """Import the module that defines a public name, and hand the name out."""
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
