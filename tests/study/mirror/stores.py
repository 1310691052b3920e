"""Stores of objects for tests: moto's server as a process of its own, and a proxy with faults."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
import time
from contextlib import contextmanager, suppress
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import boto3

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pytest

BUCKET = "bucket"
URL = f"s3://{BUCKET}/studies"


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
        return port


class Moto:
    """A server with S3's protocol that keeps everything in memory."""

    def __init__(self) -> None:
        self.port = free_port()
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        code = f"from moto.server import main; main(['-p', '{self.port}'])"
        self.process = subprocess.Popen(
            [sys.executable, "-W", "ignore", "-c", code],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        end_s = time.monotonic() + 60
        while time.monotonic() < end_s:
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
            except OSError:
                time.sleep(0.1)
            else:
                self.client().create_bucket(Bucket=BUCKET)
                return
        raise TimeoutError

    def stop(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()

    def client(self) -> Any:  # noqa: ANN401 (boto3 makes its classes as it goes)
        return boto3.client(
            "s3",
            endpoint_url=self.address,
            region_name="us-east-1",
            aws_access_key_id="id",
            aws_secret_access_key="key",  # noqa: S106 (moto takes any)
        )

    def names(self) -> list[str]:
        return [
            each["Key"] for each in self.client().list_objects_v2(Bucket=BUCKET).get("Contents", [])
        ]

    def empty(self) -> None:
        for name in self.names():
            self.client().delete_object(Bucket=BUCKET, Key=name)


@contextmanager
def moto() -> Iterator[Moto]:
    server = Moto()
    try:
        server.start()
        yield server
    finally:
        server.stop()


def use(monkeypatch: pytest.MonkeyPatch, address: str) -> None:
    """Let stores be looked for at an address, as a user's environment does."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_ENDPOINT_URL", address)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "id")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "key")
    monkeypatch.setenv("AWS_REGION", "us-east-1")


class Proxy:
    """Stands before a server, and answers some requests itself.

    Attributes:
        answer: the status and body for requests of these methods; None lets all through.
        methods: which.
        delay_s: before each request.
        after: how many of those requests are let through first.
        seen: how many of those there were.
        parts: requests of a megabyte or more that came.
    """

    def __init__(self, port: int) -> None:
        self.answer: tuple[int, str] | None = None
        self.methods: tuple[str, ...] = ("GET", "PUT", "POST", "DELETE", "HEAD")
        self.delay_s, self.after, self.seen, self.parts = 0.0, 0, 0, 0
        proxy = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def pass_on(self) -> None:
                time.sleep(proxy.delay_s)
                content = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                status, headers, body = proxy.decide(self, port, content)
                self.send_response_only(status)
                for name, value in headers:
                    if name.lower() not in {"content-length", "transfer-encoding", "connection"}:
                        self.send_header(name, value)
                length = dict(headers).get("Content-Length", "0")
                is_head = self.command == "HEAD"
                self.send_header("Content-Length", length if is_head else str(len(body)))
                self.end_headers()
                if not is_head:
                    self.wfile.write(body)

            do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = pass_on  # noqa: N815

            def log_message(self, *_: object) -> None:
                pass

            def handle(self) -> None:
                with suppress(OSError):  # The client has gone.
                    super().handle()

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.address = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def decide(
        self, request: BaseHTTPRequestHandler, port: int, content: bytes
    ) -> tuple[int, list[tuple[str, str]], bytes]:
        self.parts += len(content) >= 1_000_000
        if self.answer is not None and request.command in self.methods:
            self.seen += 1
            if self.seen > self.after:
                return self.answer[0], [], self.answer[1].encode()
        connection = HTTPConnection("127.0.0.1", port, timeout=30)
        try:
            connection.request(request.command, request.path, content, dict(request.headers))
            response = connection.getresponse()
            return response.status, response.getheaders(), response.read()
        finally:
            connection.close()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@contextmanager
def proxy(server: Moto) -> Iterator[Proxy]:
    between = Proxy(server.port)
    try:
        yield between
    finally:
        between.close()
