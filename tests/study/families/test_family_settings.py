"""What a study file says of a family: its keys, its space, and sentences where it is none."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest
from rich.console import Console

from study.base.errors import StudyError
from study.commands.explain import explain
from study.search.space import baseline, is_published
from study.storage.study_file import parse_study
from tests.study.families.documented import block

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from study.config import StudyConfig

OBJECTIVE = "objectives: [{metric: bpp, direction: minimize, reference: 3.0}]"


MORE = """

class Half:
    name = 'half'


class Rates(Tiny):
    def default_space(self):
        return {"training.learning_rate": Range(low=1e-4, high=1.0, log=True)}


class Unmade(SingleFamily):
    name = "unmade"
    model, loss, training = Model, Loss, Training

    def default_space(self):
        return {}


class Asking(Tiny):
    def __init__(self, size):
        self.size = size
"""
"""Families beside the page's."""


@pytest.fixture(scope="module", autouse=True)
def _mine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    folder: Path = tmp_path_factory.mktemp("mine")
    (folder / "ours.py").write_text(block("python") + MORE)
    sys.path.insert(0, str(folder))
    yield
    sys.path.remove(str(folder))


def study(more: str = "", family: str = "family: ours:Tiny") -> StudyConfig:
    text = f"name: x\n{family}\nsearch: {{trials: 1}}\n{OBJECTIVE}\n{more}\n"
    return parse_study(text, origin="x")


def refusal(more: str = "", family: str = "family: ours:Tiny") -> str:
    with pytest.raises(StudyError) as refused:
        study(more, family)
    return str(refused.value)


def test_a_study_file_without_a_family_means_dpcc() -> None:
    assert study(family="") == study(family="family: dpcc")
    assert study(family="").family == "dpcc"
    assert study(family="").loss.bpp_lambda == 1e-4


def test_a_family_decides_the_keys_their_defaults_and_the_space() -> None:
    config = study("model: {numbers: 8}\ntraining: {epochs: 7}")
    assert (config.model.numbers, config.model.points) == (8, 128)
    assert (config.training.epochs, config.training.patches_per_step) == (7, 4)
    assert list(config.search.space) == ["loss.rate"]


@pytest.mark.parametrize(
    ("more", "sentence"),
    [
        ("model: {number: 8}", "unknown key 'model.number'; did you mean 'numbers'?"),
        ("model: {dim: 8}", "unknown key 'model.dim'; valid: numbers, points, width"),
        ("loss: {rates: 1.0}", "unknown key 'loss.rates'; did you mean 'rate'?"),
        ("training: {epoch: 1}", "unknown key 'training.epoch'; did you mean 'epochs'?"),
        ("training: {bottleneck_learning_rate: 1.0}", "unknown key 'training.bottleneck"),
        ("model: {numbers: 0}", "'model.numbers'"),
        ("model: 3", "'model'"),
        ("loss:", "'loss' is empty"),
    ],
)
def test_unknown_keys_get_the_familys_nearest(more: str, sentence: str) -> None:
    assert sentence in refusal(more)


def test_the_space_is_checked_against_the_familys_settings() -> None:
    text = (
        "name: x\nfamily: ours:Tiny\n"
        f"search: {{trials: 1, space: {{loss.rat: {{low: 1, high: 2}}}}}}\n{OBJECTIVE}"
    )
    with pytest.raises(StudyError, match=r"no setting 'loss\.rat'; did you mean 'loss\.rate'\?"):
        parse_study(text, origin="x")


@pytest.mark.parametrize(
    ("family", "sentence"),
    [
        ("dpc", "there is no family 'dpc'; did you mean 'dpcc'?"),
        ("nowhere:Tiny", "nowhere:Tiny cannot be imported: No module named 'nowhere'"),
        ("ours:Tinny", "ours:Tinny cannot be imported"),
        ("ours:unsigned", "ours:unsigned must be a class"),
        ("ours:Half", "ours:Half must have all that a family has, and lacks model, loss"),
        ("ours:Unmade", "ours:Unmade must have all that a family has, and lacks module; see"),
        ("ours:Asking", "ours:Asking must be made without arguments, and is not (Asking.__init__"),
        ("..ours:Tiny", "..ours:Tiny cannot be imported"),
        ("3", "'family'"),
    ],
)
def test_what_is_no_family_is_a_sentence(family: str, sentence: str) -> None:
    found = refusal(family=f"family: {family}")
    assert sentence in found
    assert "quotes" not in found
    assert found.count("\n") == 0, "what depends on it is not refused too"


@pytest.mark.parametrize(
    ("more", "marked"),
    [
        ("", [True]),
        ("model: {width: 8}", [True]),
        ("training: {learning_rate: 0.5}", [False]),
        ("loss: {distortion: 2.0}", [False]),
    ],
)
def test_a_trial_is_published_with_all_that_the_default_space_names(
    more: str, marked: list[bool]
) -> None:
    """Searched or not: this study searches something else."""
    search = "search: {trials: 1, space: {model.numbers: {choices: [16, 8]}}}"
    text = f"name: x\nfamily: ours:Rates\n{search}\n{OBJECTIVE}\n{more}"
    config = parse_study(text, origin="x")
    assert [is_published(config, baseline(config))] == marked


def test_another_value_of_what_is_searched_is_not_published() -> None:
    config = study(family="family: ours:Rates")
    (first,) = baseline(config).items()
    assert is_published(config, dict([first]))
    assert not is_published(config, {"training.learning_rate": 0.5})


def test_explain_tells_a_familys_keys() -> None:
    console = Console(width=200, record=True, quiet=False, file=None)
    with console.capture() as shown:
        explain(None, console, family="ours:Tiny")
    told = shown.get()
    assert "whole numbers that a patch becomes" in told
    assert "What the autoencoder looks like." in told
    assert "loss.rate" in told
    assert "chamfer_coe" not in told
