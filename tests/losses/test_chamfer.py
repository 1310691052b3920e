"""The chamfer distance: examples by hand, a naive twin, and what must not change it."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import pytest
import torch

from losses import Matches, Reduction, Sides, chamfer
from tests.losses.plain import PlainCloud, cloud, random_cloud, search

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor

SQUARE = [[1.0, 0.0], [0.0, 1.0], [-1.0, 0.0], [0.0, -1.0]]
THREE_NEAR_IT = [[1.1, -0.1], [0.1, 0.9], [-0.9, 0.1]]


def distance(
    decoded: PlainCloud,
    true: PlainCloud,
    sides: Sides = Sides.BOTH,
    reduction: Reduction = Reduction.MEAN,
) -> Tensor:
    return chamfer(decoded, true, search, sides=sides, reduction=reduction)[0]


def gradients(
    p: PlainCloud, q: PlainCloud, sides: Sides = Sides.BOTH
) -> tuple[list[list[float]], list[list[float]]]:
    """Of the summed distance, on the points of both clouds."""
    on_p, on_q = torch.autograd.grad(
        distance(p, q, sides, Reduction.SUM).sum(), [p.xyz, q.xyz], allow_unused=True
    )
    return on_p[0, 0].tolist(), on_q[0, 0].tolist()


def test_two_points_each_by_hand() -> None:
    """p1-q1 0.25 and p2-q2 1 (p2-q1 is 2.25), and the same from the other side."""
    p, q = cloud([[0, 0], [2, 0]]), cloud([[0.5, 0], [3, 0]])
    assert distance(p, q, reduction=Reduction.SUM).item() == 2.5
    assert distance(p, q).item() == 1.25
    assert gradients(p, q) == ([[-2, 0], [-4, 0]], [[2, 0], [4, 0]])


def test_one_descent_step_by_hand() -> None:
    p, q = cloud([[0, 0], [2, 0]]), cloud([[0.5, 0], [3, 0]])
    descent = torch.optim.SGD([p.xyz, q.xyz], lr=0.1)
    distance(p, q, reduction=Reduction.SUM).sum().backward()
    descent.step()
    torch.testing.assert_close(p.xyz[0, 0].tolist(), [[0.2, 0.0], [2.4, 0.0]])
    torch.testing.assert_close(q.xyz[0, 0].tolist(), [[0.3, 0.0], [2.6, 0.0]])


def test_a_point_is_pulled_by_all_that_have_it_as_nearest() -> None:
    """p2: 2 (1 - 0.6) twice, as q1's nearest and by its own, and 2 (1 - 3) as q2's nearest."""
    p, q = cloud([[0, 0], [1, 0]]), cloud([[0.6, 0], [3, 0]])
    (p1, p2), _ = gradients(p, q)
    torch.testing.assert_close([p1, p2], [[-1.2, 0.0], [-2.4, 0.0]])
    (p1, p2), _ = gradients(p, q, Sides.DECODED_TO_TRUE)
    torch.testing.assert_close([p1, p2], [[-1.2, 0.0], [0.8, 0.0]])


def test_a_true_point_gets_the_sum_of_both_pulls() -> None:
    p, q = cloud([[0, 0], [0.2, 0]]), cloud([[1, 0]])
    _, (q1,) = gradients(p, q, Sides.DECODED_TO_TRUE)
    torch.testing.assert_close(q1, [2 * (1 - 0.0) + 2 * (1 - 0.2), 0.0])


def test_a_missing_point_costs_only_from_the_true_side() -> None:
    """From the square: three points cost 0.02 each, the forgotten one 2.02; 0.02 + 2.08 / 4."""
    decoded, true = cloud(THREE_NEAR_IT), cloud(SQUARE)
    assert distance(decoded, true).item() == pytest.approx(0.54)
    assert distance(decoded, true, Sides.DECODED_TO_TRUE).item() == pytest.approx(0.02)
    assert distance(decoded, true, Sides.TRUE_TO_DECODED).item() == pytest.approx(0.52)


def test_equal_clouds_have_no_distance_and_near_copies_little() -> None:
    """Four copies cost 0.05^2 + 0.05^2 each, over eight decoded points; the true side nothing."""
    copies = [[1.05, 0.05], [0.05, 0.95], [-0.95, 0.05], [0.05, -0.95]]
    true = cloud(SQUARE)
    assert distance(cloud(SQUARE), true).item() == 0.0
    assert distance(cloud(SQUARE + copies), true).item() == pytest.approx(0.0025)


def test_matches_point_at_the_nearest() -> None:
    p, q = cloud([[0, 0], [1, 0]]), cloud([[0.6, 0], [3, 0], [0.1, 0]])
    matches: Matches = chamfer(p, q, search)[1]
    assert matches.true_of_decoded is not None
    assert matches.decoded_of_true is not None
    assert matches.true_of_decoded.tolist() == [[[2, 0]]]
    assert matches.decoded_of_true.tolist() == [[[1, 1, 0]]]


@pytest.mark.parametrize("sides", [Sides.DECODED_TO_TRUE, Sides.TRUE_TO_DECODED])
def test_a_side_that_does_not_count_is_not_searched(sides: Sides) -> None:
    p, q = cloud([[0, 0]]), cloud([[1, 0]])
    matches = chamfer(p, q, search, sides=sides)[1]
    assert (matches.true_of_decoded is None) == (sides is Sides.TRUE_TO_DECODED)
    assert (matches.decoded_of_true is None) == (sides is Sides.DECODED_TO_TRUE)


def naive_side(query: PlainCloud, other: PlainCloud) -> tuple[Tensor, Tensor, Tensor]:
    """One side's mean distance, and its gradients on both clouds: nothing but loops."""
    trials, patches = query.xyz.shape[:2]
    value = torch.zeros(trials, patches, dtype=torch.float64)
    on_query, on_other = torch.zeros_like(query.xyz), torch.zeros_like(other.xyz)
    for t, b in itertools.product(range(trials), range(patches)):
        points = [p for p in range(query.xyz.shape[2]) if query.valid[t, b, p]]
        for p in points:
            nearest, nearest_dist2 = -1, float("inf")
            for q in range(other.xyz.shape[2]):
                dist2 = float((query.xyz[t, b, p] - other.xyz[t, b, q]).detach().square().sum())
                if other.valid[t, b, q] and dist2 < nearest_dist2:
                    nearest, nearest_dist2 = q, dist2
            pull = 2 * (query.xyz[t, b, p] - other.xyz[t, b, nearest]).detach() / len(points)
            value[t, b] += nearest_dist2 / len(points)
            on_query[t, b, p] += pull
            on_other[t, b, nearest] -= pull
    return value, on_query, on_other


