"""A Ray that is started for a study: its workers are ready before Tune asks for them."""

from __future__ import annotations

import os
import sys
import time
from contextlib import suppress
from typing import TYPE_CHECKING

import psutil
import ray
from ray.tune.execution.class_cache import _ActorClassCache

import study.driver.tuning  # noqa: F401  which tells Tune how to start its workers
from study.driver.cluster import ray_running
from study.driver.local_ray import Preload

if TYPE_CHECKING:
    import pytest

EARLY = "wave"
"""A module that nobody needs, Ray least of all."""


def processes() -> dict[int, str]:
    """Command lines of the processes below this one."""
    found = {}
    for each in psutil.Process().children(recursive=True):
        with suppress(psutil.NoSuchProcess):
            found[each.pid] = " ".join(each.cmdline())
    return found


def test_workers_that_ray_starts_by_itself_import_early_and_are_used(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Asked:
        def look(self) -> tuple[int, str | None, bool]:
            return os.getpid(), os.environ.get("OMP_NUM_THREADS"), EARLY in sys.modules

    assert not ray.is_initialized()
    monkeypatch.setattr(os, "cpu_count", lambda: 2)
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    before = dict(os.environ)
    with ray_running(None, Preload([EARLY], threads=3)):
        assert {n: v for n, v in os.environ.items() if n in before} == before
        assert "OMP_NUM_THREADS" not in os.environ
        for spare in ("monitor.py", "dashboard/dashboard.py"):
            assert not any(spare in line for line in processes().values())
        while not any("ray::IDLE" in line for line in processes().values()):
            time.sleep(0.1)
        time.sleep(3.0)  # Longer than Ray keeps a worker that nobody asks for, unless it is told.
        there = processes()
        actor = _ActorClassCache().get(Asked).options(num_cpus=1).remote()
        pid, threads, is_early = ray.get(actor.look.remote())
        assert pid in there
        assert (threads, is_early) == ("3", True)
    assert not ray.is_initialized()
