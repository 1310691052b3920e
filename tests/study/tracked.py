"""What the tests of the tracking share: made-up trials, and a look into MLflow's records."""

from __future__ import annotations

import re
import sqlite3
import time
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

from study.base.records import EpochRecord, TrialRecord, TrialState
from study.fronts.front import Direction, Objective
from study.tracking.facts import StudyFacts
from study.tracking.observer import MlflowObserver, nothing_to_draw

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from mlflow.entities import Run

    from study.tracking.observer import Draw

OBJECTIVES = (
    Objective("bpp", Direction.MINIMIZE, reference=2.0),
    Objective("d1_psnr_db", Direction.MAXIMIZE, reference=30.0),
)
PATIENCE_S = 90.0
_ID = re.compile(r"experiments/\d+/runs/[0-9a-f]{32}|\b[0-9a-f]{16}\b")
"""Addresses of runs, in the descriptions that hold them, and the digests of those."""


def trial(
    number: int,
    *,
    epochs: int = 3,
    state: TrialState = TrialState.COMPLETE,
    bpp: float = 1.0,
    psnr_db: float = 36.0,
) -> TrialRecord:
    """Return a trial with these final values, complete unless said otherwise."""
    return TrialRecord(
        number=number,
        state=state,
        params={"loss.bpp_lambda": 10.0**-number, "loss.chamfer_coe": 0.1},
        epochs=tuple(
            EpochRecord(e, {"bpp_estimated": bpp + 1 / e, "d1_psnr_db": psnr_db - 1 / e})
            for e in range(1, epochs + 1)
        ),
        total_epochs=3,
        final={"bpp": bpp, "d1_psnr_db": psnr_db} if state is TrialState.COMPLETE else {},
        outcome="completed 3 epochs" if state is TrialState.COMPLETE else "",
        is_baseline=number == 0,
        elapsed_s=2.5,
    )


def database(folder: Path) -> str:
    return f"sqlite:///{folder / 'mlflow.db'}"


def nobody(_trial: int, _run: str) -> None:
    """Be told of runs."""


def facts(study_id: str = "", folder: Path | None = None, *, owns_name: bool = False) -> StudyFacts:
    return StudyFacts(
        name="quickstart",
        identity=study_id,
        objectives=OBJECTIVES,
        config={"seed": 7, "loss": {"bpp_lambda": 1e-4}},
        study_file="seed: 7\n",
        searched=("loss.bpp_lambda", "loss.chamfer_coe"),
        folder=folder,
        owns_name=owns_name,
        data_sets=(
            {"source": "objects", "content_hash": "0123456789" * 6, "folder": "data/objects"},
        ),
    )


def observer(
    folder: Path,
    uri: str = "",
    study_id: str = "",
    on_run: Callable[[int, str], None] = nobody,
    draw: Draw = nothing_to_draw,
    *,
    owns_name: bool = False,
) -> MlflowObserver:
    return MlflowObserver(
        uri=uri or database(folder),
        artifact_root=folder / "artifacts",
        facts=facts(study_id, folder, owns_name=owns_name),
        on_run=on_run,
        draw=draw,
    )


def record(
    folder: Path,
    trials: Sequence[TrialRecord],
    study_id: str = "",
    on_run: Callable[[int, str], None] = nobody,
    *,
    owns_name: bool = False,
) -> None:
    """Give the trials to a new observer and wait for it."""
    watching = observer(folder, study_id=study_id, on_run=on_run, owns_name=owns_name)
    for one in trials:
        watching.on_trial(one)
    watching.on_end()
    assert watching.close(PATIENCE_S) is None


def wait_for_deliveries(watching: MlflowObserver) -> None:
    """Wait until MLflow has all that was sent of trials; the rest is told at its own pace."""
    deadline = time.monotonic() + PATIENCE_S
    while any(name.startswith("trial") for name in tuple(watching._courier._parcels)):
        assert time.monotonic() < deadline
        time.sleep(0.05)


def runs(folder: Path, uri: str = "") -> dict[str, Run]:
    """Return the study's runs by trial number, the summary as an empty string."""
    from mlflow import MlflowClient

    client = MlflowClient(tracking_uri=uri or database(folder))
    experiment = client.get_experiment_by_name("quickstart")
    assert experiment is not None
    found = client.search_runs([experiment.experiment_id])
    by_trial = {run.data.tags.get("trial", ""): run for run in found}
    assert len(by_trial) == len(found)
    return by_trial


def everything(uri: str) -> dict[str, dict[str, object]]:
    """Return all that MLflow holds of the study but for the ids that it gave itself.

    By run: its name, status, tags, settings, inputs and files, and every value that a metric
    ever had, with its step; of the number of trials by state only the newest, for a study that was
    looked at twice has two.
    """
    from mlflow import MlflowClient

    client = MlflowClient(tracking_uri=uri)
    held: dict[str, dict[str, object]] = {}
    for key, run in runs(Path(), uri).items():
        names = [name for name in run.data.metrics if not name.startswith("trials/")]
        histories = [client.get_metric_history(run.info.run_id, name) for name in names]
        held[key] = {
            "name": run.info.run_name,
            "status": run.info.status,
            "tags": {name: _ID.sub("ID", value) for name, value in run.data.tags.items()},
            "params": run.data.params,
            "metrics": run.data.metrics,
            "values": sorted((m.key, m.step, m.value) for each in histories for m in each),
            "inputs": [
                each.dataset.to_dictionary()
                for each in (run.inputs.dataset_inputs if run.inputs else ())
            ],
            "files": sorted(file.path for file in client.list_artifacts(run.info.run_id)),
        }
    return held


def rows(folder: Path) -> dict[str, int]:
    """Count what the database holds."""
    with closing(sqlite3.connect(folder / "mlflow.db")) as connection:
        return {
            table: connection.execute(f"select count(*) from {table}").fetchone()[0]  # noqa: S608
            for table in ("experiments", "runs", "metrics", "params", "tags")
        }


def steps(folder: Path, run: Run, metric: str) -> list[int]:
    """Return the steps at which a metric was written, in order."""
    with closing(sqlite3.connect(folder / "mlflow.db")) as connection:
        query = "select step from metrics where run_uuid = ? and key = ? order by step"
        return [step for (step,) in connection.execute(query, (run.info.run_id, metric))]


def values_of_trials(folder: Path) -> int:
    """Count the values of metrics in the runs of trials."""
    with closing(sqlite3.connect(folder / "mlflow.db")) as connection:
        query = (
            "select count(*) from metrics join tags on tags.run_uuid = metrics.run_uuid "
            "where tags.key = 'trial'"
        )
        (found,) = connection.execute(query).fetchone()
    return int(found)
