"""What the driver tells the workers of cohorts that already train: who joins, and who leaves.

The orders to a cohort are a list that only grows, kept by an actor on the driver's machine. A
worker saves how many of them it has followed with its checkpoint: one that is restarted follows the
rest again, and misses none. Nobody has orders before the first is given, so the actor starts then.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any, Self

import ray
from pydantic import Field
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from study.config import TrialConfig
from study.section import Section

if TYPE_CHECKING:
    from types import TracebackType


class Order(Section):
    """What changes in a cohort before its next step."""

    join: tuple[TrialConfig, ...] = Field((), description="trials that begin to train in it")
    leave: tuple[int, ...] = Field((), description="numbers of the trials that stop")


class _Board:
    """The orders to every cohort, oldest first, as texts."""

    def __init__(self) -> None:
        self._orders: defaultdict[int, list[str]] = defaultdict(list)

    def give(self, cohort: int, order: str) -> None:
        self._orders[cohort].append(order)

    def after(self, cohort: int, followed: int) -> list[str]:
        return self._orders[cohort][followed:]


class OrderDesk:
    """Where the driver gives orders; a context, at whose end nobody can follow them any more.

    Args:
        name: under which workers find them; no two studies on one Ray share it.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self._board: Any = None

    def __enter__(self) -> Self:
        """Return the desk; nothing is started yet."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End the actor, unless Ray, stopped by the same signal, would not answer."""
        if self._board is not None and kind is None:
            ray.kill(self._board)

    def give(self, cohort: int, order: Order) -> None:
        """Give an order. A worker that asks after this returns is told of it."""
        if self._board is None:
            self._board = _start(self.name)
        ray.get(self._board.give.remote(cohort, order.model_dump_json()))


class OrderReader:
    """Where the worker of a cohort learns its orders."""

    def __init__(self, name: str, cohort: int) -> None:
        self._name = name
        self._cohort = cohort
        self._board: Any = None

    def after(self, followed: int) -> list[Order]:
        """Return the orders to this cohort but for the first so many, oldest first."""
        if self._board is None:
            try:
                self._board = ray.get_actor(self._name)
            except ValueError:  # No cohort of the study has had any order yet.
                return []
        texts = ray.get(self._board.after.remote(self._cohort, followed))
        return [Order.model_validate_json(text) for text in texts]


def _start(name: str) -> Any:  # noqa: ANN401 (Ray makes the handle's class)
    # Beside the driver: a machine that can be taken away would take the orders with it.
    here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)
    return ray.remote(_Board).options(name=name, num_cpus=0, scheduling_strategy=here).remote()
