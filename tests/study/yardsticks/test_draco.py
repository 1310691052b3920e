"""Draco as a baseline: what it costs and keeps, and the file that holds it."""

from __future__ import annotations

import json
import math
import sys
from dataclasses import replace
from typing import TYPE_CHECKING

import DracoPy
import numpy as np
import pytest
from scipy.spatial import cKDTree

from study.base.errors import StudyError
from study.clouds import Cloud
from study.codecs.evaluation import units
from study.codecs.results import read_clouds, read_curve, write_evaluation
from study.metrics import PeakRule, PsnrConvention, chamfer, d1_psnr_db, to_unit_frame
from study.yardsticks.draco import DEFAULT_BITS, Draco, draco

if TYPE_CHECKING:
    from pathlib import Path

    from study.codecs.evaluation import Evaluation


def sphere(seed: int, count: int = 2000, radius: float = 40.0) -> Cloud:
    """Return points on a sphere with their normals."""
    normals = np.random.default_rng(seed).normal(size=(count, 3))
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    return Cloud(normals * radius, normals.astype(np.float32), ())


@pytest.fixture(scope="module")
def measured() -> Evaluation:
    bare = replace(sphere(1, 500), normals=None)
    return draco(bits=(5, 7, 9)).measure({"ball": sphere(0), "bare": bare})


def test_draco_quantises_over_the_longest_side(seed: int) -> None:
    """Steps of side / (2^bits - 1) on all axes; no coordinate is further off than half of one."""
    points = np.random.default_rng(seed).uniform(0, [8.0, 4.0, 2.0], size=(500, 3))
    points[:2] = [0, 0, 0], [8, 4, 2]
    coder = Draco(bits=6)
    found = coder.decompress(coder.compress(points)).points
    steps = found / (8 / (2**6 - 1))
    assert np.abs(steps - steps.round()).max() < 1e-4
    furthest, _ = cKDTree(steps).query(points / (8 / (2**6 - 1)), p=np.inf)
    assert 0.4 < furthest.max() < 0.5001


def test_the_decibels_of_fine_quantisation_have_a_closed_form(seed: int) -> None:
    """Each axis errs by step^2 / 12: D1 is 10 log10(12 (2^bits - 1)^2) where points are sparse."""
    points = np.random.default_rng(seed).uniform(size=(2000, 3))
    points[:2] = [0, 0, 0], [1, 1, 1]
    evaluation = draco(bits=(12,)).measure({"cube": Cloud(points, None, ())})
    decibels = evaluation.points[0].mean("d1_psnr_db")
    assert decibels == pytest.approx(10 * math.log10(12 * (2**12 - 1) ** 2), abs=0.15)


def test_far_from_the_origin_nothing_changes(seed: int) -> None:
    """Single precision alone would leave a handful of points in national coordinates."""
    near = sphere(seed)
    far = replace(near, points=near.points + np.array([4.5e6, 5.5e6, 200.0]))
    here, there = (draco(bits=(10,)).measure({"a": cloud}).points[0] for cloud in (near, far))
    assert there.mean("bpp") == pytest.approx(here.mean("bpp") or 0, rel=0.01)
    assert there.mean("d1_psnr_db") == pytest.approx(here.mean("d1_psnr_db") or 0, abs=0.1)


def test_what_is_measured_is_what_the_files_hold(measured: Evaluation) -> None:
    coder, cloud = Draco(7), sphere(0)
    local = replace(cloud, points=cloud.points - cloud.points.min(axis=0))
    data = coder.compress(local.points)
    found = coder.decompress(data).points
    [result, _] = measured.points[1].results
    assert (result.cloud, result.points, result.file_bytes) == ("ball", 2000, len(data))
    assert result.values["bpp"] == 8 * len(data) / 2000
    side = np.ptp(cloud.points, axis=0).max()
    assert result.values["d1_psnr_db"] == pytest.approx(d1_psnr_db(local.points, found, side))
    unit = [to_unit_frame(points, local.points) for points in (local.points, found)]
    assert result.values["chamfer"] == pytest.approx(chamfer(*unit))
    assert result.values["points_ratio"] == pytest.approx(1.0, abs=0.01)


def test_more_bits_cost_more_and_keep_more(measured: Evaluation) -> None:
    curve = measured.curve()
    assert list(curve.bpp) == sorted(curve.bpp)
    assert list(curve.psnr_db) == sorted(curve.psnr_db)
    assert DEFAULT_BITS == (2, 3, 4, 5, 6, 7, 8, 9, 10)


@pytest.mark.parametrize("bits", [3, 9])
def test_no_level_of_draco_gives_a_smaller_file(bits: int) -> None:
    points = sphere(0).points
    levels = [
        len(DracoPy.encode(points, quantization_bits=bits, compression_level=level))
        for level in range(11)
    ]
    assert len(Draco(bits).compress(sphere(0).points)) == min(levels)


