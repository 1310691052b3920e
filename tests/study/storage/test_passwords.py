"""Passwords in addresses are not shown, and lie in files that their owner alone may read."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from study.base.addresses import holds_secret, masked, told_safely
from study.base.errors import StudyError
from study.commands.main import main
from study.storage.database import check_new
from study.storage.folder import create_study_folder
from study.storage.study_file import parse_study
from study.storage.trial_store import TrialStore
from study.tracking.opening import facts_of
from tests.study.toy import STUDY

if TYPE_CHECKING:
    from pathlib import Path

SECRET = "hunter2"  # noqa: S105

HOLDING = (
    f"postgresql://me:{SECRET}@host/db",
    f"postgresql+psycopg2://me:{SECRET}@host:5432/db?sslmode=require",
    f"postgresql://me:a/{SECRET}@host/db",  # SQLAlchemy takes it as it is.
    f"postgresql://me:a#{SECRET}@host/db",
    f"postgresql://me:a?{SECRET}@host/db",
    f"postgresql://me:a@{SECRET}@host/db",
    f"postgresql://me:[{SECRET}@host/db",
    f"postgresql://host/db?user=me&password={SECRET}",
    f"postgresql://host/db?user=me@x&password={SECRET}",
    f"postgresql:///db?host=/run&password={SECRET}",
    f"mssql+pyodbc:///?odbc_connect=DRIVER%3Dx%3BPWD%3D{SECRET}",
    f"mysql+pymysql://{SECRET}@host/db",
    f"https://me:{SECRET}@mlflow.example:8443/path",
    f"https://mlflow.example/?token={SECRET}",
    f"sqlite+pysqlcipher://:{SECRET}@/a.db",
)
PLAIN = (
    "sqlite:////home/me@work/studies/mlflow.db",
    "sqlite:///a.db?timeout=30",
    "postgresql://host:5432/db",
    "http://127.0.0.1:5000",
    "file:///home/me@work/mlruns",
    "mlruns",
    "",
)


@pytest.mark.parametrize("uri", HOLDING)
def test_no_password_is_shown(uri: str) -> None:
    assert SECRET not in masked(uri)
    assert masked(uri).startswith(uri.partition("://")[0] + "://")
    assert holds_secret(uri)
    assert SECRET not in told_safely(f"cannot parse '{uri}'", uri)


@pytest.mark.parametrize("uri", PLAIN)
def test_an_address_without_one_is_shown_whole(uri: str) -> None:
    assert masked(uri) == uri
    assert not holds_secret(uri)


@pytest.mark.parametrize("section", ["storage", "tracking"])
@pytest.mark.parametrize(
    ("uri", "mode"), [(f"postgresql://me:{SECRET}@host/db", 0o600), ("postgresql://host/db", 0o644)]
)
def test_the_study_file_of_an_address_with_a_password_is_its_owners(
    section: str, uri: str, mode: int, tmp_path: Path
) -> None:
    config = parse_study(f"{STUDY}{section}: {{uri: '{uri}'}}\nroot: {tmp_path}\n", origin="toy")
    before = os.umask(0o022)
    try:
        with create_study_folder(config) as folder:
            file = folder.path / "study.yaml"
            assert file.stat().st_mode & 0o777 == mode
            file.chmod(0o644)  # As of earlier versions.
            folder.keep(config)
            assert file.stat().st_mode & 0o777 == mode
    finally:
        os.umask(before)


def test_what_a_killed_driver_left_of_the_file_is_not_written_through(tmp_path: Path) -> None:
    """A link there would have the study file, or its password, written to where it leads."""
    config = parse_study(f"{STUDY}root: {tmp_path}/studies\n", origin="toy")
    with create_study_folder(config) as folder:
        (tmp_path / "precious").write_text("mine")
        (folder.path / ".study.yaml.partial").symlink_to(tmp_path / "precious")
        folder.keep(config)
        assert folder.config().name == "toy"
    assert (tmp_path / "precious").read_text() == "mine"


def test_neither_the_storage_nor_mlflow_is_told(tmp_path: Path) -> None:
    tracking = f"tracking: {{uri: 'https://me:{SECRET}@host/?token={SECRET}'}}\n"
    config = parse_study(f"{STUDY}{tracking}root: {tmp_path}\n", origin="toy")
    with create_study_folder(config) as folder:
        store = TrialStore(config, folder.database)
        store.enqueue_first("v1")
        assert SECRET not in str(facts_of(config, store, folder))
        store.close()
        assert SECRET.encode() not in folder.database.read_bytes()
        elsewhere = config.model_copy(
            update={"storage": config.storage.model_copy(update={"uri": HOLDING[4]})}
        )
        assert SECRET not in str(facts_of(elsewhere, store, folder))


@pytest.mark.parametrize("uri", [f"nosuch://me:{SECRET}@x", f"postgresql://me:{SECRET}@x:port/db"])
def test_no_sentence_tells_it(uri: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = parse_study(f"{STUDY}storage: {{uri: '{uri}'}}\nroot: {tmp_path}\n", origin="toy")
    with pytest.raises(StudyError, match="cannot be opened as such") as found:
        check_new(config)
    assert SECRET not in str(found.value)
    with create_study_folder(config) as folder:
        folder.ray.mkdir()
    for words in (["status"], ["status", "toy"], ["front", "toy"], ["resume", "toy"]):
        main([*words, "--root", str(tmp_path)])
        told = capsys.readouterr()
        assert SECRET not in told.out + told.err, words
