"""Bjøntegaard's comparison of two rate-distortion curves.

G. Bjøntegaard, "Calculation of average PSNR differences between RD-curves", VCEG-M33, 2001. The
arithmetic is the library's, `bjontegaard` (Herglotz et al., ICIP 2022, who recommend Akima).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Literal

from study.base.errors import StudyError

if TYPE_CHECKING:
    from collections.abc import Sequence

Interpolation = Literal["akima", "pchip"]

# What the library would warn of is refused or told here.
_UNCHECKED: dict[str, Any] = {"require_matching_points": False, "min_overlap": 0}

MIN_POINTS = 4
"""VCEG-M33's number. Two points would make the answer a matter of the interpolation alone."""


@dataclass(frozen=True)
class RateCurve:
    """A codec's operating points, from the lowest rate to the highest.

    Attributes:
        name: the codec's.
        bpp: bits per input point.
        psnr_db: the quality at each rate; both curves of a comparison must be of one convention.
        counts: what the rate counts, in a few words.

    Raises:
        StudyError: no points, unequal numbers of them, rates not above 0, or values not finite.
    """

    name: str
    bpp: tuple[float, ...]
    psnr_db: tuple[float, ...]
    counts: str = field(default="measured bytes", kw_only=True)

    def __post_init__(self) -> None:
        """Check, and put the points in the order of their rate."""
        if not self.bpp or len(self.bpp) != len(self.psnr_db):
            raise StudyError(
                f"the curve of {self.name!r} must have a PSNR for every rate, but it has "
                f"{len(self.bpp)} rates and {len(self.psnr_db)} PSNRs; give as many of each"
            )
        if not all(math.isfinite(value) for value in (*self.bpp, *self.psnr_db)):
            raise StudyError(
                f"the curve of {self.name!r} must be finite, but it is {self.bpp} bpp at "
                f"{self.psnr_db} dB; leave out the points that are not"
            )
        if min(self.bpp) <= 0:
            raise StudyError(
                f"the rates of {self.name!r} must be above 0, but the lowest is {min(self.bpp)} bpp"
            )
        points = sorted(zip(self.bpp, self.psnr_db, strict=True))
        object.__setattr__(self, "bpp", tuple(float(rate) for rate, _ in points))
        object.__setattr__(self, "psnr_db", tuple(float(quality) for _, quality in points))


@dataclass(frozen=True)
class BdDelta:
    """An average difference between two curves, and where they could be compared.

    Attributes:
        value: the difference, of the test curve against the anchor.
        low, high: the range, on the other axis, that both curves cover and the average is over.
        share: of what either curve covers (on the axis' own scale: dB, or log rate), how much that
            is, 0 to 1. Little of it makes the value a statement about the ends of the curves.
    """

    value: float
    low: float
    high: float
    share: float


def bd_rate_percent(anchor: RateCurve, test: RateCurve, method: Interpolation = "akima") -> BdDelta:
    """Average difference of the rate at equal quality, in percent; below 0 the test is better.

    Log rate is interpolated over PSNR, the difference of the two curves averaged over the PSNRs
    that both reach (``low`` and ``high``, dB), and turned into percent. "akima" is the library
    authors' advice, "pchip" what JCT-VC's spreadsheet does; the single cubic of 2001 is not
    offered, because it overshoots.

    Raises:
        StudyError: a curve has fewer than `MIN_POINTS` points or does not rise, or no PSNR is on
            both.
    """
    import bjontegaard  # draws with pyplot, which takes a second to import

    low, high = _overlap(anchor, test, anchor.psnr_db, test.psnr_db, "dB")
    value = bjontegaard.bd_rate(*_columns(anchor, test), method=method, **_UNCHECKED)
    return BdDelta(float(value), low, high, _share(anchor.psnr_db, test.psnr_db))


def bd_psnr_db(anchor: RateCurve, test: RateCurve, method: Interpolation = "akima") -> BdDelta:
    """Average difference of the quality at equal rate, in dB; above 0 the test is better.

    PSNR is interpolated over log rate, and the difference averaged over the logarithms of the rates
    that both curves reach (``low`` and ``high``, bpp).

    Raises:
        StudyError: a curve has fewer than `MIN_POINTS` points or does not rise, or no rate is on
            both.
    """
    import bjontegaard

    low, high = _overlap(anchor, test, anchor.bpp, test.bpp, "bpp")
    value = bjontegaard.bd_psnr(*_columns(anchor, test), method=method, **_UNCHECKED)
    logs = ([math.log(rate) for rate in curve.bpp] for curve in (anchor, test))
    return BdDelta(float(value), low, high, _share(*logs))


def _columns(anchor: RateCurve, test: RateCurve) -> tuple[tuple[float, ...], ...]:
    return anchor.bpp, anchor.psnr_db, test.bpp, test.psnr_db


def _overlap(
    anchor: RateCurve,
    test: RateCurve,
    of_anchor: tuple[float, ...],
    of_test: tuple[float, ...],
    unit: str,
) -> tuple[float, float]:
    """Return the range of one axis that both curves cover, or refuse."""
    _check(anchor)
    _check(test)
    low, high = max(of_anchor[0], of_test[0]), min(of_anchor[-1], of_test[-1])
    if low >= high:
        raise StudyError(
            f"two curves must overlap to be compared, but {anchor.name!r} is measured from "
            f"{of_anchor[0]:.4g} to {of_anchor[-1]:.4g} {unit} and {test.name!r} from "
            f"{of_test[0]:.4g} to {of_test[-1]:.4g} {unit}; measure more rates of one of them"
        )
    return low, high


def _share(a: Sequence[float], b: Sequence[float]) -> float:
    """Return how much of what two rising sequences cover is covered by both."""
    return (min(a[-1], b[-1]) - max(a[0], b[0])) / (max(a[-1], b[-1]) - min(a[0], b[0]))


def _check(curve: RateCurve) -> None:
    if len(curve.bpp) < MIN_POINTS:
        raise StudyError(
            f"a curve must have {MIN_POINTS} points or more to be compared, but {curve.name!r} has "
            f"{len(curve.bpp)}; measure it at more rates"
        )
    for (rate, quality), (next_rate, next_quality) in pairwise(
        zip(curve.bpp, curve.psnr_db, strict=True)
    ):
        if next_rate <= rate or next_quality <= quality:
            raise StudyError(
                f"a curve must rise to be compared, but {curve.name!r} goes from {quality:.4g} dB "
                f"at {rate:.4g} bpp to {next_quality:.4g} dB at {next_rate:.4g} bpp; "
                "leave out the points that others beat"
            )
