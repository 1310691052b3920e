"""System metrics: readings of a worker's process, its machine and its GPU."""

from __future__ import annotations

import sys

import psutil

PREFIX = "system/"
"""Of the metrics' names; MLflow's page puts them under *System metrics*."""

_MIB = 2**20


class Machine:
    """Takes readings after epochs; processor shares are of the time since the last reading."""

    def __init__(self) -> None:
        """Begin to count."""
        self._process = psutil.Process()
        self._process.cpu_percent()
        psutil.cpu_percent()

    def read(self) -> dict[str, float]:
        """Return one reading.

        ``system/cpu_percent`` is the process's (100 is one core), ``system/machine_cpu_percent``
        that of all cores together (100 is all); ``system/memory_mib`` the process's resident
        memory, ``system/machine_memory_percent`` what the machine has in use. Where the process
        uses a GPU: ``system/gpu_memory_mib`` is what its tensors took at most since the last
        reading, ``system/gpu_memory_percent`` what all processes have in use on it now.
        """
        found = {
            "cpu_percent": self._process.cpu_percent(),
            "machine_cpu_percent": psutil.cpu_percent(),
            "memory_mib": self._process.memory_info().rss / _MIB,
            "machine_memory_percent": psutil.virtual_memory().percent,
            **_gpu(),
        }
        return {PREFIX + name: float(value) for name, value in found.items()}


def _gpu() -> dict[str, float]:
    """Return the same of the GPU that the process uses; nothing where it uses none."""
    torch = sys.modules.get("torch")  # A process that uses a GPU has imported it.
    if torch is None or not torch.cuda.is_available() or not torch.cuda.is_initialized():
        return {}
    free, total = torch.cuda.mem_get_info()
    highest = torch.cuda.max_memory_allocated()
    torch.cuda.reset_peak_memory_stats()
    return {
        "gpu_memory_mib": highest / _MIB,
        "gpu_memory_percent": 100 * (total - free) / total,
    }
