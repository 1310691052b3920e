"""Relative entropy coding: a sample of a Gaussian posterior as whole numbers.

Encoder and decoder share a list of candidates, drawn from the prior. The encoder takes one that is
distributed as the posterior, and writes its number: the earlier in the list, the fewer bits. That
costs about the Kullback-Leibler divergence of the posterior from the prior.

Legend: B posteriors, Z latent numbers, G = Z / PAIR groups that are coded together, N candidates.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch
from torch import Tensor

if TYPE_CHECKING:
    from collections.abc import Sequence

PAIR = 2
"""Latent numbers that one candidate stands for: a number of a candidate costs some bits more than
the divergence, and two numbers share them. The candidates needed grow exponentially."""

CANDIDATE_BITS = 12
"""Binary logarithm of N. A group's divergence should stay some bits below: see `chosen`."""

_SEED = 1312_6114
"""Of the candidates; another one makes other files."""

_FRACTION_BITS = 52
"""Of a uniform number: with half a step more, float64 holds it, and it is neither 0 nor 1."""


class Candidates(NamedTuple):
    """What encoder and decoder share.

    Attributes:
        latents: (G, N, PAIR) float64, standard normal.
        log_arrivals: (G, N) float64, the logarithms of the arrival times of Poisson
            processes of rate 1.
    """

    latents: Tensor
    log_arrivals: Tensor


@cache
def candidates(groups: int) -> Candidates:
    """Return those of G groups, from integers of PCG64, whose stream NumPy keeps (NEP 19).

    They become normal by the inverse of the normal distribution function. Rounding there is all
    that may differ between processors: of points, not of what is in a file.
    """
    shape = (groups, 1 << CANDIDATE_BITS, PAIR + 1)
    drawn = np.random.PCG64(_SEED).random_raw(groups * (PAIR + 1) << CANDIDATE_BITS)
    steps = (drawn >> np.uint64(64 - _FRACTION_BITS)).astype(np.float64)
    uniform = torch.from_numpy((steps + 0.5) * 2.0**-_FRACTION_BITS).reshape(shape)
    arrivals = -uniform[..., PAIR].log()
    return Candidates(torch.special.ndtri(uniform[..., :PAIR]), arrivals.cumsum(dim=1).log())


def chosen(shared: Candidates, mean: Tensor, log_variance: Tensor) -> Tensor:
    """Choose a candidate for each group of each posterior.

    Ordered random coding (Theis and Yosri 2022, arXiv 2102.09270), which is the Poisson functional
    representation (Li and El Gamal 2018) of a list that ends: of candidates z with arrival times t
    that is taken whose ``t p(z) / q(z)`` is least. Where the divergence of a group comes near the
    binary logarithm of N, its samples are too near the prior, and cost fewer bits than it.

    Args:
        shared: of G groups.
        mean: (B, Z).
        log_variance: (B, Z).

    Returns:
        (B, G) int64, from 0.
    """
    mean, log_variance = (each.double().unflatten(1, (-1, PAIR)) for each in (mean, log_variance))
    precision = (-log_variance).exp()
    # log q(z) - log p(z), without what is the same for all candidates.
    ratio = torch.einsum("gnd,bgd->bgn", shared.latents.square(), (1 - precision) / 2)
    ratio = ratio + torch.einsum("gnd,bgd->bgn", shared.latents, mean * precision)
    return (shared.log_arrivals - ratio).argmin(dim=2)


def latents_of(shared: Candidates, numbers: Tensor) -> Tensor:
    """Return the candidates of (B, G) numbers, as (B, Z) float32."""
    at = numbers.T[:, :, None].expand(-1, -1, PAIR)
    return shared.latents.gather(1, at).transpose(0, 1).flatten(1).float()


def written(numbers: Sequence[int]) -> bytes:
    """Write whole numbers from 0 as codes of Elias (1975, delta), and zeros up to a full byte.

    A number of L binary digits takes L - 1 bits, and 2 log2(L) + 1 to say L.
    """
    bits = "".join(map(_delta, numbers))
    size = -(-len(bits) // 8)
    return int(bits.ljust(8 * size, "0"), 2).to_bytes(size, "big")


def read(data: bytes, count: int) -> list[int]:
    """Read so many numbers that `written` wrote.

    Raises:
        ValueError: no encoder writes such bytes.
    """
    bits, numbers = "".join(f"{byte:08b}" for byte in data), []
    at = 0
    for _ in range(count):
        zeros = bits.index("1", at) - at
        at += 2 * zeros + 1
        length = int(bits[at - zeros - 1 : at], 2) - 1
        if length > CANDIDATE_BITS or at + length > len(bits):
            message = f"a number of a candidate must have at most {CANDIDATE_BITS + 1} digits"
            raise ValueError(message)
        numbers.append(int("1" + bits[at : at + length], 2) - 1)
        at += length
    if "1" in bits[at:] or len(bits) - at >= 8:
        raise ValueError("a patch must end with its last number")
    if any(number >> CANDIDATE_BITS for number in numbers):
        raise ValueError(f"there are {1 << CANDIDATE_BITS} candidates")
    return numbers


def _delta(number: int) -> str:
    digits = f"{number + 1:b}"
    length = f"{len(digits):b}"
    return "0" * (len(length) - 1) + length + digits[1:]
