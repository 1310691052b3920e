"""Point clouds as files: read and written by suffix.

Names are imported at first use: the readers bring NumPy, and some of them large libraries.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from study.base.front_door import importing_at_first_use

if TYPE_CHECKING:
    from study.clouds.cloud import Cloud
    from study.clouds.files import count_points, list_clouds, read_cloud, read_clouds
    from study.clouds.sampling import DEFAULT_SAMPLES
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

__getattr__ = importing_at_first_use(
    __name__,
    {
        "DEFAULT_SAMPLES": "sampling",
        "Cloud": "cloud",
        "count_points": "files",
        "list_clouds": "files",
        "read_cloud": "files",
        "read_clouds": "files",
        "write_cloud": "writing",
    },
)
