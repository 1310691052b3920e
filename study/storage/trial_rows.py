"""What Optuna holds of a trial, read as a record.

One row per trial: its parameters, its state and, once it is complete, the measured values. All
else that is known of it lies beside them as user attributes, written as it arrives:

===============  =================================================================================
``epoch:0007``   ``{"metrics": {...}, "elapsed_s": ...}`` after the seventh epoch, and with
                 ``"rung": "stops"`` or ``"goes on"`` where the halting rule was asked
``ending``       how it ended: ``{"state", "outcome", "elapsed_s"}``, of a complete trial also
                 ``"final"`` and ``"broken"``, of a failed one ``"fault"`` (not in rows of earlier
                 versions); written before Optuna's own state: a trial with the former alone can be
                 settled
``cohorts``      the numbers of the cohorts that it has trained in, the newest last
``config``       its configuration as its worker saw it
``run``          the id of its run in MLflow
``folder``       where its codecs lie, below the study's folder
``baseline``     true for the first trial if it has all of the published coefficients
===============  =================================================================================
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import optuna

from study.base.records import EpochRecord, Failure, Fault, TrialRecord, TrialState

if TYPE_CHECKING:
    from collections.abc import Mapping

    from optuna.trial import FrozenTrial

EPOCH_PREFIX = "epoch:"
ENDING, COHORTS, CONFIG, RUN, FOLDER, BASELINE = (
    *("ending", "cohorts", "config", "run", "folder", "baseline"),
)
RUNG, STOPS, GOES_ON = "rung", "stops", "goes on"

OPTUNAS = {
    TrialState.COMPLETE: optuna.trial.TrialState.COMPLETE,
    TrialState.PRUNED: optuna.trial.TrialState.PRUNED,
    TrialState.FAILED: optuna.trial.TrialState.FAIL,
}
_OURS = {theirs: ours for ours, theirs in OPTUNAS.items()}


def to_record(trial: FrozenTrial, unfinished: TrialState, usual_epochs: int) -> TrialRecord:
    """Return a trial's record.

    Args:
        trial: as Optuna has it.
        unfinished: what a trial without an end is.
        usual_epochs: how many the study asks for, of a trial whose worker has not told its own.
    """
    attributes = trial.user_attrs
    epochs = epoch_keys(attributes)
    last_s = attributes[epochs[-1]]["elapsed_s"] if epochs else 0.0
    ending = attributes.get(ENDING, {})
    training = attributes.get(CONFIG, {}).get("training", {})
    cohorts = attributes.get(COHORTS)
    state = _OURS.get(trial.state, unfinished)
    return TrialRecord(
        number=trial.number,
        state=state,
        params=trial.params,
        epochs=tuple(
            EpochRecord(
                _number(key),
                attributes[key]["metrics"],
                attributes[key]["elapsed_s"],
                judged=RUNG in attributes[key],
            )
            for key in epochs
        ),
        total_epochs=training.get("epochs", trial.params.get("training.epochs", usual_epochs)),
        final=ending.get("final", {}) if state is TrialState.COMPLETE else {},
        outcome=ending.get("outcome", "") if state.is_final else "",
        is_baseline=attributes.get(BASELINE, False),
        elapsed_s=ending.get("elapsed_s") or last_s,
        cohort=cohorts[-1] if cohorts else None,
        feasible=not ending.get("broken"),
        rung=_number(epochs[-1]) if epochs and state is TrialState.PRUNED else None,
        folder=attributes.get(FOLDER),
        ended_s=trial.datetime_complete.timestamp() if trial.datetime_complete else None,
        run=attributes.get(RUN),
        fault=_fault(ending) if state is TrialState.FAILED else None,
    )


def _fault(ending: Mapping[str, str]) -> Fault:
    """Return why a trial failed. Rows of earlier versions have a sentence alone."""
    if "fault" in ending:
        return Fault(ending["fault"])
    return Failure.from_legacy_sentence(ending.get("outcome", "")).fault


def epoch_keys(attributes: Mapping[str, object]) -> list[str]:
    """Return the keys of a trial's epochs, the first one first."""
    return sorted(key for key in attributes if key.startswith(EPOCH_PREFIX))


def _number(key: str) -> int:
    return int(key.removeprefix(EPOCH_PREFIX))


def epoch_key(epoch: int) -> str:
    """Return the key of an epoch, counted from 1."""
    return f"{EPOCH_PREFIX}{epoch:04d}"
