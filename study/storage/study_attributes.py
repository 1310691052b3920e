"""What Optuna's storage holds of a study as a whole, beside its trials."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import optuna

IDENTITY = "identity"
"""The attribute that only our studies have, from their beginning."""

_CODE_VERSION, _STUDY_FILE, _LEASE = "code_version", "study_file", "lease"
_BEGUN, _DATA_SETS = "begun", "data_sets"
_WORKED_PREFIX, _RUN_PREFIX = "worked_s:", "run:"


class StudyAttributes:
    """The attributes of Optuna's study, by name.

    Args:
        study: Optuna's.
    """

    def __init__(self, study: optuna.Study) -> None:
        self._study = study

    @property
    def identity(self) -> str:
        """An id that no other study has, not even a later one of the same name and place."""
        identity: str = self._study.user_attrs[IDENTITY]
        return identity

    @property
    def code_version(self) -> str:
        """The code that began the study."""
        version: str = self._study.user_attrs[_CODE_VERSION]
        return version

    def study_file(self) -> dict[str, Any]:
        """Return the study file that the study began with, all defaults written out."""
        held: dict[str, Any] = self._study.user_attrs[_STUDY_FILE]
        return held

    def begin(self, code_version: str, study_file: Mapping[str, Any]) -> None:
        """Give the study its identity; it keeps one that it has."""
        if IDENTITY not in self._study.user_attrs:
            self._study.set_user_attr(IDENTITY, uuid.uuid4().hex)
        self._study.set_user_attr(_CODE_VERSION, code_version)
        self._study.set_user_attr(_STUDY_FILE, dict(study_file))

    def mark_begun(self) -> None:
        """Record that all is written that a study begins with."""
        self._study.set_user_attr(_BEGUN, True)  # noqa: FBT003 (Optuna's signature)

    def is_begun(self) -> bool:
        """Tell whether all is written that a study begins with."""
        return bool(self._study.user_attrs.get(_BEGUN))

    def record_data_sets(self, data_sets: Sequence[Mapping[str, Any]]) -> None:
        """Add the prepared data sets that trials train on to those that are recorded."""
        there = self.data_sets()
        known = {each["content_hash"] for each in there}
        new = [dict(each) for each in data_sets if each["content_hash"] not in known]
        if new:
            self._study.set_user_attr(_DATA_SETS, [*there, *new])

    def data_sets(self) -> list[dict[str, Any]]:
        """Return the prepared data sets that trials train on, as they were described."""
        held: list[dict[str, Any]] = self._study.user_attrs.get(_DATA_SETS, [])
        return held

    def lease(self) -> dict[str, Any] | None:
        """Return who works on the study, as `study.storage.lease` wrote it."""
        held: dict[str, Any] | None = self._study.user_attrs.get(_LEASE)
        return held

    def write_lease(self, lease: Mapping[str, Any] | None) -> None:
        """Write down who works on the study."""
        self._study.set_user_attr(_LEASE, None if lease is None else dict(lease))

    def worked_s(self) -> dict[str, float]:
        """Return the seconds that each driver has worked on the study."""
        return {
            key.removeprefix(_WORKED_PREFIX): seconds
            for key, seconds in self._study.user_attrs.items()
            if key.startswith(_WORKED_PREFIX)
        }

    def record_work(self, driver: str, seconds: float) -> None:
        """Write down for how long a driver has worked on the study so far."""
        self._study.set_user_attr(_WORKED_PREFIX + driver, seconds)

    def record_late_run(self, number: int, run_id: str) -> None:
        """Write down the run of a trial that has ended already."""
        self._study.set_user_attr(f"{_RUN_PREFIX}{number:04d}", run_id)

    def late_runs(self) -> dict[int, str]:
        """Return what `record_late_run` wrote, by trial."""
        return {
            int(key.removeprefix(_RUN_PREFIX)): run_id
            for key, run_id in self._study.user_attrs.items()
            if key.startswith(_RUN_PREFIX)
        }
