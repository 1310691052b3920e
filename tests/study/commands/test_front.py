"""`study front`: names, gaps and what would help, for readers and as JSON."""

from __future__ import annotations

import json
import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import moocore
import pytest
from optuna.storages import RDBStorage

from study.commands.main import main
from study.config.judging import judge
from study.driver.reports import draw_report
from study.driver.runner import Outcome
from study.report import unchanged
from study.report.page.assembling import unpack
from study.report.reporting import OutdatedError, report
from study.storage.progress import read_records
from study.training.codec_files import codec_file
from tests.study.counting import counted
from tests.study.measured import STUDY, measured_study

if TYPE_CHECKING:
    from study.report import ReportFiles


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


def test_a_report_of_other_code_is_drawn_anew(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Wherever in the package: ranks, importances and words of a report come from all of it."""
    page = measured_study(tmp_path, "mine").path / "front.html"
    shown(tmp_path, capsys)
    before = page.stat().st_mtime_ns
    assert Path(unchanged.__file__).parents[1] == unchanged._PACKAGE
    package = tmp_path / "package"
    for place in ("report/still.py", "fronts/points.py", "report/page/front.js"):
        (package / place).parent.mkdir(parents=True, exist_ok=True)
        (package / place).write_text("as it was")
    told = {unchanged.code_digest(package)}
    for place in ("fronts/points.py", "report/page/front.js"):
        (package / place).write_text("as it is")
        told.add(unchanged.code_digest(package))
    assert len(told) == 3
    monkeypatch.setattr(unchanged, "_program", lambda: "another")
    shown(tmp_path, capsys)
    assert page.stat().st_mtime_ns > before


def test_objects_that_could_not_be_shown_once_are_tried_again(tmp_path: Path) -> None:
    """A disk that was full leaves no trace in what a report is drawn from."""
    folder = measured_study(tmp_path, "mine")
    study = judge(folder.config(), read_records(folder, folder.config()))
    told = ["no reconstructions are shown: the disk is full"]

    def drawn() -> ReportFiles:
        return report("mine", study, folder, gallery=lambda: told[-1])

    first = drawn()
    written = first.html.stat().st_mtime_ns
    assert drawn() == first
    assert first.html.stat().st_mtime_ns == written
    told.append("no reconstructions are shown: another sentence")
    assert drawn().reconstructions == told[-1]


def test_a_report_that_waited_does_not_replace_the_last_one(tmp_path: Path) -> None:
    """MLflow's thread may wait for its turn while the driver draws the last report."""
    folder = measured_study(tmp_path, "mine")
    config = folder.config()
    records = read_records(folder, config)
    outcome = Outcome()
    live = partial(draw_report, config, folder, outdated=outcome.reported)
    live(records[:1])
    outcome.reported.set()
    last = report("mine", judge(config, records), folder)
    page = last.html.read_bytes()
    with pytest.raises(OutdatedError):
        live(records[:1])
    assert last.html.read_bytes() == page


def test_commands_call_a_study_as_its_folder_is_called(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A database elsewhere knows a renamed study by its first name, which no command finds."""
    elsewhere = f"{STUDY}\nstorage: {{uri: 'sqlite:///{tmp_path}/trials.db'}}\n"
    measured_study(tmp_path, "before", study=elsewhere).path.rename(tmp_path / "the second")
    assert main(["front", "the second", "--root", str(tmp_path)]) == 0
    told = capsys.readouterr().out
    assert f"study ui 'the second' --root {tmp_path}" in told
    assert f"study resume 'the second' --root {tmp_path} --trials" in told
    assert "before" not in told


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


def test_where_no_trial_keeps_the_constraints_scripts_and_other_studies_are_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    measured_study(tmp_path, "mine")
    measured_study(tmp_path, "strict", [(1.0, 30.0)], STUDY + "constraints: [bpp <= 0.5]")
    assert main(["front", "strict", "--root", str(tmp_path), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["front"] == []
    assert told["told"][0].startswith("no trial keeps bpp <= 0.5; the nearest is trial 0, which")
    assert "caution strict has no trial on its front, so" in shown(
        tmp_path, capsys, "--with", "strict"
    )
    (caution,) = unpack((tmp_path / "mine" / "front.html").read_text(encoding="utf-8"))["cautions"]
    assert caution == "strict has no trial on its front, so none of its points is drawn"


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
