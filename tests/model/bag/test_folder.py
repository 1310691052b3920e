"""A codec with two members on disk: read as it was written, and every damage is a sentence."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from model.bag.codec import BagCodec
from model.codec_folder import OCTREE_TABLES, load_codec, save_codec
from model.errors import CodecError
from model.folder_files import CODEC, TABLES, WEIGHTS
from tests.model.bag.support import figure, halves
from tests.model.octree.test_codec import trained
from tests.model.octree.test_folder import edit

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from model.octree.coding import OctreeTables


@pytest.mark.parametrize("tables", [None, trained()], ids=["no tables", "tables"])
def test_what_is_written_is_read_as_the_same_codec(
    tables: OctreeTables | None, tmp_path: Path, seed: int
) -> None:
    codec = BagCodec(figure().codec, 0.7, tables)
    save_codec(codec, tmp_path / "codec", {"note": 1})
    parts = {CODEC, TABLES, WEIGHTS, OCTREE_TABLES}
    assert {path.name for path in (tmp_path / "codec").iterdir()} == parts
    saved = load_codec(tmp_path / "codec")
    assert saved.about == {"note": 1}
    assert saved.learned.codec_id == figure().codec.codec_id
    read = saved.codec
    assert isinstance(read, BagCodec)
    assert (read.codec_id, read.slope) == (codec.codec_id, 0.7)
    points = halves(seed, side=2)
    data = codec.compress(points)
    assert read.compress(points) == data
    np.testing.assert_array_equal(read.decompress(data).points, codec.decompress(data).points)


def test_the_id_stands_for_both_members() -> None:
    ids = {
        figure().codec.codec_id,
        BagCodec(figure().codec, 1.0).codec_id,
        BagCodec(figure().codec, 1.0, trained(0)).codec_id,
        BagCodec(figure().codec, 1.0, trained(1)).codec_id,
    }
    assert len(ids) == 4
    # What a decibel is worth changes what is written, and nothing of how it is read.
    assert BagCodec(figure().codec, 2.0).codec_id in ids


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda d: d.update(format=3), r"up to format 2, .* is of format 3; use"),
        (lambda d: d.update(kind="sack"), r"of the kinds learned, octree and bag, and .* 'sack'"),
        (lambda d: d.update(kind="octree"), "'options' is missing"),
        (lambda d: d.update(kind="learned"), "says that it is codec"),
        (lambda d: d.pop("slope"), "'slope' is missing or of another kind"),
        (lambda d: d.update(slope="1"), "'slope' is missing or of another kind"),
        (lambda d: d.update(slope=-1.0), "bits per point above 0, not -1"),
        (lambda d: d["architecture"].update(compress_normal=True), "damaged"),
        (lambda d: d.update(id="00000000"), "says that it is codec 00000000 but holds"),
    ],
)
def test_what_is_odd_is_told(
    change: Callable[[dict[str, Any]], object], sentence: str, tmp_path: Path
) -> None:
    save_codec(BagCodec(figure().codec, 0.7), tmp_path / "codec", {})
    edit(tmp_path / "codec", change)
    with pytest.raises(CodecError, match=sentence):
        load_codec(tmp_path / "codec")


def test_its_tables_must_be_there_and_whole(tmp_path: Path) -> None:
    save_codec(BagCodec(figure().codec, 0.7, trained()), tmp_path / "codec", {})
    path = tmp_path / "codec" / OCTREE_TABLES
    whole = path.read_bytes()
    path.write_bytes(whole[:100])
    with pytest.raises(CodecError, match=r"octree.safetensors is damaged"):
        load_codec(tmp_path / "codec")
    path.unlink()
    with pytest.raises(CodecError, match=r"octree.safetensors cannot be read"):
        load_codec(tmp_path / "codec")
