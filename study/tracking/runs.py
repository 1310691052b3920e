"""The runs of one study in MLflow: finding them by tag, and writing what they lack.

What is there is read back when this is opened: the same can be given any number of times, by this
process or by a later one, and nothing is written twice.
"""

from __future__ import annotations

import json
import time
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, TypeVar

from study.tracking.notes import HOUSEKEEPING, NOTE, digest, is_edited, note_tags
from study.tracking.places import is_elsewhere

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from mlflow import MlflowClient
    from mlflow.entities import Run

    from study.tracking.front_tags import Point

Value = TypeVar("Value")

STUDY_ID = "study_id"
"""The tag that tells a study's runs from those of another of its name."""

SUMMARY = "summary"
"""The summary run's key among the trials' numbers."""

_BATCH = 900
"""Metrics per request; MLflow refuses more than 1000 entries of all kinds."""

_FILE = f"{HOUSEKEEPING}file."
"""Prefix of the tags that hold the digests of artifacts."""


@dataclass
class Tracked:
    """What MLflow holds of one run, so that only what is missing gets written.

    Attributes:
        run_id: MLflow's name for it.
        start_ms: when it began.
        status, tags, params: as they are.
        metrics: the newest value of each.
        steps: those at which a metric has values, by metric, as far as they were asked for.
        data_sets: digests of its inputs.
        files: names of its artifacts; None until asked.
    """

    run_id: str
    start_ms: int
    status: str = "RUNNING"
    tags: dict[str, str] = field(default_factory=dict)
    params: dict[str, str] = field(default_factory=dict)
    metrics: dict[str, float] = field(default_factory=dict)
    steps: dict[str, set[int]] = field(default_factory=dict)
    data_sets: set[str] = field(default_factory=set)
    files: set[str] | None = None
    is_new: bool = False


@dataclass
class Written:
    """What was written so far: runs that were made, and numbers of values, tags and files."""

    runs: int = 0
    values: int = 0
    tags: int = 0
    files: int = 0

    def __bool__(self) -> bool:
        return bool(self.runs or self.values or self.tags or self.files)


