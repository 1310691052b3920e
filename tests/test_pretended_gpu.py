"""The pretended GPU refuses what a GPU refuses, and counts what makes a program wait for one."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch

from model.points import Points
from tests.pretended_gpu import OnGpu, PretendedGpu

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from torch import Tensor

pytestmark = pytest.mark.skipif(torch.cuda.is_available(), reason="there is a real one")


@pytest.fixture
def gpu() -> Iterator[PretendedGpu]:
    with PretendedGpu() as pretended:
        yield pretended


def some() -> Tensor:
    """(2, 3) numbers on the GPU, positive and negative, without waiting."""
    return torch.tensor([[1.0, -2.0, 3.0], [-4.0, 5.0, 6.0]]).to("cuda", non_blocking=True)


class WrongBackward(torch.autograd.Function):
    @staticmethod
    def forward(_: object, x: Tensor) -> Tensor:
        return x * 2

    @staticmethod
    def backward(_: object, gradient: Tensor) -> Tensor:
        return gradient * torch.full(gradient.shape, 2.0)


REFUSED: dict[str, Callable[[Tensor], object]] = {
    "sum": lambda x: x + torch.ones(2, 3),
    "product of matrices": lambda x: x @ torch.ones(3, 2),
    "cat": lambda x: torch.cat([x, torch.ones(2, 3)]),
    "gather": lambda x: x.gather(1, torch.zeros((2, 1), dtype=torch.int64)),
    "in place": lambda x: torch.ones(2, 3).mul_(x),
    "into": lambda x: torch.mul(x, 2.0, out=torch.ones(2, 3)),
    "where": lambda x: torch.where(torch.ones(2, 3, dtype=torch.bool), x, 0.0),
    "index of the other device": lambda x: torch.ones(2, 3)[(x > 0).nonzero()[:, 0]],
    "a number of the GPU": lambda x: torch.ones(2, 3) + x[0, 0],
    "layer": torch.nn.Linear(3, 1),
    "gradient": lambda x: torch.autograd.grad(
        WrongBackward.apply(y := x.requires_grad_()).sum(), [y]
    ),
}


@pytest.mark.parametrize("program", REFUSED.values(), ids=REFUSED.keys())
@pytest.mark.usefixtures("gpu")
def test_tensors_of_two_devices_are_refused(program: Callable[[Tensor], object]) -> None:
    with pytest.raises((RuntimeError, IndexError), match=r"device|cpu"):
        program(some())


@pytest.mark.usefixtures("gpu")
def test_numpy_gets_nothing_from_the_gpu() -> None:
    with pytest.raises((RuntimeError, TypeError), match="numpy"):
        np.asarray(some())


WAITS: dict[str, tuple[str, Callable[[Tensor], object]]] = {
    "item": ("reads a value", lambda x: x[0, 0].item()),
    "bool": ("reads a value", lambda x: bool((x > 0).all())),
    "int": ("reads a value", lambda x: int(x.max())),
    "equal": ("reads a value", lambda x: x.equal(x)),
    "list": ("copies to the CPU", lambda x: x.tolist()),
    "cpu": ("copies to the CPU", lambda x: x.cpu()),
    "to the CPU at leisure": ("copies to the CPU", lambda x: x.to("cpu", non_blocking=True)),
    "copied from": ("copies to the CPU", lambda x: torch.ones(2, 3).copy_(x)),
    "nonzero": ("asks how many", lambda x: x.nonzero()),
    "mask": ("asks how many", lambda x: x[x > 0]),
    "written mask": ("asks how many", lambda x: x.index_put_((x > 0,), x[0, 0])),
    "masked_select": ("asks how many", lambda x: x.masked_select(x > 0)),
    "unique": ("asks how many", lambda x: x.unique()),
    "bincount": ("asks how many", lambda x: x.abs().long().flatten().bincount()),
    "repeated": ("asks how many", lambda x: x[0].repeat_interleave(x[1].abs().long())),
    "moved": ("copies to the GPU", lambda _: torch.ones(2).to("cuda")),
    "made there": ("copies to the GPU", lambda _: torch.tensor([1.0], device="cuda")),
    "copied into": ("copies to the GPU", lambda x: x.copy_(torch.ones(2, 3))),
    "index of the CPU": ("moves an index", lambda x: x[torch.tensor([1])]),
    "index of a list": ("moves an index", lambda x: x[[1]]),
}


@pytest.mark.parametrize(("reason", "program"), WAITS.values(), ids=WAITS.keys())
def test_what_waits_is_counted(
    gpu: PretendedGpu, reason: str, program: Callable[[Tensor], object]
) -> None:
    program(some())
    assert gpu.waits == {f"elsewhere {reason}": 1}


GOES_ON: dict[str, Callable[[Tensor], Tensor]] = {
    "arithmetic": lambda x: (x * 2 + x.sum(dim=0)).relu_(),
    "a number of the CPU": lambda x: x * torch.tensor(2.0),
    "made there": lambda x: torch.zeros(3, device="cuda") + torch.arange(3, device=x.device),
    "like another": lambda x: x.new_full((2, 3), 4.0) + torch.ones_like(x),
    "moved at leisure": lambda _: torch.ones(2).to("cuda", non_blocking=True),
    "moved from pinned memory": lambda _: torch.ones(2, pin_memory=True).to(
        "cuda", non_blocking=True
    ),
    "moved to where it is": lambda x: x.to("cuda"),
    "index": lambda x: x[x.argmax(dim=0)],
    "slice": lambda x: x[1:, :2],
    "where": lambda x: torch.where(x > 0, x, 0.0).masked_fill(x > 4, 1.0),
    "sorted": lambda x: x.sort(dim=1).values.topk(2, dim=1).values,
}


@pytest.mark.parametrize("program", GOES_ON.values(), ids=GOES_ON.keys())
def test_what_does_not_wait_is_not_counted(
    gpu: PretendedGpu, program: Callable[[Tensor], Tensor]
) -> None:
    assert program(some()).device == torch.device("cuda", 0)
    assert not gpu.waits


def test_the_cpus_own_work_is_not_counted(gpu: PretendedGpu) -> None:
    x = torch.randn(5)
    assert x[x > x.min()].tolist() == x[x.nonzero()[:, 0]][x > x.min()].tolist()
    assert x.device.type == "cpu"
    assert not gpu.waits


def test_a_wait_is_told_with_the_projects_innermost_function(gpu: PretendedGpu) -> None:
    points = Points(torch.zeros((1, 1, 4, 3)).cuda(), torch.tensor([[3]]).cuda())
    with gpu.counting() as waits:
        assert points.valid_rows is not None
    assert waits == {"model/points.py:full reads a value": 1}


def test_parts_are_counted_by_themselves(gpu: PretendedGpu) -> None:
    some().tolist()
    with gpu.counting() as part:
        some().tolist()
    some().sum().item()
    assert part == Counter({"elsewhere copies to the CPU": 1})
    assert gpu.waits == {"elsewhere copies to the CPU": 2, "elsewhere reads a value": 1}


def program_of_a_module(device: str) -> list[Tensor]:
    """Parameters that are views of a flat tensor, their gradients, and an update in place."""
    layers = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.ReLU(), torch.nn.Linear(4, 1))
    layers.to(device)
    flat = torch.linspace(-1, 1, 21).to(device)
    parts = flat.split([parameter.numel() for parameter in layers.parameters()])
    for parameter, part in zip(layers.parameters(), parts, strict=True):
        parameter.data = part.view(parameter.shape)
    x = torch.linspace(-2, 2, 12).view(4, 3).to(device)
    loss = layers(x).square().sum()
    gradients = torch.autograd.grad(loss, list(layers.parameters()))
    flat.sub_(torch.cat([gradient.flatten() for gradient in gradients]), alpha=0.1)
    return [tensor.detach().cpu() for tensor in (loss, *gradients, layers(x))]


def test_values_are_those_of_the_cpu(gpu: PretendedGpu) -> None:
    on_cpu, on_gpu = program_of_a_module("cpu"), program_of_a_module("cuda")
    assert gpu.waits["elsewhere copies to the CPU"] == len(on_gpu)
    for one, two in zip(on_cpu, on_gpu, strict=True):
        assert one.equal(two)


def test_there_is_no_gpu_afterwards() -> None:
    with PretendedGpu():
        left = some()
    assert isinstance(left, OnGpu)
    with pytest.raises(AssertionError, match="outside of it"):
        left + 1
    with pytest.raises((RuntimeError, AssertionError), match=r"NVIDIA|CUDA"):
        torch.ones(2, device="cuda")
