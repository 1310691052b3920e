"""Recordings: what is taken of a study, and what a table gives back."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pyarrow.parquet as pq
import pytest

from study.base.errors import StudyError
from study.base.records import EpochRecord, TrialRecord, TrialState
from study.config.family import published
from study.families.dpcc.family import Dpcc
from study.simulation import EMBEDDED
from study.simulation.recording import Begun, join, recorded
from study.simulation.table_file import read_recording, write_recording
from tests.study.simulation import curves

if TYPE_CHECKING:
    from pathlib import Path

RATES = "[0.5, 0.5, 0.5], [0.3333333333333333, 0.3333333333333333, 0.3333333333333333]"
CHOICES = curves.STUDY.replace(
    "loss.chamfer_coe: {low: 0.0, high: 1.0}",
    "training.patches_per_step: {choices: [1, 2]}\n"
    "    model.dim: {value: 8}\n"
    f"    model.downsample_rate: {{choices: [{RATES}]}}",
)


def record(number: int, state: TrialState = TrialState.COMPLETE, epochs: int = 2) -> TrialRecord:
    metrics = {"bpp_estimated": 1.0, "term_bpp": 5.0, "train_s": 9.0, "population": 4.0}
    return TrialRecord(
        number=number,
        state=state,
        params={"loss.bpp_lambda": 0.01 + number},
        epochs=tuple(EpochRecord(n, metrics, 12.0 * n) for n in range(1, epochs + 1)),
        final={"bpp": 1.5, "decode_s": 0.25},
        elapsed_s=27.0,
    )


def test_of_a_study_the_complete_trials_are_taken_with_their_share_of_the_seconds() -> None:
    records = [record(0), record(1, TrialState.FAILED), record(2, epochs=1), record(3)]
    first, last = recorded("mine", 2, records)
    assert (first.number, last.number) == (0, 3)
    assert first.settings == {"loss.bpp_lambda": 0.01}
    assert first.epochs == ({"bpp_estimated": 1.0},) * 2, "not the loss's terms"
    assert first.epoch_s == (3.0, 3.0), "four shared twelve seconds"
    assert first.measuring_s == 3.0
    assert first.final == {"bpp": 1.5, "decode_s": 0.25}


def test_a_table_gives_back_what_it_was_given(tmp_path: Path) -> None:
    given = curves.recording(12)
    write_recording(given, tmp_path / "t.parquet")
    found = read_recording(tmp_path / "t.parquet")
    assert found == given
    rows = pq.read_table(tmp_path / "t.parquet").to_pylist()
    assert len(rows) == 12 * curves.EPOCHS
    fifth = rows[4]
    assert (fifth["study"], fifth["trial"], fifth["epoch"]) == ("closed", 1, 1)
    assert fifth["loss.bpp_lambda"] == given.trials[1].settings["loss.bpp_lambda"]
    assert fifth["final.bpp"] == given.trials[1].final["bpp"]
    assert fifth["seconds"] == curves.EPOCH_S


def test_a_table_does_not_tell_where_a_study_was_kept(tmp_path: Path) -> None:
    given = curves.recording(12)
    kept = "storage: {uri: 'postgresql://me:secret@host/db'}\nroot: /home/secret\n"
    trials = join([Begun("v1", curves.config(curves.STUDY + kept))], given.trials)
    write_recording(trials, tmp_path / "t.parquet")
    assert b"secret" not in (tmp_path / "t.parquet").read_bytes()
    assert read_recording(tmp_path / "t.parquet") == given


def test_choices_of_any_kind_come_back_as_they_were(tmp_path: Path) -> None:
    config = curves.config(CHOICES)
    rates = config.search.space["model.downsample_rate"].choices
    assert rates is not None
    trials = [
        curves.trial(
            number,
            {
                "loss.bpp_lambda": 1e-3 + 1e-4 * number,
                "training.patches_per_step": 1 + number % 2,
                "model.dim": 8,
                "model.downsample_rate": rates[number % 3 % 2],
            },
        )
        for number in range(10)
    ]
    given = join([Begun("v1", config)], trials)
    write_recording(given, tmp_path / "t.parquet")
    assert read_recording(tmp_path / "t.parquet") == given


def test_of_equal_settings_the_first_trial_counts() -> None:
    trials = curves.recording(12).trials
    again = replace(trials[3], number=77, study="second")
    config = curves.config()
    second = config.model_copy(update={"name": "second", "seed": 5})
    joined = join([Begun("v1", config), Begun("v2", second)], [*trials, again])
    assert joined.trials == trials
    assert joined.studies[1].code_version == "v2"


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        ("epochs: 4", "epochs: 5", r"differ in `training` \(epochs: 4 and 5\)"),
        ("high: 0.1", "high: 0.2", "spaces of closed and closed differ"),
        ("reference: 3.0", "reference: 2.0", "differ in `objectives`"),
        ("training:", "data: {max_objects: 5}\ntraining:", r"`data` \(max_objects: None and 5\)"),
    ],
)
def test_studies_that_do_not_belong_together_are_refused(old: str, new: str, sentence: str) -> None:
    other = curves.config(curves.STUDY.replace(old, new))
    with pytest.raises(StudyError, match=sentence):
        join([Begun("v1", curves.config()), Begun("v1", other)], curves.recording(12).trials)


def _without_decode_s(trial: Any) -> Any:  # noqa: ANN401
    return replace(trial, final={"bpp": 1.0, "d1_psnr_db": 30.0, "bpp_estimated": 1.0})


def _without_bpp(trial: Any) -> Any:  # noqa: ANN401
    return replace(trial, final={k: v for k, v in trial.final.items() if k != "bpp"})


def _not_a_number(trial: Any) -> Any:  # noqa: ANN401
    return replace(trial, final={**trial.final, "bpp": float("nan")})


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (_without_decode_s, "do not both have final.decode_s"),
        (_without_bpp, "do not both have final.bpp"),
        (_not_a_number, "trial 11 of closed has one that is not"),
    ],
)
def test_trials_that_cannot_be_compared_are_refused(change: Any, sentence: str) -> None:  # noqa: ANN401
    *others, last = curves.recording(12).trials
    with pytest.raises(StudyError, match=sentence):
        join([Begun("v1", curves.config())], [*others, change(last)])


def test_a_study_whose_ends_were_never_measured_is_refused() -> None:
    trials = [_without_bpp(trial) for trial in curves.recording(12).trials]
    with pytest.raises(StudyError, match="trial 0 of closed has no bpp"):
        join([Begun("v1", curves.config())], trials)


def test_too_few_trials_are_refused() -> None:
    trials = curves.recording(12).trials[:9]
    with pytest.raises(StudyError, match="at least 10 complete trials, and closed has 9"):
        join([Begun("v1", curves.config())], trials)


def test_what_is_no_recording_is_refused_with_a_sentence(tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    with pytest.raises(StudyError, match="there is no table"):
        read_recording(path)
    path.write_text("epoch,bpp\n1,2\n")
    with pytest.raises(StudyError, match="must be a Parquet file"):
        read_recording(path)
    write_recording(curves.recording(12), path, force=True)
    table = pq.read_table(path)
    metadata = table.schema.metadata
    pq.write_table(table.replace_schema_metadata(None), path)
    with pytest.raises(StudyError, match="says in its metadata which studies"):
        read_recording(path)
    pq.write_table(table.replace_schema_metadata({**metadata, b"format": b"2"}), path)
    with pytest.raises(StudyError, match=r"must be of format 1, .* but .* is of format 2"):
        read_recording(path)
    pq.write_table(table.drop_columns(["seconds"]), path)
    with pytest.raises(StudyError, match=r"something is missing in it .*seconds"):
        read_recording(path)
    pq.write_table(table.slice(1), path)
    with pytest.raises(StudyError, match=r"has 4 epochs, but trial 0 of closed in .* has not"):
        read_recording(path)


def test_a_table_is_not_replaced_unasked(tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    path.write_text("mine")
    with pytest.raises(StudyError, match="exists"):
        write_recording(curves.recording(12), path)
    assert path.read_text() == "mine"


def test_the_table_that_comes_with_the_package_is_small_and_holds_enough() -> None:
    shipped = read_recording(EMBEDDED)
    assert EMBEDDED.stat().st_size < 300_000
    assert len(shipped.trials) >= 150
    assert set(shipped.config.search.space) == set(Dpcc().default_space())
    assert shipped.trials[0].settings == published(Dpcc())
