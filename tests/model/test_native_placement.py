"""The kernel that places points against its plain form in double precision, values and gradients.

Legend: T trials, B patches, R rows, D candidates, a inputs, h hidden channels, C channels.
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import pytest
import torch
import torch.nn.functional as F  # noqa: N812  the name everyone knows

from model.directions import candidate_directions
from model.native.library import library
from model.native.placement import place
from tests.model.support import naming

if TYPE_CHECKING:
    from torch import Tensor

pytestmark = pytest.mark.skipif(library() is None, reason="there is no C++ compiler here")

CANDIDATES = candidate_directions()
SWITCH = (False, True)
NAMES = (
    "x",
    "xyz",
    "residual",
    *(f"{net} {what}" for net in "dlf" for what in ["w1", "b1", "w2", "b2"]),
)


def drawn(
    trials: int = 3, patches: int = 2, rows: int = 67, widths: tuple[int, int, int] = (3, 13, 5)
) -> dict[str, Tensor]:
    """All that can be given, float32."""
    generator = torch.Generator().manual_seed(rows)

    def draw(*shape: int) -> Tensor:
        return torch.randn(shape, generator=generator)

    a, h, channels = widths
    of_points = [draw(trials, patches, rows, width) for width in (a, 3, channels)]
    layers = []
    for outputs in (len(CANDIDATES), 1, channels):
        layers += [draw(trials, a, h) * a**-0.5, draw(trials, 1, h)]
        layers += [draw(trials, h, outputs) * h**-0.5, draw(trials, 1, outputs)]
    return dict(zip(NAMES, (*of_points, *layers), strict=True))


def network(given: dict[str, Tensor], which: str) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    w1, b1, w2, b2 = (given[f"{which} {what}"] for what in ("w1", "b1", "w2", "b2"))
    return w1, b1, w2, b2


def placed(
    given: dict[str, Tensor], *, made: bool, residual: bool, sizes: Tensor | None = None
) -> tuple[Tensor, Tensor | None]:
    if sizes is None:
        sizes = torch.full(given["x"].shape[:2], given["x"].shape[2])
    return place(
        *(given["x"], given["xyz"], sizes, CANDIDATES, network(given, "d"), network(given, "l")),
        *(network(given, "f") if made else None, given["residual"] if residual and made else None),
    )


def plain(given: dict[str, Tensor], *, made: bool, residual: bool) -> tuple[Tensor, Tensor | None]:
    direction, length, features = (through(given, which) for which in "dlf")
    blended = direction.softmax(dim=-1) @ CANDIDATES.to(direction.dtype)
    xyz = given["xyz"] + F.normalize(blended, dim=-1) * length
    if not made:
        return xyz, None
    return xyz, features + given["residual"] if residual else features


def through(given: dict[str, Tensor], which: str) -> Tensor:
    w1, b1, w2, b2 = network(given, which)
    hidden = given["x"] @ w1[:, None] + b1[:, None]
    return hidden.relu() @ w2[:, None] + b2[:, None]


def off_the_bends(given: dict[str, Tensor]) -> Tensor:
    """(T, B, R, 1): where rounding decides on which side of a ReLU a row is, nothing compares."""
    layers = [network(given, which) for which in "dlf"]
    before = torch.cat([given["x"] @ w1[:, None] + b1[:, None] for w1, b1, *_ in layers], dim=-1)
    return (before.abs().amin(dim=-1, keepdim=True) > 1e-4).float()


def everything(
    given: dict[str, Tensor], *, made: bool = True, residual: bool = True
) -> list[Tensor]:
    """Both outputs, and the gradients of their squares' sum off the bends."""
    near = off_the_bends(given).to(given["x"].dtype)
    leaves = {name: tensor.clone().requires_grad_() for name, tensor in given.items()}
    function = placed if given["x"].dtype == torch.float32 else plain
    xyz, features = function(leaves, made=made, residual=residual)
    outputs = [xyz] if features is None else [xyz, features]
    worth = torch.stack([((near * output) ** 2).sum() for output in outputs]).sum()
    found = torch.autograd.grad(worth, list(leaves.values()), allow_unused=True)
    return [
        *(output.detach() for output in outputs),
        *(gradient for gradient in found if gradient is not None),
    ]


