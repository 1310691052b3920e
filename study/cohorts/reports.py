"""What a cohort's worker reports of its trials after each step: typed values, sent as JSON."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from study.base.records import Failure
from study.config import TrialConfig

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence


class _Report(BaseModel):
    """What all reports say.

    Attributes:
        trial: the trial's number.
        elapsed_s: seconds of work on it so far.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    trial: int
    elapsed_s: float


class EpochReport(_Report):
    """A trial has trained and validated an epoch.

    Attributes:
        epoch: its number, from 1.
        metrics: validation's, the training's own and the machine's.
        config: the trial as its worker sees it, with its first epoch.
    """

    kind: Literal["epoch"] = "epoch"
    epoch: int
    metrics: dict[str, float]
    config: TrialConfig | None = None


class FinalReport(_Report):
    """A trial's finished codec was measured.

    Attributes:
        metrics: measured ones.
    """

    kind: Literal["final"] = "final"
    metrics: dict[str, float]


class FailureReport(_Report):
    """A trial cannot go on.

    Attributes:
        failure: why.
        config: the trial as its worker sees it, where it fails in its first epoch.
    """

    kind: Literal["failure"] = "failure"
    failure: Failure
    config: TrialConfig | None = None


Report = Annotated[EpochReport | FinalReport | FailureReport, Field(discriminator="kind")]

KEEPS_NAN = ConfigDict(ser_json_inf_nan="constants")
"""For whatever writes reports as JSON: a measured value may be infinite or no number, of which the
user is told, and pydantic's null would not say which."""

_REPORTS: TypeAdapter[list[Report]] = TypeAdapter(list[Report], config=KEEPS_NAN)


def to_json(reports: Sequence[Report]) -> str:
    """Return reports as text, for Ray to carry."""
    return _REPORTS.dump_json(list(reports)).decode()


def from_json(text: str) -> list[Report]:
    """The way back."""
    return _REPORTS.validate_json(text)


def from_checkpoint(plain: Iterable[Mapping[str, Any]]) -> list[Report]:
    """Return reports as JSON holds them in a checkpoint, whichever version wrote it."""
    return from_json(json.dumps([_in_present_form(report) for report in plain]))


def _in_present_form(report: Mapping[str, Any]) -> dict[str, Any]:
    """Give a report of the earlier form, told by its keys alone, its kind."""
    told = dict(report)
    if "kind" in told:
        return told
    if "diverged" in told:
        failure = Failure.from_legacy_sentence(told.pop("diverged"))
        told |= {"kind": "failure", "failure": vars(failure)}
    elif "final" in told:
        told |= {"kind": "final", "metrics": _with_nan(told.pop("final"))}
    else:
        told |= {"kind": "epoch", "metrics": _with_nan(told.get("metrics", {}))}
    return told


def _with_nan(metrics: Mapping[str, float | None]) -> dict[str, float]:
    """Return metrics in which null stood for what is no finite number."""
    return {name: math.nan if value is None else value for name, value in metrics.items()}
