"""The study that the kill drill torments: the command line, with workers that count epochs.

    DRILL_LOG=log.jsonl python -m tools.drilled run study.yaml

Every worker appends a line to the log when it begins, after each epoch that it has trained, and
after each checkpoint. The log shows `tools.drill_checks` what was really done.
"""

from __future__ import annotations

import json
import os
import sys
import time
from typing import TYPE_CHECKING, Any, cast
from unittest.mock import patch

from study.workers.places import Here
from study.workers.trainable import CohortTrainable

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from study.cohorts.work import Work
    from study.training.members import EpochResult

LOG, EPOCH_S = "DRILL_LOG", "DRILL_EPOCH_S"
"""Environment variables: the log, and the least seconds of an epoch, because the drill needs time
to kill, on a fast machine too."""


def note(what: str, **more: object) -> None:
    """Append a line to the log in one write, which other writers and kills leave whole."""
    line = json.dumps({"what": what, "pid": os.getpid(), **more}) + "\n"
    descriptor = os.open(os.environ[LOG], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    try:
        os.write(descriptor, line.encode())
    finally:
        os.close(descriptor)


class CountedWork:
    """A cohort's work, which notes every epoch that it has trained."""

    def __init__(self, work: Work) -> None:
        self._work = work

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 (whatever the work has)
        """Delegate everything else to the work."""
        return getattr(self._work, name)

    def run_epoch(self) -> Mapping[int, EpochResult]:
        """Train all trials for an epoch, and note it."""
        until_s = time.monotonic() + float(os.environ.get(EPOCH_S, "0"))
        results = self._work.run_epoch()
        time.sleep(max(0.0, until_s - time.monotonic()))
        for trial in results:
            note("trained", trial=trial, epoch=self._work.epochs_done(trial))
        return results


def epochs_of(work: Work) -> dict[int, int]:
    """Return how far the trials of a cohort have come."""
    return {trial: work.epochs_done(trial) for trial in (*work.living, *work.finished)}


class CountingTrainable(CohortTrainable):
    """A cohort that counts its epochs."""

    def _open_work(self) -> Work:
        return cast("Work", CountedWork(super()._open_work()))

    def begin(self, config: Mapping[str, Any]) -> None:
        """Begin, and note how far the trials are."""
        super().begin(config)
        work = self._work

        class Noted(Here):
            def write_checkpoint(self, step: int, save: Callable[[Path], None]) -> None:
                super().write_checkpoint(step, save)
                note("saved", epochs=epochs_of(work))

        self._place = Noted(self._cohort)
        note("began", cohort=self._cohort.cohort, epochs=epochs_of(work))


if __name__ == "__main__":
    from study.commands.main import main

    with patch("study.driver.tuning.CohortTrainable", CountingTrainable):
        sys.exit(main())
