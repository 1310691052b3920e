"""G-PCC on the embedded objects: known by their points, and as what can be computed says."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pyarrow.parquet as pq
import pytest

from study.base.errors import StudyError
from study.data.sources import EmbeddedObjects
from study.metrics import PsnrConvention, chamfer, d1_psnr_db, longest_side, to_unit_frame
from study.yardsticks.recorded import TABLE, RecordedGpcc, names_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from study.clouds import Cloud

NAMES = ("armchair", "L_shaped_sofa", "antiqueChair")


@pytest.fixture(scope="module")
def objects() -> Mapping[str, Cloud]:
    embedded = EmbeddedObjects()
    return {name: embedded.read(name) for name in NAMES}


def test_it_has_a_row_for_each_object_and_depth() -> None:
    rows = pq.read_table(TABLE).to_pylist()
    assert {row["name"] for row in rows} == EmbeddedObjects().point_counts.keys()
    assert {(row["mode"], row["points_in"]) for row in rows} == {("octree", 8192)}
    assert len({(row["name"], row["depth"]) for row in rows}) == len(rows) == 143 * 6
    for row in rows:
        assert row["bpp"] == 8 * row["bytes"] / 8192


def test_what_was_recorded_is_what_a_grid_of_that_depth_makes(
    objects: Mapping[str, Cloud],
) -> None:
    """The program rounds to the grid and merges: its points and decibels can be computed."""
    found = RecordedGpcc().measure(objects)
    for depth, point in zip(range(3, 9), found.points, strict=True):
        for name, result in zip(NAMES, point.results, strict=True):
            points, scale = objects[name].points, 2.0 ** (depth - 12)
            decoded = np.unique(np.floor(points * scale + 0.5), axis=0) / scale
            assert result.counts["points_ratio"] == pytest.approx(len(decoded), rel=0.02)
            ours = d1_psnr_db(points, decoded, longest_side(points))
            assert result.values["d1_psnr_db"] == pytest.approx(ours, abs=0.15)
            unit = [to_unit_frame(each, points) for each in (points, decoded)]
            assert result.values["chamfer"] == pytest.approx(chamfer(*unit), rel=0.05)


def test_an_object_is_known_by_its_points(objects: Mapping[str, Cloud], seed: int) -> None:
    sofa, chair = objects["L_shaped_sofa"], objects["armchair"]
    shuffled = np.random.default_rng(seed).permutation(sofa.points)
    moved = sofa.points.copy()
    moved[0] = moved[1]
    clouds = {
        "any/name.ply": replace(sofa, points=shuffled),
        "armchair": replace(chair, points=chair.points[:4096]),
        "L_shaped_sofa": replace(sofa, points=moved),
    }
    assert names_of(clouds) == {"any/name.ply": "L_shaped_sofa"}
    with pytest.raises(StudyError, match="armchair, L_shaped_sofa are none of them; give your own"):
        RecordedGpcc().measure(clouds)
    with pytest.raises(StudyError, match="none is given"):
        RecordedGpcc().measure({})


def test_it_says_that_it_is_recorded_and_knows_no_more_than_was(
    objects: Mapping[str, Cloud],
) -> None:
    found = RecordedGpcc().measure(objects)
    assert "recorded with TMC13 v23.0-rc2, not run here" in found.description
    assert "positionQuantizationScale=2^(depth-12)" in found.description
    assert (found.counts, found.convention) == ("recorded bytes", PsnrConvention())
    assert found.curve().counts == "recorded bytes"
    held = found.to_json()
    assert held["results"]["density"] == held["results"]["encoding_time"] == [None] * 6
    assert held["notes"] == ["what is null is not known of this codec"]
    few = RecordedGpcc().measure(objects, metrics=["bpp", "density"])
    assert few.points[0].results[0].values["density"] is None
