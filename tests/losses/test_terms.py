"""The other terms, by hand, and their sum."""

from __future__ import annotations

import pytest
import torch

from losses import (
    bits,
    density_error,
    latent_point_error,
    point_count_error,
    weighted_sum,
)
from tests.losses.plain import PlainCloud, cloud

ALL = torch.ones(1, 1, 3, dtype=torch.bool)


def test_density_compares_by_identity_where_points_correspond() -> None:
    """|1 - 2| + |4 - 4| + |3 - 0.5|, over three."""
    predicted, true = torch.tensor([[[1.0, 4.0, 3.0]]]), torch.tensor([[[2.0, 4.0, 0.5]]])
    assert density_error(predicted, true, None, ALL).item() == pytest.approx(3.5 / 3)


def test_density_compares_with_the_matched_true_point() -> None:
    """Two true points; the first prediction is matched to the second, the others to the first."""
    predicted = torch.tensor([[[1.0, 4.0, 3.0]]], requires_grad=True)
    true, match = torch.tensor([[[2.0, 5.0]]]), torch.tensor([[[1, 0, 0]]])
    error = density_error(predicted, true, match, ALL)
    assert error.item() == pytest.approx((4 + 2 + 1) / 3)
    (gradient,) = torch.autograd.grad(error.sum(), predicted)
    torch.testing.assert_close(gradient, torch.tensor([[[-1.0, 1.0, 1.0]]]) / 3)


def test_density_of_several_trials_and_patches_shares_the_truth() -> None:
    predicted = torch.tensor([[[1.0], [2.0]], [[3.0], [5.0]]])
    true = torch.tensor([[[1.0], [1.0]]])
    error = density_error(predicted, true, None, ALL[..., :1])
    assert error.tolist() == [[0.0, 1.0], [2.0, 4.0]]


def test_point_count_is_the_surplus_of_a_whole_patch() -> None:
    """1.5 + 2.5 + 4 makes 8; 6 were there. One parent's surplus may make up for another's lack."""
    count = torch.tensor([[[1.5, 2.5, 4.0]]])
    assert point_count_error(count, ALL, torch.tensor([[6]])).tolist() == [[2.0]]
    assert point_count_error(count, ALL, torch.tensor([[8]])).tolist() == [[0.0]]


def test_point_counts_of_two_patches_do_not_cancel() -> None:
    """One patch has 3 points too many, the other 3 too few: pooled, as published, that were 0."""
    count = torch.tensor([[[3.0, 5.0], [2.0, 4.0]]])
    true_count = torch.tensor([[5, 9]])
    error = point_count_error(count, torch.ones(1, 2, 2, dtype=torch.bool), true_count)
    assert error.tolist() == [[3.0, 3.0]]
    loss = weighted_sum({"point_count": error}, {"point_count": torch.ones(1)})
    assert loss.total.item() == 3.0
    assert (count.sum() - true_count.sum()).abs().item() == 0.0


def test_bits_are_the_negative_logarithm_to_the_base_of_two() -> None:
    """1 + 2 bits for the first symbol's channels, 0 + 3 for the second's."""
    likelihoods = torch.tensor([[[[0.5, 0.25], [1.0, 0.125]]]])
    assert bits(likelihoods, torch.ones(1, 1, 2, dtype=torch.bool)).tolist() == [[6.0]]


def test_latent_points_cost_the_mean_square_per_coordinate() -> None:
    """(1 + 4 + 9) / 3 and 0, over two points."""
    decoded, true = cloud([[1, 2, 3], [1, 1, 1]]), cloud([[0, 0, 0], [1, 1, 1]])
    assert latent_point_error(decoded, true).item() == pytest.approx(14 / 3 / 2)


@pytest.mark.parametrize("padding", [1.0, 1e30])
def test_padding_does_not_matter(padding: float) -> None:
    """Patch 0 has one entry and patch 1 two; what lies behind the first is anything."""
    valid = torch.tensor([[[True, False], [True, True]]])
    values = torch.tensor([[[0.25, padding], [0.5, 0.125]]], requires_grad=True)
    true = torch.tensor([[[1.0, 2.0], [3.0, 4.0]]])
    decoded, latent = (PlainCloud(column[..., None], valid) for column in (values, true))
    for term, expected in (
        (density_error(values, true, None, valid), [[0.75, (2.5 + 3.875) / 2]]),
        (point_count_error(values, valid, torch.tensor([[1, 1]])), [[0.75, 0.375]]),
        (bits(values[..., None], valid), [[2.0, 4.0]]),
        (latent_point_error(decoded, latent), [[0.75**2, (2.5**2 + 3.875**2) / 2]]),
    ):
        torch.testing.assert_close(term, torch.tensor(expected))
        (gradient,) = torch.autograd.grad(term.sum(), values, retain_graph=True)
        assert gradient.isfinite().all()
        assert gradient[0, 0, 1] == 0


def test_terms_are_told_before_and_after_weighting_per_trial() -> None:
    """Two trials, two patches: a batch's term is the mean of its patches'."""
    terms = {"near": torch.tensor([[1.0, 3.0], [2.0, 2.0]]), "few": torch.tensor([[4.0, 0.0]] * 2)}
    weights = {"near": torch.tensor([1.0, 10.0]), "few": torch.tensor([0.5, 0.25])}
    loss = weighted_sum(terms, weights)
    assert {name: term.tolist() for name, term in loss.terms.items()} == {
        "near": [2.0, 2.0],
        "few": [2.0, 2.0],
    }
    assert {name: term.tolist() for name, term in loss.weighted.items()} == {
        "near": [2.0, 20.0],
        "few": [1.0, 0.5],
    }
    assert loss.total.tolist() == [3.0, 20.5]
    assert terms["near"].tolist() == [[1.0, 3.0], [2.0, 2.0]]


@pytest.mark.parametrize(
    ("weights", "sentence"),
    [
        (["near"], r"terms without weight \['few'\], weights without term \[\]; name both alike"),
        (["near", "few", "far"], r"terms without weight \[\], weights without term \['far'\]"),
        (["near", "fwe"], r"terms without weight \['few'\], weights without term \['fwe'\]"),
    ],
)
def test_weights_and_terms_must_have_equal_names(weights: list[str], sentence: str) -> None:
    terms = {"near": torch.ones(1, 1), "few": torch.ones(1, 1)}
    with pytest.raises(ValueError, match=sentence):
        weighted_sum(terms, {name: torch.ones(1) for name in weights})
