"""The bridge between Ray Tune, which runs trials, and the store, which knows them.

Ray's own `OptunaSearch` is not used: with two objectives it leaves a trial without a value running
for ever, and tells a stopped trial's early values as if they were final. Here a trial is complete
when its measured metrics arrive, failed when its worker says so or is lost, and otherwise
unfinished.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from ray.tune import Callback
from ray.tune.search import Searcher

from study.errors import StudyError
from study.trainable import CONFIG, DIVERGED, EPOCH, FINAL, METRICS

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from ray.tune import Checkpoint
    from ray.tune.experiment import Trial

    from study.config import TrialConfig
    from study.records import TrialRecord
    from study.storage import TrialStore


class Observer(Protocol):
    """Someone who is shown every change of a trial. It must neither raise nor wait."""

    def on_trial(self, record: TrialRecord) -> None:
        """Take note of a trial as it stands."""


class AskTellSearcher(Searcher):
    """Asks the store for settings, and writes what becomes of them back into it.

    Args:
        store: the study's trials.
        make_config: what a trial's worker needs to know, from its number and settings.
        observers: who is shown each change.
    """

    def __init__(
        self,
        store: TrialStore,
        make_config: Callable[[int, Mapping[str, Any]], TrialConfig],
        observers: Sequence[Observer],
    ) -> None:
        super().__init__()
        self._store = store
        self._make_config = make_config
        self._observers = observers
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

    def suggest(self, trial_id: str) -> dict[str, Any]:
        """Start the next trial; its configuration is Ray's."""
        number, settings = self._store.ask()
        self._numbers[trial_id] = number
        self._show(number)
        return self._make_config(number, settings).model_dump(mode="json")

    def on_trial_result(self, trial_id: str, result: Mapping[str, Any]) -> None:
        """Write down a finished epoch."""
        number = self._numbers[trial_id]
        self._note_config(number, result)
        elapsed_s = result["time_total_s"]
        self._store.record_epoch(number, result[EPOCH], _group(result, METRICS), elapsed_s)
        self._show(number)

    def on_trial_complete(
        self,
        trial_id: str,
        result: Mapping[str, Any] | None = None,
        error: bool = False,  # noqa: FBT001, FBT002 (Ray's)
    ) -> None:
        """End a trial that was measured or diverged.

        A lost or crashed one has its end written by `FailureNotes`, which is given the reason; one
        that was merely stopped is left unfinished, for it has no final values.
        """
        if error or result is None:
            return
        number = self._numbers[trial_id]
        self._note_config(number, result)  # Ray tells a trial's last result here only.
        if DIVERGED in result:
            self._store.fail(number, result[DIVERGED], result["time_total_s"])
        elif final := _group(result, FINAL):
            self._store.complete(number, final, result["time_total_s"])
        self._show(number)

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

    def _note_config(self, number: int, result: Mapping[str, Any]) -> None:
        if CONFIG in result:
            self._store.record_config(number, json.loads(result[CONFIG]))

    def _show(self, number: int) -> None:
        record = self._store.record(number)
        for observer in self._observers:
            observer.on_trial(record)


class FailureNotes(Callback):
    """Writes down what Ray tells callbacks only: checkpoints, and why a trial was given up."""

    def __init__(self, store: TrialStore, observers: Sequence[Observer]) -> None:
        self._store = store
        self._observers = observers

    def __getstate__(self) -> dict[str, Any]:
        """Give Ray's pickle nothing, as in `AskTellSearcher`."""
        return {}

    def on_checkpoint(
        self,
        iteration: int,  # noqa: ARG002 (Ray's signature)
        trials: Sequence[Trial],  # noqa: ARG002
        trial: Trial,
        checkpoint: Checkpoint,
        **info: object,  # noqa: ARG002
    ) -> None:
        """Write down where the trial's newest checkpoint lies."""
        self._store.record_checkpoint(trial.config["trial"], checkpoint.path)

    def on_trial_error(
        self,
        iteration: int,  # noqa: ARG002 (Ray's signature)
        trials: Sequence[Trial],  # noqa: ARG002
        trial: Trial,
        **info: object,  # noqa: ARG002
    ) -> None:
        """End a trial whose worker failed for good."""
        number = trial.config["trial"]
        elapsed_s = (trial.last_result or {}).get("time_total_s", 0.0)
        self._store.fail(number, _failure_sentence(trial), elapsed_s)
        record = self._store.record(number)
        for observer in self._observers:
            observer.on_trial(record)


def _group(result: Mapping[str, Any], group: str) -> dict[str, float]:
    """Return one group of a result that Ray has flattened: metrics/loss, metrics/chamfer, ..."""
    prefix = f"{group}/"
    return {
        key.removeprefix(prefix): value for key, value in result.items() if key.startswith(prefix)
    }


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
