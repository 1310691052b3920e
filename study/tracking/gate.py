"""The gate before MLflow's application: who gets in, and to what.

MLflow has no users unless it is given a database of them, and its assistant, gateway and jobs do on
this machine what a request asks for. So nothing reaches it but what the holder of a secret asks,
from this server's own pages, and of the addresses that those pages and MLflow's client need.
"""

from __future__ import annotations

import base64
import re
import secrets
from typing import TYPE_CHECKING
from urllib.parse import quote

from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, Response

from study.tracking.server import HOST

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

_OPEN = re.compile(
    r"/(?:health|version|graphql|get-artifact|model-versions/get-artifact)?"
    r"|/static-files/[^/].*"
    r"|/(?:ajax-)?api/2\.0/mlflow/(?:artifacts|experiments|logged-models|metrics|model-versions"
    r"|registered-models|runs(?!/create-promptlab-run))/[^/].*"
    r"|/(?:ajax-)?api/3\.0/mlflow/server-info"
)
"""What of MLflow is reached: runs, their files and the registry.

All else is shut, whatever MLflow adds to it: the assistant reads and writes files here, the
gateway, scorers, prompts and evaluations reach model servers, webhooks any address, jobs run code.
"""

_DROPPED = {b"authorization", b"cookie", b"forwarded", b"x-forwarded-for", b"x-forwarded-host"}
"""Headers that MLflow is not told: it has no use for the secret, and there is no proxy."""

_READS = {"GET", "HEAD"}

_HEADERS = {
    # No other page learns the folder, or shows what is in it. MLflow's pages fetch from this server
    # only, whatever is in the notes and files that they show: others may have written those.
    "Content-Security-Policy": (
        "default-src 'self' data: blob: 'unsafe-inline' 'unsafe-eval'; frame-ancestors 'self'; "
        "form-action 'self'; base-uri 'self'; object-src 'none'"
    ),
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "same-origin",
}

_ENTRY = """<!doctype html>
<title>MLflow</title>
<script nonce="{nonce}">
location.replace("{room}/" + location.hash);
localStorage.setItem("mlflow.assistant.fab.autoOpenedOnFirstLoad_v1", "true");
localStorage.setItem("mlflow.assistant.panelOpen_v1", "false");
</script>
<noscript>MLflow's pages need JavaScript.</noscript>
"""
"""What the link with the secret shows: the way on. A redirection would not do: from a link in
another page, browsers would follow it without the cookie, which is SameSite=Strict. The settings
keep MLflow 3.17 from opening its assistant, which is shut, beside every page."""


class Gate:
    """An ASGI application that lets the holder of a secret through to another one.

    A browser brings the secret once, as `/?key=…`, and is given a cookie for it. Cookies do not
    keep ports apart: whoever listens at another port of this machine is sent those of this one. So
    the cookie is for paths below a folder of random name only, and the pages live there. Programs
    bring the secret with each request, as a password or a bearer token, and need no such folder.
    """

    def __init__(self, app: ASGIApp, secret: str, port: int) -> None:
        """Stand before an application.

        Args:
            app: what is let through to. It takes HTTP only.
            secret: who knows it is let through.
            port: where the server listens, at `HOST`.
        """
        self._app = app
        self._secret = secret
        # Not `localhost`: of IPv6, that is whoever listens at this port of `::1`.
        self._host = f"{HOST}:{port}"
        self._cookie = f"study-ui-{port}"
        self._room = f"/{secrets.token_urlsafe(16)}"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        assert scope["type"] == "http", "the server takes neither WebSockets nor a lifespan"
        request = Request(scope)
        answer = self._refusal(request) or self._entry(request)
        if answer is None:
            path = self._admitted(request)
            if path is None:
                answer = _refused(
                    "This server wants the key that `study ui` printed: open one of its links "
                    "again. A program gives it as the password in the server's address."
                )
            elif _OPEN.fullmatch(path) is None:
                answer = PlainTextResponse(
                    "`study ui` serves runs, their files and the registry; this part of MLflow "
                    "is shut. For it, run a server of your own.",
                    status_code=404,
                )
            else:
                await self._app(_forwarded(scope, path), receive, _with_headers(send))
                return
        await answer(scope, receive, send)

    def _refusal(self, request: Request) -> Response | None:
        """Refuse what another page has the browser send, whether or not it brings a secret."""
        hosts = request.headers.getlist("host")
        if hosts != [self._host]:
            # Another name may be anybody's, who lets it lead here so that his page reads this one.
            return _refused(f"This server answers to http://{self._host} only: open that address.")
        origins = request.headers.getlist("origin")
        if any(origin != f"http://{self._host}" for origin in origins):
            return _refused("This server answers its own pages only, and another page asked.")
        site = request.headers.get("sec-fetch-site", "none")
        is_followed = request.headers.get("sec-fetch-dest") == "document"
        if site not in {"none", "same-origin"} and not (is_followed and request.method in _READS):
            return _refused("This server answers its own pages only, and another page asked.")
        return None

    def _entry(self, request: Request) -> Response | None:
        """Answer the link that brings the secret."""
        key = request.query_params.get("key")
        if key is None or request.url.path != "/" or request.method != "GET":
            return None
        if not self._is_secret(key):
            return _refused(
                "This link is not of the `study ui` that runs now: open one that it printed last."
            )
        nonce = secrets.token_urlsafe(16)
        answer = HTMLResponse(
            _ENTRY.format(nonce=nonce, room=self._room),
            headers={
                "Cache-Control": "no-store",
                "Content-Security-Policy": f"default-src 'none'; script-src 'nonce-{nonce}'",
                "Referrer-Policy": "same-origin",
            },
        )
        answer.set_cookie(
            self._cookie, self._secret, path=self._room, httponly=True, samesite="strict"
        )
        return answer

    def _admitted(self, request: Request) -> str | None:
        """Return what path of MLflow's is asked for; None: the secret is missing."""
        path: str = request.scope["path"]
        if self._is_secret(_password(request.headers.get("authorization", ""))):
            return path
        if not path.startswith(f"{self._room}/"):
            return None
        if not self._is_secret(request.cookies.get(self._cookie, "")):
            return None
        if request.method not in _READS and "origin" not in request.headers:
            return None  # Browsers say where a change comes from.
        return path.removeprefix(self._room)

    def _is_secret(self, given: str) -> bool:
        return secrets.compare_digest(given.encode(), self._secret.encode())


def _password(authorization: str) -> str:
    """Return what a program gives as its bearer token or its password; empty: nothing."""
    scheme, _, value = authorization.partition(" ")
    match scheme.lower():
        case "bearer":
            return value.strip()
        case "basic":
            try:
                return base64.b64decode(value, validate=True).decode().partition(":")[2]
            except ValueError:
                return ""
        case _:
            return ""


def _refused(sentence: str) -> Response:
    return PlainTextResponse(sentence, status_code=403, headers={"Cache-Control": "no-store"})


def _forwarded(scope: Scope, path: str) -> Scope:
    headers = [(name, value) for name, value in scope["headers"] if name not in _DROPPED]
    return {**scope, "path": path, "raw_path": quote(path).encode(), "headers": headers}


def _with_headers(send: Send) -> Send:
    async def sent(message: Message) -> None:
        if message["type"] == "http.response.start":
            MutableHeaders(scope=message).update(_HEADERS)
        await send(message)

    return sent
