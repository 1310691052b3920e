"""A tracking database that is there already: to make one takes seconds."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from study.tracking.client import connect, quieten
from tests.study.tracked import database


@pytest.fixture(scope="session")
def empty_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make MLflow's tables once for all tests that do not test their making."""
    folder = tmp_path_factory.mktemp("mlflow")
    quieten()
    connect(database(folder)).search_experiments()
    return folder / "mlflow.db"


@pytest.fixture
def folder(tmp_path: Path, empty_database: Path) -> Path:
    """Return a folder with an empty tracking database."""
    return Path(shutil.copy(empty_database, tmp_path)).parent
