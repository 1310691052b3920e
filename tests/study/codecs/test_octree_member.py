"""A study whose codecs have the octree as a member: from its file to files of its codecs."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from model.bag.codec import BagCodec
from model.codec_folder import load_codec
from model.file_head import head_of
from model.folder_files import CODEC
from study.base.errors import StudyError
from study.checkpoints.export import export, take
from study.checkpoints.operating_point import Wish
from study.clouds import read_cloud, write_cloud
from study.commands.main import main
from study.config.judging import judge
from study.data import open_data_set
from study.fronts.rivals import dominated_by
from study.report.page.assembling import unpack
from study.storage.progress import read_progress
from study.storage.study_file import parse_study
from study.training.evaluation import measure
from study.training.octree_member import SLOPE, slope_beside
from study.yardsticks.keeping import Site, rivals_of
from tests.study.finished import STUDY, finished_study

if TYPE_CHECKING:
    from study.base.records import TrialRecord
    from study.data import DataSet
    from study.storage.folder import StudyFolder

MEMBERS = "codec: {members: [learned, octree]}\n"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> StudyFolder:
    return finished_study(tmp_path_factory.mktemp("members"), extra=MEMBERS)


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> StudyFolder:
    return finished_study(tmp_path_factory.mktemp("alone"))


def records_of(study: StudyFolder) -> list[TrialRecord]:
    return list(read_progress(study, study.config()).records)


def data_of(study: StudyFolder) -> DataSet:
    (manifest,) = Path(study.config().data_root).glob("*/manifest.json")
    return open_data_set(manifest.parent)


def test_members_change_what_is_measured_and_nothing_before(
    made: StudyFolder, alone: StudyFolder
) -> None:
    for ours, theirs in zip(records_of(made)[:2], records_of(alone)[:2], strict=True):
        for mine, other in zip(ours.epochs, theirs.epochs, strict=True):
            for name in ("bpp_estimated", "d1_psnr_db", "loss"):
                assert mine.metrics[name] == other.metrics[name]
        # Of this untrained codec: no more bits, and about its quality or more.
        assert ours.final["bpp"] < theirs.final["bpp"]
        assert ours.final["bpp_estimated"] == theirs.final["bpp_estimated"]
        assert 0.0 < ours.final["octree_share"] <= 1.0
        assert ours.final[SLOPE] > 0.0
        assert not {"octree_share", SLOPE} & theirs.final.keys()


def test_the_slope_is_that_of_the_learned_codecs_quality(
    made: StudyFolder, alone: StudyFolder
) -> None:
    for ours, theirs in zip(records_of(made)[:2], records_of(alone)[:2], strict=True):
        expected = slope_beside(data_of(made), theirs.epochs[-1].metrics["d1_psnr_db"])
        assert ours.final[SLOPE] == expected
    better = slope_beside(data_of(made), 60.0)
    assert better > expected


def test_what_is_exported_is_what_was_measured(made: StudyFolder, tmp_path: Path) -> None:
    export(made, Wish(trial=0), tmp_path / "codec")
    codec = load_codec(tmp_path / "codec").codec
    assert isinstance(codec, BagCodec)
    recorded = records_of(made)[0].final
    assert codec.slope == recorded[SLOPE]
    measured = measure(codec, data_of(made), "validation")
    for name in ("bpp", "d1_psnr_db", "octree_share"):
        assert measured[name] == recorded[name], name


def test_an_earlier_epoch_gets_a_slope_of_its_own(made: StudyFolder, tmp_path: Path) -> None:
    config, progress = made.config(), read_progress(made, made.config())
    record, store = progress.records[0], progress.store
    assert store is not None
    first = take(made, config, store, record, epoch=1).codec
    assert isinstance(first, BagCodec)
    quality = record.epochs[0].metrics["d1_psnr_db"]
    assert first.slope == slope_beside(data_of(made), quality)
    # Without the clouds there is none; of the last epoch it is known.
    data = data_of(made).folder
    data.rename(tmp_path / "away")
    try:
        with pytest.raises(StudyError, match=r"the validation clouds, and .* is gone; prepare"):
            take(made, config, store, record, epoch=1)
        assert isinstance(take(made, config, store, record).codec, BagCodec)
    finally:
        (tmp_path / "away").rename(data)


def test_members_may_be_chosen_when_a_codec_is_exported(
    made: StudyFolder, alone: StudyFolder, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for study, members, is_other in (
        (alone, "learned,octree", True),
        (alone, "learned", False),
        (made, "learned", True),
        (made, "learned,octree", False),
    ):
        place = tmp_path / f"{study.path.parent.parent.name}-{members}"
        words = ["export", "small", "--root", str(study.path.parent), "--trial", "0"]
        assert main([*words, "--members", members, str(place)]) == 0
        told = capsys.readouterr().out
        assert ("(estimated; `study evaluate` measures it)" in told) == is_other
        saved = load_codec(place)
        assert isinstance(saved.codec, BagCodec) == (members == "learned,octree")
        assert ("and this codec has" in saved.about["metrics_are"]) == is_other
        if is_other and isinstance(saved.codec, BagCodec):
            quality = records_of(alone)[0].final["d1_psnr_db"]
            assert saved.codec.slope == slope_beside(data_of(alone), quality)


def test_commands_use_it_and_say_who_coded_what(
    made: StudyFolder, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = str(made.path.parent)
    codec, cloud = str(tmp_path / "codec"), tmp_path / "object.ply"
    assert main(["export", "small", "--root", root, "--trial", "0", codec]) == 0
    points = np.asarray(data_of(made).clouds("test")[0].points)
    write_cloud(cloud, points)
    assert main(["compress", codec, str(cloud)]) == 0
    assert "by the octree" in " ".join(capsys.readouterr().out.split())
    packed = tmp_path / "object.dpcs"
    assert main(["decompress", codec, str(packed)]) == 0
    loaded = load_codec(tmp_path / "codec").codec
    decoded = loaded.decompress(packed.read_bytes()).points
    written = read_cloud(tmp_path / "object.decoded.ply").points
    np.testing.assert_allclose(written, decoded, rtol=1e-6, atol=1e-3)
    out = tmp_path / "evaluation.json"
    assert main(["evaluate", codec, str(cloud), "--out", str(out)]) == 0
    shown = capsys.readouterr().out
    assert "members learned and octree" in shown
    assert "share" in shown.split()  # its heading takes two lines
    held = json.loads(out.read_text())
    (share,) = held["results"]["octree_share"]
    assert share == getattr(loaded.decompress(packed.read_bytes()), "octree_share")  # noqa: B009
    assert main(["compress", codec, str(cloud), str(tmp_path / "b"), "--depth", "5"]) == 2
    assert "options of codecs that code octrees, and" in capsys.readouterr().err
    folder = str(tmp_path / "bits")
    assert main(["export", "small", "--root", root, "--bitstreams", folder]) == 0
    assert main(["verify", folder]) == 0
    assert head_of(packed.read_bytes()).points == len(points)


def test_tables_and_the_page_have_its_share(
    made: StudyFolder, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(made.path, tmp_path / "small")
    assert main(["front", "small", "--root", str(tmp_path), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert "octree_share" in json.dumps(told)
    assert main(["front", "small", "--root", str(tmp_path)]) == 0
    assert "share" in capsys.readouterr().out.split()  # its heading takes two lines
    header, *rows = (tmp_path / "small" / "front.csv").read_text().splitlines()
    place = header.replace('"', "").split(",").index("octree_share")
    shares = [row.split(",")[place] for row in rows]
    assert float(shares[0]) == pytest.approx(records_of(made)[0].final["octree_share"])
    page = unpack((tmp_path / "small" / "front.html").read_text())
    assert "share of patches that the octree codes" in json.dumps(page)


def test_the_octree_beside_a_front_dominates_none_of_it(
    made: StudyFolder, alone: StudyFolder
) -> None:
    found = []
    for study in (made, alone):
        config = study.config()
        progress = read_progress(study, config)
        judged = judge(config, progress.records)
        (rival,) = rivals_of(Site(study, config, judged, progress.store)).found
        dominated = dominated_by(judged, rival)
        assert dominated is not None
        found.append((len(judged.front), len(dominated)))
    (_, of_both), (front, of_learned) = found
    assert of_both == 0
    assert of_learned == front > 0


def test_the_folder_says_its_members(made: StudyFolder, tmp_path: Path) -> None:
    export(made, Wish(trial=1), tmp_path / "codec")
    described = json.loads((tmp_path / "codec" / CODEC).read_text())
    assert described["kind"] == "bag"
    assert described["slope"] == described["about"]["metrics"][SLOPE]


@pytest.mark.parametrize(
    ("extra", "sentence"),
    [
        ("codec: {members: [octree]}\n", r"must be \[learned\] or \[learned, octree\], not"),
        ("codec: {members: [octree, learned]}\n", r"must be \[learned\] or \[learned, octree\]"),
        ("codec: {members: []}\n", r"must be \[learned\] or \[learned, octree\]"),
        ("codec: {members: [learned, draco]}\n", r"codec.members"),
        ("codec: {member: [learned]}\n", r"did you mean 'members'"),
    ],
)
def test_members_that_cannot_be_are_told(extra: str, sentence: str) -> None:
    with pytest.raises(StudyError, match=sentence):
        parse_study(STUDY + extra, origin="small")


def test_the_octree_codes_no_normals() -> None:
    normals = STUDY.replace("min_points: 50}", "min_points: 50, normals: true}")
    always = normals.replace("hidden_dim: 16}", "hidden_dim: 16, compress_normal: true}")
    searched = normals + "  # one of its choices\n"
    searched = searched.replace(
        "first: [{loss.bpp_lambda: 0.3}]",
        "space: {model.compress_normal: {choices: [false, true]}}",
    )
    for study in (always, searched):
        parse_study(study, origin="small")
        with pytest.raises(StudyError, match=r"octree, which codes no normals, .*\[learned\], or"):
            parse_study(study + MEMBERS, origin="small")


def test_members_are_never_searched_and_their_metric_needs_them() -> None:
    searched = STUDY.replace(
        "first: [{loss.bpp_lambda: 0.3}]", "space: {codec.members: {choices: [[learned]]}}"
    )
    with pytest.raises(StudyError, match=r"codec"):
        parse_study(searched + MEMBERS, origin="small")
    asked = STUDY + "constraints: [octree_share <= 0.9]\n"
    with pytest.raises(StudyError, match=r"octree_share is of codecs with the octree as a member"):
        parse_study(asked, origin="small")
    assert parse_study(asked + MEMBERS, origin="small").codec.has_octree


def test_it_is_explained(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain", "codec"]) == 0
    shown = " ".join(capsys.readouterr().out.split())
    assert "members [learned] " in shown
    assert "cheaper at equal quality" in shown
