"""Training steps, the production ones and the plain twins', phase by phase."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import torch

from benchmarks.measuring import device
from benchmarks.members import HELD, batches, numbers_of_steps
from benchmarks.plain_loss import plain_loss
from model.codec import Codec
from study.families.dpcc.architecture import DpccArchitecture
from study.families.dpcc.settings import LossWeights
from study.training.population import Population

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from torch import Tensor, nn

    from benchmarks.measuring import Lap
    from benchmarks.plain_twin import PlainTwin
    from model.codec import CodecOutput
    from model.config import ModelConfig
    from study.data import DataSet
    from study.training.members import MemberState


class OurStep:
    """Trains a population as `study.training.training` does.

    Attributes:
        population: in training.
        decoded: (T, B) points that every trial decoded in the last step.
        rows: how many each was computed with, padding included.
    """

    def __init__(
        self,
        config: ModelConfig,
        states: Sequence[MemberState],
        data: DataSet,
        *,
        keep: bool = True,
    ) -> None:
        self.population = Population(DpccArchitecture(config), states, device())
        self.population.begin_epoch(0)
        codec = self.population.network
        assert isinstance(codec, Codec), "D-PCC's networks are codecs"
        codec.register_forward_hook(self._after_forward)
        self.decoded = torch.zeros(0)
        self.rows = 0
        self._batches = batches(data, keep=keep)
        self._lap: Callable[[str], None] = _nobody

    def __call__(self, lap: Lap) -> None:
        """One step, from the mapped file to the changed weights."""
        shape, batch = next(self._batches)
        self.population.draw_noise([shape])
        lap("data")
        self._lap = lap
        with _backward_pressed(lap):
            self.population.step(batch)
        lap("optimisers")

    def _after_forward(self, _: nn.Module, __: object, output: CodecOutput) -> None:
        self._lap("forward")
        self.decoded, self.rows = output.decoded.sizes, output.decoded.xyz.shape[2]


class PlainStep:
    """Trains a plain twin, on the same patches in the same order.

    Attributes:
        tools: of its geometry.
        decoded: how many points the last step decoded.
    """

    def __init__(self, twin: PlainTwin, data: DataSet) -> None:
        self.tools = twin.tools
        self.decoded = 0
        self._twin = twin.train().to(device())
        self._numbers = numbers_of_steps(data)
        self._patches = data.split("train")
        self._weights = LossWeights()
        network, quantiles = _parameters(twin)
        # The stock optimiser goes through the parameters one by one: 16 ms more on a CPU.
        self._network = torch.optim.Adam(network, HELD, fused=True)
        self._quantiles = torch.optim.Adam(quantiles, HELD, fused=True)

    def __call__(self, lap: Lap) -> None:
        """One step, geometry included."""
        twin, points = self._twin, self._points()
        lap("data")
        levels = twin.geometry(points)
        lap("geometry")
        output = twin(points, levels)
        lap("forward")
        loss = plain_loss(output, points, levels, self._weights, twin.config.k, twin.tools)
        lap("loss")
        self._network.zero_grad()
        self._quantiles.zero_grad()
        (loss + twin.feats_eblock.loss() + twin.xyzs_eblock.loss()).backward()
        lap("backward")
        self._network.step()
        self._quantiles.step()
        lap("optimisers")
        self.decoded = len(output.stages[-1].children)

    def _points(self) -> Tensor:
        (number,) = next(self._numbers)
        return torch.tensor(self._patches[number].contents.points, device=device())


@contextmanager
def _backward_pressed(lap: Lap) -> Iterator[None]:
    """Press the stopwatch before and after the gradients are computed."""
    grad = torch.autograd.grad

    def pressed(*arguments: Any, **named: Any) -> Any:  # noqa: ANN401  passed on as they came
        lap("loss")
        result = grad(*arguments, **named)
        lap("backward")
        return result

    torch.autograd.grad = pressed
    try:
        yield
    finally:
        torch.autograd.grad = grad


def _nobody(_: str) -> None:
    """Is told nothing."""


def _parameters(module: nn.Module) -> tuple[list[nn.Parameter], list[nn.Parameter]]:
    """Those of the network, and the bottlenecks' quantiles."""
    named = list(module.named_parameters())
    return (
        [value for name, value in named if not name.endswith("quantiles")],
        [value for name, value in named if name.endswith("quantiles")],
    )
