"""Mirrors in moto and in folders: what is sent and kept, who may write, and what goes wrong."""

from __future__ import annotations

import json
import sqlite3
import threading
import time
from contextlib import closing
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from study.base.errors import StudyError
from study.driver.runner import open_store
from study.mirror.errors import (
    DeniedError,
    MissingError,
    NoBucketError,
    StoreError,
    UnreachableError,
    WrongCredentialsError,
    WrongRegionError,
)
from study.mirror.frozen import STAGE
from study.mirror.manifests import Manifest, Part, manifests, orphans, part_of, read_manifest
from study.mirror.mirroring import Mirror, check_mirror, mirroring
from study.mirror.objects import Objects, Patience
from study.mirror.restoring import restore
from study.mirror.snapshots import Snapshots
from study.mirror.store_lease import StoreLease, TakenOverError
from study.storage.folder import create_study_folder, open_study_folder
from study.storage.lease import ourselves
from study.storage.study_file import parse_study
from tests.study.mirror import stores
from tests.study.toy import STUDY

if TYPE_CHECKING:
    from pathlib import Path

    from study.config import StudyConfig
    from study.storage.folder import StudyFolder

IDENTITY = "the study's"
QUICK = Patience(request_s=1.0, retrying_s=1.5)


def config_of(root: Path, mirror: str = stores.URL, more: str = "") -> StudyConfig:
    text = f"{STUDY}root: {root}\nstorage: {{mirror: '{mirror}', mirror_every_s: 0.05{more}}}\n"
    return parse_study(text, origin="toy")


@pytest.fixture
def folder(tmp_path: Path) -> StudyFolder:
    """A study's folder with a database, a small and a large file, and what stays at home."""
    config = config_of(tmp_path / "studies")
    with create_study_folder(config) as folder:
        open_store(config, folder).close()
        for name, content in {
            "codecs/a": b"small",
            "cohorts/large": b"x" * 600_000,
            "ray/log": b"stays at home",
        }.items():
            (folder.path / name).parent.mkdir(exist_ok=True)
            (folder.path / name).write_bytes(content)
    return folder


