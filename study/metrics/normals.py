"""D-PCC's F1 score of decoded normals."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from study.metrics.distances import as_points, nearest
from study.metrics.psnr import as_normals

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

POINT_TOLERANCE = 0.05
NORMAL_TOLERANCE = 0.2
"""The released code's ``omega_xyzs`` and ``omega_normals``; the first in the frame [-1, 1]."""


def normals_f1(
    original: ArrayLike,
    original_normals: ArrayLike,
    decoded: ArrayLike,
    decoded_normals: ArrayLike,
) -> float:
    """F1 of points decoded near an original with nearly its normal, from 0 (none) to 1 (all).

    D-PCC's (He et al., CVPR 2022, as the released code computes it). A decoded point is a true
    positive if its nearest original is within `POINT_TOLERANCE` and their normals differ by no more
    than `NORMAL_TOLERANCE` (length of the difference: 0.2 is an angle of 11.5 degrees for unit
    normals; a flipped normal is wrong). The other decoded points are false positives; originals
    that are nobody's nearest in a true positive are false negatives. ``2 tp / (2 tp + fp + fn)``.

    Other tools' F-scores take distances only, and count precision and recall apart (Knapitsch et
    al., 2017); here two decoded points may claim one original and both count.

    Args:
        original: (n, 3), in the frame of `study.metrics.to_unit_frame` (or of one patch).
        original_normals: (n, 3).
        decoded: (m, 3), in the same frame.
        decoded_normals: (m, 3), as decoded: not normalised here.

    Raises:
        StudyError: a cloud is empty, of another shape or not finite, or lacks normals.
    """
    o, d = as_points(original, "original"), as_points(decoded, "decoded cloud")
    of_o = as_normals(original_normals, len(o), "original")
    of_d = as_normals(decoded_normals, len(d), "decoded cloud")
    distance, match = nearest(d, o)
    difference = np.linalg.norm(of_d - of_o[match], axis=1)
    hit = (distance <= POINT_TOLERANCE) & (difference <= NORMAL_TOLERANCE)
    true_positives = int(hit.sum())
    wrong = len(d) - true_positives
    missed = len(o) - len(np.unique(match[hit]))
    return 2 * true_positives / (2 * true_positives + wrong + missed)
