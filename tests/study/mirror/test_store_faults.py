"""What is wrong with a store is told in a sentence, and stops no trial."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

import pytest

from study.base.errors import StudyError
from study.mirror.errors import (
    DeniedError,
    NoBucketError,
    StoreError,
    UnreachableError,
    WrongCredentialsError,
    WrongRegionError,
)
from study.mirror.frozen import STAGE
from study.mirror.manifests import manifests, read_manifest
from study.mirror.mirroring import Mirror, check_mirror
from study.mirror.objects import Objects, Patience
from study.mirror.restoring import check_restorable
from study.storage.study_file import parse_study
from tests.study.mirror import stores
from tests.study.mirror.mirrored import QUICK, config_of, files, snapshots, wait_for
from tests.study.toy import STUDY

if TYPE_CHECKING:
    from pathlib import Path

    from study.storage.folder import StudyFolder


def test_a_store_that_fails_for_some_time_is_told_of_once_and_caught_up_with(
    between: stores.Proxy, folder: StudyFolder
) -> None:
    said: list[str] = []
    objects = Objects(f"{stores.URL}/toy", QUICK)
    mirror = Mirror(snapshots(objects, folder), stores.URL, 0.05, said.append)
    between.answer = (503, "<Code>SlowDown</Code>")
    mirror.on_trial(None)  # type: ignore[arg-type]  # It only takes note of the time.
    wait_for(lambda: len(said) > 0)
    enough = between.seen + 12
    wait_for(lambda: between.seen > enough)  # Later failures are not told of.
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
    objects = Objects(f"{stores.URL}/toy", Patience(request_s=3.0, retrying_s=1.5))
    between.delay_s = 0.2  # Slow is no fault.
    objects.write("slow", b"1")
    between.delay_s = hang_s = 60.0
    begun_s = time.monotonic()
    with pytest.raises(UnreachableError):
        objects.write("slow", b"2")
    assert time.monotonic() - begun_s < hang_s
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
        between.delay_s = 0.5  # What follows the first part comes after the kill.

        def kill() -> None:
            wait_for(lambda: between.parts > 0)
            server.stop()

        killer = threading.Thread(target=kill)
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


@pytest.mark.parametrize("url", ["", " ", "s3:/bucket/a", "gs:bucket", "s3://", "s3:///", "S3://a"])
def test_what_is_no_address_makes_no_folder(url: str, tmp_path: Path) -> None:
    with pytest.raises(StudyError, match=r"a mirror must be s3://bucket/prefix, gs://"):
        config_of(tmp_path, url)
    with pytest.raises(StudyError, match=r"a mirror must be s3://bucket/prefix, gs://"):
        check_restorable(url, "toy", tmp_path)


@pytest.mark.parametrize("every_s", ["0", "-1", ".nan", ".inf", "1e12"])
def test_a_pause_that_no_clock_can_wait_is_refused(every_s: str, tmp_path: Path) -> None:
    text = (
        f"{STUDY}root: {tmp_path}\nstorage: {{mirror: {tmp_path}/m, mirror_every_s: {every_s}}}\n"
    )
    with pytest.raises(StudyError, match=r"storage\.mirror_every_s"):
        parse_study(text, origin="toy")


@pytest.mark.parametrize(
    "url", ["s3://me:secret@bucket/a", "ftp://host/a", "s3://bucket/a?key=secret"]
)
def test_an_address_with_a_password_is_refused_and_not_shown(url: str, tmp_path: Path) -> None:
    with pytest.raises(StudyError, match="belong into the environment") as refused:
        config_of(tmp_path, url)
    assert "secret" not in str(refused.value)
