"""`study front`: names, gaps and what would help, for readers and as JSON."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import moocore
import pytest
from optuna.storages import RDBStorage

from study.base.records import EpochRecord, TrialRecord, TrialState
from study.commands.advice import gap_sentences, suggestions
from study.commands.main import main
from study.config.judging import judge
from study.metrics import PsnrConvention
from study.report.page.assembling import unpack
from study.storage.progress import read_progress
from study.storage.study_file import parse_study
from study.training.codec_files import codec_file
from tests.study.counting import counted
from tests.study.finished import finished_study
from tests.study.measured import STUDY, measured_study

if TYPE_CHECKING:
    from study.config import StudyConfig

SPACE = "search: {trials: 12, space: {loss.bpp_lambda: {low: 1.0e-4, high: 0.3, log: true}}}"


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder: Path = tmp_path_factory.mktemp("studies")
    measured_study(folder, "mine")
    measured_study(folder, "other", [(0.45, 30.0), (0.54, 31.05)])
    in_time = STUDY.replace("d1_psnr_db, direction: maximize", "decode_s, direction: minimize")
    measured_study(folder, "in-time", [(1.0, 30.0)], in_time)
    return folder


def shown(root: Path, capsys: pytest.CaptureFixture[str], *words: str) -> str:
    assert main(["front", "mine", "--root", str(root), *words]) == 0
    return capsys.readouterr().out


def test_the_table_names_the_ends_and_the_knee(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [line.split() for line in shown(root, capsys).splitlines()]
    named = {row[-1]: row for row in rows if row and row[-1] in {"low-rate", "knee", "high-rate"}}
    assert named["low-rate"][1:4] == ["0", "0.500", "30.00"]
    assert named["high-rate"][:3] == ["9", "1.700", "37.06"]
    assert "knee" in named


def test_what_the_front_lacks_is_told_below_it(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = shown(root, capsys)
    assert (
        "gap nothing on the front between trials 4 and 5: 0.900 to 1.300 bpp, 33.39 to 35.51 D1 "
        "PSNR dB, 32% of the way along it"
    ) in text
    assert "next the last 3 of 12 trials added" in text
    assert "no reconstructions are shown: no codec of the front's named points is kept" in text


def test_scripts_get_the_same_as_json(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    page = root / "mine" / "front.html"
    page.unlink(missing_ok=True)
    told = json.loads(shown(root, capsys, "--json"))
    assert not page.exists()
    assert (told["study"], told["trials"]) == ("mine", {"complete": 12})
    assert [member["trial"] for member in told["front"]] == list(range(10))
    assert told["front"][0]["names"] == ["low-rate"]
    assert told["front"][0]["values"]["bpp"] == 0.5
    assert set(told["front"][0]["settings"]) >= {"loss.bpp_lambda"}
    assert told["front"][0]["codec"] is None
    assert (told["gaps"][0]["trials"], told["gaps"][0]["wide"]) == ([4, 5], True)
    assert sum(gap["share"] for gap in told["gaps"]) == pytest.approx(1.0)
    assert (told["growth"]["trials"], told["growth"]["ended"]) == (3, 12)
    assert told["told"][0].startswith("nothing on the front between trials 4 and 5")


def test_each_question_is_answered_once_and_the_database_is_opened_once(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The front of trials, and the front over their epochs."""
    folder = measured_study(tmp_path, "mine", epochs=3)
    folder.codecs.mkdir()  # Without it nobody asks for earlier epochs.
    fronts = counted(monkeypatch, moocore, "is_nondominated")
    databases = counted(monkeypatch, RDBStorage, "__init__")
    for words, questions in (((), 2), (("--json",), 1)):
        fronts.calls.clear()
        databases.calls.clear()
        shown(tmp_path, capsys, *words)
        assert (fronts.total, fronts.repeated) == (questions, 0)
        assert databases.total == 1


def test_a_report_is_drawn_anew_where_something_changed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    page = measured_study(tmp_path, "mine", epochs=1).path / "front.html"
    measured_study(tmp_path, "other", [(0.45, 30.0)])

    def written() -> int:
        """When the page is as old as the last report."""
        assert "Pareto front: " in shown(tmp_path, capsys)
        return page.stat().st_mtime_ns

    first = written()
    whole = page.read_bytes()
    assert written() == first
    (page.parent / "front.csv").unlink()
    second = written()
    assert second > first
    assert (page.parent / "front.csv").exists()
    page.write_text("mine")
    third = written()
    assert page.read_bytes() == whole
    shown(tmp_path, capsys, "--with", "other")
    assert page.read_bytes() != whole
    fourth = written()
    assert page.read_bytes() == whole
    assert fourth > third
    codec = codec_file(page.parent / "codecs", 9, 1)
    codec.parent.mkdir(parents=True)
    codec.touch()  # The page tells of it, and of what it is worth.
    assert written() > fourth


