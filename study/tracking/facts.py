"""What MLflow is told of a study as a whole, as plain data."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from study.fronts.front import Objective


@dataclass(frozen=True)
class StudyFacts:
    """What is the same for all trials of a study.

    Attributes:
        name: the study's, and the experiment's too.
        identity: tells its runs from those of another study of that name, for instance on a server
            that several people use, or after a study's folder was deleted.
        objectives: the front's.
        config: the whole configuration, without the passwords of addresses.
        study_file: the same as a study file's text.
        searched: dotted names of the searched settings.
        folder: the study's; None where there is none.
        owns_name: whether no other study is called so in this MLflow, as in that of a studies'
            root, where a name is a folder: another's runs are those of an earlier study then.
        data_sets: those it trains on: ``source``, ``content_hash``, ``folder``, and counts.
        provenance: what opened it, as `study.storage.provenance` wrote it, by names of files.
    """

    name: str
    identity: str
    objectives: Sequence[Objective]
    config: Mapping[str, Any]
    study_file: str = ""
    searched: Sequence[str] = ()
    folder: Path | None = None
    owns_name: bool = False
    data_sets: Sequence[Mapping[str, Any]] = ()
    provenance: Mapping[str, bytes] = field(default_factory=dict)
