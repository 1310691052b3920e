"""MLflow rebuilt from a study's storage: what it lacks is written, what it has is left alone."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from study.base.addresses import masked
from study.base.errors import StudyError
from study.storage.lease import is_driven
from study.tracking.client import cause_of, connect, is_database, quieten
from study.tracking.ledger import Ledger
from study.tracking.opening import (
    artifact_root,
    contents,
    facts_of,
    recall_data_sets,
    tracking_uri,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from study.base.records import TrialRecord
    from study.config import StudyConfig
    from study.report import ReportFiles
    from study.storage.folder import StudyFolder
    from study.storage.trial_store import TrialStore
    from study.tracking.runs import Written


def sync(
    config: StudyConfig,
    folder: StudyFolder,
    store: TrialStore,
    draw: Callable[[Sequence[TrialRecord]], ReportFiles],
    uri: str | None = None,
) -> str:
    """Write what MLflow lacks of a study; return a sentence about what that was.

    Args:
        config: the study.
        folder: its folder.
        store: its trials, which are the truth.
        draw: writes the report, whose files the summary run holds.
        uri: another MLflow than the study's own.

    Raises:
        StudyError: a driver works on the study, which keeps MLflow up to date itself (both would
            make runs for the same trials), or MLflow cannot be reached.
    """
    if is_driven(store, folder):
        message = (
            f"MLflow has one writer for each study, and '{config.name}' is driven at this moment: "
            "its driver writes what MLflow lacks, also after an outage; wait until it has ended"
        )
        raise StudyError(message)
    own = tracking_uri(config, folder)
    place = uri or own
    records = store.records(driver_alive=False)
    recall_data_sets(store, (record.number for record in records))
    quieten()
    facts = facts_of(config, store, folder)
    try:
        ledger = Ledger(
            client=connect(place),
            artifact_location=artifact_root(folder).as_uri() if is_database(place) else None,
            facts=facts if place == own else replace(facts, owns_name=False),
            on_run=_noted(store) if place == own else _ignored,
        )
        for record in records:
            ledger.write_trial(record)
        # Now that every trial has its run, the pages can link to them.
        files = draw(ledger.with_runs(records))
        ledger.write_standing(records, is_over=True, standings=files.standings)
        ledger.write_files(records, contents(files))
    except StudyError:
        raise
    except Exception as error:
        message = (
            f"MLflow must be reachable and writable to be brought up to date, but at "
            f"{masked(place)} that failed ({cause_of(error)}); see to it, and sync again: what "
            "was written stays"
        )
        raise StudyError(message) from error
    if place != own:
        draw(records)  # The study's folder links to its own MLflow.
    return f"MLflow at {masked(place)} {_told(ledger.written)}"


def _ignored(_number: int, _run_id: str) -> None:
    """Record nothing: the store keeps the runs of the study's own MLflow."""


def _noted(store: TrialStore) -> Callable[[int, str], None]:
    """Return a function that records a trial's run in the store, unless it is recorded already."""
    known = store.runs()

    def note(number: int, run_id: str) -> None:
        if known.get(number) != run_id:
            store.record_run(number, run_id)

    return note


def _told(written: Written) -> str:
    if not written:
        return "lacked nothing"
    counted = (
        (written.runs, "runs"),
        (written.values, "values"),
        (written.tags, "tags and settings"),
        (written.files, "files"),
    )
    return f"was given what it lacked: {', '.join(f'{what}: {n:,}' for n, what in counted if n)}"
