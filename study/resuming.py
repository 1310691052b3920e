"""Going on with a study that exists: which, with how much more, and whether anything is left."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from study.changes import check_changes
from study.errors import StudyError
from study.folder import open_study_folder
from study.records import TrialState
from study.study_file import parse_study

if TYPE_CHECKING:
    from collections.abc import Sequence

    from study.config import StudyConfig
    from study.folder import StudyFolder
    from study.records import TrialRecord


def with_more(
    folder: StudyFolder, *, trials: int | None = None, hours: float | None = None
) -> StudyConfig:
    """Return a study as it began, with other budgets where they are given.

    It goes on in the folder where it lies now, which may have been moved.

    Raises:
        StudyError: its file is damaged, or it cannot have that much more.
    """
    began = folder.config()
    search, budget = began.search, began.budget
    if trials is not None:
        search = search.model_copy(update={"trials": trials})
    if hours is not None:
        budget = budget.model_copy(update={"hours": hours})
    root = str(folder.path.parent)
    more = began.model_copy(update={"search": search, "budget": budget, "root": root})
    # As a study file is checked: a grid, say, has only so many points.
    return parse_study(json.dumps(more.model_dump(mode="json")), origin=began.name)


def check_can_go_on(folder: StudyFolder, config: StudyConfig) -> None:
    """Refuse before anything is started where a study cannot go on.

    Args:
        folder: the study's.
        config: the study as it shall go on.

    Raises:
        StudyError: a driver works on it, it would become another study, or nothing is left to do.
    """
    from study.status import read_records

    with open_study_folder(folder):
        check_changes(folder.config(), config)
        check_left(config, read_records(folder, config))


def check_left(config: StudyConfig, records: Sequence[TrialRecord]) -> None:
    """Raise StudyError if all trials have ended and no other may begin; it says what to raise."""
    if any(not record.state.is_final for record in records):
        return
    ended, most = len(records), config.search.trials
    epochs = sum(len(record.epochs) for record in records)
    complete = sum(record.state is TrialState.COMPLETE for record in records)
    told = f"nothing is left to do in '{config.name}': its {ended} trials have ended, {complete}"
    if ended >= most:
        raise StudyError(
            f"{told} of them complete, and search.trials is {most}; allow more, as in "
            f"`study resume {config.name} --trials {2 * ended}`, or look at its front with "
            f"`study front {config.name}`"
        )
    if config.budget.epochs is not None and epochs >= config.budget.epochs:
        raise StudyError(
            f"{told} of them complete, and the {epochs} epochs that they trained are all of "
            f"budget.epochs, {config.budget.epochs}; raise that in the study file, and go on with "
            "`study run FILE --resume`"
        )
