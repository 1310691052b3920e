"""What is shown of an object is what its codec really makes of it, and is coded once."""

from __future__ import annotations

import base64
import shutil
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
from matplotlib.image import imread

from model.cloud_codec import CloudCodec
from model.codec_folder import load_codec
from study.base.records import TrialRecord, TrialState
from study.checkpoints.export import export
from study.checkpoints.operating_point import Wish
from study.codecs import gallery
from study.codecs.gallery import FOLDER, chosen_points, make_gallery
from study.commands.main import main
from study.config.judging import judge
from study.data import open_data_set
from study.fronts.judged import JudgedStudy
from study.metrics import PsnrConvention, d1_psnr_db
from study.report.exhibits import Exhibit, Gallery, Reconstruction
from study.report.page.assembling import unpack
from study.report.reconstructions import (
    COLOURS,
    MOST_SHOWN,
    error_scale_percent,
    tab_data,
    write_still,
)
from study.storage.folder import StudyFolder, data_of
from study.storage.progress import read_progress, read_records
from study.storage.trial_store import TrialStore
from study.training.codec_files import codec_file
from tests.study.finished import EPOCHS, finished_study
from tests.study.on_disk import OBJECTIVES

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> StudyFolder:
    return finished_study(tmp_path_factory.mktemp("finished"))


@pytest.fixture
def study(made: StudyFolder, tmp_path: Path) -> StudyFolder:
    shutil.copytree(made.path, tmp_path / "studies" / "small")
    return StudyFolder(tmp_path / "studies" / "small")


@pytest.fixture(scope="module")
def exhibit(made: StudyFolder) -> Exhibit:
    return shown(made)


def gallery_of(study: StudyFolder, records: Sequence[TrialRecord] | None = None) -> Gallery | str:
    config = study.config()
    standing = read_progress(study, config)
    judged = judge(config, standing.records if records is None else records)
    return make_gallery(study, config, judged, standing.store)


def shown(study: StudyFolder) -> Exhibit:
    """The only test object, where there is one."""
    found = gallery_of(study)
    assert isinstance(found, Gallery), found
    (exhibit,) = found.exhibits
    return exhibit


def test_objects_go_through_the_codecs_real_files(
    made: StudyFolder, exhibit: Exhibit, tmp_path: Path
) -> None:
    config = made.config()
    folder = TrialStore(config, made.database).worker_config(0)["data_folder"]
    (cloud,) = open_data_set(data_of(made, config, str(folder))).clouds("test")
    assert exhibit.name == cloud.name
    np.testing.assert_array_equal(exhibit.points, cloud.points)
    assert exhibit.reconstructions
    for one in exhibit.reconstructions:
        export(made, Wish(trial=one.trial), tmp_path / f"codec-{one.trial}")
        codec = load_codec(tmp_path / f"codec-{one.trial}").codec
        file = codec.compress(exhibit.points)
        decoded = codec.decompress(file).points
        np.testing.assert_array_equal(one.points, decoded.astype(np.float32))
        assert (one.file_bytes, one.bpp) == (len(file), 8 * len(file) / len(cloud.points))
        peak = PsnrConvention().peak_of(cloud.points)
        assert one.d1_psnr_db == d1_psnr_db(cloud.points, decoded, peak)
        away = np.linalg.norm(decoded[:, None] - cloud.points[None], axis=2).min(axis=1)
        side = np.ptp(cloud.points, axis=0).max()
        np.testing.assert_allclose(one.error_percent, 100 * away / side, rtol=1e-5, atol=1e-5)


