"""Deliveries to a place that may be slow or down, off the caller's path.

Knows nothing of MLflow: a courier has a way to reach a place, and parcels that each know what to
do once there. A parcel sent under the same name replaces the one that still waits, so what waits is
bounded by the number of names, however long the place is down.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

Place = TypeVar("Place")

_FIRST_PAUSE_S = 1.0
_LONGEST_PAUSE_S = 30.0


class Courier(Generic[Place]):
    """Delivers parcels in a background thread, again and again until they arrive.

    `send` takes microseconds and never raises. One parcel that is refused does not hold up the
    others; when the place cannot be reached at all, the pause between two attempts doubles up to
    half a minute. The thread is a daemon: it never keeps a finished program alive.
    """

    def __init__(self, name: str, reach: Callable[[], Place]) -> None:
        """Start the thread.

        Args:
            name: the thread's, for debuggers.
            reach: gets hold of the place; called in the thread, at first and after each failure.
        """
        self._reach = reach
        self._place: Place | None = None
        self._parcels: dict[str, Callable[[Place], None]] = {}
        self._error: Exception | None = None
        self._closing = False
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._work, name=name, daemon=True)
        self._thread.start()

    def send(self, name: str, deliver: Callable[[Place], None]) -> None:
        """Have `deliver` called with the place, in place of an undelivered parcel of that name."""
        with self._changed:
            self._parcels.pop(name, None)  # a parcel that is replaced goes to the end of the queue
            self._parcels[name] = deliver
            self._changed.notify()

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
            with self._changed:
                self._changed.wait_for(lambda: self._parcels or self._closing)
                batch, is_last = dict(self._parcels), self._closing
            if self._deliver(batch):
                pause_s = _FIRST_PAUSE_S
            elif not is_last:
                with self._changed:
                    self._changed.wait_for(lambda: self._closing, timeout=pause_s)
                pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)
            if is_last:
                return

    def _deliver(self, batch: dict[str, Callable[[Place], None]]) -> bool:
        """Try each parcel once; say whether all arrived."""
        all_arrived = True
        for name, deliver in batch.items():
            try:
                place = self._reach() if self._place is None else self._place
            except Exception as error:  # noqa: BLE001 - whatever it is, the study must go on
                self._error = error
                return False
            self._place = place
            try:
                deliver(place)
            except Exception as error:  # noqa: BLE001 - as above
                self._error = error
                self._place = None
                all_arrived = False
            else:
                self._forget(name, deliver)
        if all_arrived:
            self._error = None
        return all_arrived

    def _forget(self, name: str, deliver: Callable[[Place], None]) -> None:
        """Drop a parcel that has arrived, unless a newer one has taken its name meanwhile."""
        with self._changed:
            if self._parcels.get(name) is deliver:
                del self._parcels[name]
