"""Deliveries to a place that may be slow or down, off the caller's path.

A courier knows nothing of MLflow: it has a way to reach a place, and parcels that each know what to
do there. A parcel replaces a waiting one of the same name, so no more parcels wait than there are
names, however long the place is down.
"""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Generic, NamedTuple, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

Place = TypeVar("Place")

_FIRST_PAUSE_S = 1.0
_LONGEST_PAUSE_S = 30.0


class RateLimit(NamedTuple):
    """How often, at most, parcels of one name are delivered; meanwhile the newest one waits.

    Attributes:
        pause_s: from one delivery to the next.
        share: of the time, the most that their deliveries may take; 1 is no limit.
    """

    pause_s: float = 0.0
    share: float = 1.0

    def rest_s(self, took_s: float) -> float:
        """Return how long to rest after a delivery: after 2 s at a share of 0.02, for 98 s."""
        return max(self.pause_s, took_s / self.share - took_s)


_AT_ONCE = RateLimit()


class _Parcel(NamedTuple, Generic[Place]):
    deliver: Callable[[Place], None]
    pace: RateLimit


class Courier(Generic[Place]):
    """Delivers parcels in a background thread, again and again until they arrive.

    `send` takes microseconds and never raises. A parcel that is refused does not hold up the
    others. While the place cannot be reached, the pause between two attempts doubles up to half a
    minute. The thread is a daemon: it never keeps a finished program alive.
    """

    def __init__(self, name: str, reach: Callable[[], Place]) -> None:
        """Start the thread.

        Args:
            name: the thread's, for debuggers.
            reach: connects to the place; called in the thread, at first and after each failure.
        """
        self._reach = reach
        self._place: Place | None = None
        self._parcels: dict[str, _Parcel[Place]] = {}
        self._rests_until: dict[str, float] = {}
        self._error: Exception | None = None
        self._closing = False
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._work, name=name, daemon=True)
        self._thread.start()

    def send(self, name: str, deliver: Callable[[Place], None], pace: RateLimit = _AT_ONCE) -> None:
        """Have `deliver` called with the place; it replaces an undelivered parcel of that name."""
        with self._changed:
            self._parcels.pop(name, None)  # a parcel that is replaced goes to the end of the queue
            self._parcels[name] = _Parcel(deliver, pace)
            self._changed.notify()

    def rest(self, name: str, seconds: float) -> None:
        """Deliver no parcel of that name for so many seconds."""
        with self._changed:
            self._rests_until[name] = time.monotonic() + seconds

    def drop(self, name: str) -> None:
        """Forget an undelivered parcel, if there is one."""
        with self._changed:
            self._parcels.pop(name, None)

    def close(self, timeout_s: float) -> tuple[list[str], Exception | None]:
        """Deliver what waits, with one last attempt where that fails, and end the thread.

        Returns:
            The names of the parcels that did not arrive within the time, and the newest failure
            (None when it was only the time that ran out).
        """
        with self._changed:
            self._closing = True
            self._changed.notify()
        self._thread.join(timeout_s)
        with self._changed:
            return list(self._parcels), self._error

    def _work(self) -> None:
        """Deliver whatever waits until closed; what fails waits for the next round."""
        pause_s = _FIRST_PAUSE_S
        while True:
            batch, is_last = self._await()
            if self._deliver(batch):
                pause_s = _FIRST_PAUSE_S
            elif not is_last:
                with self._changed:
                    self._changed.wait_for(lambda: self._closing, timeout=pause_s)
                pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)
            if is_last:
                return

    def _await(self) -> tuple[dict[str, _Parcel[Place]], bool]:
        """Wait for parcels that are due; return them, and whether the courier is to close.

        When it closes all are due.
        """
        with self._changed:
            while True:
                now = time.monotonic()
                rests_s = {name: self._rests_until.get(name, now) - now for name in self._parcels}
                due = {n: p for n, p in self._parcels.items() if self._closing or rests_s[n] <= 0}
                if due or self._closing:
                    return due, self._closing
                self._changed.wait(min(rests_s.values(), default=None))

    def _deliver(self, batch: dict[str, _Parcel[Place]]) -> bool:
        """Try each parcel once; say whether all arrived."""
        all_arrived = True
        for name, parcel in batch.items():
            started = time.monotonic()
            try:
                place = self._reach() if self._place is None else self._place
            except Exception as error:  # noqa: BLE001 - whatever it is, the study must go on
                self._error = error
                return False
            self._place = place
            try:
                parcel.deliver(place)
            except Exception as error:  # noqa: BLE001 - as above
                self._error = error
                self._place = None
                all_arrived = False
            else:
                self._forget(name, parcel)
                if parcel.pace != _AT_ONCE:
                    self.rest(name, parcel.pace.rest_s(time.monotonic() - started))
        if all_arrived:
            self._error = None
        return all_arrived

    def _forget(self, name: str, parcel: _Parcel[Place]) -> None:
        """Drop a parcel that has arrived, unless a newer one has taken its name meanwhile."""
        with self._changed:
            if self._parcels.get(name) is parcel:
                del self._parcels[name]