def assert_is_plain(given: dict[str, Tensor], *, made: bool, residual: bool) -> None:
    ours = everything(given, made=made, residual=residual)
    wide = {name: tensor.double() for name, tensor in given.items()}
    theirs = everything(wide, made=made, residual=residual)
    for number, (mine, yours) in enumerate(zip(ours, theirs, strict=True)):
        largest = max(1.0, float(yours.abs().max()))
        torch.testing.assert_close(
            mine.double(), yours, rtol=1e-4, atol=1e-4 * largest, msg=naming(f"tensor {number}")
        )


@pytest.mark.parametrize(
    "widths", [(1, 1, 1), (8, 64, 8), (13, 3, 43), (64, 80, 64), (1, 43, 3)], ids=str
)
@pytest.mark.parametrize("rows", [1, 7, 64, 65, 200])
def test_placing_is_its_plain_form(widths: tuple[int, int, int], rows: int) -> None:
    for trials, patches in ((1, 1), (3, 2)):
        given = drawn(trials, patches, rows, widths)
        for made, residual in ((True, True), (True, False), (False, False)):
            assert_is_plain(given, made=made, residual=residual)


def test_a_direction_that_blends_to_nothing_has_a_finite_gradient() -> None:
    """All candidates weigh alike, and they are symmetric."""
    given = drawn()
    given["d w2"].zero_()
    given["d b2"].zero_()
    assert all(tensor.isfinite().all() for tensor in everything(given))


def test_nothing_depends_on_company_order_or_threads() -> None:
    given, before = drawn(), torch.get_num_threads()
    expected = everything(given)
    strided = {name: tensor.mT.contiguous().mT for name, tensor in given.items()}
    try:
        for threads in (1, 2, 5):
            torch.set_num_threads(threads)
            assert all(map(torch.equal, everything(strided), expected))
    finally:
        torch.set_num_threads(before)
    for trial in range(3):
        alone = everything({name: tensor[[trial]] for name, tensor in given.items()})
        for mine, population in zip(alone, expected, strict=True):
            assert torch.equal(mine[0], population[trial])


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
@pytest.mark.parametrize("name", NAMES)
def test_what_is_not_finite_shows_and_stays_in_its_trial(name: str, bad: float) -> None:
    clean, broken = drawn(), drawn()
    broken[name][1, 0].view(-1)[0] = bad
    before, after = (placed(given, made=True, residual=True) for given in (clean, broken))
    outputs = [*zip(before, after, strict=True)]
    assert not all(output[1].isfinite().all() for output in after if output is not None)
    for old, new in itertools.chain(
        outputs, zip(everything(clean), everything(broken), strict=True)
    ):
        assert old is not None
        assert new is not None
        assert torch.equal(old[[0, 2]], new[[0, 2]])


def test_padding_stays_where_it_is_and_is_not_read() -> None:
    """Each trial and patch has its own number of points; 0 is one of them."""
    given = drawn(3, 2, 70, (8, 16, 8))
    sizes = torch.tensor([[70, 3], [0, 64], [65, 1]])
    padding = torch.arange(70) >= sizes[..., None]
    for name in ("x", "residual"):
        given[name][padding] = torch.nan
    leaves = {name: tensor.clone().requires_grad_() for name, tensor in given.items()}
    xyz, made = placed(leaves, made=True, residual=False, sizes=sizes)
    assert made is not None
    assert torch.equal(xyz[padding], given["xyz"][padding])
    assert (made[padding] == 0).all()
    (xyz[~padding].square().sum() + made[~padding].square().sum()).backward()
    for trial, patch in itertools.product(range(3), range(2)):
        count = int(sizes[trial, patch])
        alone = {
            name: tensor[[trial]][:, [patch], :count] if name in {"x", "xyz", "residual"} else
            tensor[[trial]] for name, tensor in given.items()
        }  # fmt: skip
        mine = placed(alone, made=True, residual=False)
        assert mine[1] is not None
        torch.testing.assert_close(xyz[trial, patch, :count], mine[0][0, 0])
        torch.testing.assert_close(made[trial, patch, :count], mine[1][0, 0])
    for name, leaf in leaves.items():
        assert leaf.grad is None or leaf.grad.isfinite().all(), name
    of_x = leaves["x"].grad
    assert of_x is not None
    assert (of_x[padding] == 0).all()
