"""A codec taken out of a study is the one that was measured, and says where it comes from."""

from __future__ import annotations

import io
import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, cast

import numpy as np
import pytest
import torch
from rich.console import Console

from model.codec_folder import load_codec
from model.folder_files import CODEC
from study.base.errors import StudyError
from study.base.records import EpochRecord, TrialRecord, TrialState
from study.checkpoints.export import export
from study.checkpoints.operating_point import Wish
from study.checkpoints.taken import TakenCodec
from study.clouds import read_cloud, write_cloud
from study.commands.demonstration import COMPRESSED, DECODED, demonstrate
from study.commands.export import _told
from study.commands.main import main
from study.config.yaml_file import write_study
from study.data import open_data_set
from study.driver.runner import Ended
from study.report.page.assembling import unpack
from study.storage.folder import StudyFolder
from study.storage.progress import read_records
from study.storage.study_file import parse_study
from study.storage.trial_store import TrialStore
from study.training.checkpoint import read_codec, write_codec
from study.training.codec_files import codec_file
from study.training.evaluation import measure
from tests.study.finished import EPOCHS, STUDY, finished_study

if TYPE_CHECKING:
    from model.cloud_codec import CloudCodec
    from study.data import DataSet


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> StudyFolder:
    return finished_study(tmp_path_factory.mktemp("finished"))


@pytest.fixture
def study(made: StudyFolder, tmp_path: Path) -> StudyFolder:
    """A copy of the study that a test may change; data and checkpoints are where they were."""
    shutil.copytree(made.path, tmp_path / "studies" / "small")
    return StudyFolder(tmp_path / "studies" / "small")


def records_of(study: StudyFolder) -> list[TrialRecord]:
    return read_records(study, study.config())


def data_of(study: StudyFolder) -> DataSet:
    (manifest,) = Path(study.config().data_root).glob("*/manifest.json")
    return open_data_set(manifest.parent)


@pytest.mark.parametrize("number", [0, 1])
def test_the_exported_codec_is_the_one_that_was_measured(
    number: int, study: StudyFolder, tmp_path: Path
) -> None:
    export(study, Wish(trial=number), tmp_path / "codec")
    measured = measure(load_codec(tmp_path / "codec").learned, data_of(study), "validation")
    recorded = records_of(study)[number].final
    for name in ("bpp", "d1_psnr_db", "points_ratio"):
        assert measured[name] == recorded[name], name


def test_it_says_where_it_comes_from(study: StudyFolder, tmp_path: Path) -> None:
    export(study, Wish(trial=1), tmp_path / "codec")
    about = json.loads((tmp_path / "codec" / CODEC).read_text())["about"]
    record, config = records_of(study)[1], study.config()
    manifest = data_of(study).manifest
    assert about["study"]["name"] == "small"
    assert len(about["study"]["identity"]) == 32
    assert (about["trial"], about["seed"], about["epochs"]) == (1, 3, EPOCHS)
    assert about["params"] == dict(record.params)
    assert about["loss"]["bpp_lambda"] == 0.3
    assert about["training"]["learning_rate"] == config.training.learning_rate
    assert about["metrics"] == pytest.approx(dict(record.final))
    assert about["train_s"] == 2.5
    assert about["published_coefficients"] is False
    assert about["data"]["content_hash"] == manifest.content_hash
    assert about["data"]["recipe"]["cube_size"] == 100.0
    assert (about["data"]["peak"], about["data"]["psnr"]) == (100.0, "3 p^2, p = longest side")
    assert about["code_version"]["trained"] == "v1.2-3-gabc"
    assert about["code_version"]["exported"]


