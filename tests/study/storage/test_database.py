"""What a user is told when the study's storage fails, by storage that really does."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from optuna.exceptions import StorageInternalError

from study.base.errors import StudyError
from study.storage.database import check_new, in_words
from study.storage.study_file import parse_study
from study.storage.trial_store import TrialStore
from tests.study.toy import STUDY

FULL_DISK = """
import resource, signal, sys
from pathlib import Path
from study.storage.trial_store import TrialStore
from study.storage.study_file import parse_study
from tests.study.toy import STUDY
database = Path(sys.argv[1])
store = TrialStore(parse_study(STUDY, origin="toy"), database)
number, _ = store.ask()
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
size = database.stat().st_size
resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))
from study.storage.database import check_new, in_words
try:
    store.record_epoch(number, 1, {f"m{i}": 1.0 for i in range(20000)}, elapsed_s=1.0)
except Exception as error:
    print(in_words(error, Path("studies/toy")))
"""


def test_a_full_disk_is_told_and_loses_nothing(tmp_path: Path) -> None:
    config = parse_study(STUDY, origin="toy")
    database = tmp_path / "optuna.db"
    store = TrialStore(config, database)
    store.enqueue_first("v1")
    done = subprocess.run(
        [sys.executable, "-c", FULL_DISK, str(database)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.startswith("a study must be able to write what it learns, but that failed (")
    assert done.stdout.strip().endswith("go on with `study resume toy`")
    records = TrialStore(config, database).records(driver_alive=False)
    assert [len(record.epochs) for record in records] == [0]


def test_what_ray_wraps_is_unwrapped() -> None:
    def raised(cause: Exception) -> Exception:
        wrapped = RuntimeError("The Ray Tune run failed")
        wrapped.__cause__ = cause
        return wrapped

    ours = StudyError("a sentence")
    assert in_words(raised(ours), Path("x")) is ours
    assert in_words(raised(KeyError("a bug")), Path("x")) is None
    told = in_words(raised(StorageInternalError("An exception is raised")), Path("else/x"))
    assert "`study resume x --root else`" in str(told)


def test_a_study_in_a_database_of_another_place(tmp_path: Path) -> None:
    text = STUDY + f"storage: {{uri: 'sqlite:///{tmp_path}/shared.db'}}\n"
    config = parse_study(text, origin="toy")
    check_new(config)
    store = TrialStore(config, tmp_path / "unused.db")
    store.enqueue_first("v1")
    store.ask()
    again = TrialStore(config, tmp_path / "unused.db")
    assert [record.number for record in again.records(driver_alive=False)] == [0]
    assert again.study_file()["storage"]["uri"] is None, "it may hold a password"
    assert not (tmp_path / "unused.db").exists()
    with pytest.raises(StudyError, match="must be new in its storage"):
        check_new(config)
    other = config.model_copy(update={"name": "other"})
    check_new(other)
    TrialStore(other, tmp_path / "unused.db").enqueue_first("v1")
    with pytest.raises(StudyError, match="cannot be opened as such"):
        check_new(parse_study(STUDY + "storage: {uri: 'nosuch://me:secret@x'}\n", origin="toy"))
