"""Derivatives by hand against finite differences; normalisation against its plain form."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import torch
import torch.nn.functional as F  # noqa: N812
from torch.autograd import gradcheck

from model.kernels import attend, hidden_moments
from model.layers import NormalisedLinear

if TYPE_CHECKING:
    from torch import Tensor

T, B, R = 2, 3, 5
VALID = torch.tensor([[1, 1, 1, 1, 1], [1, 1, 1, 0, 0], [1, 0, 0, 0, 0]], dtype=torch.float64)
MASKS = pytest.mark.parametrize("valid", [None, VALID], ids=["all valid", "padded"])


def draw(seed: int, *shape: int) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(shape, dtype=torch.float64, generator=generator).requires_grad_()


@MASKS
@pytest.mark.parametrize("with_extra", [True, False])
def test_hidden_moments(valid: Tensor | None, *, with_extra: bool) -> None:
    rows = draw(1, 1, B, R, 3).detach()
    weight, bias, extra = draw(2, T, B, 3, 4), draw(3, T, B, 4), draw(4, T, B, R, 2)
    inputs = [weight, bias, extra] if with_extra else [weight, bias]

    def found(weight: Tensor, bias: Tensor, extra: Tensor | None = None) -> Tensor:
        return hidden_moments(rows, weight, bias, extra, valid)

    one = torch.ones(T, B, R, 1, dtype=torch.float64)
    columns = [(rows @ weight + bias[:, :, None]).relu(), *([extra] if with_extra else []), one]
    x = torch.cat(columns, dim=-1)
    share = torch.ones(B, R, dtype=torch.float64) if valid is None else valid
    share = (share / share.sum(dim=1, keepdim=True))[..., None, None]
    products = (x[..., :, None] * x[..., None, :] * share).sum(dim=2)
    torch.testing.assert_close(found(*inputs), products)
    assert gradcheck(found, inputs)


def test_attention_is_a_softmax_over_each_slots_rows() -> None:
    """Slot 1 has no row; the last two rows of every patch are padding, in a slot behind."""
    slots, of_row = 4, torch.tensor([0, 2, 2, 3, 3])
    slot = (torch.arange(T * B)[:, None] * slots + of_row).flatten()
    logits, values = draw(5, T, B, R, 2), draw(6, T, B, R, 2)
    found = attend(logits, values, slot, slots)
    for number in range(slots):
        rows = of_row == number
        softmax = logits[:, :, rows].softmax(dim=2)
        torch.testing.assert_close(found[:, :, number], (softmax * values[:, :, rows]).sum(dim=2))
    assert gradcheck(lambda logits, values: attend(logits, values, slot, slots), [logits, values])


def test_attention_withstands_large_logits() -> None:
    logits, slot = torch.tensor([[[[1000.0], [999.0]]]]), torch.tensor([0, 0])
    found = attend(logits, torch.tensor([[[[1.0], [0.0]]]]), slot, 1)
    torch.testing.assert_close(found.item(), torch.tensor(1.0).sigmoid().item())


@MASKS
@pytest.mark.parametrize("trials_of_rows", [T, 1], ids=["per trial", "shared"])
def test_normalisation_is_group_norm_with_one_group(
    valid: Tensor | None, trials_of_rows: int
) -> None:
    """Each patch alone, without its padding, by torch's own; at any distance from the origin."""
    layer = NormalisedLinear(T, 3, 4).double()
    with torch.no_grad():
        for seed, parameter in enumerate(layer.parameters()):
            parameter.copy_(draw(seed, *parameter.shape))
    x = draw(9, trials_of_rows, B, R, 3).detach() + 3.0
    found = layer(x, valid)
    for trial in range(T):
        linear = x[trial % trials_of_rows] @ layer.linear.weight[trial] + layer.linear.bias[trial]
        for number in range(B):
            rows = R if valid is None else int(valid[number].sum())
            one_patch = linear[number, :rows].T[None]
            normal = F.group_norm(one_patch, 1, layer.scale[trial, 0], layer.shift[trial, 0])
            torch.testing.assert_close(found[trial, number, :rows], normal[0].T.relu())


def test_normalisation_of_equal_large_outputs_is_finite() -> None:
    """In single precision the mean square minus the squared mean can come out below zero."""
    layer = NormalisedLinear(1, 3, 4)
    valid = torch.tensor([[1.0, 1, 1, 1, 1, 0]])
    with torch.no_grad():
        layer.linear.weight.zero_()
        for value in torch.linspace(50.1, 900.7, 40):
            layer.linear.bias.fill_(value)
            assert layer(torch.rand(1, 1, 6, 3), valid).isfinite().all()
