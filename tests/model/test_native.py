"""The kernel of small networks against its plain form in double precision, values and gradients.

Legend: T trials, B patches, R rows, a inputs, h hidden channels, o outputs.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import pytest
import torch

from model.native import functions as native
from model.native.library import library, usable
from tests.model.support import naming

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torch import Tensor

pytestmark = pytest.mark.skipif(library() is None, reason="there is no C++ compiler here")

EPSILON = 1e-5
SWITCH = (False, True)
NAMES = ("x", "w1", "b1", "scale", "shift", "w2", "b2", "valid")
# Whole blocks of 64 rows and strips of 4, and what is left over beside them.
ROWS = (1, 3, 8, 63, 64, 65, 130, 200)
# Narrow, wide, whole vectors of 8, and what is left over: a, h, o.
WIDTHS = (
    *((1, 1, 1), (3, 8, 1), (8, 64, 43), (13, 3, 8), (43, 13, 3)),
    *((64, 80, 64), (80, 43, 13), (1, 64, 80)),
)


@dataclass(frozen=True)
class Case:
    """One call of `perceptron`; which of its parts there are, and their sizes."""

    norm: bool
    second: bool
    padded: bool
    per_patch: bool
    shared: bool
    trials: int = 2
    patches: int = 3
    rows: int = 65
    widths: tuple[int, int, int] = (8, 13, 3)
    seed: int = 0

    def tensors(self) -> dict[str, Tensor | None]:
        """x, w1, b1, scale, shift, w2, b2, valid; float32."""
        generator = torch.Generator().manual_seed(self.seed)

        def draw(*shape: int) -> Tensor:
            return torch.randn(shape, generator=generator)

        (a, h, o), lead = self.widths, (self.trials, self.patches)[: 1 + self.per_patch]
        made: dict[str, Tensor | None] = dict.fromkeys(NAMES)
        made["x"] = draw(1 if self.shared else self.trials, self.patches, self.rows, a)
        made["w1"] = draw(*lead, a, h) * a**-0.5
        made["b1"] = draw(*lead, h) if self.per_patch else draw(*lead, 1, h)
        if self.norm:
            made["scale"], made["shift"] = draw(self.trials, 1, h), draw(self.trials, 1, h)
        if self.second:
            made["w2"], made["b2"] = draw(self.trials, h, o) * h**-0.5, draw(self.trials, 1, o)
        if self.padded:
            made["valid"] = (torch.arange(self.rows) < self.counts()[:, None]).float()
        return made

    def counts(self) -> Tensor:
        """(B,), valid rows: all, none, and in between."""
        few = torch.tensor([self.rows, 0, self.rows // 2, 1])[: self.patches]
        return few if self.padded else torch.full((self.patches,), self.rows)

    def gradient_reaches(self) -> list[str]:
        given = [name for name, tensor in self.tensors().items() if tensor is not None]
        return [name for name in given if name != "valid" and not (name == "x" and self.shared)]


def perceptron(given: dict[str, Tensor | None]) -> Tensor:
    x, w1, b1 = (given[name] for name in ("x", "w1", "b1"))
    assert x is not None
    assert w1 is not None
    assert b1 is not None
    norm, second = pair(given, "scale", "shift"), pair(given, "w2", "b2")
    return native.perceptron(x, (w1, b1), norm, second, given["valid"])


def pair(given: dict[str, Tensor | None], one: str, two: str) -> tuple[Tensor, Tensor] | None:
    first, second = given[one], given[two]
    return None if first is None or second is None else (first, second)


def plain(given: dict[str, Tensor | None], counts: Tensor) -> tuple[Tensor, Tensor]:
    """The same patch by patch: the result, and how near each row comes to the bend of the ReLU."""
    x, w1, b1 = given["x"], given["w1"], given["b1"]
    assert x is not None
    assert w1 is not None
    assert b1 is not None
    trials, second = w1.shape[0], pair(given, "w2", "b2")
    norm = pair(given, "scale", "shift")
    made, near = [], []
    for t, b in itertools.product(range(trials), range(x.shape[1])):
        rows = x[t % len(x), b, : int(counts[b])]
        layer = (t, b) if w1.dim() == 4 else (t,)
        y = rows @ w1[layer] + b1[layer]
        if norm is not None and len(rows) > 0:
            root = (y.var(unbiased=False) + EPSILON).rsqrt()
            y = (y - y.mean()) * root * norm[0][t] + norm[1][t]
        padding = x.shape[2] - len(rows)
        bend = y.detach().abs().amin(dim=1) if len(rows) else y.new_zeros(0)
        near.append(torch.nn.functional.pad(bend, (0, padding)))
        y = y.relu()
        if second is not None:
            y = y @ second[0][t] + second[1][t]
        made.append(torch.nn.functional.pad(y, (0, 0, 0, padding)))
    shape = (trials, x.shape[1], x.shape[2])
    return torch.stack(made).view(*shape, -1), torch.stack(near).view(*shape, 1)


def leaves(
    given: dict[str, Tensor | None], names: list[str], dtype: torch.dtype
) -> dict[str, Tensor | None]:
    return {
        name: tensor if tensor is None else tensor.to(dtype).clone().requires_grad_(name in names)
        for name, tensor in given.items()
    }


def gradients(
    y: Tensor, given: dict[str, Tensor | None], names: list[str], of_y: Tensor
) -> list[Tensor]:
    wanted = [tensor for name in names if (tensor := given[name]) is not None]
    return list(torch.autograd.grad(y, wanted, of_y.to(y.dtype)))


def assert_close(ours: Tensor, truth: Tensor, what: str) -> None:
    """Within the rounding of sums over what is as large as the largest of the tensor."""
    largest = max(1.0, float(truth.detach().abs().max())) if truth.numel() else 1.0
    torch.testing.assert_close(
        ours.double(), truth, rtol=1e-4, atol=1e-4 * largest, msg=naming(what)
    )


def assert_is_plain(case: Case) -> None:
    drawn, names = case.tensors(), case.gradient_reaches()
    ours, theirs = leaves(drawn, names, torch.float32), leaves(drawn, names, torch.float64)
    y = perceptron(ours)
    truth, near = plain(theirs, case.counts())
    assert_close(y, truth, f"{case}: y")
    assert not y[padding_of(case)].any()
    # Where rounding decides on which side of the bend an entry lies, there is nothing to compare.
    of_y = torch.randn(y.shape, generator=torch.Generator().manual_seed(99)) * (near > 1e-4)
    found, true = gradients(y, ours, names, of_y), gradients(truth, theirs, names, of_y)
    for name, mine, yours in zip(names, found, true, strict=True):
        assert_close(mine, yours, f"{case}: {name}")


def padding_of(case: Case) -> Tensor:
    return (torch.arange(case.rows) >= case.counts()[:, None]).expand(case.trials, -1, -1)


def cases(**sizes: int | tuple[int, int, int]) -> Iterator[Case]:
    for flags in itertools.product(SWITCH, repeat=5):
        yield replace(Case(*flags), **sizes)  # type: ignore[arg-type]


@pytest.mark.parametrize("widths", WIDTHS, ids=str)
def test_perceptrons_of_any_width(widths: tuple[int, int, int]) -> None:
    for case in cases(widths=widths):
        assert_is_plain(case)


@pytest.mark.parametrize("rows", ROWS)
def test_perceptrons_of_any_number_of_rows(rows: int) -> None:
    for case in cases(rows=rows):
        assert_is_plain(case)


@pytest.mark.parametrize(("trials", "patches"), [(1, 1), (1, 4), (3, 1), (3, 4)])
def test_perceptrons_of_any_population_and_batch(trials: int, patches: int) -> None:
    for case in cases(trials=trials, patches=patches):
        assert_is_plain(case)


def test_a_number_of_threads_changes_no_bit() -> None:
    case = Case(norm=True, second=True, padded=True, per_patch=False, shared=False, trials=3)
    before = torch.get_num_threads()
    found = []
    try:
        for threads in (1, 2, 5):
            torch.set_num_threads(threads)
            found.append(everything(case.tensors()))
    finally:
        torch.set_num_threads(before)
    for others in found[1:]:
        assert all(map(torch.equal, found[0], others))


@pytest.mark.parametrize("norm", SWITCH)
def test_a_trial_does_not_depend_on_those_beside_it(*, norm: bool) -> None:
    """To the last bit, wherever in memory its rows lie: 13 channels fill no vector."""
    case = Case(*(norm, True, True, True, False), trials=3, rows=67, patches=4, widths=(3, 13, 5))
    together = everything(case.tensors())
    for trial in range(3):
        alone = everything(members(case.tensors(), [trial]))
        backwards = everything(members(case.tensors(), [trial, 0, 1]))
        for population, one, first in zip(together, alone, backwards, strict=True):
            assert torch.equal(population[trial], one[0])
            assert torch.equal(population[trial], first[0])


def members(given: dict[str, Tensor | None], trials: list[int]) -> dict[str, Tensor | None]:
    """Some of a population's trials."""
    return {
        name: tensor if tensor is None or name == "valid" else tensor[trials]
        for name, tensor in given.items()
    }


