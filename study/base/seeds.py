"""Independent streams of random numbers from one seed."""

from __future__ import annotations

from enum import IntEnum

import numpy as np


class Purpose(IntEnum):
    """What the numbers are for; no two purposes share a stream."""

    WEIGHTS = 0
    NOISE = 1
    ORDER = 2
    SEARCH = 3
    CRITIC = 4


def derived_seed(seed: int, purpose: Purpose, *counters: int) -> int:
    """A seed that belongs to a purpose (and to an epoch, say) alone.

    Seeds that differ by one, or one seed used twice, would repeat numbers between streams.
    """
    return int(np.random.SeedSequence([seed, purpose, *counters]).generate_state(1)[0])
