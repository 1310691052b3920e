"""The kernel of the attention against its plain form in double precision, values and gradients.

Legend: T trials, B patches, R rows, M slots, C channels.
"""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
import torch

import model.encoder
import model.layers
from model.encoder import Encoder
from model.native.functions import attend
from model.native.library import library
from model.patches import collate
from tests.model.support import SMALL, naming, patch

if TYPE_CHECKING:
    from torch import Tensor

pytestmark = pytest.mark.skipif(library() is None, reason="there is no C++ compiler here")


def assert_close(ours: Tensor, truth: Tensor, what: str) -> None:
    """Within rounding of what is as large as the largest of the tensor."""
    largest = max(1.0, float(truth.detach().abs().max())) if truth.numel() else 1.0
    torch.testing.assert_close(
        ours.double(), truth.double(), rtol=1e-4, atol=1e-5 * largest, msg=naming(what)
    )


def attention(
    trials: int, patches: int, rows: int = 40, channels: int = 13, slots: int = 9
) -> tuple[Tensor, Tensor, Tensor]:
    """Logits, values and first rows; some slots are empty, and rows behind the last are padding."""
    generator = torch.Generator().manual_seed(rows)
    shape = (trials, patches, rows, channels)
    logits, values = (3 * torch.randn(shape, generator=generator) for _ in range(2))
    ends = torch.randint(rows + 1, (patches, slots), generator=generator).sort(dim=1).values
    return logits, values, torch.nn.functional.pad(ends, (1, 0))


def attended_and_gradients(logits: Tensor, values: Tensor, first: Tensor) -> list[Tensor]:
    """The output, and the gradients of its sum's square."""
    logits, values = logits.clone().requires_grad_(), values.clone().requires_grad_()
    y = attend(logits, values, first)
    return [y.detach(), *torch.autograd.grad(y.square().sum(), (logits, values))]


def plain_attention(logits: Tensor, values: Tensor, first: Tensor) -> Tensor:
    made = logits.new_zeros((*logits.shape[:2], first.shape[1] - 1, logits.shape[3]))
    for b, (m, (start, end)) in itertools.product(
        range(len(first)), enumerate(itertools.pairwise(range(first.shape[1])))
    ):
        rows = slice(int(first[b, start]), int(first[b, end]))
        weights = logits[:, b, rows].softmax(dim=1)
        made[:, b, m] = (weights * values[:, b, rows]).sum(dim=1)
    return made


@pytest.mark.parametrize("channels", [1, 3, 8, 13, 43, 64, 80])
@pytest.mark.parametrize(("trials", "patches"), [(1, 1), (1, 4), (3, 1), (3, 4)])
def test_attention(trials: int, patches: int, channels: int) -> None:
    for rows in (0, 1, 7, 40, 200):
        logits, values, first = attention(trials, patches, rows, channels)
        wide = [tensor.double().requires_grad_() for tensor in (logits, values)]
        truth = plain_attention(wide[0], wide[1], first)
        true = torch.autograd.grad(truth.square().sum(), wide)
        found = attended_and_gradients(logits, values, first)
        for what, ours, theirs in zip(
            ("y", "logits", "values"), found, (truth, *true), strict=True
        ):
            assert_close(ours, theirs, what)


@pytest.mark.parametrize("size", [1e3, 1e30, 1e38])
def test_attention_withstands_large_logits(size: float) -> None:
    logits, values, first = attention(2, 3)
    logits = logits.sign() * size + logits
    found = attended_and_gradients(logits, values, first)
    assert_close(found[0], plain_attention(logits.double(), values.double(), first), "attended")
    assert all(tensor.isfinite().all() for tensor in found)


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), float("-inf")])
@pytest.mark.parametrize("place", [0, 1], ids=["logits", "values"])
@pytest.mark.parametrize("row", [0, 3, 7])
def test_attention_shows_what_is_not_finite_in_its_slot_alone(
    row: int, place: int, bad: float
) -> None:
    """Minus infinity among the logits too, which a softmax would forget."""
    first = torch.tensor([[0, 0, 8, 8, 20], [0, 0, 8, 8, 19]])
    clean = attention(2, 2, rows=20)[:2]
    broken = [tensor.clone() for tensor in clean]
    broken[place][1, 1, row, 4] = bad
    before = attended_and_gradients(clean[0], clean[1], first)
    after = attended_and_gradients(broken[0], broken[1], first)
    assert not after[0][1, 1, 1, 4].isfinite()
    assert not after[1][1, 1, :8, 4].isfinite().all()
    for old, new, span in zip(before, after, (slice(1, 2), slice(8), slice(8)), strict=True):
        new[1, 1, span, 4] = old[1, 1, span, 4]
        assert torch.equal(old, new)


def test_attention_in_any_order_and_by_any_threads() -> None:
    logits, values, first = attention(3, 4)
    expected = attended_and_gradients(logits, values, first)
    strided = (logits.mT.contiguous().mT, values.expand(3, -1, -1, -1), first.T.contiguous().T)
    before = torch.get_num_threads()
    try:
        for threads in (1, 2, 5):
            torch.set_num_threads(threads)
            assert all(map(torch.equal, attended_and_gradients(*strided), expected))
    finally:
        torch.set_num_threads(before)
    for trial in range(3):
        alone = attended_and_gradients(logits[[trial]], values[[trial]], first)
        for ours, population in zip(alone, expected, strict=True):
            assert torch.equal(ours[0], population[trial])


def encoded(trials: int) -> list[Tensor]:
    """Latent features of three patches, and the gradients of all parameters; padding is zeroed."""
    config = replace(SMALL, norm="masked")
    patches = collate([patch(1, 260, config), patch(2, 90, config), patch(3, 17, config)])
    encoder = Encoder(trials, config)
    for number, parameter in enumerate(encoder.parameters()):
        drawn = torch.randn(parameter.shape, generator=torch.Generator().manual_seed(number))
        parameter.data += 0.2 * drawn
    made: Tensor = encoder(patches) * patches.stages[-1].valid[..., None]
    names = [name for name, _ in encoder.named_parameters()]
    found = torch.autograd.grad(made.square().sum(), list(encoder.parameters()), allow_unused=True)
    return [
        made.detach(),
        *(one for name, one in zip(names, found, strict=True) if one is not None),
    ]


def test_an_encoder_is_the_one_of_pytorch(monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(1)
    ours = encoded(2)
    for module in (model.encoder, model.layers):
        monkeypatch.setattr(module, "usable", lambda *_: False)
    torch.manual_seed(1)
    for mine, theirs in zip(ours, encoded(2), strict=True):
        assert_close(mine, theirs, "an encoder")
