"""The platform: studies of point cloud codecs, and the front of those that none other beats.

Names are imported at first use, so that the command line answers before Ray and torch are loaded.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from study.base.front_door import importing_at_first_use

if TYPE_CHECKING:
    from study.base.errors import StudyError
    from study.base.records import TrialRecord, TrialState
    from study.config import StudyConfig
    from study.driver.runner import Ended, run_study
    from study.storage.study_file import load_study

__all__ = [
    "Ended",
    "StudyConfig",
    "StudyError",
    "TrialRecord",
    "TrialState",
    "load_study",
    "run_study",
]

__getattr__ = importing_at_first_use(
    __name__,
    {
        "Ended": "driver.runner",
        "StudyConfig": "config",
        "StudyError": "base.errors",
        "TrialRecord": "base.records",
        "TrialState": "base.records",
        "load_study": "storage.study_file",
        "run_study": "driver.runner",
    },
)
