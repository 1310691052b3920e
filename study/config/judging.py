"""A study's trials, judged by what its file asks for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from study.config.derived import constraints_of, objectives_of
from study.fronts.judged import JudgedStudy

if TYPE_CHECKING:
    from collections.abc import Sequence

    from study.base.records import TrialRecord
    from study.config.study import StudyConfig


def judge(config: StudyConfig, records: Sequence[TrialRecord]) -> JudgedStudy:
    """Return a study's trials with what spans and bounds their front; nothing is computed yet."""
    return JudgedStudy(records, objectives_of(config), constraints_of(config))
