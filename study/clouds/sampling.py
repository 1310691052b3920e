"""How points are taken from a mesh. It imports no array: the command line checks numbers by it."""

from __future__ import annotations

from dataclasses import dataclass

DEFAULT_SAMPLES = 100_000
"""Points taken from a mesh by default."""
MOST_SAMPLES = 100_000_000
"""More points would exhaust the memory before they reach a file."""


@dataclass(frozen=True)
class Sampling:
    """How points are taken from a mesh: how many, uniformly by area, and the seed."""

    samples: int = DEFAULT_SAMPLES
    seed: int = 0
