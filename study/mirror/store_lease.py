"""A mirror has one head. The store says which, by a number that only rises.

Whoever takes the lease creates the object of the next number, which a store lets one of several
do. That number is in the name of every manifest that it writes, before the manifest's own: what a
head that was cut off still writes is older than all that its successor wrote.

The head gives signs of life by writing an object of its own again and again. How old the last one
is, is told by the store's clock alone: it is compared with an object written now.
"""

from __future__ import annotations

import json
import threading
import time
from dataclasses import asdict
from typing import TYPE_CHECKING

from study.base.errors import StudyError
from study.mirror.errors import MissingError, StoreError
from study.storage.lease import Holder, has_ended

if TYPE_CHECKING:
    from collections.abc import Callable

    from study.mirror.objects import Objects

BEAT_S = 15.0
STALE_S = 90.0
"""A head without a sign of life for so long may be followed by another."""

_ENDED = b"ended"


class TakenOverError(StoreError):
    """Another head has taken the mirror."""


class StoreLease:
    """The lease of this process on a mirror, while it holds it.

    Args:
        objects: the mirror.
        ours: this process.
        on_taken: called once, in a thread, when another head has taken the mirror.
        beat_s: seconds between two signs of life.
        stale_s: seconds after which a head without one counts as dead.

    Raises:
        StudyError: another head seems to live.
        StoreError: the store does not answer.
    """

    def __init__(
        self,
        objects: Objects,
        ours: Holder,
        on_taken: Callable[[], None],
        *,
        beat_s: float = BEAT_S,
        stale_s: float = STALE_S,
    ) -> None:
        self._objects, self._on_taken, self._beat_s = objects, on_taken, beat_s
        newest = _newest(objects)
        if newest:
            _check_followable(objects, newest, ours, stale_s)
        self.number = newest + 1
        content = json.dumps(asdict(ours)).encode()
        if not objects.create(_lease(self.number), content) or _newest(objects) != self.number:
            raise StudyError(
                f"a mirror has one head at a time, and another took {objects.url} a moment ago; "
                "leave it, or give this study a storage.mirror of its own"
            )
        objects.write(_beat(self.number), b"0")
        earlier = [name(n) for n in _numbers(objects) if n < newest for name in (_lease, _beat)]
        objects.delete(earlier)
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._keep, name="mirror-lease", daemon=True)
        self._thread.start()

    def check(self) -> None:
        """Raise TakenOverError if another head has taken the mirror."""
        if _newest(self._objects) != self.number:
            raise TakenOverError(f"another head has taken {self._objects.url}")

    def end(self) -> None:
        """Give it back, so that the next head need not wait."""
        self._ended.set()
        self._thread.join()
        try:
            self._objects.write(_beat(self.number), _ENDED)
        except StoreError:  # It then goes stale by itself.
            return

    def _keep(self) -> None:
        beats = 0
        while not self._ended.wait(self._beat_s):
            try:
                self.check()
                beats += 1
                self._objects.write(_beat(self.number), str(beats).encode())
            except TakenOverError:
                self._on_taken()
                return
            except StoreError:  # The next one counts.
                continue


def _check_followable(objects: Objects, number: int, ours: Holder, stale_s: float) -> None:
    """Raise StudyError unless the head of that number has ended, or is silent for long."""
    try:
        there = Holder.read(json.loads(objects.read(_lease(number))))
    except (ValueError, KeyError) as error:
        raise StudyError(
            f"{objects.url} must hold mirrors only: {_lease(number)}: {error}"
        ) from error
    if there is None or has_ended(there, ours) or _said_goodbye(objects, number):
        return
    silent_s = _age_s(objects, number, ours.id)
    if silent_s < stale_s:
        since = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(there.since))
        raise StudyError(
            f"a mirror has one head at a time, and {objects.url} is written by process {there.pid} "
            f"on {there.host} since {since}, {silent_s:.0f} s ago for the last time; stop that "
            f"one, or, if it is dead, try again in {stale_s - silent_s + 1:.0f} s"
        )


def _said_goodbye(objects: Objects, number: int) -> bool:
    try:
        return objects.read(_beat(number)) == _ENDED
    except MissingError:  # Killed, or about to write the first one.
        return False


def _age_s(objects: Objects, number: int, ours: str) -> float:
    """Return how old a head's last sign of life is, by the store's clock."""
    now = f"clocks/{ours}"
    objects.write(now, b"now")
    written = {each.name: each.written for each in objects.found("clocks")}
    signs = [*objects.found("leases"), *objects.found("beats")]
    last = max(each.written for each in signs if each.name in {_lease(number), _beat(number)})
    objects.delete([now])
    return (written[now] - last).total_seconds()


def _numbers(objects: Objects) -> list[int]:
    stems = (each.name.partition("/")[2].partition(".")[0] for each in objects.found("leases"))
    return [int(stem) for stem in stems if stem.isdecimal()]


def _newest(objects: Objects) -> int:
    return max(_numbers(objects), default=0)


def _lease(number: int) -> str:
    return f"leases/{number:08d}.json"


def _beat(number: int) -> str:
    return f"beats/{number:08d}"
