"""The search space: constants, conditions, and what can be searched at all."""

from __future__ import annotations

from pathlib import Path

import pytest

from study.base.errors import StudyError
from study.config import StudyConfig
from study.config.family import published
from study.config.ranges import Range
from study.config.study import sections_of
from study.config.yaml_file import write_study
from study.families.dpcc.family import Dpcc
from study.search.architectures import architectures, preparations
from study.search.conditions import ordered
from study.search.space import apply, baseline, contains, trial_config
from study.search.space_checks import searchable
from study.storage.study_file import load_study
from tests.study.proposing import study_of

QUANTIZED = "model.quantize_latent_xyzs: {choices: [true, false]}"
LATENT = (
    "loss.latent_xyzs_coe: {low: 1e-3, high: 1.0, log: true, "
    "when: {model.quantize_latent_xyzs: [true]}}"
)


PUBLISHED = published(Dpcc())


def refusal_of(space: str, more: str = "", search: str = "sampler: tpe") -> str:
    with pytest.raises(StudyError) as refusal:
        study_of(space, search, more=more)
    return str(refusal.value)


def test_the_default_ranges_hold_the_published_values_and_more_on_both_sides() -> None:
    space = Dpcc().default_space()
    assert space.keys() == PUBLISHED.keys()
    for name, searched in space.items():
        assert contains(searched, PUBLISHED[name])
        # An order of magnitude above all, and the rate's low end is where it stops to matter.
        assert searched.ends[1] >= 10 * PUBLISHED[name]


def test_a_constant_is_in_every_trial_also_the_first() -> None:
    config = study_of("loss.chamfer_coe: {value: 0.3}, loss.bpp_lambda: {choices: [1e-4, 1e-2]}")
    first = baseline(config)
    assert first == {"loss.chamfer_coe": 0.3, "loss.bpp_lambda": 1e-4}
    assert apply(config, first).loss.chamfer_coe == 0.3


def test_a_constant_of_the_model_is_the_only_architecture() -> None:
    config = study_of("model.downsample_rate: {value: [0.5, 0.25, 0.25]}, loss.bpp_lambda: "
                      "{choices: [1e-4]}")  # fmt: skip
    assert [model.downsample_rate for model in architectures(config)] == [(0.5, 0.25, 0.25)]
    assert len(preparations(config)) == 1


def test_a_condition_leaves_the_studys_own_value_where_it_does_not_hold() -> None:
    config = study_of(f"{LATENT}, {QUANTIZED}", more="model: {quantize_latent_xyzs: false}")
    assert ordered(config.search.space)[0] == "model.quantize_latent_xyzs"
    assert baseline(config) == {"model.quantize_latent_xyzs": False}
    assert apply(config, baseline(config)).loss.latent_xyzs_coe == 1e-2


def test_an_architecture_is_reached_only_under_its_condition() -> None:
    space = (
        f"{QUANTIZED}, model.latent_xyzs_conv_mode: {{choices: [mlp, edge_conv], "
        "when: {model.quantize_latent_xyzs: [true]}}"
    )
    reached = {
        (model.quantize_latent_xyzs, model.latent_xyzs_conv_mode)
        for model in architectures(study_of(space))
    }
    assert reached == {(True, "mlp"), (True, "edge_conv"), (False, "mlp")}


def test_a_study_with_constants_and_conditions_is_written_and_read_as_the_same(
    tmp_path: Path,
) -> None:
    config = study_of(f"{LATENT}, {QUANTIZED}, model.downsample_rate: {{value: [1/3, 1/3, 1/3]}}")
    write_study(config, tmp_path / "study.yaml")
    assert load_study(tmp_path / "study.yaml") == config


def test_a_trial_gets_the_data_that_are_cut_its_way() -> None:
    space = "data.cube_size: {choices: [50.0, 25.0]}, model.k: {choices: [16, 8]}"
    config = study_of(space)
    made = preparations(config)
    assert {(each.recipe.cube_size, each.geometry.k) for each in made} == {
        (50.0, 16),
        (50.0, 8),
        (25.0, 16),
        (25.0, 8),
    }
    assert made[0] == config.preparation
    folders = {each: Path(f"{each.recipe.cube_size}-{each.geometry.k}") for each in made}
    trial = trial_config(config, 1, {"data.cube_size": 25.0, "model.k": 8}, folders)
    assert trial.data_folder == "25.0-8"


