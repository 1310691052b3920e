"""The bridge between Ray Tune, which runs cohorts, and the driver's book of them.

What Ray calls a trial is a cohort here (decision 0012); Ray never hears of the trials in it. Ray's
own `OptunaSearch` is not used: with two objectives it leaves a trial without a value running for
ever, and tells a stopped trial's early values as if they were final. Here a trial is complete when
its measured metrics arrive, failed when its worker says so or is lost, and otherwise unfinished.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ray.tune import Callback
from ray.tune.search import Searcher

from study.errors import StudyError
from study.records import Fault
from study.workers.trainable import COHORT, COHORT_CONFIG, NOTE, OPENING, REPORTS, ROOM

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from ray.tune.experiment import Trial

    from study.driver.cohorts import Cohorts


class CohortSearcher(Searcher):
    """Gives Ray the next cohort, and has what its worker reports written down.

    Args:
        cohorts: the study's cohorts.
        tell: given what the user should know.
        stopping: tells whether the study is to stop; no cohort is begun then.
    """

    def __init__(
        self, cohorts: Cohorts, tell: Callable[[str], None], stopping: Callable[[], bool]
    ) -> None:
        super().__init__()
        self._cohorts = cohorts
        self._tell, self._stopping = tell, stopping
        self._numbers: dict[str, int] = {}
        self._handed_out = 0

    def set_search_properties(
        self,
        metric: str | None,
        mode: str | None,
        config: Mapping[str, object],
        **spec: object,  # noqa: ARG002 (Ray's signature)
    ) -> bool:
        """Refuse what would quietly turn two objectives into one, or never be read."""
        if metric or mode or config:
            message = (
                "a study has several objectives and its own space, but Tune was given metric "
                f"{metric!r}, mode {mode!r} and space {config!r}; leave them out"
            )
            raise StudyError(message)
        return True

    def suggest(self, trial_id: str) -> dict[str, Any] | str | None:  # type: ignore[override] # FINISHED
        """Hand out a cohort, if there is one now; its configuration is Ray's.

        Ray asks again after None: a cohort whose worker is lost is handed out once more.
        """
        cohort = None if self._stopping() else self._cohorts.form()
        if cohort is None:
            return Searcher.FINISHED if self._cohorts.is_done() else None
        self._numbers[trial_id] = cohort.cohort
        self._handed_out += 1
        return {
            COHORT: cohort.cohort,
            OPENING: self._handed_out,
            COHORT_CONFIG: cohort.model_dump_json(),
        }

    def on_trial_result(self, trial_id: str, result: Mapping[str, Any]) -> None:
        """Write down what a step says; what follows from it the worker finds in its folder.

        It does so before its next step, which Ray begins after this returns.
        """
        self._cohorts.take(self._numbers[trial_id], json.loads(result[REPORTS]), result[ROOM])
        if result[NOTE]:
            self._tell(result[NOTE])

    def on_trial_complete(
        self,
        trial_id: str,
        result: Mapping[str, Any] | None = None,
        error: bool = False,  # noqa: FBT001, FBT002 (Ray's)
    ) -> None:
        """Write down a cohort's last step, which Ray tells here only.

        The trials of a lost or crashed one have their end written by `CohortNotes`, which is given
        the reason.
        """
        if not error and result is not None:
            cohort = self._numbers[trial_id]
            self._cohorts.take(cohort, json.loads(result[REPORTS]))
            self._cohorts.end(cohort)

    def save(self, checkpoint_path: str) -> None:
        """Leave a note for Ray, which asks for a file: the searcher has no state of its own."""
        Path(checkpoint_path).write_text("the trials are in optuna.db\n", encoding="utf-8")

    def restore(self, checkpoint_path: str) -> None:
        """Refuse: a study goes on from its store, not from Ray's snapshots."""
        message = f"a study goes on from its own database, not from {checkpoint_path}"
        raise StudyError(message)

    def __getstate__(self) -> dict[str, Any]:
        """Give Ray, which pickles all it is given for a restore of its own, nothing of ours."""
        return {}


class CohortNotes(Callback):
    """Hears what Ray tells callbacks only: why the worker of a cohort was lost."""

    def __init__(self, cohorts: Cohorts) -> None:
        self._cohorts = cohorts

    def __getstate__(self) -> dict[str, Any]:
        """Give Ray's pickle nothing, as in `CohortSearcher`."""
        return {}

    def on_trial_error(
        self,
        iteration: int,  # noqa: ARG002 (Ray's signature)
        trials: Sequence[Trial],  # noqa: ARG002
        trial: Trial,
        **info: object,  # noqa: ARG002
    ) -> None:
        """Have the trials of a cohort go on whose worker failed."""
        self._cohorts.lose(trial.config[COHORT], *failure(trial))


_RAISED = "ray::"
"""What the story holds only where code in a worker raised: Ray names the call. Of a process or a
machine that is gone it tells in other words each time."""


_OUT_OF_MEMORY = (
    *("MemoryError", "OutOfMemoryError", "DefaultCPUAllocator", "bad_alloc"),
    "running low on memory",
)
"""What tells that memory ran out where training could not deal with it (`study.training.memory`):
in Python, in PyTorch and in Ray, which ends workers before the machine is full; in PyTorch's and
C++'s own."""

_LESS_MEMORY = (
    "its worker needs more memory than is free; a smaller data.cube_size, fewer "
    "training.patches_per_step, a smaller resources.cohort or fewer resources.concurrent_cohorts "
    "help"
)


def failure(trial: Trial) -> tuple[Fault, str]:
    """Say in one line why a worker failed, and where the whole story is."""
    log = Path(trial.error_file) if trial.error_file else None
    try:
        text = log.read_text(encoding="utf-8", errors="replace") if log else ""
    except OSError:
        text, log = "", None
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    died = _RAISED not in text
    reason = "its worker was killed or its machine is gone" if died else lines[-1]
    reason = reason.removeprefix("study.errors.StudyError: ")
    if not died and any(name in text for name in _OUT_OF_MEMORY):
        return Fault.OUT_OF_MEMORY, f"{reason}; {_LESS_MEMORY}"
    where = f" (the whole log: {trial.path}/{log.name})" if log else ""
    return (Fault.LOST if died else Fault.ERROR), reason + where
