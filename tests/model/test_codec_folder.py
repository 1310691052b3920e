"""A codec on disk: what is written is read as the same codec, and every damage is a sentence."""

from __future__ import annotations

import json
import os
import pickle
import shutil
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from model.cloud_codec import CloudCodec
from model.codec_folder import load_codec, save_codec
from model.config import ModelConfig
from model.errors import CodecError
from model.folder_files import CODEC, NEWEST_FORMAT, TABLES, WEIGHTS
from model.partition import PartitionConfig
from model.patch_coder import PatchCoder
from tests.model.support import SMALL, fresh_codec, surface

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

ABOUT = {"study": {"name": "chairs"}, "metrics": {"bpp": 0.5, "chamfer": None}}
PARTITION = PartitionConfig(cube_size=40.0, min_points=20, max_points=200)
CONFIGS = {
    "default": SMALL,
    "float16": ModelConfig(hidden_dim=16, quantize_latent_xyzs=False),
    "edge_conv": ModelConfig(
        hidden_dim=16, latent_xyzs_conv_mode="edge_conv", sub_point_conv_mode="edge_conv"
    ),
    "two stages": ModelConfig(hidden_dim=16, downsample_rate=(0.5, 0.25), max_upsample_num=(4, 2)),
}


def codec_of(config: ModelConfig = SMALL, seed: int = 1) -> CloudCodec:
    return CloudCodec(PatchCoder.freeze(fresh_codec(seed, config=config)), PARTITION)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    save_codec(codec_of(), tmp_path / "codec", ABOUT)
    return tmp_path / "codec"


@pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS)
def test_what_is_written_is_read_as_the_same_codec(config: ModelConfig, tmp_path: Path) -> None:
    codec = codec_of(config)
    save_codec(codec, tmp_path / "deep" / "codec", ABOUT)
    saved = load_codec(tmp_path / "deep" / "codec")
    assert saved.about == ABOUT
    assert saved.codec.codec_id == codec.codec_id
    assert saved.learned.coder.config == config
    assert saved.learned.partition == PARTITION
    points = surface(2, 500).astype(np.float64)
    assert saved.codec.compress(points) == codec.compress(points)


def test_whole_numbers_make_the_same_codec(tmp_path: Path) -> None:
    """JSON would say 25 where it says 25.0, and a reader must not take that for another codec."""
    rates: tuple[float, ...] = (1, 0.5)
    config = ModelConfig(hidden_dim=8, downsample_rate=rates, max_upsample_num=(2, 2))
    codec = CloudCodec(PatchCoder.freeze(fresh_codec(1, config=config)), PartitionConfig(25))
    save_codec(codec, tmp_path / "codec", {})
    saved = load_codec(tmp_path / "codec").learned
    assert saved.codec_id == codec.codec_id
    assert saved.partition == PartitionConfig(25.0)


def test_nothing_else_is_left_beside_it(folder: Path) -> None:
    assert {path.name for path in folder.iterdir()} == {CODEC, WEIGHTS, TABLES}
    assert [path.name for path in folder.parent.iterdir()] == ["codec"]


def test_a_folder_that_exists_is_not_touched(folder: Path) -> None:
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    with pytest.raises(CodecError, match=r"is written into a new folder, and .*codec exists"):
        save_codec(codec_of(seed=2), folder, {})
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


def test_a_failed_write_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(CodecError, match="cannot be written: No space left on device"):
        save_codec(codec_of(), tmp_path / "codec", ABOUT)
    assert list(tmp_path.iterdir()) == []


class Bomb:
    """Makes a folder when it is unpickled."""

    def __init__(self, trace: Path) -> None:
        self.trace = trace

    def __reduce__(self) -> tuple[Callable[[str], None], tuple[str]]:
        return os.mkdir, (str(self.trace),)


