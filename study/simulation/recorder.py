"""Takes recordings from studies."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from study.base.errors import StudyError
from study.simulation.recording import Begun, join, recorded
from study.storage.database import is_there
from study.storage.folder import find_study
from study.storage.study_file import parse_study
from study.storage.trial_store import TrialStore

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from study.simulation.recording import Recording


def record_studies(root: Path, names: Sequence[str]) -> tuple[Recording, str]:
    """Return a recording of the studies' complete trials, and a remark on trials left out.

    Raises:
        StudyError: there is no such study, they do not belong together, or have too few trials.
    """
    studies, trials = [], []
    for folder in dict.fromkeys(find_study(root, name) for name in names):
        config = folder.config()
        name = config.name
        if not is_there(config, folder.database):
            raise StudyError(f"the study {name} has no trial yet; wait for some to be complete")
        store = TrialStore(config, folder.database)
        begun = parse_study(json.dumps(store.study_file()), origin=name)
        studies.append(Begun(store.code_version, begun))
        trials += recorded(name, config.training.epochs, store.records(driver_alive=False))
    recording = join(studies, trials)
    twice = len(trials) - len(recording.trials)
    told = f" ({twice} more had settings that are in it already)" if twice else ""
    return recording, told
