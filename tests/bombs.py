"""Files that ask for far more than their size explains: what `tests/test_bombs.py` has refused.

`tests/test_reading_costs.py` measures the same files for the table of docs/security.md.
"""

from __future__ import annotations

import io
import json
import pickle
import struct
import zipfile
from typing import TYPE_CHECKING

import numpy as np
import torch

from model.cloud_codec import CloudCodec
from model.codec_folder import save_codec
from model.config import ModelConfig
from model.folder_files import CODEC
from model.partition import PartitionConfig
from model.patch_coder import PatchCoder
from tests.model.support import fresh_codec, surface
from tests.study.toy import STUDY

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from model.config import ConvolutionMode

GROWN_POINTS = 8192


def anchors(levels: int = 8, width: int = 8) -> str:
    """Lists of aliases of lists of aliases: width ** levels values."""
    lines = [f"a0: &a0 [{', '.join('x' * width)}]"]
    lines += [
        f"a{level}: &a{level} [{', '.join([f'*a{level - 1}'] * width)}]"
        for level in range(1, levels)
    ]
    return "\n".join(lines)


def grid(points: int) -> str:
    options = f"sampler: grid, sampler_options: {{points: {points}}}"
    return STUDY.replace("startup_trials: 2", f"startup_trials: 2, {options}")


def materials(count: int = 20_000) -> str:
    faces = "".join(f"usemtl m{number}\nf 1 2 3\n" for number in range(count))
    return f"v 0 0 0\nv 1 0 0\nv 0 1 0\n{faces}"


def nested_keys(levels: int) -> bytes:
    """A key that is a pair of the same pair, and so on: 2 ** levels things to hash."""
    return b"\x80\x04}" + b"K\x01" + b"2\x86" * levels + b"K\x01s."


_TUPLES = b")" + b"".join(b"q%ch%c\x86" % (level, level) for level in range(100))
"""A pair of the same pair, and so on, in opcodes that PyTorch's reader of weights knows."""


def weights(pickled: bytes, name: str = "archive/data.pkl") -> bytes:
    """What PyTorch saves, with another pickle in the place of its own."""
    sound, made = io.BytesIO(), io.BytesIO()
    torch.save({}, sound)
    with zipfile.ZipFile(sound) as archive, zipfile.ZipFile(made, "w") as fresh:
        for entry in archive.namelist():
            is_pickle = entry.endswith("data.pkl")
            fresh.writestr(
                name if is_pickle else entry, pickled if is_pickle else archive.read(entry)
            )
    return made.getvalue()


def hashed_weights() -> Iterator[tuple[str, bytes]]:
    """Weights that have PyTorch hash 2 ** 100 things: where, and the file."""
    key = b"\x80\x02}" + _TUPLES + b"K\x01s."
    ordered = b"\x80\x02ccollections\nOrderedDict\n]" + _TUPLES + b"K\x01\x86a\x85R."
    storage = b"(X\x07\x00\x00\x00storagectorch\nFloatStorage\n"
    yield "a key", weights(key)
    yield "a name in capitals", weights(key, "archive/DATA.PKL")
    yield "an ordered dictionary", weights(ordered)
    yield "a storage", weights(b"\x80\x02" + storage + _TUPLES + b"X\x03\x00\x00\x00cpuK\x03tQ.")
    first: tuple[object, ...] = (0x1950A86A20F9469CFC6C, 1001, {})
    before = b"".join(pickle.dumps(each, 2) for each in first)
    yield "before archives", before + key
    yield "before archives, and an archive", before + key + weights(b"\x80\x02}.")


def named_often(times: int = 1000) -> bytes:
    """One array, in a cloud as so many cubes."""
    rows = np.full((8000, 6), 2.0)
    return pickle.dumps({0: {"points": dict.fromkeys(range(times), rows)}}, protocol=4)


def called_often(arguments: int = 100_000, times: int = 100_000) -> bytes:
    """A stand-in called again and again with the same many arguments, each time kept."""
    given = b"(" + b"N" * arguments + b"t\x94"
    function = b"cnumpy.core.numeric\n_frombuffer\n\x94"
    return b"\x80\x04(" + given + function + b"h\x01h\x00R" * times + b"l."


def encoded_often(length: int = 300_000, times: int = 100_000) -> bytes:
    """One text made bytes again and again."""
    text = b"X" + struct.pack("<I", length) + b"a" * length + b"\x94"
    function = b"c_codecs\nencode\n\x94\x8c\x06latin1\x94"
    return b"\x80\x04(" + text + function + b"h\x01h\x00h\x02\x86R" * times + b"l."


def growing_codec(folder: Path, mode: ConvolutionMode = "mlp") -> tuple[Path, Path]:
    """A codec that gives every point all the children that it can have, and a file of its own.

    Its encoder keeps all points of a patch, so that even the latent points are as many.
    """
    config = ModelConfig(
        hidden_dim=64,
        downsample_rate=(1.0, 1.0, 1.0),
        max_upsample_num=(8, 8, 8),
        sub_point_conv_mode=mode,
    )
    codec = fresh_codec(1, config=config)
    coder = PatchCoder.freeze(codec)
    with torch.no_grad():
        for name, parameter in coder.codec.named_parameters():
            if name.endswith("count.output.bias"):
                parameter.fill_(100.0)
    cloud = CloudCodec(coder, PartitionConfig(cube_size=100.0))
    save_codec(cloud, folder, {})
    file = folder.with_suffix(".dpcs")
    file.write_bytes(cloud.compress(surface(0, GROWN_POINTS).astype(np.float64)))
    return folder, file


def staged_codec(folder: Path, stages: int = 4000) -> Path:
    """A codec whose description has this many stages."""
    coder = PatchCoder.freeze(fresh_codec(1))
    save_codec(CloudCodec(coder, PartitionConfig()), folder, {})
    described = json.loads((folder / CODEC).read_text())
    described["architecture"]["downsample_rate"] = [0.99] * stages
    described["architecture"]["max_upsample_num"] = [1] * stages
    (folder / CODEC).write_text(json.dumps(described))
    return folder
