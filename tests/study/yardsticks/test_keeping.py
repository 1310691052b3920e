"""What stands beside every front: measured once on the study's own clouds, kept, and told."""

from __future__ import annotations

import json
import math
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

import pytest

from study.base.errors import StudyError
from study.clouds import Cloud
from study.codecs.results import read_evaluation
from study.commands.main import main
from study.config import DataRecipe
from study.config.judging import judge
from study.data import open_data_set, prepare
from study.families.dpcc.hierarchies import Hierarchies
from study.fronts.front import Direction, Objective
from study.fronts.judged import JudgedStudy
from study.metrics import d1_psnr_db, longest_side
from study.metrics.measurement import CloudResult
from study.report.page.assembling import unpack
from study.storage.progress import read_progress
from study.training.cloud_results import read_results, write_results
from study.training.codec_files import results_file
from study.yardsticks import keeping
from study.yardsticks.keeping import Site, rivals_of
from study.yardsticks.octree import octree
from study.yardsticks.recorded import RecordedGpcc
from tests.study.counting import counted
from tests.study.measured import RATES, measured_study

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from study.codecs.evaluation import Evaluation
    from study.storage.folder import StudyFolder


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Callable[[int | None], Path]:
    """Prepares three embedded objects, with so many points of each; one is validated on."""
    root = tmp_path_factory.mktemp("data")

    def make(points: int | None) -> Path:
        recipe = DataRecipe(max_objects=3, points_per_object=points, cube_size=100.0)
        return prepare(recipe, form=Hierarchies((1 / 3,), 8), root=root)

    return make


