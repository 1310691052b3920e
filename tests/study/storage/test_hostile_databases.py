"""Databases that nobody would make: a sentence for each, and none of them is written into."""

from __future__ import annotations

import io
import re
import shutil
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

import pytest
from rich.console import Console

from study.base.errors import StudyError
from study.commands.status import show_studies
from study.driver.runner import open_store
from study.storage.folder import StudyFolder, all_studies, create_study_folder
from study.storage.progress import read_records
from study.storage.study_file import parse_study
from tests.study.toy import STUDY

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def truncated(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:5000])


def noise(file: Path) -> None:
    content = bytearray(file.read_bytes())
    content[4096:] = b"\xa5" * (len(content) - 4096)
    file.write_bytes(content)


def told(file: Path, statement: str) -> None:
    with closing(sqlite3.connect(file)) as database, database:
        database.executescript(statement)


def another_schema(file: Path) -> None:
    file.unlink()
    told(file, "CREATE TABLE mine (a)")


def a_folder(file: Path) -> None:
    file.unlink()
    file.mkdir()


DAMAGES: dict[str, Callable[[Path], object]] = {
    "no bytes": lambda file: file.write_bytes(b""),
    "zeros": lambda file: file.write_bytes(bytes(8192)),
    "text": lambda file: file.write_text("hello"),
    "truncated": truncated,
    "noise": noise,
    "another schema": another_schema,
    "a folder": a_folder,
    "another version": lambda f: told(f, "UPDATE version_info SET schema_version = 99"),
    "another library": lambda f: told(f, "UPDATE alembic_version SET version_num = 'v9.9'"),
    "no trials": lambda f: told(f, "DROP TABLE trials"),
    "no values": lambda f: told(f, "DROP TABLE trial_params; DROP TABLE trial_user_attributes"),
    "no study": lambda f: told(f, "DELETE FROM studies"),
    "other studies": lambda f: told(
        f,
        "UPDATE studies SET study_name = 'a'; INSERT INTO studies VALUES (9, 'b')",
    ),
    "no attributes": lambda f: told(f, "DELETE FROM study_user_attributes"),
    "attributes that are no JSON": lambda f: told(
        f, "UPDATE trial_user_attributes SET value_json = '{'"
    ),
    "attributes of another kind": lambda f: told(
        f, "UPDATE trial_user_attributes SET value_json = '3'"
    ),
    "a lease of another kind": lambda f: told(
        f, "INSERT INTO study_user_attributes VALUES (99, 1, 'lease', '{\"beat\": \"now\"}')"
    ),
    "a run of no number": lambda f: told(
        f, "INSERT INTO study_user_attributes VALUES (99, 1, 'run:soon', '1')"
    ),
    "a trial of no state": lambda f: told(f, "UPDATE trials SET state = 'LOST'"),
    "a parameter of no kind": lambda f: told(
        f, 'UPDATE trial_params SET distribution_json = \'{"name": "No"}\''
    ),
    "deep JSON": lambda f: told(
        f, "UPDATE trial_user_attributes SET value_json = replace(hex(zeroblob(99999)), '0', '[')"
    ),
}
HARMLESS = {"no attributes", "attributes of another kind", "another version"}
"""Of what they lack nothing may be needed to say how the study stands."""


@pytest.fixture(scope="module")
def begun(tmp_path_factory: pytest.TempPathFactory) -> StudyFolder:
    """A study with trials of which one has an epoch."""
    root = tmp_path_factory.mktemp("root")
    with create_study_folder(parse_study(f"{STUDY}root: {root}", origin="toy")) as folder:
        store = open_store(folder.config(), folder)
        number, _ = store.ask()
        store.record_cohort(number, 0)
        store.record_epoch(number, 1, {"bpp_estimated": 1.0, "d1_psnr_db": 30.0}, elapsed_s=1.0)
        store.close()
        folder.ray.mkdir()
    return folder


def copy_of(study: StudyFolder, name: str, into: Path) -> StudyFolder:
    shutil.copytree(study.path, into / name)
    return StudyFolder(into / name)


@pytest.mark.parametrize("what", DAMAGES)
def test_a_damaged_database_is_a_sentence(what: str, begun: StudyFolder, tmp_path: Path) -> None:
    study = copy_of(begun, "toy", tmp_path)
    DAMAGES[what](study.database)
    before = None if study.database.is_dir() else study.database.read_bytes()
    try:
        records = read_records(study, study.config())
    except StudyError as error:
        refused = str(error)
        assert re.search(f"{study.database} (cannot be opened|does not|must hold)", refused)
    else:
        assert what in HARMLESS
        assert len(records) == 1
    if before is not None:
        assert study.database.read_bytes() == before


def test_damaged_databases_do_not_hide_the_other_studies(
    begun: StudyFolder, tmp_path: Path
) -> None:
    copy_of(begun, "good", tmp_path)
    for number, damage in enumerate(DAMAGES.values()):
        damage(copy_of(begun, f"bad-{number:02d}", tmp_path).database)
    console = Console(file=io.StringIO(), width=1000)
    show_studies(all_studies(tmp_path), tmp_path, console)
    assert isinstance(console.file, io.StringIO)
    lines = {line.split()[0]: line for line in console.file.getvalue().splitlines()}
    assert "interrupted, 0 of 3 trials finished (1 interrupted)" in lines["good"]
    bad = [line for name, line in lines.items() if name.startswith("bad")]
    assert len(bad) == len(DAMAGES)
    assert sum("cannot be read" in line for line in bad) >= len(DAMAGES) - len(HARMLESS)


def test_listing_studies_makes_and_asks_no_database_elsewhere(tmp_path: Path) -> None:
    """A folder from somebody else may name any address: one of this machine's, or a server's."""
    made = tmp_path / "elsewhere.db"
    addresses = {"file": f"sqlite:///{made}", "server": "mysql+nothing://u:secret@127.0.0.1:9/x"}
    for name, uri in addresses.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / "study.yaml").write_text(f"{STUDY}storage: {{uri: '{uri}'}}")
    console = Console(file=io.StringIO(), width=1000)
    show_studies(all_studies(tmp_path), tmp_path, console)
    assert isinstance(console.file, io.StringIO)
    said = console.file.getvalue()
    assert f"is kept in sqlite:///{made}" in said
    assert "is kept in mysql+nothing://***@127.0.0.1:9/x" in said
    assert "secret" not in said
    study = StudyFolder(tmp_path / "file")
    assert read_records(study, study.config()) == []  # Nor does who names the study make it.
    assert not made.exists()
    told(made, "CREATE TABLE mine (a)")
    before = made.read_bytes()
    with pytest.raises(StudyError, match="it has other tables"):
        read_records(study, study.config())
    assert made.read_bytes() == before
    server = StudyFolder(tmp_path / "server")
    with pytest.raises(StudyError, match=r"\*\*\*@127.0.0.1:9/x cannot be opened as such"):
        read_records(server, server.config())
