"""Modules of which trials would not end as they do alone, or be exported as another network."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from model.partition import PartitionConfig
from study.base.errors import StudyError
from study.families.point_batch import PointBatch, collate
from study.families.point_patches import PointPatches
from study.families.stacked import SingleArchitecture

if TYPE_CHECKING:
    from collections.abc import Callable


class Waves(nn.Module):
    """Fourier features of points, with frequencies that were drawn, and a part that is given."""

    noise = 1
    vmaps = True

    def __init__(self, frequencies: Tensor, part: nn.Module | None = None) -> None:
        super().__init__()
        self.register_buffer("frequencies", frequencies)
        self.mixed = nn.Linear(4, 1)
        self.part = nn.Identity() if part is None else part

    def terms(self, batch: PointBatch, _noise: Tensor) -> dict[str, Tensor]:
        return {"sum": self._sum(batch) + self.training}

    def evaluate(self, batch: PointBatch) -> tuple[Tensor, Tensor, Tensor]:
        return self._sum(batch) + self.training, batch.xyz, batch.sizes

    def encode(self, points: Tensor) -> bytes:
        raise NotImplementedError

    def decode(self, data: bytes) -> Tensor:
        raise NotImplementedError

    def _sum(self, batch: PointBatch) -> Tensor:
        mixed: Tensor = self.mixed((batch.xyz @ self.get_buffer("frequencies")).sin())
        return mixed.sum(dim=(1, 2))


def drawn() -> Waves:
    return Waves(torch.randn(3, 4))


def constant(part: nn.Module | None = None) -> Waves:
    return Waves(torch.randn(3, 4, generator=torch.Generator().manual_seed(7), device="cpu"), part)


def architecture(make: Callable[[], nn.Module]) -> SingleArchitecture:
    return SingleArchitecture(make, {"family": "waves"}, PointPatches())


def test_a_module_without_a_method_is_refused_by_its_name() -> None:
    with pytest.raises(StudyError, match="Linear lacks noise, vmaps, terms, evaluate, encode, dec"):
        architecture(lambda: nn.Linear(3, 3))


def test_a_buffer_that_is_drawn_anew_is_refused() -> None:
    with pytest.raises(StudyError, match="frequencies has another value in each module; make it"):
        architecture(drawn)


def test_selected_and_exported_modules_are_the_trained_ones(seed: int) -> None:
    found = architecture(constant)
    network = found.network(2)
    network.reset([1, 2])
    patch = np.random.default_rng(seed).uniform(-1, 1, (5, 3)).astype(np.float32)
    batch = collate([patch], "cpu")
    trained = found.evaluate(network, batch).bits
    assert found.evaluate(network.select([1, 0]), batch).bits.tolist() == trained.flip(0).tolist()
    for trial in range(2):
        module = network.module(trial)
        assert isinstance(module, Waves)
        bits, _, _ = module.evaluate(batch)
        assert bits.tolist() == pytest.approx(trained[trial].tolist(), rel=1e-5)


def test_what_codes_and_what_promises_how_are_in_one_mode() -> None:
    found = architecture(constant)
    network = found.network(1)
    batch = collate([np.zeros((5, 3), np.float32)], "cpu")
    (bits,) = found.evaluate(network, batch).bits.tolist()
    one = {"sum": torch.ones(1)}
    training = found.loss(network, batch, torch.zeros(1, 1, 1), one).total.item()
    assert training == pytest.approx(bits[0] + 1)
    coder = found.coder(network, PartitionConfig(100.0), is_ours=True)
    assert isinstance(coder.module, Waves)
    assert not coder.module.training


@pytest.mark.parametrize(
    "part",
    [
        nn.Dropout(0.5),
        nn.AlphaDropout(),
        nn.RReLU(),
        nn.BatchNorm1d(3, momentum=None),
        nn.InstanceNorm1d(3, momentum=None, track_running_stats=True),  # type: ignore[arg-type]
        nn.GRU(3, 3, num_layers=2, dropout=0.1),
        nn.MultiheadAttention(4, 2, dropout=0.1),
        nn.Sequential(nn.Linear(3, 3), nn.Dropout2d(0.1)),
    ],
)
def test_parts_that_do_something_else_in_training_are_refused(part: nn.Module) -> None:
    with pytest.raises(
        StudyError, match=r"its part 'part[.\d]*' \(\w+\) does not; take another norm"
    ):
        architecture(lambda: constant(part))


@pytest.mark.parametrize(
    "part",
    [
        nn.Dropout(0.0),
        nn.BatchNorm1d(3),
        nn.BatchNorm1d(3, track_running_stats=False),
        nn.InstanceNorm1d(3),
        nn.InstanceNorm1d(3, track_running_stats=True),
        nn.LayerNorm(3),
        nn.GRU(3, 3),
        nn.TransformerEncoderLayer(4, 2, 4, dropout=0.0),
    ],
)
def test_parts_that_do_the_same_are_not(part: nn.Module) -> None:
    architecture(lambda: constant(part))


def test_a_module_that_asks_a_tensor_for_its_value_is_refused_before_it_trains() -> None:
    def asks() -> Waves:
        return Waves(torch.full((3, 4), torch.linspace(0, 1, 3)[1].item()))

    with pytest.raises(StudyError, match=r"under torch.device\('meta'\) too, .* it is not \("):
        architecture(asks)
