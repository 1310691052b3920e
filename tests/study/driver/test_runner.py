"""Whole studies with real Ray, real Optuna and real MLflow; only the codec is a toy."""

from __future__ import annotations

import io
import os
import subprocess
import sys
import traceback
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest
import ray
from ray.exceptions import (
    ActorDiedError,
    ActorUnavailableError,
    OutOfMemoryError,
    RayError,
    RayTaskError,
)
from ray.train._internal.storage import StorageContext
from ray.tune.experiment import Trial
from rich.console import Console

from study.base.addresses import masked
from study.base.errors import StudyError
from study.base.records import Fault, TrialState
from study.config.judging import judge
from study.driver.cluster import ray_running
from study.driver.planning import check_fit, resources_per_cohort, room, slots, waiting_for
from study.driver.runner import Ended, rehearse_search, run_study
from study.driver.searcher import CohortSearcher, failure
from study.storage.folder import all_studies, next_free_name
from study.storage.progress import read_records
from study.storage.provenance import provenance_files
from study.storage.study_file import parse_study
from tests.study import toy
from tests.study.cluster import running_cluster

if TYPE_CHECKING:
    from collections.abc import Iterator

    from study.config import StudyConfig


@pytest.fixture(scope="module", autouse=True)
def one_ray() -> Iterator[None]:
    with ray_running(None):
        yield


def study(folder: Path, search: str = "{trials: 3, startup_trials: 2}") -> StudyConfig:
    text = toy.TOY_STUDY.replace("{trials: 3, startup_trials: 2}", search)
    text += f"root: {folder}/studies\ndata_root: {folder}/data\n"
    return parse_study(text, origin="toy")


def run(config: StudyConfig) -> tuple[Ended, str]:
    console = Console(file=io.StringIO(), width=120)
    ended = run_study(config, console)
    assert isinstance(console.file, io.StringIO)
    return ended, console.file.getvalue()


def test_a_study_runs_from_the_published_setting_to_its_report(tmp_path: Path) -> None:
    config = study(tmp_path)
    ended, shown = run(config)

    assert [record.state for record in ended.records] == [TrialState.COMPLETE] * 3
    baseline = ended.records[0]
    assert baseline.is_baseline
    assert baseline.params["loss.bpp_lambda"] == 1e-4
    assert [epoch.epoch for epoch in baseline.epochs] == [1, 2, 3]
    assert baseline.final["bpp"] == pytest.approx((0.3 + 0.875) * 1.01)
    assert baseline.final["d1_psnr_db"] == pytest.approx(30 + 8 * 0.875)
    assert baseline.folder == "codecs/trial-0000"
    assert len(judge(config, ended.records).front) == 3  # the toy trades one for the other

    assert ended.note is None
    assert ended.files is not None
    written = (ended.files.html, ended.files.png, ended.files.csv, ended.files.parquet)
    assert all(file.stat().st_size for file in written)
    assert "trial 0: complete" in shown
    assert not ended.folder.driver_alive()
    assert read_records(ended.folder, ended.folder.config()) == list(ended.records)
    assert len(provenance_files(ended.folder)) == 1


def test_each_way_a_trial_can_end_is_told_and_stops_no_other(tmp_path: Path) -> None:
    ways = [toy.FINE, toy.DIVERGES, toy.RAISES, toy.DIES_ONCE, toy.UNMEASURABLE]
    first = ", ".join(f"{{training.decay_every: {way}}}" for way in ways[1:])
    search = f"{{trials: 5, first: [{first}], space: {{training.decay_every: "
    search += f"{{choices: {ways}}}}}}}"
    ended, shown = run(study(tmp_path, search))

    fine, diverged, raised, died_once, unmeasurable = ended.records
    assert fine.state is TrialState.COMPLETE
    assert diverged.state is TrialState.FAILED
    assert diverged.outcome == "diverged: the loss was no longer a finite number"
    assert len(diverged.epochs) == 1
    assert raised.state is TrialState.FAILED
    assert raised.outcome.startswith("error: RuntimeError: no luck today (the whole log: ")
    assert died_once.state is TrialState.COMPLETE
    assert [epoch.epoch for epoch in died_once.epochs] == [1, 2, 3]
    assert unmeasurable.state is TrialState.FAILED
    assert unmeasurable.outcome == "diverged: it cannot code"
    assert len(unmeasurable.epochs) == 3
    assert "trial 2: failed" in shown
    assert "trial 3: lost a worker or its machine; on from the last epoch, elsewhere" in shown
    assert "trial 2: lost" not in shown


