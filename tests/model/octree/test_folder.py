"""An octree codec on disk: read as it was written, and every damage is a sentence."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from model.codec_folder import load_codec, save_codec
from model.errors import CodecError
from model.folder_files import CODEC, TABLES
from model.octree.codec import OctreeCodec, OctreeOptions
from tests.model.octree.test_codec import sheet, trained

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

ABOUT = {"clouds": 3, "note": None}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    save_codec(OctreeCodec(OctreeOptions(edge=2.0, tables=trained())), tmp_path / "codec", ABOUT)
    return tmp_path / "codec"


@pytest.mark.parametrize(
    "options",
    [
        OctreeOptions(),
        OctreeOptions(edge=0.1, counts="exact"),
        OctreeOptions(edge_of_longest_side=1 / 100, counts="coarse", tables=trained()),
    ],
    ids=["usual", "no tables", "tables"],
)
def test_what_is_written_is_read_as_the_same_codec(
    options: OctreeOptions, tmp_path: Path, seed: int
) -> None:
    codec = OctreeCodec(options)
    save_codec(codec, tmp_path / "deep" / "codec", ABOUT)
    assert {path.name for path in (tmp_path / "deep" / "codec").iterdir()} == {CODEC, TABLES}
    saved = load_codec(tmp_path / "deep" / "codec")
    assert saved.about == ABOUT
    assert saved.codec.codec_id == codec.codec_id
    points = sheet(seed)
    assert saved.codec.compress(points) == codec.compress(points)
    with pytest.raises(
        CodecError, match=r"this needs a learned codec of D-PCC's, and codec .* is an octree"
    ):
        _ = saved.learned


def edit(folder: Path, change: Callable[[dict[str, Any]], object]) -> None:
    described = json.loads((folder / CODEC).read_text())
    change(described)
    (folder / CODEC).write_text(json.dumps(described))


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda d: d.update(format=3), "up to format 2, .* is of format 3; use"),
        (
            lambda d: d.update(kind="other"),
            "of the kinds learned, octree and bag, and .* 'other'; use",
        ),
        (lambda d: d.update(kind=[]), r"is of kind \[\]"),
        (lambda d: d.pop("kind"), "'architecture' is missing"),
        (lambda d: d.pop("options"), "'options' is missing or of another kind"),
        (lambda d: d["options"].pop("counts"), "have other options than these: counts"),
        (lambda d: d["options"].update(new=1), "have other options than these: new"),
        (lambda d: d["options"].update(edge="2"), "edge cannot be '2'"),
        (lambda d: d["options"].update(edge=True), "edge cannot be True"),
        (lambda d: d["options"].update(edge=0), "edge must be a finite number above 0"),
        (lambda d: d["options"].update(edge=10**400), "damaged"),
        (lambda d: d["options"].update(edge_of_longest_side=0.1), "is given once"),
        (lambda d: d["options"].update(counts=3), "counts cannot be 3"),
        (lambda d: d["options"].update(counts="some"), "counts must be one of"),
        (lambda d: d.update(id="00000000"), "says that it is codec 00000000 but holds"),
    ],
)
def test_a_changed_description_is_a_sentence(
    change: Callable[[dict[str, Any]], object], sentence: str, folder: Path
) -> None:
    edit(folder, change)
    with pytest.raises(CodecError, match=sentence):
        load_codec(folder)


def test_changed_tables_are_a_sentence(folder: Path) -> None:
    path = folder / TABLES
    whole = path.read_bytes()
    arrays = load_file(path)
    name = min(arrays)
    for change in (
        {name: arrays[name][:-1]},
        {name: arrays[name].astype(np.float32)},
        {"count_weights": np.full_like(arrays["count_weights"], 1 << 30)},
        {"more": arrays[name]},
        {name: np.int32(1)},
    ):
        save_file({key: np.ascontiguousarray(v) for key, v in {**arrays, **change}.items()}, path)
        with pytest.raises(CodecError, match="is damaged"):
            load_codec(folder)
    save_file({}, path)
    with pytest.raises(CodecError, match="a file was changed or exchanged"):
        load_codec(folder)
    for length in (0, 7, len(whole) - 5):
        path.write_bytes(whole[:length])
        with pytest.raises(CodecError, match="is damaged"):
            load_codec(folder)
    path.unlink()
    with pytest.raises(CodecError, match=r"tables.safetensors cannot be read"):
        load_codec(folder)


def test_noise_in_any_file_is_a_sentence(folder: Path, seed: int) -> None:
    draw = np.random.default_rng(seed)
    identity = load_codec(folder).codec.codec_id
    for name in (CODEC, TABLES):
        whole = (folder / name).read_bytes()
        for position in draw.integers(0, len(whole), 60):
            damaged = bytearray(whole)
            damaged[position] ^= 1 << int(draw.integers(8))
            (folder / name).write_bytes(damaged)
            try:
                saved = load_codec(folder)
            except CodecError:
                continue
            assert saved.codec.codec_id == identity, f"{name}, byte {position}"
        (folder / name).write_bytes(whole)
