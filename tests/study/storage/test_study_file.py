"""The study file: what it means, and a sentence for whatever it cannot mean."""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING

import pytest

from model.config import ModelConfig
from study.base.errors import StudyError
from study.config import StudyConfig
from study.config.sections import section_in
from study.config.yaml_file import write_study
from study.families.dpcc.settings import ModelSection
from study.storage.study_file import QUICKSTART, load_study, parse_study
from tests.study.toy import STUDY

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pydantic import BaseModel


def changed(old: str, new: str) -> str:
    assert old in STUDY
    return STUDY.replace(old, new)


def searching(space: str) -> str:
    return changed("startup_trials: 2", f"startup_trials: 2, space: {{{space}}}")


def test_the_quick_start_is_valid_and_its_first_trial_is_the_published_setting() -> None:
    config = load_study(QUICKSTART)
    assert config.name == "quickstart"
    assert config.loss.bpp_lambda == 1e-4


def test_a_study_survives_being_written_down_and_read_again() -> None:
    config = parse_study(STUDY, origin="x")
    assert parse_study(config.model_dump_json(), origin="y") == config


@pytest.mark.parametrize("name", ["1e3", "1_000", "0.5", "on", "no", "null", "true", "2026-01-01"])
def test_a_study_of_any_name_is_written_as_it_is_read(name: str, tmp_path: Path) -> None:
    config = parse_study(STUDY, origin="x").model_copy(update={"name": name, "root": "~"})
    write_study(config, tmp_path / "study.yaml")
    assert load_study(tmp_path / "study.yaml") == config


def test_a_study_that_cannot_be_written_down_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(StudyError, match="cannot be written"):
        write_study(parse_study(STUDY, origin="x"), tmp_path / "nowhere" / "study.yaml")


@pytest.mark.parametrize(
    ("written", "meant"),
    [("1e-3", 1e-3), ("1E3", 1e3), (".5", 0.5), ("2", 2.0), ("+1.5e-2", 0.015), ("0", 0.0)],
)
def test_numbers_are_read_as_people_write_them(written: str, meant: float) -> None:
    text = STUDY + f"loss: {{density_coe: {written}}}\nsearch: {{trials: 1, space: {{}}}}"
    text = text.replace("search: {trials: 3, startup_trials: 2}\n", "")
    text = text.replace("space: {}", "space: {loss.bpp_lambda: {low: 1e-5, high: 1}}")
    assert parse_study(text, origin="x").loss.density_coe == meant


