"""A codec of ours measured by its files."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest

from model.cloud_codec import CloudCodec
from model.partition import PartitionConfig
from model.patch_coder import PatchCoder
from study.base.errors import StudyError
from study.clouds import Cloud
from study.codecs.evaluate import evaluate
from study.codecs.evaluation import units
from study.codecs.results import read_curve, write_evaluation
from study.metrics import (
    PeakRule,
    PsnrConvention,
    d1_psnr_db,
    d2_psnr_db,
    normals_f1,
    to_unit_frame,
)
from tests.model.support import ARCHITECTURES, fresh_codec, surface, unit_vectors

if TYPE_CHECKING:
    from pathlib import Path

    from model.config import ModelConfig

CUTTING = PartitionConfig(cube_size=50.0, min_points=64, max_points=512, voxel_depth=4)


def codec(config: ModelConfig = ARCHITECTURES["default"]) -> CloudCodec:
    return CloudCodec(PatchCoder.freeze(fresh_codec(3, config=config)), CUTTING)


def cloud(seed: int, count: int = 1200) -> Cloud:
    return Cloud(surface(seed, count).astype(np.float64) * 20 + 7, unit_vectors(seed, count), ())


def test_what_is_measured_is_what_the_file_holds() -> None:
    original, coder = cloud(1), codec()
    [point] = evaluate(coder, {"sheet": original}).points
    [result] = point.results
    data = coder.compress(original.points)
    decoded = coder.decompress(data).points
    assert (result.cloud, result.points, result.file_bytes) == ("sheet", 1200, len(data))
    side = np.ptp(original.points, axis=0).max()
    assert original.normals is not None
    d2 = d2_psnr_db(original.points, decoded, original.normals, side)
    expected = {
        "bpp": 8 * len(data) / 1200,
        "d1_psnr_db": d1_psnr_db(original.points, decoded, side),
        "d2_psnr_db": d2,
        "points_ratio": len(decoded) / 1200,
    }
    assert {metric: result.values[metric] for metric in expected} == pytest.approx(expected)
    assert result.values["f1"] is None
    assert (result.values["encode_s"] or 0) > 0
    assert (result.values["decode_s"] or 0) > 0


def test_the_file_is_that_of_the_baseline(tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []
    bare = replace(cloud(2), normals=None)
    evaluation = evaluate(
        codec(),
        {"a": cloud(1), "b": bare},
        name="mine",
        progress=lambda done, of: seen.append((done, of)),
    )
    assert seen == [(1, 2), (2, 2)]
    write_evaluation(evaluation, tmp_path / "mine.json")
    held = json.loads((tmp_path / "mine.json").read_text(encoding="utf-8"))
    assert held["name"] == "mine"
    assert codec().codec_id.hex() in held["description"]
    assert set(held["results"]) == set(units(PsnrConvention()))
    assert held["results"]["d2_psnr_db"] == [None]
    assert held["notes"][0].endswith("no normals are given with b")
    assert read_curve(tmp_path / "mine.json") == evaluation.curve()


def test_a_codec_of_normals_is_given_them_and_scored() -> None:
    coder = codec(ARCHITECTURES["normals"])
    original = cloud(1)
    assert original.normals is not None
    evaluation = evaluate(coder, {"a": original})
    [result] = evaluation.points[0].results
    decoded = coder.decompress(coder.compress(original.points, original.normals))
    assert decoded.normals is not None
    points, found = (to_unit_frame(each.points, original.points) for each in (original, decoded))
    f1 = normals_f1(points, original.normals, found, decoded.normals)
    assert result.values["f1"] == f1
    assert "with normals" in evaluation.description
    with pytest.raises(StudyError, match=r"codes normals.*but b has none"):
        evaluate(coder, {"a": original, "b": replace(original, normals=None)})


def test_the_peak_may_be_another(tmp_path: Path) -> None:
    """A peak of 10 instead of the longest side, 40: 20 log10(4) = 12.04 dB less."""
    original = {"a": cloud(1)}
    side = float(np.ptp(original["a"].points, axis=0).max())
    given = PsnrConvention(PeakRule.GIVEN, side / 4)
    usual, other = (evaluate(codec(), original, convention=c) for c in (PsnrConvention(), given))
    values = [each.points[0].results[0].values["d1_psnr_db"] for each in (usual, other)]
    assert None not in values
    assert (values[0] or 0) - (values[1] or 0) == pytest.approx(20 * np.log10(4))
    write_evaluation(other, tmp_path / "other.json")
    assert "(given)" in (tmp_path / "other.json").read_text(encoding="utf-8")


def test_nothing_to_measure_is_refused() -> None:
    with pytest.raises(StudyError, match="measured on clouds, and none is given"):
        evaluate(codec(), {})
    with pytest.raises(StudyError, match="the 9 points of 'dot' are all the same"):
        evaluate(codec(), {"dot": Cloud(np.ones((9, 3)), None, ())})
    with pytest.raises(StudyError, match="but the cloud 'dot' is 1 point; leave it out"):
        evaluate(codec(), {"dot": Cloud(np.ones((1, 3)), None, ())})
    far = Cloud(np.array([[-1e308] * 3, [1e308] * 3]), None, ())
    with pytest.raises(
        StudyError, match=r"at most 1e\+150 long .* and the cloud 'far' is inf long"
    ):
        evaluate(codec(), {"far": far})
