"""The codecs that come with the package."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from model.octree.codec import OctreeCodec, OctreeOptions
from model.octree.general import general_tables
from study.base.errors import StudyError
from study.codecs.opening import open_any
from study.data.sources import EmbeddedObjects
from study.metrics.psnr import d1_psnr_db
from study.storage.study_file import parse_study
from study.zoo.catalog import DEFAULT, NUMBERED, shipped, shipped_folder

ROOT = Path(__file__).parents[3]


def test_there_is_a_default() -> None:
    assert DEFAULT in shipped()
    with pytest.raises(StudyError, match=f"did you mean '{DEFAULT}'"):
        shipped_folder(DEFAULT + "s")


@pytest.mark.parametrize("name", shipped())
def test_each_says_where_it_comes_from(name: str) -> None:
    described = json.loads((shipped_folder(name) / "codec.json").read_text(encoding="utf-8"))
    about = described["about"]
    assert about["source"] == "a trial of a study"
    assert about["study"]["name"] == f"zoo-{name}"
    assert about["training"]["epochs"] == about["epochs"]
    assert about["data"]["content_hash"]


def test_numbers_in_files_keep_their_meaning() -> None:
    """Another codec in the place of one would read its files as something else."""
    ids = [json.loads((shipped_folder(n) / "codec.json").read_text())["id"] for n in NUMBERED]
    assert ids[:1] == ["f9718e86"]
    assert set(NUMBERED) == set(shipped()), "decompress finds the writer by its number alone"


@pytest.mark.parametrize("name", shipped())
def test_each_was_made_with_the_settings_of_its_study_file(name: str) -> None:
    text = (ROOT / "tools" / "zoo" / f"{name}.yaml").read_text(encoding="utf-8")
    config = parse_study(text, origin=name)
    described = json.loads((shipped_folder(name) / "codec.json").read_text(encoding="utf-8"))
    about, model = described["about"], described["architecture"]["model"]
    assert model == config.model.model_dump(mode="json")
    assert about["loss"] == config.loss.model_dump(mode="json")
    assert about["training"] == config.training.model_dump(mode="json")
    recipe = config.data.model_dump(mode="json")
    assert about["data"]["recipe"] == recipe


@pytest.mark.parametrize("name", shipped())
def test_each_is_as_good_as_its_curve_says(name: str) -> None:
    """On some of the objects that the curve is the mean of: within their spread."""
    codec = open_any(shipped_folder(name))
    assert isinstance(codec, OctreeCodec)
    curve = json.loads((shipped_folder(name) / "curve.json").read_text(encoding="utf-8"))
    at = curve["depth"].index(4.0)
    source, found = EmbeddedObjects(), []
    codec = codec.with_options(OctreeOptions(edge_of_longest_side=2.0**-4))
    for cloud in list(source.point_counts)[:8]:
        points = source.read(cloud).points
        decoded = codec.decompress(codec.compress(points)).points
        found.append(d1_psnr_db(points, decoded, float(np.ptp(points, axis=0).max())))
    assert np.mean(found) == pytest.approx(curve["d1_psnr_db"][at], abs=2.0)


def test_the_default_beats_the_octree() -> None:
    """In the same voxels, so for the same bits and two bytes more, at the rates it is made for."""
    source = EmbeddedObjects()
    codec = open_any(shipped_folder(DEFAULT))
    assert isinstance(codec, OctreeCodec)
    octree = OctreeCodec(OctreeOptions(tables=general_tables()))
    gains_db = []
    for cloud in list(source.point_counts)[::20]:
        points = source.read(cloud).points
        options = OctreeOptions(edge_of_longest_side=1 / 16, tables=general_tables())
        files = [each.with_options(options).compress(points) for each in (codec, octree)]
        assert len(files[0]) - len(files[1]) <= 2
        ours, theirs = (
            d1_psnr_db(points, each.decompress(data).points, float(np.ptp(points, axis=0).max()))
            for each, data in zip((codec, octree), files, strict=True)
        )
        gains_db.append(ours - theirs)
    assert min(gains_db) >= 0.0
    assert np.mean(gains_db) > 0.3
