"""A point cloud as read, and what every reader checks.

A reader is given an open file, what to call it in a sentence (`where`), and how to sample meshes.
"""

from __future__ import annotations

import warnings
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from study.base.errors import StudyError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import ArrayLike, NDArray

_FREE_BYTES = 1 << 26
_LARGEST_RATIO = 100
"""Most unpacked bytes for each packed byte. Text models reach 20, airborne scans 10; a bomb of
deflated zeros 1,000. Up to `_FREE_BYTES` are always accepted."""


@dataclass(frozen=True)
class Cloud:
    """A point cloud in the units of its file.

    Attributes:
        points: (n, 3) float64, finite, n >= 1.
        normals: (n, 3) float32 of length 1, or None.
        uncoded: what else the file holds, in words (colour, intensity, labels, ...). No codec here
            codes it; commands that drop it warn.
    """

    points: NDArray[np.float64]
    normals: NDArray[np.float32] | None
    uncoded: tuple[str, ...]


def checked_cloud(
    where: str, points: ArrayLike, normals: ArrayLike | None = None, uncoded: Sequence[str] = ()
) -> Cloud:
    """Make a cloud of what a file holds.

    Normals are brought to length 1. Where one of them has no direction (zero or NaN), the normals
    are left out as a whole and named in `uncoded`.

    Args:
        where: the file, for the error.
        points: (n, 3) numbers.
        normals: (n, 3) numbers.
        uncoded: what else the file holds.

    Raises:
        StudyError: there is no point, or a coordinate is NaN or infinite.
    """
    with np.errstate(invalid="ignore", over="ignore"):  # a signalling NaN: counted below
        coordinates = np.ascontiguousarray(points, dtype=np.float64).reshape(-1, 3)
    if not len(coordinates):
        raise StudyError(f"a cloud must have points, and {where} has none; remove it")
    broken = np.count_nonzero(~np.isfinite(coordinates).all(axis=1))
    if broken:
        raise StudyError(
            f"every coordinate of a cloud must be finite, and {broken:,} of the "
            f"{len(coordinates):,} points of {where} are NaN or infinite; remove those points from "
            "the file"
        )
    if normals is None:
        return Cloud(coordinates, None, tuple(uncoded))
    directions, lost = unit_normals(normals)
    if lost:
        why = f"normals ({lost:,} of {len(directions):,} have no direction)"
        return Cloud(coordinates, None, (*uncoded, why))
    return Cloud(coordinates, directions, tuple(uncoded))


def unit_normals(normals: ArrayLike) -> tuple[NDArray[np.float32], int]:
    """Normals of length 1, NaN where there is no direction, and the number of the latter."""
    with np.errstate(all="ignore"):
        wide = np.asarray(normals, dtype=np.float64).reshape(-1, 3)
        unit = wide / np.linalg.norm(wide, axis=1, keepdims=True)
    lost = np.count_nonzero(~np.isfinite(unit).all(axis=1))
    return unit.astype(np.float32), lost


@contextmanager
def parsing(where: str, kind: str) -> Iterator[None]:
    """Turn whatever a library raises about a file into a StudyError.

    Parsers of foreign files raise whatever the damage causes: IndexError, struct.error,
    OverflowError, ... (found by damaging files). Their warnings about odd but readable files are
    silenced; only NumPy's about text that it could not read to its end is an error.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            warnings.filterwarnings("error", "string or file could not be read to its end")
            yield
    except StudyError:
        raise
    except Exception as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise StudyError(
            f"{where} cannot be read as {kind} ({reason[:200]}): it is damaged, incomplete or of "
            "another format; repair it or remove it"
        ) from error


def require_plausible(
    where: str, unpacked: int, packed: int, free_bytes: int = _FREE_BYTES
) -> None:
    """Refuse a packed file that promises implausibly many bytes for its size.

    Args:
        where: the file, for the error.
        unpacked: bytes that it promises, as they lie in memory.
        packed: its bytes.
        free_bytes: so many are always accepted.
    """
    if unpacked > free_bytes + _LARGEST_RATIO * packed:
        raise StudyError(
            f"a packed cloud must not unpack to more than {_LARGEST_RATIO} times its size, and "
            f"{where} promises {unpacked:,} bytes from {packed:,}; if it is genuine, unpack it "
            "yourself"
        )
