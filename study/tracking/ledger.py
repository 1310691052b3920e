"""What MLflow holds of a study, and writing what it lacks.

One experiment per study, named like it. Every trial is a flat run of its own (nested runs leave the
UI's charts empty), tagged ``kind=trial``, and one more run, tagged ``kind=summary``, holds what
belongs to the study as a whole: its file, its data sets, how the front grew, and its pictures.
"""

from __future__ import annotations

import json
import math
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit
from urllib.request import url2pathname

from study.base.records import TrialState
from study.fronts.judged import JudgedStudy
from study.tracking.front_tags import Point, against, counts, front_tags, study_points, summary_note
from study.tracking.links import CHART_TAG, OBJECTIVE, chart_link, chart_view, run_link
from study.tracking.notes import code
from study.tracking.places import is_elsewhere
from study.tracking.runs import STUDY_ID, SUMMARY, Runs, Tracked, Written, unlike
from study.tracking.trial_words import first_tags, run_name, trial_note, trial_tags

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from mlflow import MlflowClient

    from study.base.records import EpochRecord, TrialRecord
    from study.report.standing import Standing
    from study.tracking.facts import StudyFacts

_RUN_STATUS = {
    TrialState.RUNNING: "RUNNING",
    TrialState.INTERRUPTED: "KILLED",
    TrialState.COMPLETE: "FINISHED",
    TrialState.PRUNED: "KILLED",
    TrialState.FAILED: "FAILED",
}

_FINAL = "final/"
"""Prefix of the metrics measured on the finished codec, apart from the epochs' series."""


class Ledger:
    """A study's experiment: finds its runs by tag and writes what they lack.

    It raises whatever MLflow raises. After that its memory of MLflow's contents is unreliable: make
    a new ledger.
    """

    def __init__(
        self,
        *,
        client: MlflowClient,
        artifact_location: str | None,
        facts: StudyFacts,
        on_run: Callable[[int, str], None],
    ) -> None:
        """Find the experiment and its runs; create the experiment if there is none.

        One that holds an earlier study of the name, and nothing of this one, is renamed first; so
        is one whose files lie in another root, from which this one was copied.

        Args:
            client: the connection.
            artifact_location: where a new experiment keeps artifacts; None: the server decides.
            facts: what the study is.
            on_run: called with a trial's number and run as soon as the run exists, before anything
                else is written into it; if it raises, it is called again with the next record.
        """
        self._facts, self._on_run = facts, on_run
        self._told: set[int] = set()
        tags = {"study": facts.name, STUDY_ID: facts.identity}
        # In a database of the user's own choice, files are where that says.
        own = Path(url2pathname(urlsplit(artifact_location).path)) if artifact_location else None
        own = own if facts.owns_name else None
        self._experiment_id = _experiment(client, artifact_location, facts.name)
        there = client.get_experiment(self._experiment_id).artifact_location
        self._runs = Runs(client, self._experiment_id, tags, own)
        is_copy = is_elsewhere(there, own)
        if is_copy or (facts.owns_name and self._runs.only_others):
            _set_aside(client, self._experiment_id, facts.name, "copied" if is_copy else "earlier")
            self._experiment_id = _experiment(client, artifact_location, facts.name)
            self._runs = Runs(client, self._experiment_id, tags, own)
        _describe_experiment(client, self._experiment_id, facts)

    @property
    def written(self) -> Written:
        """What was written so far."""
        return self._runs.written

    def has_run(self, number: int) -> bool:
        """Say whether a trial has a run."""
        return str(number) in self._runs.ids()

    def with_runs(self, records: Iterable[TrialRecord]) -> list[TrialRecord]:
        """Return the records with the ids of their runs here, None for those without a run."""
        ids = self._runs.ids()
        return [replace(record, run=ids.get(str(record.number))) for record in records]

    def write_trial(self, record: TrialRecord) -> None:
        """Bring a trial's run up to its record, in one request after each epoch."""
        run = self._trial_run(record)
        if record.number not in self._told:
            self._on_run(record.number, run.run_id)
            self._told.add(record.number)
        began_s = run.start_ms / 1000
        points = [
            Point(name, float(value), epoch.epoch, began_s + epoch.elapsed_s)
            for epoch in self._missing_epochs(run, record)
            for name, value in sorted(epoch.metrics.items())
        ]
        points += [
            Point(name, value, record.total_epochs, record.ended_s)
            for name, value in sorted(unlike(self._final(record), run.metrics).items())
        ]
        tags = trial_tags(record, self._facts)
        tags |= self._runs.describe(run, trial_note(record, self._facts))
        params = {name: str(value) for name, value in record.params.items()}
        self._runs.write(run, points, tags, params)
        self._runs.set_status(run, _RUN_STATUS[record.state], record.ended_s)

    def write_standing(
        self,
        records: Sequence[TrialRecord],
        *,
        is_over: bool = False,
        standings: Sequence[Standing] = (),
    ) -> None:
        """Bring up to date what depends on all trials: the tags of the front, and the summary.

        Args:
            records: all of them.
            is_over: whether the work on the study has ended.
            standings: how the front stands against other codecs, where that is known.
        """
        study = JudgedStudy(records, self._facts.objectives)
        tags = front_tags(study, self._facts)
        for record in records:
            self._runs.write(self._trial_run(record), tags=tags[record.number])
        summary = self._summary_run(records)
        points = [
            point
            for point in study_points(study)
            if point.step not in self._runs.steps(summary, point.name)
        ]
        ended = sum(record.state.is_final for record in records)
        points += [
            Point(name, value, ended)
            for name, value in unlike(counts(records) | against(standings), summary.metrics).items()
        ]
        links = {
            int(key): run_link("", self._experiment_id, run_id).removeprefix("/")
            for key, run_id in self._runs.ids().items()
            if key != SUMMARY
        }
        note = summary_note(study, self._facts, links, standings)
        self._runs.write(summary, points, self._runs.describe(summary, note))
        self._runs.log_data_sets(summary, self._facts.data_sets)
        config = json.dumps(self._facts.config, indent=2, default=str)
        files = {"study.yaml": self._facts.study_file, "study.json": config}
        self._runs.upload(summary, {name: text.encode() for name, text in files.items() if text})
        self._runs.upload(summary, self._facts.provenance)
        status = "RUNNING"
        if is_over:
            is_whole = all(record.state.is_final for record in records)
            status = "FINISHED" if is_whole else "KILLED"
        last_s = max((record.ended_s or 0.0 for record in records), default=0.0)
        self._runs.set_status(summary, status, last_s or None)

    def write_files(self, records: Sequence[TrialRecord], files: Mapping[str, bytes]) -> None:
        """Keep files with the summary, by name; what is there already is not sent again."""
        self._runs.upload(self._summary_run(records), files)

    def _summary_run(self, records: Sequence[TrialRecord]) -> Tracked:
        start_s = min(map(_start_s, records), default=None)
        return self._runs.find(SUMMARY, {"kind": SUMMARY}, name="summary", start_s=start_s)

    def _trial_run(self, record: TrialRecord) -> Tracked:
        """Return a trial's run; a new one has the start of the trial."""
        key, name = str(record.number), run_name(record)
        return self._runs.find(key, first_tags(record), name=name, start_s=_start_s(record))

    def _final(self, record: TrialRecord) -> dict[str, float]:
        """Return the metrics of a finished codec by their names in MLflow, the finite ones.

        MLflow keeps neither NaN nor an infinity as it is, and charts show neither.
        """
        values = {name: float(v) for name, v in record.final.items() if math.isfinite(v)}
        objectives = {objective.metric for objective in self._facts.objectives}
        return {_FINAL + name: value for name, value in values.items()} | {
            OBJECTIVE + name: value for name, value in values.items() if name in objectives
        }

    def _missing_epochs(self, run: Tracked, record: TrialRecord) -> list[EpochRecord]:
        """Return the epochs whose metrics the run lacks.

        An epoch's metrics are written in the order of their names, so the last one tells whether
        all are there.
        """
        names = {max(epoch.metrics) for epoch in record.epochs if epoch.metrics}
        there: set[int] = set().union(*(self._runs.steps(run, name) for name in names))
        return [epoch for epoch in record.epochs if epoch.epoch not in there]


