"""Bjøntegaard's deltas: published numbers, closed forms, and what is refused."""

from __future__ import annotations

import json
import math
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from study.base.errors import StudyError
from study.metrics import BdDelta, PsnrConvention, RateCurve, bd_psnr_db, bd_rate_percent

if TYPE_CHECKING:
    from study.metrics.bd import Interpolation

METHODS = ["akima", "pchip"]
RATES = (0.5, 1.0, 2.0, 4.0, 8.0)
QUALITY = (30.0, 34.0, 37.0, 39.0, 40.5)


def curve(scale: float = 1.0, lift_db: float = 0.0, name: str = "test") -> RateCurve:
    return RateCurve(name, tuple(r * scale for r in RATES), tuple(q + lift_db for q in QUALITY))


@pytest.mark.parametrize(
    ("anchor", "test", "percent"),
    [
        (
            (
                (108048.8736, 43.6471),
                (61279.976, 40.3953),
                (33905.6656, 37.247),
                (18883.6928, 34.2911),
            ),
            (
                (108061.2784, 43.6768),
                (61299.9936, 40.4232),
                (33928.7472, 37.2761),
                (18910.912, 34.3147),
            ),
            -0.465215420752807,
        ),
        (
            (
                (40433.8848, 37.5761),
                (7622.7456, 35.3756),
                (2394.488, 33.8977),
                (1017.6184, 32.0603),
            ),
            ((40370.12, 37.5982), (7587.0024, 35.4025), (2390.0944, 33.9194), (1017.0984, 32.0822)),
            -1.8779823450567612,
        ),
    ],
)
def test_the_numbers_of_jctvc_e137(
    anchor: tuple[tuple[float, float], ...], test: tuple[tuple[float, float], ...], percent: float
) -> None:
    """The BD-rates, by PCHIP, are those that VMAF's and Android's own tests hold."""
    a, t = (RateCurve("c", *zip(*points, strict=True)) for points in (anchor, test))
    assert bd_rate_percent(a, t, "pchip").value == pytest.approx(percent, rel=1e-9)
    assert bd_rate_percent(a, t).value == pytest.approx(percent, rel=0.02)


@pytest.mark.parametrize("method", METHODS)
def test_a_curve_against_itself_is_no_difference(method: Interpolation) -> None:
    for delta in (bd_rate_percent(curve(), curve(), method), bd_psnr_db(curve(), curve(), method)):
        assert delta.value == pytest.approx(0.0, abs=1e-9)
        assert delta.share == 1.0


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("scale", [2.0, 0.5, 1.25])
def test_scaling_the_rate_is_that_many_percent(method: Interpolation, scale: float) -> None:
    delta = bd_rate_percent(curve(), curve(scale), method)
    assert delta.value == pytest.approx(100 * (scale - 1))
    assert (delta.low, delta.high, delta.share) == (30.0, 40.5, 1.0)


@pytest.mark.parametrize("method", METHODS)
def test_lifting_the_quality_is_that_many_decibels(method: Interpolation) -> None:
    delta = bd_psnr_db(curve(), curve(lift_db=1.5), method)
    assert delta.value == pytest.approx(1.5)
    assert (delta.low, delta.high, delta.share) == (0.5, 8.0, 1.0)


def test_straight_lines_have_a_closed_form() -> None:
    """6 dB an octave, and the same at 1.5 times the rate: 6 log2(1.5) = 3.51 dB less.

    Both cover log2(8 / 1.5) of the log2(12 / 1) octaves that either covers.
    """
    anchor = RateCurve("a", (1, 2, 4, 8), (30, 36, 42, 48))
    test = RateCurve("t", (1.5, 3, 6, 12), (30, 36, 42, 48))
    assert bd_rate_percent(anchor, test).value == pytest.approx(50.0)
    delta = bd_psnr_db(anchor, test)
    assert delta.value == pytest.approx(-3.5098, abs=1e-4)
    assert (delta.low, delta.high) == (1.5, 8.0)
    assert delta.share == pytest.approx(math.log2(8 / 1.5) / math.log2(12))


def test_the_order_and_the_number_of_points_are_free() -> None:
    longer = RateCurve("b", RATES[::-1], QUALITY[::-1])
    assert longer == RateCurve("b", RATES, QUALITY)
    shorter = RateCurve("c", RATES[:4], QUALITY[:4])
    delta = bd_rate_percent(longer, shorter)
    assert delta.value == pytest.approx(0.0, abs=0.5)
    assert delta.share == pytest.approx(9 / 10.5)


def test_curves_that_do_not_overlap_are_refused_with_their_ranges() -> None:
    high = curve(lift_db=20.0, name="draco")
    with pytest.raises(
        StudyError, match=r"'test' is measured from 30 to 40.5 dB and 'draco' from 50 to 60.5 dB"
    ):
        bd_rate_percent(curve(), high)
    assert isinstance(bd_psnr_db(curve(), high), BdDelta)
    with pytest.raises(StudyError, match=r"from 0.5 to 8 bpp and 'far' from 50 to 800 bpp"):
        bd_psnr_db(curve(), curve(100.0, name="far"))


def test_the_example_of_the_manual_works(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Four codecs at the half of Draco's rate are 50 % below it."""
    text = (Path(__file__).parents[3] / "docs" / "metrics.md").read_text(encoding="utf-8")
    [block] = [
        part for part in re.findall(r"```python\n(.*?)```", text, re.DOTALL) if "bd_" in part
    ]
    monkeypatch.chdir(tmp_path)

    def write(name: str, rates: tuple[float, ...], quality: tuple[float, ...]) -> None:
        results = {"bpp": rates, "d1_psnr_db": quality}
        held = {"name": name, "psnr": str(PsnrConvention()), "results": results}
        Path(f"{name}-evaluation.json").write_text(json.dumps(held), encoding="utf-8")

    write("draco", RATES, QUALITY)
    for number, (rate, quality) in enumerate(zip(RATES, QUALITY, strict=True)):
        write(f"codec-{number}", (rate / 2,), (quality,))
    exec(block, {})  # noqa: S102 (our own manual)
    assert capsys.readouterr().out == "-50.0 % rate at equal D1, over 30.0 to 40.5 dB\n"


def test_few_points_and_falling_curves_are_refused() -> None:
    with pytest.raises(StudyError, match=r"must have 4 points or more.*'test' has 3"):
        bd_rate_percent(RateCurve("test", RATES[:3], QUALITY[:3]), curve())
    falling = RateCurve("bent", (1, 2, 3, 4), (30, 35, 34, 36))
    with pytest.raises(StudyError, match="'bent' goes from 35 dB at 2 bpp to 34 dB at 3 bpp"):
        bd_psnr_db(curve(), falling)


@pytest.mark.parametrize(
    ("bpp", "psnr_db", "sentence"),
    [
        ((), (), "0 rates and 0 PSNRs"),
        ((1.0, 2.0), (30.0,), "2 rates and 1 PSNRs"),
        ((0.0, 1.0), (30.0, 31.0), "the lowest is 0.0 bpp"),
        ((1.0, 2.0), (30.0, float("inf")), "must be finite"),
    ],
)
def test_what_is_no_curve_is_refused(
    bpp: tuple[float, ...], psnr_db: tuple[float, ...], sentence: str
) -> None:
    with pytest.raises(StudyError, match=sentence):
        RateCurve("c", bpp, psnr_db)


def test_metrics_do_not_import_what_draws() -> None:
    code = "import sys, study.metrics; print({'matplotlib', 'bjontegaard'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"
