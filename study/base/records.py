"""What is known of one trial, as plain data.

Optuna's storage is the truth (`study.storage.trial_store`). The table, the front, the report and
MLflow read these records and nothing else, so that none of them depends on Ray or Optuna.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Protocol, Self

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


class Fault(StrEnum):
    """The kinds of failure of a trial, as they are stored and as sentences name them."""

    DIVERGED = "diverged"
    OUT_OF_MEMORY = "out of memory"
    HUNG = "hung"
    LOST = "lost"
    ERROR = "error"


@dataclass(frozen=True)
class Failure:
    """Why a trial failed.

    Attributes:
        fault: the kind.
        sentence: what the user reads.
    """

    fault: Fault
    sentence: str

    @classmethod
    def of(cls, fault: Fault, why: str) -> Self:
        """Return a failure whose sentence names its kind first."""
        return cls(fault, f"{fault}: {why}")

    @classmethod
    def from_legacy_sentence(cls, sentence: str) -> Self:
        """Return a failure of which earlier versions stored the sentence alone.

        No other code may look into a sentence.
        """
        return cls(next((f for f in Fault if sentence.startswith(f)), Fault.ERROR), sentence)


@dataclass(frozen=True)
class EpochRecord:
    """The validation metrics after one finished epoch (counted from 1).

    Attributes:
        epoch: its number.
        metrics: of validation, and of the training itself.
        elapsed_s: seconds of work from the trial's beginning to the epoch's end.
        judged: whether the halting rule was asked about the trial here.
    """

    epoch: int
    metrics: Mapping[str, float]
    elapsed_s: float = 0.0
    judged: bool = False


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
        is_baseline: it trained with its family's published coefficients.
        elapsed_s: seconds of work so far.
        cohort: number of the cohort that it trains in; None before it joins one.
        feasible: False where the finished codec breaks a constraint: it is not on the front then.
        rung: the epoch after which it was stopped, of a pruned trial.
        folder: where its codecs lie, below the study's folder; None before it joins a cohort.
        ended_s: when it ended, in seconds since 1970; None before.
        run: the id of MLflow's run of it; None before MLflow has one.
        fault: why it failed; None where it did not.
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
    cohort: int | None = None
    feasible: bool = True
    rung: int | None = None
    folder: str | None = None
    ended_s: float | None = None
    run: str | None = None
    fault: Fault | None = None

    @property
    def latest(self) -> Mapping[str, float]:
        """The newest metrics: measured ones where the trial is complete, else the last epoch's."""
        if self.final:
            return self.final
        return self.epochs[-1].metrics if self.epochs else {}


class Observer(Protocol):
    """A callback for every change of a trial. It must neither raise nor wait."""

    def on_trial(self, record: TrialRecord) -> None:
        """Take note of a trial as it stands."""
