"""MLflow rebuilt from a study's storage, against a real database and the real report."""

from __future__ import annotations

import json
import shutil
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING, NamedTuple

import pytest

from study.base.errors import StudyError
from study.base.records import Failure, Fault
from study.commands.main import main
from study.config.judging import judge
from study.report.reporting import report
from study.storage.folder import create_study_folder, open_study_folder
from study.storage.provenance import keep_provenance
from study.storage.study_file import parse_study
from study.storage.trial_store import TrialStore
from study.tracking.opening import contents, open_tracking, recall_data_sets
from study.tracking.sync import sync
from tests.study.finished import finished_study
from tests.study.tracked import PATIENCE_S, everything

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from study.base.records import TrialRecord
    from study.config import StudyConfig
    from study.report import ReportFiles
    from study.storage.folder import StudyFolder

STUDY = """
name: quickstart
search: {trials: 5, startup_trials: 2}
objectives:
  - {metric: bpp, direction: minimize, reference: 3.0}
  - {metric: d1_psnr_db, direction: maximize, reference: 25.0}
"""
DATA = {"source": "objects", "content_hash": "0123456789" * 6, "folder": "data/objects"}


class Site(NamedTuple):
    """A study on disk that has ended, and an empty MLflow beside it."""

    config: StudyConfig
    folder: StudyFolder
    store: TrialStore
    draw: Callable[[Sequence[TrialRecord]], ReportFiles]

    @property
    def uri(self) -> str:
        return f"sqlite:///{self.root / 'mlflow.db'}"

    @property
    def root(self) -> Path:
        return self.folder.path.parent

    def sync(self, uri: str | None = None) -> str:
        return sync(self.config, self.folder, self.store, self.draw, uri)


@pytest.fixture
def site(tmp_path: Path, empty_database: Path) -> Site:
    """Two trials of the front, one behind it, one stopped at a rung, and one that failed."""
    config = parse_study(STUDY + f"root: {tmp_path}/studies\n", origin="test")
    with create_study_folder(config) as folder:
        store = TrialStore(config, folder.database)
        store.enqueue_first("v1.2-3-gabc")
        store.record_data_sets([DATA])
        for number in range(5):
            store.ask()
            store.record_cohort(number, 0)
            for epoch in (1, 2):
                metrics = {"bpp_estimated": number + 1 / epoch, "d1_psnr_db": 30.0 + number}
                store.record_epoch(number, epoch, metrics, elapsed_s=float(epoch))
            if number < 3:
                final = {"bpp": [0.5, 1.5, 2.0][number], "d1_psnr_db": [30.0, 36.0, 35.0][number]}
                store.complete(number, final, elapsed_s=3.0)
        store.prune(3, "stopped at the rung of epoch 2", elapsed_s=2.0)
        failure = Failure.of(Fault.DIVERGED, "the loss was NaN in epoch 3")
        store.fail(4, failure, elapsed_s=2.5)
        keep_provenance(folder)
    empty(folder.path.parent, empty_database)

    def draw(records: Sequence[TrialRecord]) -> ReportFiles:
        return report(config.name, judge(config, records), folder)

    return Site(config, folder, store, draw)


def empty(root: Path, empty_database: Path) -> None:
    """Let MLflow know nothing."""
    shutil.copy(empty_database, root / "mlflow.db")
    shutil.rmtree(root / "mlartifacts", ignore_errors=True)


def held(root: Path) -> tuple[dict[str, list[tuple[object, ...]]], dict[str, bytes]]:
    """Return every row of the database, by table, and every file, by name."""
    with closing(sqlite3.connect(root / "mlflow.db")) as connection:
        tables = [
            n for (n,) in connection.execute("select name from sqlite_master where type='table'")
        ]
        rows = {
            name: sorted(connection.execute(f"select * from {name}"), key=repr)  # noqa: S608
            for name in tables
        }
    files = {str(path): path.read_bytes() for path in (root / "mlartifacts").rglob("*.*")}
    return rows, files


def test_a_second_call_changes_nothing(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    assert "was given what it lacked: runs: 6, " in site.sync()
    before = held(site.root)
    # study.yaml, study.json, what opened it, and the front as page, pictures and tables.
    assert len(before[1]) == 8
    assert any(name.endswith("/provenance-001.json") for name in before[1])
    assert site.sync().endswith("lacked nothing")
    assert held(site.root) == before
    assert main(["mlflow", "sync", "quickstart", "--root", str(site.root)]) == 0
    assert capsys.readouterr().out.strip().endswith("lacked nothing")
    assert held(site.root) == before


def test_an_emptied_server_gets_everything_again(site: Site, empty_database: Path) -> None:
    site.sync()
    before, page = everything(site.uri), site.folder.report.read_bytes()
    assert before["0"]["tags"]["operating_point"] == "knee, low-rate"  # type: ignore[index]
    assert before[""]["inputs"]
    empty(site.root, empty_database)
    site.sync()
    assert everything(site.uri) == before
    assert site.folder.report.read_bytes() != page  # Its links lead to the new runs.


def test_files_that_are_gone_are_written_again(site: Site) -> None:
    site.sync()
    before = held(site.root)
    shutil.rmtree(site.root / "mlartifacts")
    assert site.sync().endswith("was given what it lacked: files: 8")
    assert held(site.root) == before


def test_what_a_driver_wrote_is_what_sync_would_write(site: Site, empty_database: Path) -> None:
    tracking = open_tracking(site.config, site.store, site.folder, site.draw)
    records = site.store.records(driver_alive=False)
    for record in records:
        tracking.on_trial(record)
    tracking.on_end(contents(site.draw(records)), records)
    assert tracking.close(PATIENCE_S) is None
    before = everything(site.uri)
    assert site.sync().endswith("lacked nothing")
    empty(site.root, empty_database)
    site.sync()
    assert everything(site.uri) == before


def test_another_server_is_no_matter_of_the_truth(site: Site, tmp_path: Path) -> None:
    site.sync()
    known, page = site.store.runs(), site.folder.report.read_bytes()
    other = f"sqlite:///{shutil.copy(site.root / 'mlflow.db', tmp_path / 'other.db')}"
    shutil.copy(site.root / "mlflow.db", tmp_path / "other.db")
    with closing(sqlite3.connect(tmp_path / "other.db")) as connection:
        connection.execute("update tags set value = 'another' where key = 'study_id'")
        connection.commit()
    assert "was given what it lacked: runs: 6" in site.sync(other)
    assert site.store.runs() == known
    assert site.folder.report.read_bytes() == page


def test_a_study_with_a_driver_is_left_to_it(site: Site) -> None:
    with open_study_folder(site.folder), pytest.raises(StudyError, match="is driven at this"):
        site.sync()


def test_a_server_out_of_reach_is_a_sentence(site: Site) -> None:
    with pytest.raises(StudyError, match=r"must be reachable .* at http://\*\*\*@127.0.0.1:9 that"):
        site.sync("http://me:secret@127.0.0.1:9")


def test_the_data_of_a_study_that_did_not_note_it_are_those_of_its_trials(tmp_path: Path) -> None:
    folder = finished_study(tmp_path)
    config = folder.config()
    store = TrialStore(config, folder.database)
    assert store.data_sets() == []
    recall_data_sets(store, range(4))
    (noted,) = store.data_sets()
    (prepared,) = (tmp_path / "data").glob("*/manifest.json")
    assert noted["content_hash"] == json.loads(prepared.read_text())["content_hash"]
    assert noted["folder"] == str(prepared.parent)
    recall_data_sets(store, range(4))
    assert len(store.data_sets()) == 1
