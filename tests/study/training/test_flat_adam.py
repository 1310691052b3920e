"""Adam on flat tensors against PyTorch's on each trial alone."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
import torch

from model.codec import Codec
from study.families.dpcc.architecture import DpccArchitecture
from study.training.flat import FlatAdam, Layout, by_name
from tests.study.tiny import MODEL

TRIALS = 3
RATES = [(1e-3, 2e-3, 4e-3), (3e-2, 1e-4, 1e-3), (5e-4, 5e-4, 1e-2)]
"""Of each trial, for as many groups of parameters as there are."""
LIMITS = [None, 0.5, 1e6]
STEPS = 12


@dataclass(frozen=True)
class Parts(DpccArchitecture):
    """D-PCC with another number of learning rates: one for all, or another for the encoder."""

    ends: tuple[str, ...] = ("quantiles",)

    rates = ("first", "second", "third")

    def rate_of(self, parameter: str) -> str:
        places = [place for place, end in enumerate(self.ends, start=1) if end in parameter]
        return self.rates[places[0] if places else 0]


DPCC = DpccArchitecture(MODEL)


def fresh(seed: int, architecture: DpccArchitecture = DPCC) -> tuple[Layout, torch.Tensor]:
    codec = Codec(MODEL, TRIALS)
    codec.reset([seed, seed + 1, seed + 2])
    layout = Layout(codec, architecture)
    flat = torch.cat([parameter.detach().reshape(-1) for parameter in layout.parameters])
    layout.adopt(flat)
    return layout, flat


def adam_of(layout: Layout, flat: torch.Tensor, steps: list[int] | None = None) -> FlatAdam:
    adam = FlatAdam(
        layout,
        flat,
        torch.zeros_like(flat),
        torch.zeros_like(flat),
        steps or [0] * TRIALS,
        LIMITS,
    )
    adam.set_rates([rates[: len(layout.rates)] for rates in RATES])
    return adam


def gradients_of(layout: Layout, generator: torch.Generator) -> list[torch.Tensor]:
    """Of sizes from nothing to far too large."""
    return [
        torch.randn(parameter.shape, generator=generator)
        * 10 ** torch.empty(parameter.shape).uniform_(-9, 1, generator=generator)
        for parameter in layout.parameters
    ]


@pytest.mark.parametrize(
    "architecture", [DPCC, Parts(MODEL, ends=()), Parts(MODEL, ends=("quantiles", "encoder"))]
)
def test_steps_are_those_of_pytorch(architecture: DpccArchitecture, seed: int) -> None:
    """Each trial with its own rates; of the first rate's parameters the gradient is clipped."""
    layout, flat = fresh(seed, architecture)
    adam, before = adam_of(layout, flat), layout.rows(flat)
    generator = torch.Generator().manual_seed(seed)
    given = [gradients_of(layout, generator) for _ in range(STEPS)]
    for gradients in given:
        adam.step(gradients)
    found = layout.rows(flat)
    for trial in range(TRIALS):
        named = by_name(before[trial].clone(), layout.shapes)
        ours = {name: torch.nn.Parameter(tensor) for name, tensor in named.items()}
        groups = {
            rate: [each for name, each in ours.items() if architecture.rate_of(name) == rate]
            for rate in architecture.rates
        }
        network = groups[architecture.rates[0]]
        rates = zip(groups.values(), RATES[trial], strict=False)
        optimiser = torch.optim.Adam([
            {"params": parameters, "lr": rate} for parameters, rate in rates if parameters
        ])  # fmt: skip
        for gradients in given:
            row = torch.cat([part.view(TRIALS, -1)[trial] for part in gradients])
            for name, gradient in by_name(row, layout.shapes).items():
                ours[name].grad = gradient.clone()
            limit = LIMITS[trial]
            if limit is not None:
                torch.nn.utils.clip_grad_norm_(network, limit)
            optimiser.step()
        expected = torch.cat([tensor.detach().flatten() for tensor in ours.values()])
        torch.testing.assert_close(found[trial], expected, rtol=2e-5, atol=2e-6)


def test_trials_may_differ_in_age(seed: int) -> None:
    """One that has taken 40 steps and one that is new step as each would in its own company."""
    results = {}
    for ages in ([40, 0, 7], [40, 40, 40], [0, 0, 0], [7, 7, 7]):
        layout, flat = fresh(seed)
        adam = adam_of(layout, flat, list(ages))
        adam.step(gradients_of(layout, torch.Generator().manual_seed(seed)))
        results[tuple(ages)] = layout.rows(flat)
        assert adam.steps == [age + 1 for age in ages]
    mixed = results[40, 0, 7]
    for trial, age in enumerate((40, 0, 7)):
        torch.testing.assert_close(mixed[trial], results[age, age, age][trial], rtol=1e-6, atol=0)


def test_gradients_that_are_no_numbers_stay_their_own_trials(seed: int) -> None:
    layout, flat = fresh(seed)
    expected_layout, expected = fresh(seed)
    gradients = gradients_of(layout, torch.Generator().manual_seed(seed))
    adam_of(expected_layout, expected).step(gradients)
    for gradient, number in zip(gradients, (torch.nan, torch.inf), strict=False):
        gradient.view(TRIALS, -1)[1] = number
    adam_of(layout, flat).step(gradients)
    ours, theirs = layout.rows(flat), expected_layout.rows(expected)
    assert ours[[0, 2]].equal(theirs[[0, 2]])
    assert not ours[1].isfinite().all()


def test_parameters_are_views_of_the_flat_tensor_and_rows_go_there_and_back(seed: int) -> None:
    layout, flat = fresh(seed)
    rows = layout.rows(flat)
    assert layout.flat(rows).equal(flat)
    codec = Codec(MODEL, TRIALS)
    codec.reset([seed, seed + 1, seed + 2])
    alone = Codec(MODEL)
    alone.reset([seed + 1])
    named = by_name(rows[1], layout.shapes)
    for name, parameter in alone.named_parameters():
        assert named[name].equal(parameter), name
    flat.zero_()
    assert all(not parameter.any() for parameter in layout.parameters)


@pytest.mark.parametrize("trials", [1, 4])
def test_groups_tell_the_trial_and_the_quantiles(trials: int) -> None:
    layout = Layout(Codec(MODEL, trials), DpccArchitecture(MODEL))
    rows = layout.rows(layout.groups(torch.device("cpu")))
    assert rows[:, 0].tolist() == [2 * trial for trial in range(trials)]
    assert rows[:, -1].tolist() == [2 * trial + 1 for trial in range(trials)]
    names = list(layout.shapes)
    assert [name for name in names if name.endswith("quantiles")] == names[-1:]
