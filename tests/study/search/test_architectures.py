"""Searching the codec's own shape: lists, tables of settings, and what data they need."""

from __future__ import annotations

from pathlib import Path

import pytest

from study.base.errors import StudyError
from study.config.yaml_file import write_study
from study.search.architectures import architectures, preparations
from study.search.space import apply, baseline, trial_config
from study.storage.study_file import load_study, parse_study

STUDY = """
name: shapes
search:
  trials: 3
  space:
    {space}
objectives:
  - {{metric: bpp, direction: minimize, reference: 3.0}}
  - {{metric: d1_psnr_db, direction: maximize, reference: 25.0}}
"""
LISTS = "model.downsample_rate: {choices: [[1/3, 1/3, 1/3], [0.5, 0.25, 0.25]]}"
COUNTS = "model.max_upsample_num: {choices: [[8, 8, 8], [16, 16, 16]]}"
TABLES = (
    "model: {choices: [{downsample_rate: [1/3, 1/3, 1/3], max_upsample_num: [8, 8, 8]}, "
    "{downsample_rate: [0.5, 0.2], max_upsample_num: [4, 8]}, {quantize_latent_xyzs: false}]}"
)


def searching(space: str, more: str = "") -> str:
    return STUDY.format(space=space) + more


def test_a_list_is_a_choice() -> None:
    config = parse_study(searching(LISTS), origin="x")
    own, other = config.search.space["model.downsample_rate"].choices or ()
    assert baseline(config) == {"model.downsample_rate": own}
    changed = apply(config, {"model.downsample_rate": other})
    assert changed.model.downsample_rate == (0.5, 0.25, 0.25)
    assert [model.downsample_rate for model in architectures(config)] == [
        (1 / 3, 1 / 3, 1 / 3),
        (0.5, 0.25, 0.25),
    ]


def test_a_table_changes_settings_that_only_make_sense_together() -> None:
    config = parse_study(searching(TABLES), origin="x")
    first, two_stages, float16 = config.search.space["model"].choices or ()
    assert baseline(config) == {"model": first}
    assert apply(config, {"model": two_stages}).model.build().stages == 2
    assert not apply(config, {"model": float16}).model.quantize_latent_xyzs
    assert len(architectures(config)) == 3
    assert len(preparations(config)) == 2


def test_the_study_is_written_and_read_as_the_same(tmp_path: Path) -> None:
    config = parse_study(searching(TABLES), origin="x")
    write_study(config, tmp_path / "study.yaml")
    assert load_study(tmp_path / "study.yaml") == config


def test_a_trial_gets_the_data_of_its_geometry() -> None:
    config = parse_study(searching("model.k: {choices: [16, 8]}"), origin="x")
    folders = {made: Path(f"k{made.geometry.k}") for made in preparations(config)}
    trial = trial_config(config, 1, {"model.k": 8}, folders)
    assert (trial.model.k, trial.data_folder) == (8, "k8")


@pytest.mark.parametrize(
    ("space", "more", "sentence"),
    [
        (
            "model.downsample_rate: {choices: [[1/3, 1/3, 1/3], [1/3]]}",
            "",
            "model.downsample_rate cannot be ['1/3']: every encoder stage needs a decoder stage",
        ),
        (
            "model.max_upsample_num: {choices: [[4, 4, 4]]}",
            "",
            "must hold the study's own, with which the first trial trains; add [8, 8, 8]",
        ),
        ("model: {choices: [{dim: 16}]}", "", "with which the first trial trains; add {}"),
        ("model: {choices: [{dim: 8}, 16]}", "", "a choice of 'model' must be a table"),
        ("model: {choices: [{dim: 8}, {dims: 16}]}", "", "no setting 'model.dims'; did you mean"),
        (
            "model: {choices: [{dim: 8}, {dim: 16}]}\n    model.dim: {choices: [8, 16]}",
            "",
            "model.dim is searched by itself and within the choices of 'model'",
        ),
        (
            f"model.dim: {{choices: [8, 16]}}\n    {COUNTS}",
            "",
            "model.dim 8, model.max_upsample_num [16, 16, 16] cannot be together: a sub-point",
        ),
        (
            "\n    ".join(f"model.{name}: {{choices: {list(range(n, n + 40))}}}" for name, n in
                          (("k", 8), ("hidden_dim", 50))),
            "",
            "may make at most 1,000 combinations, and model.k, model.hidden_dim make 1,600",
        ),
        ("loss.normal_coe: {low: 1e-3, high: 1}", "", "loss.normal_coe reaches nothing unless"),
        ("model.k: {choices: [16]}", "loss: {normal_coe: 0.5}", "loss.normal_coe reaches nothing"),
        (
            "loss.latent_xyzs_coe: {low: 1e-3, high: 1}",
            "model: {quantize_latent_xyzs: false}",
            "loss.latent_xyzs_coe reaches nothing unless model.quantize_latent_xyzs is true",
        ),
        (
            "model.compress_normal: {choices: [false, true]}",
            "",
            "model.compress_normal needs the points' normals, and data.normals is false",
        ),
        ("model.k: {choices: [16]}", "constraints: [d2_psnr_db >= 30]", "set data.normals: true"),
        ("model.k: {choices: [16]}", "constraints: [f1 >= 0.5]", "set data.normals: true"),
        (
            "model.k: {choices: [16]}",
            "data: {normals: true}\nconstraints: [f1 >= 0.5]",
            "f1 needs decoded normals, and model.compress_normal is false",
        ),
    ],
)  # fmt: skip
def test_what_no_codec_can_be_is_refused(space: str, more: str, sentence: str) -> None:
    with pytest.raises(StudyError) as refusal:
        parse_study(searching(space, more), origin="x")
    assert sentence in str(refusal.value)


def test_normals_can_be_searched_where_the_data_have_them() -> None:
    space = (
        "model.compress_normal: {choices: [false, true]}\n    loss.normal_coe: {choices: [0.01]}"
    )
    config = parse_study(searching(space, "data: {normals: true}"), origin="x")
    assert [model.compress_normal for model in architectures(config)] == [False, True]


def test_normals_may_be_there_to_measure_with() -> None:
    more = "data: {normals: true}\nconstraints: [d2_psnr_db >= 30]"
    config = parse_study(searching("model.k: {choices: [16]}", more), origin="x")
    trial = trial_config(config, 0, baseline(config), {config.preparation: Path("data")})
    assert trial.extra_metrics == ("d2_psnr_db",)
    assert not trial.model.compress_normal