def test_a_pipe_whose_reader_has_read_enough_is_no_error(root: Path) -> None:
    for words in (["--json"], []):
        command = [sys.executable, "-m", "study", "front", "mine", "--root", str(root)]
        front = subprocess.Popen([*command, *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        assert front.stdout is not None
        front.stdout.close()
        _, told = front.communicate(timeout=100)
        assert (front.returncode, told) == (141, b"")


def test_another_study_is_drawn_beside_it(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shown(root, capsys, "--with", "other")
    (other,) = unpack((root / "mine" / "front.html").read_text(encoding="utf-8"))["others"]
    assert other["name"] == "other"
    assert other["values"]["bpp"][0] == pytest.approx(0.45)
    shown(root, capsys)
    assert not unpack((root / "mine" / "front.html").read_text(encoding="utf-8"))["others"]


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("in-time", "same objectives, but 'mine' has minimize bpp, maximize d1_psnr_db, and 'in-t"),
        ("others", "there is no study 'others'"),
        ("mine", "another study is drawn beside 'mine', not itself"),
    ],
)
def test_what_cannot_stand_beside_it_is_refused(
    name: str, sentence: str, root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["front", "mine", "--root", str(root), "--with", name]) == 2
    assert sentence in capsys.readouterr().err


def a_study() -> StudyConfig:
    return parse_study(STUDY.replace("search: {trials: 12}", SPACE) + "name: mine", origin="x")


def trials(*values: tuple[float, float, float]) -> list[TrialRecord]:
    """Complete trials, ended one after the other, of these settings, rates and qualities."""
    return [
        TrialRecord(
            number,
            TrialState.COMPLETE,
            {"loss.bpp_lambda": setting},
            (EpochRecord(1, {}),),
            final={"bpp": bpp, "d1_psnr_db": psnr_db},
            ended_s=float(number + 1),
        )
        for number, (setting, bpp, psnr_db) in enumerate(values)
    ]


def advice(records: list[TrialRecord]) -> list[str]:
    return suggestions(a_study(), judge(a_study(), records), "study resume mine", "studies/mine")


HOLE = [(1.0, 30.0), (0.9, 29.0), (0.8, 28.0), (0.7, 27.0), (2.0, 38.0), (2.1, 38.5), (2.2, 39.0)]
FRONT = trials(*((0.05 / bpp**2, bpp, psnr) for bpp, psnr in HOLE))


def test_a_setting_that_moves_along_the_front_is_told_with_its_values_at_the_gap() -> None:
    (told,) = advice(FRONT)  # Seven trials tell nothing of growth.
    assert told.startswith("loss.bpp_lambda moves trials along the front; on the two sides of the")
    assert "widest gap it is 0.0125 and 0.05: a study with" in told
    assert "`loss.bpp_lambda: {low: 0.0125, high: 0.05, log: true}` in its space" in told
    assert "`warm_start: [studies/mine]` looks between" in told


def test_values_that_are_written_alike_make_no_range() -> None:
    near = [replace(r, params={"loss.bpp_lambda": 0.05 - 1e-6 * r.final["bpp"]}) for r in FRONT]
    assert advice(near) == []


def test_an_end_of_the_front_at_an_end_of_a_range_is_told() -> None:
    """Of 1e-4 to 0.3, 0.05 of the logarithm are a factor of 1.49."""
    settings = (0.29, 0.2, 0.1, 0.05, 0.01, 1e-3)
    *_, low_rate = advice(trials(*((value, 1 - value, 30 - value) for value in settings)))
    assert low_rate == (
        "the front's low-rate end, trial 0, has loss.bpp_lambda 0.29, nearly the highest that is "
        "searched: a wider range may lead further"
    )
    settings = (0.19, 0.15, 0.1, 0.05, 0.01, 1.4e-4)
    *_, high_rate = advice(trials(*((value, 1 - value, 30 - value) for value in settings)))
    assert "the front's high-rate end, trial 5, has loss.bpp_lambda 1.4e-4, nearly" in high_rate


def test_the_exact_end_is_not_nearly_the_end_and_the_published_setting_is_none() -> None:
    settings = (0.3, 0.2, 0.1, 0.05, 0.01, 1.0e-4)
    records = trials(*((value, 1 - value, 30 - value) for value in settings))
    told = advice(records)
    assert any("loss.bpp_lambda 0.3, the highest that is searched" in each for each in told)
    assert any("loss.bpp_lambda 1e-4, the lowest that is searched" in each for each in told)
    published = [*records[:-1], replace(records[-1], is_baseline=True)]
    assert not any("the lowest" in each for each in advice(published))


def test_little_is_said_of_little() -> None:
    """Two points, or a correlation that chance has too, are no reason to do anything."""
    two = trials(*((0.3 - 0.05 * n, 0.5, 30.0) for n in range(5)), (0.01, 1.0, 35.0))
    assert gap_sentences(a_study(), judge(a_study(), two)) == []
    assert advice(two) == []
    loose = [0.1, 0.3, 0.2, 0.05, 0.25, 0.02, 0.15]  # Of ranks with the rate about -0.6.
    along = trials(*((s, 0.5 + 0.1 * n, 30.0 + n) for n, s in enumerate(loose)))
    moving = judge(a_study(), along).moving_setting
    assert moving is not None
    assert abs(moving.correlation) < 0.8
    assert advice(along) == []


def test_growth_is_told_with_the_command_that_goes_on() -> None:
    still = trials(*((0.1, 1.0, 30.0) for _ in range(8)))
    (told,) = advice(still)
    assert told == (
        "the last 2 of 8 trials added nothing to the hypervolume, but so few tell little of the "
        "next ones; `study resume mine --trials 16` goes on"
    )
    many = trials(*((0.1, 1.0, 30.0) for _ in range(40)))
    (told,) = advice(many)
    assert told == (
        "the last 10 of 40 trials added nothing to the hypervolume: more of the same will probably "
        "add little"
    )
    # Of 2 bpp times 10 dB before, the last adds 2 bpp times 10 dB.
    grown = trials(*((0.1, 1.0, 30.0) for _ in range(7)), (0.1, 1.0, 40.0))
    (told,) = advice(grown)
    assert told.startswith("the last 2 of 8 trials added 50 % of the hypervolume: the front still")
    assert told.endswith(" grows, and `study resume mine --trials 16` goes on with it")
    hardly = trials(*((0.1, 1.0, 30.0) for _ in range(39)), (0.1, 1.0, 30.01))
    (told,) = advice(hardly)
    assert told == (
        "the last 10 of 40 trials added 0.1 % of the hypervolume: more of the same will probably "
        "add little"
    )


def test_a_volume_that_was_nothing_grew_by_all_of_it() -> None:
    (told,) = advice(trials(*((0.1, 9.0, 10.0) for _ in range(7)), (0.1, 1.0, 40.0)))
    assert told.startswith("the last 2 of 8 trials added 100 % of the hypervolume: the front still")


def test_a_gap_names_once_what_is_alike_on_its_two_sides() -> None:
    config = a_study()
    quality = config.objectives[1]
    time = quality.model_copy(update={"metric": "decode_s", "direction": "minimize"})
    three = config.model_copy(update={"objectives": (*config.objectives, time)})
    timed = [replace(r, final={**r.final, "decode_s": 0.1}) for r in FRONT]
    assert (
        ", 30.00 to 38.00 D1 PSNR dB, 0.1 decode s, "
        in gap_sentences(three, judge(three, timed))[0]
    )


def test_a_front_that_is_well_covered_has_no_gap() -> None:
    even = trials(*((0.1, 0.5 + 0.1 * step, 30.0 + step) for step in range(8)))
    assert gap_sentences(a_study(), judge(a_study(), even)) == []
    assert gap_sentences(a_study(), judge(a_study(), [])) == advice([]) == []


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


def test_a_study_of_other_data_is_a_caution(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    measured_study(tmp_path, "mine")
    measured_study(tmp_path, "other", study=f"{STUDY}\ndata: {{points_per_object: 999}}\n")
    told = shown(tmp_path, capsys, "--with", "other")
    assert "caution the data of mine and other differ (data.points_per_object" in told
