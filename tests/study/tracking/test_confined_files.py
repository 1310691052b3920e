"""Files that MLflow's server shows: those of its own folder, wherever a database or a link leads.

The attacks are what a database that was handed over says, or a folder with symbolic links in it.
"""

from __future__ import annotations

import socket
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from study.tracking.server import HOST
from tests.study.tracking.gated import gated

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.study.tracking.gated import Gated


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gated]:
    """A server with nothing in it."""
    with gated(tmp_path_factory.mktemp("site")) as served:
        yield served


@pytest.fixture(scope="module")
def private(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder of the user's that no run of his has anything to do with."""
    folder = tmp_path_factory.mktemp("private")
    (folder / "key").write_text("a private key")
    (folder / "mlartifacts").mkdir()
    return folder


def refused(site: Gated, run_id: str) -> None:
    for address in (
        f"/get-artifact?run_uuid={run_id}&path=key",
        f"/ajax-api/2.0/mlflow/artifacts/list?run_id={run_id}",
    ):
        answer = site.ask(address)
        assert answer.status >= 400
        assert "private key" not in answer.text
        assert '"key"' not in answer.text


def test_a_run_whose_folder_is_a_symbolic_link(site: Gated, private: Path) -> None:
    location = (site.folder / "mlartifacts" / "own").as_uri()
    run = site.database.create_run(site.database.create_experiment("link", location))
    folder = Path(run.info.artifact_uri.removeprefix("file://"))
    folder.parent.mkdir(parents=True)
    folder.symlink_to(private)
    refused(site, run.info.run_id)
    assert "shows files below" in site.artifact(run.info.run_id, "key").text


def test_an_experiment_whose_folder_is_a_symbolic_link(site: Gated, private: Path) -> None:
    folder = site.folder / "mlartifacts" / "all"
    run = site.database.create_run(site.database.create_experiment("all", folder.as_uri()))
    target = private / run.info.run_id / "artifacts"
    target.mkdir(parents=True)
    (target / "key").write_text("a private key")
    folder.symlink_to(private)
    refused(site, run.info.run_id)


def test_a_file_that_is_a_symbolic_link(site: Gated, private: Path) -> None:
    folder = site.folder / "mlartifacts" / "files"
    run = site.database.create_run(site.database.create_experiment("files", folder.as_uri()))
    site.database.log_text(run.info.run_id, "mine", "own.txt")
    artifacts = folder / run.info.run_id / "artifacts"
    (artifacts / "key").symlink_to(private / "key")
    (artifacts / "folder").symlink_to(private)
    assert site.artifact(run.info.run_id, "own.txt").text == "mine"
    for path in ("key", "folder/key", "../../../../private/key", "folder"):
        answer = site.artifact(run.info.run_id, path)
        assert answer.status >= 400
        assert "private key" not in answer.text


@pytest.mark.parametrize("beside", ["", "/mlartifacts", "/../mlartifacts-of-others"])
def test_a_place_that_the_database_names(site: Gated, private: Path, beside: str) -> None:
    """Also one whose name only begins like that of the folder that is shown."""
    place = f"{private}{beside}" if ".." not in beside else f"{site.folder}/mlartifacts-else"
    experiment = site.database.create_experiment(f"place {beside}", Path(place).as_uri())
    run = site.database.create_run(experiment)
    target = Path(place) / run.info.run_id / "artifacts"
    target.mkdir(parents=True)
    (target / "key").write_text("a private key")
    refused(site, run.info.run_id)


def test_a_place_on_another_server_is_not_asked(site: Gated) -> None:
    with socket.create_server((HOST, 0)) as other:
        other.settimeout(0.2)
        port = other.getsockname()[1]
        for number, scheme in enumerate(("http", "ftp", "sftp", "mlflow-artifacts", "hdfs")):
            location = f"{scheme}://{HOST}:{port}/x"
            experiment = site.database.create_experiment(f"far {number}", location)
            refused(site, site.database.create_run(experiment).info.run_id)
        with pytest.raises(TimeoutError):
            other.accept()


def test_a_version_in_the_registry(site: Gated, private: Path) -> None:
    site.database.create_registered_model("m")
    version = site.database.create_model_version("m", private.as_uri())
    answer = site.ask(f"/model-versions/get-artifact?name=m&version={version.version}&path=key")
    assert answer.status >= 400
    assert "shows files below" in answer.text


def test_a_model_that_was_logged(site: Gated, private: Path) -> None:
    experiment = site.database.create_experiment("logged", private.as_uri())
    model = site.database.create_logged_model(experiment)
    target = Path(model.artifact_location.removeprefix("file://"))
    target.mkdir(parents=True)
    (target / "key").write_text("a private key")
    logged = f"/ajax-api/2.0/mlflow/logged-models/{model.model_id}/artifacts"
    for address in (f"{logged}/files?artifact_file_path=key", f"{logged}/directories"):
        answer = site.ask(address)
        assert answer.status >= 400
        assert "private key" not in answer.text
