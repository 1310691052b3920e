"""The adversarial term: two players, one optimiser, and nothing of the critic in a codec."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch

from losses import sliced_wasserstein2
from model.critic import Critic
from model.points import Points
from study.base.records import Fault
from study.families.dpcc.adversarial import ADVERSARIAL, CodecAndCritic, play
from study.families.dpcc.architecture import DpccArchitecture
from study.training.checkpoint import FILE_NAME, read_checkpoint, read_codec
from study.training.codec_files import codec_file
from study.training.flat import Layout
from study.training.population import fresh_states
from tests.rounding import distance
from tests.study.tiny import LOSS, MODEL, member, tiny_data_set, train, training_of, without_clocks
from tests.study.training.alone import assert_same, bound, trained_alone
from tests.study.training.test_memory import Scarce

if TYPE_CHECKING:
    from pathlib import Path

    from study.data import DataSet
    from study.training.training import Member, Training

pytestmark = pytest.mark.timeout(400)  # A bound is measured by more trainings.

WEIGHT = 0.05
EPOCHS = 2


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> DataSet:
    return tiny_data_set(tmp_path_factory.getbasetemp() / "tiny")


def playing(trial: int, weight: float = WEIGHT, **settings: float) -> Member:
    training = member().training.model_copy(
        update={"patches_per_step": 1, "epochs": EPOCHS, **settings}
    )
    loss = LOSS.model_copy(update={"adversarial_coe": weight})
    return member(trial, seed=trial, loss=loss, training=training)


MIXED = [playing(0), playing(1, 0.0), playing(2, 0.2, critic_learning_rate=3e-3), playing(3, 0.0)]


def rows(training: Training) -> dict[int, torch.Tensor]:
    """All parameters of who is living, a critic's included."""
    return {state.member.trial: state.parameters for state in training._cohort.states()}


