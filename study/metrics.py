"""How good a decoded cloud is."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy.spatial import cKDTree

if TYPE_CHECKING:
    from numpy.typing import NDArray


def d1_psnr_db(original: NDArray[np.float64], decoded: NDArray[np.float64], peak: float) -> float:
    """Point-to-point PSNR: ``10 log10(3 peak^2 / max(mse_od, mse_do))``.

    ``mse_od`` is the mean squared distance from each original point to its nearest decoded point,
    ``mse_do`` the other way round; the worse of the two counts. The 3 and the choice of the peak
    follow MPEG's evaluation (and D-PCC's); tools that write peak^2 without the 3 report 4.77 dB
    less.

    Args:
        original: (n, 3).
        decoded: (m, 3), in the same frame.
        peak: the signal's largest value in that frame, such as the longest side of the cloud.

    Returns:
        Decibels; infinite where the clouds are equal.
    """
    mse = max(_mean_dist2(original, decoded), _mean_dist2(decoded, original))
    return float("inf") if mse == 0.0 else float(10 * np.log10(3 * peak**2 / mse))


def _mean_dist2(query: NDArray[np.float64], reference: NDArray[np.float64]) -> float:
    return float(np.mean(np.square(cKDTree(reference).query(query)[0])))
