"""Who gets a lock, and how long is waited for it."""

from __future__ import annotations

import os
from threading import Timer
from typing import TYPE_CHECKING

import pytest

from study.base.locks import lock

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def twice(tmp_path: Path) -> Iterator[tuple[int, int]]:
    """A file that is opened twice, as by two processes."""
    file = tmp_path / "lock"
    file.touch()
    with file.open() as first, file.open() as second:
        yield first.fileno(), second.fileno()


def test_one_holds_it_and_the_other_waits_in_vain(twice: tuple[int, int]) -> None:
    first, second = twice
    assert lock(first, patience_s=0.0)
    for shared in (False, True):
        assert not lock(second, patience_s=0.0, shared=shared)
        assert not lock(second, patience_s=0.1, shared=shared)


def test_who_waits_gets_it_when_it_is_free(tmp_path: Path) -> None:
    file = tmp_path / "lock"
    file.touch()
    holder = os.open(file, os.O_RDONLY)
    assert lock(holder, patience_s=0.0)
    Timer(0.2, os.close, [holder]).start()
    with file.open() as other:
        assert lock(other.fileno(), patience_s=60.0)


def test_it_can_be_shared(twice: tuple[int, int]) -> None:
    assert all(lock(each, patience_s=0.0, shared=True) for each in twice)
    assert not lock(twice[0], patience_s=0.0)