@pytest.fixture(params=["s3", "folder"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "folder":
        return str(tmp_path / "mirror")
    request.getfixturevalue("moto")
    return stores.URL


def held(objects: Objects, folder: StudyFolder, *, stale_s: float = 90.0) -> StoreLease:
    """The lease as another machine would ask for it: it cannot see who is dead here."""
    ours = replace(ourselves(folder), machine=f"machine of {time.monotonic_ns()}")
    return StoreLease(objects, ours, lambda: None, beat_s=0.1, stale_s=stale_s)


def snapshots(objects: Objects, folder: StudyFolder) -> Snapshots:
    return Snapshots(objects, held(objects, folder, stale_s=-1.0), folder, IDENTITY)


def files(folder: StudyFolder) -> dict[str, bytes]:
    return {
        path.relative_to(folder.path).as_posix(): path.read_bytes()
        for path in folder.path.rglob("*")
        if path.is_file() and path.suffix != ".db"
    }


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


def test_a_second_head_is_refused_until_the_first_is_dead(url: str, folder: StudyFolder) -> None:
    objects = Objects(f"{url}/toy")
    first = held(objects, folder)
    with pytest.raises(StudyError, match="a mirror has one head at a time"):
        held(objects, folder)
    first.end()
    second = held(objects, folder)
    assert (first.number, second.number) == (1, 2)
    second._ended.set()  # It dies without a word.
    second._thread.join()
    third = held(objects, folder, stale_s=0.0)
    with pytest.raises(TakenOverError):
        second.check()
    third.check()
    third.end()


def test_of_many_heads_at_once_one_gets_the_mirror(url: str, folder: StudyFolder) -> None:
    objects, got = Objects(f"{url}/toy"), []

    def take() -> None:
        try:
            got.append(held(objects, folder))
        except StudyError:
            return

    threads = [threading.Thread(target=take) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(got) <= 1
    for lease in got:
        lease.check()
        lease.end()


def test_a_head_whose_mirror_was_taken_is_told_and_commits_nothing(
    url: str, folder: StudyFolder
) -> None:
    objects, taken = Objects(f"{url}/toy"), threading.Event()
    lease = StoreLease(objects, ourselves(folder), taken.set, beat_s=0.05)
    ours = Snapshots(objects, lease, folder, IDENTITY)
    ours.take()
    other = held(objects, folder, stale_s=-1.0)
    assert taken.wait(5)
    with pytest.raises(TakenOverError):
        ours.take()
    assert len(manifests(objects)) == 1
    other.end()


def test_a_study_that_went_on_elsewhere_does_not_go_on_here(
    url: str, folder: StudyFolder, tmp_path: Path
) -> None:
    config = config_of(folder.path.parent, url)

    def mirrored(there: StudyFolder) -> None:
        with (
            open_study_folder(there),
            mirroring(config, there, IDENTITY, print, lambda: None) as mirror,
        ):
            assert mirror is not None
            assert mirror.finish() is None

    mirrored(folder)
    mirrored(folder)
    again = restore(url, "toy", tmp_path / "elsewhere", lambda _: None)
    mirrored(again)
    with pytest.raises(StudyError, match="'toy' has gone on elsewhere"):
        mirrored(folder)
    mirrored(again)


def test_a_store_that_fails_for_some_time_is_told_of_once_and_caught_up_with(
    between: stores.Proxy, folder: StudyFolder
) -> None:
    said: list[str] = []
    objects = Objects(f"{stores.URL}/toy", QUICK)
    mirror = Mirror(snapshots(objects, folder), stores.URL, 0.05, said.append)
    between.answer = (503, "<Code>SlowDown</Code>")
    mirror.on_trial(None)  # type: ignore[arg-type]  # It only takes note of the time.
    wait_for(lambda: between.seen > 12)
    between.answer = None
    wait_for(lambda: len(said) > 1)
    assert mirror.finish() is None
    assert [sentence.partition(": ")[0] for sentence in said] == [
        "the mirror is behind",
        f"the mirror {stores.URL} is up to date again",
    ]
    assert len(manifests(objects)) > 0


def test_what_is_not_mirrored_at_the_end_is_said(
    between: stores.Proxy, folder: StudyFolder
) -> None:
    mirror = Mirror(snapshots(Objects(f"{stores.URL}/toy", QUICK), folder), "", 0.05, print)
    between.answer, between.methods = (403, "<Code>AccessDenied</Code>"), ("PUT",)
    sentence = mirror.finish()
    assert sentence is not None
    assert "all of the study is in its folder, but nothing of this run is in the mirror" in sentence


def test_old_snapshots_that_may_not_be_deleted_do_no_harm(
    between: stores.Proxy, folder: StudyFolder
) -> None:
    said: list[str] = []
    objects = Objects(f"{stores.URL}/toy", QUICK)
    mirror = Mirror(snapshots(objects, folder), "", 0.05, said.append)
    between.answer, between.methods = (403, "<Code>AccessDenied</Code>"), ("DELETE", "POST")

    def is_mirrored_often() -> bool:
        mirror.on_trial(None)  # type: ignore[arg-type]  # It only takes note of the time.
        return len(manifests(objects)) > 3

    wait_for(is_mirrored_often)
    assert mirror.finish() is None
    (sentence,) = said
    assert "older snapshots stay in the mirror" in sentence


def wait_for(is_so: Callable[[], bool], most_s: float = 20.0) -> None:
    end_s = time.monotonic() + most_s
    while not is_so():
        assert time.monotonic() < end_s
        time.sleep(0.02)


@pytest.mark.parametrize(
    ("status", "code", "methods", "error"),
    [
        (301, "PermanentRedirect", ("PUT",), WrongRegionError),
        (403, "AccessDenied", ("PUT",), DeniedError),
        (403, "AccessDenied", ("DELETE", "POST"), DeniedError),
        (403, "InvalidAccessKeyId", ("GET", "PUT"), WrongCredentialsError),
        (404, "NoSuchBucket", ("PUT",), NoBucketError),
        (503, "SlowDown", ("PUT",), UnreachableError),
    ],
)
def test_a_store_that_will_not_do_is_refused_at_the_start(
    between: stores.Proxy,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    status: int,
    code: str,
    methods: tuple[str, ...],
    error: type[StoreError],
) -> None:
    monkeypatch.setattr("study.mirror.objects.Patience", lambda: QUICK)
    between.answer, between.methods = (status, f"<Error><Code>{code}</Code></Error>"), methods
    with pytest.raises(error, match=r"must be .* and cannot be"):
        check_mirror(config_of(tmp_path))
    between.answer = None
    check_mirror(config_of(tmp_path))


def test_a_store_that_hangs_is_waited_for_a_bounded_time(
    between: stores.Proxy,
) -> None:
    objects = Objects(f"{stores.URL}/toy", QUICK)
    between.delay_s = 0.2  # Slow is no fault.
    objects.write("slow", b"1")
    between.delay_s = 30.0
    begun_s = time.monotonic()
    with pytest.raises(UnreachableError):
        objects.write("slow", b"2")
    assert time.monotonic() - begun_s < 10
    between.delay_s = 0.0


def test_a_server_that_is_killed_during_an_upload_leaves_no_snapshot(
    folder: StudyFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    with stores.moto() as server, stores.proxy(server) as between:
        stores.use(monkeypatch, between.address)
        objects = Objects(f"{stores.URL}/toy", QUICK)
        ours = snapshots(objects, folder)
        ours.take()
        (folder.path / "cohorts" / "next").write_bytes(b"y" * 20_000_000)
        between.delay_s = 0.1
        killer = threading.Timer(0.3, server.stop)
        killer.start()
        with pytest.raises(UnreachableError):
            ours.take()
        killer.join()
        assert not (folder.path / STAGE).exists()
        server.start()  # Another one, which has nothing: all is sent again by another head.
        between.delay_s = 0.0
        with pytest.raises(StoreError):
            ours.take()
        snapshots(objects, folder).take()
        (there,) = manifests(objects)
        assert set(files(folder)) - {"ray/log", "driver.lock"} < set(
            read_manifest(objects, there).files
        )


def test_a_mirror_that_lies_in_the_study_or_would_get_passwords_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StudyError, match="must lie outside of the study's folder"):
        check_mirror(config_of(tmp_path, f"{tmp_path}/toy/mirror"))
    more = ", uri: 'postgresql://me:secret@host/db'"
    with pytest.raises(StudyError, match="must have no password in its file"):
        check_mirror(config_of(tmp_path, str(tmp_path / "m"), more))


@pytest.mark.parametrize(
    "url", ["s3://me:secret@bucket/a", "ftp://host/a", "s3://bucket/a?key=secret"]
)
def test_an_address_with_a_password_is_refused_and_not_shown(url: str, tmp_path: Path) -> None:
    with pytest.raises(StudyError, match="belong into the environment") as refused:
        config_of(tmp_path, url)
    assert "secret" not in str(refused.value)


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
