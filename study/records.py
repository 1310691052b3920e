"""What is known of one trial, as plain data.

Optuna's storage is the truth (design, decision 5); the table, the front, the report and MLflow
all read these records and nothing else, so that none of them depends on Ray or Optuna.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    ParameterValue = float | int | str | bool


class TrialState(StrEnum):
    """How far a trial has come. The last three are final."""

    RUNNING = "running"
    INTERRUPTED = "interrupted"
    """Not finished, and no driver is alive that would finish it."""
    COMPLETE = "complete"
    PRUNED = "pruned"
    FAILED = "failed"

    @property
    def is_final(self) -> bool:
        """Whether nothing more will become of the trial."""
        return self in {TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAILED}


@dataclass(frozen=True)
class EpochRecord:
    """The validation metrics after one finished epoch (counted from 1)."""

    epoch: int
    metrics: Mapping[str, float]


@dataclass(frozen=True)
class TrialRecord:
    """One trial as the user sees it.

    Attributes:
        number: Optuna's trial number, from 0.
        state: how far it has come.
        params: the searched settings by dotted name.
        epochs: finished epochs, oldest first.
        total_epochs: how many epochs the study asked for.
        final: metrics measured on the finished codec (``bpp`` is real bytes); empty until complete.
        outcome: the sentence a user reads about how it ended; empty while it runs.
        is_baseline: it trained with D-PCC's published coefficients.
        elapsed_s: seconds of work so far.
        checkpoint: where its cohort's last checkpoint lies, if any; its part bears the number.
        cohort: number of the cohort that it trains in; None before it joins one.
        feasible: False where the finished codec breaks a constraint: it is not on the front then.
    """

    number: int
    state: TrialState
    params: Mapping[str, ParameterValue]
    epochs: tuple[EpochRecord, ...] = ()
    total_epochs: int = 0
    final: Mapping[str, float] = field(default_factory=dict)
    outcome: str = ""
    is_baseline: bool = False
    elapsed_s: float = 0.0
    checkpoint: str | None = None
    cohort: int | None = None
    feasible: bool = True

    @property
    def latest(self) -> Mapping[str, float]:
        """The newest metrics: measured ones where the trial is complete, else the last epoch's."""
        if self.final:
            return self.final
        return self.epochs[-1].metrics if self.epochs else {}
