"""Peak signal-to-noise ratios of geometry: D1 (point to point) and D2 (point to plane).

A PSNR means nothing without its peak and its factor: `PsnrConvention` holds both, and its text goes
wherever one is printed.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

import numpy as np
from scipy.spatial import cKDTree

from study.base.errors import StudyError
from study.metrics.distances import (
    Searchable,
    as_points,
    distinct,
    longest_side,
    mean_dist2,
    nearest,
)

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

MPEG_FACTOR = 3.0
"""The signal's energy is 3 p^2, one p^2 for each axis (MPEG's pc_error, and D-PCC)."""


class PeakRule(StrEnum):
    """Where the peak p comes from. MPEG gives it; papers take one of the other two as often."""

    LONGEST_SIDE = "longest side"
    INTRINSIC_RESOLUTION = "largest nearest-neighbour distance"
    GIVEN = "given"


@dataclass(frozen=True)
class PsnrConvention:
    """The peak and the factor of a PSNR; its text is what to print beside every value.

    Attributes:
        peak: the rule. ``LONGEST_SIDE``: of the original's axis-aligned box. In MPEG's test
            conditions p is ``GIVEN`` with the content (1023 for 10 bits). ``INTRINSIC_RESOLUTION``:
            the largest distance of an original point to its nearest other one, what pc_error takes
            when it is given none; D-PCC takes the largest of its whole test set, which is
            ``GIVEN`` here.
        given: p, for ``GIVEN`` and no other rule, in units of the points.
        factor: the energy is ``factor p^2``. Tools that write ``p^2`` report 4.77 dB less.

    Raises:
        StudyError: a peak without its rule, a rule without its peak, or a number not above 0.
    """

    peak: PeakRule = PeakRule.LONGEST_SIDE
    given: float | None = None
    factor: float = MPEG_FACTOR

    def __post_init__(self) -> None:
        if (self.given is None) == (self.peak is PeakRule.GIVEN):
            raise StudyError(
                f"a peak must be given with the rule {PeakRule.GIVEN.value!r} and with no other, "
                f"but the rule is {self.peak.value!r} and the peak is {self.given}; "
                "change one of them"
            )
        for what, number in (("peak", self.given), ("factor", self.factor)):
            if number is not None and not (math.isfinite(number) and number > 0):
                raise StudyError(f"the {what} of a PSNR must be above 0, but it is {number}")

    def __str__(self) -> str:
        """Return for instance ``3 p^2, p = longest side``."""
        peak = self.peak.value if self.given is None else f"{self.given:g} ({self.peak.value})"
        return f"{self.factor:g} p^2, p = {peak}"

    def peak_of(self, original: ArrayLike) -> float:
        """Return p for an original, (n, 3), in its units; 0 where that has no extent."""
        if self.given is not None:
            return self.given
        if self.peak is PeakRule.LONGEST_SIDE:
            return longest_side(original)
        return _intrinsic_resolution(as_points(original, "original"))


def d1_psnr_db(
    original: ArrayLike | Searchable, decoded: ArrayLike, peak: float, factor: float = MPEG_FACTOR
) -> float:
    """Point-to-point PSNR: ``10 log10(factor peak^2 / max(mse_od, mse_do))``.

    ``mse_od`` is the mean squared distance from each original point to its nearest decoded point,
    ``mse_do`` the other way round; the worse of the two counts. MPEG's D1 (Tian et al., ICIP 2017;
    pc_error's ``mseF,PSNR (p2point)``), with its factor of 3. pc_error can merge duplicate points
    first; here every point counts, as in D-PCC.

    Args:
        original: (n, 3), or made searchable once for many decoded ones.
        decoded: (m, 3), in the same frame.
        peak: in units of the points, see `PsnrConvention`.
        factor: of the energy.

    Returns:
        Decibels; infinite where every point is met exactly.

    Raises:
        StudyError: a cloud is empty, of another shape or not finite, or the peak is not above 0.
    """
    d = as_points(decoded, "decoded cloud")
    o = original
    if not isinstance(o, Searchable):
        o = Searchable(as_points(o, "original"))
    return _decibels(max(mean_dist2(o.points, d), mean_dist2(d, o)), peak, factor)


def d2_psnr_db(
    original: ArrayLike,
    decoded: ArrayLike,
    normals: ArrayLike,
    peak: float,
    factor: float = MPEG_FACTOR,
) -> float:
    """Point-to-plane PSNR: ``10 log10(factor peak^2 / max(mse_od, mse_do))``.

    As D1, but of each error vector only its part along a normal counts: sliding on the surface is
    free. D-PCC's definition (He et al., CVPR 2022, released code): decoded to original, the
    normal is that of the nearest original point; original to decoded, it is that of the original
    which is nearest to the decoded point that was found.

    MPEG's D2 (Tian et al., ICIP 2017; pc_error's ``p2plane``) differs in the second direction:
    there a decoded point has the average normal of all originals whose nearest it is, so values
    agree on smooth surfaces and differ at edges; and it averages over equally near points. PCQM
    (Meynet et al., 2020) is another thing: curvature and colour of neighbourhoods, no decibels.

    Args:
        original: (n, 3).
        decoded: (m, 3), in the same frame.
        normals: (n, 3) unit normals of the original; their signs do not matter.
        peak: in units of the points, see `PsnrConvention`.
        factor: of the energy.

    Returns:
        Decibels; infinite where no error leaves its plane.

    Raises:
        StudyError: as D1; or the normals are not one for each original point.
    """
    o, d = as_points(original, "original"), as_points(decoded, "decoded cloud")
    n = as_normals(normals, len(o), "original")
    _, to_original = nearest(d, o)
    _, to_decoded = nearest(o, d)
    outward = _mean_projection2(d - o[to_original], n[to_original])
    back = _mean_projection2(o - d[to_decoded], n[to_original[to_decoded]])
    return _decibels(max(outward, back), peak, factor)


def as_normals(normals: ArrayLike, count: int, whose: str) -> NDArray[np.float64]:
    """Return normals as doubles, one for each of `count` points.

    Raises:
        StudyError: another number, shape, or not finite.
    """
    array = as_points(normals, f"normals of the {whose}")
    if len(array) != count:
        raise StudyError(
            f"every point must have a normal, but the {whose} has {count} points and {len(array)} "
            "normals; give one row for each"
        )
    return array


def _mean_projection2(errors: NDArray[np.float64], normals: NDArray[np.float64]) -> float:
    return float(np.mean(np.square(np.sum(errors * normals, axis=1))))


def _decibels(mse: float, peak: float, factor: float) -> float:
    if mse == 0.0:
        return math.inf
    if not (math.isfinite(peak) and peak > 0):
        raise StudyError(
            f"the peak of a PSNR must be above 0, but it is {peak}: a cloud without extent has no "
            "peak of its own; give one, or leave the cloud out"
        )
    return 10 * math.log10(factor * peak**2 / mse)


def _intrinsic_resolution(points: NDArray[np.float64]) -> float:
    places = distinct(points)
    if len(places.points) == 1:
        return 0.0
    distance, _ = cKDTree(places.points).query(places.points, k=2)
    return float(distance[places.counts == 1, 1].max(initial=0.0))  # of others' equals it is 0
