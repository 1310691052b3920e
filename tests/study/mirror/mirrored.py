"""What the tests of mirrors share: a study file, and heads as other machines would be."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING

from study.mirror.objects import Objects, Patience
from study.mirror.snapshots import Snapshots
from study.mirror.store_lease import StoreLease
from study.storage.lease import ourselves
from study.storage.study_file import parse_study
from tests.study.mirror import stores
from tests.study.toy import STUDY

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from study.config import StudyConfig
    from study.storage.folder import StudyFolder

IDENTITY = "the study's"
QUICK = Patience(request_s=20.0, retrying_s=1.5)


def config_of(root: Path, mirror: str = stores.URL, more: str = "") -> StudyConfig:
    text = f"{STUDY}root: {root}\nstorage: {{mirror: '{mirror}', mirror_every_s: 0.05{more}}}\n"
    return parse_study(text, origin="toy")


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


def wait_for(is_so: Callable[[], bool], most_s: float = 60.0) -> None:
    end_s = time.monotonic() + most_s
    while not is_so():
        assert time.monotonic() < end_s
        time.sleep(0.02)
