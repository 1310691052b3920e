"""Cautions of what stands beside a front, in the terminal and on the page."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from study.codecs.cloud_files import file_stems
from study.commands.cautions import _shared
from study.commands.main import main
from study.metrics import PsnrConvention
from study.report.page.assembling import unpack
from study.storage.progress import read_progress
from tests.study.finished import finished_study
from tests.study.measured import STUDY, measured_study


def shown(root: Path, capsys: pytest.CaptureFixture[str], *words: str) -> str:
    assert main(["front", "mine", "--root", str(root), *words]) == 0
    return capsys.readouterr().out


def baseline(path: Path, clouds: dict[str, int]) -> Path:
    """What `study baseline` writes, as far as it is read."""
    told = {
        "name": "Draco",
        "psnr": str(PsnrConvention()),
        "results": {"bpp": [0.5, 1.0], "d1_psnr_db": [30.0, 33.0]},
        "clouds": {name: {"points": points} for name, points in clouds.items()},
    }
    path.write_text(json.dumps(told))
    return path


def test_other_clouds_are_a_caution(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The study's own clouds are none; those of a data set that is gone may be any."""
    folder = finished_study(tmp_path)
    root = folder.path.parent
    store = read_progress(folder, folder.config()).store
    assert store is not None
    data = Path(store.worker_config(0)["data_folder"])
    held = json.loads((data / "manifest.json").read_text())["clouds"]
    own = {
        f"{each['name']}.ply": each["points"] + each["sparse_points"]
        for each in held
        if each["split"] == "validation"
    }
    same = baseline(tmp_path / "same.json", own)
    others = baseline(tmp_path / "others.json", {**own, "another.ply": 300})
    words = ["front", "small", "--root", str(root), "--baseline"]
    assert main([*words, str(same)]) == 0
    assert "caution" not in capsys.readouterr().out
    assert main([*words, str(others)]) == 0
    told = capsys.readouterr().out
    caution = told.partition("caution ")[2].partition("\n")[0]
    assert caution.startswith(
        "Draco was measured on other clouds (2 in others.json, 1 of them among"
    )
    page = unpack((folder.path / "front.html").read_text(encoding="utf-8"))
    assert page["cautions"] == [caution]
    shutil.rmtree(data)
    assert main([*words, str(same)]) == 0
    assert "caution the clouds of small are not known" in capsys.readouterr().out


NAMES = ("a/model.obj", "b/model.obj", "sweep.npz/3", "chair.ply")
SHARED = [(name, 2048) for name in NAMES]


@pytest.mark.parametrize(
    ("files", "shared"),
    [
        (["/data/a/model.obj", "../b/model.obj", "x/sweep.npz/3", "chair.ply"], 4),
        (["c/a_model.ply", "c/b_model.ply", "c/sweep.npz_3.ply", "c/chair.ply"], 4),  # exported
        (["here/chair.las", "a.ply"], 1),
        (["model.obj"], 0),  # which of the two?
        (["c/model.obj", "b/model.obj"], 1),
        (["x/chair.ply", "y/chair.ply"], 1),
    ],
)
def test_files_are_known_by_their_place_their_export_or_their_name(
    files: list[str], shared: int
) -> None:
    assert _shared(SHARED, [(file, 2048) for file in files]) == shared
    assert _shared(SHARED, [(file, 2047) for file in files]) == 0


def test_clouds_as_they_are_exported_are_known(tmp_path: Path) -> None:
    """Whatever their names are."""
    names = ["chair.ply", "chair.obj", "a/b c.npz", "../x", "v1.2", "/", "x"]
    files = [str(tmp_path / f"{stem}.ply") for stem in file_stems(names)]
    assert _shared([(name, 9) for name in names], [(file, 9) for file in files]) == len(names)


def test_a_study_of_other_data_is_a_caution(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    measured_study(tmp_path, "mine")
    measured_study(tmp_path, "other", study=f"{STUDY}\ndata: {{points_per_object: 999}}\n")
    told = shown(tmp_path, capsys, "--with", "other")
    assert "caution the data of mine and other differ (data.points_per_object" in told
