"""A Ray that a study starts or joins: when its workers are ready, and what they import."""

from __future__ import annotations

import os
import sys
import time
from contextlib import nullcontext, suppress
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import psutil
import pytest
import ray
from ray.tune.execution.class_cache import _ActorClassCache

import study.driver.tuning  # which tells Tune how to start its workers
from study.driver.cluster import ray_running
from study.driver.local_ray import Preload
from tests.study.cluster import running_cluster

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


@pytest.mark.parametrize("joined", [False, True])
def test_workers_import_nothing_from_the_folder_of_the_driver(
    joined: bool,  # noqa: FBT001 (a parameter of the test)
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Worker:
        def imports(self, name: str) -> str | None:
            found = find_spec(name)
            return None if found is None else found.origin

    here, elsewhere = tmp_path / "here", tmp_path / "elsewhere"
    for folder in (here, elsewhere):
        folder.mkdir()
    names = ("study", "model", "pyarrow", "psutil")
    for name in (*names, "stray"):
        (here / f"{name}.py").write_text("raise ImportError('from the folder of the driver')\n")
    monkeypatch.chdir(here)
    monkeypatch.delenv("RAY_AUTH_MODE", raising=False)
    assert not ray.is_initialized()
    cluster = running_cluster(elsewhere, {"RAY_AUTH_MODE": "disabled"}) if joined else nullcontext()
    with cluster as address, ray_running(address):
        worker: Any = ray.remote(Worker).options(num_cpus=1).remote()
        found: dict[str, str | None] = {
            name: ray.get(worker.imports.remote(name)) for name in (*names, "stray")
        }
    root = Path(study.__file__).parents[1]
    assert found.pop("stray") is None
    assert found["study"] == str(root / "study/__init__.py")
    assert not any(Path(str(place)).is_relative_to(here) for place in found.values())