def _experiment(client: MlflowClient, artifact_location: str | None, name: str) -> str:
    """Return the id of a study's experiment, made if there is none."""
    experiment = client.get_experiment_by_name(name)
    if experiment is None:
        return str(client.create_experiment(name, artifact_location=artifact_location))
    return str(experiment.experiment_id)


def _set_aside(client: MlflowClient, experiment_id: str, name: str, why: str) -> None:
    """Rename the experiment of a study whose folder was removed or renamed, or of the original.

    The newer one, or the copy, gets one of its own.

    What MLflow holds of it stays: in one table with the newcomer's, its trials would count for
    those of a study that does not have them.
    """
    client.rename_experiment(experiment_id, f"{name} ({why}: experiment {experiment_id})")


def _describe_experiment(client: MlflowClient, experiment_id: str, facts: StudyFacts) -> None:
    """Give an experiment its description and chart view."""
    there = client.get_experiment(experiment_id).tags
    for name, value in unlike(_experiment_tags(experiment_id, facts), there).items():
        client.set_experiment_tag(experiment_id, name, value)


def _experiment_tags(experiment_id: str, facts: StudyFacts) -> dict[str, str]:
    objectives = "; ".join(
        f"{o.metric} {o.direction.value}, reference {o.reference:g}" for o in facts.objectives
    )
    description = (
        f"Study {code(facts.name)}: a search for the point cloud codecs that no other beats in "
        f"{' and '.join(code(o.metric) for o in facts.objectives)}.\n\n"
        "The run `summary` holds the front (`front.html` under *Artifacts*), the study file, the "
        "data set and how the front grew. Every other run is a trial; the metrics "
        f"`{OBJECTIVE}…` are what the front is about, `final/…` all that was measured on the "
        "finished codec in real bytes, the rest is told after each epoch. Filter by "
        "`tags.pareto = 'true'` for the front, by `tags.rank = '2'` for the next best; the "
        f"[chart view]({chart_link('', experiment_id).removeprefix('/')}) draws rate against "
        "quality."
    )
    return {
        "study.objectives": objectives,
        "mlflow.note.content": description,
        # Without it MLflow's page asks its user what kind of experiment this is.
        "mlflow.experimentKind": "custom_model_development",
        CHART_TAG: chart_view(facts.objectives, facts.searched),
    }


def _start_s(record: TrialRecord) -> float:
    """Return when a trial began, in seconds since 1970, estimated from its seconds of work."""
    return (record.ended_s or time.time()) - record.elapsed_s
