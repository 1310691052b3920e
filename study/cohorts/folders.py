"""The folders of cohorts: their workers write there, and every later driver reads there.

A cohort gets a new folder, an *opening*, each time it is handed to a worker. So a worker that
outlives its driver, or that was thought dead, never writes among the checkpoints of its successor.

    cohorts/cohort-0003/opening-002/step-000012/   a checkpoint: all that is needed to go on
                                    orders.jsonl   the driver's orders to the worker
                                    hung.txt       the stacks of a worker that was ended for hanging
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from shutil import rmtree
from typing import TYPE_CHECKING

from study.cohorts.orders import ORDERS_FILE, Order

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

HUNG_FILE = "hung.txt"
_STEP = "step-"
_OPENING = "opening-"
_KEPT = 2
"""Checkpoints of one opening that stay: the newest, and the one before should it be damaged."""


@dataclass(frozen=True)
class Opening:
    """One folder of one worker."""

    path: Path

    def write_checkpoint(self, step: int, save: Callable[[Path], None]) -> None:
        """Have a checkpoint written so that it is there as a whole or not at all.

        Args:
            step: its number; those of later steps count as newer.
            save: writes its files into the folder that it is given.

        Raises:
            OSError: the disk is full, or the folder cannot be written.
        """
        whole = self.path / f"{_STEP}{step:06d}"
        partial = self.path / f".{whole.name}.partial"
        rmtree(partial, ignore_errors=True)
        partial.mkdir(parents=True)
        try:
            save(partial)
            partial.rename(whole)
        except BaseException:
            rmtree(partial, ignore_errors=True)
            raise
        for old in self.checkpoints()[_KEPT:]:
            rmtree(old, ignore_errors=True)

    def checkpoints(self) -> list[Path]:
        """Return the whole checkpoints, the newest first."""
        return sorted(self.path.glob(f"{_STEP}*"), reverse=True)

    def give(self, order: Order) -> None:
        """Append an order. On return the worker can read it."""
        self.path.mkdir(parents=True, exist_ok=True)
        with (self.path / ORDERS_FILE).open("a", encoding="utf-8") as file:
            file.write(order.model_dump_json() + "\n")
            file.flush()
            os.fsync(file.fileno())

    def hung(self) -> bool:
        """Tell whether its worker was ended because a step of it took too long."""
        note = self.path / HUNG_FILE
        return note.exists() and note.stat().st_size > 0


class CohortFolders:
    """The folders of all cohorts of a study.

    Args:
        root: holds them; made when the first is opened.
    """

    def __init__(self, root: Path) -> None:
        self._root = root

    def open(self, cohort: int) -> Opening:
        """Make a new opening of a cohort."""
        numbers = (int(path.name.removeprefix(_OPENING)) for path in self._openings(cohort))
        path = self._of(cohort) / f"{_OPENING}{max(numbers, default=0) + 1:03d}"
        path.mkdir(parents=True)
        return Opening(path)

    def checkpoints(self, cohorts: Iterable[int]) -> list[Path]:
        """Return all checkpoints of some cohorts: of the first cohort first, the newest first."""
        return [
            checkpoint
            for cohort in cohorts
            for path in sorted(self._openings(cohort), reverse=True)
            for checkpoint in Opening(path).checkpoints()
        ]

    def forget_before(self, cohort: int, opening: Opening) -> None:
        """Delete what earlier openings of a cohort left, once a later one has a checkpoint."""
        for path in self._openings(cohort):
            if path.name < opening.path.name:
                rmtree(path, ignore_errors=True)

    def forget(self) -> None:
        """Delete everything: nothing of the study will go on."""
        rmtree(self._root, ignore_errors=True)

    def _of(self, cohort: int) -> Path:
        return self._root / f"cohort-{cohort:04d}"

    def _openings(self, cohort: int) -> Iterator[Path]:
        return self._of(cohort).glob(f"{_OPENING}*")
