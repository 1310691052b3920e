"""Finished trials as they were recorded: settings, learning curves, and final metrics.

A recording is made of one study, or of several that differ only in which settings they tried, how,
and with which seed.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from study.base.errors import StudyError
from study.base.records import TrialState
from study.config.derived import asked_metrics

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from study.base.records import TrialRecord
    from study.config import StudyConfig
    from study.config.choices import Choice

ALONE = ("data", "model", "loss", "training", "objectives", "constraints")
"""Sections that decide a curve, besides the trial's settings and the seed."""

_LEFT_OUT = ("term_", "weighted_")
"""The loss's terms: no strategy reads them, and they would make up most of a table."""
_WORK = frozenset({"population", "padding_share", "train_s", "validate_s"})
"""How an epoch was computed; its cost is recorded as seconds for each trial."""

LEAST_TRIALS = 10
"""Fewer say nothing about settings between the recorded ones."""


@dataclass(frozen=True)
class RecordedTrial:
    """A complete trial.

    Attributes:
        study: the name of its study.
        number: its number there.
        settings: the searched settings by dotted name; without those that did not apply to it.
        epochs: the metrics after each epoch, the first epoch first.
        epoch_s: seconds of work for each epoch: in a cohort of eight, an eighth of the cohort's.
        final: the metrics measured on the finished codec.
        measuring_s: seconds that the measuring took.
    """

    study: str
    number: int
    settings: Mapping[str, Choice]
    epochs: tuple[Mapping[str, float], ...]
    epoch_s: tuple[float, ...]
    final: Mapping[str, float]
    measuring_s: float


@dataclass(frozen=True)
class Begun:
    """A study as it began: the code's version, and the study file."""

    code_version: str
    config: StudyConfig


@dataclass(frozen=True)
class Recording:
    """Complete trials of studies that search the same space for the same objectives.

    Attributes:
        studies: the studies of the trials, at least one.
        trials: no two with the same settings.
    """

    studies: tuple[Begun, ...]
    trials: tuple[RecordedTrial, ...]

    @property
    def config(self) -> StudyConfig:
        """The first study's configuration; all studies agree in what decides a curve."""
        return self.studies[0].config

    @property
    def epochs(self) -> int:
        """Epochs of every trial."""
        return self.config.training.epochs


def recorded(study: str, epochs: int, records: Sequence[TrialRecord]) -> list[RecordedTrial]:
    """Return a study's complete trials of which no epoch is missing."""
    return [
        _recorded(study, record)
        for record in records
        if record.state is TrialState.COMPLETE
        and [each.epoch for each in record.epochs] == list(range(1, epochs + 1))
    ]


def _recorded(study: str, record: TrialRecord) -> RecordedTrial:
    ends = [each.elapsed_s for each in record.epochs]
    begins = [0.0, *ends[:-1]]
    together = [max(1.0, each.metrics.get("population", 1.0)) for each in record.epochs]
    return RecordedTrial(
        study=study,
        number=record.number,
        settings=record.params,
        epochs=tuple(_kept(each.metrics) for each in record.epochs),
        epoch_s=tuple(
            max(0.0, end - begin) / share
            for begin, end, share in zip(begins, ends, together, strict=True)
        ),
        final=_kept(record.final),
        measuring_s=max(0.0, record.elapsed_s - ends[-1]),
    )


def _kept(metrics: Mapping[str, float]) -> dict[str, float]:
    return {
        name: float(value)
        for name, value in metrics.items()
        if not name.startswith(_LEFT_OUT) and name not in _WORK
    }


def join(studies: Sequence[Begun], trials: Sequence[RecordedTrial]) -> Recording:
    """Put the trials of studies together; of several with the same settings the first counts.

    Raises:
        StudyError: the studies differ in more than which settings they tried, `training.epochs` is
            searched, the trials' metrics differ, or there are too few trials.
    """
    first = studies[0].config
    for other in studies[1:]:
        _check_same(first, other.config)
    if "training.epochs" in first.search.space:
        raise StudyError(
            "all recorded trials must have equally many epochs, but "
            f"{first.name} searches training.epochs; record a study that does not"
        )
    distinct: dict[object, RecordedTrial] = {}
    for trial in trials:
        distinct.setdefault(key_of(trial.settings), trial)
    kept = tuple(distinct.values())
    if len(kept) < LEAST_TRIALS:
        names = " and ".join(each.config.name for each in studies)
        raise StudyError(
            f"a recording needs at least {LEAST_TRIALS} complete trials, and {names} "
            f"{'has' if len(studies) == 1 else 'have'} {len(kept)}; record more of them"
        )
    _check_alike(kept, asked_metrics(first))
    return Recording(tuple(studies), kept)


def key_of(settings: Mapping[str, Choice]) -> tuple[tuple[str, Choice], ...]:
    """Return a key that is the same for equal settings in any order."""
    return tuple(sorted(settings.items()))


def _check_same(first: StudyConfig, other: StudyConfig) -> None:
    for section in ALONE:
        one, two = getattr(first, section), getattr(other, section)
        if one != two:
            raise StudyError(
                f"studies can be recorded together where they train alike, but {first.name} and "
                f"{other.name} differ in `{section}`{_where(one, two)}; record them in two tables"
            )
    if first.search.space != other.search.space:
        raise StudyError(
            "studies can be recorded together where they search the same space, but the spaces of "
            f"{first.name} and {other.name} differ; record them in two tables"
        )


def _where(one: object, two: object) -> str:
    """Say in which field two sections differ first, if they have fields."""
    for name in getattr(type(one), "model_fields", ()):
        if getattr(one, name) != getattr(two, name):
            return f" ({name}: {getattr(one, name)!r} and {getattr(two, name)!r})"
    return ""


def _check_alike(trials: Sequence[RecordedTrial], asked: Sequence[str]) -> None:
    """Refuse metrics that only some of the trials have, or that are not finite."""
    names = [_metric_names(trial) for trial in trials]
    for metric in asked:
        if metric not in trials[0].final:
            raise StudyError(
                f"a recording holds what its study measured, but trial {trials[0].number} of "
                f"{trials[0].study} has no {metric}; record it with the code that ran it"
            )
    for trial, has in zip(trials, names, strict=True):
        if has != names[0]:
            odd = ", ".join(sorted(set(has) ^ set(names[0])))
            raise StudyError(
                "all recorded trials must have the same metrics, but trial "
                f"{trials[0].number} of {trials[0].study} and trial {trial.number} of "
                f"{trial.study} do not both have {odd}; record them in two tables"
            )
        values = [value for each in (*trial.epochs, trial.final) for value in each.values()]
        if not all(map(math.isfinite, values)):
            raise StudyError(
                f"recorded metrics must be finite numbers, but trial {trial.number} of "
                f"{trial.study} has one that is not; leave its study out"
            )


def _metric_names(trial: RecordedTrial) -> list[str]:
    epochs = [sorted(each) for each in trial.epochs]
    if any(each != epochs[0] for each in epochs):
        raise StudyError(
            f"every epoch must have the same metrics, but those of trial {trial.number} of "
            f"{trial.study} have not; leave its study out"
        )
    return [*epochs[0], *(f"final.{name}" for name in sorted(trial.final))]
