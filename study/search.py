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
from study.orders import Order
from study.trainable import COHORT, COHORT_CONFIG, REPORTS, ROOM

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ray.tune import Checkpoint
    from ray.tune.experiment import Trial

    from study.cohorts import Cohorts
    from study.orders import OrderDesk


class CohortSearcher(Searcher):
    """Gives Ray the next cohort, and has what its worker reports written down.

    Args:
        cohorts: the study's cohorts.
        desk: where orders to running cohorts are given.
    """

    def __init__(self, cohorts: Cohorts, desk: OrderDesk) -> None:
        super().__init__()
        self._cohorts = cohorts
        self._desk = desk
        self._numbers: dict[str, int] = {}

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

    def suggest(self, trial_id: str) -> dict[str, Any] | str:  # type: ignore[override] # FINISHED
        """Begin the next cohort, if any trial is left; its configuration is Ray's."""
        cohort = self._cohorts.form()
        if cohort is None:
            return Searcher.FINISHED
        self._numbers[trial_id] = cohort.cohort
        return {COHORT: cohort.cohort, COHORT_CONFIG: cohort.model_dump_json()}

    def on_trial_result(self, trial_id: str, result: Mapping[str, Any]) -> None:
        """Write down what a step says, and fill the room that the cohort has, if it asks."""
        cohort = self._numbers[trial_id]
        self._cohorts.take(cohort, json.loads(result[REPORTS]))
        if result[ROOM] and (joining := self._cohorts.refill(cohort, result[ROOM])):
            # Before this returns: the next step of the worker begins with a look at its orders.
            self._desk.give(cohort, Order(join=joining))

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
    """Writes down what Ray tells callbacks only: checkpoints, and why a cohort was given up."""

    def __init__(self, cohorts: Cohorts) -> None:
        self._cohorts = cohorts

    def __getstate__(self) -> dict[str, Any]:
        """Give Ray's pickle nothing, as in `CohortSearcher`."""
        return {}

    def on_checkpoint(
        self,
        iteration: int,  # noqa: ARG002 (Ray's signature)
        trials: Sequence[Trial],  # noqa: ARG002
        trial: Trial,
        checkpoint: Checkpoint,
        **info: object,  # noqa: ARG002
    ) -> None:
        """Write down where the cohort's newest checkpoint lies."""
        self._cohorts.note_checkpoint(trial.config[COHORT], checkpoint.path)

    def on_trial_error(
        self,
        iteration: int,  # noqa: ARG002 (Ray's signature)
        trials: Sequence[Trial],  # noqa: ARG002
        trial: Trial,
        **info: object,  # noqa: ARG002
    ) -> None:
        """End the trials of a cohort whose worker failed for good."""
        self._cohorts.lose(trial.config[COHORT], _failure_sentence(trial))


def _failure_sentence(trial: Trial) -> str:
    """Say in one line why a worker failed, and where the whole story is."""
    log = Path(trial.error_file) if trial.error_file else None
    try:
        text = log.read_text(encoding="utf-8", errors="replace") if log else ""
    except OSError:
        text, log = "", None
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    reason = lines[-1] if lines else "the worker was lost"
    return f"{reason} (the whole log: {trial.path}/{log.name})" if log else reason
