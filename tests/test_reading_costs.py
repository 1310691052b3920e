"""What reading costs at most, for each kind of file: the table of docs/security.md.

    python -m pytest -m slow -s tests/test_reading_costs.py

Each row is the costliest file of its kind that is known here, sound or made up, and read in a
process of its own. Seconds are of the processor, MiB those beyond what the program has imported.
"""

from __future__ import annotations

import io
import json
import pickle
import sqlite3
import sys
import zipfile
from contextlib import closing
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pytest
import torch

from model.cloud_codec import CloudCodec
from model.codec_folder import save_codec
from model.config import ModelConfig
from model.folder_files import CODEC
from model.partition import PartitionConfig
from model.patch_coder import PatchCoder
from study.families.dpcc.published_checkpoint import published_arguments, published_state
from tests import bombs
from tests.hostile import cost_of, written
from tests.model.support import fresh_codec, surface
from tests.study.clouds.making import write_las, write_ply
from tests.study.toy import STUDY
from tests.test_bombs import (
    READ_CLOUD,
    READ_CODEC,
    READ_PICKLE,
    READ_RESULT,
    READ_STUDY,
    READ_WEIGHTS,
    warm_start,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Made = tuple[Path, str, str]
    """A file or folder, what prepares its reading, and what reads it."""

MEGABYTE = 1 << 20


def study_file(at: Path) -> Made:
    keys = ", ".join(f"a{number}: 1" for number in range(24_000))
    file = written(at / "s.yaml", f"{STUDY}x: {{{keys}}}"[: (1 << 18) - 2] + "}")
    return file, READ_STUDY, f"load_study(Path({str(file)!r}))"


def anchors(at: Path) -> Made:
    file = written(at / "s.yaml", bombs.anchors())
    return file, READ_STUDY, f"load_study(Path({str(file)!r}))"


def codec_folder(at: Path) -> Made:
    coder = PatchCoder.freeze(fresh_codec(1, config=ModelConfig()))
    save_codec(CloudCodec(coder, PartitionConfig()), at / "codec", {})
    described = json.loads((at / "codec" / CODEC).read_text())
    described["about"] = {"a": []}
    text = json.dumps(described)
    filling = ",".join(["[]"] * (((1 << 22) - len(text)) // 3 - 9))
    (at / "codec" / CODEC).write_text(text.replace('"a": []', f'"a": [{filling}]'))
    return at / "codec", READ_CODEC, f"load_codec(Path({str(at / 'codec')!r}))"


def compressed(at: Path) -> Made:
    """Of a codec that makes as many points as a file may decode to."""
    config = ModelConfig(
        downsample_rate=(1.0, 1.0), max_upsample_num=(4, 4), dim=8, compress_normal=False
    )
    coder = PatchCoder.freeze(fresh_codec(1, config=config))
    with torch.no_grad():
        for name, parameter in coder.codec.named_parameters():
            if name.endswith("count.output.bias"):
                parameter.fill_(100.0)
    codec = CloudCodec(coder, PartitionConfig(cube_size=100.0))
    save_codec(codec, at / "codec", {})
    file = written(at / "a.dpcs", codec.compress(surface(0, 8192).astype(np.float64)))
    prepare = (
        f"{READ_CODEC}\ncodec = load_codec(Path({str(at / 'codec')!r})).codec\n"
        "codec.decompress(codec.compress(surface(1, 300).astype(float)))"
    )
    return file, prepare, f"return len(codec.decompress(Path({str(file)!r}).read_bytes()).points)"


def growing(at: Path) -> Made:
    folder, file = bombs.growing_codec(at / "codec")
    prepare = (
        f"{READ_CODEC}\ncodec = load_codec(Path({str(folder)!r})).codec\n"
        "codec.decompress(codec.compress(surface(1, 9).astype(float)))"
    )
    return file, prepare, f"return len(codec.decompress(Path({str(file)!r}).read_bytes()).points)"


def cloud(file: Path) -> Made:
    return file, READ_CLOUD, f"return len(read_cloud({str(file)!r}).points)"


def points() -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
    return surface(0, 40_000).astype(np.float64)


def ply(at: Path) -> Made:
    return cloud(write_ply(at / "a.ply", points(), text=True))


def obj(at: Path) -> Made:
    return cloud(written(at / "a.obj", bombs.materials(48_000)))


def off(at: Path) -> Made:
    faces = "3 0 1 2\n" * 130_000
    return cloud(written(at / "a.off", f"OFF\n3 130000 0\n0 0 0\n1 0 0\n0 1 0\n{faces}"))


def stl(at: Path) -> Made:
    facet = "facet normal 0 0 1\nvertex 0 0 0\nvertex 1 0 0\nvertex 0 1 0\nendfacet\n"
    text = "".join(f"solid m{n}\n{facet}endsolid m{n}\n" for n in range(10_000))
    return cloud(written(at / "a.stl", text))


def las(at: Path) -> Made:
    return cloud(write_las(at / "a.las", points()))


def laz(at: Path) -> Made:
    return cloud(write_las(at / "a.laz", np.ones((2_000_000, 3))))


def kitti(at: Path) -> Made:
    return cloud(written(at / "a.bin", np.ones((MEGABYTE // 16, 4), "<f4").tobytes()))


def npy(at: Path) -> Made:
    np.save(at / "a.npy", np.ones((MEGABYTE // 3, 3), np.int8))
    return cloud(at / "a.npy")


def npz(at: Path) -> Made:
    np.savez_compressed(at / "a.npz", points=np.zeros(((1 << 26) // 24, 3), np.int8))
    return cloud(at / "a.npz")


def npz_zeros(at: Path) -> Made:
    np.savez_compressed(at / "a.npz", points=np.zeros(((1 << 26) // 3, 3), np.int8))
    return cloud(at / "a.npz")


def large_models(at: Path) -> Made:
    with zipfile.ZipFile(at / "a.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.obj", "v 0 0 0\n" * (1 << 23))
    return cloud(at / "a.zip")


def models(at: Path) -> Made:
    with zipfile.ZipFile(at / "a.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.obj", bombs.materials(20) + "v 0 0 0\n" * (1 << 20))
    return cloud(at / "a.zip")


def named_often(at: Path) -> Made:
    file = written(at / "a.pkl", bombs.named_often())
    return file, READ_PICKLE, f"PickledDataSet('a', Path({str(file)!r}), '')"


def nested_keys(at: Path) -> Made:
    file = written(at / "a.pkl", bombs.nested_keys(100))
    return file, READ_PICKLE, f"PickledDataSet('a', Path({str(file)!r}), '')"


def pickled(at: Path) -> Made:
    """Many small cubes, each an array of its own."""
    cubes = {number: np.full((1, 6), float(number)) for number in range(7000)}
    file = written(at / "a.pkl", pickle.dumps({0: {"points": cubes}}))
    return file, READ_PICKLE, f"PickledDataSet('a', Path({str(file)!r}), '').read('0')"


def objects(_: Path) -> Made:
    from study.data.sources import OBJECTS

    prepare = "from study.data.sources import EmbeddedObjects"
    return OBJECTS, prepare, "EmbeddedObjects()"


def rows(at: Path) -> Made:
    work = warm_start(at / "a.parquet", 10_000_000)
    return at / "a.parquet", READ_STUDY, work


def many_rows(at: Path) -> Made:
    more = {f"c{number}": pa.array(np.zeros(100_000)) for number in range(14)}
    work = warm_start(at / "a.parquet", 100_000, **more)
    return at / "a.parquet", READ_STUDY, work


def result(at: Path) -> Made:
    clouds = {f"{number:06d}": {"points": 1} for number in range(42_000)}
    held = {"name": "a", "psnr": "b", "results": {"bpp": [], "d1_psnr_db": []}, "clouds": clouds}
    file = written(at / "r.json", json.dumps(held))
    return file, READ_RESULT, f"read_clouds(Path({str(file)!r}))"


def checkpoint(at: Path) -> Made:
    coder = PatchCoder.freeze(fresh_codec(1, config=ModelConfig(norm="published")))
    torch.save(published_state(coder), at / "c.pth")
    file = written(at / "a.json", json.dumps(published_arguments(coder.config)))
    prepare = (
        f"{READ_WEIGHTS}\nfrom study.families.dpcc.published_checkpoint import import_checkpoint\n"
    )
    prepare += "from model.partition import PartitionConfig"
    paths = f"Path({str(at / 'c.pth')!r}), Path({str(file)!r}), Path({str(at / 'out')!r})"
    return at / "c.pth", prepare, f"import_checkpoint({paths}, PartitionConfig())"


def view(at: Path) -> Made:
    torch.save({"a": torch.zeros(1).expand(1 << 34)}, at / "c.pth")
    return at / "c.pth", READ_WEIGHTS, f"_read_state(Path({str(at / 'c.pth')!r}))"


def database(at: Path) -> Made:
    """A thousand trials of thirty epochs each."""
    from study.storage.folder import create_study_folder
    from study.storage.study_file import parse_study
    from study.storage.trial_store import TrialStore

    with create_study_folder(parse_study(f"{STUDY}root: {at}", origin="x")) as folder:
        store = TrialStore(folder.config(), folder.database)
        store.enqueue_first("v1")
        number, _ = store.ask()
        store.record_epoch(number, 1, {"bpp_estimated": 1.0, "d1_psnr_db": 30.0}, elapsed_s=1.0)
        store.close()
    with closing(sqlite3.connect(folder.database)) as held, held:
        held.executescript(
            """
            WITH RECURSIVE n(i) AS (SELECT 2 UNION ALL SELECT i + 1 FROM n WHERE i < 1000)
            INSERT INTO trials (trial_id, number, study_id, state) SELECT i + 10, i + 9, 1, 'FAIL'
            FROM n;
            WITH RECURSIVE n(i) AS (SELECT 2 UNION ALL SELECT i + 1 FROM n WHERE i < 1000),
            e(k) AS (SELECT 1 UNION ALL SELECT k + 1 FROM e WHERE k < 30)
            INSERT INTO trial_user_attributes (trial_id, key, value_json)
            SELECT i + 10, 'note:' || k, '{"a": 1.0, "b": [1, 2, 3]}' FROM n, e;
            """
        )
    prepare = """
from pathlib import Path
from study.storage.folder import StudyFolder
from study.storage.progress import read_records
from study.storage import trial_store
"""
    work = f"f = StudyFolder(Path({str(folder.path)!r}))\nreturn len(read_records(f, f.config()))"
    return folder.database, prepare, work


ROWS: dict[str, tuple[str, Callable[[Path], Made]]] = {
    "study file": ("256 KiB of keys", study_file),
    "study file, aliases of aliases": ("refused", anchors),
    "codec folder": ("with 4 MiB of description", codec_folder),
    "compressed cloud": ("all the points that it may decode to", compressed),
    "compressed cloud of a codec that grows": ("refused", growing),
    "PLY": ("text", ply),
    "OBJ": ("a material for each face", obj),
    "OFF": ("faces", off),
    "STL": ("a solid for each face, text", stl),
    "LAS": ("", las),
    "LAZ": ("equal points", laz),
    "KITTI bin": ("", kitti),
    "npy": ("whole numbers of 1 byte", npy),
    "npz": ("2.8 million equal points", npz),
    "npz, 64 MiB of zeros": ("refused", npz_zeros),
    "zip of models, 64 MiB": ("refused", large_models),
    "zip of models": ("8 MiB of equal vertices", models),
    "D-PCC pickle": ("a cube for each point", pickled),
    "D-PCC pickle, one array 1,000 times": ("refused", named_often),
    "D-PCC pickle, nested keys": ("refused", nested_keys),
    "Parquet data set": ("the embedded objects", objects),
    "warm start": ("100,000 rows of 20 columns", many_rows),
    "warm start of 10 million rows": ("refused", rows),
    "result": ("42,000 clouds", result),
    "published checkpoint": ("the published architecture", checkpoint),
    "published checkpoint, a view of one number": ("refused", view),
    "study's database": ("1,000 trials, 30,000 attributes", database),
}


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_what_reading_costs(tmp_path: Path) -> None:
    table = io.StringIO()
    table.write("| file | bytes | seconds | MiB | |\n| --- | ---: | ---: | ---: | --- |\n")
    for number, (kind, (what, make)) in enumerate(ROWS.items()):
        place = tmp_path / str(number)
        place.mkdir()
        file, prepare, work = make(place)
        files = file.iterdir() if file.is_dir() else [file]
        size = sum(each.stat().st_size for each in files)
        cost = cost_of(work, prepare, most_mib=0, most_s=60)
        assert cost.error in {"cloud", "StudyError", "CodecError"}, (kind, cost)
        refused = cost.error != "cloud"
        assert refused == what.startswith("refused") or kind in {"study file", "warm start"}, cost
        if what == "refused":
            assert cost.mib < 200, (kind, cost)
        table.write(f"| {kind} | {size:,} | {cost.seconds:.2f} | {cost.mib:.0f} | {what} |\n")
    sys.stdout.write(f"\n{table.getvalue()}")
