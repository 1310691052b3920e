"""Reaching Ray: a cluster that runs already, or this machine alone, started quietly."""

from __future__ import annotations

import logging
import os
import socket
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

import ray
from ray._private import parameter
from ray._private.node import Node
from ray._private.resource_and_label_spec import ResourceAndLabelSpec
from ray._private.services import canonicalize_bootstrap_address

from study.base.errors import StudyError
from study.driver.interrupts import exit_when_stuck
from study.driver.termination import Stopped

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ray._private.parameter import RayParams

_OBJECT_STORE_BYTES = 256 * 2**20
"""Trials send a few numbers through Ray; its default would reserve a third of the memory."""

_CONNECT_TIMEOUT_S = 5.0
_SHUTDOWN_S = 30.0
_START_S = 180.0
"""Ray gives up itself after half a minute, but waits for ever for processes that were killed."""

_QUIET = {
    # Files and tables that nobody reads here: the store, MLflow and the live table have them.
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",
    "RAY_AIR_NEW_OUTPUT": "0",
    "RAY_USAGE_STATS_ENABLED": "0",
    # `study.driver.stopping` stops Tune, between two of its steps.
    "TUNE_DISABLE_SIGINT_HANDLER": "1",
    # Ray would otherwise announce a change of its default at every start.
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
}


_PRELOADED, _THREADS = "RAY_preload_python_modules", "OMP_NUM_THREADS"
_STARTED_EARLY = "RAY_prestart_worker_first_driver"
_IDLE_MS = {"RAY_idle_worker_killing_time_threshold_ms": "30000"}
"""Ray starts a worker for each core before anybody asks for one, but ends those that are not asked
for within a second, and starts others: Tune needs longer for its first question."""

_FEW_CORES = 8
"""On machines with more, most of the workers that are started early would wait in vain, each with
350 MB of what they import."""


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
def ray_running(address: str | None, preload: Preload | None = None) -> Iterator[None]:
    """Join the Ray cluster at an address, or start Ray here; leave it in the end.

    A Ray that this process has already reached is used as it is, and left alone.

    Args:
        address: a running cluster's; None starts Ray on this machine.
        preload: what workers of a Ray that is started here import early.

    Raises:
        StudyError: there is no cluster at the address.
    """
    os.environ.update({key: value for key, value in _QUIET.items() if key not in os.environ})
    logging.getLogger("ray").setLevel(logging.CRITICAL)
    if ray.is_initialized():
        yield
        return
    try:
        _start(address, preload)
        yield
    except (KeyboardInterrupt, Stopped):
        # The signal may have reached Ray's own processes, which then do not answer any more.
        with exit_when_stuck(_SHUTDOWN_S):
            ray.shutdown()
        raise
    finally:
        ray.shutdown()  # Does nothing the second time.


def resources_here() -> dict[str, float]:
    """Return the ``CPU`` and ``GPU`` that Ray has on this machine, or would find if it started."""
    if ray.is_initialized():
        there: dict[str, float] = ray.cluster_resources()
        return there
    found = ResourceAndLabelSpec(object_store_memory=_OBJECT_STORE_BYTES).resolve(is_head=True)
    return {"CPU": float(found.num_cpus or 0), "GPU": float(found.num_gpus or 0)}


def has_machines() -> bool:
    """Tell whether any machine of the cluster is alive; one that starts workers, that is."""
    return any(node["Alive"] for node in ray.nodes())


def _start(address: str | None, preload: Preload | None) -> None:
    if address is None:
        with _told_to_workers(preload), _without_spare_processes():
            _start_here()
        return
    head = _find_head(address)
    try:
        ray.init(address=head, log_to_driver=False, logging_level=logging.CRITICAL)
    except (ConnectionError, ValueError, RuntimeError) as error:
        message = (
            f"a Ray cluster must be running at the address, but what answers at {address} is none "
            f"({error}); leave --address out to use this machine"
        )
        raise StudyError(message) from error


@contextmanager
def _told_to_workers(preload: Preload | None) -> Iterator[None]:
    """Tell a Ray that is started meanwhile what its first workers are for.

    Ray takes it from the environment of its processes, where the user may have said otherwise.
    """
    told = dict(_IDLE_MS)
    if preload is not None:
        told |= {_PRELOADED: ",".join(preload.modules), _THREADS: str(preload.threads)}
        if (os.cpu_count() or 1) > _FEW_CORES:
            told[_STARTED_EARLY] = "0"
    added = {name: value for name, value in told.items() if name not in os.environ}
    os.environ.update(added)
    try:
        yield
    finally:
        for name in added:
            del os.environ[name]


@contextmanager
def _without_spare_processes() -> Iterator[None]:
    """Start Ray without autoscaler, log monitor and dashboard, which have nothing to do here.

    Each takes a second of a processor that the workers need, and Ray waits for the last, which it
    starts even if told to leave it out. Of the others `ray.init` cannot be told.
    """
    usual, dashboard = parameter.RayParams, Node.start_api_server

    def fewer(**given: Any) -> RayParams:  # noqa: ANN401 (as Ray has them)
        return usual(**given, include_log_monitor=False, no_monitor=True)  # type: ignore[arg-type]

    parameter.RayParams = fewer  # type: ignore[assignment, misc]
    Node.start_api_server = lambda *_, **__: None  # type: ignore[method-assign]
    try:
        yield
    finally:
        parameter.RayParams = usual  # type: ignore[misc]
        Node.start_api_server = dashboard  # type: ignore[method-assign]


def _start_here() -> None:
    stuck = f"Ray must start on this machine within {_START_S:g} s, but did not; try again"
    try:
        with exit_when_stuck(_START_S, stuck):
            ray.init(
                # Or Ray would join whatever cluster it finds on this machine.
                address="local",
                include_dashboard=False,
                object_store_memory=_OBJECT_STORE_BYTES,
                log_to_driver=False,
                logging_level=logging.CRITICAL,
            )
    except Exception as error:  # Ray's own words for a start that takes too long are no more.
        first_line = str(error).split("\n", maxsplit=1)[0]
        message = (
            f"Ray must start on this machine within half a minute, but did not ({first_line}); "
            "see that the machine has processors and memory to spare, and try again"
        )
        raise StudyError(message) from error


def _find_head(address: str) -> str:
    """Return HOST:PORT of the head that answers at an address, which may be Ray's word "auto".

    It is asked before Ray does: Ray waits for minutes, and then ends the process.
    """
    try:
        head = canonicalize_bootstrap_address(address) or ""
        host, _, port = head.rpartition(":")
        socket.create_connection((host.strip("[]"), int(port)), timeout=_CONNECT_TIMEOUT_S).close()
    except (OSError, ValueError, OverflowError) as error:
        message = (
            "a Ray cluster must be running at the address, HOST:PORT of its head or auto, but "
            f"there is none at {address} ({error}); leave --address out to use this machine"
        )
        raise StudyError(message) from error
    return head
