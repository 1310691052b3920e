"""A store with S3's protocol for the tests of this folder."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from study.driver.runner import open_store
from study.storage.folder import StudyFolder, create_study_folder
from tests.study.mirror import stores
from tests.study.mirror.mirrored import config_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(scope="session")
def server() -> Iterator[stores.Moto]:
    with stores.moto() as server:
        yield server


@pytest.fixture
def moto(server: stores.Moto, monkeypatch: pytest.MonkeyPatch) -> stores.Moto:
    """The server, empty, and where the environment says that it is."""
    server.empty()
    stores.use(monkeypatch, server.address)
    return server


@pytest.fixture
def between(moto: stores.Moto, monkeypatch: pytest.MonkeyPatch) -> Iterator[stores.Proxy]:
    """A proxy before the server, where the environment says that the store is."""
    with stores.proxy(moto) as between:
        stores.use(monkeypatch, between.address)
        yield between


@pytest.fixture
def folder(tmp_path: Path) -> StudyFolder:
    """A study's folder with a database, a small and a large file, and what stays at home."""
    config = config_of(tmp_path / "studies")
    with create_study_folder(config) as folder:
        open_store(config, folder).close()
        for name, content in {
            "codecs/a": b"small",
            "cohorts/large": b"x" * 600_000,
            "ray/log": b"stays at home",
        }.items():
            (folder.path / name).parent.mkdir(exist_ok=True)
            (folder.path / name).write_bytes(content)
    return folder


@pytest.fixture(params=["s3", "folder"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "folder":
        return str(tmp_path / "mirror")
    request.getfixturevalue("moto")
    return stores.URL
