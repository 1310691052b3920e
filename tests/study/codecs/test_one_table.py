"""A new metric is one entry of the table: everything that measures a codec has it then."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from model.cloud_codec import CloudCodec
from model.patch_coder import PatchCoder
from study.clouds import Cloud
from study.codecs.evaluate import evaluate
from study.codecs.evaluation import units
from study.codecs.gallery import make_gallery
from study.config.judging import judge
from study.fronts.measures import Constraint
from study.metrics import PsnrConvention
from study.metrics.measure import Measure
from study.metrics.table import MEASURES
from study.report.exhibits import Gallery
from study.storage.progress import read_progress
from study.training.evaluation import measure
from study.yardsticks.draco import draco
from tests.model.support import fresh_codec, surface
from tests.study.finished import finished_study
from tests.study.tiny import MODEL, RECIPE, tiny_data_set, validate

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


LOST = Measure(
    "lost",
    "points",
    "input points without a decoded one, mean over clouds",
    in_files="points, {psnr}",
    heading="lost",
    axis_title="points lost",
    digits=".1f",
    phrase="{:.1f} points lost",
    direction_hint="minimize",
    estimate="lost",
    compute=lambda sample: float(len(sample.original.points) - len(sample.decoded)),
)


@pytest.fixture
def _registered() -> Iterator[None]:
    with MEASURES.including(LOST):
        yield
    assert "lost" not in MEASURES


@pytest.fixture
def codec() -> CloudCodec:
    return CloudCodec(PatchCoder.freeze(fresh_codec(1, config=MODEL)), RECIPE.partition())


@pytest.mark.usefixtures("_registered")
def test_a_trials_final_measuring_and_its_epochs_have_it(
    codec: CloudCodec, tmp_path_factory: pytest.TempPathFactory
) -> None:
    data = tiny_data_set(tmp_path_factory.getbasetemp() / "tiny")
    (cloud,) = data.clouds("validation")
    decoded = codec.decompress(codec.compress(cloud.points)).points
    assert measure(codec, data, "validation")["lost"] == len(cloud.points) - len(decoded)
    (estimated,) = validate(codec.coder.codec, data, "validation", "cpu")
    assert estimated["lost"] == pytest.approx(len(cloud.points) - len(decoded), abs=3)
    assert Constraint.parse("lost <= 3").violation(6.0) == 1.0


@pytest.mark.usefixtures("_registered")
def test_evaluations_and_baselines_have_it_and_their_files(codec: CloudCodec) -> None:
    points = surface(1, 300).astype(np.float64)
    points[1] = points[0]
    for evaluation in (
        evaluate(codec, {"a": Cloud(points, None, ())}),
        draco(bits=(9,)).measure({"a": Cloud(points, None, ())}),
    ):
        [result] = evaluation.points[0].results
        held = evaluation.to_json()
        assert held["results"]["lost"] == held["clouds"]["a"]["lost"] == [result.values["lost"]]
        assert held["results"]["points_ratio"] == [1 - (result.values["lost"] or 0) / 300]
    assert units(PsnrConvention())["lost"] == "points, 3 p^2, p = longest side"


@pytest.mark.usefixtures("_registered")
def test_the_gallery_has_it(tmp_path: Path) -> None:
    study = finished_study(tmp_path)
    config = study.config()
    for _ in ("coded", "read back"):
        standing = read_progress(study, config)
        gallery = make_gallery(study, config, judge(config, standing.records), standing.store)
        assert isinstance(gallery, Gallery), gallery
        for exhibit in gallery.exhibits:
            for one in exhibit.reconstructions:
                assert one.values["lost"] == len(exhibit.points) - len(one.points)