@pytest.fixture
def study(
    data: Callable[[int | None], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> StudyFolder:
    """A study of objects with a few of their points: nothing of G-PCC is recorded."""
    monkeypatch.setattr(keeping, "data_shown", lambda *_: data(300))
    return measured_study(tmp_path, "small")


def site(folder: StudyFolder) -> Site:
    config = folder.config()
    progress = read_progress(folder, config)
    return Site(folder, config, judge(config, progress.records), progress.store)


def front(folder: StudyFolder, capsys: pytest.CaptureFixture[str], *words: str) -> str:
    root = str(folder.path.parent)
    assert main(["front", folder.path.name, "--root", root, *words]) == 0
    return capsys.readouterr().out


def test_the_octree_is_measured_on_the_studys_own_clouds(
    study: StudyFolder, data: Callable[[int | None], Path]
) -> None:
    found = rivals_of(site(study))
    assert found.missing == ""
    (rival,) = found.found
    assert (rival.key, rival.counts) == ("octree", "measured bytes")
    (cloud,) = open_data_set(data(300)).clouds("validation")
    coder = dict(octree().coders)["16 voxels"]
    file = coder.compress(cloud.points, None)
    place = rival.settings.index("16 voxels")
    assert rival.values["bpp"][place] == 8 * len(file) / len(cloud.points)
    decoded = coder.decompress(file).points
    psnr_db = d1_psnr_db(cloud.points, decoded, longest_side(cloud.points))
    assert rival.values["d1_psnr_db"][place] == pytest.approx(psnr_db)
    assert len(rival.settings) == 15


def test_it_is_measured_once_and_anew_where_it_is_damaged(
    study: StudyFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    coded = counted(monkeypatch, keeping, "write_evaluation")
    first = rivals_of(site(study))
    assert coded.total == 1
    (kept,) = rivals_of(site(study)).found
    assert kept.values == first.found[0].values
    assert coded.total == 1
    file = study.path / "yardsticks" / "octree.json"
    assert read_evaluation(file).name == "octree"  # like any result file
    file.write_text(file.read_text()[:-9])
    (anew,) = rivals_of(site(study)).found
    assert anew.values == first.found[0].values
    assert coded.total == 2


def test_of_whole_embedded_objects_gpcc_stands_there_as_recorded(
    study: StudyFolder, data: Callable[[int | None], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keeping, "data_shown", lambda *_: data(None))
    octree_, gpcc = rivals_of(site(study)).found
    assert (octree_.key, gpcc.key, gpcc.counts) == ("octree", "gpcc", "recorded bytes")
    stored = open_data_set(data(None)).clouds("validation")
    clouds = {c.name: Cloud(c.points, c.normals, ()) for c in stored}
    truth = RecordedGpcc().measure(clouds).curve()
    assert gpcc.values["bpp"] == truth.bpp
    assert gpcc.values["d1_psnr_db"] == truth.psnr_db


def test_study_front_tells_draws_and_keeps_it(
    study: StudyFolder, capsys: pytest.CaptureFixture[str]
) -> None:
    told = front(study, capsys)
    assert "octree dominates " in told
    page = study.path / "front.html"
    content = unpack(page.read_text(encoding="utf-8"))
    (rival,) = content["rivals"]
    assert rival["legend"] == "octree (yardstick, measured bytes)"
    assert len(rival["values"]["bpp"]) == len(rival["settings"]) == 15
    assert content["standings"][0].startswith("octree dominates")
    assert "octree (yardstick, measured bytes)" in (study.path / "front.svg").read_text()
    assert "octree bpp: what that codec needs for the same PSNR" in told
    drawn = page.stat().st_mtime_ns
    assert front(study, capsys) == told
    assert page.stat().st_mtime_ns == drawn
    (study.path / "yardsticks" / "octree.json").unlink()
    front(study, capsys)
    assert page.stat().st_mtime_ns > drawn


def test_a_studys_own_values_by_cloud_are_read_for_the_interval(
    study: StudyFolder, capsys: pytest.CaptureFixture[str]
) -> None:
    """One cloud is validated on here, which is too few: the sentence changes all the same."""
    without = rivals_of(site(study)).measured
    assert list(without.values()) == [()] * len(without)
    (rival,) = rivals_of(site(study)).found
    for number in without:
        write_results(study.codecs, number, rival.results[0])
    kept = rivals_of(site(study)).measured
    assert list(kept.values()) == [rival.results[0]] * len(kept)
    results_file(study.codecs, 0).write_text('[{"cloud": 3}]')
    assert rivals_of(site(study)).measured[0] == ()
    front(study, capsys)


def _gone(_folder: object) -> None:
    message = "data/x cannot be read; delete it"
    raise StudyError(message)


@pytest.mark.parametrize("gone", ["data", "points"])
def test_where_there_is_none_a_sentence_says_why(
    study: StudyFolder,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    gone: str,
) -> None:
    with monkeypatch.context() as fault:
        if gone == "data":
            fault.setattr(keeping, "open_data_set", _gone)
            why = "data/x cannot be read; delete it"
        else:
            fault.setattr(keeping, "MOST_CODED", 100)
            why = "have 300 points, and 100 are coded within"
        told = front(study, capsys)
    assert "a yardstick beside the front is missing: " in told
    assert why in told
    assert "octree dominates" not in told
    assert "octree dominates" in front(study, capsys)  # What kept it away has passed.


def test_a_fault_in_the_comparison_costs_no_report(
    study: StudyFolder, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise IndexError("tuple index out of range")

    monkeypatch.setattr("study.report.against.standings", broken)
    told = front(study, capsys)
    assert "beside the front is missing: please report it: IndexError: tuple index" in told
    assert (study.path / "front.html").exists()


def test_a_yardstick_that_loses_nothing_is_missing(
    study: StudyFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    measured = keeping._evaluation

    def exact(*arguments: Any) -> Evaluation:  # noqa: ANN401
        found = measured(*arguments)
        lossless = [
            replace(point, results=tuple(_exactly(each) for each in point.results))
            for point in found.points
        ]
        return replace(found, points=tuple(lossless))

    monkeypatch.setattr(keeping, "_evaluation", exact)
    found = rivals_of(site(study))
    assert not found.found
    assert "octree loses nothing of these clouds" in found.missing


def _exactly(result: CloudResult) -> CloudResult:
    return replace(result, values={**result.values, "d1_psnr_db": math.inf})


DAMAGED = {
    "a word for a number": {"values": {"bpp": 1.0, "d1_psnr_db": "x"}},
    "a word for a count": {"counts": {"bpp": "x"}},
    "no points": {"points": 0},
    "half a point": {"points": 1.5},
    "no name": {"cloud": 3},
    "a list": {"values": [1.0]},
}


@pytest.mark.parametrize("damage", DAMAGED.values(), ids=DAMAGED)
def test_damaged_values_by_cloud_are_none(damage: dict[str, object], tmp_path: Path) -> None:
    sound = CloudResult("a", 10, 5, {"bpp": 4.0, "d2_psnr_db": None}, {"bpp": 40.0})
    write_results(tmp_path / "codecs", 0, [sound])
    assert read_results(tmp_path / "codecs", 0) == (sound,)
    told = json.dumps([asdict(sound) | damage])
    results_file(tmp_path / "codecs", 0).write_text(told)
    assert read_results(tmp_path / "codecs", 0) == ()


def test_few_settings_where_there_are_many_points(
    study: StudyFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keeping, "MOST_CODED", 300 * 8)
    (rival,) = rivals_of(site(study)).found
    assert rival.settings == tuple(f"{2**n} voxels" for n in range(1, 9))


def test_the_front_is_written_for_others(
    study: StudyFolder, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """As one codec, with an operating point for each trial."""
    (rival,) = rivals_of(site(study)).found
    file = tmp_path / "front.json"
    file.write_text(front(study, capsys, "--json", "--format", "compressai"))
    held = read_evaluation(file)
    assert held.curve().bpp == tuple(sorted(RATES[:10]))
    assert held.points[0].setting == "trial 0"
    root = str(study.path.parent)
    assert main(["front", "small", "--root", root, "--format", "mpeg"]) == 2
    assert "only means over clouds are known" in " ".join(capsys.readouterr().err.split())
    for number in range(len(RATES)):
        write_results(study.codecs, number, rival.results[number])
    sheet = tmp_path / "front.csv"
    sheet.write_text(front(study, capsys, "--format", "mpeg"))
    assert len(read_evaluation(sheet, {rival.results[0][0].cloud: 300}).points) == 10
    assert "operating points" not in front(study, capsys, "--baseline", str(file))


def test_json_has_it_too(study: StudyFolder, capsys: pytest.CaptureFixture[str]) -> None:
    told = json.loads(front(study, capsys, "--json"))
    (found,) = rivals_of(site(study)).found
    (standing,) = told["yardsticks"]
    assert standing["name"] == "octree"
    assert standing["dominated"] is not None
    points = standing["points"]
    assert [point["setting"] for point in points] == list(found.settings)
    assert [point["values"]["density"] for point in points] == list(found.values["density"])
    assert {near["setting"] for near in standing["near"]} <= set(found.settings)


def test_where_density_is_an_objective_an_octree_with_counts_stands_there_too(
    study: StudyFolder,
) -> None:
    """At the same edges, with more bits and a better density."""
    place = site(study)
    density = Objective("density", Direction.MINIMIZE, reference=2.0)
    known = [replace(r, final={**r.final, "density": 1.0}) for r in place.judged.records if r.final]
    judged = JudgedStudy(known, (*place.judged.objectives, density))
    plain, counted = rivals_of(replace(place, judged=judged)).found
    assert (plain.key, counted.key) == ("octree", "octree-counts")
    assert counted.name == "octree+counts"
    assert counted.settings == plain.settings
    at = plain.settings.index("8 voxels")
    bits, density_of = (
        [each.values[metric][at] or 0.0 for each in (plain, counted)]
        for metric in ("bpp", "density")
    )
    assert 0.0 < bits[0] < bits[1]
    assert density_of[0] > density_of[1] > 0.0
