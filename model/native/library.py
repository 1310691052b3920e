"""Compiles the kernels once for a machine, and loads them.

No compiler, no kernels: everything they do is also done by PyTorch, only slower. The library is
kept in the user's cache under a name that says what it was made of: another processor, compiler or
source makes another one. It ends with its own digest: a file that a full disk or a crash cut short
would take the process with it when loaded.
"""

from __future__ import annotations

import ctypes
import hashlib
import os
import platform
import shutil
import stat
import subprocess
import tempfile
import warnings
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from functools import cache
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from torch import Tensor

SWITCH = "DPCC_NATIVE"
"""Environment variable; "0" does without the kernels."""

SOURCES = (
    *("rows.cpp", "attend.cpp", "nearest.cpp", "crowding.cpp", "octree.cpp", "placing.cpp"),
    *("exponential.hpp", "mixing.hpp", "tasks.hpp"),
)
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


_REFUSED = ContextVar("_REFUSED", default=False)


@contextmanager
def without_kernels() -> Iterator[None]:
    """Let PyTorch do in the block what it can do too: where its products are to be seen."""
    before = _REFUSED.set(True)
    try:
        yield
    finally:
        _REFUSED.reset(before)


def usable(*tensors: Tensor) -> bool:
    """Tell whether the kernels can work on such tensors: float32 on the CPU, as they are."""
    import torch  # noqa: PLC0415  who has tensors has it; other kernels work without

    return (
        all(tensor.device.type == "cpu" and tensor.dtype == torch.float32 for tensor in tensors)
        and not torch.is_autocast_enabled("cpu")
        and not _REFUSED.get()
        and library() is not None
    )


@cache
def library() -> ctypes.CDLL | None:
    """The kernels; None where there are none. The first call on a machine compiles for seconds."""
    if os.environ.get(SWITCH) == "0":
        return None
    compiler = _compiler()
    if compiler is None:
        return None
    try:
        return _loaded(compiler)
    except (OSError, subprocess.SubprocessError) as error:
        warnings.warn(
            f"{' '.join(compiler)} could make no kernels for the CPU, so PyTorch does their work "
            f"more slowly: {_reason(error)}; {SWITCH}=0 silences this",
            RuntimeWarning,
            stacklevel=2,
        )
        return None


def _compiler() -> tuple[str, ...] | None:
    """The compiler's path, and what the user's CXX adds to it; None where there is none."""
    for named in (os.environ.get("CXX", ""), "c++", "g++", "clang++"):
        program, *arguments = named.split() or [""]
        found = shutil.which(program)
        if found is not None:
            return found, *arguments
    return None


def _loaded(compiler: Sequence[str]) -> ctypes.CDLL:
    """The library, from the first folder where it can be kept and loaded."""
    sources = {name: _source(name) for name in SOURCES}
    made_of = [*sources.values(), *FLAGS, *compiler, _version(compiler), _machine()]
    digest = hashlib.sha256("\0".join(made_of).encode()).hexdigest()[:16]
    troubles = []
    for folder in _folders():
        try:
            _make_private(folder)
            return _loaded_from(folder / f"kernels-{digest}.so", compiler, sources)
        except OSError as error:
            troubles.append(str(error))
    raise OSError("; ".join(troubles))


def _folders() -> Iterator[Path]:
    """The user's cache; where it cannot be written or run from, the folder for temporary files."""
    with suppress(RuntimeError):  # of a user without a home
        yield Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "dpcc-study"
    yield Path(tempfile.gettempdir()) / f"dpcc-study-{os.geteuid()}"


def _make_private(folder: Path) -> None:
    """Make a folder, or refuse one that another user may write into: what it holds is run as us."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    found = folder.lstat()
    mine = stat.S_ISDIR(found.st_mode) and found.st_uid == os.geteuid()
    if not mine or found.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise PermissionError(
            f"{folder} must be a folder that belongs to this user and that nobody else may write "
            f"into; remove it, or let XDG_CACHE_HOME name a folder for another"
        )


def _loaded_from(path: Path, compiler: Sequence[str], sources: dict[str, str]) -> ctypes.CDLL:
    """Load the library from its path, where it is made if it is missing or does not load."""
    if _is_whole(path):
        try:
            return ctypes.CDLL(str(path))
        except OSError:
            pass  # Of another system that shares this folder: it lacks what that one links to.
    with tempfile.TemporaryDirectory(dir=path.parent) as scratch:
        made = _compiled(compiler, sources, Path(scratch))
        content = made.read_bytes()
        made.write_bytes(content + hashlib.sha256(content).digest())
        # Whoever else is compiling makes the same file; the last one stays.
        made.replace(path)
    return ctypes.CDLL(str(path))


def _is_whole(path: Path) -> bool:
    """Tell whether a file is there and ends with the digest of what stands before it."""
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return False
    size = hashlib.sha256().digest_size
    return hashlib.sha256(content[:-size]).digest() == content[-size:]


def _compiled(compiler: Sequence[str], sources: dict[str, str], folder: Path) -> Path:
    """Compile with threads where the compiler knows how, else without."""
    for name, source in sources.items():
        (folder / name).write_text(source, encoding="utf-8")
    units = [name for name in sources if name.endswith(".cpp")]
    command = [*compiler, *FLAGS, *units, "-o", "kernels.so"]
    try:
        _run([*command, "-fopenmp"], folder)
    except subprocess.CalledProcessError:
        _run(command, folder)
    return folder / "kernels.so"


def _run(command: Sequence[str], folder: Path | None = None) -> str:
    """What a command of the compiler printed."""
    return subprocess.run(  # noqa: S603 (the compiler was found on the user's own path)
        command,
        cwd=folder,
        capture_output=True,
        encoding="utf-8",
        errors="replace",
        timeout=_COMPILE_S,
        check=True,
    ).stdout


def _source(name: str) -> str:
    return (resources.files("model.native") / name).read_text(encoding="utf-8")


def _version(compiler: Sequence[str]) -> str:
    return _run([*compiler, "--version"])


def _machine() -> str:
    """What `-march=native` depends on, and the C library, as far as the system tells."""
    system = f"{platform.machine()} {platform.libc_ver()}"
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return system
    told = ("flags", "Features", "vendor_id", "cpu family", "model", "CPU ")
    return "\n".join([system, *sorted({line for line in lines if line.startswith(told)})])


def _reason(error: Exception) -> str:
    """The first line that the compiler or the system said, or failing that, what failed."""
    said = error.stderr if isinstance(error, subprocess.CalledProcessError) else None
    return (said or str(error)).strip().splitlines()[0]