def test_a_name_is_used_once(tmp_path: Path) -> None:
    config = study(tmp_path)
    (tmp_path / "studies" / "toy").mkdir(parents=True)
    with pytest.raises(StudyError, match=r"name must be new, but 'toy' is taken"):
        run(config)
    assert list((tmp_path / "studies").iterdir()) == [tmp_path / "studies" / "toy"]


def test_nothing_is_left_of_a_study_that_could_not_begin(tmp_path: Path) -> None:
    text = toy.TOY_STUDY.replace("max_objects: 6", f"source: {tmp_path}/nowhere")
    text += f"root: {tmp_path}/studies\ndata_root: {tmp_path}/data\n"
    with pytest.raises(StudyError, match="nowhere"):
        run(parse_study(text, origin="x"))
    assert all_studies(tmp_path / "studies") == []
    assert not (tmp_path / "studies" / "toy").exists()


def test_a_bound_on_seconds_is_cautioned_against_once_at_the_start() -> None:
    console = Console(file=io.StringIO(), width=400)
    rehearse_search(parse_study(toy.STUDY + "constraints: [decode_s <= 1]", origin="x"), console)
    assert isinstance(console.file, io.StringIO)
    assert console.file.getvalue().count("decode_s <= 1 is a bound on seconds") == 1


def test_the_next_free_name_follows_the_last_one(tmp_path: Path) -> None:
    assert next_free_name(tmp_path, "quickstart") == "quickstart-001"
    (tmp_path / "quickstart-001").mkdir()
    (tmp_path / "quickstart-007").mkdir()
    (tmp_path / "quickstart-mine").mkdir()
    assert next_free_name(tmp_path, "quickstart") == "quickstart-008"


@pytest.mark.parametrize(
    ("uri", "shown"),
    [
        ("https://me:secret@host:5000/x", "https://***@host:5000/x"),
        ("https://host:5000", "https://host:5000"),
        ("sqlite:////somewhere/mlflow.db", "sqlite:////somewhere/mlflow.db"),
    ],
)
def test_credentials_are_not_shown(uri: str, shown: str) -> None:
    assert masked(uri) == shown


GONE = "its worker was killed or its machine is gone"


@pytest.mark.parametrize("log", [None, "nowhere/error.txt"])
@pytest.mark.parametrize("pickled", [None, "nowhere/error.pkl"])
def test_a_failure_without_a_readable_log_is_told_all_the_same(
    log: str | None, pickled: str | None
) -> None:
    trial = SimpleNamespace(error_file=log, pickled_error_file=pickled, path="x")
    assert failure(trial) == (Fault.LOST, GONE)  # type: ignore[arg-type]


def raised(cause: Exception) -> RayError:
    """Return what Ray makes of an error that code in a worker raises."""
    story = "".join(traceback.format_exception(cause))
    error: RayError = RayTaskError("train", story, cause).as_instanceof_cause()
    return error


OUT_OF_TORCH = RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory")


@pytest.mark.parametrize(
    ("error", "fault", "reason"),
    [
        (ActorDiedError(), Fault.LOST, GONE),
        (ActorUnavailableError("it does not answer", None), Fault.LOST, GONE),
        (raised(RuntimeError("bad luck")), Fault.ERROR, "RuntimeError: bad luck"),
        (raised(ValueError("bad:\n luck\n")), Fault.ERROR, "luck"),
        (raised(StudyError("data must be there")), Fault.ERROR, "data must be there"),
        (raised(OUT_OF_TORCH), Fault.OUT_OF_MEMORY, f"RuntimeError: {OUT_OF_TORCH}"),
        (raised(MemoryError()), Fault.OUT_OF_MEMORY, "MemoryError"),
        (
            OutOfMemoryError("killed due to the node running low on memory: 9 GB ray::R.train"),
            Fault.OUT_OF_MEMORY,
            "its machine was running low on memory",
        ),
    ],
)
def test_a_killed_worker_is_told_from_code_that_raised(
    error: RayError, fault: Fault, reason: str, tmp_path: Path
) -> None:
    trial = failed_trial(error, tmp_path)
    told = failure(trial)
    assert told[0] is fault
    assert told[1].startswith(reason)
    whole_log = f"(the whole log: {trial.path}/error.txt)"
    assert told[1].endswith(whole_log) == (fault is not Fault.OUT_OF_MEMORY)