class Runs:
    """The runs of a study in its experiment, by trial number or as `SUMMARY`."""

    def __init__(
        self,
        client: MlflowClient,
        experiment_id: str,
        tags: Mapping[str, str],
        own: Path | None = None,
    ) -> None:
        """Find those that nobody deleted.

        Args:
            client: the connection.
            experiment_id: of the study's experiment.
            tags: what marks every run of this study.
            own: where their files lie; runs with files elsewhere count as another study's. None:
                wherever MLflow says.
        """
        self.written = Written()
        self._client, self._experiment_id, self._tags = client, experiment_id, dict(tags)
        self._runs: dict[str, Tracked] = {}
        others = False
        token: str | None = None
        while token != "":
            page = client.search_runs([experiment_id], page_token=token)
            for run in page:
                tags_there = run.data.tags
                key = tags_there.get("trial", tags_there.get("kind", ""))
                is_ours = key and self._tags.items() <= tags_there.items()
                if is_ours and not is_elsewhere(run.info.artifact_uri, own):
                    self._runs[key] = _tracked(run)
                elif STUDY_ID in tags_there:
                    others = True
            token = page.token or ""
        self.only_others = others and not self._runs
        """Whether the experiment holds runs of another study, and none of this one."""

    def ids(self) -> dict[str, str]:
        """Return the runs' ids by their keys."""
        return {key: run.run_id for key, run in self._runs.items()}

    def find(
        self, key: str, tags: Mapping[str, str], *, name: str, start_s: float | None = None
    ) -> Tracked:
        """Return the run with this key, made with these tags if there is none.

        Args:
            key: a trial's number, or `SUMMARY`.
            tags: of a run that is made now, besides those of all runs.
            name: likewise.
            start_s: when what it shows began, in seconds since 1970; None: now.
        """
        if key not in self._runs:
            start_ms = _now_ms() if start_s is None else round(1000 * start_s)
            all_tags = {**self._tags, **tags}
            run = self._client.create_run(
                self._experiment_id, start_time=start_ms, tags=all_tags, run_name=name
            )
            made = Tracked(run.info.run_id, start_ms, tags=all_tags, files=set(), is_new=True)
            self._runs[key] = made
            self.written.runs += 1
        return self._runs[key]

    def steps(self, run: Tracked, metric: str) -> set[int]:
        """Return the steps at which a metric has a value."""
        if metric not in run.steps:
            history = [] if run.is_new else self._client.get_metric_history(run.run_id, metric)
            run.steps[metric] = {entry.step for entry in history}
        return run.steps[metric]

    def write(
        self,
        run: Tracked,
        points: Sequence[Point] = (),
        tags: Mapping[str, str] | None = None,
        params: Mapping[str, str] | None = None,
    ) -> None:
        """Write values, and those tags and parameters that are new or changed.

        It takes one request where no more than 900 values are given, and none without anything new.
        """
        from mlflow.entities import Metric, Param, RunTag

        tags, params = unlike(tags or {}, run.tags), unlike(params or {}, run.params)
        now_ms = _now_ms()
        entries = [
            Metric(
                point.name,
                point.value,
                now_ms if point.time_s is None else round(1000 * point.time_s),
                point.step,
            )
            for point in points
        ]
        if not (entries or tags or params):
            return
        for start in range(0, max(1, len(entries)), _BATCH):
            self._client.log_batch(
                run.run_id,
                metrics=entries[start : start + _BATCH],
                tags=[RunTag(name, value) for name, value in tags.items()] if not start else (),
                params=[Param(name, value) for name, value in params.items()] if not start else (),
            )
        run.tags.update(tags)
        run.params.update(params)
        for point in points:
            run.metrics[point.name] = point.value
            if point.name in run.steps:  # Else nobody has asked which there are.
                run.steps[point.name].add(point.step)
        self.written.values += len(entries)
        self.written.tags += len(tags) + len(params)

    def describe(self, run: Tracked, note: str) -> dict[str, str]:
        """Return the tags that give a run its description; none where its user has edited it."""
        tags = note_tags(note)
        if not unlike(tags, run.tags):
            return {}
        if NOTE in run.tags:  # Its user may have edited it since it was read.
            run.tags.update(self._client.get_run(run.run_id).data.tags)
        return {} if is_edited(run.tags) else tags

    def set_status(self, run: Tracked, status: str, end_s: float | None = None) -> None:
        """Say in the run's own field whether it is running, and if not, how and when it ended."""
        if run.status == status:
            return
        if status == "RUNNING":
            self._client.update_run(run.run_id, status=status)
        else:
            end_ms = None if end_s is None else round(1000 * end_s)
            self._client.set_terminated(run.run_id, status=status, end_time=end_ms)
        run.status = status
        self.written.tags += 1

    def upload(self, run: Tracked, files: Mapping[str, bytes]) -> None:
        """Write those artifacts that are missing or have changed, by name."""
        if run.files is None:
            run.files = {file.path for file in self._client.list_artifacts(run.run_id)}
        for name, content in files.items():
            tag = {_FILE + name: digest(content)}
            if name in run.files and not unlike(tag, run.tags):
                continue
            self._upload(run.run_id, name, content)
            run.files.add(name)
            self.written.files += 1
            self.write(run, tags=tag)

    def _upload(self, run_id: str, name: str, content: bytes) -> None:
        with TemporaryDirectory() as folder:
            path = Path(folder) / name
            path.write_bytes(content)
            self._client.log_artifact(run_id, str(path))

    def log_data_sets(self, run: Tracked, data_sets: Iterable[Mapping[str, Any]]) -> None:
        """Write what the study trains on as the run's inputs, where they are missing."""
        from mlflow.entities import Dataset, DatasetInput, InputTag

        missing = {_digest(each): each for each in data_sets if _digest(each) not in run.data_sets}
        if not missing:
            return
        context = InputTag("mlflow.data.context", "training")
        self._client.log_inputs(
            run.run_id,
            [
                DatasetInput(
                    Dataset(
                        name=str(each["source"]),
                        digest=short,
                        source_type="local",
                        source=json.dumps({"uri": each["folder"]}),
                        profile=json.dumps(each, sort_keys=True),
                    ),
                    [context],
                )
                for short, each in missing.items()
            ],
        )
        run.data_sets.update(missing)
        self.written.values += len(missing)


def _tracked(run: Run) -> Tracked:
    inputs = run.inputs.dataset_inputs if run.inputs else []
    return Tracked(
        run.info.run_id,
        run.info.start_time,
        run.info.status,
        dict(run.data.tags),
        dict(run.data.params),
        dict(run.data.metrics),
        data_sets={each.dataset.digest for each in inputs},
    )


def _digest(data_set: Mapping[str, Any]) -> str:
    """Return a data set's content hash as far as MLflow takes it: 36 characters."""
    return str(data_set["content_hash"])[:36]


def unlike(wanted: Mapping[str, Value], there: Mapping[str, Value]) -> dict[str, Value]:
    """Return the wanted entries that are missing or different there."""
    return {name: value for name, value in wanted.items() if there.get(name) != value}


def _now_ms() -> int:
    """Return the time as MLflow counts it, in milliseconds since 1970."""
    return time.time_ns() // 1_000_000
