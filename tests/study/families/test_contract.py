"""What every family must keep to, asked of all that there are."""

from __future__ import annotations

import re
import sys
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch

from benchmarks import no_ops
from model.codec_folder import save_codec
from study.base.errors import StudyError
from study.config.family import lacks, published
from study.config.of_family import kinds
from study.families.family import Family
from study.metrics.measurement import code
from study.search.space import apply, baseline
from study.search.space_checks import searchable
from study.training.members import member_of
from study.training.training import Training
from tests.rounding import DISTURBANCES, TIMES, distance, moved_by_a_bit
from tests.study.families.cases import FAMILIES, TRAINED, Case, case_of
from tests.study.families.documented import block

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from torch import Tensor

    from study.config import TrialConfig

pytestmark = pytest.mark.timeout(300)

IDLE = (
    r"ancestor\.logits\.bias|weigh\.output\.bias|decoder\.stages\.2\.refine\.features|g_a/\d+/bias"
)
"""Biases before a softmax or a batch norm, which change nothing, and features that nobody reads."""


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    root = tmp_path_factory.mktemp("families")
    (root / "mine.py").write_text(block("python"))
    (root / "looping.py").write_text(block("python").replace("vmaps = True", "vmaps = False"))
    sys.path.insert(0, str(root))
    yield root
    sys.path.remove(str(root))


@pytest.fixture(params=FAMILIES)
def case(request: pytest.FixtureRequest, root: Path, monkeypatch: pytest.MonkeyPatch) -> Case:
    monkeypatch.setattr(no_ops, "EPOCH_S", 0.0)
    return case_of(request.param, root)


@pytest.fixture(params=TRAINED)
def trained(request: pytest.FixtureRequest, root: Path) -> Case:
    return case_of(request.param, root)


def lasting(metrics: Mapping[str, float]) -> dict[str, float]:
    """Without what the clock and the company say."""
    names = [n for n in metrics if not n.endswith("_s") and not n.startswith("clock")]
    return {name: metrics[name] for name in names if name != "population"}


def test_it_has_every_member(case: Case) -> None:
    assert lacks(type(case.family), Family) == []


def test_its_space_is_of_its_own_settings_and_holds_what_is_published(case: Case) -> None:
    space = case.family.default_space()
    assert space
    assert set(space) <= set(searchable(case.config.family))
    assert case.config.search.space == space
    assert baseline(case.config).items() >= published(case.family).items()


def test_its_sections_have_defaults_that_a_study_may_write_out(case: Case) -> None:
    for name, section in kinds(case.config.family).items():
        assert isinstance(getattr(case.config, name), section)
    again = type(case.config).model_validate_json(case.config.model_dump_json())
    assert again == case.config


def test_a_cohort_goes_on_as_it_was_saved(case: Case, tmp_path: Path) -> None:
    """After the first epoch, and after the last, when all wait to be measured."""
    cohort = case.cohort(*case.trials())
    work = case.family.work(cohort, "cpu")
    assert list(work.living) == [0, 1]
    while work.living:
        work.run_epoch()
        work.save(tmp_path)
        resumed = case.family.work(cohort, "cpu")
        resumed.load(tmp_path)
        assert (resumed.living, resumed.finished) == (work.living, work.finished)
        waiting = (*work.living, *work.finished)
        assert [resumed.epochs_done(n) for n in waiting] == [work.epochs_done(n) for n in waiting]
        if work.living:
            ours, theirs = resumed.run_epoch(), work.run_epoch()
            assert [lasting(ours[n].metrics) for n in ours] == [
                lasting(theirs[n].metrics) for n in theirs
            ]
    assert set(work.write_codecs(tmp_path / "codecs")) == {0, 1}
    for trial in (0, 1):
        measured = work.measure(trial)
        assert measured.failure is None
        assert measured.metrics.keys() >= {"bpp", "d1_psnr_db"}
    assert not work.finished


def test_company_says_nothing_of_a_trial(case: Case) -> None:
    """Metrics agree but for rounding, which `test_a_member_ends_as_it_does_alone` bounds."""
    first, second = case.trials()
    together = case.family.work(case.cohort(first, second), "cpu").run_epoch()
    for trial in (first, second):
        alone = case.family.work(case.cohort(trial), "cpu").run_epoch()[trial.trial]
        assert alone.failure is None
        assert lasting(alone.metrics) == pytest.approx(
            lasting(together[trial.trial].metrics), rel=0.05
        )


def test_members_may_join_and_leave(case: Case) -> None:
    first, second = case.trials()
    work = case.family.work(case.cohort(first), "cpu")
    work.join([member_of(second)])
    assert list(work.living) == [0, 1]
    work.leave([0])
    assert list(work.living) == [1]
    assert set(work.run_epoch()) == {1}


def test_its_networks_are_there_or_a_sentence_says_why_not(case: Case) -> None:
    if case.config.family in TRAINED:
        assert case.architecture.network(2).trials == 2
    else:
        with pytest.raises(StudyError, match="are no networks"):
            case.family.architecture(case.config.model)


def training_of(case: Case, *trials: TrialConfig, moved_by: int | None = None) -> Training:
    """Trained to the end, if asked for with one weight moved by a bit at the start."""
    training = Training(
        architecture=case.architecture,
        members=[member_of(trial) for trial in trials],
        data=case.data,
        order_seed=0,
        device="cpu",
    )
    if moved_by is not None:
        states = training._cohort.states()
        rng = np.random.default_rng(moved_by)
        moved = [replace(s, parameters=moved_by_a_bit(s.parameters, rng)) for s in states]
        training._cohort.put_together(moved)
    while training.living:
        training.run_epoch()
    return training


