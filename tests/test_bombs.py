"""Files that ask for far more than their size explains are refused soon, and in little memory.

Each is read in a process of its own, whose memory is bounded by the kernel.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch

from study.base.errors import StudyError
from study.config.yaml_file import parse_config, write_study
from tests import bombs
from tests.hostile import assert_refused, cost_of, written
from tests.study.toy import STUDY

if TYPE_CHECKING:
    from pathlib import Path

    from model.config import ConvolutionMode

READ_STUDY = """
from pathlib import Path
from study.search.warm_start import read_warm_start
from study.storage.study_file import load_study, parse_study
from tests.study.toy import STUDY
parse_study(STUDY, origin="x")
"""
READ_PICKLE = """
from pathlib import Path
from study.data.pickles import PickledDataSet
"""
READ_CLOUD = """
from pathlib import Path
from study.clouds import read_cloud
import trimesh.exchange.obj, trimesh.exchange.stl, trimesh.sample
"""
READ_CODEC = """
from pathlib import Path
from model.codec_folder import load_codec
from tests.model.support import surface
"""
READ_RESULT = """
from pathlib import Path
from study.codecs.results import read_clouds, read_curve
"""
READ_WEIGHTS = """
from pathlib import Path
from study.families.dpcc.published_checkpoint import _read_state
from study.training.checkpoint import load_tensors
"""


def test_aliases_of_aliases_in_a_study_file(tmp_path: Path) -> None:
    file = written(tmp_path / "study.yaml", bombs.anchors())
    assert file.stat().st_size < 400
    cost = cost_of(f"load_study(Path({str(file)!r}))", READ_STUDY)
    assert_refused(cost, "line 6, column 10: aliases may repeat 100,000 characters")


def test_a_study_file_that_could_not_be_read_again_is_not_written(tmp_path: Path) -> None:
    first = ",".join(["{loss.bpp_lambda: 1e-3}"] * 10_000)
    text = STUDY.replace("startup_trials: 2", f"startup_trials: 2, first: [{first}]")
    config = parse_config(text.replace("trials: 3,", "trials: 20000,"), origin="study.yaml")
    with pytest.raises(StudyError, match="with every default and alias written out"):
        write_study(config, tmp_path / "study.yaml")
    assert not list(tmp_path.iterdir())


def test_a_grid_with_zeros_too_many(tmp_path: Path) -> None:
    file = written(tmp_path / "study.yaml", bombs.grid(1_000_000_000))
    cost = cost_of(f"load_study(Path({str(file)!r}))", READ_STUDY)
    assert_refused(cost, "search.sampler_options: points must be at most 1,000,000")


def test_an_obj_of_many_materials(tmp_path: Path) -> None:
    """It is no bomb: all its faces are read, each once."""
    file = written(tmp_path / "a.obj", bombs.materials())
    cost = cost_of(f"return len(read_cloud({str(file)!r}, samples=100).points)", READ_CLOUD)
    assert (cost.error, cost.said) == ("cloud", "100")
    assert cost.seconds < 10


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (bombs.nested_keys(28), "the keys of its dictionaries must be numbers or short texts"),
        (bombs.nested_keys(100), "the keys of its dictionaries must be numbers or short texts"),
        (bombs.called_often(), "calls a function with more arguments than that has"),
        (bombs.encoded_often(), "is list without any cloud"),
    ],
    ids=["nested keys", "keys nested deeper", "calls", "encodings"],
)
def test_a_pickle_that_repeats_itself(content: bytes, sentence: str, tmp_path: Path) -> None:
    file = written(tmp_path / "a.pkl", content)
    cost = cost_of(f"PickledDataSet('a', Path({str(file)!r}), '')", READ_PICKLE)
    assert_refused(cost, sentence)


def test_a_pickle_that_names_one_array_a_thousand_times(tmp_path: Path) -> None:
    file = written(tmp_path / "a.pkl", bombs.named_often())
    work = f"return PickledDataSet('a', Path({str(file)!r}), '').read('0').points.shape"
    assert_refused(cost_of(work, READ_PICKLE), "one is named more than once")


def test_a_codec_of_thousands_of_stages(tmp_path: Path) -> None:
    folder = bombs.staged_codec(tmp_path / "codec")
    cost = cost_of(f"load_codec(Path({str(folder)!r}))", READ_CODEC)
    assert_refused(cost, "may have 16 entries, one for each stage", "CodecError")


@pytest.mark.parametrize("mode", ["mlp", "edge_conv"])
def test_a_codec_that_grows(mode: ConvolutionMode, tmp_path: Path) -> None:
    folder, file = bombs.growing_codec(tmp_path / "codec", mode)
    warm = (
        f"{READ_CODEC}\ncodec = load_codec(Path({str(folder)!r})).codec\n"
        "codec.decompress(codec.compress(surface(1, 9).astype(float)))"
    )
    work = f"return len(codec.decompress(Path({str(file)!r}).read_bytes()).points)"
    assert_refused(cost_of(work, warm), "must decode to about as many points", "CodecError")


def test_what_a_file_decodes_to_has_the_limit_that_is_given(tmp_path: Path) -> None:
    from model.codec_folder import load_codec
    from model.errors import CodecError
    from tests.model.support import surface

    folder, _ = bombs.growing_codec(tmp_path / "codec")
    codec = load_codec(folder).codec
    data = codec.compress(surface(0, 150).astype(np.float64))
    with pytest.raises(CodecError, match="150 here, and this codec makes many more"):
        codec.decompress(data)
    decoded = codec.decompress(data, most_points=100_000)
    assert len(decoded.points) == 150 * 8**3
    with pytest.raises(CodecError, match="at most the 76,799 points that were asked for"):
        codec.decompress(data, most_points=150 * 8**3 - 1)


def warm_start(path: Path, rows: int, **columns: pa.Array) -> str:
    constant = pa.array(np.full(rows, 0.01))
    names = ("loss.bpp_lambda", "loss.chamfer_coe", "loss.density_coe", "loss.pts_num_coe")
    table = dict.fromkeys((*names, "bpp", "d1_psnr_db"), constant)
    pq.write_table(pa.table({**table, **columns}), path, compression="zstd")
    return f"return read_warm_start(parse_study({STUDY!r}, origin='x'), {str(path)!r}).told"


def test_a_warm_start_of_millions_of_rows(tmp_path: Path) -> None:
    work = warm_start(tmp_path / "a.parquet", 10_000_000)
    assert (tmp_path / "a.parquet").stat().st_size < 500_000
    assert_refused(cost_of(work, READ_STUDY), "a table of trials may have 100,000 rows")


def test_a_warm_start_of_one_long_text_many_times(tmp_path: Path) -> None:
    rows = 20_000
    texts = pa.DictionaryArray.from_arrays(pa.array(np.zeros(rows, np.int32)), ["x" * 1_000_000])
    work = warm_start(tmp_path / "a.parquet", rows, note=texts)
    assert (tmp_path / "a.parquet").stat().st_size < 100_000
    assert_refused(cost_of(work, READ_STUDY), "a text in a table of trials may have 10,000 bytes")


def test_a_warm_start_of_lists(tmp_path: Path) -> None:
    lists = pa.ListArray.from_arrays([0, 3_000_000], pa.array(np.zeros(3_000_000)))
    work = warm_start(tmp_path / "a.parquet", 1, note=lists)
    assert_refused(cost_of(work, READ_STUDY), "a table of trials may unpack to")


def test_many_small_patches_do_not_grow_together(tmp_path: Path) -> None:
    """Each may be decoded to 8,192 points; the cloud had 2,000."""
    from model.cloud_codec import CloudCodec
    from model.codec_folder import load_codec
    from model.errors import CodecError
    from model.partition import PartitionConfig
    from tests.model.support import surface

    folder, _ = bombs.growing_codec(tmp_path / "codec")
    coder = load_codec(folder).learned.coder
    many = CloudCodec(coder, PartitionConfig(min_points=8, max_points=15))
    data = many.compress(surface(0, 2000).astype(np.float64))
    with pytest.raises(CodecError, match="makes many more of it"):
        many.decompress(data)


@pytest.mark.parametrize("where", ["name", "clouds", "psnr"])
def test_a_result_with_a_long_name(where: str, tmp_path: Path) -> None:
    long = "x" * 1_000_000
    result: dict[str, object] = {
        "name": "Draco",
        "psnr": "3 p^2, p = longest side",
        "results": {"bpp": [1.0], "d1_psnr_db": [30.0]},
        "clouds": {long if where == "clouds" else "a": {"points": 3}},
    }
    file = written(
        tmp_path / "r.json", json.dumps({**result, **({where: long} if where != "clouds" else {})})
    )
    read = "read_clouds" if where == "clouds" else "read_curve"
    cost = cost_of(f"{read}(Path({str(file)!r}))", READ_RESULT)
    assert_refused(cost, "a name must be a text of up to 1000 characters")


def test_weights_that_stand_for_more_than_they_are(tmp_path: Path) -> None:
    """A tensor may be a view that repeats one number; its copy would not."""
    file = tmp_path / "c.pth"
    torch.save({"a": torch.zeros(1).expand(1 << 30)}, file)
    assert file.stat().st_size < 2000
    cost = cost_of(f"_read_state(Path({str(file)!r}))", READ_WEIGHTS)
    assert_refused(cost, "stand for more bytes than it has")


@pytest.mark.parametrize("where", dict(bombs.hashed_weights()))
def test_weights_that_take_for_ever_to_hash(where: str, tmp_path: Path) -> None:
    file = written(tmp_path / "c.pth", dict(bombs.hashed_weights())[where])
    cost = cost_of(f"_read_state(Path({str(file)!r}))", READ_WEIGHTS, most_s=0)
    assert_refused(cost, "a checkpoint must hold tensors")
