"""The directions among which a child's position is blended."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor


def candidate_directions() -> Tensor:
    """The zero vector, then the 42 vertices of an icosahedron subdivided once; (43, 3).

    Published checkpoints fix the order: lexicographic in (x, y, z), compared *before* the edge
    midpoints are pushed out to the unit sphere.
    """
    short = 2 / (1 + 5**0.5)
    corners = np.array(
        [
            np.roll((0.0, a * short, b), shift)
            for a in (-1, 1)
            for b in (-1, 1)
            for shift in range(3)
        ]
    )
    corners /= np.linalg.norm(corners, axis=1, keepdims=True)
    first, second = np.triu_indices(len(corners), 1)
    lengths = np.linalg.norm(corners[first] - corners[second], axis=1)
    edges = np.isclose(lengths, lengths.min())
    vertices = np.concatenate([corners, (corners[first[edges]] + corners[second[edges]]) / 2])
    # Rounded, so that coordinates equal but for the last bit do not decide the order.
    keys = np.round(vertices, 9) + 0.0
    vertices = vertices[np.lexsort(keys.T[::-1])]
    vertices /= np.linalg.norm(vertices, axis=1, keepdims=True)
    return torch.from_numpy(np.concatenate([np.zeros((1, 3)), vertices])).float()
