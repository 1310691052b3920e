"""What the links of `study ui` need is found without writing anything; a browser tests the rest."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from study.fronts.front import Direction, Objective
from study.tracking.client import connect
from study.tracking.links import (
    Place,
    chart_link,
    chart_view,
    find_summary,
    registry_link,
    summary_link,
)
from tests.study.tracked import OBJECTIVES, database

if TYPE_CHECKING:
    from pathlib import Path


def test_a_database_that_is_not_there_is_not_made(tmp_path: Path) -> None:
    assert find_summary(database(tmp_path), "quickstart", "mine") is None
    assert not list(tmp_path.iterdir())


def test_a_study_is_found_by_its_name_and_identity(folder: Path) -> None:
    uri = database(folder)
    client = connect(uri)
    assert find_summary(uri, "quickstart", "mine") is None
    experiment = client.create_experiment("quickstart")
    assert find_summary(uri, "quickstart", "mine") == Place(experiment, None)
    made = {
        study_id: client.create_run(experiment, tags={"kind": kind, "study_id": study_id})
        for study_id, kind in (("mine", "summary"), ("yours", "summary"), ("theirs", "trial"))
    }
    found = find_summary(uri, "quickstart", "mine")
    mine = made["mine"].info
    assert found == Place(experiment, mine.run_id, mine.artifact_uri)
    assert find_summary(uri, "quickstart", "theirs") == Place(experiment, None)


def test_addresses_are_of_pages_that_mlflow_has() -> None:
    base = "http://127.0.0.1:5000/"
    assert chart_link(base, "3") == (
        "http://127.0.0.1:5000/#/experiments/3/runs?workflowType=machine_learning"
        "&compareRunsMode=CHART&viewStateShareKey=front"
    )
    assert summary_link(base, "3", "ab") == (
        "http://127.0.0.1:5000/#/experiments/3/runs/ab/artifacts/front.html"
        "?workflowType=machine_learning"
    )
    assert registry_link(f"{base}?key=abc") == (
        "http://127.0.0.1:5000/?key=abc#/models?workflowType=machine_learning"
    )


def test_every_plane_of_the_objectives_has_a_chart() -> None:
    seconds = Objective("decode_s", Direction.MINIMIZE, reference=1.0)
    for objectives, planes in (
        (OBJECTIVES, [("objective/bpp", "objective/d1_psnr_db")]),
        (OBJECTIVES[1:], [("final/bpp", "objective/d1_psnr_db")]),
        (
            (*OBJECTIVES, seconds),
            [
                ("objective/bpp", "objective/d1_psnr_db"),
                ("objective/bpp", "objective/decode_s"),
                ("objective/d1_psnr_db", "objective/decode_s"),
            ],
        ),
    ):
        charts = json.loads(chart_view(objectives, ["loss.bpp_lambda"]))["compareRunCharts"]
        drawn = [(c["xaxis"]["key"], c["yaxis"]["key"]) for c in charts if c["type"] == "SCATTER"]
        assert drawn == planes
        assert charts[-1]["selectedParams"] == ["loss.bpp_lambda"]
