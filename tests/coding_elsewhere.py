"""Writes and reads files in a process of its own, which computes as its environment says.

`python -m tests.coding_elsewhere write|read FOLDER NAME`. FOLDER has codec folders in `codecs` and
clouds in `clouds`. `write` makes `NAME.CODEC.CLOUD.dpc` of each pair; `read` reads all such files,
of whatever name, and saves what each says as `NAME/FILE.npz`: the symbols of all patches, how many
points each was decoded to, and all points.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

from model.codec_folder import load_codec


def write(folder: Path, name: str) -> None:
    for codec in sorted((folder / "codecs").iterdir()):
        coder = load_codec(codec).codec
        for cloud in sorted((folder / "clouds").iterdir()):
            data = coder.compress(np.load(cloud))
            (folder / f"{name}.{codec.name}.{cloud.stem}.dpc").write_bytes(data)


def read(folder: Path, name: str) -> None:
    (folder / name).mkdir()
    codecs = {path.name: load_codec(path).learned for path in (folder / "codecs").iterdir()}
    for file in sorted(folder.glob("*.dpc")):
        codec = codecs[file.name.split(".")[1]]
        coded = codec.read(file.read_bytes())
        parts = [part.points for part in codec.parts(coded)]
        np.savez(
            folder / name / f"{file.stem}.npz",
            symbols=np.concatenate([latents.symbols for latents in coded.latents]),
            sizes=np.array([len(part) for part in parts]),
            points=np.concatenate(parts),
        )


if __name__ == "__main__":
    {"write": write, "read": read}[sys.argv[1]](Path(sys.argv[2]), sys.argv[3])
