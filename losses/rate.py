"""Rate: the bits that an ideal coder would spend.

Legend: T trials, B patches, M latent points, C channels.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from losses.clouds import masked_sum

if TYPE_CHECKING:
    from torch import Tensor


def bits(likelihoods: Tensor, valid: Tensor) -> Tensor:
    """-log2 of the likelihoods, summed.

    A likelihood is the probability that the model gives to one quantised symbol z: the difference
    of its learned cumulative distribution at z + 1/2 and z - 1/2. A range coder comes within a few
    bytes of this sum; the file's header and the coder's flush come on top.

    Args:
        likelihoods: (T, B, M, C) in (0, 1].
        valid: (1, B, M) bool.

    Returns:
        (T, B) bits.
    """
    return masked_sum(-likelihoods.log2().sum(dim=-1), valid)