def everything(given: dict[str, Tensor | None]) -> list[Tensor]:
    """The output of rows that no trials share, and the gradients of its sum's square."""
    names = [name for name, tensor in given.items() if tensor is not None and name != "valid"]
    given = leaves(given, names, torch.float32)
    y = perceptron(given)
    return [y.detach(), *gradients(y, given, names, 2 * y.detach())]


@pytest.mark.parametrize("norm", SWITCH)
def test_tensors_may_lie_in_any_order(*, norm: bool) -> None:
    case = Case(*(norm, True, True, False, False), trials=3, rows=20)
    strided = {
        name: tensor if tensor is None else tensor.mT.contiguous().mT
        for name, tensor in case.tensors().items()
    }
    assert strided["x"] is not None
    assert not strided["x"].is_contiguous()
    assert all(map(torch.equal, everything(strided), everything(case.tensors())))


BAD = pytest.mark.parametrize("bad", [float("nan"), float("inf")])


@BAD
@pytest.mark.parametrize("norm", SWITCH)
@pytest.mark.parametrize("name", ["x", "w1", "b1", "scale", "shift", "w2", "b2"])
def test_what_is_not_finite_shows_and_stays_in_its_trial(
    name: str, bad: float, *, norm: bool
) -> None:
    case = Case(*(norm, True, True, False, False), trials=3)
    clean, broken = case.tensors(), case.tensors()
    target = broken[name]
    if target is None:
        pytest.skip("there is no normalisation in this one")
    target[(1, 2, 0) if name == "x" else (1, 0)][0] = bad
    outputs = [everything(tensors) for tensors in (clean, broken)]
    y, of_broken = outputs[1][0], outputs[1]
    patches = [2] if name == "x" else [0, 2]
    assert all(not y[1, number].isfinite().all() for number in patches)
    assert not torch.stack([one[1].sum() for one in of_broken]).isfinite().any()
    for before, after in zip(*outputs, strict=True):
        assert torch.equal(before[[0, 2]], after[[0, 2]])
    if name == "x":
        for before, after in zip(*(made[:2] for made in outputs), strict=True):
            assert torch.equal(before[1, :2], after[1, :2])


