"""What a search cannot do is said before anything starts."""

from __future__ import annotations

import pytest

from study.base.errors import StudyError
from study.search.samplers import rehearse
from tests.study.proposing import ALL_KINDS, NUMBERS, ONE_OBJECTIVE, study_of


@pytest.mark.parametrize(
    ("search", "sentence"),
    [
        ("sampler: tpf", "there is no sampler 'tpf'; did you mean 'tpe'?"),
        ("sampler: cmaes", "cmaes searches for one objective, and there are 2"),
        ("sampler: random, sampler_options: {points: 3}", "random has no options, so 'points'"),
        ("sampler: grid, sampler_options: {point: 3}", "no option 'point'; did you mean 'points'"),
        ("sampler: grid, sampler_options: {points: 1}", "must be a whole number from 2 to 100,000"),
        ("sampler: qmc, warm_start: [x.csv]", "warm_start would go unread, for qmc learns nothing"),
        ("stratify: {loss.bpp_lamda: 4}", "'loss.bpp_lamda' is not a searched setting; did you"),
        ("stratify: {training.patches_per_step: 4}", "must be a range that is searched in all"),
        ("stratify: {loss.latent_xyzs_coe: 4}", "must be a range that is searched in all trials"),
        ("stratify: {loss.bpp_lambda: 40}", "has 40 slices, and of search.trials only 39 are left"),
        ("sampler: grid, stratify: {loss.bpp_lambda: 4}", "a grid covers its ranges by itself"),
    ],
)
def test_what_a_sampler_cannot_do_is_refused_with_the_study_file(
    search: str, sentence: str
) -> None:
    with pytest.raises(StudyError) as refusal:
        study_of(search=search)
    assert sentence in str(refusal.value)


def test_a_grid_that_is_smaller_than_the_study_is_refused() -> None:
    space = "loss.bpp_lambda: {low: 1e-4, high: 1e-2, log: true}"
    with pytest.raises(StudyError, match="at most 5, for the grid has 4 points beside the 1 given"):
        study_of(space, "sampler: grid")
    every = ", ".join(f"loss.{name}: {{low: 0, high: 100}}" for name in
                      ("chamfer_coe", "density_coe", "pts_num_coe", "latent_xyzs_coe"))  # fmt: skip
    with pytest.raises(StudyError, match="a grid may have at most 100,000 points"):
        study_of(every, "sampler: grid, sampler_options: {points: 20}")


@pytest.mark.parametrize(
    ("space", "more", "sentence"),
    [
        (ALL_KINDS, "", "cmaes searches numbers only, in all trials, and loss.latent_xyzs_coe has"),
        ("training.patches_per_step: {choices: [1, 2]}", "", "training.patches_per_step is a ch"),
        (NUMBERS, "constraints: ['bpp <= 2']", "cmaes does not look at constraints"),
    ],
)
def test_what_cmaes_cannot_do_is_refused(space: str, more: str, sentence: str) -> None:
    with pytest.raises(StudyError, match=sentence):
        study_of(space, "sampler: cmaes", ONE_OBJECTIVE, more)


@pytest.mark.parametrize(
    ("search", "sentence"),
    [
        ("sampler: 'no.such:Sampler'", "no.such:Sampler cannot be imported: No module named 'no'"),
        ("sampler: 'optuna.samplers:Nobody'", "has no attribute 'Nobody'; give module:Class"),
        ("sampler: 'pathlib:Path'", "pathlib:Path must be a class made from optuna"),
        ("sampler: tpe, sampler_options: {gama: 1}", "tpe has no option 'gama'; did you mean"),
        ("sampler: gp, sampler_options: {seed: 1}", "seed is told by seed; remove it here"),
        (
            "sampler: tpe, sampler_options: {n_startup_trials: 1}",
            "n_startup_trials is told by search.startup_trials",
        ),
        (
            "sampler: tpe, sampler_options: {multivariate: false}",
            "tpe cannot be made: ``group`` option can only be enabled when",
        ),
        (
            "sampler: nsga2, sampler_options: {population_size: 1}",
            "nsga2 cannot be made: `population_size` must be greater than or equal to 2",
        ),
    ],
)
def test_what_only_the_sampler_knows_is_refused_before_anything_starts(
    search: str, sentence: str
) -> None:
    config = study_of(search=search)
    with pytest.raises(StudyError) as refusal:
        rehearse(config)
    assert sentence in str(refusal.value)


def test_a_sampler_of_others_that_cannot_do_the_study_is_refused() -> None:
    pytest.importorskip("cmaes")
    with pytest.raises(StudyError, match="cannot propose for this study: If the study is being"):
        rehearse(study_of(NUMBERS, "sampler: 'optuna.samplers:CmaEsSampler'"))
