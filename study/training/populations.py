"""The living members of a cohort: one population of each kind while memory lasts, else several."""

from __future__ import annotations

from itertools import islice, pairwise
from typing import TYPE_CHECKING

from study.training.memory import in_parts
from study.training.population import Population

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from study.training.architecture import Architecture, Batch
    from study.training.feeding import Feed, Plan
    from study.training.members import Member, MemberState

STEPS_BETWEEN_LOOKS = 32
"""How often a loop asks whether anybody is left to train; asking makes a GPU wait. As many steps'
noise is drawn at once."""


class Populations:
    """All who see the same patches in the same order.

    Attributes:
        populations: each trains as one. There is one of each kind (`Architecture.in_training`),
            unless it once did not fit into memory.
    """

    def __init__(self, architecture: Architecture, device: str) -> None:
        """Begin without members."""
        self._architecture, self._device = architecture, device
        self.populations: list[Population] = []
        self._most: int | None = None

    @property
    def members(self) -> list[Member]:
        """All of them, in order."""
        return [member for population in self.populations for member in population.members]

    def states(self) -> list[MemberState]:
        """What each member is made of now."""
        return [state for population in self.populations for state in population.states()]

    def put_together(self, states: Sequence[MemberState]) -> None:
        """Have these members and no others, in as few populations of nearly equal size as fit.

        Those that train a second player have more parameters, and form populations of their own.
        """
        kinds: dict[int, list[MemberState]] = {}
        for state in states:
            kinds.setdefault(len(state.parameters), []).append(state)
        self.populations = [
            Population(self._architecture, some, self._device)
            for alike in kinds.values()
            for some in self._divided(alike)
        ]

    def _divided(self, states: Sequence[MemberState]) -> list[Sequence[MemberState]]:
        parts = -(-len(states) // (self._most or len(states)))
        bounds = [len(states) * part // parts for part in range(parts + 1)]
        return [states[first:last] for first, last in pairwise(bounds)]

    def dismiss(self, trials: Collection[int]) -> None:
        """Go on without some members; numbers of others are ignored."""
        if any(member.trial in trials for member in self.members):
            self.put_together(
                [state for state in self.states() if state.member.trial not in trials]
            )

    def train(self, feed: Feed, plan: Plan, clock: int) -> list[int]:
        """Train an epoch, or as far as anybody's loss is a number.

        Returns:
            The trials that even alone did not fit into memory. They are no members any more.
        """
        before = self.members
        for population in self.populations:
            population.begin_epoch(clock)
        batches = feed.batches(plan)
        for first in range(0, len(plan), STEPS_BETWEEN_LOOKS):
            stretch = plan[first : first + STEPS_BETWEEN_LOOKS]
            for population in self.populations:
                population.draw_noise([feed.noise_shape(numbers) for numbers in stretch])
            for batch in islice(batches, len(stretch)):
                self._step(batch)
            if not any(population.any_finite() for population in self.populations):
                break
        living = self.members
        return [member.trial for member in before if member not in living]

    def _step(self, batch: Batch) -> None:
        """Step every population, in halves where it does not fit into memory."""
        self.populations = [
            part
            for population in self.populations
            for part, stepped in in_parts(population, lambda each: each.step(batch), self._halves)
            if stepped
        ]

    def _halves(self, population: Population) -> list[Population]:
        size = len(population.members)
        if size == 1:
            return []
        larger = size - size // 2
        self._most = min(self._most or larger, larger)
        return population.halves()
