"""Data sets of patches and whole clouds: prepared once, read memory-mapped by every trial.

Which patches they hold is said by a recipe (`study.config.data`). Names are imported at first use:
whoever needs one of them does not wait for the libraries of the others.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from study.base.front_door import importing_at_first_use

if TYPE_CHECKING:
    from study.data.cloud_set import CloudSet, StoredCloud
    from study.data.dataset import DataSet, open_data_set
    from study.data.manifest import CloudEntry, Manifest, SplitCounts, describe
    from study.data.patch_set import PatchSet, StoredPatch
    from study.data.preparing import prepare

__all__ = [
    "CloudEntry",
    "CloudSet",
    "DataSet",
    "Manifest",
    "PatchSet",
    "SplitCounts",
    "StoredCloud",
    "StoredPatch",
    "describe",
    "open_data_set",
    "prepare",
]

__getattr__ = importing_at_first_use(
    __name__,
    {
        "CloudEntry": "manifest",
        "CloudSet": "cloud_set",
        "DataSet": "dataset",
        "Manifest": "manifest",
        "PatchSet": "patch_set",
        "SplitCounts": "manifest",
        "StoredCloud": "cloud_set",
        "StoredPatch": "patch_set",
        "describe": "manifest",
        "open_data_set": "dataset",
        "prepare": "preparing",
    },
)
