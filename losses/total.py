"""The one place where loss terms are weighted and added up.

Legend: T trials, B patches.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor


@dataclass(frozen=True)
class WeightedLoss:
    """A loss and what it is made of.

    Attributes:
        total: (T,), the sum of the weighted terms.
        terms: each (T,), mean over the patches, before weighting.
        weighted: each (T,), after it.
    """

    total: Tensor
    terms: Mapping[str, Tensor]
    weighted: Mapping[str, Tensor]


def weighted_sum(terms: Mapping[str, Tensor], weights: Mapping[str, Tensor]) -> WeightedLoss:
    """Average each term over the batch's patches, weight it, and add all up, per trial.

    A batch's loss is the mean of its patches' losses. (The published code pools a batch: points of
    all patches in one mean, and one absolute value around the sum of the point counts, where
    errors of different patches cancel. With one patch per step, as published, the two agree.)

    Args:
        terms: (T, B) each.
        weights: (T,) each, under the same names.

    Raises:
        ValueError: a term has no weight or a weight has no term: passed over in silence, a
            hyperparameter would have no effect.
    """
    if terms.keys() != weights.keys():
        message = (
            "every loss term needs one weight and every weight one term: terms without weight "
            f"{sorted(terms.keys() - weights.keys())}, weights without term "
            f"{sorted(weights.keys() - terms.keys())}; name both alike"
        )
        raise ValueError(message)
    means = {name: term.mean(dim=1) for name, term in terms.items()}
    weighted = {name: mean * weights[name] for name, mean in means.items()}
    total = sum(weighted.values(), start=next(iter(means.values())).new_zeros(()))
    return WeightedLoss(total, means, weighted)