def test_fractions_are_rates() -> None:
    text = STUDY + "model: {downsample_rate: [1/2, 1/4], max_upsample_num: [4, 8]}"
    assert parse_study(text, origin="x").model.downsample_rate == (0.5, 0.25)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (changed("epochs: 3", "epoch: 3"), "unknown key 'training.epoch'; did you mean 'epochs'?"),
        (STUDY + "trainin: {}", "unknown key 'trainin'; did you mean 'training'?"),
        (changed("max_objects", "max_object"), "'data.max_object'; did you mean 'max_objects'?"),
        (
            STUDY + "resources: {cpus_per_trial: 2}",
            "unknown key 'resources.cpus_per_trial'; did you mean 'cpus_per_cohort'?",
        ),
        (STUDY + "resources: {gpus_per_trial: 1}", "did you mean 'gpus_per_cohort'?"),
        (STUDY + "resources: {concurrent_trials: 1}", "did you mean 'concurrent_cohorts'?"),
        (STUDY + "resources: {cohorts: 8}", "did you mean 'cohort'?"),
        (
            STUDY + "resources: {cohort: 0}",
            "'resources.cohort': input should be 'auto', or input should be greater than or",
        ),
        (STUDY + "resources: {cohort: many}", "'resources.cohort': input should be 'auto'"),
        (changed("reference: 3.0", "referense: 3.0"), "did you mean 'reference'?"),
        (changed(", reference: 3.0", ""), "'objectives.reference' (item 1) is missing"),
        (
            changed("maximize", "max"),
            "'objectives.direction' (item 2): input should be 'minimize' or 'maximize' (given: 'm",
        ),
        (STUDY + "constraints: [bpp <= 2, 3]", "'constraints' (item 2): input should be a valid"),
        (
            STUDY + "model:",
            "'model' is empty: give it keys, which `study explain model` tells, or leave it out",
        ),
        (STUDY + "constraints:", "'constraints' is empty: give it items, which `study explain c"),
        (
            STUDY.partition("objectives:")[0] + "objectives:",
            "'objectives' is empty: give it items, which `study explain objectives` tells",
        ),
        (searching("model.k: "), "'search.space.model.k' is empty: give it keys, or leave it out"),
        (
            changed("{epochs: 3}", "\n\tepochs: 3"),
            "x.yaml, line 5, column 1: a tab stands here, where YAML allows spaces only; replace",
        ),
        (STUDY + "# \0", "x.yaml is not a text file: it holds the character #x0000"),
        (changed("epochs: 3", "epochs: 0"), "'training.epochs': input should be greater than or"),
        (changed("epochs: 3", "epochs: true"), "'training.epochs': input should be a valid int"),
        (changed("epochs: 3", "epochs: '3'"), "'training.epochs': input should be a valid integer"),
        (STUDY + "loss: {density_coe: -1}", "'loss.density_coe': input should be greater than"),
        (STUDY + "loss: {density_coe: .inf}", "'loss.density_coe': input should be a finite"),
        (
            changed("name: toy", "name: ../toy"),
            "'name': a name must begin with a letter or a",
        ),
        (STUDY + "loss: 3", "'loss': must be a table of keys and values, such as"),
        (STUDY + "loss: [1]", "'loss': must be a table of keys and values, such as"),
        (changed("{trials: 3", "{trials: 3, space: 1"), "'search.space': must be a table of keys"),
        (STUDY + "constraints: bpp", "'constraints': must be a list (given: 'bpp')"),
        (changed("maximize", "minimize"), "d1_psnr_db is better the higher, so its direction"),
        (changed("metric: bpp", "metric: bbp"), "no metric 'bbp'; did you mean 'bpp'?"),
        (changed("metric: bpp", "metric: kl"), "no metric 'kl'; valid: bpp, d1_"),
        (STUDY.partition("objectives:")[0] + "objectives: []", "at least one objective"),
        (
            changed("d1_psnr_db, direction: maximize", "bpp, direction: minimize"),
            "every objective must be another metric, but bpp is given 2 times",
        ),
        (STUDY + "constraints: [bpp <= 2, bpp <= 3]", "bpp has 'bpp <= 2' and 'bpp <= 3'"),
        (STUDY + "constraints: [bpp >= 2, bpp <= 1]", "both 'bpp >= 2' and 'bpp <= 1'"),
        (STUDY + "constraints: [decode_ss <= 1]", "recorded; did you mean 'decode_s'?"),
        (STUDY + "model: {dim: 12}", "dim must be a multiple of every max_upsample_num"),
        (STUDY + "model: {downsample_rate: [1/3]}", "downsample_rate has 1 entries"),
        (STUDY + "name: again", "x.yaml, line 9, column 1: the key 'name' is given twice"),
        (changed("{epochs: 3}", "{epochs: 3"), "x.yaml, line 5, column 7: expected ',' or '}'"),
        (STUDY + "[a]: 1", "a key must be a plain word"),
        ("", "x.yaml holds nothing"),
        ("- 1", "must hold a table of keys and values, but x.yaml holds a list; `study explain`"),
        ("word", "x.yaml holds a single value"),
    ],
)
def test_what_a_study_cannot_mean_is_refused_with_a_sentence(text: str, sentence: str) -> None:
    with pytest.raises(StudyError) as refusal:
        parse_study(text, origin="x.yaml")
    assert sentence in str(refusal.value)


