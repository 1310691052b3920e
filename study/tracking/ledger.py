"""What MLflow holds of a study, and writing what it lacks.

One experiment per study, named like it. Every trial is a flat run of its own (nested runs leave the
UI's charts empty), and one more run, tagged ``kind=summary``, holds the front's artifacts and its
hypervolume. What is there is read back, by tag, when a ledger is opened: the same records can be
given any number of times, by this process or by a later one, and nothing is written twice.
"""

from __future__ import annotations

import json
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar

from study.fronts.front import front
from study.records import TrialState

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from mlflow import MlflowClient
    from mlflow.entities import Metric

    from study.fronts.front import Objective
    from study.records import EpochRecord, TrialRecord

Value = TypeVar("Value")

_RUN_STATUS = {
    TrialState.RUNNING: "RUNNING",
    TrialState.INTERRUPTED: "KILLED",
    TrialState.COMPLETE: "FINISHED",
    TrialState.PRUNED: "KILLED",
    TrialState.FAILED: "FAILED",
}

_BATCH = 900
"""Metrics per request; MLflow refuses more than 1000 entries of all kinds."""

_SUMMARY = "summary"
"""The summary run's key among the trial numbers."""

_FINAL = "final/"
"""Prefix of the metrics measured on the finished codec, apart from the epochs' series."""


@dataclass
class _Tracked:
    """What MLflow holds of one run, so that only what is missing gets written.

    Attributes:
        epochs: the epochs whose metrics are there, None until asked; likewise the others, of which
            `metrics` holds the newest value by name.
    """

    run_id: str
    status: str = "RUNNING"
    tags: dict[str, str] = field(default_factory=dict)
    params: dict[str, str] = field(default_factory=dict)
    metrics: dict[str, float] = field(default_factory=dict)
    epochs: set[int] | None = None


