"""A study has one driver. Its storage says which, with a heartbeat: the lease.

On one machine the kernel's lock on the study's folder (`study.storage.folder`) tells at once
whether a driver lives. Across machines nothing does but a sign of life that the driver gives again
and again: it writes the time beside its name. A lease without one for a minute is stale, and may be
taken.

No clock is trusted alone. A stale lease is watched for longer than a heartbeat before it is taken.
A driver that takes one writes its own name, waits, and checks that the name is still there. It
checks again before each sign of life: if its lease was taken meanwhile, because its machine slept
for instance, it writes nothing more and stops.
"""

from __future__ import annotations

import os
import socket
import threading
import time
import uuid
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from study.base.errors import StudyError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from study.storage.folder import StudyFolder

STALE_S = 60.0
"""A lease without a sign of life for so long may be taken."""


class LeaseStore(Protocol):
    """Where a study's lease is written: see `study.storage.trial_store.TrialStore`."""

    def lease(self) -> Mapping[str, Any] | None:
        """Return what was written last, by whichever process, or None."""

    def write_lease(self, lease: Mapping[str, Any]) -> None:
        """Write it down. It is called from a thread of its own."""


@dataclass(frozen=True)
class Timing:
    """How long a lease's steps take, in seconds.

    Attributes:
        beat_s: between two signs of life.
        retry_s: until the next attempt where the storage did not answer.
        watch_s: a stale lease is watched for so long before it is taken; more than `beat_s`.
        settle_s: whoever takes a lease waits for so long and looks whether it has it.
    """

    beat_s: float = 10.0
    retry_s: float = 1.0
    watch_s: float = 15.0
    settle_s: float = 0.5


@dataclass(frozen=True)
class Holder:
    """Who drives a study.

    Attributes:
        id: no other process has it.
        host: the machine's name.
        machine: what tells it from others of that name, and from itself before a reboot.
        folder: the study's folder as that machine sees it.
        pid: the process.
        since: when it began, in seconds since 1970.
        beat: its last sign of life, likewise; 0 where it has ended in order.
    """

    id: str
    host: str
    machine: str
    folder: str
    pid: int
    since: float
    beat: float

    @classmethod
    def read(cls, written: Mapping[str, Any] | None) -> Holder | None:
        """Return who is written down; what another version wrote besides is left out."""
        if not written:
            return None
        return cls(**{field.name: written[field.name] for field in fields(cls)})


class Lease:
    """The lease of this process, while it holds it.

    Attributes:
        lost: set once another driver has taken it. Nothing may be written into the study then.
    """

    def __init__(self, store: LeaseStore, holder: Holder, timing: Timing) -> None:
        """Begin to give signs of life in a thread."""
        self.lost = threading.Event()
        self._store, self._holder, self._timing = store, holder, timing
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._beat, name="lease", daemon=True)
        self._thread.start()

    def _beat(self) -> None:
        pause_s = self._timing.beat_s
        while not self._ended.wait(pause_s):
            try:
                if not self._write(time.time()):
                    self.lost.set()
                    return
                pause_s = self._timing.beat_s
            except Exception:  # noqa: BLE001 - locked or out of reach: the next attempt counts
                pause_s = self._timing.retry_s

    def _write(self, beat: float) -> bool:
        """Give a sign of life, unless the lease is another's by now; say whether it is ours."""
        there = Holder.read(self._store.lease())
        if there is None or there.id != self._holder.id:
            return False
        self._store.write_lease(asdict(replace(self._holder, beat=beat)))
        return True

    def end(self) -> None:
        """Give it back, so that the next driver need not wait."""
        self._ended.set()
        self._thread.join(self._timing.beat_s)
        with suppress(Exception):  # It then goes stale by itself.
            self._write(0.0)