def test_reading_runs_no_pickle_file(folder: Path) -> None:
    """Not even one that took a part's place."""
    trace = folder.parent / "trace"
    bomb = pickle.dumps(Bomb(trace))
    pickle.loads(bomb)  # noqa: S301  it does run
    trace.rmdir()
    for name in (CODEC, WEIGHTS, TABLES):
        damaged = folder.parent / f"with {name}"
        shutil.copytree(folder, damaged)
        (damaged / name).write_bytes(bomb)
        with pytest.raises(CodecError, match="is damaged"):
            load_codec(damaged)
    assert not trace.exists()


def edit_json(folder: Path, change: Callable[[dict[str, Any]], object]) -> None:
    described = json.loads((folder / CODEC).read_text())
    change(described)
    (folder / CODEC).write_text(json.dumps(described))


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda d: d.update(format=NEWEST_FORMAT + 1), "up to format 2, .* is of format 3; use"),
        (lambda d: d.pop("format"), "does not say which format"),
        (lambda d: d.update(format=True), "does not say which format"),
        (lambda d: d.pop("about"), "'about' is missing"),
        (lambda d: d.update(architecture=[]), "'architecture' is missing or of another kind"),
        (lambda d: d["architecture"].pop("k"), "has other fields than these: k"),
        (lambda d: d["architecture"].update(new=1), "has other fields than these: new"),
        (lambda d: d["architecture"].update(dim="8"), "dim cannot be '8'"),
        (lambda d: d["architecture"].update(max_upsample_num=[8, 8, 8.0]), "max_upsample_num"),
        (lambda d: d["architecture"].update(max_upsample_num=[8]), "every encoder stage needs"),
        (lambda d: d["partition"].update(cube_size=1000.0), "cube_size must be"),
        (lambda d: d["architecture"].update(hidden_dim=65536), "must be .*, as codec.json has it"),
        (
            lambda d: d["architecture"].update(hidden_dim=10**18),
            "hidden_dim must be from 1 to 65536",
        ),
        (lambda d: d["architecture"].update(dim=8 * 10**6), "dim must be from 1 to 65536"),
        (lambda d: d["architecture"].update(max_upsample_num=[0, 8, 8]), "max_upsample_num must"),
        (lambda d: d["architecture"].update(downsample_rate=[np.nan] * 3), "above 0 and at most 1"),
        (lambda d: d["architecture"].update(downsample_rate=[1e308] * 3), "above 0 and at most 1"),
        (lambda d: d["architecture"].update(sub_point_conv_mode="cnn"), "must be one of mlp, edge"),
        (lambda d: d["partition"].update(max_points=10**12), "a file was changed or exchanged"),
        (lambda d: d["partition"].update(max_points=10**30), "max_points must be at most"),
        (lambda d: d["architecture"].update(k=15), "says that it is codec .* but holds codec"),
        (lambda d: d["partition"].update(min_points=21), "a file was changed or exchanged"),
        (lambda d: d.update(id="00000000"), "says that it is codec 00000000 but holds"),
    ],
)
def test_a_changed_description_is_a_sentence(
    change: Callable[[dict[str, Any]], object], sentence: str, folder: Path
) -> None:
    edit_json(folder, change)
    with pytest.raises(CodecError, match=sentence):
        load_codec(folder)


def odd_row(rows: dict[str, Any]) -> None:
    rows["cdf"][3, 5] = rows["cdf"][3, 4]


def short_row(rows: dict[str, Any]) -> None:
    rows["cdf"][3, rows["cdf_length"][3] - 1] = 65535


