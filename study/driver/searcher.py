"""The bridge between Ray Tune, which runs cohorts, and `study.cohorts.cohorts`.

A trial of Ray's is a cohort here (decision 0012); Ray knows nothing of the trials in it. Ray's own
`OptunaSearch` is not used: with two objectives it leaves a trial without a value running for ever,
and tells a stopped trial's early values as if they were final. Here a trial is complete when its
measured metrics arrive, failed when its worker says so or is lost, and otherwise unfinished.
"""

from __future__ import annotations

import traceback
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ray import cloudpickle
from ray.exceptions import RayTaskError
from ray.tune import Callback
from ray.tune.search import Searcher

from study.base.errors import StudyError
from study.base.records import Fault
from study.cohorts.reports import from_json
from study.workers.trainable import COHORT, COHORT_CONFIG, NOTE, OPENING, REPORTS, ROOM

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from ray.tune.experiment import Trial

    from study.cohorts.cohorts import Cohorts
    from study.driver.termination import Termination


class CohortSearcher(Searcher):
    """Gives Ray the next cohort, and takes the reports of its worker.

    Args:
        cohorts: the study's cohorts.
        tell: shows the user a line.
        stopping: returns why the study is to stop, or None; no cohort begins after that.
    """

    def __init__(
        self,
        cohorts: Cohorts,
        tell: Callable[[str], None],
        stopping: Callable[[], Termination | None],
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
        """Return a cohort as Ray's configuration, if there is one now.

        Ray asks again after None: a cohort whose worker is lost is handed out once more.
        """
        cohort = self._cohorts.form() if self._stopping() is None else None
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
        """Take a step's reports. What follows from them is in the worker's folder on return.

        Ray begins the worker's next step only then.
        """
        self._cohorts.take(self._numbers[trial_id], from_json(result[REPORTS]), result[ROOM])
        if result[NOTE]:
            self._tell(result[NOTE])

    def on_trial_complete(
        self,
        trial_id: str,
        result: Mapping[str, Any] | None = None,
        error: bool = False,  # noqa: FBT001, FBT002 (Ray's)
    ) -> None:
        """Take the reports of a cohort's last step, which Ray tells here only.

        A cohort whose worker failed is for `WorkerFailures`, which is given the reason.
        """
        if not error and result is not None:
            cohort = self._numbers[trial_id]
            self._cohorts.take(cohort, from_json(result[REPORTS]))
            self._cohorts.end(cohort)

    def save(self, checkpoint_path: str) -> None:
        """Write a note, for Ray expects a file: the searcher has no state of its own."""
        Path(checkpoint_path).write_text("the trials are in optuna.db\n", encoding="utf-8")

    def restore(self, checkpoint_path: str) -> None:
        """Refuse: a study goes on from its store, not from Ray's snapshots."""
        message = f"a study goes on from its own database, not from {checkpoint_path}"
        raise StudyError(message)

    def __getstate__(self) -> dict[str, Any]:
        """Return nothing: Ray pickles the searcher for a restore of its own, which is not used."""
        return {}


class WorkerFailures(Callback):
    """Hands lost cohorts on with the reason, which Ray gives to callbacks only.

    Args:
        cohorts: the study's cohorts.
        tell: shows the user a line.
    """

    def __init__(self, cohorts: Cohorts, tell: Callable[[str], None]) -> None:
        self._cohorts, self._tell = cohorts, tell

    def __getstate__(self) -> dict[str, Any]:
        """Return nothing, as in `CohortSearcher`."""
        return {}

    def on_trial_error(
        self,
        iteration: int,  # noqa: ARG002 (Ray's signature)
        trials: Sequence[Trial],  # noqa: ARG002
        trial: Trial,
        **info: object,  # noqa: ARG002
    ) -> None:
        """Give a cohort whose worker failed to another, or end it."""
        fault, why = failure(trial)
        numbers = self._cohorts.lose(trial.config[COHORT], fault, why)
        if fault is Fault.LOST and numbers:
            who = f"trial{'s' if len(numbers) > 1 else ''} {', '.join(map(str, numbers))}"
            self._tell(f"{who}: lost a worker or its machine; on from the last epoch, elsewhere")


_OUT_OF_MEMORY = (
    *("MemoryError", "OutOfMemoryError", "DefaultCPUAllocator", "bad_alloc"),
    "running low on memory",
)
"""Names and phrases of Python, PyTorch, C++ and Ray in the log of a worker whose memory ran out
where training could not deal with it (`study.training.memory`). They have no type in common, and
of Ray, which ends workers before the machine is full, only the text is left."""

_LESS_MEMORY = (
    "its worker needs more memory than is free; a smaller data.cube_size, fewer "
    "training.patches_per_step, a smaller resources.cohort or fewer resources.concurrent_cohorts "
    "help"
)


def failure(trial: Trial) -> tuple[Fault, str]:
    """Return why a worker failed, and the same in one line, with the place of the whole log."""
    log, text = _log_of(trial)
    raised = _raised_in(trial)
    if any(name in text for name in _OUT_OF_MEMORY):
        reason = _in_one_line(raised) if raised else "its machine was running low on memory"
        return Fault.OUT_OF_MEMORY, f"{reason}; {_LESS_MEMORY}"
    where = f" (the whole log: {trial.path}/{log.name})" if log else ""
    if raised is None:
        return Fault.LOST, f"its worker was killed or its machine is gone{where}"
    return Fault.ERROR, f"{_in_one_line(raised)}{where}"


def _log_of(trial: Trial) -> tuple[Path | None, str]:
    """Return the file in which Ray tells of a failure, and its text; None and "" without one."""
    if trial.error_file:
        log = Path(trial.error_file)
        with suppress(OSError):
            return log, log.read_text(encoding="utf-8", errors="replace")
    return None, ""


def _raised_in(trial: Trial) -> BaseException | None:
    """Return the error that code in a worker raised; None where its process or machine is gone."""
    if not trial.pickled_error_file:
        return None
    with suppress(Exception):  # Classes from anywhere may fail in any way on their way back.
        error = cloudpickle.loads(Path(trial.pickled_error_file).read_bytes())
        if isinstance(error, RayTaskError):
            cause: BaseException = error.cause
            return cause
    return None


def _in_one_line(error: BaseException) -> str:
    """Return the last line of what an error says, with its type unless it is ours."""
    said = str(error) if isinstance(error, StudyError) else ""
    said = said or "".join(traceback.format_exception_only(error))
    return [line.strip() for line in said.splitlines() if line.strip()][-1]
