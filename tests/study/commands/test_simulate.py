"""`study record` and `study simulate`: from a real toy study to a table and a picture."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from study.commands.main import main
from study.simulation.clock import simulate
from study.simulation.compare import surrogate_of
from study.simulation.strategies import YARDSTICK, base_study, variant
from study.simulation.table_file import read_recording, write_recording
from study.storage.folder import find_study
from study.storage.progress import read_records
from tests.study import toy
from tests.study.simulation import curves

if TYPE_CHECKING:
    from pathlib import Path

TRIALS = 10
STUDY = toy.TOY_STUDY.replace(
    "trials: 3, startup_trials: 2",
    f"trials: {TRIALS}, sampler: random, space: {{loss.bpp_lambda: "
    "{low: 1e-4, high: 0.1, log: true}}",
)


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.timeout(300)
def test_a_recorded_study_is_replayed_as_it_was(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """With its own sampler and seed it proposes the recorded settings, of which all is known."""
    file = here / "toy.yaml"
    file.write_text(f"{STUDY}resources: {{cohort: 1, concurrent_cohorts: 1}}\n")
    assert main(["run", "toy.yaml"]) == 0
    assert main(["record", "toy", "toy.parquet"]) == 0
    assert "toy.parquet  10 trials of 3 epochs, " in capsys.readouterr().out

    folder = find_study(here / "studies", "toy")
    real = read_records(folder, folder.config())
    recording = read_recording(here / "toy.parquet")
    base = base_study(recording, None)
    config = variant(base, YARDSTICK, epochs=3 * TRIALS, seed=0)
    course = simulate(config, surrogate_of(recording, base), workers=1, size=1)

    assert len(course.records) == TRIALS
    for ours, theirs in zip(course.records, real, strict=True):
        assert (ours.number, ours.state) == (theirs.number, theirs.state)
        assert ours.params == theirs.params
        assert (ours.is_baseline, ours.outcome) == (theirs.is_baseline, theirs.outcome)
        assert (ours.cohort, ours.total_epochs) == (theirs.cohort, theirs.total_epochs)
        for name in ("bpp", "d1_psnr_db"):
            assert ours.final[name] == theirs.final[name]
        for one, two in zip(ours.epochs, theirs.epochs, strict=True):
            assert one.epoch == two.epoch
            assert all(two.metrics[name] == value for name, value in one.metrics.items())


def test_strategies_are_compared_in_a_table_and_a_picture(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_recording(curves.recording(20), here / "t.parquet")
    words = ["--sampler", "random,qmc", "--halting", "none,pareto", "--seeds", "3"]
    assert main(["simulate", "t.parquet", *words, "--trials", "10", "--out", "p.png"]) == 0
    shown = capsys.readouterr().out
    assert "interpolated curves (" in shown
    assert "nearest neighbour would be off by" in shown
    assert "simulating: 12 of 12 studies" in shown
    rows = [line.split("  ")[0].strip() for line in shown.splitlines() if "halting" in line]
    assert rows == ["random, no halting", "qmc, no halting"]
    assert "qmc, pareto 2 by 3 once (hypervolume)" in shown
    assert "10 + 0" in shown
    assert (here / "p.png").read_bytes().startswith(b"\x89PNG")


def test_a_study_file_says_what_is_searched_and_how(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_recording(curves.recording(20), here / "t.parquet")
    text = curves.STUDY.replace("sampler: random", "sampler: qmc")
    (here / "mine.yaml").write_text(f"{text}halting: {{rule: single, metric: bpp, grace: 2}}\n")
    words = ["simulate", "t.parquet", "--study", "mine.yaml", "--seeds", "1", "--epochs", "30"]
    assert main(words) == 0
    assert "qmc, single 2 by 3 once (bpp)" in capsys.readouterr().out
    assert (here / "simulation.png").exists()


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["record", "toy", "t2.csv"], "its name must end in .parquet, but t2.csv does not"),
        (["record", "toy", "t2.parquet"], "there is no study 'toy' in studies"),
        (["record", "toy", "t.parquet"], "t.parquet exists; name another file, or allow"),
        (["simulate", "no.parquet"], "there is no table no.parquet; `study record` makes one"),
        (["simulate", "t.parquet", "--sampler", "tpee"], "did you mean 'tpe'"),
        (["simulate", "t.parquet", "--halting", "single"], "halting.metric must name"),
        (["simulate", "t.parquet", "--halting", "asha"], "halting: 'rule'"),
        (["simulate", "t.parquet", "--study", "no.yaml"], "there is no study file no.yaml"),
        (["simulate", "t.parquet", "--out", "t.parquet"], "t.parquet exists"),
        (
            ["simulate", "t.parquet", "--study", "slow.yaml"],
            "objectives and constraints must have been recorded, but encode_s was not",
        ),
    ],
)
def test_what_cannot_be_simulated_is_a_sentence_and_code_2(
    words: list[str], sentence: str, here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_recording(curves.recording(12), here / "t.parquet")
    (here / "slow.yaml").write_text(f"{curves.STUDY}constraints: ['encode_s <= 1']\n")
    assert main(words) == 2
    shown = capsys.readouterr().err
    assert shown.startswith("error: ")
    assert sentence in shown
    assert not (here / "simulation.png").exists()


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--stratify", "loss.bpp_lambda"], "must be none, or a range and a number of slices"),
        (["--reduction", "1"], "must be a number above 1, not '1'"),
        (["--grace", "0,1"], "must be a whole number from 1 on, not '0'"),
        (["--trials", "5", "--epochs", "5"], "not allowed with argument --trials"),
    ],
)
def test_what_cannot_be_read_is_told_by_the_option(
    words: list[str], sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(["simulate", *words])
    assert sentence in capsys.readouterr().err
