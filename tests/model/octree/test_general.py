"""The tables that come along: where they are from, what they are worth, and that they stay."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from model.errors import CodecError
from model.octree.codec import OctreeCodec, OctreeOptions
from model.octree.general import general_tables
from model.octree.packed import CHANCE_SHIFT, KINDS, WEIGHT_SHIFT, pack, unpack
from model.octree.tables import OctreeTables, untrained
from model.octree.training import SETTLED, stream_bits
from study.data.sources import EmbeddedObjects
from tests.model.octree.test_codec import sheet, trained
from tests.model.octree.test_format import OLD_FILES
from tools import general_tables as tool

FURNITURE = "DPCC_FURNITURE"
"""Environment variable: the folder of Sweet Home 3D's libraries, where somebody has them."""
ID = "d0279ae4"
"""Of the codec with these tables. Files say no more than that they begin with them: they never
change, and neither may this."""
SHORT = tool.Plan(samples=2000, codings=6, judged=8, kept={"occupancy": 300, "count": 40})


def octree(tables: OctreeTables | None, depth: int = 4) -> OctreeCodec:
    return OctreeCodec(OctreeOptions(edge_of_longest_side=2.0**-depth, tables=tables))


def test_they_never_change() -> None:
    assert octree(general_tables()).codec_id.hex() == ID


def test_they_shorten_files(seed: int) -> None:
    """Of objects that they have not seen: most of small files, some of all."""
    objects = EmbeddedObjects()
    names = np.random.default_rng(seed).permutation(sorted(objects.point_counts))[:12]
    for depth, share in ((3, 0.9), (5, 0.985)):
        sizes = [
            [len(octree(tables, depth).compress(objects.read(name).points)) for name in names]
            for tables in (general_tables(), None)
        ]
        assert sum(sizes[0]) < share * sum(sizes[1])


def test_one_codec_reads_both(seed: int) -> None:
    points = sheet(seed)
    general, plain = octree(general_tables()), octree(None)
    files = [codec.compress(points) for codec in (general, plain)]
    assert files[0] != files[1]
    assert {data[3] >> 5 & 3 for data in files} == {0, 2}
    for data in files:
        decoded = [codec.decompress(data).points for codec in (general, plain)]
        np.testing.assert_array_equal(decoded[0], decoded[1])
    for old in OLD_FILES:
        assert len(general.decompress(bytes.fromhex(old)).points) == 60


def test_what_is_kept_is_rounded_and_the_rest_forgotten(seed: int) -> None:
    tables, draw = trained(), np.random.default_rng(seed)
    kept = {kind: draw.random(getattr(tables, f"{kind}_seen").shape) < 0.3 for kind in KINDS}
    found, nothing = unpack(pack(tables, kept)), untrained()
    for kind, known in kept.items():
        chance, seen, whose, weights = (
            [getattr(each, f"{kind}_{part}").astype(np.int64) for each in (tables, found, nothing)]
            for part in ("chance", "seen", "whose", "weights")
        )
        assert np.abs(chance[0] - chance[1])[known].max() <= 1 << CHANCE_SHIFT - 1
        assert (seen[1] == SETTLED * known).all()
        assert (whose[1] == whose[0] * known).all()
        assert (chance[1] == chance[2])[~known].all()
        assert np.abs(weights[0] - weights[1]).max() <= 1 << WEIGHT_SHIFT - 1
    assert pack(found, kept) == pack(tables, kept)


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", bytes(100)])
def test_others_are_refused(content: bytes) -> None:
    with pytest.raises(CodecError, match="must be what `pack` writes"):
        unpack(content)


def test_a_short_training(seed: int) -> None:
    """The same clouds make the same tables, others make others; they are worth something."""
    clouds = [sheet(number) for number in range(3)]
    content = tool.trained(clouds, SHORT)
    assert content == tool.trained(clouds, SHORT)
    assert content != tool.trained(clouds[:2], SHORT)
    tables = unpack(content)
    # Slots of equal worth are all kept, or none.
    assert 0 < int((tables.occupancy_seen > 0).sum()) < 2 * 300
    points = sheet(3 + seed % 1000)
    bits = [stream_bits(start, points, 1 / 8, counted=False) for start in (tables, None)]
    assert bits[0] < bits[1]


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.skipif(FURNITURE not in os.environ, reason=f"{FURNITURE} names no folder of libraries")
def test_they_are_of_these_libraries() -> None:
    clouds = tool.objects(Path(os.environ[FURNITURE]), tool.WHOLE)
    again = unpack(tool.trained(clouds, tool.WHOLE))
    for name, array in again.arrays().items():
        np.testing.assert_array_equal(array, getattr(general_tables(), name))
