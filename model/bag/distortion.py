"""How far a decoded cloud is from its original: D1, and where in the cloud it comes from.

Legend: n points of a cloud, m decoded points.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.spatial import cKDTree

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True)
class Errors:
    """Squared distances between an original and what was decoded, in squared units of the frame.

    Attributes:
        of_original: (n,) of each original point to the nearest decoded one.
        of_decoded: (m,) of each decoded point to the nearest original one.
        nearest: (m,) which original point that is.
    """

    of_original: NDArray[np.float64]
    of_decoded: NDArray[np.float64]
    nearest: NDArray[np.int64]

    @property
    def d1(self) -> float:
        """The mean of either direction, whichever is worse: what D1 PSNR is the logarithm of."""
        return float(max(self.of_original.mean(), self.of_decoded.mean()))


class Original:
    """A cloud to compare decoded ones with.

    Attributes:
        points: (n, 3), sorted so that equal points follow each other.
    """

    def __init__(self, points: NDArray[np.float64]) -> None:
        """Build the tree: of distinct points, for many equal ones cannot be split."""
        self.points = points
        self._first = np.flatnonzero(_is_new(points))
        self._tree = cKDTree(points[self._first])

    def errors(self, decoded: NDArray[np.float64]) -> Errors:
        """Compare (m, 3) decoded points, m >= 1."""
        places = decoded[np.lexsort(decoded.T)]
        to_decoded, _ = cKDTree(places[_is_new(places)]).query(self.points)
        to_original, index = self._tree.query(decoded)
        return Errors(to_decoded**2, to_original**2, self._first[index])


def _is_new(points: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Return which of (n, 3) sorted points differ from the one before."""
    is_new = np.ones(len(points), dtype=bool)
    is_new[1:] = (points[1:] != points[:-1]).any(axis=1)
    return is_new