def test_values_and_gradients_equal_a_naive_twin(seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    p = random_cloud(generator, 2, [6, 1, 4])
    q = random_cloud(generator, 2, [3, 7, 1])
    one, p_of_one, q_of_one = naive_side(p, q)
    two, q_of_two, p_of_two = naive_side(q, p)
    value = distance(p, q)
    on_p, on_q = torch.autograd.grad(value.sum(), [p.xyz, q.xyz])
    torch.testing.assert_close(value, one + two)
    torch.testing.assert_close(on_p, p_of_one + p_of_two)
    torch.testing.assert_close(on_q, q_of_one + q_of_two)


def test_order_and_frame_do_not_matter_and_scale_squares(seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    p, q = (random_cloud(generator, 2, [9, 9]) for _ in range(2))
    expected = distance(p, q)
    order = torch.randperm(9, generator=generator)
    rotation, _ = torch.linalg.qr(torch.randn(3, 3, dtype=torch.float64, generator=generator))
    shift = torch.tensor([3.0, -1.0, 2.0])
    changes: dict[str, tuple[Callable[[Tensor], Tensor], float]] = {
        "permuted": (lambda xyz: xyz[:, :, order], 1.0),
        "rotated": (lambda xyz: xyz @ rotation, 1.0),
        "moved": (lambda xyz: xyz + shift, 1.0),
        "scaled": (lambda xyz: xyz * 3, 9.0),
    }
    for name, (change, factor) in changes.items():
        changed = distance(p._replace(xyz=change(p.xyz)), q._replace(xyz=change(q.xyz)))
        torch.testing.assert_close(changed, factor * expected, msg=name)
    torch.testing.assert_close(distance(q, p), expected)


def test_identity_is_zero_far_from_the_origin(seed: int) -> None:
    """The matrix-product form of squared distances would give 0.1 and more here."""
    generator = torch.Generator().manual_seed(seed)
    there = random_cloud(generator, 1, [50])
    far = there._replace(xyz=(there.xyz.detach() + 1e4).float())
    order = torch.randperm(50, generator=generator)
    shuffled = far._replace(xyz=far.xyz[:, :, order])
    assert distance(far, shuffled).item() == 0.0


def test_true_points_may_be_shared_by_all_trials(seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    p, shared = random_cloud(generator, 3, [5, 4]), random_cloud(generator, 1, [6, 2])
    repeated = PlainCloud(*(field.expand(3, *field.shape[1:]) for field in shared))
    torch.testing.assert_close(distance(p, shared), distance(p, repeated))


@pytest.mark.parametrize("padding", [0.0, 1e30])
def test_padding_does_not_matter(seed: int, padding: float) -> None:
    generator = torch.Generator().manual_seed(seed)
    p, q = random_cloud(generator, 2, [6, 3]), random_cloud(generator, 2, [4, 7])
    p_alone, q_alone = (
        PlainCloud(c.xyz[:, 1:, :n], c.valid[:, 1:, :n]) for c, n in ((p, 3), (q, 7))
    )
    alone = distance(p_alone, q_alone)
    with torch.no_grad():
        for points in (p, q):
            points.xyz[~points.valid] = padding
    value = distance(p, q)
    torch.testing.assert_close(value[:, 1:], alone)
    gradients_of_both = torch.autograd.grad(value.sum(), [p.xyz, q.xyz])
    for points, gradient in zip((p, q), gradients_of_both, strict=True):
        assert gradient.isfinite().all()
        assert (gradient[~points.valid] == 0).all()
