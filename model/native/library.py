"""Compiles the kernels once for a machine, and loads them.

No compiler, no kernels: everything they do is also done by PyTorch, only slower. The library is
kept in the user's cache under a name that says what it was made of: another processor, compiler or
source makes another one.
"""

from __future__ import annotations

import ctypes
import hashlib
import os
import platform
import shutil
import subprocess
import tempfile
import warnings
from functools import cache
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from torch import Tensor

SWITCH = "DPCC_NATIVE"
"""Environment variable; "0" does without the kernels."""

SOURCES = ("rows.cpp", "attend.cpp")
# Reordering sums lets the compiler use vectors; numbers that are not finite must stay so, and
# `-ffast-math` itself would change the rounding mode of the whole process.
FLAGS = (
    "-O3",
    "-march=native",
    "-std=c++17",
    "-fassociative-math",
    "-freciprocal-math",
    "-fno-signed-zeros",
    "-fno-trapping-math",
    "-fno-math-errno",
    "-shared",
    "-fPIC",
)
_COMPILE_S = 120


def usable(*tensors: Tensor) -> bool:
    """Tell whether the kernels can work on such tensors: float32 on the CPU, as they are."""
    return (
        all(tensor.device.type == "cpu" and tensor.dtype == torch.float32 for tensor in tensors)
        and not torch.is_autocast_enabled("cpu")
        and library() is not None
    )


@cache
def library() -> ctypes.CDLL | None:
    """The kernels; None where there are none. The first call on a machine compiles for seconds."""
    if os.environ.get(SWITCH) == "0":
        return None
    compiler = next(filter(None, map(shutil.which, _compilers())), None)
    if compiler is None:
        return None
    try:
        return ctypes.CDLL(str(_compiled(compiler)))
    except (OSError, subprocess.SubprocessError) as error:
        warnings.warn(
            f"the kernels for the CPU could not be compiled by {compiler}, so PyTorch does their "
            f"work more slowly: {_reason(error)}; {SWITCH}=0 silences this",
            RuntimeWarning,
            stacklevel=2,
        )
        return None


def _compilers() -> tuple[str, ...]:
    return tuple(filter(None, (os.environ.get("CXX"), "c++", "g++", "clang++")))


def _compiled(compiler: str) -> Path:
    """Return the library's path, made now if it is missing."""
    sources = {name: _source(name) for name in SOURCES}
    made_of = [*sources.values(), *FLAGS, _version(compiler), _processor()]
    digest = hashlib.sha256("\0".join(made_of).encode()).hexdigest()[:16]
    folder = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "dpcc-study"
    path = folder / f"kernels-{digest}.so"
    if path.exists():
        return path
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder) as scratch:
        for name, source in sources.items():
            (Path(scratch) / name).write_text(source, encoding="utf-8")
        _compile(compiler, Path(scratch))
        # Whoever else is compiling makes the same file; the last one stays.
        (Path(scratch) / "kernels.so").replace(path)
    return path


def _compile(compiler: str, folder: Path) -> None:
    """Compile with threads where the compiler knows how, else without."""
    command = [compiler, *FLAGS, *SOURCES, "-o", "kernels.so"]
    for extra in (["-fopenmp"], []):
        done = subprocess.run(  # noqa: S603 (the compiler was found on the user's own path)
            [*command, *extra],
            cwd=folder,
            capture_output=True,
            text=True,
            timeout=_COMPILE_S,
            check=False,
        )
        if done.returncode == 0:
            return
    raise subprocess.CalledProcessError(done.returncode, compiler, stderr=done.stderr)


def _source(name: str) -> str:
    return (resources.files("model.native") / name).read_text(encoding="utf-8")


def _version(compiler: str) -> str:
    return subprocess.run(  # noqa: S603 (as above)
        [compiler, "--version"], capture_output=True, text=True, timeout=_COMPILE_S, check=True
    ).stdout


def _processor() -> str:
    """What `-march=native` depends on, as far as the system tells."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return f"{platform.machine()} {platform.processor()}"
    told = ("flags", "Features", "model name", "CPU part")
    return "\n".join(sorted({line for line in lines if line.startswith(told)}))


def _reason(error: Exception) -> str:
    told = (getattr(error, "stderr", None) or str(error)).strip().splitlines()
    return told[0] if told else type(error).__name__
