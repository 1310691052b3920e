"""`study compare`: a known difference is told as it is, and so is what else differs."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

from study.base.records import Failure, Fault
from study.commands.main import main
from study.storage.folder import create_study_folder, find_study, open_study_folder
from study.storage.study_file import parse_study
from study.storage.trial_store import TrialStore
from tests.study.measured import QUALITY, RATES, STUDY, measured_study

if TYPE_CHECKING:
    from pathlib import Path

VALUES = list(zip(RATES, QUALITY, strict=True))


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A study; one with 10 % less rate; others that are hard to compare with it."""
    folder: Path = tmp_path_factory.mktemp("studies")
    measured_study(folder, "a")
    measured_study(folder, "b", [(0.9 * bpp, psnr_db) for bpp, psnr_db in VALUES])
    unlike = "data: {max_objects: 9, cube_size: 40.0}\ntraining: {epochs: 3}\n" + STUDY
    measured_study(folder, "unlike", VALUES[:3], unlike)
    measured_study(folder, "far", [(bpp, psnr_db + 20.0) for bpp, psnr_db in VALUES[:4]])
    in_time = STUDY.replace("d1_psnr_db, direction: maximize", "decode_s, direction: minimize")
    measured_study(folder, "time-1", VALUES[:1], in_time)
    measured_study(folder, "time-2", VALUES[:1], in_time.replace("reference: 20", "reference: 9"))
    measured_study(folder, "outside", [(9.0, 10.0)])
    one = STUDY.replace("trials: 12", "trials: 1")
    worse = one + "constraints: [bpp <= 0.1]\n"
    measured_study(folder, "worse", VALUES[:1], worse)
    measured_study(folder, "early", VALUES[:1], worse.replace("trials: 1", "trials: 2"))
    measured_study(folder, "new").database.unlink()
    for name in ("failed", "halted"):
        config = parse_study(f"{one}\nname: {name}\nroot: {folder}\n", origin=name)
        with create_study_folder(config) as made:
            store = TrialStore(config, made.database)
            store.enqueue_first("v1")
        number, _ = store.ask()
        if name == "failed":
            store.fail(number, Failure.of(Fault.OUT_OF_MEMORY, "it needs more"), elapsed_s=1.0)
    return folder


def compared(root: Path, capsys: pytest.CaptureFixture[str], first: str, second: str) -> str:
    assert main(["compare", first, second, "--root", str(root)]) == 0
    return capsys.readouterr().out


def test_ten_percent_less_rate_are_told(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = compared(root, capsys, "a", "b")
    assert "BD-rate b needs 10.0 % less rate at equal D1 PSNR (" in text
    assert "over 30.00 to 37.06 dB, 100% of what either covers" in text
    # 4 dB an octave: 4 log2(1 / 0.9) dB.
    assert "BD-PSNR b has 0.6" in text
    assert " dB more D1 PSNR at equal rate (" in text
    assert "10 of the 10 points of a by b, 0 of the 10 points of b by a" in text
    assert "leads b from 0.5 to 1.53 bpp, by 0.6" in text
    assert "95 %, from 500 bootstrap resamples of each study's complete trials, seed" in text
    assert "caution" not in text


def test_the_other_way_round_it_is_eleven_more(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert "BD-rate a needs 11.1 % more rate at equal D1 PSNR" in compared(root, capsys, "b", "a")


def test_both_fronts_stand_in_one_table_by_rate(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = [line.split() for line in compared(root, capsys, "a", "b").splitlines()]
    first = lines.index(["0", "0.450", "30.00"])
    assert lines[first + 1] == ["0", "0.500", "30.00"]
    assert lines[first + 2] == ["1", "0.540", "31.05"]


def test_what_else_differs_is_a_caution(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = compared(root, capsys, "a", "unlike")
    assert "(data.max_objects None and 9): codecs are measured on different points" in text
    assert "(data.cube_size 50.0 and 40.0): the same points are cut in different ways" in text
    assert "epochs in a and 3 in unlike" in text
    assert "a has 12 complete trials and unlike 3: a front of more trials is better" in text
    assert "BD-rate cannot be told: a curve must have 4 points or more" in text


def test_fronts_without_a_quality_in_common_are_told_apart_all_the_same(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = compared(root, capsys, "a", "far")
    assert "BD-rate cannot be told: two curves must overlap to be compared" in text
    assert "leads far from 0.5 to 0.8 bpp, by 20.00 dB" in text


def test_other_objectives_have_their_volume_from_the_first_ones_references(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = compared(root, capsys, "time-1", "time-2")  # (3 - 0.5) bpp times (20 - 0.1) s.
    assert "hypervolume 49.75 of time-1, 49.75 of time-2 (+0 %), both from the references" in text
    assert "BD-rate is of bpp and a PSNR, and these studies have other objectives" in text


def test_a_volume_that_is_lost_altogether_is_a_hundred_percent(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = compared(root, capsys, "a", "outside")
    assert " of a, 0 of outside (-100 %), both from the references" in text
    assert text.count("dim: ") == 1
    assert " of outside, " in compared(root, capsys, "outside", "a")


@pytest.mark.parametrize(
    ("second", "sentence"),
    [
        ("time-1", "where both studies have the same objectives, but 'a' has minimize bpp"),
        ("worse", "is empty: of its 1 trials (1 complete) none is complete and feasible; all have"),
        ("failed", "of its 1 trials (1 failed) none is complete and feasible; all have ended; na"),
        ("early", "(1 complete) none is complete and feasible; go on with it: `study resume "),
        ("new", "that of 'new' is empty: it has no trials yet; go on with it: `study resume new"),
        ("halted", "(1 interrupted) none is complete and feasible; go on with it: `study resume "),
    ],
)
def test_what_cannot_be_compared_is_refused(
    second: str, sentence: str, root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["compare", "a", second, "--root", str(root)]) == 2
    assert sentence in capsys.readouterr().err


def test_a_study_that_runs_is_waited_for(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with open_study_folder(find_study(root, "halted")):
        assert main(["compare", "a", "halted", "--root", str(root)]) == 2
    assert "(1 running) none is complete and feasible; wait for one" in capsys.readouterr().err


def test_a_copy_is_the_same_study(
    root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(root / "a", tmp_path / "a")
    shutil.copytree(root / "a", tmp_path / "copy")
    assert "caution a and copy are the same study, one a copy of the other" in compared(
        tmp_path, capsys, "a", "copy"
    )
