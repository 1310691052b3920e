"""Padded sets of points."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from model.points import gather


@pytest.mark.parametrize(("trials_of_values", "trials_of_index"), [(2, 1), (1, 2), (2, 2)])
def test_gather_takes_rows_of_each_trial_and_patch(
    trials_of_values: int, trials_of_index: int
) -> None:
    values = torch.arange(trials_of_values * 3 * 4 * 2).view(trials_of_values, 3, 4, 2)
    index = torch.arange(trials_of_index * 3 * 5 * 2).view(trials_of_index, 3, 5, 2) % 4
    found = gather(values, index)
    assert found.shape == (2, 3, 5, 2, 2)
    for t, b, p, k in np.ndindex(2, 3, 5, 2):
        row = values[t % trials_of_values, b, index[t % trials_of_index, b, p, k]]
        assert found[t, b, p, k].equal(row)
