"""Reaching Ray: a cluster that runs already, or this machine alone, started quietly."""

from __future__ import annotations

import logging
import os
import socket
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

import ray
from ray._private import worker as ray_worker
from ray._private.resource_and_label_spec import ResourceAndLabelSpec
from ray._private.services import canonicalize_bootstrap_address
from ray.job_config import JobConfig

from study.base.children import own_folders
from study.base.errors import StudyError
from study.driver.interrupts import exit_when_stuck
from study.driver.local_ray import OBJECT_STORE_BYTES, private_folder, start_ray
from study.driver.termination import Stopped

if TYPE_CHECKING:
    from collections.abc import Iterator

    from study.driver.local_ray import Preload

_CONNECT_TIMEOUT_S = 5.0
_SHUTDOWN_S = 30.0

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


class _OwnPath(JobConfig):
    """A driver whose workers look for modules where its package lies, and nowhere else of it.

    Ray would add the folder that the driver was started in, where anything may lie.
    """

    def _serialize(self) -> str:
        self._py_driver_sys_path, self._cached_pb = own_folders(), None
        serialized: str = super()._serialize()
        return serialized


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
    with ExitStack() as afterwards:
        try:
            if address is None:
                start_ray(afterwards.enter_context(private_folder()), preload, _OwnPath())
            else:
                _join(address)
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
    found = ResourceAndLabelSpec(object_store_memory=OBJECT_STORE_BYTES).resolve(is_head=True)
    return {"CPU": float(found.num_cpus or 0), "GPU": float(found.num_gpus or 0)}


def machines_there() -> list[dict[str, float]]:
    """Return what Ray has on each machine of the cluster that is alive and starts workers."""
    return [node["Resources"] for node in ray.nodes() if node["Alive"]]


def _join(address: str) -> None:
    head = _find_head(address)
    # Ray would write into the table of trials that a machine was lost. `study.driver.searcher` says
    # what becomes of the trials.
    ray_worker.print_to_stdstream = lambda *_, **__: None
    try:
        ray.init(
            address=head,
            job_config=_OwnPath(),
            log_to_driver=False,
            logging_level=logging.CRITICAL,
        )
    except (ConnectionError, ValueError, RuntimeError) as error:
        message = (
            f"a Ray cluster must be running at the address, but what answers at {address} is none "
            f"({error}); leave --address out to use this machine"
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
