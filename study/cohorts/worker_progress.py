"""What a worker knows of its cohort beyond the training itself, kept beside its checkpoint."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, field_validator

from study.cohorts.pace import Pace
from study.cohorts.reports import KEEPS_NAN, Report, from_checkpoint
from study.config import TrialConfig

PROGRESS_FILE = "cohort.json"


class CohortProgress(BaseModel):
    """Everything of a cohort that a checkpoint of its training does not hold."""

    model_config = KEEPS_NAN

    clock: int = 0
    """Epochs since the cohort began: where in the order of patches a joining trial begins."""
    followed: int = 0
    """Orders followed."""
    trials: dict[int, TrialConfig] = {}
    """Every trial that was ever in it."""
    elapsed_s: dict[int, float] = {}
    """Seconds of the steps that each took part in."""
    pace: Pace = Pace()
    steps: int = 0
    """Steps taken."""
    told: list[list[Report]] = []
    """The reports of the two newest steps. A driver that died may not have received the last, nor
    have stored the one before: it does so while the next step is trained."""

    @field_validator("told", mode="before")
    @classmethod
    def _read_told(cls, told: list[list[dict[str, Any]]]) -> list[list[Report]]:
        return [from_checkpoint(reports) for reports in told]