@BAD
def test_padding_is_not_read(bad: float) -> None:
    case = Case(*(True, True, True, True, False), rows=70)
    clean, broken = case.tensors(), case.tensors()
    assert broken["x"] is not None
    broken["x"][padding_of(case)] = bad
    assert all(map(torch.equal, everything(clean), everything(broken)))


@pytest.mark.parametrize("name", NAMES)
def test_tensors_that_do_not_fit_are_refused_before_they_are_read(name: str) -> None:
    given = Case(*(True, True, True, False, False), trials=3).tensors()
    whole = given[name]
    assert whole is not None
    wrong = [whole[:2], whole[..., :-1]] + ([whole.double()] if name != "valid" else [])
    for tensor in wrong:
        with pytest.raises(AssertionError, match="not"):
            perceptron({**given, name: tensor})


def test_there_is_no_second_derivative_rather_than_a_wrong_one() -> None:
    case = Case(*(False, True, False, True, False))
    given = leaves(case.tensors(), ["w1"], torch.float32)
    assert given["w1"] is not None
    y = perceptron(given).square().sum()
    (of_w1,) = torch.autograd.grad(y, given["w1"], create_graph=True)
    with pytest.raises(RuntimeError, match="once_differentiable"):
        of_w1.sum().backward()


def test_only_float32_on_the_cpu_goes_to_the_kernels() -> None:
    """A tensor without memory stands for one on a GPU."""
    x = torch.zeros(2)
    assert usable(x, x)
    assert not usable(x, x.double())
    assert not usable(x, x.to("meta"))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert not usable(x)