@pytest.mark.parametrize(
    ("space", "sentence"),
    [
        (LATENT, "when model.quantize_latent_xyzs has some values, but that is not searched"),
        (
            f"{LATENT.replace('[true]', '[maybe]')}, {QUANTIZED}",
            "but never has 'maybe'; give some of [True, False]",
        ),
        (f"{LATENT.replace('[true]', '[1]')}, {QUANTIZED}", "but never has 1; give some of"),
        (f"{LATENT.replace('[true]', '[]')}, {QUANTIZED}", "but none is given; give some of"),
        (
            "loss.bpp_lambda: {low: 1e-4, high: 1, when: {loss.bpp_lambda: [1]}}",
            "which is itself; name another searched setting",
        ),
        (
            (
                "loss.bpp_lambda: {low: 1e-4, high: 1, when: {loss.normal_coe: [1]}}, "
                "loss.normal_coe: {low: 0, high: 1}"
            ),
            "but that is a range, which hardly ever takes one; give it choices",
        ),
        (
            (
                "training.patches_per_step: {choices: [1, 2], when: {training.epochs: [3]}}, "
                "training.epochs: {choices: [3, 4], when: {training.patches_per_step: [1]}}"
            ),
            "must not depend on it in turn, but training.epochs, training.patches_per_step do",
        ),
        ("loss.chamfer_coe: {value: 0.1, low: 0}", "either one value or low, high and log"),
        ("loss.chamfer_coe: {value: 0.1, choices: [0.1]}", "either choices or one value"),
        ("loss.chamfer_coe: {value: -1}", "loss.chamfer_coe cannot be -1"),
        ("training.max_grad_norm: {low: 1, high: 2}", "trains with its own training.max_grad_norm"),
        ("data.cube_size: {low: 20, high: 60}", "given as choices, for a data set is prepared"),
        ("data.points_per_object: {choices: [5]}", "for it decides what codecs are measured on"),
        ("resources.cohort: {choices: [1, 2]}", "for it is the whole study's; what can is all of"),
        ("seed: {choices: [1, 2]}", "seed cannot be searched, for it is the whole study's"),
        ("search.trials: {choices: [40]}", "search.trials cannot be searched"),
        ("halting.grace: {choices: [1]}", "halting.grace cannot be searched"),
        ("resources.cohorts: {choices: [1]}", "there is no setting 'resources.cohorts'"),
    ],
)
def test_what_cannot_be_searched_is_refused(space: str, sentence: str) -> None:
    assert sentence in refusal_of(space)


def test_an_own_value_beside_a_constant_would_go_unread() -> None:
    refusal = refusal_of("loss.chamfer_coe: {value: 0.3}", "loss: {chamfer_coe: 0.2}")
    assert "all trials have loss.chamfer_coe 0.3, so the study file's own value 0.2" in refusal


def test_a_wish_names_what_its_condition_needs() -> None:
    search = "sampler: tpe, first: [{loss.latent_xyzs_coe: 0.1}]"
    refusal = refusal_of(f"{LATENT}, {QUANTIZED}", search=search)
    assert "only with one of model.quantize_latent_xyzs [True]; name that here too" in refusal


def test_every_field_of_the_study_file_can_be_searched_or_is_refused_as_the_studys() -> None:
    def names() -> list[str]:
        found = []
        for section in StudyConfig.model_fields:
            inner = sections_of("dpcc").get(section)
            found += [f"{section}.{name}" for name in (inner.model_fields if inner else [])] or [
                section
            ]
        return found

    for name in names():
        if name in searchable("dpcc") or name.startswith("objectives."):
            continue
        assert "cannot be searched" in refusal_of(f"{name}: {{choices: [1]}}"), name


@pytest.mark.parametrize(
    ("searched", "integer", "expected"),
    [
        (Range(low=10.0, high=20.0), False, [10.0, 12.5, 15.0, 17.5]),
        (Range(low=1e-4, high=1.0, log=True), False, [1e-4, 1e-3, 1e-2, 1e-1]),
        (Range(low=3, high=6), True, [3, 4, 5, 6]),
        (Range(choices=("a", "b")), False, ["a", "a", "b", "b"]),
        (Range(value=7), True, [7, 7, 7, 7]),
    ],
)
def test_shares_of_a_range_are_even(
    searched: Range, expected: list[object], *, integer: bool
) -> None:
    # Whole numbers stand for what is rounded to them, so their shares are taken amid each.
    shares = [(place + (0.5 if integer else 0.0)) / 4 for place in range(4)]
    assert [searched.at(share, integer=integer) for share in shares] == [
        pytest.approx(value) if isinstance(value, float) else value for value in expected
    ]