def test_a_codec_works_where_the_study_is_not(
    study: StudyFolder, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["export", "small", "--root", str(study.path.parent), "--knee"]
    assert main([*words, str(tmp_path / "codec")]) == 0
    identity = load_codec(tmp_path / "codec").codec.codec_id.hex()
    assert f"codec  codec {identity}: trial " in capsys.readouterr().out
    away = tmp_path / "away"
    shutil.copytree(tmp_path / "codec", away / "codec")
    points = data_of(study).clouds("test")[0].points
    write_cloud(away / "object.ply", np.asarray(points))
    shutil.rmtree(study.path)
    for command in ("compress codec object.ply", "decompress codec object.dpcs out.ply"):
        words = [sys.executable, "-m", "study", *command.split()]
        subprocess.run(words, cwd=away, check=True)
    codec = load_codec(tmp_path / "codec").codec
    decoded = codec.decompress((away / "object.dpcs").read_bytes()).points
    np.testing.assert_array_equal(read_cloud(away / "out.ply").points, decoded)


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--trial", "2"], "trial 2 is failed; choose one of 0, 1"),
        (["--trial", "3"], "trial 3 is interrupted; choose one of 0, 1"),
        (["--trial", "9"], "there is no trial 9"),
        (["--max-bpp", "0.0001"], "no point of the front needs at most 0.0001 bpp; the lowest"),
        (["--min-psnr", "99"], "no point of the front reaches 99 dB D1 PSNR; the best there is"),
    ],
)
def test_what_cannot_be_exported_is_a_sentence(
    words: list[str],
    sentence: str,
    study: StudyFolder,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    out = tmp_path / "codec"
    assert main(["export", "small", "--root", str(study.path.parent), *words, str(out)]) == 2
    assert sentence in capsys.readouterr().err
    assert not out.exists()


@pytest.mark.parametrize("words", [[], ["--knee", "--trial", "1"], ["--trial", "one"]])
def test_exactly_one_wish_is_asked_for(words: list[str], study: StudyFolder) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(["export", "small", "--root", str(study.path.parent), *words, "out"])


def test_a_study_that_was_moved_is_exported_all_the_same(
    made: StudyFolder, study: StudyFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With its data beside it, and without: then it is said what is not known."""
    export(made, Wish(trial=1), tmp_path / "before")
    moved = tmp_path / "moved"
    shutil.copytree(study.path, moved / "studies" / "small")
    shutil.copytree(study.config().data_root, moved / "data")
    # As on another machine: nothing is where the worker saw it.
    config = made.config().model_copy(update={"data_root": "data"})
    write_study(config, moved / "studies" / "small" / "study.yaml")
    told = json.loads(json.dumps(TrialStore(config, study.database).worker_config(1)))
    told["data_folder"] = f"/nowhere/{Path(told['data_folder']).name}"
    monkeypatch.setattr(TrialStore, "worker_config", lambda *_: told)
    there = StudyFolder(moved / "studies" / "small")
    assert export(there, Wish(trial=1), tmp_path / "after").data == moved / "data" / (
        Path(told["data_folder"]).name
    )
    shutil.rmtree(moved / "data")
    export(there, Wish(trial=1), tmp_path / "alone")
    ids = {
        load_codec(tmp_path / name).codec.codec_id.hex() for name in ("before", "after", "alone")
    }
    assert len(ids) == 1
    about = [
        json.loads((tmp_path / name / CODEC).read_text())["about"]["data"]
        for name in ("after", "alone")
    ]
    assert about[0]["content_hash"] == data_of(made).manifest.content_hash
    assert about[1]["content_hash"] is None
    assert about[0]["recipe"] == about[1]["recipe"]


def test_an_earlier_epoch_that_is_kept_is_exported_with_its_estimates(
    study: StudyFolder, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["export", "small", "--root", str(study.path.parent), "--trial", "1", "--epoch"]
    assert main([*words, "1", str(tmp_path / "early")]) == 0
    first = records_of(study)[1].epochs[0].metrics
    told = f"trial 1 after epoch 1, ~{first['bpp_estimated']:.3f} bpp, {first['d1_psnr_db']:.2f} dB"
    assert f"{told} D1 PSNR (estimated; `study evaluate` measures it)" in capsys.readouterr().out
    about = json.loads((tmp_path / "early" / CODEC).read_text())["about"]
    assert about["epochs"] == 1
    assert about["metrics_are"].startswith("estimates after epoch 1 of 2; no file")
    assert about["metrics"] == pytest.approx(dict(first))
    codec = load_codec(tmp_path / "early").learned
    saved = read_codec(codec_file(study.codecs, 1, 1)).parameters
    for name, parameter in codec.coder.codec.named_parameters():
        if not name.endswith("quantiles"):  # They are settled when a codec is frozen.
            assert parameter.equal(saved[name]), name
    measured = measure(codec, data_of(study), "validation")
    assert measured["d1_psnr_db"] == pytest.approx(first["d1_psnr_db"], abs=0.01)

    assert main([*words, "2", str(tmp_path / "last")]) == 0
    assert "trial 1, " in capsys.readouterr().out
    about = json.loads((tmp_path / "last" / CODEC).read_text())["about"]
    assert about["metrics_are"].startswith("measured")
    assert about["metrics"] == pytest.approx(dict(records_of(study)[1].final))


def test_the_line_names_the_objectives_of_the_study() -> None:
    text = STUDY.replace(
        "metric: d1_psnr_db, direction: maximize", "metric: density, direction: minimize"
    )
    config = parse_study(text, origin="x")
    final = {"bpp": 0.5, "density": 0.25, "d1_psnr_db": 30.0}
    epoch = EpochRecord(1, {"bpp_estimated": 0.6, "d1_psnr_db": 29.0})
    record = TrialRecord(7, TrialState.COMPLETE, {}, (epoch,), final=final)
    codec = cast("CloudCodec", None)  # Of no interest to the line.
    taken = [
        TakenCodec(codec, record, 1, metrics, Path("data"), {}, is_measured=is_measured)
        for metrics, is_measured in ((record.final, True), (epoch.metrics, False))
    ]
    assert _told(taken[0], config) == "7, 0.500 bpp, density metric 0.25"
    told = "7 after epoch 1, ~0.600 bpp (estimated; `study evaluate` measures it)"
    assert _told(taken[1], config) == told


class TestFiles:
    """What may have become of a codec's file."""

    def refused(
        self, study: StudyFolder, tmp_path: Path, sentence: str, epoch: int | None = None
    ) -> None:
        with pytest.raises(StudyError, match=sentence):
            export(study, Wish(trial=1), tmp_path / "codec", epoch)
        assert not (tmp_path / "codec").exists()

    def test_one_that_is_gone(self, study: StudyFolder, tmp_path: Path) -> None:
        codec_file(study.codecs, 1, EPOCHS).unlink()
        told = r"of trial 1 after epoch 2 is not in .*: of its codecs, those after epoch 1 are kept"
        self.refused(study, tmp_path, told)
        shutil.rmtree(study.codecs)
        self.refused(study, tmp_path, "none is kept, for only those of the front are")

    def test_one_that_was_never_trained(self, study: StudyFolder, tmp_path: Path) -> None:
        self.refused(study, tmp_path, "those after epochs 1, 2 are kept", epoch=9)

    def test_one_that_is_damaged(self, study: StudyFolder, tmp_path: Path) -> None:
        file = codec_file(study.codecs, 1, EPOCHS)
        file.write_bytes(file.read_bytes()[:-1])
        self.refused(study, tmp_path, "is damaged or no codec; choose another")

    def test_one_in_anothers_place(self, study: StudyFolder, tmp_path: Path) -> None:
        shutil.copy(codec_file(study.codecs, 1, 1), codec_file(study.codecs, 1, EPOCHS))
        self.refused(study, tmp_path, r"must be the codec of trial 1 .*another .trial 1, epoch 1")

    def test_one_of_another_architecture(self, study: StudyFolder, tmp_path: Path) -> None:
        file = codec_file(study.codecs, 1, EPOCHS)
        write_codec(file, 1, EPOCHS, torch.zeros(3), {"weight": (3,)})
        self.refused(study, tmp_path, "must be the codec of trial 1")


class TestDemonstration:
    def shown(self, study: StudyFolder, records: list[TrialRecord]) -> str:
        console = Console(file=io.StringIO(), width=120)
        demonstrate(study.config(), Ended(study, records, None, None), console)
        assert isinstance(console.file, io.StringIO)
        return console.file.getvalue()

    def test_a_test_object_is_compressed_and_decompressed_elsewhere(
        self, study: StudyFolder
    ) -> None:
        shown = self.shown(study, records_of(study))
        (cloud,) = data_of(study).clouds("test")
        file = study.path / COMPRESSED
        assert f"One test object, {cloud.name}: {len(cloud.points)} points" in shown
        assert "A fresh process decoded the same points in " in shown
        assert "Draco, " in shown
        assert all(words in shown for words in ("chamfer", "density", "points"))
        assert shown.count("D2") == shown.count("D2 PSNR is not shown: it needs the points'") == 1
        assert f" {file.stat().st_size:,} " in shown
        codec = load_codec(study.path / "codec").codec
        decoded = codec.decompress(file.read_bytes()).points
        np.testing.assert_array_equal(read_cloud(study.path / DECODED).points, decoded)

    def test_a_study_that_went_on_has_another_example(self, study: StudyFolder) -> None:
        for name in ("codec/codec.json", COMPRESSED, DECODED):
            (study.path / name).parent.mkdir(exist_ok=True)
            (study.path / name).write_text("of its first end")
        assert "A fresh process decoded the same points in " in self.shown(study, records_of(study))

    def test_without_a_front_nothing_is_shown(self, study: StudyFolder) -> None:
        failed = [r for r in records_of(study) if r.state is not TrialState.COMPLETE]
        assert self.shown(study, failed) == ""
        assert not (study.path / "codec").exists()

    def test_what_goes_wrong_is_a_note(self, study: StudyFolder) -> None:
        (study.path / "codec").touch()
        shown = self.shown(study, records_of(study))
        assert shown.startswith("note   no example: a codec is written into a new folder")

    def test_draco_is_not_needed(self, study: StudyFolder, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(sys.modules, "DracoPy", None)
        shown = self.shown(study, records_of(study))
        assert "the Draco baseline needs the package DracoPy, which is not installed" in shown
        assert "One test object" in shown


def test_a_baseline_is_drawn_beside_the_front(
    study: StudyFolder, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_cloud(tmp_path / "object.ply", data_of(study).clouds("test")[0].points)
    draco = str(tmp_path / "draco.json")
    assert main(["baseline", "draco", str(tmp_path / "object.ply"), "--out", draco]) == 0
    words = ["front", "small", "--root", str(study.path.parent)]
    assert main(words) == 0
    assert unpack((study.path / "front.html").read_text())["curves"] == []
    assert main([*words, "--baseline", draco]) == 0
    [curve] = unpack((study.path / "front.html").read_text())["curves"]
    assert curve["name"].startswith("Draco")
    assert "Pareto front" in capsys.readouterr().out
