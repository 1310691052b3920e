"""What is sent to a mirror, what is kept there, and what comes back, with moto and in folders."""

from __future__ import annotations

import json
import sqlite3
import threading
import time
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from study.base.errors import StudyError
from study.mirror.errors import (
    DeniedError,
    MissingError,
)
from study.mirror.frozen import STAGE
from study.mirror.manifests import Manifest, Part, manifests, orphans, part_of, read_manifest
from study.mirror.objects import Objects
from study.mirror.restoring import restore
from tests.study.mirror import stores
from tests.study.mirror.mirrored import QUICK, files, snapshots

if TYPE_CHECKING:
    from pathlib import Path

    from study.storage.folder import StudyFolder


def test_what_is_mirrored_comes_back(url: str, folder: StudyFolder, tmp_path: Path) -> None:
    snapshots(Objects(f"{url}/toy"), folder).take()
    assert not (folder.path / STAGE).exists()
    again = restore(url, "toy", tmp_path / "elsewhere", lambda _: None)
    there = files(again)
    assert there.pop("mirrored.json") == b"1"
    assert there == {
        name: content
        for name, content in files(folder).items()
        if name not in {"ray/log", "driver.lock"}
    }
    with closing(sqlite3.connect(again.database)) as database:
        assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    assert [path.name for path in again.path.parent.iterdir()] == ["toy"]
    with pytest.raises(StudyError, match="name must be new"):
        restore(url, "toy", tmp_path / "elsewhere", lambda _: None)


def test_unchanged_parts_are_sent_once_and_two_snapshots_are_kept(
    url: str, folder: StudyFolder
) -> None:
    objects = Objects(f"{url}/toy")
    ours = snapshots(objects, folder)
    ours.take()
    ours.forget()
    before = {each.name: each.written for each in objects.found("parts")}
    for count in range(3):
        time.sleep(0.02)
        (folder.path / "codecs" / "a").write_bytes(b"changed %d" % count)
        ours.take()
        ours.forget()
    newest, older = (read_manifest(objects, each) for each in manifests(objects))
    assert (newest.number, older.number) == (4, 3)
    assert newest.files["codecs/a"] == part_of(b"changed 2")
    after = {each.name: each.written for each in objects.found("parts")}
    large = newest.files["cohorts/large"].name
    assert after[large] == before[large]
    assert part_of(b"small").name in before
    assert not {part_of(b"small").name, part_of(b"changed 0").name} & set(after)
    assert part_of(b"changed 1").name in after


def test_a_damaged_snapshot_is_told_of_and_the_one_before_is_taken(
    url: str, folder: StudyFolder, tmp_path: Path
) -> None:
    objects = Objects(f"{url}/toy")
    ours = snapshots(objects, folder)
    ours.take()
    (folder.path / "codecs" / "a").write_bytes(b"newer")
    ours.take()
    objects.write(part_of(b"newer").name, b"older")
    said: list[str] = []
    again = restore(url, "toy", tmp_path / "elsewhere", said.append)
    assert (again.path / "codecs" / "a").read_bytes() == b"small"
    assert "codecs/a is not what was written" in said[0]
    # A head that makes the same file mends it.
    mended = snapshots(objects, folder)
    mended.take()
    assert objects.read(part_of(b"newer").name) == b"newer"
    objects.delete([part_of(b"newer").name, part_of(b"small").name])
    with pytest.raises(StudyError, match=r"3 snapshots of 'toy' .* none is whole"):
        restore(url, "toy", tmp_path / "another", said.append)
    assert not (tmp_path / "another" / "toy").exists()


@pytest.mark.parametrize("path", ["../out", "/out", "a/../../out", "", "a//b"])
def test_a_hostile_manifest_does_not_leave_the_folder(path: str) -> None:
    with pytest.raises(ValueError, match="must lie within the folder"):
        Manifest(identity="", lease=1, number=1, files={path: Part(1, "a" * 64)})


def test_a_snapshot_that_broke_off_is_none_and_its_parts_are_orphans(
    moto: stores.Moto, between: stores.Proxy, folder: StudyFolder, tmp_path: Path
) -> None:
    ours = snapshots(Objects(f"{stores.URL}/toy", QUICK), folder)
    between.answer, between.methods, between.after = (403, "<Code>AccessDenied</Code>"), ("PUT",), 2
    with pytest.raises(DeniedError):
        ours.take()
    between.answer = None
    objects = Objects(f"{stores.URL}/toy")
    assert manifests(objects) == []
    assert len(orphans(objects)) == 2
    with pytest.raises(StudyError, match="there is no snapshot of a study 'toy'"):
        restore(stores.URL, "toy", tmp_path / "elsewhere", lambda _: None)
    ours.take()
    assert orphans(objects) == []
    assert any("parts/" in name for name in moto.names())


def test_a_missing_object_and_a_taken_name(url: str) -> None:
    objects = Objects(f"{url}/toy")
    with pytest.raises(MissingError):
        objects.read("a/b")
    assert objects.create("a/b", b"1")
    assert not objects.create("a/b", b"2")
    assert objects.read("a/b") == b"1"
    objects.delete(["a/b", "a/b"])
    assert objects.found("a") == []


def test_a_checkpoint_that_takes_anothers_place_meanwhile_is_not_missed(
    folder: StudyFolder,
) -> None:
    ended = threading.Event()
    cohorts = folder.path / "cohorts"
    (cohorts / "0").write_bytes(b"0" * 300_000)

    def work() -> None:
        number = 0
        while not ended.is_set():
            number += 1
            (cohorts / "partial").write_bytes(b"1" * 300_000)
            (cohorts / "partial").rename(cohorts / str(number))
            (cohorts / str(number - 1)).unlink()
            time.sleep(0.001)

    thread = threading.Thread(target=work)
    thread.start()
    try:
        objects = Objects(f"{folder.path.parent}/mirror/toy")
        ours = snapshots(objects, folder)
        for _ in range(30):
            ours.take()
            there = read_manifest(objects, manifests(objects)[0]).files
            assert [name for name in there if name[8:].isdecimal()], json.dumps(sorted(there))
    finally:
        ended.set()
        thread.join()
