"""The lock of a study's folder: one driver on this machine, and who it is.

The lock is the kernel's (flock): it ends with the process, however that ends. Whoever can open the
file can hold it, so its owner alone may open it. What is in it says which process drives, and when
that process began, since ids of processes are used again.
"""

from __future__ import annotations

import json
import os
import stat
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from pwd import getpwuid
from typing import TYPE_CHECKING, Any

from study.base.errors import StudyError
from study.base.locks import lock

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

DRIVER_LOCK = "driver.lock"

_OWNER_ONLY = 0o600

_PATIENCE_S = 1.0
"""How long a lock is tried for: `study status` holds it for a moment to look whether it is free."""


@contextmanager
def driver_lock(folder: Path) -> Iterator[None]:
    """Hold the lock of a study's folder.

    Raises:
        StudyError: another process holds it, or it is another user's.
    """
    descriptor = _held(folder / DRIVER_LOCK)
    try:
        with suppress(OSError):  # A full disk: the lock holds all the same.
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, json.dumps(_ourselves()).encode(), 0)
        try:
            yield
        finally:
            with suppress(OSError):
                os.ftruncate(descriptor, 0)  # This process lives on, and drives no more.
    finally:
        os.close(descriptor)


def _held(path: Path) -> int:
    """Open the lock's file and lock it; the descriptor holds it until it is closed."""
    while True:
        descriptor = _opened(path, os.O_RDWR | os.O_CREAT)
        with ExitStack() as unless_held:
            unless_held.callback(os.close, descriptor)
            is_sound = _is_sound(descriptor)
            with suppress(OSError):  # Versions before let all read it; some disks have no modes.
                os.fchmod(descriptor, _OWNER_ONLY)
            if not lock(descriptor, patience_s=_PATIENCE_S):
                raise StudyError(_refusal(path, descriptor, is_sound=is_sound))
            # Meanwhile somebody may have removed it, and another process have made a new one.
            if _lies_at(path, descriptor):
                unless_held.pop_all()
                return descriptor


def _lies_at(path: Path, descriptor: int) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), path.lstat())
    except FileNotFoundError:
        return False


def is_locked(folder: Path) -> bool | None:
    """Tell whether a process holds the lock; None where only another user may look."""
    try:
        descriptor = _opened(folder / DRIVER_LOCK, os.O_RDONLY)
    except FileNotFoundError:
        return False
    except StudyError:
        return None
    try:
        return not lock(descriptor, patience_s=0.0, shared=True)
    finally:
        os.close(descriptor)


def _opened(path: Path, flags: int) -> int:
    """Open the lock's file, and nothing that lies there in its place."""
    try:
        descriptor = os.open(path, flags | os.O_NOFOLLOW | os.O_NONBLOCK, _OWNER_ONLY)
    except FileNotFoundError:
        raise
    except OSError as error:
        if isinstance(error, PermissionError) and _is_anothers(path):
            raise StudyError(
                f"a study is driven by the user whose lock it has, and {path} belongs to "
                f"{_user_of(path)}; let that user go on with it, or drive a copy of the folder"
            ) from error
        raise StudyError(
            f"a study's lock must be a file that can be written, and {path} cannot be opened "
            f"({error.strerror}); see to its folder's permissions and room, and that it is no link"
        ) from error
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise StudyError(f"a study's lock must be a file, and {path} is none; remove it")
    return descriptor


def _is_sound(descriptor: int) -> bool:
    """Tell whether nobody but this user can have written into the file."""
    status = os.fstat(descriptor)
    return status.st_uid == os.geteuid() and not status.st_mode & 0o022


def _ourselves() -> dict[str, Any]:
    return {"pid": os.getpid(), "began": _began(os.getpid()), "boot": _boot()}


def _boot() -> str:
    with suppress(OSError):
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    return ""


def _began(pid: int) -> int | None:
    """Return when a process began, in the kernel's ticks since its boot; None where it is gone."""
    with suppress(OSError, ValueError, IndexError):
        told = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
        return int(told.rpartition(")")[2].split()[19])  # The 22nd field (proc(5)).
    return None


def _driver(written: bytes, holders: Sequence[int]) -> int | None:
    """Return the process that a lock names, if that very process lives, is ours, and holds it.

    Args:
        written: what the lock's file holds.
        holders: who holds the lock; empty where the kernel does not tell.
    """
    with suppress(ValueError, TypeError, KeyError, OSError):
        told = json.loads(written)
        if type(told) is int:  # Of an earlier version: the id alone.
            return told if list(holders) == [told] and _is_ours(told) else None
        pid = int(told["pid"])
        is_same = (told["boot"], told["began"]) == (_boot(), _began(pid))
        return pid if is_same and list(holders) in ([], [pid]) and _is_ours(pid) else None
    return None


def _is_ours(pid: int) -> bool:
    return Path(f"/proc/{pid}").stat().st_uid == os.geteuid()


def _refusal(path: Path, descriptor: int, *, is_sound: bool) -> str:
    holders, only = _holders(descriptor), "a study has one driver at a time, and "
    driver = _driver(os.pread(descriptor, 256, 0), holders) if is_sound else None
    if driver is not None:
        return (
            f"{only}'{path.parent.name}' is driven by process {driver} on this machine; wait for "
            f"it, or stop it with `kill {driver}`"
        )
    who = " and ".join(f"process {pid} of {_user_of(Path(f'/proc/{pid}'))}" for pid in holders)
    return (
        f"{only}{who or 'a process on this machine'} holds the lock of '{path.parent.name}', "
        f"{path}, without being known to drive it; see what that process is (`lslocks` lists who "
        "holds locks), and if no driver is at work, remove the lock's file"
    )


def _holders(descriptor: int) -> list[int]:
    """Return the processes that hold a lock on a file, as far as the kernel tells."""
    status = os.fstat(descriptor)
    device = f"{os.major(status.st_dev):02x}:{os.minor(status.st_dev):02x}:{status.st_ino}"
    try:
        lines = Path("/proc/locks").read_text(encoding="ascii").splitlines()
    except OSError:
        return []
    held = [line.split() for line in lines if " FLOCK " in line and "->" not in line]
    return sorted({int(words[4]) for words in held if words[5] == device and int(words[4]) > 0})


def _is_anothers(path: Path) -> bool:
    try:
        return path.lstat().st_uid != os.geteuid()
    except OSError:
        return False


def _user_of(path: Path) -> str:
    """Return whose a file or a process is."""
    try:
        user = path.stat().st_uid
    except OSError:
        return "of an unknown user"
    try:
        return getpwuid(user).pw_name
    except KeyError:
        return f"user {user}"
