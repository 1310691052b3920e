"""A store with S3's protocol for the tests of this folder."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.study.mirror import stores

if TYPE_CHECKING:
    from collections.abc import Iterator


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
