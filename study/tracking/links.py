"""Where MLflow's pages show a study: links to them, and how its chart view is set up.

MLflow's page keeps the charts that its user has made in the browser. It also reads shared views:
a link names the experiment's tag that holds one. The tag's format is not documented: it was read in
the page's code of MLflow 3.17 (``compareRunCharts`` and its neighbours), and a test opens it in a
browser. A release that drops it leaves the plain chart view.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import urlsplit

from study.report.planes import planes_of
from study.tracking.client import connect, is_missing, quieten

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from study.fronts.front import Objective

OBJECTIVE = "objective/"
"""Prefix of those metrics of a finished trial that are objectives of the study."""

CHART_KEY = "front"
CHART_TAG = f"mlflow.sharedViewState.{CHART_KEY}"
"""The experiment's tag that holds the chart view."""

_TRAINING = "workflowType=machine_learning"
"""Without this MLflow's page opens with menus for language models."""

_SECTION = "front"
_SECTIONS = {
    _SECTION: ("Front", True),
    "epochs": ("Model metrics", True),  # MLflow's name for metrics without a slash: the epochs'.
    "objective": ("objective", False),
    "final": ("final", False),
    "system": ("System metrics", False),
}
"""Our key -> MLflow's name for the section's metrics, and whether the section is open."""

_LARGE = {"columns": 2, "cardHeight": 480}

_MOST_RUNS = 1000
"""Points of a chart; MLflow's page draws 100 by default."""


class Place(NamedTuple):
    """Where MLflow holds a study.

    Attributes:
        experiment_id: of the study's experiment.
        summary_run_id: of the run that holds its front; None where there is none yet.
        files: the address of that run's files, such as the front.
    """

    experiment_id: str
    summary_run_id: str | None
    files: str | None = None


def _page(base_url: str, page: str) -> str:
    """Return the address of a page; what the base asks (`?key=…`) stays before it."""
    split = urlsplit(base_url)
    return split._replace(path=f"{split.path.rstrip('/')}/", fragment=page).geturl()


def experiments_link(base_url: str) -> str:
    """Return the address of the table of all studies."""
    return _page(base_url, f"/experiments?{_TRAINING}")


def experiment_link(base_url: str, experiment_id: str) -> str:
    """Return the address of a study's table of runs."""
    return _page(base_url, f"/experiments/{experiment_id}/runs?{_TRAINING}")


def chart_link(base_url: str, experiment_id: str) -> str:
    """Return the address of the chart view, with rate against quality set up."""
    page = experiment_link(base_url, experiment_id)
    return f"{page}&compareRunsMode=CHART&viewStateShareKey={CHART_KEY}"


def run_link(base_url: str, experiment_id: str, run_id: str) -> str:
    """Return the address of a run."""
    return _page(base_url, f"/experiments/{experiment_id}/runs/{run_id}?{_TRAINING}")


def summary_link(base_url: str, experiment_id: str, run_id: str) -> str:
    """Return the address of the summary run's artifacts, opened at the interactive front."""
    page, _, query = run_link(base_url, experiment_id, run_id).rpartition("?")
    return f"{page}/artifacts/front.html?{query}"


def registry_link(base_url: str) -> str:
    """Return the address of the registered models, the project's codecs among them."""
    return _page(base_url, f"/models?{_TRAINING}")


def find_summary(uri: str, study_name: str, study_id: str) -> Place | None:
    """Return where MLflow holds a study; None where it does not. Nothing is written or created.

    Args:
        uri: of MLflow's database or server.
        study_name: the study's name, which is the experiment's too.
        study_id: tells it from others of that name (`StudyAttributes.identity`).

    Raises:
        Exception: MLflow cannot be reached, in its own words.
    """
    if is_missing(uri):
        return None
    quieten()
    client = connect(uri)
    experiment = client.get_experiment_by_name(study_name)
    if experiment is None:
        return None
    wanted = f"tags.kind = 'summary' and tags.study_id = '{study_id}'"
    found = client.search_runs([experiment.experiment_id], wanted, max_results=1)
    if not found:
        return Place(experiment.experiment_id, None)
    return Place(experiment.experiment_id, found[0].info.run_id, found[0].info.artifact_uri)


def chart_view(objectives: Sequence[Objective], searched: Sequence[str]) -> str:
    """Return the chart view for `CHART_TAG`: the planes of the front, and parallel coordinates.

    Only trials are shown (the summary run has other metrics), those of the front first: the page
    loads a hundred runs, and more on demand.

    Args:
        objectives: every pair of them spans a chart (`study.report.planes`).
        searched: dotted names of the settings, for the parallel coordinates.
    """
    metrics = [OBJECTIVE + objective.metric for objective in objectives]
    columns = [
        *(f"metrics.`{metric}`" for metric in metrics),
        *(f"tags.`{tag}`" for tag in ("state", "pareto", "operating_point")),
        *(f"params.`{name}`" for name in searched),
    ]
    view = {
        "searchFilter": "tags.kind = 'trial'",
        "orderByKey": "tags.`pareto`",
        "orderByAsc": False,
        "startTime": "ALL",
        "lifecycleFilter": "Active",
        "modelVersionFilter": "All Runs",
        "datasetsFilter": [],
        "selectedColumns": columns,
        "runsHiddenMode": "SHOW_ALL",
        "isAccordionReordered": True,  # Ours stays on top.
        "hideEmptyCharts": True,
        "compareRunCharts": [*_scatters(objectives), _parallel(metrics, searched)],
        "compareRunSections": [
            {"uuid": key, "name": name, "display": is_open, "isReordered": False, "deleted": False}
            | (_LARGE if key == _SECTION else {})
            for key, (name, is_open) in _SECTIONS.items()
        ],
    }
    return json.dumps(view, separators=(",", ":"))


def _scatters(objectives: Sequence[Objective]) -> list[dict[str, Any]]:
    """Return a scatter chart for each plane of two objectives."""
    names = {objective.metric for objective in objectives}
    charts: list[dict[str, Any]] = []
    for plane in planes_of(objectives):
        across, up = (_key(metric, names) for metric in plane.metrics)
        name = f"{plane.horizontal.metric} against {plane.vertical.metric}"
        axes = {
            axis: {"key": key, "type": "METRIC"} for axis, key in (("xaxis", across), ("yaxis", up))
        }
        charts.append({**_card("SCATTER", f"plane-{len(charts)}", name), **axes})
    return charts


def _key(metric: str, objectives: set[str]) -> str:
    """Return the name of a finished trial's metric in MLflow."""
    return (OBJECTIVE if metric in objectives else "final/") + metric


def _parallel(metrics: Sequence[str], searched: Sequence[str]) -> dict[str, Any]:
    """Return the chart that draws each trial as a line through its settings and objectives."""
    card = _card("PARALLEL", "settings", "Settings and objectives")
    return {**card, "selectedParams": list(searched), "selectedMetrics": list(metrics)}


def _card(kind: str, key: str, name: str) -> dict[str, Any]:
    return {
        "type": kind,
        "uuid": key,
        "displayName": name,
        "metricSectionId": _SECTION,
        "runsCountToCompare": _MOST_RUNS,
        "deleted": False,
        "isGenerated": False,
    }
