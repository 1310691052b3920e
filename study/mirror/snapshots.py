"""Sends moments of a study's folder to its mirror."""

from __future__ import annotations

from typing import TYPE_CHECKING

from study.mirror.frozen import freeze, thaw
from study.mirror.manifests import Manifest, forget_older, part_of, write_manifest

if TYPE_CHECKING:
    from collections.abc import Mapping

    from study.mirror.frozen import Seen, Sign
    from study.mirror.manifests import Part
    from study.mirror.objects import Objects
    from study.mirror.store_lease import StoreLease
    from study.storage.folder import StudyFolder


class Snapshots:
    """The snapshots of one head.

    Args:
        objects: the mirror.
        lease: this head's.
        folder: the study's.
        identity: the study's.
    """

    def __init__(
        self, objects: Objects, lease: StoreLease, folder: StudyFolder, identity: str
    ) -> None:
        self._objects, self._lease, self._folder = objects, lease, folder
        self._identity, self._number = identity, 0
        self._signs: dict[str, Sign] = {}
        self._parts: dict[str, Part] = {}
        # What lies there from earlier heads is sent once more: so a damaged part is mended.
        self._there: set[str] = set()

    def take(self) -> None:
        """Send what has changed, and commit it.

        Raises:
            StoreError: the store does not take it, or another head has taken the mirror. What was
                committed before is whole; what was sent already is not sent again.
            OSError, sqlite3.Error: the study's folder cannot be read.
        """
        try:
            seen = freeze(self._folder, self._signs)
            self._send(seen)
        finally:
            thaw(self._folder)
        files = {path: self._parts[path] for path in seen}
        # A number that failed may have been written all the same: it is not used again.
        self._number += 1
        self._lease.check()
        write_manifest(
            self._objects,
            Manifest(
                identity=self._identity, lease=self._lease.number, number=self._number, files=files
            ),
        )

    def forget(self) -> None:
        """Delete what is older than the snapshot before the last.

        Raises:
            StoreError: some of it stays.
        """
        self._lease.check()
        # Parts that this head sent and that a failure leaves or not: they are sent again.
        sent, self._there = self._there, set()
        self._there = sent.difference(forget_older(self._objects))

    def _send(self, seen: Mapping[str, Seen]) -> None:
        """Send the parts that the mirror lacks."""
        for path in self._signs.keys() - seen.keys():
            del self._signs[path], self._parts[path]
        for path, (sign, staged) in seen.items():
            if staged is None:
                continue
            content = staged.read_bytes()
            part = part_of(content)
            if part.name not in self._there:
                self._objects.write(part.name, content)
                self._there.add(part.name)
            # Noted when it is there: after a failure it is tried again.
            self._signs[path], self._parts[path] = sign, part
