"""Each claim about the chamfer distance as a loss, as numbers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from study.config import DataRecipe
from study.data.sources import open_source
from study.metrics import density_metric
from tools.chamfer.clouds import LOSSES, matches, one_set, sets

if TYPE_CHECKING:
    from torch import Tensor

SQUARE = [[1.0, 0.0], [0.0, 1.0], [-1.0, 0.0], [0.0, -1.0]]
THREE = [[1.1, -0.1], [0.1, 0.9], [-0.9, 0.1]]
EIGHT = [*SQUARE, [1.05, 0.05], [0.05, 0.95], [-0.95, 0.05], [0.05, -0.95]]


@dataclass(frozen=True)
class Line:
    """The loss along a line on which a point's nearest one changes.

    Attributes:
        place: (S,) of the moving point.
        value: (S,).
        slope: (S,), the gradient along the line.
    """

    place: Tensor
    value: Tensor
    slope: Tensor

    @property
    def largest_step(self) -> float:
        """Of the value, over the length of a step: a jump would make it grow with finer steps."""
        return float((self.value.diff().abs() / self.place.diff()).max())

    @property
    def largest_jump(self) -> float:
        """Of the slope, between neighbouring places: it does not shrink with finer steps."""
        return float(self.slope.diff().abs().max())


def along_a_line(loss: str, steps: int) -> Line:
    """A point goes from (-1, 0.2) to (1, 0.2) over two points at (-0.5, 0) and (0.5, 0.1).

    A second one stays at the first target.
    """
    places = torch.linspace(-1, 1, steps, dtype=torch.float64)
    ours = torch.zeros((steps, 2, 2), dtype=torch.float64)
    ours[:, 0, 0], ours[:, 1, 0], ours[:, 1, 1] = -0.5, places, 0.2
    target = torch.tensor([[-0.5, 0.0], [0.5, 0.1]], dtype=torch.float64).expand(steps, 2, 2)
    values = LOSSES[loss](sets(ours.requires_grad_()), sets(target))
    (gradient,) = torch.autograd.grad(values.sum(), ours)
    return Line(places, values[0].detach(), gradient[:, 1, 0])


def first_example() -> tuple[Tensor, Tensor]:
    """Gradients on three points, before and after one of them moved by 0.01 in both directions."""
    target = one_set([[1.2, 1.1], [2.1, 1.9], [3.2, 2.8]])
    gradients = []
    for start in (1.0, 1.01):
        ours = one_set([[start, start], [2.0, 2.0], [3.0, 3.0]])
        (gradient,) = torch.autograd.grad(LOSSES["chamfer"](ours, target).sum(), ours.xyz)
        gradients.append(gradient[0, 0])
    return gradients[0], gradients[1]


def second_example() -> dict[str, tuple[float, float]]:
    """Three of four points, and eight for four: the loss from both sides, and from ours only."""
    true, both, one = one_set(SQUARE), LOSSES["chamfer"], LOSSES["chamfer, one side"]
    told = {}
    for name, points in (("three of four", THREE), ("four", SQUARE), ("eight", EIGHT)):
        ours = one_set(points)
        told[name] = (both(ours, true).item(), one(ours, true).item())
    return told


@dataclass(frozen=True)
class Descent:
    """Points pulled onto an object's by Adam: what a real descent meets.

    Attributes:
        changed: share of the points whose nearest true point changes, per step.
        turned: cosine between the gradients of successive steps, per step.
        value: of the loss, per step.
    """

    changed: list[float]
    turned: list[float]
    value: list[float]


def descent(loss: str, steps: int = 200, points: int = 256, seed: int = 0) -> Descent:
    """Points of a Gaussian heap onto as many of the first embedded object, all in [-1, 1]."""
    generator = torch.Generator().manual_seed(seed)
    source = open_source(DataRecipe())
    cloud = torch.from_numpy(source.read(min(source.point_counts)).points).float()
    cloud = cloud[torch.randperm(len(cloud), generator=generator)[:points]]
    middle = (cloud.amax(0) + cloud.amin(0)) / 2
    true = sets(((cloud - middle) / (cloud - middle).abs().max())[None])
    ours = (torch.randn((1, points, 3), generator=generator) / 3).requires_grad_()
    adam = torch.optim.Adam([ours], lr=0.01)
    changed, turned, values = [], [], []
    before: tuple[Tensor, Tensor] | None = None
    for _ in range(steps):
        value = LOSSES[loss](sets(ours), true).sum()
        adam.zero_grad()
        value.backward()
        assert ours.grad is not None, "the points have a gradient"
        match = matches(sets(ours), true).true_of_decoded
        assert match is not None, "both sides are matched"
        if before is not None:
            changed.append((match != before[0]).float().mean().item())
            turned.append(torch.cosine_similarity(ours.grad.flatten(), before[1], dim=0).item())
        before = match, ours.grad.flatten().clone()
        values.append(value.item())
        adam.step()
    return Descent(changed, turned, values)


def clusters(seed: int = 0) -> dict[str, tuple[float, float]]:
    """What each loss says of points as evenly spread as the true ones, and of heaps of them.

    There are 256 points around the 64 of a grid in the unit square, all within 0.01 of one. Of the
    true and of the evenly spread ones, every place has four; of the heaped ones, a quarter of the
    places has thirteen and the others have one.
    """
    generator = torch.Generator().manual_seed(seed)
    axis = (torch.arange(8, dtype=torch.float64) + 0.5) / 8
    grid = torch.cartesian_prod(axis, axis)
    even, heaped = torch.cat([grid] * 4), torch.cat([grid, *[grid[:16]] * 12])
    true, spread, heaps = (
        places + 0.01 * (2 * torch.rand(places.shape, generator=generator) - 1).double()
        for places in (even, even, heaped)
    )
    values = {
        name: (
            loss(sets(spread[None]), sets(true[None])).item(),
            loss(sets(heaps[None]), sets(true[None])).item(),
        )
        for name, loss in LOSSES.items()
    }
    solid = [torch.nn.functional.pad(points, (0, 1)).numpy() for points in (true, spread, heaps)]
    density = [density_metric(solid[0], points) for points in solid[1:]]
    return values | {"D-PCC's density metric": (density[0], density[1])}
