"""A real server behind its gate, and requests to it as browsers and others send them."""

from __future__ import annotations

import http.client
import json
import re
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, quote, urlsplit

from study.tracking.client import connect
from study.tracking.server import HOST, running_server
from tests.study.ports import unused_port
from tests.study.tracked import PATIENCE_S

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from mlflow import MlflowClient

    from study.tracking.server import Server


@dataclass(frozen=True)
class Answer:
    """What a server answered: the status, the headers in small letters, and the body as text."""

    status: int
    headers: Mapping[str, str]
    text: str


@dataclass(frozen=True)
class Gated:
    """A server, and what is in it.

    Attributes:
        server: as the product knows it.
        folder: holds its database, `mlartifacts` and `mlflow-server.log`.
        database: a client of the database itself, past the gate.
    """

    server: Server
    folder: Path
    database: MlflowClient

    @property
    def port(self) -> int:
        return int(f"{urlsplit(self.server.address).port}")

    @property
    def secret(self) -> str:
        return parse_qs(urlsplit(self.server.link).query)["key"][0]

    @property
    def log(self) -> Path:
        return self.folder / "mlflow-server.log"

    def ask(
        self, path: str, method: str = "GET", body: object = None, /, **headers: str | None
    ) -> Answer:
        """Send a request exactly as given, with the secret as a program gives it.

        Args:
            path: with its query; sent as it is.
            method: of HTTP.
            body: sent as JSON.
            headers: more of them, or others; None leaves one out. `_` stands for `-`.
        """
        given: dict[str, str | None] = {
            "Host": f"{HOST}:{self.port}",
            "Authorization": f"Bearer {self.secret}",
            "Content-Type": "application/json",
        }
        given |= {name.replace("_", "-"): value for name, value in headers.items()}
        connection = http.client.HTTPConnection(HOST, self.port, timeout=PATIENCE_S)
        try:
            connection.putrequest(method, path, skip_host=True)
            for name, value in given.items():
                if value is not None:
                    connection.putheader(name, value)
            data = b"" if body is None else json.dumps(body).encode()
            connection.putheader("Content-Length", str(len(data)))
            connection.endheaders(data)
            got = connection.getresponse()
            told = {name.lower(): value for name, value in got.getheaders()}
            return Answer(got.status, told, got.read().decode(errors="replace"))
        finally:
            connection.close()

    def enter(self) -> tuple[str, str]:
        """Open the link as a browser does; return the cookie, and the folder that it is for."""
        page = self.ask(f"/?key={self.secret}", Authorization=None)
        assert page.status == 200
        room = re.search(r'location\.replace\("(/[\w-]+)/"', page.text)
        assert room
        return page.headers["set-cookie"].partition(";")[0], room[1]

    def artifact(self, run_id: str, path: str) -> Answer:
        return self.ask(f"/get-artifact?run_uuid={run_id}&path={quote(path)}")


@contextmanager
def gated(folder: Path, uri: str | None = None) -> Iterator[Gated]:
    """Run a server on a new database in a folder."""
    client = connect(f"sqlite:///{folder / 'mlflow.db'}")
    client.search_experiments()
    uri = uri or f"sqlite:///{folder / 'mlflow.db'}"
    log = folder / "mlflow-server.log"
    with running_server(uri, folder / "mlartifacts", unused_port(), log) as server:
        server.wait_until_up()
        yield Gated(server, folder, client)
