"""Other codecs' curves in the pictures of a front: in view, labelled, in both files."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import numpy as np
import pytest
from matplotlib.colors import to_rgb
from matplotlib.image import imread
from rich.console import Console

from study.base.errors import StudyError
from study.base.records import TrialRecord, TrialState
from study.commands.ending import show_front
from study.fronts.front import Direction, Objective
from study.fronts.judged import JudgedStudy
from study.metrics import RateCurve
from study.report import palette, write_report
from study.report.beside import Beside
from study.report.page.assembling import unpack
from study.report.picture import draw_up
from study.report.view import holds
from study.storage.study_file import parse_study
from tests.study.toy import STUDY

if TYPE_CHECKING:
    from pathlib import Path

OBJECTIVES = (
    Objective("bpp", Direction.MINIMIZE, reference=2.0),
    Objective("d1_psnr_db", Direction.MAXIMIZE, reference=30.0),
)
DRACO = RateCurve("Draco <10>", (0.71, 1.56, 3.28, 5.76), (34.4, 40.7, 47.0, 53.0))
FAR = RateCurve("far", (40.0, 50.0), (3.0, 4.0))


def trials() -> list[TrialRecord]:
    ends = [(0.5, 35.0), (0.9, 36.5), (1.4, 37.5)]
    return [
        TrialRecord(
            number=number,
            state=TrialState.COMPLETE,
            params={"loss.bpp_lambda": 0.1},
            final={"bpp": bpp, "d1_psnr_db": psnr_db},
        )
        for number, (bpp, psnr_db) in enumerate(ends)
    ]


def test_a_curve_is_named_at_its_last_place_in_view() -> None:
    picture = draw_up("s", JudgedStudy(trials(), OBJECTIVES), Beside([DRACO]))
    [line] = picture.lines
    assert line.points == tuple(zip(DRACO.bpp, DRACO.psnr_db, strict=True))
    x, y = line.label_at
    assert y == pytest.approx(np.interp(x, DRACO.bpp, DRACO.psnr_db))
    left, right = picture.x_range
    bottom, top = picture.y_range
    assert left <= x <= right
    assert bottom <= y <= top
    further = np.interp(x + 0.05 * (right - left), DRACO.bpp, DRACO.psnr_db)
    assert further > top or x + 0.1 * (right - left) > right
    assert picture.footnote == ""


def test_a_curve_far_away_does_not_squeeze_the_front() -> None:
    without = draw_up("s", JudgedStudy(trials(), OBJECTIVES))
    picture = draw_up("s", JudgedStudy(trials(), OBJECTIVES), Beside([FAR, DRACO]))
    assert [line.name for line in picture.lines] == [DRACO.name]
    assert picture.footnote == "far is out of view"
    assert without.lines == ()
    with_draco = draw_up("s", JudgedStudy(trials(), OBJECTIVES), Beside([DRACO]))
    assert (picture.x_range, picture.y_range) == (with_draco.x_range, with_draco.y_range)
    alone = draw_up("s", JudgedStudy(trials(), OBJECTIVES), Beside([FAR]))
    assert (alone.x_range, alone.y_range) == (without.x_range, without.y_range)
    # By place, not by name: two evaluations of one codec may be named alike.
    twin = RateCurve(DRACO.name, FAR.bpp, FAR.psnr_db)
    both = draw_up("s", JudgedStudy(trials(), OBJECTIVES), Beside([DRACO, twin]))
    assert both.footnote == f"{DRACO.name} is out of view"


def test_a_curve_that_crosses_the_view_has_a_point_in_it() -> None:
    """Between its points there is no codec; where they are too far away, the footnote says so."""
    alone = draw_up("s", JudgedStudy(trials(), OBJECTIVES))
    (left, right), (bottom, top) = alone.x_range, alone.y_range
    wide, high = right - left, top - bottom

    middle = (left + right) / 2

    def crossing(below: float) -> RateCurve:
        """Straight up through the view, from so many of its heights below it."""
        rates = (middle, middle + 0.01 * wide)
        return RateCurve("Draco", rates, (bottom - below * high, top + 9 * high))

    near = draw_up("s", JudgedStudy(trials(), OBJECTIVES), Beside([crossing(0.9)]))
    (line,) = near.lines
    assert sum(holds(point, near.x_range, near.y_range) for point in line.points) == 1
    assert near.footnote == ""
    far = draw_up("s", JudgedStudy(trials(), OBJECTIVES), Beside([crossing(9.0)]))
    assert not any(holds(point, far.x_range, far.y_range) for point in far.lines[0].points)
    assert far.footnote == "Draco: a line between points that are out of view"


def test_the_terminal_tells_of_each_baseline(tmp_path: Path) -> None:
    one = RateCurve("mine", (0.9,), (36.0,))
    files = write_report(
        "toy", JudgedStudy(trials(), OBJECTIVES), tmp_path, Beside([DRACO, FAR, one])
    )
    out = io.StringIO()
    console = Console(file=out, width=100)
    show_front(parse_study(STUDY, origin="x"), JudgedStudy(trials(), OBJECTIVES), files, console)
    assert [line for line in out.getvalue().splitlines() if line.startswith("baseline")] == [
        "baseline Draco <10>: 4 points, 0.71 to 5.76 bpp",
        "baseline far: 2 points, 40 to 50 bpp, out of the pictures' view",
        "baseline mine: 1 point, 0.9 bpp",
    ]


def test_a_study_without_a_codec_shows_the_curve() -> None:
    picture = draw_up("s", JudgedStudy([], OBJECTIVES), Beside([DRACO]))
    assert [line.name for line in picture.lines] == [DRACO.name]
    assert picture.x_range[0] < 0.71
    assert picture.x_range[1] > 5.76


def test_a_curve_needs_its_axes() -> None:
    chamfer = (OBJECTIVES[0], Objective("chamfer", Direction.MINIMIZE, reference=1.0))
    with pytest.raises(StudyError, match="objectives are bpp and chamfer; draw it without"):
        draw_up("s", JudgedStudy([], chamfer), Beside([DRACO]))


def test_a_name_is_no_formula(tmp_path: Path) -> None:
    odd = RateCurve("$x_{$", DRACO.bpp, DRACO.psnr_db)
    far = RateCurve("$^{$", FAR.bpp, FAR.psnr_db)
    assert write_report(
        "s", JudgedStudy(trials(), OBJECTIVES), tmp_path, Beside([odd, far])
    ).png.exists()


def test_both_pictures_show_the_line_and_its_name(tmp_path: Path) -> None:
    files = write_report("s", JudgedStudy(trials(), OBJECTIVES), tmp_path, Beside([DRACO]))
    [curve] = unpack(files.html.read_text(encoding="utf-8"))["curves"]
    assert curve["points"] == [list(point) for point in zip(DRACO.bpp, DRACO.psnr_db, strict=True)]
    assert curve["legend"] == "Draco <10> (baseline, measured bytes)"

    color = np.array(to_rgb(palette.BASELINE_CURVES[0][0]))
    plain = write_report("s", JudgedStudy(trials(), OBJECTIVES), tmp_path / "plain")
    drawn, absent = (
        int((np.abs(imread(path)[..., :3] - color).max(axis=-1) < 0.01).sum())
        for path in (files.png, plain.png)
    )
    assert drawn > 500
    assert absent == 0