@pytest.mark.parametrize(
    ("space", "sentence"),
    [
        (
            "loss.bpp_lamda: {low: 1e-5, high: 1}",
            "no setting 'loss.bpp_lamda'; did you mean 'loss.bpp_lambda'?",
        ),
        ("bpp_lambda: {low: 1e-5, high: 1}", "did you mean 'loss.bpp_lambda'?"),
        (
            "loss.bpp_lambda: {low: 1e-5, high: 1}, loss.normal_co: {low: 0, high: 1}",
            "did you mean 'loss.normal_coe'?",
        ),
        ("model.k: {low: 8, high: 16}", "model.k must be given as choices"),
        ("loss.density_coe: {low: 1, high: 0.1}", "low must be less than high, but low is 1"),
        ("loss.density_coe: {low: 0, high: 1, log: true}", "log needs low above zero"),
        ("loss.density_coe: {low: -1, high: 1}", "loss.density_coe cannot be -1"),
        ("loss.density_coe: {low: 1e-3, high: 1}", "must allow 0.0001, with which the first"),
        ("loss.density_coe: {low: 1e-5}", "needs low and high, or choices"),
        ("loss.density_coe: {low: 0, high: 1, choices: [1]}", "either choices or low"),
        ("training.epochs: {choices: []}", "choices must not be empty"),
        ("training.epochs: {choices: [3, 3]}", "choices must differ from each other"),
        ("training.epochs: {choices: [3, many]}", "training.epochs cannot be 'many'"),
        ("training.epochs: {low: 2.5, high: 4}", "training.epochs cannot be 2.5"),
        ("model.dim: {low: 8, high: 64}", "model.dim must be given as choices"),
        ("training.epochs: {lo: 2, high: 4}", "did you mean 'low'?"),
    ],
)
def test_a_space_that_cannot_be_searched_is_refused(space: str, sentence: str) -> None:
    with pytest.raises(StudyError) as refusal:
        parse_study(searching(space), origin="x.yaml")
    assert sentence in str(refusal.value)


def test_a_value_that_the_published_first_trial_would_override_is_refused() -> None:
    with pytest.raises(StudyError, match=r"own value 0\.5 would go unread"):
        parse_study(STUDY + "loss: {chamfer_coe: 0.5}", origin="x")


@pytest.mark.parametrize(
    ("first", "sentence"),
    [
        ("[{loss.bpp_lamda: 0.1}]", "'loss.bpp_lamda' is not a searched setting; did you mean"),
        ("[{loss.bpp_lambda: 7}]", "is 7, but search.space allows 0.0001 to 0.3"),
        ("[{}, {}, {}]", "search.trials must be at least 4"),
    ],
)
def test_first_settings_must_be_in_the_space_and_in_the_budget(first: str, sentence: str) -> None:
    text = changed("startup_trials: 2", f"startup_trials: 2, first: {first}")
    with pytest.raises(StudyError) as refusal:
        parse_study(text, origin="x")
    assert sentence in str(refusal.value)


@pytest.mark.parametrize(
    "uri",
    ["htp://host", "127.0.0.1:5000", "host:5000", "http://", "http://host:99999", "http://[::1"],
)
def test_an_address_that_mlflow_never_opens_is_refused(uri: str) -> None:
    with pytest.raises(StudyError, match=r"'tracking.uri': must be the address .*given: '"):
        parse_study(STUDY + f"tracking: {{uri: '{uri}'}}", origin="x")


@pytest.mark.parametrize(
    "uri",
    [
        "http://127.0.0.1:5000",
        "https://me:secret@host/mlflow",
        "http://[::1]:5000",
        "sqlite:///studies/mlflow.db",
        "postgresql+psycopg2://me@host/mlflow",
        "databricks",
    ],
)
def test_addresses_that_mlflow_opens_are_taken(uri: str) -> None:
    assert parse_study(STUDY + f"tracking: {{uri: '{uri}'}}", origin="x").tracking.uri == uri


def test_a_missing_file_is_named_with_its_nearest_neighbour(tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text(STUDY)
    with pytest.raises(
        StudyError, match=r"there is no study file .*min\.yaml; did you mean .*mine"
    ):
        load_study(tmp_path / "min.yaml")


def test_a_file_that_holds_no_text_is_refused_with_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(StudyError, match=r"cannot be read: it is a folder; name a file in it$"):
        load_study(tmp_path)
    (tmp_path / "study.yaml").write_bytes(b"\x89PNG\r\n")
    with pytest.raises(StudyError, match=r"it is a folder; did you mean .*/study\.yaml\?$"):
        load_study(tmp_path)
    with pytest.raises(StudyError, match=r"cannot be read: it is not a text file in UTF-8$"):
        load_study(tmp_path / "study.yaml")


def test_the_model_section_mirrors_the_codecs_own_class() -> None:
    assert ModelSection().build() == ModelConfig()
    assert list(ModelSection.model_fields) == [field.name for field in fields(ModelConfig)]


def test_every_field_of_the_study_file_says_what_it_means() -> None:
    def undocumented(model: type[BaseModel], path: str) -> Iterator[str]:
        for name, field in model.model_fields.items():
            if not field.description:
                yield f"{path}{name}"
            if (section := section_in(field.annotation)) is not None:
                yield from undocumented(section, f"{path}{name}.")

    assert list(undocumented(StudyConfig, "")) == []
