"""Warm start: what is read from other studies and tables, and that samplers learn from it."""

from __future__ import annotations

import csv
from typing import TYPE_CHECKING

import pytest

from study.base.errors import StudyError
from study.base.records import EpochRecord, TrialRecord, TrialState
from study.config.derived import objectives_of
from study.config.yaml_file import write_study
from study.fronts.judged import JudgedStudy
from study.report.rows import rows
from study.report.tables import trial_table, write_csv, write_parquet
from study.search.samplers import rehearse, suggest, warm_trials
from study.search.warm_start import read_warm_start
from tests.study.proposing import ALL_KINDS, measured, opened, study_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from study.config import StudyConfig

SPACE = (
    "loss.bpp_lambda: {low: 1e-4, high: 0.3, log: true}, "
    "loss.mean_distance_coe: {low: 10.0, high: 100.0}"
)
HEAD = ("loss.bpp_lambda", "loss.mean_distance_coe", "bpp", "d1_psnr_db")


def table(path: Path, *lines: Sequence[object], head: Sequence[str] = HEAD) -> Path:
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([head, *lines])
    return path


def learning_from(*paths: object, space: str = SPACE, more: str = "") -> StudyConfig:
    named = ", ".join(f"'{path}'" for path in paths)
    return study_of(space, f"sampler: tpe, warm_start: [{named}]", more=more)


def records_of(config: StudyConfig, trials: int) -> list[TrialRecord]:
    """Trials as a finished study has them; the last one failed."""
    study = opened(config)
    found = []
    for number in range(trials):
        settings = suggest(study.ask(), config)
        rate, quality = measured(settings)
        final = {"bpp": rate, "d1_psnr_db": quality}
        found.append(
            TrialRecord(
                number=number,
                state=TrialState.FAILED if number == trials - 1 else TrialState.COMPLETE,
                params=settings,
                epochs=(EpochRecord(1, final),),
                total_epochs=1,
                final=final,
                outcome="",
                is_baseline=False,
                elapsed_s=1.0,
                folder=None,
                cohort=0,
            )
        )
    return found


@pytest.mark.parametrize("ending", ["csv", "parquet"])
@pytest.mark.parametrize("is_study", [False, True])
def test_a_reports_table_and_a_studys_folder_are_read_as_the_trials_were(
    tmp_path: Path, ending: str, *, is_study: bool
) -> None:
    config = study_of(ALL_KINDS)
    records = records_of(config, 9)
    made = trial_table("played", records, rows(JudgedStudy(records, objectives_of(config))))
    write_csv(made, tmp_path / "front.csv")
    write_parquet(made, tmp_path / "front.parquet")
    write_study(config, tmp_path / "study.yaml")
    source = tmp_path if is_study else tmp_path / f"front.{ending}"
    found = read_warm_start(config, str(source))
    assert [trial.settings for trial in found.trials] == [record.params for record in records[:-1]]
    assert [trial.values for trial in found.trials] == [
        (record.final["bpp"], record.final["d1_psnr_db"]) for record in records[:-1]
    ]
    assert found.told == (
        f"search.warm_start: 8 of 9 rows of {source} are used (others: 1 not complete)"
    )


def test_another_studys_own_settings_stand_where_it_searched_nothing(tmp_path: Path) -> None:
    other = study_of(SPACE, more="loss: {chamfer_coe: 0.5}")
    records = records_of(other, 4)
    made = trial_table("played", records, rows(JudgedStudy(records, objectives_of(other))))
    write_parquet(made, tmp_path / "front.parquet")
    write_study(other, tmp_path / "study.yaml")
    config = study_of(SPACE + ", loss.chamfer_coe: {low: 0.01, high: 1.0}")
    found = read_warm_start(config, str(tmp_path))
    assert [trial.settings["loss.chamfer_coe"] for trial in found.trials] == [0.5] * 3
    with pytest.raises(StudyError, match=r"must have a column 'loss\.chamfer_coe'"):
        read_warm_start(config, str(tmp_path / "front.parquet"))


def test_it_says_what_was_not_used_and_why(tmp_path: Path) -> None:
    path = table(
        tmp_path / "a.csv",
        (0.01, 50.0, 1.0, 33.0, 0.2, 16, "x"),
        (0.9, 50.0, 1.0, 33.0, 0.2, 16, "x"),
        (0.01, 5, 1.0, 33.0, 0.2, 16, "x"),
        (0.01, 50.0, "", 33.0, 0.2, 16, "x"),
        ("", 50.0, 1.0, 33.0, 0.2, 16, "x"),
        (0.01, 50.0, 1.0, 33.0, 0.2, 8, "x"),
        head=(*HEAD, "decode_s", "model.k", "mood"),
    )
    found = read_warm_start(learning_from(path), str(path))
    assert found.told == (
        f"search.warm_start: 1 of 6 rows of {path} are used (others: 2 outside the space, "
        "2 with a value missing, 1 of other settings than this study's own); not looked at: mood"
    )
    assert [trial.values for trial in found.trials] == [(1.0, 33.0)]