@contextmanager
def hold(
    store: LeaseStore,
    folder: StudyFolder,
    *,
    timing: Timing | None = None,
    tell: Callable[[str], None] = lambda _: None,
) -> Iterator[Lease]:
    """Be the study's driver during the block. The study's folder must be locked.

    Args:
        store: the study's.
        folder: the study's.
        timing: how long things take; for tests.
        tell: given a line where there is something to wait for.

    Raises:
        StudyError: another driver is alive, as far as can be told; the sentence says which.
    """
    timing = timing or Timing()
    ours = ourselves(folder)
    there = Holder.read(store.lease())
    if there is not None and not has_ended(there, ours):
        _check_stale(there, store, folder, timing, tell)
    store.write_lease(asdict(ours))
    if there is not None:  # A study that has just begun is known to nobody else.
        time.sleep(timing.settle_s)
        now = Holder.read(store.lease())
        if now is None or now.id != ours.id:
            raise StudyError(_refusal(folder, now or there, "which was a moment faster; leave it"))
    lease = Lease(store, ours, timing)
    try:
        yield lease
    finally:
        lease.end()


def release(store: LeaseStore) -> None:
    """Give back the lease that a copy of a database holds: nobody drives the copy."""
    if there := Holder.read(store.lease()):
        store.write_lease(asdict(replace(there, beat=0.0)))


def is_driven(store: LeaseStore, folder: StudyFolder) -> bool:
    """Tell whether a driver works on the study, on this machine or on another.

    Of one on another machine only its signs of life tell: it seems to live until they are stale.
    So it is with another user's.
    """
    alive = folder.driver_alive()
    if alive:
        return True
    there = Holder.read(store.lease())
    if there is None or there.beat == 0:
        return False
    if alive is not None and has_ended(there, ourselves(folder)):
        return False
    return abs(time.time() - there.beat) <= STALE_S


def ourselves(folder: StudyFolder) -> Holder:
    """Return who this process is, as the driver of a study from now on."""
    now = time.time()
    place = str(folder.path.resolve())
    return Holder(uuid.uuid4().hex, socket.gethostname(), _machine(), place, os.getpid(), now, now)


def _machine() -> str:
    """Return the id of this machine's last boot; empty where the system has none."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        return ""


def has_ended(there: Holder, ours: Holder) -> bool:
    """Tell whether it gave the lease back, or is known to be dead: the folder must be locked."""
    if there.beat == 0:
        return True
    if (there.host, there.machine) != (ours.host, ours.machine):
        return False
    # Nobody else has the folder's lock. A study that was moved meanwhile had another.
    return there.folder == ours.folder or not _is_alive(there.pid)


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # Another user's.
        pass
    return True


def _check_stale(
    there: Holder,
    store: LeaseStore,
    folder: StudyFolder,
    timing: Timing,
    tell: Callable[[str], None],
) -> None:
    """Raise StudyError unless the holder has given no sign of life for long, by any clock."""
    silent_s = time.time() - there.beat
    # A clock that is far ahead of ours says nothing either: it is watched all the same.
    if abs(silent_s) <= STALE_S:
        rest_s = max(STALE_S - silent_s, 1.0)
        raise StudyError(
            _refusal(
                folder, there, f"stop that one, or, if it is dead, try again in {rest_s:.0f} s"
            )
        )
    tell(
        f"process {there.pid} on {there.host} drove this study and seems to be dead; looking for "
        f"{timing.watch_s:g} s whether it is"
    )
    time.sleep(timing.watch_s)
    now = Holder.read(store.lease())
    if now is not None and (now.id, now.beat) != (there.id, there.beat) and now.beat != 0:
        raise StudyError(
            _refusal(folder, now, "stop that one first, and compare the clocks of both machines")
        )


def _refusal(folder: StudyFolder, there: Holder, remedy: str) -> str:
    since = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(there.since))
    return (
        f"a study has one driver at a time, and '{folder.path.name}' is driven by process "
        f"{there.pid} on {there.host} since {since}; {remedy}"
    )