def failed_trial(error: RayError, folder: Path) -> Trial:
    """Return a trial of Ray's that has met with an error."""
    storage = StorageContext(str(folder), folder.name, trial_dir_name="cohort")
    trial = Trial("toy", storage=storage, stub=True)
    assert trial.local_path is not None
    Path(trial.local_path).mkdir(parents=True, exist_ok=True)
    trial.handle_error(error)  # type: ignore[arg-type] # it is given other errors too
    return trial


def test_tune_may_not_be_told_of_one_metric(tmp_path: Path) -> None:
    searcher = CohortSearcher(None, None, None)  # type: ignore[arg-type] # neither is reached
    with pytest.raises(StudyError, match="several objectives"):
        searcher.set_search_properties("bpp", "min", {})
    with pytest.raises(StudyError, match="own database"):
        searcher.restore(str(tmp_path))


@pytest.mark.parametrize(
    ("wanted", "cluster", "cohorts_at_once"),
    [
        ("{}", {"CPU": 2.0}, 2),
        ("{cpus_per_cohort: 2}", {"CPU": 7.0}, 3),
        ("{concurrent_cohorts: 2}", {"CPU": 8.0}, 2),
        ("{}", {"CPU": 16.0, "GPU": 2.0}, 2),
        ("{cohort: 1}", {"CPU": 16.0, "GPU": 1.0}, 4),
        ("{gpus_per_cohort: 0.5}", {"CPU": 16.0, "GPU": 3.0}, 6),
        ("{gpus_per_cohort: 0}", {"CPU": 16.0, "GPU": 1.0}, 16),
    ],
)
def test_as_many_cohorts_run_at_once_as_there_is_room_for(
    wanted: str, cluster: dict[str, float], cohorts_at_once: int
) -> None:
    resources = parse_study(toy.TOY_STUDY + f"resources: {wanted}", origin="x").resources
    per_cohort = resources_per_cohort(resources, cluster)
    check_fit(per_cohort, cluster)
    assert slots(resources, per_cohort, [cluster], joined=False) == cohorts_at_once


@pytest.mark.parametrize(
    ("wanted", "cohorts_at_once"),
    [("{}", 1), ("{gpus_per_cohort: 0.25}", 1), ("{concurrent_cohorts: 16}", 16)],
)
def test_cohorts_wait_for_a_joined_cluster_to_grow(wanted: str, cohorts_at_once: int) -> None:
    resources = parse_study(toy.TOY_STUDY + f"resources: {wanted}", origin="x").resources
    only_a_head = {"memory": 1e9}
    per_cohort = resources_per_cohort(resources, only_a_head)
    assert slots(resources, per_cohort, [only_a_head], joined=True) == cohorts_at_once


def test_a_cohort_is_on_one_machine() -> None:
    """Four machines of two processors have no room for one cohort of three."""
    resources = parse_study(toy.TOY_STUDY + "resources: {cpus_per_cohort: 3}", origin="x").resources
    small, large = {"CPU": 2.0}, {"CPU": 7.0}
    per_cohort = resources_per_cohort(resources, {"CPU": 8.0})
    assert room(per_cohort, [small] * 4) == 0
    assert room(per_cohort, []) == 0
    assert slots(resources, per_cohort, [small, large, large], joined=True) == 4
    told = waiting_for(per_cohort, [small] * 4)
    assert "resources.cpus_per_cohort asks for 3 (most on one machine: 2);" in told


def test_a_cohort_that_no_machine_can_hold_is_refused() -> None:
    resources = parse_study(toy.TOY_STUDY + "resources: {cpus_per_cohort: 9}", origin="x").resources
    with pytest.raises(StudyError, match="asks for 9 and there are 2"):
        check_fit(resources_per_cohort(resources, {"CPU": 2.0}), {"CPU": 2.0})


def test_ray_is_left_running_for_whoever_started_it() -> None:
    with ray_running(None):
        pass
    assert ray.is_initialized()


def test_a_study_joins_a_cluster_that_runs_already(tmp_path: Path) -> None:
    """It outlives the study, and asks for the token that the user has set."""
    (tmp_path / "toy.yaml").write_text(toy.TOY_STUDY)
    access = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": "5" * 64}
    command = [sys.executable, "-m", "study", "run", "toy.yaml", "--address", "auto"]
    with running_cluster(tmp_path, access) as address:
        done = subprocess.run(
            command,
            cwd=tmp_path,
            # Of several clusters on one machine, auto takes the one that the environment names.
            env={**os.environ, **access, "RAY_ADDRESS": address},
            capture_output=True,
            text=True,
            check=False,
            timeout=100,
        )
    assert (done.returncode, done.stderr) == (0, "")
    assert "Pareto front: 3 of 3 complete trials" in done.stdout
