"""What is kept of a trial besides what gradients move: running statistics, and frozen parts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from safetensors.torch import load, save
from torch import Tensor, nn

from model.errors import CodecError
from model.folder_files import WEIGHTS
from model.partition import PartitionConfig
from study.config.section import Section
from study.config.training import TrainingSection
from study.families.patchwise_folder import load_patchwise
from study.families.point_batch import PointBatch, collate
from study.families.point_patches import PointPatches
from study.families.stacked import SingleArchitecture, Stacked
from study.training.members import Member
from study.training.population import Population, fresh_states

if TYPE_CHECKING:
    from pathlib import Path

STEPS, RATE = 6, 1e-2
CUTTING = PartitionConfig(100.0)
RUNNING = ("layers/1/running_mean", "layers/1/running_var")


class Weights(Section):
    """Of the only term."""

    error: float = 1.0


class Normed(nn.Module):
    """Layers with running statistics, a parameter that follows from others, and a table of it."""

    noise = 1

    def __init__(self, *, vmaps: bool) -> None:
        super().__init__()
        self.vmaps = vmaps
        self.layers = nn.Sequential(nn.Linear(3, 4, bias=False), nn.BatchNorm1d(4), nn.Linear(4, 3))
        self.total = nn.Parameter(torch.zeros(1), requires_grad=False)
        self.table: Tensor
        self.register_buffer("table", torch.empty(0, dtype=torch.int32))

    def terms(self, batch: PointBatch, noise: Tensor) -> dict[str, Tensor]:
        return {"error": (self._made(batch.xyz) - 1).square().mean(dim=(1, 2)) + noise[:, 0]}

    def evaluate(self, batch: PointBatch) -> tuple[Tensor, Tensor, Tensor]:
        return self.total.expand(len(batch.xyz)), self._made(batch.xyz), batch.sizes

    def freeze(self) -> None:
        with torch.no_grad():
            self.total.copy_(self.layers[0].get_parameter("weight").square().sum())
        self.table = torch.arange(1 + int(self.total * 10), dtype=torch.int32)

    def encode(self, points: Tensor) -> bytes:
        return points.numpy().tobytes()

    def decode(self, data: bytes) -> Tensor:
        points = torch.frombuffer(bytearray(data), dtype=torch.float32).view(1, -1, 3)
        return self._made(points)[0] * len(self.table)

    def _made(self, xyz: Tensor) -> Tensor:
        made: Tensor = self.layers(xyz.flatten(0, 1))
        return made.view_as(xyz)


def architecture_of(*, vmaps: bool) -> SingleArchitecture:
    return SingleArchitecture(lambda: Normed(vmaps=vmaps), {"family": "normed"}, PointPatches())


def members(count: int) -> list[Member]:
    training = TrainingSection(learning_rate=RATE)
    return [Member(trial, 10 + trial, Weights(), training) for trial in range(count)]


def batches(seed: int) -> list[PointBatch]:
    rng = np.random.default_rng(seed)
    drawn = rng.normal(size=(STEPS, 2, 20, 3)).astype(np.float32)
    return [collate(list(patches), "cpu") for patches in drawn]


def network_of(population: Population) -> Stacked:
    assert isinstance(population.network, Stacked)
    return population.network


def trained(population: Population, seed: int) -> Population:
    population.begin_epoch(0)
    population.draw_noise([(2, 1)] * STEPS)
    for batch in batches(seed):
        population.step(batch)
    return population


@pytest.mark.parametrize("vmaps", [True, False])
def test_running_statistics_are_those_of_a_module_that_pytorch_trains(
    seed: int, *, vmaps: bool
) -> None:
    architecture = architecture_of(vmaps=vmaps)
    states = fresh_states(architecture, members(2), "cpu")
    population = Population(architecture, states, "cpu")
    alone: list[Any] = [network_of(population).module(trial).train() for trial in range(2)]
    trained(population, seed)
    for trial, module in enumerate(alone):
        learning = [each for each in module.parameters() if each.requires_grad]
        adam = torch.optim.Adam(learning, lr=RATE)
        for batch in batches(seed):
            adam.zero_grad()
            module.terms(batch, torch.zeros(2, 1))["error"].mean().backward()
            adam.step()
        for name in ("running_mean", "running_var", "weight"):
            ours = network_of(population).get_parameter(f"layers/1/{name}")[trial]
            theirs = getattr(module.layers[1], name).detach()
            torch.testing.assert_close(ours.detach(), theirs, rtol=1e-4, atol=1e-5)
    moved = network_of(population).get_parameter(RUNNING[0])
    assert not torch.equal(moved[0], moved[1])


def test_a_step_that_is_not_taken_moves_no_statistics(seed: int) -> None:
    """Where memory runs out a step is taken anew, by half of the members."""
    architecture = architecture_of(vmaps=True)
    network = architecture.network(2)
    network.reset([1, 2])
    before = {name: network.get_parameter(name).clone() for name in RUNNING}
    loss = architecture.loss(
        network, batches(seed)[0], torch.zeros(2, 2, 1), {"error": torch.ones(2)}
    )
    assert set(loss.running) == set(RUNNING)
    for name in RUNNING:
        assert torch.equal(network.get_parameter(name), before[name])
        assert not torch.equal(loss.running[name], before[name])


def test_statistics_go_where_their_member_goes(seed: int) -> None:
    architecture = architecture_of(vmaps=True)
    states = fresh_states(architecture, members(2), "cpu")
    together = trained(Population(architecture, states, "cpu"), seed)
    (_, second) = together.states()
    again = Population(architecture, [second], "cpu")
    for name in RUNNING:
        ours, theirs = (network_of(each).get_parameter(name) for each in (again, together))
        assert torch.equal(ours[0], theirs[1])
    first, last = together.halves()
    assert first.members + last.members == together.members
    selected = network_of(together).select([1])
    assert torch.equal(
        selected.get_parameter(RUNNING[0])[0], network_of(again).get_parameter(RUNNING[0])[0]
    )


def test_freezing_sets_what_follows_and_is_what_codes(seed: int, tmp_path: Path) -> None:
    architecture = architecture_of(vmaps=False)
    states = fresh_states(architecture, members(2), "cpu")
    network = network_of(trained(Population(architecture, states, "cpu"), seed)).select([1])
    assert network.get_parameter("total").tolist() == [[0.0]]
    before = network.get_parameter("layers/0/weight").detach().clone()
    codec = architecture.coder(network, CUTTING, is_ours=True)
    (total,) = network.get_parameter("total").flatten().tolist()
    assert total == pytest.approx(before.square().sum().item())
    assert torch.equal(network.get_parameter("layers/0/weight"), before)
    (bits,) = architecture.evaluate(network, batches(seed)[0]).bits.tolist()
    assert bits == [total, total]
    codec.save(tmp_path / "codec", {})
    saved: Any = load_patchwise(tmp_path / "codec", codec.identity, Normed(vmaps=False)).codec
    assert torch.equal(saved.module.table, torch.arange(1 + int(total * 10)))
    assert saved.module.table.dtype is torch.int32
    points = np.random.default_rng(seed).uniform(-1, 1, (300, 3))
    file = codec.compress(points)
    np.testing.assert_array_equal(saved.decompress(file).points, codec.decompress(file).points)


@pytest.mark.parametrize("name", ["table", "layers.1.running_var"])
def test_what_is_kept_is_part_of_a_codecs_id(name: str, tmp_path: Path) -> None:
    architecture = architecture_of(vmaps=True)
    network = architecture.network(1)
    network.reset([3])
    codec = architecture.coder(network, CUTTING, is_ours=True)
    codec.save(tmp_path / "codec", {})
    weights = load((tmp_path / "codec" / WEIGHTS).read_bytes())
    weights[name] = weights[name] + 1
    (tmp_path / "codec" / WEIGHTS).write_bytes(save(weights))
    with pytest.raises(CodecError, match="a file was changed or exchanged"):
        load_patchwise(tmp_path / "codec", codec.identity, Normed(vmaps=True))
