"""A driver's mirror: probed and taken before the first trial, then kept in a thread."""

from __future__ import annotations

import threading
import time
import uuid
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from study.base.addresses import holds_secret
from study.base.errors import StudyError
from study.base.next_command import program
from study.mirror.errors import StoreError
from study.mirror.manifests import (
    DamagedError,
    lease_of,
    manifests,
    mark,
    marked,
    objects_of,
    read_manifest,
)
from study.mirror.snapshots import Snapshots
from study.mirror.store_lease import StoreLease, TakenOverError
from study.storage.folder import folder_of
from study.storage.lease import ourselves

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from study.base.records import TrialRecord
    from study.config import StudyConfig
    from study.mirror.objects import Found, Objects
    from study.storage.folder import StudyFolder


class Mirror:
    """Takes snapshots in a thread of its own. It never raises into the study or makes it wait.

    Args:
        snapshots: what takes them.
        url: where to, for sentences.
        every_s: seconds between two, while trials make progress.
        tell: shows the user a line.
    """

    def __init__(
        self, snapshots: Snapshots, url: str, every_s: float, tell: Callable[[str], None]
    ) -> None:
        self._snapshots, self._url, self._every_s, self._tell = snapshots, url, every_s, tell
        self._news, self._ending = threading.Event(), threading.Event()
        self._trouble: str | None = None
        self._is_lost = self._stays = False
        self._taken_s: float | None = None
        self._thread = threading.Thread(target=self._work, name="mirror", daemon=True)
        self._thread.start()

    def on_trial(self, _record: TrialRecord) -> None:
        """Take note that there is something new."""
        self._news.set()

    def finish(self) -> str | None:
        """Take the last snapshot; return what is not mirrored, as a sentence, or None."""
        self.stop()
        if not self._is_lost:
            self._take()
        if self._trouble is None:
            return None
        since = "nothing of this run"
        if self._taken_s is not None:
            since = f"nothing after {time.strftime('%H:%M:%S', time.localtime(self._taken_s))}"
        return (
            f"all of the study is in its folder, but {since} is in the mirror, for {self._trouble}"
        )

    def stop(self) -> None:
        """Take no further snapshot, once the one at work has ended."""
        self._ending.set()
        self._news.set()
        self._thread.join()

    def _work(self) -> None:
        while not self._is_lost:
            self._news.wait()
            if self._ending.is_set():
                return
            self._news.clear()
            self._take()
            self._ending.wait(self._every_s)

    def _take(self) -> None:
        """Take one, and tell of the first in a row that fails."""
        begun_s = time.time()
        try:
            self._snapshots.take()
        except Exception as error:  # noqa: BLE001 (whatever it is, trials go on)
            self._is_lost = isinstance(error, TakenOverError)
            if self._trouble is None:
                self._tell(f"the mirror is behind: {error}")
            self._trouble = str(error)
            self._news.set()  # It is tried again, also if no trial makes progress.
        else:
            if self._trouble is not None:
                self._tell(f"the mirror {self._url} is up to date again")
            self._trouble, self._taken_s = None, begun_s
            self._forget()

    def _forget(self) -> None:
        """Delete what is older; tell of the first time that this fails."""
        try:
            self._snapshots.forget()
        except StoreError as error:
            if not self._stays:
                self._tell(f"older snapshots stay in the mirror and take room: {error}")
            self._stays = True


def check_mirror(config: StudyConfig) -> None:
    """Refuse a mirror that will not do, before anything of a study is begun.

    Raises:
        StoreError: it does not answer, or does not allow what is needed.
        StudyError: passwords would get into it, or it lies in the study's folder.
    """
    url = config.storage.mirror
    if url is None:
        return
    if holds_secret(config.storage.uri) or holds_secret(config.tracking.uri):
        raise StudyError(
            "a study with a storage.mirror must have no password in its file, for the file goes "
            "there too, and storage.uri or tracking.uri may hold one; give it in the environment "
            "or in ~/.pgpass"
        )
    own = folder_of(config).path
    if "://" not in url and Path(url).resolve().is_relative_to(own):
        raise StudyError(
            f"storage.mirror must lie outside of the study's folder, and {url} is in {own}; name "
            "a folder on another disk"
        )
    _probe(objects_of(url, config.name))


@contextmanager
def mirroring(
    config: StudyConfig,
    folder: StudyFolder,
    identity: str,
    tell: Callable[[str], None],
    on_taken: Callable[[], None],
) -> Iterator[Mirror | None]:
    """Keep a mirror during the block, which finishes it; None where the study has none.

    Args:
        config: the study, whose mirror was checked.
        folder: the study's, locked.
        identity: the study's.
        tell: shows the user a line.
        on_taken: called in a thread when another head has taken the mirror.

    Raises:
        StudyError: another head lives, or what is there is another study, or is ahead.
        StoreError: it does not answer.
    """
    url = config.storage.mirror
    if url is None:
        yield None
        return
    objects = objects_of(url, config.name)
    lease = StoreLease(objects, ourselves(folder), on_taken)
    try:
        _check_follows(objects, url, folder, identity)
        mark(folder, lease.number)
        snapshots = Snapshots(objects, lease, folder, identity)
        mirror = Mirror(snapshots, objects.url, config.storage.mirror_every_s, tell)
        try:
            yield mirror
        finally:
            mirror.stop()
    finally:
        lease.end()


def _identities(objects: Objects, there: Sequence[Found]) -> Iterator[str]:
    for each in there:
        with suppress(DamagedError):  # `study resume --from` has told of it.
            yield read_manifest(objects, each).identity


def _probe(objects: Objects) -> None:
    """Do once what a study will do, and refuse a store that cannot."""
    name = f"probes/{uuid.uuid4().hex}"
    objects.write(name, b"written")
    if objects.create(name, b"created") or objects.read(name) != b"written":
        raise StoreError(
            f"the store {objects.url} must know conditional writes, or two heads could drive one "
            "study, and it wrote over an object that was there (If-None-Match); name another store"
        )
    objects.found("probes")
    objects.delete([name])


def _check_follows(objects: Objects, url: str, folder: StudyFolder, identity: str) -> None:
    """Raise StudyError if what is mirrored is another study, or has gone on elsewhere."""
    there = manifests(objects)
    if not there:
        return
    name = folder.path.name
    again = f"`{program()} resume {name} --from {url}`"
    if any(other != identity for other in _identities(objects, there)):
        raise StudyError(
            f"a mirror holds one study under each name, and {objects.url} is another '{name}'; "
            f"choose another name or storage.mirror, or go on with that one: {again} where no "
            "folder has the name"
        )
    if lease_of(there[0]) > marked(folder):
        raise StudyError(
            f"'{name}' has gone on elsewhere since it was in {folder.path}: its mirror "
            f"{objects.url} is ahead; move the folder away and {again}"
        )
