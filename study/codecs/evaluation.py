"""What a codec's files cost and keep, measured alike for every codec, whoever measured it.

As JSON it is CompressAI's layout (name, description, and per metric a list with one value for each
operating point), with what that leaves out: units, the PSNR's peak and factor, settings, and the
same lists for each cloud. `study.codecs.results` writes and reads it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from study.base.errors import StudyError
from study.metrics import RateCurve, longest_side
from study.metrics.measurement import mean, over_clouds
from study.metrics.table import MEASURES

if TYPE_CHECKING:
    from collections.abc import Mapping

    from study.clouds import Cloud
    from study.metrics import PsnrConvention
    from study.metrics.measurement import CloudResult

FILE_KEYS: Mapping[str, str] = {"encode_s": "encoding_time", "decode_s": "decoding_time"}
"""What CompressAI's files call metrics that have another name here; the others keep theirs."""

MEASURED = "measured bytes"
"""What a rate counts that was measured here: whole files, headers and all."""
NOT_TOLD = "of a peak that its file does not tell"
"""Of PSNRs in files of others."""

_AVERAGED_IN_FILES = {"points_ratio"}
"""Metrics per point that result files have always averaged over the clouds."""


@dataclass(frozen=True)
class RatePoint:
    """What one setting of a codec did with every cloud.

    Attributes:
        setting: what tells it from the codec's others, such as "4 bits".
        results: one for each cloud; none where a file tells of means alone.
        told: means as such a file tells them, by metric; None: they follow from the results.
    """

    setting: str
    results: tuple[CloudResult, ...]
    told: Mapping[str, float | None] | None = None

    def mean(self, metric: str) -> float | None:
        """Return bits of all files over all input points; any other metric averaged over clouds.

        None where a cloud has no value: an average over some would compare with nothing.
        """
        if self.told is not None:
            return self.told.get(metric)
        if metric in _AVERAGED_IN_FILES:
            return mean(self.results, metric)
        return over_clouds(self.results, metric)


@dataclass(frozen=True)
class Evaluation:
    """A codec, measured on clouds at one operating point or more, all on the same clouds.

    Attributes:
        name: in tables and legends.
        description: what it is, in one line.
        convention: of the PSNRs; None where the file of others does not tell their peak.
        points: from the lowest rate on.
        counts: what its rate counts, in a few words.
    """

    name: str
    description: str
    convention: PsnrConvention | None
    points: tuple[RatePoint, ...]
    counts: str = MEASURED

    @property
    def psnr(self) -> str:
        """What the PSNRs are of, in words."""
        return NOT_TOLD if self.convention is None else str(self.convention)

    def curve(self) -> RateCurve:
        """Return D1 PSNR over rate, without operating points that lost nothing (infinite PSNR)."""
        finite = [
            (float(point.mean("bpp") or 0.0), quality)
            for point in self.points
            if (quality := point.mean("d1_psnr_db")) is not None and math.isfinite(quality)
        ]
        rates, qualities = tuple(b for b, _ in finite), tuple(q for _, q in finite)
        return RateCurve(self.name, rates, qualities, counts=self.counts)

    def to_json(self) -> dict[str, Any]:
        """Return what the file holds. Values that do not exist or are infinite are null."""
        return {
            "name": self.name,
            "description": self.description,
            "results": {
                _key(metric): [_number(point.mean(metric)) for point in self.points]
                for metric in MEASURES
            },
            "units": units(self.convention),
            "psnr": self.psnr,
            "rate": self.counts,
            "settings": [point.setting for point in self.points],
            "clouds": {
                same[0].cloud: {
                    "points": same[0].points,
                    "file_bytes": [result.file_bytes for result in same],
                    **{_key(m): [_number(each.values.get(m)) for each in same] for m in MEASURES},
                }
                for same in zip(*(point.results for point in self.points), strict=True)
            },
            "notes": self._notes(),
        }

    def _notes(self) -> list[str]:
        """Say why values are null."""
        results = [result for point in self.points for result in point.results]
        if self.counts != MEASURED:
            return ["what is null is not known of this codec"]
        bare = sorted({r.cloud for r in results if r.values.get("d2_psnr_db") is None})
        exact = sorted({r.cloud for r in results if math.inf in r.values.values()})
        notes = []
        if bare:
            notes.append(f"d2_psnr_db is null: no normals are given with {', '.join(bare)}")
        if any(result.values.get("f1") is None for result in results):
            notes.append("f1 is null: it needs normals in the input and in what is decoded")
        if exact:
            notes.append(f"a PSNR that is null is infinite, of {', '.join(exact)}")
        return notes


def units(convention: PsnrConvention | None) -> dict[str, str]:
    """Return every metric of a result file, in the file's order and words, with its unit."""
    psnr = NOT_TOLD if convention is None else convention
    return {_key(name): measure.in_files.format(psnr=psnr) for name, measure in MEASURES.items()}


def _key(metric: str) -> str:
    return FILE_KEYS.get(metric, metric)


LONGEST_SIDE = 1e150
"""Of a cloud that is measured: sums of its squared distances stay far from float64's end."""


def require_measurable(clouds: Mapping[str, Cloud]) -> None:
    """Refuse to measure on nothing, and on clouds without a scale to measure in.

    Raises:
        StudyError: there are no clouds, or some whose points are all the same or too far apart:
            each is named.
    """
    if not clouds:
        raise StudyError("a codec is measured on clouds, and none is given; name one or more")
    if complaints := unmeasurable(clouds):
        raise StudyError("\n".join(complaints))


def unmeasurable(clouds: Mapping[str, Cloud]) -> list[str]:
    """Return a sentence for each cloud that has no scale to measure in, or too large a one."""
    complaints = []
    for name, cloud in clouds.items():
        side = longest_side(cloud.points)
        if side > LONGEST_SIDE:
            complaints.append(
                f"a cloud must be at most {LONGEST_SIDE:g} long to be measured, for distances are "
                f"squared, and the cloud {name!r} is {side:g} long; scale it down"
            )
        if side == 0.0:
            count = len(cloud.points)
            heap = f"{count} points of {name!r} are all the same"
            complaints.append(
                "a cloud must have an extent to be measured, but the "
                f"{heap if count > 1 else f'cloud {name!r} is 1 point'}; leave it out"
            )
    return complaints


def _number(value: float | None) -> float | None:
    """Return a value as JSON can hold it."""
    return value if value is not None and math.isfinite(value) else None
