"""Which search a device gets. A CPU stands for a device on which Triton does not work."""

from __future__ import annotations

import re

import pytest
import torch

from model.nearest_choice import Size, choose, size_of, why_no_triton
from model.nearest_plain import nearest_by_brute_force
from model.points import Points
from tests.model.searches import compiled, interpreted

CPU = torch.device("cpu")


def padded(trials: int, patches: int, count: int) -> Points:
    return Points(torch.zeros(trials, patches, count, 3), torch.ones(trials, patches).long())


@pytest.mark.parametrize(
    ("query", "reference", "k", "expected"),
    [
        (padded(1, 1, 1), padded(1, 1, 1), 1, Size(1, 1, 1, 1)),
        (padded(3, 2, 70), padded(1, 2, 1000), 17, Size(4, 64, 256, 16)),
        (padded(1, 4, 3), padded(64, 4, 4096), 3, Size(256, 1, 4096, 2)),
    ],
)
def test_nearly_equal_searches_share_a_measurement(
    query: Points, reference: Points, k: int, expected: Size
) -> None:
    assert size_of(query, reference, k) == expected


@compiled
def test_all_distances_are_taken_where_triton_does_not_work() -> None:
    choice = choose(CPU, Size(1, 1, 1, 1))
    assert choice.search is nearest_by_brute_force
    assert re.fullmatch(r"Triton does not work here \(\w+: .*\)", choice.reason)


@interpreted
def test_the_faster_one_is_taken_as_interpreted() -> None:
    """The interpreter is a thousand times slower than any device."""
    assert why_no_triton(CPU) is None
    choice = choose(CPU, Size(2, 16, 64, 1))
    assert choice.search is nearest_by_brute_force
    measured = re.fullmatch(r"Triton (\S+) ms, all distances (\S+) ms", choice.reason)
    assert measured is not None
    kernel_ms, brute_ms = map(float, measured.groups())
    assert kernel_ms > brute_ms
    assert choose(CPU, Size(2, 16, 64, 1)) is choice
