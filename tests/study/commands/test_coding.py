"""Clouds through the command line: compressed here, decompressed by a process of its own."""

from __future__ import annotations

import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

import numpy as np
import pytest
from plyfile import PlyData

from model.cloud_codec import CloudCodec
from model.codec_folder import load_codec, save_codec
from model.config import ModelConfig
from model.partition import PartitionConfig
from model.patch_coder import PatchCoder
from study.clouds import read_cloud, write_cloud
from study.commands.main import main
from study.metrics import d1_psnr_db
from tests.model.support import SMALL, fresh_codec, surface

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

CUBES = PartitionConfig(cube_size=50.0, min_points=20, max_points=500)
WITH_NORMALS = ModelConfig(hidden_dim=16, compress_normal=True)


def sheet(count: int = 1500) -> NDArray[np.float64]:
    """A bent sheet of metres, far from the origin."""
    return surface(3, count).astype(np.float64) * 20.0 + [4000.0, -300.0, 7.0]


def save(folder: Path, config: ModelConfig = SMALL, seed: int = 1) -> CloudCodec:
    codec = CloudCodec(PatchCoder.freeze(fresh_codec(seed, config=config)), CUBES)
    save_codec(codec, folder, {})
    return codec


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a codec and a cloud, which is the working directory."""
    monkeypatch.chdir(tmp_path)
    save(tmp_path / "codec")
    write_cloud(tmp_path / "sheet.ply", sheet())
    return tmp_path


def study(*words: str, cwd: Path, threads: int = 1) -> subprocess.CompletedProcess[str]:
    """Run a command in a process of its own."""
    import os

    return subprocess.run(
        [sys.executable, "-m", "study", *words],
        cwd=cwd,
        env={**os.environ, "OMP_NUM_THREADS": str(threads)},
        capture_output=True,
        text=True,
        check=False,
        timeout=100,
    )


def test_a_cloud_goes_through_two_processes(here: Path) -> None:
    done = study("compress", "codec", "sheet.ply", cwd=here, threads=2)
    assert (done.returncode, done.stderr) == (0, "")
    size = (here / "sheet.dpcs").stat().st_size
    assert f"sheet.dpcs  1,500 points in {size:,} bytes, {8 * size / 1500:.3f} bpp, " in done.stdout
    # Another machine has the codec's folder and the file, and nothing else.
    other = here / "elsewhere"
    shutil.copytree(here / "codec", other / "my codec")
    shutil.copy(here / "sheet.dpcs", other)
    done = study("decompress", "my codec", "sheet.dpcs", "out.npy", cwd=other)
    assert (done.returncode, done.stderr) == (0, "")
    assert "out.npy" in done.stdout
    assert f"(of 1,500) from {size:,} bytes" in done.stdout
    decoded = read_cloud(other / "out.npy").points
    codec = load_codec(here / "codec").codec
    np.testing.assert_array_equal(decoded, codec.decompress(codec.compress(sheet())).points)
    assert d1_psnr_db(sheet(), decoded, 40.0) > 10.0


def test_default_names_stand_beside_the_input(here: Path) -> None:
    (here / "deep").mkdir()
    shutil.move(here / "sheet.ply", here / "deep" / "sheet.old.ply")
    assert main(["compress", "codec", "deep/sheet.old.ply"]) == 0
    assert main(["decompress", "codec", "deep/sheet.old.dpcs"]) == 0
    names = {path.name for path in (here / "deep").iterdir()}
    assert names == {"sheet.old.ply", "sheet.old.dpcs", "sheet.old.decoded.ply"}
    np.testing.assert_array_equal(read_cloud("deep/sheet.old.ply").points, sheet())
    assert len(read_cloud("deep/sheet.old.decoded.ply").points) != 1500


def test_nothing_is_replaced_unasked(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["compress", "codec", "sheet.ply"]) == 0
    file = (here / "sheet.dpcs").read_bytes()
    (here / "sheet.dpcs").write_text("mine")
    assert main(["compress", "codec", "sheet.ply"]) == 2
    assert "sheet.dpcs exists; name another file, or allow to replace it" in capsys.readouterr().err
    assert (here / "sheet.dpcs").read_text() == "mine"
    assert main(["compress", "codec", "sheet.ply", "--force"]) == 0
    assert (here / "sheet.dpcs").read_bytes() == file
    (here / "sheet.decoded.ply").write_text("mine too")
    assert main(["decompress", "codec", "sheet.dpcs"]) == 2
    assert "sheet.decoded.ply exists" in capsys.readouterr().err
    assert (here / "sheet.decoded.ply").read_text() == "mine too"


def test_normals_are_coded_where_the_codec_has_them(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    save(here / "with normals", WITH_NORMALS)
    normals = np.tile(np.array([0.0, 0.0, 1.0], np.float32), (1500, 1))
    write_cloud(here / "up.ply", sheet(), normals)
    assert main(["compress", "with normals", "up.ply"]) == 0
    assert main(["decompress", "with normals", "up.dpcs", "out.ply"]) == 0
    written = PlyData.read(here / "out.ply")["vertex"]
    lengths = np.hypot(np.hypot(written["nx"], written["ny"]), written["nz"])
    np.testing.assert_allclose(lengths, 1.0, atol=1e-5)
    assert capsys.readouterr().err == ""
    assert main(["decompress", "with normals", "up.dpcs", "out.bin"]) == 0
    assert capsys.readouterr().err == "warning: .bin files hold no normals: left out\n"
    assert main(["compress", "with normals", "sheet.ply"]) == 2
    assert "normals" in capsys.readouterr().err


def test_what_is_lost_is_named(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    normals = np.tile(np.array([0.0, 0.0, 1.0], np.float32), (1500, 1))
    write_cloud(here / "up.ply", sheet(), normals)
    assert main(["compress", "codec", "up.ply"]) == 0
    assert capsys.readouterr().err == "warning: this codec does not code normals: left out\n"
    # KITTI's fourth number.
    np.ones((1500, 4), np.float32).cumsum(axis=0, dtype=np.float32).tofile(here / "sweep.bin")
    assert main(["compress", "codec", "sweep.bin"]) == 0
    warning = capsys.readouterr().err
    assert warning == "warning: this codec does not code intensity: left out\n"


def test_one_of_several_clouds_is_named(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    np.savez(here / "two.npz", first=sheet(), second=sheet(700))
    assert main(["compress", "codec", "two.npz"]) == 2
    assert "two.npz holds 2 clouds, and none was named" in capsys.readouterr().err
    assert main(["compress", "codec", "two.npz", "--cloud", "second"]) == 0
    assert "700 points" in capsys.readouterr().out


def test_a_mesh_is_sampled(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (here / "box.off").write_text("OFF\n3 1 0\n0 0 0\n1 0 0\n0 1 0\n3 0 1 2\n")
    assert main(["compress", "codec", "box.off", "--samples", "300"]) == 0
    assert "300 points" in capsys.readouterr().out


def test_one_point_is_not_points(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_cloud(here / "one.ply", np.zeros((1, 3)))
    assert main(["compress", "codec", "one.ply"]) == 0
    assert "  1 point in " in capsys.readouterr().out
    assert main(["decompress", "codec", "one.dpcs", "back.ply"]) == 0
    assert "  1 point (of 1) from " in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["compress", "codec", "nowhere.ply"], "nowhere.ply cannot be read"),
        (["compress", "codec", "sheet.txt"], "formats that can be read are .ply"),
        (["compress", "codec", "."], "is a folder; name its files, as in *.ply"),
        (["evaluate", "codec", "other"], "is a folder; name its files, as in other/*.ply"),
        (["compress", "codec", "good.dpcs"], "compressed yet, and good.dpcs is"),
        (["evaluate", "codec", "good.dpcs"], "compressed yet, and good.dpcs is"),
        (["compress", "nowhere", "sheet.ply"], "nowhere/codec.json cannot be read"),
        (["compress", "codec", "sheet.plx"], "did you mean .ply?"),
        (["compress", "codec", "sheet.ply", "codec"], "that is a folder; name a file"),
        (["compress", "codec", "sheet.ply", "sheet.ply/out.dpcs"], "cannot be written: "),
        (["decompress", "codec", "nowhere.dpcs"], "nowhere.dpcs cannot be read"),
        (["decompress", "codec", "sheet.ply", "out.ply"], "a compressed cloud starts with"),
        (["decompress", "codec", "sheet.ply", "sheet.ply"], "a compressed cloud starts with"),
        (["compress", "codec", "nowhere.ply", "sheet.ply"], "nowhere.ply cannot be read"),
        (["evaluate", "codec", "nowhere.ply", "--out", "sheet.ply"], "nowhere.ply cannot be read"),
        (["decompress", "codec", "good.dpcs", "sheet.ply"], "sheet.ply exists; name another"),
        (["decompress", "codec", "good.dpcs", "out.obj"], "formats that can be written are .ply"),
        (["decompress", "codec", "cut.dpcs", "out.ply"], "cut or changed on the way"),
        (["decompress", "other", "good.dpcs", "out.ply"], "codec"),
    ],
)
def test_what_cannot_be_used_is_a_sentence_and_code_2(
    words: list[str], sentence: str, here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    save(here / "other", seed=2)
    file = load_codec(here / "codec").codec.compress(sheet())
    (here / "good.dpcs").write_bytes(file)
    (here / "cut.dpcs").write_bytes(file[:-20])
    before = sorted(here.rglob("*"))
    assert main(words) == 2
    shown = capsys.readouterr()
    assert shown.err.startswith("error: ")
    assert sentence in shown.err
    assert sorted(here.rglob("*")) == before


def test_a_failed_write_leaves_the_old_file(
    here: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (here / "sheet.dpcs").write_text("mine")

    def full(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    assert main(["compress", "codec", "sheet.ply", "--force"]) == 2
    assert "sheet.dpcs cannot be written: No space left" in capsys.readouterr().err
    assert (here / "sheet.dpcs").read_text() == "mine"
    assert {path.name for path in here.iterdir()} == {"codec", "sheet.ply", "sheet.dpcs"}


def test_options_may_stand_before_the_output(here: Path) -> None:
    np.savez(here / "two.npz", first=sheet(), second=sheet(700))
    assert main(["compress", "codec", "two.npz", "--cloud", "second", "out.dpcs"]) == 0
    assert main(["decompress", "codec", "out.dpcs", "--force", "out.npy"]) == 0
    assert (here / "out.npy").exists()


def test_a_cloud_that_the_network_has_no_part_in_is_told(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["compress", "codec", "sheet.ply"]) == 0
    assert "note" not in capsys.readouterr().out
    write_cloud(here / "thin.ply", sheet(19))
    assert main(["compress", "codec", "thin.ply"]) == 0
    shown = capsys.readouterr().out
    assert "(0 patches, " in shown
    write_cloud(here / "one.ply", sheet(1))
    assert main(["compress", "codec", "one.ply"]) == 0
    assert "(0 patches, 1 voxel)" in capsys.readouterr().out
    assert "the network coded nothing: no cube of this cloud holds the 20 points that" in shown


_REFUSED = """
import sys
from study.commands.main import main
assert main(sys.argv[1:]) == 2
assert "torch" not in sys.modules
assert "mlflow" not in sys.modules
"""


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["compress", "codec", "sheet.ply", "there"], "there exists; name another"),
        (["compress", "codec", "nowhere.ply"], "nowhere.ply cannot be read"),
        (["compress", "codec", "sheet.txt"], "formats that can be read are .ply"),
        (["decompress", "codec", "nowhere.dpcs"], "nowhere.dpcs cannot be read"),
        (["decompress", "codec", "sheet.ply", "there.obj"], "formats that can be written are"),
        (["evaluate", "codec", "sheet.ply", "--out", "there"], "there exists; name another"),
        (["evaluate", "codec", "nowhere.ply"], "nowhere.ply cannot be read"),
    ],
)
def test_what_files_alone_decide_is_told_before_the_network_is_imported(
    words: list[str], sentence: str, here: Path
) -> None:
    (here / "there").write_text("mine")
    done = subprocess.run(
        [sys.executable, "-c", _REFUSED, *words],
        cwd=here,
        capture_output=True,
        text=True,
        check=False,
        timeout=100,
    )
    assert (done.returncode, done.stdout) == (0, "")
    assert sentence in done.stderr
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize("samples", ["0", "many", "1.5"])
def test_numbers_that_cannot_be_are_refused_at_once(
    samples: str, here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(["compress", "codec", "sheet.ply", "--samples", samples])
    sentence = f"argument --samples: must be a whole number from 1 to 100,000,000, not {samples!r}"
    assert sentence in capsys.readouterr().err
    assert not list(here.glob("*.dpcs"))


def test_a_cloud_is_not_replaced_by_its_own_file(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = (here / "sheet.ply").read_bytes()
    assert main(["compress", "codec", "sheet.ply", "./sheet.ply", "--force"]) == 2
    assert "replaced by its own compressed file" in capsys.readouterr().err
    assert (here / "sheet.ply").read_bytes() == before