def test_what_was_coded_is_kept(study: StudyFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    first = shown(study)
    files = sorted((study.path / FOLDER).iterdir())
    assert len(files) == len(first.reconstructions)
    files[0].write_bytes(files[0].read_bytes()[:100])  # Damaged: coded anew.
    again = shown(study)
    monkeypatch.setattr(CloudCodec, "compress", lambda *_: pytest.fail("coded once more"))
    for exhibit in (again, shown(study)):
        for one, other in zip(first.reconstructions, exhibit.reconstructions, strict=True):
            np.testing.assert_array_equal(one.points, other.points)
            np.testing.assert_array_equal(one.error_percent, other.error_percent)
            assert (one.names, one.bpp, one.d1_psnr_db) == (
                other.names,
                other.bpp,
                other.d1_psnr_db,
            )


def test_another_codec_in_its_place_is_coded_anew(study: StudyFolder) -> None:
    before = shown(study).reconstructions[-1]
    early = codec_file(study.codecs, before.trial, EPOCHS)
    early.write_bytes(early.read_bytes() + b" ")
    assert "damaged" in str(gallery_of(study))


def test_without_codecs_data_or_a_front_there_is_a_sentence(
    study: StudyFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert gallery_of(study, []) == "no reconstructions are shown: the front is empty"
    monkeypatch.setattr(gallery, "MOST_CODED", 299)
    assert " has 300 points, and 299 can be coded within seconds" in str(gallery_of(study))
    monkeypatch.setattr(gallery, "MOST_CODED", 300)
    (only,) = shown(study).reconstructions
    assert "knee" in only.names
    config = study.config()
    gone = config.model_copy(update={"data_root": "gone"})
    standing = read_progress(study, config)
    assert standing.store is not None
    told = standing.store.worker_config(0)
    monkeypatch.setattr(TrialStore, "worker_config", lambda *_: {**told, "data_folder": "gone"})
    assert "no reconstructions are shown: " in str(
        make_gallery(study, gone, judge(gone, standing.records), standing.store)
    )
    monkeypatch.setattr(TrialStore, "worker_config", lambda *_: {})
    assert "does not say which data it was trained on" in str(gallery_of(study))
    shutil.rmtree(study.codecs)
    assert "no codec of the front's named points is kept" in str(gallery_of(study))


def trial(number: int, bpp: float, psnr_db: float) -> TrialRecord:
    final = {"bpp": bpp, "d1_psnr_db": psnr_db}
    return TrialRecord(number, TrialState.COMPLETE, {}, final=final)


def test_the_ends_the_knee_and_the_widest_gap_are_shown() -> None:
    values = [(1.0, 30.0), (1.1, 35.0), (1.2, 35.5), (1.8, 37.0), (2.0, 37.5), (1.9, 31.0)]
    records = [trial(number, *of) for number, of in enumerate(values)]
    chosen = chosen_points(JudgedStudy(records, OBJECTIVES))
    assert {number: names for number, (names, _) in chosen.items()} == {
        0: ("low-rate",),
        1: ("knee",),
        3: ("between",),
        4: ("high-rate",),
    }
    assert {
        n: names for n, (names, _) in chosen_points(JudgedStudy(records[:1], OBJECTIVES)).items()
    } == {0: ("low-rate", "high-rate", "knee")}
    assert chosen_points(JudgedStudy([], OBJECTIVES)) == {}


def test_a_page_gets_every_point_where_it_is(exhibit: Exhibit) -> None:
    one = exhibit.reconstructions[0]
    data = tab_data(Gallery("s", "test", (exhibit,)))
    original, view, *_ = data["objects"][0]["views"]
    middle = (exhibit.points.min(axis=0) + exhibit.points.max(axis=0)) / 2
    half = np.ptp(exhibit.points, axis=0).max() / 2
    for held, points in ((original, exhibit.points), (view, one.points)):
        steps = np.frombuffer(base64.b64decode(held["xyz"]), "<u2").reshape(-1, 3)
        places = (steps / 32767.5 - 1) * data["beyond"] * half + middle
        near = np.abs(points - middle).max(axis=1) < data["beyond"] * half
        np.testing.assert_allclose(places[near], points[near], atol=half * data["beyond"] / 32767)
    levels = np.frombuffer(base64.b64decode(view["error"]), np.uint8)
    expected = np.minimum(one.error_percent, data["scale"]) / data["scale"]
    np.testing.assert_allclose(levels / 255, expected, atol=1 / 255)
    assert view["title"] == f"trial {one.trial}, {', '.join(one.names)}"
    assert view["caption"][0] == f"{one.bpp:.3f} bpp, {one.d1_psnr_db:.2f} dB D1"


def test_the_scale_is_round_and_few_points_are_beyond_it(exhibit: Exhibit) -> None:
    errors = np.concatenate([one.error_percent for one in exhibit.reconstructions])
    scale = error_scale_percent(Gallery("s", "test", (exhibit,)))
    assert (errors > scale).mean() <= 0.05
    assert float(f"{scale:.1e}") == pytest.approx(scale)
    exact = replace(exhibit.reconstructions[0], error_percent=np.zeros(3, np.float32))
    assert (
        error_scale_percent(Gallery("s", "t", (replace(exhibit, reconstructions=(exact,)),))) == 1
    )


def test_large_objects_are_thinned_for_the_eye_alone(seed: int) -> None:
    points = np.random.default_rng(seed).random((MOST_SHOWN + 5, 3))
    values = {"bpp": 0.5, "d1_psnr_db": np.inf}
    one = Reconstruction(
        3, ("knee",), points.astype(np.float32), points[:, 0].astype(np.float32), 9, values
    )
    data = tab_data(Gallery("s", "test", (Exhibit("o", points, (one,)),)))
    for view in data["objects"][0]["views"]:
        assert len(base64.b64decode(view["xyz"])) == MOST_SHOWN * 6
    caption = data["objects"][0]["views"][1]["caption"]
    assert caption == ("0.500 bpp, no loss", f"9 bytes, {MOST_SHOWN + 5:,} points")


def test_the_still_picture_has_a_row_of_colours_for_each_object(
    exhibit: Exhibit, tmp_path: Path
) -> None:
    for count in (1, 3):
        write_still(Gallery("a $tudy", "test", (exhibit,) * count), tmp_path / f"{count}.png")
    one, three = (imread(tmp_path / f"{count}.png")[..., :3] for count in (1, 3))
    assert three.shape[1] == one.shape[1]
    assert three.shape[0] > 2 * one.shape[0] - 200
    best = np.array([int(COLOURS[0][at : at + 2], 16) / 255 for at in (1, 3, 5)])
    assert (np.abs(one - best).max(axis=2) < 0.02).any()


def test_the_order_is_the_fronts(made: StudyFolder, exhibit: Exhibit) -> None:
    config = made.config()
    chosen = chosen_points(judge(config, read_records(made, config)))
    assert [one.trial for one in exhibit.reconstructions] == list(chosen)


def test_study_front_shows_them(
    study: StudyFolder, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(study.path.parent.parent)
    assert main(["front", "small"]) == 0
    still = "studies/small/reconstructions.png"
    assert f"{still}  test objects beside what codecs make of them" in capsys.readouterr().out
    assert imread(still).size
    tab = unpack((study.path / "front.html").read_text(encoding="utf-8"), "tab-reconstructions")
    assert [each["name"] for each in tab["objects"]] == [shown(study).name]
    shutil.rmtree(study.codecs)
    assert main(["front", "small"]) == 0
    assert "no reconstructions are shown: no codec" in capsys.readouterr().out
