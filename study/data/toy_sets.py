"""Sets of random points in a square, that a network of a few neurons can learn on in seconds."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import numpy as np

from study.clouds.cloud import checked_cloud
from study.config.data import TOY

if TYPE_CHECKING:
    from study.clouds import Cloud

SETS, POINTS = 100, 10
"""As many as an article on the chamfer distance trains its autoencoder on (docs/chamfer.md)."""


class ToySets:
    """Flat clouds of uniformly random points: there is nothing to learn but that they are flat.

    They are the same ones in every study; `data.max_objects` chooses among them.
    """

    name = TOY

    def __init__(self) -> None:
        squares = np.random.default_rng(0).random((SETS, POINTS, 2))
        flat = np.concatenate([squares, np.zeros((SETS, POINTS, 1))], axis=2)
        self._sets = {f"set-{number:03}": points for number, points in enumerate(flat)}
        self.point_counts = dict.fromkeys(self._sets, POINTS)
        self.fingerprint = hashlib.sha256(flat.tobytes()).hexdigest()

    def read(self, cloud: str) -> Cloud:
        """Return a set."""
        return checked_cloud(cloud, self._sets[cloud], None)