class Ledger:
    """A study's experiment: finds its runs by tag and writes what they lack.

    Raises whatever MLflow raises; after that its memory of what is there is in doubt, and a new
    ledger must be made.
    """

    def __init__(
        self,
        *,
        client: MlflowClient,
        artifact_location: str | None,
        tags: Mapping[str, str],
        study_config: Mapping[str, object],
        objectives: Sequence[Objective],
        on_run: Callable[[int, str], None],
    ) -> None:
        """Find the experiment and its runs, or make it.

        Args:
            client: the connection.
            artifact_location: where a new experiment keeps artifacts; None: the server decides.
            tags: what marks every run of this study.
            study_config: kept with the summary as ``study.json``.
            objectives: what the front is about.
            on_run: told a trial's number and run as soon as there is one, before anything else is
                written into it; where it raises, it is told again with the next record.
        """
        self._client = client
        self._on_run = on_run
        self._told: set[int] = set()
        self._tags = dict(tags)
        self._study_config = study_config
        self._objectives = objectives
        name = self._tags["study"]
        experiment = client.get_experiment_by_name(name)
        self._experiment_id: str = (
            client.create_experiment(name, artifact_location=artifact_location)
            if experiment is None
            else experiment.experiment_id
        )
        self._runs = self._find_runs()

    def write_trial(self, record: TrialRecord) -> None:
        """Bring a trial's run up to its record, in one request after each epoch."""
        run = self._trial_run(record)
        if record.number not in self._told:
            self._on_run(record.number, run.run_id)
            self._told.add(record.number)
        missing = self._missing_epochs(run, record)
        entries = [entry for epoch in missing for entry in _metrics(epoch.metrics, epoch.epoch)]
        final = {_FINAL + name: value for name, value in record.final.items()}
        entries += _metrics(_unlike(final, run.metrics), record.total_epochs)
        self._write_metrics(run, entries)
        run.metrics.update(final)
        if record.epochs:
            run.epochs = {epoch.epoch for epoch in record.epochs}.union(run.epochs or ())
        tags = {"state": record.state.value, "outcome": record.outcome}
        if not record.feasible:
            tags["feasible"] = "false"
        self._annotate(
            run,
            tags=tags | {"folder": record.folder or ""},
            params={name: str(value) for name, value in record.params.items()},
        )
        self._set_status(run, _RUN_STATUS[record.state])

    def mark_front(self, records: Sequence[TrialRecord]) -> None:
        """Tag every complete trial's run with whether it is on the front."""
        members = {record.number for record in front(records, self._objectives)}
        for record in records:
            if record.state is TrialState.COMPLETE:
                pareto = str(record.number in members).lower()
                self._annotate(self._trial_run(record), tags={"pareto": pareto})

    def write_summary(
        self, metrics: Mapping[str, float], artifacts: Sequence[Path], step: int
    ) -> None:
        """Write the study's metrics (where they changed), configuration and artifacts."""
        run = self._run(_SUMMARY, {"kind": "summary"}, name="summary")
        self._write_metrics(run, _metrics(_unlike(metrics, run.metrics), step))
        run.metrics.update(metrics)
        config = json.dumps(self._study_config, indent=2, default=str)
        self._client.log_text(run.run_id, config, "study.json")
        for path in artifacts:
            self._client.log_artifact(run.run_id, str(path))
        self._set_status(run, "FINISHED")

    def _find_runs(self) -> dict[str, _Tracked]:
        """Return this study's runs that nobody deleted, by trial number or as the summary."""
        runs: dict[str, _Tracked] = {}
        token: str | None = None
        while token != "":
            page = self._client.search_runs([self._experiment_id], page_token=token)
            for run in page:
                tags = run.data.tags
                if self._tags.items() <= tags.items():
                    data = (dict(tags), dict(run.data.params), dict(run.data.metrics))
                    tracked = _Tracked(run.info.run_id, run.info.status, *data)
                    runs[tags.get("trial", _SUMMARY)] = tracked
            token = page.token or ""
        return runs

    def _trial_run(self, record: TrialRecord) -> _Tracked:
        """Return a trial's run; one that is made now began when the trial did."""
        number = str(record.number)
        tags = {
            "kind": "trial",
            "trial": number,
            "baseline": str(record.is_baseline).lower(),
            "pareto": "false",
        }
        name = f"trial {number} (baseline)" if record.is_baseline else f"trial {number}"
        return self._run(number, tags, name=name, age_s=record.elapsed_s)

    def _run(self, key: str, tags: Mapping[str, str], *, name: str, age_s: float = 0.0) -> _Tracked:
        """Return the run with this key, made with these tags if there is none."""
        if key not in self._runs:
            all_tags = {**self._tags, **tags}
            run = self._client.create_run(
                self._experiment_id,
                start_time=_now_ms() - round(1000 * age_s),
                tags=all_tags,
                run_name=name,
            )
            self._runs[key] = _Tracked(run.info.run_id, tags=all_tags, epochs=set())
        return self._runs[key]

    def _missing_epochs(self, run: _Tracked, record: TrialRecord) -> list[EpochRecord]:
        """Return the epochs whose metrics the run lacks.

        The last metric by name tells: an epoch's metrics are written in that order. A trial that
        begins anew in a run that has epochs does not tell by which names to ask for them.
        """
        if not record.epochs:
            return []
        if run.epochs is None:
            names = {max(epoch.metrics) for epoch in record.epochs}
            run.epochs = {
                entry.step
                for name in names
                for entry in self._client.get_metric_history(run.run_id, name)
            }
        return [epoch for epoch in record.epochs if epoch.epoch not in run.epochs]

    def _write_metrics(self, run: _Tracked, entries: Sequence[Metric]) -> None:
        """Write the entries in as few requests as fit."""
        for start in range(0, len(entries), _BATCH):
            self._client.log_batch(run.run_id, metrics=entries[start : start + _BATCH])

    def _annotate(
        self,
        run: _Tracked,
        *,
        tags: Mapping[str, str],
        params: Mapping[str, str] | None = None,
    ) -> None:
        """Write those tags and parameters that are new or changed, in one request if any."""
        from mlflow.entities import Param, RunTag

        new_tags, new_params = _unlike(tags, run.tags), _unlike(params or {}, run.params)
        if new_tags or new_params:
            self._client.log_batch(
                run.run_id,
                tags=[RunTag(name, value) for name, value in new_tags.items()],
                params=[Param(name, value) for name, value in new_params.items()],
            )
        run.tags.update(new_tags)
        run.params.update(new_params)

    def _set_status(self, run: _Tracked, status: str) -> None:
        """Say in the run's own field whether it is running, and if not, how it ended."""
        if run.status == status:
            return
        if status == "RUNNING":
            self._client.update_run(run.run_id, status=status)
        else:
            self._client.set_terminated(run.run_id, status=status)
        run.status = status


def _metrics(values: Mapping[str, float], step: int) -> list[Metric]:
    """Return MLflow's entries for these values, sorted by name."""
    from mlflow.entities import Metric

    now_ms = _now_ms()
    return [Metric(name, float(value), now_ms, step) for name, value in sorted(values.items())]


def _unlike(wanted: Mapping[str, Value], there: Mapping[str, Value]) -> dict[str, Value]:
    """Return the wanted entries that are missing or different there."""
    return {name: value for name, value in wanted.items() if there.get(name) != value}


def _now_ms() -> int:
    """Return the time as MLflow counts it, in milliseconds since 1970."""
    return time.time_ns() // 1_000_000
