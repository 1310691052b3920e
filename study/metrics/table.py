"""The table of metrics: everything that is known of each, and the only place that lists them.

Objectives, constraints, result files, tables and pictures take names, units and directions from
here, and `study.metrics.measurement` what to compute: a new metric is one more entry.
`study explain` and docs/metrics.md teach the same list.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from study import metrics
from study.base.errors import StudyError
from study.base.spelling import did_you_mean
from study.metrics.measure import Measure, Measures

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

Present = TypeVar("Present")


def _there(what: Present | None) -> Present:
    """Return what `Measure.needs` says is there."""
    assert what is not None
    return what


_PSNR = "in dB,  10 log₁₀(3 peak² / MSE),  peak = longest side"
_UNIT_FRAME = "where the original's longest side is 2"
_FRAME_OF_FILES = "where the cloud's box is centred and its longest side is 2"

MEASURES = Measures(
    Measure(
        "bpp",
        "bits per input point",
        "length of all files, headers included, over all input points",
        in_files="bits of the whole file per input point",
        heading="bpp",
        axis_title="rate: measured bytes, in bits per input point",
        digits=".3f",
        phrase="{:.3f} bpp",
        direction_hint="minimize",
        estimate="bpp_estimated",
        compute=lambda sample: 8 * len(_there(sample.coded).file),
        needs=frozenset({"file"}),
        is_per_point=True,
    ),
    Measure(
        "d1_psnr_db",
        "dB, factor 3, peak = longest side",
        "point-to-point PSNR, mean over clouds",
        in_files="dB, point to point, {psnr}",
        heading="D1 PSNR dB",
        label="D1 PSNR",
        axis_title=f"D1 PSNR {_PSNR}",
        digits=".2f",
        phrase="{:.2f} dB D1 PSNR",
        direction_hint="maximize",
        estimate="d1_psnr_db",
        compute=lambda sample: metrics.d1_psnr_db(
            sample.original.searchable,
            sample.decoded,
            sample.original.peak,
            sample.original.psnr.factor,
        ),
    ),
    Measure(
        "d2_psnr_db",
        "dB, factor 3, peak = longest side",
        "point-to-plane PSNR, mean over clouds; needs data.normals: true",
        in_files="dB, point to plane, {psnr}",
        heading="D2 PSNR dB",
        label="D2 PSNR",
        axis_title=f"D2 PSNR {_PSNR}",
        digits=".2f",
        phrase="{:.2f} dB D2 PSNR",
        direction_hint="maximize",
        estimate="d2_psnr_db",
        compute=lambda sample: metrics.d2_psnr_db(
            sample.original.points,
            sample.decoded,
            _there(sample.original.normals),
            sample.original.peak,
            sample.original.psnr.factor,
        ),
        needs=frozenset({"normals"}),
        is_extra=True,
    ),
    Measure(
        "chamfer",
        f"squared length {_UNIT_FRAME}",
        "mean squared nearest distance, both ways summed, mean over clouds",
        in_files=f"mean squared nearest distance, both ways summed, {_FRAME_OF_FILES}",
        heading="chamfer dist.",
        axis_title=f"chamfer distance (squared),  {_UNIT_FRAME}",
        digits=".3g",
        phrase="chamfer distance {:.3g}",
        direction_hint="minimize",
        estimate="chamfer",
        compute=lambda sample: metrics.chamfer(*sample.in_unit_frame),
        needs=frozenset({"extent"}),
        is_extra=True,
    ),
    Measure(
        "hausdorff",
        f"length {_UNIT_FRAME}",
        "largest nearest distance, either way, mean over clouds",
        in_files=f"largest nearest distance, {_FRAME_OF_FILES}",
        heading="Hausdorff dist.",
        axis_title=f"Hausdorff distance,  {_UNIT_FRAME}",
        digits=".3g",
        phrase="Hausdorff distance {:.3g}",
        direction_hint="minimize",
        estimate="hausdorff",
        compute=lambda sample: metrics.hausdorff(*sample.in_unit_frame),
        needs=frozenset({"extent"}),
        is_extra=True,
    ),
    Measure(
        "emd",
        f"length {_UNIT_FRAME}",
        "earth mover's distance of at most 512 points of a cloud, mean over clouds",
        in_files=f"earth mover's distance of at most 512 points, {_FRAME_OF_FILES}",
        heading="earth mover's dist.",
        axis_title=f"earth mover's distance,  {_UNIT_FRAME}",
        digits=".3g",
        phrase="earth mover's distance {:.3g}",
        direction_hint="minimize",
        estimate="emd",
        compute=lambda sample: metrics.emd(*sample.in_unit_frame),
        needs=frozenset({"extent"}),
        is_extra=True,
    ),
    Measure(
        "density",
        f"no unit, {_UNIT_FRAME}",
        "D-PCC's density metric, mean over clouds",
        in_files=f"D-PCC's density metric, no unit, {_FRAME_OF_FILES}",
        heading="density diff.",
        axis_title=f"D-PCC's density metric,  {_UNIT_FRAME}",
        digits=".3g",
        phrase="density metric {:.3g}",
        direction_hint="minimize",
        estimate="density",
        compute=lambda sample: metrics.density_metric(*sample.in_unit_frame),
        needs=frozenset({"extent"}),
        is_extra=True,
    ),
    Measure(
        "f1",
        f"0 to 1, {_UNIT_FRAME}",
        "D-PCC's F1 of normals, mean over clouds; needs model.compress_normal: true",
        in_files=f"D-PCC's F1 of normals, 0 to 1, {_FRAME_OF_FILES}",
        heading="F1",
        axis_title=f"D-PCC's F1 of normals,  {_UNIT_FRAME}",
        digits=".3f",
        phrase="F1 of normals {:.3f}",
        direction_hint="maximize",
        estimate=None,
        compute=lambda sample: metrics.normals_f1(
            sample.in_unit_frame[0],
            _there(sample.original.normals),
            sample.in_unit_frame[1],
            _there(sample.decoded_normals),
        ),
        needs=frozenset({"normals", "decoded normals", "extent"}),
    ),
    Measure(
        "points_ratio",
        "no unit, 1 is as many",
        "decoded over input points",
        in_files="decoded over input points",
        heading="points out/in",
        axis_title="decoded over input points",
        digits=".3f",
        phrase="{:.3f} decoded points for one",
        direction_hint=None,
        estimate="points_ratio",
        compute=lambda sample: len(sample.decoded),
        is_per_point=True,
    ),
    Measure(
        "octree_share",
        "0 to 1",
        "share of patches that the octree codes, mean over clouds; only where it is a member",
        in_files="0 to 1, share of patches that the octree codes",
        heading="octree share",
        axis_title="share of patches that the octree codes",
        digits=".3f",
        phrase="{:.3f} of the patches by the octree",
        direction_hint=None,
        estimate=None,
        compute=lambda sample: _there(sample.octree_share),
        needs=frozenset({"octree member"}),
    ),
    Measure(
        "encode_s",
        "seconds per cloud",
        "time to write a cloud's file, on the worker that measures",
        in_files="seconds per cloud",
        heading="encode s",
        axis_title="time to encode a cloud, in seconds",
        digits=".3g",
        phrase="{:.3g} s to encode a cloud",
        direction_hint="minimize",
        estimate=None,
        compute=lambda sample: _there(sample.coded).encode_s,
        needs=frozenset({"seconds"}),
    ),
    Measure(
        "decode_s",
        "seconds per cloud",
        "time to read a cloud's file, on the worker that measures",
        in_files="seconds per cloud",
        heading="decode s",
        axis_title="time to decode a cloud, in seconds",
        digits=".3g",
        phrase="{:.3g} s to decode a cloud",
        direction_hint="minimize",
        estimate=None,
        compute=lambda sample: _there(sample.coded).decode_s,
        needs=frozenset({"seconds"}),
    ),
    Measure(
        "parameters",
        "numbers",
        "numbers that training sets, of encoder, decoder and probabilities together",
        in_files="numbers that training sets",
        heading="parameters",
        axis_title="parameters of the codec",
        digits=".0f",
        phrase="{:,.0f} parameters",
        direction_hint="minimize",
        estimate=None,
        compute=lambda sample: _there(_there(sample.coded).work).parameters,
        needs=frozenset({"counted work"}),
    ),
    Measure(
        "encode_mac_per_point",
        "multiply-accumulates per input point",
        "products of matrices and convolutions that writing a file takes",
        in_files="multiply-accumulates per input point, to write the file",
        heading="encode MAC/pt",
        axis_title="multiply-accumulates to encode, per input point",
        digits=".0f",
        phrase="{:,.0f} multiply-accumulates per point to encode",
        direction_hint="minimize",
        estimate=None,
        compute=lambda sample: _there(_there(sample.coded).work).encode_macs,
        needs=frozenset({"counted work"}),
        is_per_point=True,
    ),
    Measure(
        "decode_mac_per_point",
        "multiply-accumulates per input point",
        "products of matrices and convolutions that reading a file takes",
        in_files="multiply-accumulates per input point, to read the file",
        heading="decode MAC/pt",
        axis_title="multiply-accumulates to decode, per input point",
        digits=".0f",
        phrase="{:,.0f} multiply-accumulates per point to decode",
        direction_hint="minimize",
        estimate=None,
        compute=lambda sample: _there(_there(sample.coded).work).decode_macs,
        needs=frozenset({"counted work"}),
        is_per_point=True,
    ),
)
"""By name, in the order of tables. All are measured on the finished codec, in real files."""

SHOWN = ("bpp", "d1_psnr_db", "d2_psnr_db", "chamfer", "density", "points_ratio")
"""What is shown of every codec wherever there is room, whatever the objectives: each is blind to
something that another one sees (docs/metrics.md). `OCTREE_SHARE` where the octree is a member."""
OCTREE_SHARE = "octree_share"

SECONDS = ("encode_s", "decode_s")
WORK = ("parameters", "encode_mac_per_point", "decode_mac_per_point")
"""What a codec takes, beside `SHOWN` where codecs are measured on clouds that are at hand: of a
single codec with a network `WORK` is a line below the table (`work_told`)."""


def shown_beside(metrics: Iterable[str]) -> list[str]:
    """Return the metrics of `SHOWN` that are none of these, in their order."""
    taken = set(metrics)
    return [name for name in SHOWN if name not in taken]


def why_lacking(known: Collection[str]) -> list[str]:
    """Say of those of `SHOWN` that need normals, where nothing has a value of them, that it is so.

    Args:
        known: metrics that something has a value of.
    """
    return [
        f"{MEASURES[name].name_in_text} is not shown: it needs the points' normals, and there are "
        "none here"
        for name in SHOWN
        if name not in known and "normals" in MEASURES[name].needs
    ]


def work_told(values: Mapping[str, float | None]) -> list[str]:
    """Say in a line what a codec's network takes; nothing where that is not known."""
    known = [(name, value) for name in WORK if (value := values.get(name)) is not None]
    return ["; ".join(MEASURES[n].phrase.format(value) for n, value in known)] if known else []


def measure_named(name: str) -> Measure:
    """Return a metric.

    Raises:
        StudyError: there is none of this name; the nearest one is named.
    """
    if name not in MEASURES:
        raise StudyError(f"there is no metric '{name}'; {did_you_mean(name, MEASURES)}")
    return MEASURES[name]


def as_number(name: str, value: float | None) -> str:
    """Return a metric's value for a table; nothing where there is none."""
    return "" if value is None else format(value, MEASURES[name].digits)
