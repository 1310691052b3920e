"""Ray on this machine alone: for one study, on loopback, with a token that nobody else knows."""

from __future__ import annotations

import logging
import os
import secrets
import shutil
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import ray
from ray._private import parameter, utils
from ray._private.node import Node
from ray._raylet import AuthenticationTokenLoader, Config  # type: ignore[attr-defined]  # native

from study.base.children import child_variables, environment
from study.base.errors import StudyError
from study.driver.interrupts import exit_when_stuck
from study.driver.termination import RAY_DIED, Stopped

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ray._private.parameter import RayParams
    from ray.job_config import JobConfig

OBJECT_STORE_BYTES = 256 * 2**20
"""Trials send a few numbers through Ray; its default would reserve a third of the memory."""

_LOOPBACK = "127.0.0.1"
_START_S = 180.0
"""Ray gives up itself after half a minute, but waits for ever for processes that were killed."""

_PRELOADED, _THREADS = "RAY_preload_python_modules", "OMP_NUM_THREADS"
_STARTED_EARLY = "RAY_prestart_worker_first_driver"
_IDLE_MS = {"RAY_idle_worker_killing_time_threshold_ms": "30000"}
"""Ray starts a worker for each core before anybody asks for one, but ends those that are not asked
for within a second, and starts others: Tune needs longer for its first question."""

_FEW_CORES = 8
"""On machines with more, most of the workers that are started early would wait in vain, each with
350 MB of what they import."""

_NO_METRICS = {"RAY_enable_metrics_collection": "0"}
"""Ray would serve its metrics to whoever asks, without a token."""

_SOCKET_BYTES = 107
"""The longest path of a socket (Linux, unix(7), without the zero at its end)."""
_SESSION = "session"
"""A name of a moment and a process, as Ray makes them, would leave less for the path above it."""
_BELOW = f"/ray-12345678/r/{_SESSION}/sockets/plasma_store"
"""The longest of Ray's sockets, in a private folder."""
_USUAL_PARENT = "/tmp"  # noqa: S108 (a folder with a name that nobody can foresee is made in it)


class Preload(NamedTuple):
    """What workers import as they start, before there is a cohort for them.

    Attributes:
        modules: their names.
        threads: what libraries shall take for the number of processors, which some read when they
            are imported; Ray tells a worker only with its first task.
    """

    modules: Sequence[str]
    threads: int


@contextmanager
def private_folder() -> Iterator[Path]:
    """Make a folder that only this user can enter, for the sockets and logs of a Ray of ours.

    It goes when Ray is left, unless Ray or the block has failed.

    Raises:
        StudyError: none can be made, or RAY_TMPDIR is too long.
    """
    folder = _new_folder()
    keep = False
    try:
        yield folder
    except Stopped as error:
        keep = error.termination == RAY_DIED
        raise
    except Exception as error:
        keep = not isinstance(error, StudyError)
        raise
    finally:
        # Another Ray may be joined later, with the user's token.
        _read_environment()
        if not keep:
            shutil.rmtree(folder, ignore_errors=True)


def start_ray(folder: Path, preload: Preload | None, job: JobConfig) -> None:
    """Start Ray on this machine.

    Args:
        folder: a private one, where its sockets and logs will lie.
        preload: what its workers import early.
        job: this driver's part in it.

    Raises:
        StudyError: it does not start.
    """
    secret = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32)}
    with environment(child_variables() | secret | _told(preload)), _without_spare_processes():
        _read_environment()
        # Ray opens its own folder to everyone.
        _start(folder / "r", job)


def _new_folder() -> Path:
    longest = _SOCKET_BYTES - len(_BELOW)
    try:
        parent = os.path.abspath(os.environ.get("RAY_TMPDIR") or tempfile.gettempdir())  # noqa: PTH100
    except FileNotFoundError as error:  # Python has tried to write a file in each that is usual.
        raise StudyError(
            f"Ray must keep its sockets in a folder for temporary files: {error.strerror}; make "
            "room there, or let TMPDIR name another"
        ) from error
    if len(os.fsencode(parent)) > longest:
        if os.environ.get("RAY_TMPDIR"):
            raise StudyError(
                f"RAY_TMPDIR must be a path of at most {longest} bytes, for Ray's sockets lie "
                f"below it, and {parent} is longer; leave it out, or name a shorter one"
            )
        parent = _USUAL_PARENT
    try:
        return Path(tempfile.mkdtemp(prefix="ray-", dir=parent))
    except OSError as error:
        raise StudyError(
            f"Ray must keep its sockets in a folder for temporary files, but none can be made in "
            f"{parent} ({error.strerror}); let TMPDIR name another"
        ) from error


def _read_environment() -> None:
    """Let this process's half of Ray, which keeps what it has read, look for its token anew."""
    Config.initialize("")
    AuthenticationTokenLoader.instance().reset_cache()


def _told(preload: Preload | None) -> dict[str, str]:
    """Return what Ray's processes are told by their environment, but for what the user has said."""
    told = dict(_IDLE_MS)
    if preload is not None:
        told |= {_PRELOADED: ",".join(preload.modules), _THREADS: str(preload.threads)}
        if (os.cpu_count() or 1) > _FEW_CORES:
            told[_STARTED_EARLY] = "0"
    return {name: value for name, value in told.items() if name not in os.environ} | _NO_METRICS


@contextmanager
def _without_spare_processes() -> Iterator[None]:
    """Start Ray on loopback, without autoscaler, log monitor and dashboard.

    These have nothing to do here. Each takes a second of a processor that the workers need, and Ray
    waits for the last, which it starts even if told to leave it out. The dashboard's agent, without
    which a node ends, runs as where the dashboard is not installed: it serves nothing then. Of all
    this, and of loopback, `ray.init` cannot be told.
    """
    usual, dashboard, missing = (
        parameter.RayParams,
        Node.start_api_server,
        utils.get_dashboard_dependency_error,
    )

    def fewer(**given: Any) -> RayParams:  # noqa: ANN401 (as Ray has them)
        here = given | {"node_ip_address": _LOOPBACK, "session_name": _SESSION}
        return usual(**here, include_log_monitor=False, no_monitor=True)  # type: ignore[arg-type]

    parameter.RayParams = fewer  # type: ignore[assignment, misc]
    Node.start_api_server = lambda *_, **__: None  # type: ignore[method-assign]
    utils.get_dashboard_dependency_error = lambda: ImportError("not wanted")
    try:
        yield
    finally:
        parameter.RayParams = usual  # type: ignore[misc]
        Node.start_api_server = dashboard  # type: ignore[method-assign]
        utils.get_dashboard_dependency_error = missing


def _start(folder: Path, job: JobConfig) -> None:
    stuck = f"Ray must start on this machine within {_START_S:g} s, but did not; try again"
    try:
        with exit_when_stuck(_START_S, stuck):
            ray.init(
                # Or Ray would join whatever cluster it finds on this machine.
                address="local",
                include_dashboard=False,
                job_config=job,
                object_store_memory=OBJECT_STORE_BYTES,
                log_to_driver=False,
                logging_level=logging.CRITICAL,
                _temp_dir=str(folder),
            )
    except Exception as error:  # Ray's own words for a start that takes too long are no more.
        first_line = str(error).split("\n", maxsplit=1)[0]
        message = (
            f"Ray must start on this machine within half a minute, but did not ({first_line}); "
            "see that the machine has processors and memory to spare, and try again"
        )
        raise StudyError(message) from error
