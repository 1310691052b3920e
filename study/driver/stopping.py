"""Stops a study before its end, between two epochs."""

from __future__ import annotations

import time
import uuid
from contextlib import ExitStack
from typing import TYPE_CHECKING

from ray.tune import Callback

from study.driver.cluster import machines_there
from study.driver.interrupts import exit_when_stuck
from study.driver.termination import (
    INTERRUPTED,
    RAY_DIED,
    TAKEN_OVER,
    Reason,
    Stopped,
    Termination,
)

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Mapping, Sequence

    from ray.tune.experiment import Trial

    from study.config import StudyConfig
    from study.storage.lease import Lease
    from study.storage.trial_store import TrialStore

_NOTE_EVERY_S = 30.0
_LOOK_EVERY_S = 5.0


class Stop:
    """Whether a study is to stop, and why: Ctrl-C, its hours, another driver, or the end of Ray.

    Args:
        config: the study.
        store: has the hours of all its drivers.
        lease: this driver's.
        interrupted: set by Ctrl-C.
        joined: whether Ray ran before this driver: such a cluster may lose all machines, and get
            others.
    """

    def __init__(
        self,
        config: StudyConfig,
        store: TrialStore,
        lease: Lease,
        interrupted: threading.Event,
        *,
        joined: bool,
    ) -> None:
        self._found: Termination | None = None
        self._joined = joined
        self._store, self._lease, self._interrupted = store, lease, interrupted
        self._hours = config.budget.hours
        self._before_s = sum(store.worked_s().values())
        self._began_s = time.monotonic()
        self._driver = uuid.uuid4().hex[:8]
        self._noted_s = self._looked_s = self._began_s

    def look(self) -> Termination | None:
        """Return why the study is to stop; None where it is to go on.

        The first reason stays, but for the loss of the lease, after which nothing may be written.
        """
        if self._lease.lost.is_set():
            return TAKEN_OVER
        self._found = self._found or self._reason()
        return self._found

    def check(self) -> None:
        """Raise Stopped if the study is to stop."""
        if (why := self.look()) is not None:
            raise Stopped(why)

    def note_work(self) -> None:
        """Store how long this driver has worked by now."""
        self._noted_s = time.monotonic()
        if not self._lease.lost.is_set():
            self._store.record_work(self._driver, self._noted_s - self._began_s)

    def _reason(self) -> Termination | None:
        now_s = time.monotonic()
        if self._interrupted.is_set():
            return INTERRUPTED
        if now_s - self._noted_s > _NOTE_EVERY_S:
            self.note_work()
        if not self._joined and now_s - self._looked_s > _LOOK_EVERY_S:
            self._looked_s = now_s
            if not machines_there():  # Tune would wait for one for ever.
                return RAY_DIED
        worked_s = self._before_s + now_s - self._began_s
        if self._hours is not None and worked_s > 3600 * self._hours:
            return Termination(Reason.HOURS_SPENT, f"its {self._hours:g} hours are over")
        return None


class StopAfterEpochs(Callback):
    """Leaves Tune's loop once the study is to stop and every cohort has ended its epoch.

    A worker's report comes after its checkpoint, so that nothing is trained again later. Tune's own
    way out writes snapshots that nobody reads here, and hangs for a minute when Ray was stopped by
    the same signal; then this process is ended.
    """

    def __init__(self, stop: Stop, tell: Callable[[str], None]) -> None:
        self._stop, self._tell = stop, tell
        self._awaited: set[str] | None = None
        self._patience = ExitStack()

    def __getstate__(self) -> dict[str, object]:
        """Give Ray's pickle nothing, as in `CohortSearcher`."""
        return {}

    def close(self) -> None:
        """Let the process live on: Ray has answered, or is left."""
        self._patience.close()

    def on_step_begin(
        self,
        iteration: int,  # noqa: ARG002 (Ray's signature)
        trials: Sequence[Trial],
        **info: object,  # noqa: ARG002
    ) -> None:
        """Leave, when it is time to."""
        if (why := self._stop.look()) is None:
            return
        self.close()
        running = {trial.trial_id for trial in trials if trial.status == "RUNNING"}
        if self._awaited is None:
            self._awaited = running
            if running and not why.is_at_once:
                self._tell(
                    f"{why.sentence}: the epochs in training are finished and saved; Ctrl-C "
                    "again stops at once, and loses them"
                )
        self._awaited &= running
        if not self._awaited or why.is_at_once:
            raise Stopped(why)
        self._patience.enter_context(exit_when_stuck())

    def on_trial_result(
        self,
        iteration: int,  # noqa: ARG002 (Ray's signature)
        trials: Sequence[Trial],  # noqa: ARG002
        trial: Trial,
        result: Mapping[str, object],  # noqa: ARG002
        **info: object,  # noqa: ARG002
    ) -> None:
        """Take note of an epoch that has ended."""
        if self._awaited is not None:
            self._awaited.discard(trial.trial_id)
