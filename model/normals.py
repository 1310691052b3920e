"""Normals of a cloud: whether they are what a codec codes, and those of voxels as steps."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from model.errors import CodecError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from model.partition import Partition

_NORMAL_STEPS = 127
"""A voxel's normal is coded in 8 bits a component: -1 to 1 as 0 to 254."""


def check_shapes(
    points: NDArray[np.float64], normals: NDArray[np.float32] | None, *, wanted: bool
) -> None:
    """Hold a cloud against what its codec codes.

    Raises:
        CodecError: not (n, 3) points, or normals that the codec lacks, does not code or cannot.
    """
    if points.ndim != 2 or points.shape[1] != 3:
        raise CodecError(f"points must be (n, 3), not {points.shape}; reshape them")
    if normals is None and wanted:
        raise CodecError("this codec codes normals, and the cloud has none; give it normals")
    if normals is None:
        return
    if not wanted:
        raise CodecError("this codec does not code normals; leave them out")
    if normals.shape != points.shape or not np.isfinite(normals).all():
        raise CodecError(
            f"normals must be finite and as many as points, {points.shape}, and are "
            f"{normals.shape}; compute them anew"
        )


def voxel_normals(cut: Partition, normals: NDArray[np.float32]) -> NDArray[np.uint8]:
    """(v, 3) mean directions of the normals of each voxel's points, in steps."""
    if not len(cut.voxels):
        return np.zeros((0, 3), dtype=np.uint8)
    total = np.add.reduceat(normals[cut.voxel_members].astype(np.float64), cut.voxel_starts)
    length = np.linalg.norm(total, axis=1, keepdims=True)
    # Normals that cancel out leave none: a zero vector.
    mean = total / np.maximum(length, np.finfo(np.float64).tiny)
    steps: NDArray[np.uint8] = (np.rint(mean * _NORMAL_STEPS) + _NORMAL_STEPS).astype(np.uint8)
    return steps


def of_steps(steps: NDArray[np.uint8]) -> NDArray[np.float32]:
    """(v, 3) directions from what `voxel_normals` returned."""
    normals: NDArray[np.float32] = (steps.astype(np.float32) - _NORMAL_STEPS) / np.float32(
        _NORMAL_STEPS
    )
    return normals