def test_constraints_are_held_against_the_rows(tmp_path: Path) -> None:
    path = table(tmp_path / "a.csv", (0.01, 50.0, 3.0, 33.0), (0.01, 50.0, 1.0, 33.0))
    config = learning_from(path, more="constraints: ['bpp <= 2']")
    assert [trial.constraints for trial in warm_trials(config)] == [
        {"bpp <= 2": 0.5},
        {"bpp <= 2": -0.5},
    ]


def missing(folder: Path) -> Path:
    return folder / "none.csv"


def damaged(folder: Path) -> Path:
    (folder / "bad.parquet").write_bytes(b"PAR1")
    return folder / "bad.parquet"


def text(folder: Path) -> Path:
    (folder / "notes.txt").write_text("x")
    return folder / "notes.txt"


def misspelt(folder: Path) -> Path:
    head = ("loss.bpp_lamda", *HEAD[1:])
    return table(folder / "b.csv", (0.01, 50.0, 1.0, 33.0), head=head)


def useless(folder: Path) -> Path:
    return table(folder / "c.csv", (7, 50.0, 1.0, 33.0))


def unfinished(folder: Path) -> Path:
    study = folder / "unfinished"
    study.mkdir()
    write_study(study_of(SPACE), study / "study.yaml")
    return study


def no_study(folder: Path) -> Path:
    return folder


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (missing, "none.csv cannot be read"),
        (damaged, "bad.parquet cannot be read"),
        (text, "must name a study's folder, a CSV or a Parquet file, and"),
        (misspelt, "must have a column 'loss.bpp_lambda'; did you mean 'loss.bpp_lamda'?"),
        (useless, "0 of 1 rows of"),
        (unfinished, "front.parquet cannot be read"),
        (unfinished, "; `study front unfinished --root "),
        (no_study, "study.yaml"),
    ],
)
def test_what_nothing_can_be_learned_from_is_refused_before_anything_starts(
    make: Callable[[Path], Path], sentence: str, tmp_path: Path
) -> None:
    with pytest.raises(StudyError) as refusal:
        rehearse(learning_from(make(tmp_path)))
    assert sentence in str(refusal.value)


@pytest.mark.parametrize("sampler", ["tpe", "nsga2", "nsga3"])
def test_samplers_learn_from_it_and_it_is_no_part_of_the_study(
    sampler: str, tmp_path: Path
) -> None:
    # The best weight by far is 20, whatever the rate.
    lines = [
        (1e-4 * 2 ** (n % 11), 10.0 + n, 1 + (n - 10) ** 2 / 100, 30 - (n - 10) ** 2)
        for n in range(60)
    ]
    config = learning_from(table(tmp_path / "a.csv", *lines))
    search = config.search.model_copy(update={"sampler": sampler})
    config = config.model_copy(update={"search": search})
    study = opened(config)
    weights = []
    for number in range(12):
        trial = study.ask()
        assert trial.number == number
        weights.append(float(suggest(trial, config)["loss.mean_distance_coe"]))
    assert [trial.number for trial in study.trials] == list(range(12))
    assert study.best_trials == []
    # The first is what the study file names. Of numbers drawn at random one in five is as near.
    assert sum(10 <= weight <= 30 for weight in weights[1:]) >= 8


def test_cmaes_begins_where_another_study_ended(tmp_path: Path) -> None:
    pytest.importorskip("cmaes")
    lines = [(1e-4 * 2 ** (n % 11), 10.0 + n, 1 + (n - 10) ** 2 / 100) for n in range(60)]
    path = table(tmp_path / "a.csv", *lines, head=HEAD[:-1])
    config = study_of(
        SPACE,
        f"sampler: cmaes, warm_start: ['{path}']",
        "[{metric: bpp, direction: minimize, reference: 3.0}]",
    )
    study = opened(config)
    weights = []
    for _ in range(16):
        trial = study.ask()
        settings = suggest(trial, config)
        weights.append(float(settings["loss.mean_distance_coe"]))
        study.tell(trial, measured(settings, 1))
    assert sum(10 <= weight <= 30 for weight in weights[5:]) >= 8
