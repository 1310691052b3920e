"""The platform: studies of point cloud codecs, and the front of those that none other beats.

Names are imported at first use, so that the command line answers before Ray and torch are loaded.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from study.config import StudyConfig
    from study.errors import StudyError
    from study.records import TrialRecord, TrialState
    from study.runner import Ended, run_study
    from study.study_file import load_study

__all__ = [
    "Ended",
    "StudyConfig",
    "StudyError",
    "TrialRecord",
    "TrialState",
    "load_study",
    "run_study",
]

_HOME = {
    "Ended": "runner",
    "StudyConfig": "config",
    "StudyError": "errors",
    "TrialRecord": "records",
    "TrialState": "records",
    "load_study": "study_file",
    "run_study": "runner",
}


def __getattr__(name: str) -> object:
    """Import the module that defines a public name, and hand the name out."""
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
