"""One driver for a study: on one machine by the kernel's lock, across machines by signs of life."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
import threading
import time
from contextlib import closing
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

import optuna
import pytest
from optuna.storages import RDBStorage

from study.base.errors import StudyError
from study.driver.runner import open_store
from study.storage.folder import StudyFolder, create_study_folder, open_study_folder
from study.storage.lease import STALE_S, Holder, Timing, hold, is_driven, ourselves
from study.storage.study_file import parse_study
from tests.study.toy import STUDY

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

FAST = Timing(beat_s=0.05, retry_s=0.02, watch_s=0.2, settle_s=0.1)


class Store:
    """Keeps what is written, and how often."""

    def __init__(self, lease: Mapping[str, Any] | None = None) -> None:
        self.written = lease
        self.writes = 0

    def lease(self) -> Mapping[str, Any] | None:
        return self.written

    def write_lease(self, lease: Mapping[str, Any]) -> None:
        self.written = lease
        self.writes += 1


@pytest.fixture
def folder(tmp_path: Path) -> StudyFolder:
    config = parse_study(STUDY + f"root: {tmp_path}/studies\n", origin="toy")
    with create_study_folder(config) as made:
        made.ray.mkdir()
        return made


def holder(folder: StudyFolder, *, silent_s: float = 0.0, **changes: object) -> dict[str, Any]:
    """A driver whose last sign of life is so long ago; of another machine unless it is said."""
    there = replace(ourselves(folder), beat=time.time() - silent_s, pid=4_194_305)
    return {**asdict(there), "host": "elsewhere", "machine": "other", **changes}


def ours(folder: StudyFolder) -> dict[str, Any]:
    here = ourselves(folder)
    return {"host": here.host, "machine": here.machine}


def wait_until(what: Callable[[], bool], within_s: float = 10.0) -> None:
    latest_s = time.monotonic() + within_s
    while not what():
        assert time.monotonic() < latest_s
        time.sleep(0.01)


def test_the_driver_stands_in_the_store_with_signs_of_life(folder: StudyFolder) -> None:
    store = Store()
    with hold(store, folder, timing=FAST) as lease:
        first = Holder.read(store.lease())
        assert first is not None
        assert first.pid == os.getpid()
        wait_until(lambda: store.writes >= 4)
        now = Holder.read(store.lease())
        assert now is not None
        assert now.beat > first.beat
        assert replace(now, beat=0) == replace(first, beat=0)
        assert not lease.lost.is_set()


def test_a_driver_that_ended_in_order_lets_the_next_begin_at_once(folder: StudyFolder) -> None:
    store = Store()
    with hold(store, folder, timing=FAST):
        pass
    with hold(store, folder, timing=FAST) as lease:
        assert not lease.lost.is_set()


@pytest.mark.parametrize("silent_s", [0.0, 0.8 * STALE_S, -0.8 * STALE_S])
def test_a_driver_on_another_host_is_named_and_left_alone(
    silent_s: float, folder: StudyFolder
) -> None:
    written = holder(folder, silent_s=silent_s)
    store = Store(written)
    told = r"'toy' is driven by process 4194305 on elsewhere since 20.*try again in \d+ s"
    with pytest.raises(StudyError, match=told), hold(store, folder, timing=FAST):
        pass
    assert store.written == written


@pytest.mark.parametrize("silent_s", [1.1 * STALE_S, -100 * STALE_S])
def test_a_driver_that_is_silent_for_long_is_replaced(silent_s: float, folder: StudyFolder) -> None:
    """Also one whose clock was far ahead: it would seem alive for hours."""
    store, said = Store(holder(folder, silent_s=silent_s)), list[str]()
    with hold(store, folder, timing=FAST, tell=said.append):
        now = Holder.read(store.lease())
        assert now is not None
        assert now.pid == os.getpid()
    assert len(said) == 1
    assert "process 4194305 on elsewhere" in said[0]


def test_a_driver_whose_clock_is_far_behind_is_seen_to_live(folder: StudyFolder) -> None:
    store = Store(holder(folder, silent_s=10 * STALE_S))
    beating = threading.Timer(
        FAST.watch_s / 2, lambda: store.write_lease(holder(folder, silent_s=10 * STALE_S - 0.1))
    )
    store.written = {**store.written, "id": "its"}  # type: ignore[dict-item]
    beating.start()
    with (
        pytest.raises(StudyError, match="compare the clocks"),
        hold(store, folder, timing=FAST),
    ):
        pass
    beating.join()


def test_who_has_the_folders_lock_need_not_wait_for_a_dead_driver_of_this_machine(
    folder: StudyFolder,
) -> None:
    store, said = Store(holder(folder, **ours(folder))), list[str]()
    with hold(store, folder, timing=FAST, tell=said.append):
        pass
    assert said == []


@pytest.mark.parametrize("alive", [True, False])
def test_a_study_that_was_moved_has_another_lock(folder: StudyFolder, *, alive: bool) -> None:
    """Then the process itself says whether it lives."""
    pid = {"pid": os.getpid()} if alive else {}
    store = Store({**holder(folder, **ours(folder), **pid), "folder": "/before"})
    if alive:
        with pytest.raises(StudyError, match="is driven by"), hold(store, folder, timing=FAST):
            pass
    else:
        with hold(store, folder, timing=FAST):
            pass


def test_of_two_that_take_a_stale_lease_one_gets_it(folder: StudyFolder) -> None:
    """Whichever writes last; the other sees that when it looks again."""

    class Contested(Store):
        def write_lease(self, lease: Mapping[str, Any]) -> None:
            super().write_lease(lease)
            self.written = rival

    rival = holder(folder)
    store = Contested(holder(folder, silent_s=2 * STALE_S))
    with pytest.raises(StudyError, match="a moment faster"), hold(store, folder, timing=FAST):
        pass
    assert store.written == rival


def test_of_many_at_once_at_most_one_drives(folder: StudyFolder) -> None:
    """In threads that stand for machines: each sees the same stale lease."""
    store = Store(holder(folder, silent_s=2 * STALE_S))
    together, refused, driving = threading.Barrier(6), list[str](), list[threading.Event]()
    over = threading.Event()

    def drive() -> None:
        together.wait()
        try:
            with hold(store, folder, timing=FAST) as lease:
                driving.append(lease.lost)
                over.wait(10)
        except StudyError as error:
            refused.append(str(error))

    threads = [threading.Thread(target=drive) for _ in range(6)]
    for thread in threads:
        thread.start()
    wait_until(lambda: len(refused) + len(driving) == 6)
    wait_until(lambda: [lost.is_set() for lost in driving].count(False) == 1)
    time.sleep(2 * FAST.beat_s)
    assert [lost.is_set() for lost in driving].count(False) == 1
    over.set()
    for thread in threads:
        thread.join()


def test_a_driver_whose_lease_was_taken_stops_and_writes_nothing_more(folder: StudyFolder) -> None:
    store, rival = Store(), holder(folder)
    with hold(store, folder, timing=FAST) as lease:
        store.written = rival
        assert lease.lost.wait(10)
        time.sleep(3 * FAST.beat_s)
    assert store.written == rival


def test_signs_of_life_go_on_when_a_locked_storage_answers_again(
    folder: StudyFolder, tmp_path: Path
) -> None:
    class Truth:
        """As the study's own storage, but for its patience with locks."""

        def __init__(self) -> None:
            arguments = {"connect_args": {"timeout": 0.05}}
            storage = RDBStorage(f"sqlite:///{tmp_path}/truth.db", engine_kwargs=arguments)
            self.study = optuna.create_study(storage=storage)
            self.failures = 0

        def lease(self) -> Mapping[str, Any] | None:
            found: Mapping[str, Any] | None = self.study.user_attrs.get("lease")
            return found

        def write_lease(self, lease: Mapping[str, Any]) -> None:
            try:
                self.study.set_user_attr("lease", lease)
            except Exception:
                self.failures += 1
                raise

    store = Truth()
    with hold(store, folder, timing=FAST) as lease:
        with closing(sqlite3.connect(tmp_path / "truth.db")) as other:
            other.execute("begin immediate")
            wait_until(lambda: store.failures >= 2)
            before = Holder.read(store.lease())
            other.rollback()

        def beats_again() -> bool:
            now = Holder.read(store.lease())
            return now is not None and before is not None and now.beat > before.beat

        wait_until(beats_again)
        assert not lease.lost.is_set()