def test_rate_is_over_all_points_and_quality_over_clouds(measured: Evaluation) -> None:
    first = measured.points[0]
    ball, bare = first.results
    assert first.mean("bpp") == 8 * (ball.file_bytes + bare.file_bytes) / 2500
    both = [ball.values["d1_psnr_db"], bare.values["d1_psnr_db"]]
    assert first.mean("d1_psnr_db") == pytest.approx(sum(v or 0 for v in both) / 2)
    assert ball.values["d2_psnr_db"] is not None
    assert first.mean("d2_psnr_db") is None


def test_the_file_is_compressais_with_units(measured: Evaluation, tmp_path: Path) -> None:
    path = tmp_path / "draco.json"
    write_evaluation(measured, path)
    held = json.loads(path.read_text(encoding="utf-8"))
    assert held["name"] == "Draco"
    assert "the smaller file of levels 2 and 10" in held["description"]
    assert held["settings"] == ["5 bits", "7 bits", "9 bits"]
    assert held["psnr"] == "3 p^2, p = longest side"
    assert set(held["results"]) == set(held["units"]) == set(units(PsnrConvention()))
    assert all(len(values) == 3 for values in held["results"].values())
    assert held["results"]["d2_psnr_db"] == [None] * 3
    assert held["units"]["d2_psnr_db"] == "dB, point to plane, 3 p^2, p = longest side"
    assert held["clouds"]["ball"]["points"] == 2000
    assert held["clouds"]["ball"]["d2_psnr_db"][0] > 30
    assert held["notes"][0] == "d2_psnr_db is null: no normals are given with bare"
    assert read_curve(path) == measured.curve()
    with pytest.raises(StudyError, match="exists; name another file"):
        write_evaluation(measured, path)


def test_what_is_lossless_is_null_in_the_file() -> None:
    corners = np.array([[x, y, z] for x in (0, 1) for y in (0, 1) for z in (0, 1)], dtype=float)
    evaluation = draco(bits=(1, 8)).measure({"cube": Cloud(corners, None, ())})
    held = evaluation.to_json()
    assert held["results"]["d1_psnr_db"] == [None, None]
    assert held["notes"][-1] == "a PSNR that is null is infinite, of cube"
    with pytest.raises(StudyError, match="0 rates and 0 PSNRs"):
        evaluation.curve()


def test_progress_counts_clouds_times_bits() -> None:
    seen: list[tuple[int, int]] = []
    clouds = {"a": sphere(0, 50), "b": sphere(1, 50)}
    draco(bits=(4, 5)).measure(clouds, progress=lambda done, of: seen.append((done, of)))
    assert seen == [(1, 4), (2, 4), (3, 4), (4, 4)]


def test_what_cannot_be_measured_is_refused() -> None:
    with pytest.raises(StudyError, match="none is given"):
        draco().measure({})
    with pytest.raises(StudyError, match="the 7 points of 'dot' are all the same"):
        draco().measure({"dot": Cloud(np.ones((7, 3)), None, ())})
    with pytest.raises(StudyError, match="takes 1 to 30 bits, but is given 31"):
        draco(bits=(31,))


def test_without_draco_the_user_learns_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "DracoPy", None)  # what an absent package looks like
    with pytest.raises(StudyError, match=r"run: pip install 'dpcc-study\[draco\]'"):
        draco()


@pytest.mark.parametrize(
    ("held", "complaint"),
    [
        ([], "list indices"),
        ({"name": "x", "psnr": "?", "results": {"bpp": [1.0]}}, "'d1_psnr_db' is missing"),
        ({"name": "x", "results": {}}, "'bpp' is missing"),
        ({"results": {"bpp": []}}, "'name' is missing"),
        (
            {"name": "x", "psnr": "?", "results": {"bpp": [1.0], "d1_psnr_db": []}},
            "shorter than argument 1",
        ),
    ],
)
def test_another_json_is_refused(tmp_path: Path, held: object, complaint: str) -> None:
    path = tmp_path / "other.json"
    path.write_text(json.dumps(held), encoding="utf-8")
    with pytest.raises(StudyError, match=f"must be what `study baseline`.*{complaint}"):
        read_curve(path)
    with pytest.raises(StudyError, match="cannot be read"):
        read_curve(tmp_path / "missing.json")
    path.write_text("[" * 100_000, encoding="utf-8")
    with pytest.raises(StudyError, match="must be what `study baseline`"):
        read_curve(path)


@pytest.mark.parametrize("clouds", [{"a.ply": {}}, {"a.ply": 300}, ["a.ply"]])
def test_clouds_without_points_are_refused(tmp_path: Path, clouds: object) -> None:
    path = tmp_path / "written-by-hand.json"
    path.write_text(json.dumps({"clouds": clouds}), encoding="utf-8")
    with pytest.raises(StudyError, match="must be what `study baseline`"):
        read_clouds(path)
    path.write_text("{}", encoding="utf-8")
    assert read_clouds(path) == []


def test_a_curve_of_another_psnr_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "given.json"
    given = PsnrConvention(PeakRule.GIVEN, 1023)
    write_evaluation(draco(bits=(4,), convention=given).measure({"b": sphere(0, 50)}), path)
    with pytest.raises(StudyError, match=r"is 3 p\^2, p = 1023 \(given\); measure it anew"):
        read_curve(path)
