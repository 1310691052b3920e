"""The summary run while a study goes on: from its start, at its own pace, and at its end."""

from __future__ import annotations

import time
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from mlflow import MlflowClient

from study.base.records import TrialState
from study.report.standing import Standing
from study.tracking import observer as tracking
from study.tracking.courier import RateLimit
from study.tracking.links import CHART_TAG
from tests.study.tracked import PATIENCE_S, database, observer, rows, runs, steps, trial

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from study.base.records import TrialRecord
    from study.tracking.observer import MlflowObserver

NOTE = "mlflow.note.content"


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tracking, "_STANDING_PACE", RateLimit())
    monkeypatch.setattr(tracking, "_DRAWING_PACE", RateLimit())
    monkeypatch.setattr(tracking, "_WORKERS_START_S", 0.0)


def until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def settle(watching: MlflowObserver) -> None:
    """Wait until MLflow has all that was sent."""
    until(lambda: not watching._courier._parcels)


def test_how_the_front_stands_is_told_at_the_end(folder: Path) -> None:
    watching = observer(folder)
    records = [trial(number, bpp=1.0 - 0.1 * number) for number in range(2)]
    for record in records:
        watching.on_trial(record)
    told = Standing("octree", "octree", "dominates 2 of the 2 points", (0.1, None), 2, 519.25)
    unknown = Standing("gpcc", "G-PCC", "cannot be compared")
    watching.on_end({}, records, standings=[told, unknown])
    assert watching.close(PATIENCE_S) is None
    summary = runs(folder)[""].data
    against = {n: v for n, v in summary.metrics.items() if n.startswith("against/")}
    assert against == {"against/octree/dominated": 2.0, "against/octree/rate_percent": 519.25}
    assert "**octree** dominates 2 of the 2 points." in summary.tags[NOTE]
    assert "**G-PCC** cannot be compared." in summary.tags[NOTE]


def test_it_is_there_before_the_first_trial_and_grows_with_each(folder: Path) -> None:
    watching = observer(folder, draw=lambda seen: {"front.html": str(len(seen)).encode()})
    until(lambda: rows(folder)["runs"] == 1 and "study.yaml" in files(folder))
    (summary,) = runs(folder).values()
    assert summary.info.status == "RUNNING"
    assert summary.inputs is not None
    (data,) = summary.inputs.dataset_inputs
    assert (data.dataset.name, data.dataset.digest) == ("objects", ("0123456789" * 4)[:36])
    for number in range(3):
        watching.on_trial(trial(number, bpp=1.0 - 0.1 * number))
        until(lambda number=number: files(folder).get("front.html") == str(number + 1).encode())  # type: ignore[misc]
    watching.on_trial(trial(3, state=TrialState.RUNNING))
    settle(watching)
    assert runs(folder)[""].data.metrics["trials/running"] == 1
    summary = runs(folder)[""]
    assert summary.data.metrics["trials/complete"] == 3
    assert steps(folder, summary, "hypervolume") == [1, 2, 3]
    assert "3 complete" in summary.data.tags[NOTE]
    watching.on_end()
    assert watching.close(PATIENCE_S) is None
    assert runs(folder)[""].info.status == "KILLED"


def files(folder: Path) -> dict[str, bytes]:
    found = {}
    for path in (folder / "artifacts").rglob("*.*"):
        with suppress(FileNotFoundError):  # MLflow is replacing it: the next look finds it.
            found[path.name] = path.read_bytes()
    return found


def test_the_experiment_says_what_it_is_and_how_to_draw_it(folder: Path) -> None:
    watching = observer(folder)
    assert watching.close(PATIENCE_S) is None
    experiment = MlflowClient(database(folder)).get_experiment_by_name("quickstart")
    assert experiment is not None
    assert "bpp minimize, reference 2" in experiment.tags["study.objectives"]
    assert "objective/bpp" in experiment.tags[CHART_TAG]
    assert "`bpp` and `d1_psnr_db`" in experiment.tags[NOTE]


def test_tags_are_written_where_they_change_and_not_each_epoch(folder: Path) -> None:
    """A trial that joins the front changes its own tags, and those of whom it beats."""
    watching = observer(folder)
    trials = [trial(n, bpp=1.0 + n, psnr_db=36.0 + n) for n in range(5)]
    for one in trials:
        watching.on_trial(one)
    settle(watching)
    requests: list[str] = []
    ledger = watching._courier._place
    assert ledger is not None
    client = ledger._runs._client
    log_batch = client.log_batch

    def counted(run_id: str, **more: object) -> None:
        requests.append(run_id)
        log_batch(run_id, **more)  # type: ignore[arg-type]

    client.log_batch = counted  # type: ignore[method-assign,assignment]
    for epochs in range(4):
        watching.on_trial(trial(5, state=TrialState.RUNNING, epochs=epochs))
        settle(watching)
    ids = {key: run.info.run_id for key, run in runs(folder).items()}
    # The run is made without tags of the front; then an epoch is a request, and nothing else.
    assert requests.count(ids["5"]) == 2 + 3
    assert not set(requests) - {ids["5"], ids[""]}
    requests.clear()
    watching.on_trial(trial(5, bpp=1.9, psnr_db=37.5))  # better than trial 1 alone
    settle(watching)
    assert set(requests) == {ids["5"], ids["1"], ids[""]}
    assert watching.close(PATIENCE_S) is None
    assert runs(folder)["1"].data.tags["rank"] == "2"


def test_what_a_user_wrote_on_the_page_stays(folder: Path) -> None:
    watching = observer(folder)
    watching.on_trial(trial(0, state=TrialState.RUNNING))
    settle(watching)
    run = runs(folder)["0"].info.run_id
    MlflowClient(database(folder)).set_tag(run, NOTE, "my favourite")
    watching.on_trial(trial(0))
    assert watching.close(PATIENCE_S) is None
    tags = runs(folder)["0"].data.tags
    assert (tags[NOTE], tags["state"]) == ("my favourite", "complete")


def test_the_last_page_links_to_runs_that_came_late(folder: Path) -> None:
    seen: list[list[str | None]] = []

    def draw(records: Sequence[TrialRecord]) -> Mapping[str, bytes]:
        seen.append([record.run for record in records])
        return {"front.html": repr(seen[-1]).encode()}

    watching = observer(folder, draw=draw)
    watching.on_trial(trial(0))
    watching.on_end({"front.html": b"without links"}, [trial(0)])
    assert watching.close(PATIENCE_S) is None
    run = runs(folder)["0"].info.run_id
    assert files(folder)["front.html"] == repr([run]).encode()
    again = observer(folder, draw=draw)
    known = replace(trial(0), run=run)
    again.on_trial(known)
    again.on_end({"front.html": b"with links"}, [known])
    assert again.close(PATIENCE_S) is None
    assert files(folder)["front.html"] == b"with links"


def test_a_report_that_cannot_be_drawn_stops_nothing(folder: Path) -> None:
    def draw(_records: Sequence[TrialRecord]) -> Mapping[str, bytes]:
        raise OSError(28, "No space left on device")

    watching = observer(folder, draw=draw)
    watching.on_trial(trial(0))
    assert watching.close(PATIENCE_S) is None
    assert runs(folder)[""].data.metrics["trials/complete"] == 1