def test_each_player_learns_from_its_own_loss_alone(seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    critic = Critic(2)
    critic.reset([seed, seed + 1])
    xyz = torch.randn((2, 1, 30, 3), generator=generator).requires_grad_()
    decoded = Points(xyz, torch.tensor([[30], [20]]))
    true = Points(torch.randn((1, 1, 25, 3), generator=generator), torch.tensor([[25]]))
    disbelieved, wrong = play(critic, decoded, true)
    for loss, moves_points in ((disbelieved, True), (wrong, False)):
        inputs = [xyz, *critic.parameters()]
        points, *of_critic = torch.autograd.grad(
            loss.sum(), inputs, allow_unused=True, retain_graph=True
        )
        assert (points is not None) == moves_points
        assert all((each is None) == moves_points for each in of_critic)
    (slope,) = torch.autograd.grad(disbelieved.sum(), xyz)
    assert (slope[~decoded.valid] == 0).all()


def test_a_critic_alone_pulls_points_onto_a_ring() -> None:
    """A heap of free points, no other loss; the critic sees what Wasserstein distances see."""
    generator = torch.Generator().manual_seed(1)
    angle = 2 * torch.pi * torch.rand(128, generator=generator)
    ring = torch.stack([angle.cos(), angle.sin(), torch.zeros(128)], dim=1)[None, None]
    true = Points(0.7 * ring, torch.tensor([[128]]))
    xyz = (0.2 * torch.randn((1, 1, 128, 3), generator=generator)).requires_grad_()
    critic = Critic()
    critic.reset([3])
    parameters: list[torch.Tensor] = [xyz, *critic.parameters()]
    groups: list[dict[str, Any]] = [{"params": [xyz], "lr": 5e-3}, {"params": parameters[1:]}]
    adam = torch.optim.Adam(groups, lr=1e-3)
    far = sliced_wasserstein2(Points(xyz, true.sizes), true).item()
    for _ in range(300):
        losses = play(critic, Points(xyz, true.sizes), true)
        gradients = torch.autograd.grad([each.sum() for each in losses], parameters)
        for parameter, gradient in zip(parameters, gradients, strict=True):
            parameter.grad = gradient
        adam.step()
    assert sliced_wasserstein2(Points(xyz, true.sizes), true).item() < 0.2 * far


def test_the_codec_comes_first_in_a_row_and_begins_as_without_a_critic() -> None:
    architecture = DpccArchitecture(MODEL)
    with_critic, without = fresh_states(architecture, [playing(0), playing(0, 0.0)], "cpu")
    count = len(without.parameters)
    critics = sum(parameter.numel() for parameter in Critic().parameters())
    assert len(with_critic.parameters) == count + critics
    assert with_critic.parameters[:count].equal(without.parameters)
    playing_one = architecture.in_training(playing(0).loss)
    assert Layout(playing_one.network(2), playing_one).rates[-1] == critics
    assert architecture.in_training(LOSS) == architecture
    assert playing_one.identity == architecture.identity


def test_its_weight_is_counted_and_a_critic_that_is_wrong_is_not(data: DataSet) -> None:
    (epoch,) = without_clocks(training_of(data, playing(0)).run_epoch()).values()
    assert epoch["weighted_adversarial"] == pytest.approx(WEIGHT * epoch["term_adversarial"])
    weighted = [value for key, value in epoch.items() if key.startswith("weighted_")]
    assert epoch["loss"] == pytest.approx(sum(weighted))
    (epoch,) = without_clocks(training_of(data, playing(0, 0.0)).run_epoch()).values()
    assert f"term_{ADVERSARIAL}" not in epoch


def test_those_with_and_without_train_side_by_side_and_end_as_alone(
    data: DataSet, seed: int
) -> None:
    """Who has no critic keeps its bits; a critic's means over points round otherwise in company."""
    together = training_of(data, *MIXED)
    assert together.living == (0, 1, 2, 3)
    told = together.run_epoch()
    assert [told[trial].metrics["population"] for trial in range(4)] == [2, 2, 2, 2]
    for one in MIXED:
        ours, theirs = together.parameters(one.trial), trained_alone(data, one, 1)
        if one.loss.adversarial_coe:
            assert distance(ours, theirs) <= bound(data, one, 1, np.random.default_rng(seed)), one
        else:
            assert_same(ours, theirs, data, one, 1, seed)


def test_a_critic_trains_as_alone_at_its_own_rate(data: DataSet) -> None:
    def critic(of: int, *members: Member) -> torch.Tensor:
        training = training_of(data, *members)
        training._cohort.train(training._feed, training._feed.plan(0), 0)
        own = sum(parameter.numel() for parameter in Critic().parameters())
        return rows(training)[of][-own:]

    slower = replace(MIXED[2], training=MIXED[0].training)
    ours, alone, slow = critic(2, *MIXED), critic(2, MIXED[2]), critic(2, slower)
    assert (ours - alone).norm() < 0.01 * (ours - slow).norm()


def test_codecs_hold_no_critic(data: DataSet, tmp_path: Path) -> None:
    training = training_of(data, *MIXED)
    plain = training_of(data, MIXED[1])
    for each, folder in ((training, "mixed"), (plain, "plain")):
        train(each)
        each.write_codecs(tmp_path / folder)
    ours, theirs = (
        read_codec(codec_file(tmp_path / folder, trial, EPOCHS)).parameters
        for folder, trial in (("mixed", 0), ("plain", 1))
    )
    assert {name: value.shape for name, value in ours.items()} == {
        name: value.shape for name, value in theirs.items()
    }
    for name, value in training.parameters(0).items():
        assert value.equal(ours[name])
    measured = training.measure(0)
    assert measured.failure is None
    assert measured.metrics["bpp"] > 0


def test_a_cohort_goes_on_with_its_critics_to_the_bit(data: DataSet, tmp_path: Path) -> None:
    """Parameters of both players, and what Adam knows of them."""
    training = training_of(data, *MIXED)
    training.run_epoch()
    training.save(tmp_path)
    living = read_checkpoint(tmp_path)["living"]
    lengths = {trial: len(living[trial]["square"]) for trial in living}
    assert lengths[0] == lengths[2] > lengths[1] == lengths[3]
    assert living[0]["square"][lengths[1] :].any()
    resumed = training_of(data, MIXED[1])
    resumed.load(tmp_path)
    for each in (training, resumed):
        each._cohort.train(each._feed, each._feed.plan(1), 1)
    ours, theirs = rows(training), rows(resumed)
    assert ours.keys() == theirs.keys() == {0, 1, 2, 3}
    assert all(row.equal(theirs[trial]) for trial, row in ours.items())


def test_one_with_a_critic_joins_those_without(data: DataSet, seed: int) -> None:
    late = replace(playing(9), order_from=1)
    training = training_of(data, playing(1, 0.0))
    training.run_epoch()
    training.join([late])
    assert training.living == (1, 9)
    train(training)
    ours, theirs = training.parameters(9), trained_alone(data, late, EPOCHS)
    assert distance(ours, theirs) <= bound(data, late, EPOCHS, np.random.default_rng(seed))


def test_a_critic_that_is_no_number_ends_its_trial_alone(data: DataSet, seed: int) -> None:
    members = [playing(0), playing(1), playing(2, 0.0)]
    training = training_of(data, *members)
    states = training._cohort.states()
    broken = next(state for state in states if state.member.trial == 0)
    broken.parameters[-1] = torch.nan
    training._cohort.put_together(states)
    results = training.run_epoch()
    failure = results[0].failure
    assert failure is not None
    assert failure.fault is Fault.DIVERGED
    assert (results[1].failure, results[2].failure) == (None, None)
    assert training.living == (1, 2)
    found = distance(training.parameters(1), trained_alone(data, members[1], 1))
    assert found <= bound(data, members[1], 1, np.random.default_rng(seed))


@pytest.mark.parametrize("where", ["step", "optimiser"])
def test_where_memory_runs_out_critics_are_divided_with_their_codecs(
    data: DataSet, monkeypatch: pytest.MonkeyPatch, where: str, seed: int
) -> None:
    members = [playing(trial) for trial in range(3)]
    undivided = training_of(data, *members)
    train(undivided)
    scarce = Scarce(monkeypatch, 1, after=2, where=where)
    training = training_of(data, *members)
    train(training)
    assert scarce.sizes == [3, 3, *[1, 1, 1] * 10]
    for one in members:
        found = distance(training.parameters(one.trial), undivided.parameters(one.trial))
        within = bound(data, one, EPOCHS, np.random.default_rng([seed, one.trial]))
        assert found <= within, one


KILLED = """
import sys
from pathlib import Path
import torch
torch.set_num_threads(1)
import tests.study.families.test_adversarial as here
from study.data import open_data_set
training = here.training_of(
    open_data_set(Path(sys.argv[1]), here.DpccArchitecture(here.MODEL).form),
    *[here.playing(trial, weight, epochs=10**6) for trial, weight in ((0, 0.05), (1, 0.0))],
)
while True:
    training.run_epoch()
    training.save(Path(sys.argv[2]))
"""


def test_a_killed_training_goes_on_with_its_critic(data: DataSet, tmp_path: Path) -> None:
    """A process that saves each epoch is killed in a later one; it is as if it had not been."""
    words = [sys.executable, "-c", KILLED, str(data.folder), str(tmp_path)]
    process = subprocess.Popen(words, env=os.environ | {"OMP_NUM_THREADS": "1"})
    deadline = time.monotonic() + 100
    while not (tmp_path / FILE_NAME).exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    time.sleep(0.3)
    process.send_signal(signal.SIGKILL)
    process.wait()
    members = [playing(trial, weight, epochs=10**6) for trial, weight in ((0, 0.05), (1, 0.0))]
    resumed, whole = (training_of(data, *members) for _ in range(2))
    resumed.load(tmp_path)
    assert resumed.clock >= 1
    resumed.run_epoch()
    train(whole, epochs=resumed.clock)
    assert all(row.equal(rows(whole)[trial]) for trial, row in rows(resumed).items())


def test_what_is_selected_to_be_evaluated_is_codecs() -> None:
    network = CodecAndCritic(MODEL, 3)
    network.reset([1, 2, 3])
    chosen = dict(network.select([2]).named_parameters())
    own = dict(network.codec.named_parameters())
    assert chosen.keys() == own.keys()
    name = "encoder.embed.hidden.linear.weight"
    assert chosen[name][0].equal(own[name][2])
    again = CodecAndCritic(MODEL, 3)
    again.restore(dict(network.named_parameters()))
    for ours, theirs in zip(network.parameters(), again.parameters(), strict=True):
        assert ours.equal(theirs)
