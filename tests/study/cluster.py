"""A Ray that somebody else has started on this machine, for studies that join it."""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

_CODE = """
import ray, sys
context = ray.init("local", num_cpus=2, include_dashboard=False, logging_level=50)
print(context.address_info["gcs_address"], flush=True)
sys.stdin.readline()
print(len(ray.nodes()), flush=True)
"""


@contextmanager
def running_cluster(folder: Path, access: Mapping[str, str]) -> Iterator[str]:
    """Start it in a folder, and yield its address; it must be alive in the end.

    Args:
        folder: where it is started.
        access: variables that say who may join.
    """
    with subprocess.Popen(
        [sys.executable, "-c", _CODE],
        cwd=folder,
        env=os.environ | access,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:
        assert process.stdout is not None
        try:
            yield process.stdout.readline().strip()
        finally:
            machines, _ = process.communicate("\n", timeout=60)
        assert machines == "1\n"