def edit_arrays(path: Path, change: Callable[[dict[str, Any]], object]) -> None:
    arrays = {name: array.copy() for name, array in load_file(path).items()}
    change(arrays)
    save_file({name: np.ascontiguousarray(array) for name, array in arrays.items()}, path)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (odd_row, "row 3 must rise from 0 to 65536"),
        (short_row, "row 3 must rise from 0 to 65536"),
        (lambda t: t["cdf_length"].__setitem__(0, 2), "entries that count"),
        (lambda t: t["cdf_length"].__setitem__(0, 10**6), "entries that count"),
        (lambda t: t["offset"].__setitem__(0, -(2**31)), "offsets must be within"),
        (lambda t: t.update(offset=t["offset"][:-1]), "a row for each of 16 symbols"),
        (lambda t: t.update(cdf=t["cdf"].ravel()), "a row for each of 16 symbols"),
        (lambda t: t.update(cdf=np.int32(1)), "a row for each of 16 symbols"),
        (lambda t: t.update(cdf=t["cdf"].astype(np.int64)), "tables must be int32"),
        (lambda t: t.pop("offset"), "offset"),
        (lambda t: t.update(other=t["offset"]), "other"),
        (lambda t: t["offset"].__setitem__(0, -3), "a file was changed or exchanged"),
    ],
)
def test_changed_tables_are_a_sentence(
    change: Callable[[dict[str, Any]], object], sentence: str, folder: Path
) -> None:
    edit_arrays(folder / TABLES, change)
    with pytest.raises(CodecError, match=sentence):
        load_codec(folder)


BIAS = "encoder.embed.output.bias"


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda w: w[BIAS].__setitem__(0, np.nan), f"{BIAS} must hold finite float32 numbers"),
        (lambda w: w.update({BIAS: w[BIAS].astype(np.float64)}), f"{BIAS} must hold finite"),
        (lambda w: w.update({BIAS: w[BIAS][..., :-1]}), f"{BIAS} must be .*, as codec.json"),
        (lambda w: w.pop(BIAS), f"{BIAS} must be .* and is absent"),
        (lambda w: w.update(more=w[BIAS]), "more must be absent"),
        (lambda w: w[BIAS].__iadd__(1), "a file was changed or exchanged"),
    ],
)
def test_changed_weights_are_a_sentence(
    change: Callable[[dict[str, Any]], object], sentence: str, folder: Path
) -> None:
    edit_arrays(folder / WEIGHTS, change)
    with pytest.raises(CodecError, match=sentence):
        load_codec(folder)


@pytest.mark.parametrize("name", [CODEC, WEIGHTS, TABLES])
def test_a_missing_cut_or_exchanged_file_is_a_sentence(name: str, folder: Path) -> None:
    path = folder / name
    whole = path.read_bytes()
    for length in (0, 1, 7, len(whole) // 2, len(whole) - 5):
        path.write_bytes(whole[:length])
        with pytest.raises(CodecError, match=f"{name} is damaged"):
            load_codec(folder)
    path.unlink()
    with pytest.raises(CodecError, match=f"{name} cannot be read .No such file"):
        load_codec(folder)
    other = folder.parent / "other"
    save_codec(codec_of(seed=2), other, ABOUT)
    shutil.copy(other / name, path)
    with pytest.raises(CodecError, match="a file was changed or exchanged"):
        load_codec(folder)


def test_noise_in_any_file_is_a_sentence(folder: Path, seed: int) -> None:
    """Flipped bits are noticed, wherever they are, unless decoding does not depend on them."""
    rng = np.random.default_rng(seed)
    identity = load_codec(folder).codec.codec_id
    for name in (CODEC, WEIGHTS, TABLES):
        whole = (folder / name).read_bytes()
        for position in rng.integers(0, len(whole), 20):
            damaged = bytearray(whole)
            damaged[position] ^= 1 << int(rng.integers(8))
            (folder / name).write_bytes(damaged)
            try:
                saved = load_codec(folder)
            except CodecError:
                continue
            assert saved.codec.codec_id == identity, f"{name}, byte {position}"
        (folder / name).write_bytes(whole)


def test_a_folder_that_is_not_there_is_not_called_damaged(tmp_path: Path) -> None:
    with pytest.raises(CodecError, match=r"nowhere.codec.json cannot be read") as refusal:
        load_codec(tmp_path / "nowhere")
    assert "damaged" not in str(refusal.value)
