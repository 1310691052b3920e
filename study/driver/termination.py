"""Why a driver's work on a study ends: a value with a sentence."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto


class Reason(Enum):
    """What ended it."""

    COMPLETE = auto()
    """Every trial came to its end."""
    BUDGET_SPENT = auto()
    """No further trial begins."""
    HOURS_SPENT = auto()
    """Drivers have worked on the study for as long as they may."""
    INTERRUPTED = auto()
    """Ctrl-C or SIGTERM."""
    TAKEN_OVER = auto()
    """The study is another driver's now: this one must not write any more."""
    RAY_DIED = auto()
    """No worker can be started any more."""


@dataclass(frozen=True)
class Termination:
    """The end of a driver's work.

    Attributes:
        reason: what ended it.
        sentence: the same for the user.
    """

    reason: Reason
    sentence: str

    @property
    def is_at_once(self) -> bool:
        """Whether even an epoch in training must not be waited for."""
        return self.reason in {Reason.TAKEN_OVER, Reason.RAY_DIED}

    @property
    def is_planned(self) -> bool:
        """Whether the study ended by its own rules, so that its report is written."""
        return self.reason in {Reason.COMPLETE, Reason.BUDGET_SPENT, Reason.HOURS_SPENT}


COMPLETE = Termination(Reason.COMPLETE, "every trial came to its end")
INTERRUPTED = Termination(Reason.INTERRUPTED, "interrupted")
TAKEN_OVER = Termination(Reason.TAKEN_OVER, "another driver has taken the study over")
RAY_DIED = Termination(Reason.RAY_DIED, "Ray on this machine has died")


class Stopped(BaseException):
    """Leaves Tune's loop. No `Exception`: Tune would take its time to clean up after one.

    Args:
        termination: why.
    """

    def __init__(self, termination: Termination) -> None:
        super().__init__(termination.sentence)
        self.termination = termination
