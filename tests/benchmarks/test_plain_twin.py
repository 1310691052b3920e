"""The plain twin is the published network: only then is being faster than it worth anything."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch

from benchmarks.patches import patch_of_an_object
from benchmarks.plain_loss import plain_loss
from benchmarks.plain_twin import PlainTwin
from losses import weighted_sum
from model.codec import Codec
from model.config import ModelConfig
from model.hierarchy import build_hierarchy
from model.patches import collate
from model.points import nearest_by_brute_force
from model.published import load_published, to_published
from study.config import LossWeights
from study.objective import loss_terms, stacked_weights

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor

GOLDEN = Path(__file__).parent.parent / "golden" / "default"
CONFIG = ModelConfig()


def twin_with(state: dict[str, Tensor]) -> PlainTwin:
    twin = PlainTwin(CONFIG).eval()
    twin.load(state)
    return twin


def loss_of_twin(twin: PlainTwin, xyz: NDArray[np.float32]) -> Tensor:
    points = torch.from_numpy(xyz)
    levels = twin.geometry(points)
    return plain_loss(twin(points, levels), points, levels, LossWeights(), CONFIG.k)


def loss_of_codec(codec: Codec, xyz: NDArray[np.float32]) -> Tensor:
    patches = collate([build_hierarchy(xyz, CONFIG.downsample_rate, CONFIG.k)])
    # Trees and distance matrices break ties differently, and collapsed latents make ties.
    terms = loss_terms(codec(patches), patches, CONFIG.k, nearest_by_brute_force)
    return weighted_sum(terms, stacked_weights([LossWeights()], "cpu")).total.squeeze()


@pytest.fixture(scope="module")
def published() -> dict[str, Tensor]:
    state: dict[str, Tensor] = torch.load(GOLDEN / "ckpt-best.pth", weights_only=True)
    return state


@pytest.mark.parametrize("points", [512, 1024, 1500])
def test_twin_reproduces_the_recorded_loss(published: dict[str, Tensor], points: int) -> None:
    with np.load(GOLDEN / f"case_{points}.npz") as case:
        xyz, recorded = case["in_xyz"], float(case["loss"])
    assert loss_of_twin(twin_with(published), xyz).item() == pytest.approx(recorded, rel=1e-4)


# The cloud of 1,024 decodes near ties, where the last bit decides about the density's gradient.
@pytest.mark.parametrize("points", [512, 1500])
def test_twin_reproduces_the_recorded_gradients(published: dict[str, Tensor], points: int) -> None:
    twin = twin_with(published)
    with np.load(GOLDEN / f"case_{points}.npz") as case:
        loss_of_twin(twin, case["in_xyz"]).backward()
        for name, parameter in twin.named_parameters():
            if parameter.grad is None:  # features of the last stage, which no loss reads
                assert f"grad/{name}" not in case
                continue
            recorded = torch.from_numpy(case[f"grad/{name}"])
            difference = (parameter.grad - recorded).norm()
            assert difference <= 1e-3 * recorded.norm() + 1e-8, name


def test_published_weights_give_both_the_same_loss(published: dict[str, Tensor]) -> None:
    xyz = patch_of_an_object(1024)
    ours = loss_of_codec(load_published(published, CONFIG), xyz)
    assert loss_of_twin(twin_with(published), xyz).item() == pytest.approx(ours.item(), rel=1e-4)


def test_fresh_weights_give_both_the_same_loss() -> None:
    xyz = patch_of_an_object(1024)
    codec = Codec(CONFIG)
    codec.reset([0])
    twin = twin_with(to_published(dict(codec.named_parameters()), codec.config))
    plain, ours = loss_of_twin(twin, xyz), loss_of_codec(codec, xyz)
    assert plain.item() == pytest.approx(ours.item(), rel=1e-4)
