"""Going on with a study that exists: which, with how much more, and whether anything is left."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from study.base.errors import StudyError
from study.base.next_command import next_command, program
from study.base.records import TrialState
from study.driver.changes import check_changes
from study.halting.budget import Budget
from study.storage.folder import open_study_folder
from study.storage.progress import read_records
from study.storage.study_file import parse_study

if TYPE_CHECKING:
    from collections.abc import Sequence

    from study.base.records import TrialRecord
    from study.config import StudyConfig
    from study.storage.folder import StudyFolder


def with_more(
    folder: StudyFolder,
    *,
    trials: int | None = None,
    hours: float | None = None,
    mirror: str | None = None,
) -> StudyConfig:
    """Return a study as it began, with other budgets and another mirror where they are given.

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
    update: dict[str, object] = {
        "search": search,
        "budget": budget,
        "root": str(folder.path.parent),
    }
    if mirror is not None:
        update["storage"] = began.storage.model_copy(update={"mirror": mirror})
    more = began.model_copy(update=update)
    # As a study file is checked: a grid, say, has only so many points.
    return parse_study(json.dumps(more.model_dump(mode="json")), origin=began.name)


def check_can_go_on(folder: StudyFolder, config: StudyConfig) -> None:
    """Refuse before anything is started where a study cannot go on.

    Args:
        folder: the study's.
        config: the study as it shall go on.

    Raises:
        StudyError: a driver works on it, it would become another study, its database is lost, or
            nothing is left to do.
    """
    with open_study_folder(folder):
        check_changes(folder.config(), config)
        records = read_records(folder, config)
        if folder.report.exists():  # Without it the last driver was killed when all had ended.
            check_left(folder, config, records)


def check_left(folder: StudyFolder, config: StudyConfig, records: Sequence[TrialRecord]) -> None:
    """Raise StudyError if all trials have ended and no other may begin; it says what to raise."""
    if any(not record.state.is_final for record in records):
        return
    budget = Budget(config)
    budget.recall(records)
    why = budget.spent()
    if why is None:
        return
    ended, complete = len(records), sum(r.state is TrialState.COMPLETE for r in records)
    if config.search.trials < ended:
        why = f"the {config.search.trials} that it may have are fewer than that"
    more = next_command("resume", folder.path, f"--trials {2 * ended}")
    raise StudyError(
        f"nothing is left to do in '{config.name}': its {ended} trials have ended, {complete} of "
        f"them complete, and {why}; allow more, as in `{more}` or by another budget in the study "
        f"file and `{program()} run FILE --resume`, or look at its front with "
        f"`{next_command('front', folder.path)}`"
    )