def test_its_steps_can_be_timed(trained: Case) -> None:
    (trial, _) = trained.trials()
    step_s = trained.family.stopwatch(trial, "cpu")
    assert all((step_s(size) or 0.0) > 0 for size in (1, 2))


def test_a_gradient_reaches_every_parameter(trained: Case) -> None:
    """From some batch: a ReLU may sleep in one. Of second players too: every term has a weight."""
    data, loss = trained.data, trained.config.loss
    of_all = loss.model_copy(update=dict.fromkeys(type(loss).model_fields, 1.0))
    architecture = trained.architecture.in_training(of_all)
    network: Any = architecture.network(2)
    network.reset([1, 2])
    weights = {name: torch.ones(2) for name in architecture.weights(of_all)}
    patches = data.split("train")
    reached: dict[str, Tensor] = {}
    for number in range(len(patches)):
        batch = architecture.collate([patches[number].contents], "cpu")
        noise = torch.rand(2, *architecture.noise_shape([int(patches.point_counts[number])])) - 0.5
        loss = architecture.loss(network, batch, noise, weights)
        objective = loss.total.sum()
        objective = objective if loss.auxiliary is None else objective + loss.auxiliary
        learning = {n: each for n, each in network.named_parameters() if each.requires_grad}
        found = torch.autograd.grad(
            objective, list(learning.values()), allow_unused=True, materialize_grads=True
        )
        for name, gradient in zip(learning, found, strict=True):
            per_trial = gradient.reshape(2, -1).abs().sum(dim=1)
            reached[name] = reached.get(name, torch.zeros(2)) + per_trial
    without = {name for name, total in reached.items() if not bool((total > 0).all())}
    assert {name for name in without if not re.search(IDLE, name)} == set()


def test_a_member_ends_as_it_does_alone(trained: Case, seed: int) -> None:
    """Within some times of what moving one weight by a bit does: see `tests.rounding`."""
    first, second = trained.trials()
    together = training_of(trained, first, second)
    for trial in (first, second):
        alone = training_of(trained, trial).parameters(trial.trial)
        disturbed = [
            training_of(trained, trial, moved_by=seed + each).parameters(trial.trial)
            for each in range(DISTURBANCES)
        ]
        bound = TIMES * max(distance(other, alone) for other in disturbed)
        assert distance(together.parameters(trial.trial), alone) <= bound


def test_a_file_decodes_to_what_evaluation_promises(trained: Case) -> None:
    """The same points, and as many bytes: a file ends with the word that holds its last bit."""
    (trial, _) = trained.trials()
    training = training_of(trained, trial)
    measured = training.measure(trial.trial).metrics
    assert all(measured[n] > 0 for n in ("points_ratio", "parameters", "encode_mac_per_point"))
    if not trained.architecture.is_exact:
        assert measured["bpp"] == pytest.approx(measured["bpp_estimated"], rel=0.2)
        return
    assert measured["bpp"] == pytest.approx(measured["bpp_estimated"], abs=40 / 150)
    network = trained.architecture.network(1)
    again = training_of(trained, trial)
    network.restore(again.parameters(trial.trial))
    data = trained.data
    coder = trained.architecture.coder(network, data.manifest.recipe.partition(), is_ours=True)
    (cloud,) = data.clouds("validation")
    coded = code(coder, cloud)
    assert code(coder, cloud).decoded.points.tolist() == coded.decoded.points.tolist()
    patches = data.split("validation")
    batch = trained.architecture.collate([patches[0].contents], "cpu")
    with torch.no_grad():
        found = trained.architecture.evaluate(network, batch)
    size = int(found.sizes[0, 0])
    scaled = found.xyz[0, 0, :size].double().numpy().clip(-1, 1)
    expected = cloud.placement.to_original(scaled * patches[0].half_width + patches[0].centre)
    within = 1e-4 * float(np.ptp(cloud.points))
    np.testing.assert_allclose(coded.decoded.points[:size], expected, atol=within)


def test_a_saved_codec_codes_as_before(trained: Case, tmp_path: Path) -> None:
    network = trained.architecture.network(1)
    network.reset([3])
    data = trained.data
    coder = trained.architecture.coder(network, data.manifest.recipe.partition(), is_ours=True)
    save_codec(coder, tmp_path / "codec", {"from": "a test"})
    saved = trained.family.open_codec(tmp_path / "codec")
    assert saved.about == {"from": "a test"}
    (cloud,) = data.clouds("validation")
    file = coder.compress(cloud.points)
    assert saved.codec.compress(cloud.points) == file
    ours, theirs = coder.decompress(file), saved.codec.decompress(file)
    np.testing.assert_array_equal(ours.points, theirs.points)


@pytest.mark.parametrize("trained", TRAINED[1:], indirect=True)
def test_every_weight_of_the_loss_moves_the_training(trained: Case) -> None:
    """D-PCC's do: `tests/study/training/test_training_knobs.py`."""
    (trial, _) = trained.trials()
    before = training_of(trained, trial).parameters(0)
    for name, value in trial.loss:
        changed = apply(trained.config, {f"loss.{name}": 3 * value}).loss
        one = trial.model_copy(update={"loss": changed})
        assert distance(training_of(trained, one).parameters(0), before) > 0, name
