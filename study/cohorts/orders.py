"""A driver's orders to cohorts in training: which trials join, and which leave.

The orders to a cohort are lines of a file in its folder, which only grows. A worker saves the
number of those that it has followed with its checkpoint. A file cannot die, as an actor of Ray's
can, and it lies where checkpoints do. A worker that does not see the driver's disk reads it through
`study.workers.storeroom`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field

from study.config import TrialConfig
from study.config.section import Section

if TYPE_CHECKING:
    from pathlib import Path

ORDERS_FILE = "orders.jsonl"


class Order(Section):
    """A change in a cohort before its next step."""

    join: tuple[TrialConfig, ...] = Field((), description="trials that begin to train in it")
    leave: tuple[int, ...] = Field((), description="numbers of the trials that stop")

    def __bool__(self) -> bool:
        """Whether anything changes."""
        return bool(self.join or self.leave)


def orders_after(folder: Path, followed: int) -> list[Order]:
    """Return the orders in a cohort's folder but for the first so many, oldest first."""
    try:
        text = (folder / ORDERS_FILE).read_text(encoding="utf-8")
    except FileNotFoundError:
        return []
    return orders_in(text)[followed:]


def orders_in(text: str) -> list[Order]:
    """Return the orders that a file holds, oldest first."""
    # The last piece is empty, or a line that a driver was killed while writing.
    return [Order.model_validate_json(line) for line in text.split("\n")[:-1]]
