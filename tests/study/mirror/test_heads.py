"""A mirror has one head, and a study that went on elsewhere does not go on here."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

import pytest

from study.base.errors import StudyError
from study.mirror.manifests import manifests, read_manifest
from study.mirror.mirroring import mirroring
from study.mirror.objects import Objects
from study.mirror.restoring import restore
from study.mirror.snapshots import Snapshots
from study.mirror.store_lease import StoreLease, TakenOverError
from study.storage.folder import StudyFolder, open_study_folder
from study.storage.lease import ourselves
from tests.study.mirror.mirrored import IDENTITY, config_of, held

if TYPE_CHECKING:
    from pathlib import Path


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


@pytest.mark.parametrize(("every_s", "count"), [(0.01, 3), (1000.0, 1)])
def test_snapshots_are_as_far_apart_as_the_study_file_says(
    folder: StudyFolder, tmp_path: Path, every_s: float, count: int
) -> None:
    config = config_of(folder.path.parent, str(tmp_path / "mirror"))
    storage = config.storage.model_copy(update={"mirror_every_s": every_s})
    config = config.model_copy(update={"storage": storage})
    objects = Objects(f"{tmp_path}/mirror/toy")

    def newest() -> int:
        return max((read_manifest(objects, each).number for each in manifests(objects)), default=0)

    with mirroring(config, folder, IDENTITY, print, lambda: None) as mirror:
        assert mirror is not None
        end_s = time.monotonic() + (1.0 if count == 1 else 30.0)
        while time.monotonic() < end_s and newest() < 3:
            mirror.on_trial(None)  # type: ignore[arg-type]  # It only takes note of the time.
            time.sleep(0.01)
        assert min(newest(), 3) == count
        mirror.finish()
        assert newest() > count
