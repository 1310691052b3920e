"""The plain twins are the published network: only then is being faster than them worth anything."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch

from benchmarks.patches import patch_of_an_object
from benchmarks.plain_geometry import (
    ALL_DISTANCES,
    TREES,
    PlainTools,
    bucket_points,
    farthest_points,
)
from benchmarks.plain_loss import plain_loss
from benchmarks.plain_twin import PlainTwin
from losses import weighted_sum
from model.codec import Codec
from model.config import ModelConfig
from model.hierarchy import Hierarchy, Level
from model.nearest_plain import nearest_by_brute_force
from model.patches import collate
from model.published import load_published, to_published
from study.families.dpcc.objective import loss_terms
from study.families.dpcc.settings import LossWeights
from tests.model.support import stacked_weights
from tests.rounding import DISTURBANCES, TIMES, all_moved_by_a_bit

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor

GOLDEN = Path(__file__).parent.parent / "golden" / "default"
CONFIG = ModelConfig(norm="published")
TREES_ON_EXACT_SAMPLES = TREES._replace(sample=farthest_points)
"""The recorded losses are those of exact samples."""


def twin_with(state: dict[str, Tensor], tools: PlainTools) -> PlainTwin:
    twin = PlainTwin(CONFIG, tools).eval()
    twin.load(state)
    return twin


def loss_of_twin(twin: PlainTwin, xyz: NDArray[np.float32]) -> Tensor:
    points = torch.from_numpy(xyz)
    levels = twin.geometry(points)
    output = twin(points, levels)
    return plain_loss(output, points, levels, LossWeights(), CONFIG.k, twin.tools)


def loss_of_codec(codec: Codec, hierarchy: Hierarchy) -> Tensor:
    patches = collate([hierarchy])
    # Trees and distance matrices break ties differently, and collapsed latents make ties.
    terms = loss_terms(codec(patches), patches, CONFIG.k, nearest_by_brute_force)
    return weighted_sum(terms, stacked_weights([LossWeights()], "cpu")).total.squeeze()


def hierarchy_of_twin(twin: PlainTwin, xyz: NDArray[np.float32]) -> Hierarchy:
    """The twin's own geometry as the codec takes it."""
    levels = [
        Level(
            samples=level.samples.int().numpy(),
            neighbours=level.neighbours.int().numpy(),
            owned=level.owned.numpy(),
            child_count=level.child_count.numpy(),
            mean_distance=level.mean_distance.numpy(),
        )
        for level in twin.geometry(torch.from_numpy(xyz))
    ]
    return Hierarchy(xyz, tuple(levels))


@pytest.fixture(scope="module")
def published() -> dict[str, Tensor]:
    state: dict[str, Tensor] = torch.load(GOLDEN / "ckpt-best.pth", weights_only=True)
    return state


@pytest.mark.parametrize("points", [512, 1024, 1500])
def test_twin_reproduces_the_recorded_loss(published: dict[str, Tensor], points: int) -> None:
    with np.load(GOLDEN / f"case_{points}.npz") as case:
        xyz, recorded = case["in_xyz"], float(case["loss"])
    loss = loss_of_twin(twin_with(published, ALL_DISTANCES), xyz)
    # All three decode near ties, which the last bit of a matrix product may break otherwise.
    assert loss.item() == pytest.approx(recorded, rel=5e-3)


@pytest.mark.parametrize("points", [512, 1024, 1500])
def test_trees_reproduce_the_recorded_loss(published: dict[str, Tensor], points: int) -> None:
    with np.load(GOLDEN / f"case_{points}.npz") as case:
        xyz, recorded = case["in_xyz"], float(case["loss"])
    loss = loss_of_twin(twin_with(published, TREES_ON_EXACT_SAMPLES), xyz)
    assert loss.item() == pytest.approx(recorded, rel=5e-3)


def test_twin_reproduces_the_recorded_gradients(published: dict[str, Tensor]) -> None:
    """The other clouds decode near ties, where the last bit decides about the density's."""
    twin = twin_with(published, ALL_DISTANCES)
    with np.load(GOLDEN / "case_1500.npz") as case:
        loss_of_twin(twin, case["in_xyz"]).backward()
        for name, parameter in twin.named_parameters():
            if parameter.grad is None:  # features of the last stage, which no loss reads
                assert f"grad/{name}" not in case
                continue
            recorded = torch.from_numpy(case[f"grad/{name}"])
            difference = (parameter.grad - recorded).norm()
            assert difference <= 1e-3 * recorded.norm() + 1e-8, name


@pytest.mark.parametrize("points", [512, 1024, 1500])
def test_bucket_samples_are_farthest_points(points: int) -> None:
    """From a start of fpsample's own: it takes the index for one into its reordered points."""
    with np.load(GOLDEN / f"case_{points}.npz") as case:
        xyz = torch.from_numpy(case["in_xyz"])
    chosen = bucket_points(xyz, points // 3)
    dist2 = torch.full((points,), torch.inf)
    for earlier, later in pairwise(chosen.tolist()):
        dist2 = torch.minimum(dist2, (xyz - xyz[earlier]).square().sum(dim=1))
        assert dist2[later] >= dist2.max() * (1 - 1e-5)


def assert_same_loss(codec: Codec, state: dict[str, Tensor], tools: PlainTools, seed: int) -> None:
    """But for rounding: within what moving every weight of the twin by a bit does to its loss."""
    xyz, rng = patch_of_an_object(1024), np.random.default_rng(seed)
    twin = twin_with(state, tools)
    ours, theirs = loss_of_codec(codec, hierarchy_of_twin(twin, xyz)), loss_of_twin(twin, xyz)
    effects = []
    for _ in range(DISTURBANCES):
        moved = {
            name: all_moved_by_a_bit(weights, rng) if weights.is_floating_point() else weights
            for name, weights in state.items()
        }
        effects.append(float((loss_of_twin(twin_with(moved, tools), xyz) - theirs).detach().abs()))
    # The patch decodes to near ties, which some disturbances break otherwise and others do not. So
    # one point of the mean may be another one, also where no disturbance shows that.
    within = max(TIMES * max(effects), theirs.item() / len(xyz))
    assert ours.item() == pytest.approx(theirs.item(), rel=0, abs=within)


@pytest.mark.parametrize("tools", [ALL_DISTANCES, TREES], ids=lambda tools: tools.name)
def test_published_weights_give_codec_and_twin_the_same_loss(
    published: dict[str, Tensor], tools: PlainTools, seed: int
) -> None:
    assert_same_loss(load_published(published, CONFIG), published, tools, seed)


@pytest.mark.parametrize("tools", [ALL_DISTANCES, TREES], ids=lambda tools: tools.name)
def test_fresh_weights_give_codec_and_twin_the_same_loss(tools: PlainTools, seed: int) -> None:
    codec = Codec(CONFIG)
    codec.reset([0])
    state = to_published(dict(codec.named_parameters()), codec.config)
    assert_same_loss(codec, state, tools, seed)
