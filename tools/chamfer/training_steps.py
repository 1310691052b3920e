"""How often a nearest point changes in a real training of D-PCC.

Legend: P decoded points, N true points, M latent points.
"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, cast

import torch

from losses import Matches, chamfer, one_side
from model.config import ModelConfig
from model.nearest import nearest
from study.config import DataRecipe
from study.data import open_data_set, prepare
from study.families.dpcc.architecture import DpccArchitecture
from study.families.dpcc.settings import LossWeights, TrainingConfig
from study.training.feeding import Feed
from study.training.members import Member
from study.training.population import Population, fresh_states

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

    from model.codec import Codec, CodecOutput
    from model.patches import PatchBatch
    from study.data import DataSet

RECIPE = DataRecipe(max_objects=40, points_per_object=2048, min_points=100)
WINDOWS = (0, 100, 1000)
"""Steps after which ten are watched."""
WATCHED = 10
PROBES = 8


class Look(NamedTuple):
    """What a network makes of one patch.

    Attributes:
        place: (P,) which child of which child of which latent point each decoded point is.
        true_of: (P,) index of its nearest true point.
        decoded_of: (N,) the `place` of each true point's nearest decoded point.
        gradient: of the last stage's chamfer distance in all parameters.
        kept: the same with the matches of the look before, where both points are still there.
    """

    place: Tensor
    true_of: Tensor
    decoded_of: Tensor
    gradient: Tensor
    kept: Tensor


@dataclass(frozen=True)
class Window:
    """Means over ten steps and all probes.

    Attributes:
        after: how many steps had been taken.
        true_changed: share of the decoded points, there before and after a step, whose nearest true
            point changed.
        decoded_changed: share of the true points whose nearest decoded point changed.
        replaced: share of the decoded points that a step removed or added, one for each of both.
        turned: cosine between the gradients of a patch before and after a step.
        held: the same if no nearest point had changed.
        apart: cosine between the gradients of two patches at the same step.
    """

    after: int
    true_changed: float
    decoded_changed: float
    replaced: float
    turned: float
    held: float
    apart: float


def windows(
    seed: int, after: Sequence[int] = WINDOWS, watched: int = WATCHED, probes: int = PROBES
) -> list[Window]:
    """Train D-PCC with all that is published of its loss and Adam, a patch a step, and watch it.

    Args:
        seed: of the weights, the noise and the order of patches.
        after: after how many steps to watch, ascending.
        watched: how many steps.
        probes: how many training patches to look at before and after each of these, with noise that
            stays.
    """
    architecture = DpccArchitecture(ModelConfig())
    with tempfile.TemporaryDirectory() as folder:
        data = open_data_set(
            prepare(RECIPE, form=architecture.form, root=Path(folder)), architecture.form
        )
        return _watched(architecture, data, seed, after, watched, probes)


def _watched(
    architecture: DpccArchitecture,
    data: DataSet,
    seed: int,
    after: Sequence[int],
    watched: int,
    probes: int,
) -> list[Window]:
    member = Member(0, seed, LossWeights(), TrainingConfig())
    population = Population(architecture, fresh_states(architecture, [member], "cpu"), "cpu")
    feed, patches = Feed(architecture, data, 1, seed, "cpu"), data.split("train")
    generator = torch.Generator().manual_seed(seed)
    chosen = torch.randperm(len(patches), generator=generator)[:probes].tolist()
    batches = [architecture.collate([patches[number].contents], "cpu") for number in chosen]
    noises = [torch.rand((1, *feed.noise_shape([n])), generator=generator) - 0.5 for n in chosen]

    def look(before: Sequence[Look | None]) -> list[Look]:
        return [
            _look(cast("Codec", population.network), *probe)
            for probe in zip(batches, noises, before, strict=True)
        ]

    nobody: list[Look | None] = [None] * probes
    ends = {first + watched: first for first in after}
    found, looks, step, clock = [], list[list[Look]](), 0, 0
    while True:
        population.begin_epoch(clock)
        plan = feed.plan(clock)
        population.draw_noise([feed.noise_shape(numbers) for numbers in plan])
        for batch in feed.batches(plan):
            if any(first <= step <= first + watched for first in after):
                looks.append(look(looks[-1] if looks else nobody))
            if step in ends:
                found.append(_window(ends[step], looks))
                looks = []
                if len(found) == len(after):
                    return found
            population.step(batch)
            step += 1
        clock += 1


def _look(network: Codec, batch: PatchBatch, noise: Tensor, before: Look | None) -> Look:
    output, true = network(batch, noise), batch.stages[0]
    decoded, parameters = output.decoded, list(network.parameters())

    def gradient(matches: Matches) -> Tensor:
        assert matches.true_of_decoded is not None, "both sides are matched"
        assert matches.decoded_of_true is not None, "both sides are matched"
        accuracy = one_side(decoded, true, matches.true_of_decoded)
        total = (accuracy + one_side(true, decoded, matches.decoded_of_true)).sum()
        parts = torch.autograd.grad(total, parameters, retain_graph=True, allow_unused=True)
        return torch.cat([each.flatten() for each in parts if each is not None])

    _, matches = chamfer(decoded, true, nearest)
    place = places(output, network.config.max_upsample_num)
    assert matches.true_of_decoded is not None, "both sides are matched"
    assert matches.decoded_of_true is not None, "both sides are matched"
    own, of_true = matches.true_of_decoded[0, 0], matches.decoded_of_true[0, 0]
    now = gradient(matches)
    kept = now if before is None else gradient(_kept(before, place, own, of_true))
    return Look(place, own, place[of_true], now, kept)


def _kept(before: Look, place: Tensor, true_of: Tensor, decoded_of: Tensor) -> Matches:
    """The matches of a look before, and those of now where a point is new or gone."""
    true_of, decoded_of = true_of.clone(), decoded_of.clone()
    true_of[torch.isin(place, before.place)] = before.true_of[torch.isin(before.place, place)]
    there = torch.isin(before.decoded_of, place)
    decoded_of[there] = torch.searchsorted(place, before.decoded_of[there])
    return Matches(true_of[None, None], decoded_of[None, None])


def places(output: CodecOutput, most: Sequence[int]) -> Tensor:
    """Which child of which child of which latent point each decoded point is, (P,), ascending.

    Args:
        output: of one trial and one patch.
        most: children that a point may have, by stage.
    """
    found = torch.arange(output.latent_points.xyz.shape[2])
    for stage, room in zip(output.stages, most, strict=True):
        counts = stage.child_count[0, 0].detach().round().clamp(1, room).long()
        first = (counts.cumsum(0) - counts).repeat_interleave(counts)
        number = torch.arange(len(first)) - first
        found = found.repeat_interleave(counts) * room + number
    return found


def _window(after: int, looks: Sequence[Sequence[Look]]) -> Window:
    """Compare each probe with itself a step later."""
    steps = [
        _compared(before, later)
        for row, following in pairwise(looks)
        for before, later in zip(row, following, strict=True)
    ]
    others = [
        torch.cosine_similarity(one.gradient, other.gradient, dim=0)
        for row in looks
        for one, other in pairwise(row)
    ]
    true_changed, decoded_changed, replaced, turned, held = torch.tensor(steps).mean(dim=0).tolist()
    apart = torch.stack(others).mean().item()
    return Window(after, true_changed, decoded_changed, replaced, turned, held, apart)


def _compared(before: Look, later: Look) -> tuple[float, ...]:
    stayed, came = (
        torch.isin(one.place, other.place) for one, other in ((before, later), (later, before))
    )
    replaced = (~stayed).sum() + (~came).sum()
    return (
        (before.true_of[stayed] != later.true_of[came]).float().mean().item(),
        (before.decoded_of != later.decoded_of).float().mean().item(),
        (replaced / (len(stayed) + len(came))).item(),
        torch.cosine_similarity(before.gradient, later.gradient, dim=0).item(),
        torch.cosine_similarity(before.gradient, later.kept, dim=0).item(),
    )