def test_the_studys_own_storage_holds_the_lease_for_all_to_see(folder: StudyFolder) -> None:
    """Two connections to it, as two machines have; the second finds the first's signs of life."""
    config = folder.config()
    first, second = open_store(config, folder), open_store(config, folder)
    with hold(first, folder, timing=FAST) as lease:
        seen = Holder.read(second.lease())
        assert seen is not None
        assert seen.pid == os.getpid()
        wait_until(lambda: (Holder.read(second.lease()) or seen).beat > seen.beat)
        second.write_lease(holder(folder))
        assert lease.lost.wait(10)
    with pytest.raises(StudyError, match="on elsewhere"), hold(second, folder, timing=FAST):
        pass


def test_whoever_looks_sees_drivers_here_and_elsewhere(folder: StudyFolder) -> None:
    assert not is_driven(Store(), folder)
    assert is_driven(Store(holder(folder, silent_s=STALE_S / 2)), folder)
    assert not is_driven(Store(holder(folder, silent_s=STALE_S + 5)), folder)
    assert not is_driven(Store(holder(folder, beat=0.0)), folder)  # It ended in order.
    ours = asdict(ourselves(folder))  # Killed a moment ago on this machine: nobody has the lock.
    assert not is_driven(Store(ours), folder)
    with open_study_folder(folder):
        assert is_driven(Store(ours), folder)


def test_a_second_process_on_this_machine_is_refused_at_once(folder: StudyFolder) -> None:
    script = (
        "import sys; from pathlib import Path\n"
        "from study.storage.folder import StudyFolder, open_study_folder\n"
        "with open_study_folder(StudyFolder(Path(sys.argv[1]))):\n"
        "    print('open', flush=True); sys.stdin.read()\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script, str(folder.path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as other:
        try:
            assert other.stdout is not None
            assert other.stdout.readline() == b"open\n"
            assert folder.driver_alive()
            told = rf"'toy' is driven by process {other.pid} on this machine; wait for it, or stop"
            with pytest.raises(StudyError, match=told), open_study_folder(folder):
                pass
        finally:
            other.kill()
        other.wait()
    with open_study_folder(folder):  # The lock went with the process that was killed.
        assert folder.driver_alive()
    assert not folder.driver_alive()


def test_whoever_only_looks_does_not_keep_a_driver_out(folder: StudyFolder) -> None:
    looking = threading.Event()

    def look() -> None:
        while not looking.is_set():
            folder.driver_alive()

    thread = threading.Thread(target=look)
    thread.start()
    try:
        for _ in range(50):
            with open_study_folder(folder):
                pass
    finally:
        looking.set()
        thread.join()


def test_what_goes_wrong_while_a_study_goes_on_removes_nothing(folder: StudyFolder) -> None:
    folder.ray.rmdir()  # Without it, the folder of a new study would be removed.
    with pytest.raises(RuntimeError), open_study_folder(folder):
        raise RuntimeError
    assert folder.config().name == "toy"
