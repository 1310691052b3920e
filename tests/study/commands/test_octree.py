"""The octree codec through the command line: without a folder, and with tables of one's own."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from model.codec_folder import load_codec, save_codec
from model.octree.codec import OctreeCodec, OctreeOptions
from study.clouds import read_cloud, write_cloud
from study.codecs.opening import BUILT_IN, open_any
from study.commands.main import main
from tests.model.octree.test_codec import trained
from tests.model.support import surface
from tests.study.commands.test_coding import save


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with clouds, which is the working directory."""
    monkeypatch.chdir(tmp_path)
    for number in range(6):
        points = surface(number, 600).astype(np.float64) * [1.0, 1.0, 1.0 + number]
        write_cloud(tmp_path / f"sheet{number}.ply", points)
    write_cloud(tmp_path / "grid.npy", np.round(surface(9, 500).astype(np.float64) * 50) * 0.001)
    return tmp_path


def told(capsys: pytest.CaptureFixture[str]) -> str:
    return " ".join(capsys.readouterr().out.split())


def test_a_cloud_goes_there_and_back(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["compress", "octree", "sheet0.ply", "--depth", "4"]) == 0
    size = (here / "sheet0.dpcs").stat().st_size
    said = told(capsys)
    assert f"600 points in {size:,} bytes, {8 * size / 600:.3f} bpp" in said
    assert " voxels of edge 0.125)" in said
    assert main(["decompress", "octree", "sheet0.dpcs"]) == 0
    assert f"600 points (of 600) from {size:,} bytes" in told(capsys)
    assert len(read_cloud(here / "sheet0.decoded.ply").points) == 600
    assert main(["decompress", "octree", "sheet0.dpcs", "b.npy", "--most-points", "9"]) == 2
    assert "at most the 9 points that were asked for" in capsys.readouterr().err


def test_a_grid_comes_back_exactly(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["--edge", "0.001", "--counts", "exact"]
    assert main(["compress", "octree", "grid.npy", *words]) == 0
    assert "voxels of edge 0.001, with exact numbers of points" in told(capsys)
    assert main(["decompress", "octree", "grid.dpcs", "back.npy"]) == 0
    back, grid = np.load(here / "back.npy"), np.load(here / "grid.npy")
    assert sorted(map(tuple, back.tolist())) == sorted(map(tuple, grid.tolist()))


def test_a_folder_of_that_name_comes_first(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    save_codec(OctreeCodec(OctreeOptions(edge=0.5, tables=trained())), here / "octree", {})
    assert main(["compress", "octree", "sheet0.ply"]) == 0
    assert "voxels of edge 0.5)" in told(capsys)
    assert load_codec(here / "octree").codec.decompress((here / "sheet0.dpcs").read_bytes())


def test_options_change_those_of_a_folder(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options = OctreeOptions(edge=0.5, counts="exact", tables=trained())
    save_codec(OctreeCodec(options), here / "codec", {})
    assert main(["compress", "codec", "sheet0.ply", "--depth", "3", "--placing", "centres"]) == 0
    assert "voxels of edge 0.25, with exact numbers" in told(capsys)


@pytest.mark.parametrize("words", [["--edge", "1"], ["--counts", "none"], ["--depth", "3"]])
def test_a_learned_codec_has_no_such_options(
    words: list[str], here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    save(here / "codec")
    assert main(["compress", "codec", "sheet0.ply", *words]) == 2
    assert (
        "are options of codecs that code octrees, and codec is a learned one"
        in capsys.readouterr().err
    )
    assert not (here / "sheet0.dpcs").exists()


def test_codecs_of_another_kind_are_named(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    learned = save(here / "codec")
    main(["compress", "octree", "sheet0.ply", "a.dpcs"])
    main(["compress", "codec", "sheet0.ply", "b.dpcs"])
    assert main(["decompress", "codec", "a.dpcs"]) == 2
    assert "is of an octree codec, not of a learned one; name" in capsys.readouterr().err
    assert main(["decompress", "octree", "b.dpcs"]) == 2
    assert f"with the id {learned.codec_id.hex()}, not of an octree" in capsys.readouterr().err


def test_it_is_measured_as_others_are(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["evaluate", "octree", "sheet0.ply", "sheet1.ply", "--depth", "3"]) == 0
    assert "edge 0.125 of the longest side" in told(capsys)
    written = json.loads((here / "octree-evaluation.json").read_text())
    assert (
        written["description"]
        == f"octree codec {open_any(Path(BUILT_IN)).codec_id.hex()}, trained tables"
    )


def test_tables_are_trained_and_used(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    clouds = [f"sheet{number}.ply" for number in range(6)]
    assert main(["train-tables", *clouds, "mine", "--depths", "3,4"]) == 0
    said = told(capsys)
    assert "an octree, with tables of 6 clouds" in said
    assert "depth 4 " in said
    about = load_codec(here / "mine").about
    assert about["trained_on"]["clouds"] == clouds
    assert [each["depth"] for each in about["worth"]] == [3, 4]
    assert all(each["with_bpp"] < each["without_bpp"] for each in about["worth"])
    for codec in ("mine", "octree"):
        assert main(["compress", codec, "sheet5.ply", f"{codec}.dpcs", "--depth", "4"]) == 0
    assert (here / "mine.dpcs").stat().st_size < (here / "octree.dpcs").stat().st_size
    assert main(["train-tables", *clouds[::-1], "again", "--depths", "3,4"]) == 0
    assert load_codec(here / "again").codec.codec_id == load_codec(here / "mine").codec.codec_id
    assert main(["train-tables", *clouds, "mine"]) == 2
    assert "is written into a new folder, and mine exists" in capsys.readouterr().err


def test_few_clouds_train_too(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train-tables", "sheet0.ply", "mine", "--depths", "2", "--seed", "3"]) == 0
    assert "what the tables are worth is not known: that takes 5 clouds or more" in told(capsys)
    assert load_codec(here / "mine").about["worth"] == []


def test_the_built_in_codec_imports_no_network(here: Path) -> None:
    script = (
        "import sys\nfrom study.commands.main import main\n"
        "code = main(['compress', 'octree', 'grid.npy'])\n"
        "print(code, {'torch', 'mlflow', 'ray'} & set(sys.modules))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=here, check=True, capture_output=True, text=True
    )
    assert done.stdout.splitlines()[-1] == "0 set()"
