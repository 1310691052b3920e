"""How a study stands, read from its database: also after its driver was killed."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from study.base.addresses import masked
from study.storage.folder import data_of
from study.storage.lease import is_driven

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from study.base.records import TrialRecord
    from study.config import StudyConfig
    from study.storage.folder import StudyFolder
    from study.storage.trial_store import TrialStore


class StudyProgress(NamedTuple):
    """How a study stands.

    Attributes:
        records: its trials; none if it was stopped before it had a database.
        driven: whether a driver works on it, here or on another machine.
        store: its database, open: whoever wants more of it need not open it again. None where it
            has none.
    """

    records: list[TrialRecord]
    driven: bool
    store: TrialStore | None = None


def read_progress(folder: StudyFolder, config: StudyConfig) -> StudyProgress:
    """Look how a study stands.

    Raises:
        StudyError: its database cannot be reached, or is lost.
    """
    from study.storage.database import is_there, reading
    from study.storage.trial_store import TrialStore

    uri = config.storage.uri
    with reading(masked(uri) if uri else str(folder.database)):
        if not is_there(config, folder.database):
            return StudyProgress([], bool(folder.driver_alive()))
        store = TrialStore(config, folder.database)
        driven = is_driven(store, folder)
        return StudyProgress(store.records(driver_alive=driven), driven, store)


def data_of_trial(
    folder: StudyFolder, config: StudyConfig, store: TrialStore, number: int
) -> Path | None:
    """Return the data set that a trial was trained on; None before its first epoch."""
    told = store.worker_config(number)
    return data_of(folder, config, str(told["data_folder"])) if told else None


def data_shown(
    folder: StudyFolder,
    config: StudyConfig,
    records: Sequence[TrialRecord],
    store: TrialStore | None,
) -> Path | None:
    """Return the data set whose clouds stand for a study; None before a trial was measured."""
    number = next((record.number for record in records if record.final), None)
    if number is None or store is None:
        return None
    return data_of_trial(folder, config, store, number)


def read_records(folder: StudyFolder, config: StudyConfig) -> list[TrialRecord]:
    """Return a study's trials; none if it was stopped before it had a database."""
    return read_progress(folder, config).records
