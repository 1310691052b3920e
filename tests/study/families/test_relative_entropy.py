"""Samples of a Gaussian as whole numbers: they are distributed as it, and cost what theory says.

The candidates are always the same ones, so nothing here is random but where it takes the seed.
"""

from __future__ import annotations

import math
from functools import cache

import numpy as np
import pytest
import torch
from scipy import stats
from torch import Tensor

from model.variational import kl_bits
from study.families.vae.relative_entropy import (
    CANDIDATE_BITS,
    PAIR,
    candidates,
    chosen,
    latents_of,
    read,
    written,
)

GROUPS = 300
"""Each has candidates of its own: independent samples of one posterior."""

POSTERIORS = [(0.0, 1.0), (0.6, 0.5), (-1.2, 0.3), (0.5, 0.15)]
"""Mean and standard deviation of both numbers of a pair."""

GOLDEN = [-0.8921920946748958, 1.8897681356214027, 0.3021260671144148, -0.4622436348063972]
"""The first two candidates."""

OF_ARRIVAL = math.log2(math.e) / math.e + 1
"""Li and El Gamal 2018, theorem 1: the logarithm of a candidate's number is so much more, at most,
than the divergence on average."""


def posterior(mean: float, deviation: float) -> tuple[Tensor, Tensor]:
    """The same one for every group, (1, Z) each."""
    means = torch.full((1, PAIR * GROUPS), mean)
    return means, torch.full_like(means, 2 * math.log(deviation))


@cache
def numbers(mean: float, deviation: float) -> list[int]:
    (found,) = chosen(candidates(GROUPS), *posterior(mean, deviation)).tolist()
    return list(found)


def divergence_bits(mean: float, deviation: float) -> float:
    """Of a pair, in closed form."""
    nats = PAIR * ((mean**2 + deviation**2 - 1) / 2 - math.log(deviation))
    return nats / math.log(2)


@pytest.mark.parametrize(("mean", "deviation"), POSTERIORS)
def test_the_divergence_is_that_of_closed_form_and_of_monte_carlo(
    mean: float, deviation: float, seed: int
) -> None:
    means, log_variances = posterior(mean, deviation)
    found = kl_bits(means[:, :PAIR], log_variances[:, :PAIR])
    ours, prior = torch.distributions.Normal(mean, deviation), torch.distributions.Normal(0.0, 1.0)
    closed = PAIR * torch.distributions.kl_divergence(ours, prior) / math.log(2)
    assert found.item() == pytest.approx(divergence_bits(mean, deviation), abs=1e-5)
    assert found.item() == pytest.approx(closed.item(), abs=1e-5)
    generator = torch.Generator().manual_seed(seed)
    drawn = mean + deviation * torch.randn(100_000, generator=generator)
    each = PAIR * (ours.log_prob(drawn) - prior.log_prob(drawn)) / math.log(2)
    error = each.std().item() / math.sqrt(len(each))
    assert found.item() == pytest.approx(each.mean().item(), abs=6 * error + 1e-5)


@pytest.mark.parametrize(("mean", "deviation"), POSTERIORS)
def test_a_sample_is_distributed_as_the_posterior(mean: float, deviation: float) -> None:
    shared = candidates(GROUPS)
    sample = latents_of(shared, torch.tensor([numbers(mean, deviation)]))[0].double().numpy()
    assert stats.kstest((sample - mean) / deviation, "norm").pvalue > 1e-3
    first, second = sample[::PAIR], sample[1::PAIR]
    assert abs(np.corrcoef(first, second)[0, 1]) < 4 / math.sqrt(GROUPS)


@pytest.mark.parametrize(("mean", "deviation"), POSTERIORS)
def test_a_sample_costs_the_divergence_and_a_little(mean: float, deviation: float) -> None:
    """No code of samples needs fewer bits; its length is at most two logarithms of its own more."""
    divergence = divergence_bits(mean, deviation)
    found = numbers(mean, deviation)
    logarithms = np.log2(np.array(found) + 1.0)
    error = 3 * logarithms.std() / math.sqrt(GROUPS)
    assert logarithms.mean() <= divergence + OF_ARRIVAL + error
    bits = 8 * len(written(found)) / GROUPS
    most = divergence + OF_ARRIVAL
    assert divergence - error <= bits <= most + 2 * math.log2(most + 1) + 1 + error


def test_the_prior_itself_costs_a_bit() -> None:
    """Nothing was learned: the first candidate is as good as any."""
    assert set(numbers(0.0, 1.0)) == {0}
    assert len(written([0] * 80)) == 10


def test_a_posterior_beyond_the_list_takes_the_nearest_that_there_is() -> None:
    shared = candidates(1)
    mean = torch.tensor([[0.3, -0.4]])
    found = chosen(shared, mean, torch.full((1, 2), -20.0))
    nearest = (shared.latents[0] - mean).square().sum(dim=1).argmin()
    assert found.item() == nearest


def test_candidates_are_of_the_prior_and_the_same_for_any_number_of_groups() -> None:
    shared, fewer = candidates(4), candidates(2)
    torch.testing.assert_close(shared.latents[:2], fewer.latents, rtol=0, atol=0)
    torch.testing.assert_close(shared.log_arrivals[:2], fewer.log_arrivals, rtol=0, atol=0)
    assert stats.kstest(shared.latents.flatten().numpy(), "norm").pvalue > 1e-3
    gaps = shared.log_arrivals.exp().diff(dim=1, prepend=torch.zeros(4, 1)).flatten().numpy()
    assert stats.kstest(gaps, "expon").pvalue > 1e-3


def test_candidates_are_those_that_files_were_written_with() -> None:
    """Golden: others would decode earlier files to other points."""
    (latents,) = candidates(1).latents
    assert latents.shape == (4096, 2)
    first = latents[:2].flatten().tolist()
    assert first == pytest.approx(GOLDEN, abs=1e-9)


def test_numbers_are_read_as_they_were_written(seed: int) -> None:
    rng = np.random.default_rng(seed)
    for count in (1, 2, 7, 40):
        bits = rng.integers(0, CANDIDATE_BITS + 1, count)
        given = [int(rng.integers(0, 1 << each)) for each in bits]
        assert read(written(given), count) == given
    edges = [0, 1, 2, (1 << CANDIDATE_BITS) - 1]
    assert read(written(edges), 4) == edges


def test_elias_delta_is_that_of_the_textbook() -> None:
    """1, 010 0, 010 1, 011 00 and 00100 000 for 1, 2, 3, 4 and 8."""
    assert written([0, 1, 2, 3, 7]) == int("101000101011000010000000", 2).to_bytes(3)


def test_bytes_that_no_encoder_writes_are_refused(seed: int) -> None:
    """Every change of a bit is another list of numbers, or an error; never anything else."""
    rng = np.random.default_rng(seed)
    given = [int(each) for each in rng.integers(0, 1 << CANDIDATE_BITS, 4)]
    data = written(given)
    for damaged in (b"", data[:-1], data + b"\0", b"\0" * 4, b"\xff" * 2):
        with pytest.raises(ValueError, match=r"must|found|candidates"):
            read(damaged, 4)
    for bit in range(8 * len(data)):
        changed = (int.from_bytes(data) ^ 1 << bit).to_bytes(len(data))
        try:
            found = read(changed, 4)
        except ValueError:
            continue
        assert found != given
        assert written(found) == changed
