"""The octree as a yardstick: with counts, and with tables where those make a file shorter."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from model.errors import WrongCodecError
from model.octree.codec import OctreeCodec, OctreeOptions
from study.codecs.tables import trained_on
from study.yardsticks.octree import OctreeKind, Shorter, octree
from study.yardsticks.own_tables import DEPTHS, SEED, own_tables
from tests.model.support import surface
from tests.study.tiny import tiny_data_set

if TYPE_CHECKING:
    from study.config import SplitName


def cloud(seed: int, points: int) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    return surface(seed, points).astype(np.float64)


@pytest.fixture(scope="module")
def kind() -> OctreeKind:
    return OctreeKind("none", trained_on([cloud(n, 2000) for n in range(8)], DEPTHS, SEED), 8)


def test_a_file_begins_with_tables_or_without_whichever_is_shorter(kind: OctreeKind) -> None:
    """Two points need no tables, whose 2 bytes would be lost; a surface gains by them."""
    coder = dict(octree(kind=kind).coders)["16 voxels"]
    options = OctreeOptions(edge_of_longest_side=1 / 16)
    plain = OctreeCodec(options)
    trained = OctreeCodec(OctreeOptions(edge_of_longest_side=1 / 16, tables=kind.tables))
    for points, has_tables in ((cloud(9, 2), False), (cloud(9, 2000), True)):
        file = coder.compress(points, None)
        assert file == min(plain.compress(points), trained.compress(points), key=len)
        truth = trained if has_tables else plain
        decoded = coder.decompress(file).points
        np.testing.assert_array_equal(decoded, truth.decompress(file).points)
        np.testing.assert_array_equal(decoded, plain.decompress(plain.compress(points)).points)
        if has_tables:
            with pytest.raises(WrongCodecError):
                plain.decompress(file)


def test_it_is_called_by_its_counts_and_what_it_was_trained_on(kind: OctreeKind) -> None:
    assert octree().name == "octree"
    assert "nothing trained" in octree().description
    assert octree(kind=OctreeKind("coarse")).name == "octree+counts"
    trained = octree(kind=OctreeKind("coarse", kind.tables, 8))
    assert trained.name == "octree+counts, trained on 8 clouds"
    assert "positions and coarse numbers of points" in trained.description
    assert all(isinstance(coder, Shorter) for _, coder in trained.coders)
    assert all(isinstance(coder, OctreeCodec) for _, coder in octree().coders)


def test_tables_are_of_training_clouds_alone_and_of_no_more_than_are_quick(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = tiny_data_set(tmp_path_factory.getbasetemp() / "tiny")
    asked: list[str] = []

    class Asked:
        def split(self, name: SplitName) -> object:
            asked.append(name)
            return whole.split(name)

    tables, count = own_tables(Asked())
    patches = whole.split("train")
    assert (asked, count) == (["train"], len(patches.clouds))
    order = np.random.default_rng(SEED).permutation(count)
    placed = [
        np.concatenate([p.points * p.half_width + p.centre for p in patches if p.cloud == name])
        for name in np.array(patches.clouds)[order]
    ]
    truth = trained_on([points.astype(np.float64) for points in placed], DEPTHS, SEED)
    assert tables is not None
    assert all(np.array_equal(a, truth.arrays()[name]) for name, a in tables.arrays().items())
    monkeypatch.setattr("study.yardsticks.own_tables.MOST_POINTS", len(placed[0]))
    assert own_tables(Asked())[1] == 1
    monkeypatch.setattr("study.yardsticks.own_tables.MOST_POINTS", len(placed[0]) - 1)
    assert own_tables(Asked()) == (None, 0)
