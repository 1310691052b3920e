"""How often nearest points change in a training of D-PCC: what the tool counts."""

from __future__ import annotations

from functools import reduce

import pytest
import torch

from model.codec import Codec
from model.patches import collate
from tests.model.support import SMALL, patch
from tools.chamfer.training_steps import Look, _compared, _kept, places, windows


def test_places_are_those_of_loops_over_children(seed: int) -> None:
    codec = Codec(SMALL)
    codec.reset([seed])
    output = codec(collate([patch(seed, 300)], "cpu"))
    latents = output.latent_points.xyz.shape[2]
    found: list[tuple[int, ...]] = [(number,) for number in range(latents)]
    for stage in output.stages:
        counts = stage.child_count[0, 0].round().clamp(1, 8).int().tolist()
        found = [
            (*parent, child)
            for parent, count in zip(found, counts, strict=True)
            for child in range(count)
        ]
    told = places(output, SMALL.max_upsample_num)
    assert len(told) == output.decoded.xyz.shape[2]
    in_base_8 = [reduce(lambda number, child: 8 * number + child, each) for each in found]
    assert told.tolist() == in_base_8


def look(place: list[int], true_of: list[int], decoded_of: list[int], slope: list[float]) -> Look:
    gradient = torch.tensor(slope)
    return Look(
        torch.tensor(place), torch.tensor(true_of), torch.tensor(decoded_of), gradient, gradient
    )


BEFORE = look([1, 2, 5, 9], [0, 0, 1, 2], [1, 5, 9], [1.0, 0.0])


def test_what_stays_the_same_has_not_changed() -> None:
    assert _compared(BEFORE, BEFORE) == pytest.approx((0.0, 0.0, 0.0, 1.0, 1.0))


def test_a_point_is_compared_with_itself_wherever_it_stands_now() -> None:
    """Point 2 is gone and 7 is new; of the three that stayed 9 has another nearest point."""
    later = look([1, 5, 7, 9], [0, 1, 1, 0], [1, 7, 9], [0.0, 1.0])
    changed, of_true, replaced, turned, _ = _compared(BEFORE, later)
    assert (changed, of_true) == pytest.approx((1 / 3, 1 / 3))
    assert (replaced, turned) == pytest.approx((2 / 8, 0.0))
    kept = _kept(BEFORE, later.place, later.true_of, torch.tensor([0, 2, 3]))
    assert kept.true_of_decoded is not None
    assert kept.decoded_of_true is not None
    assert kept.true_of_decoded.flatten().tolist() == [0, 1, 1, 2]
    assert kept.decoded_of_true.flatten().tolist() == [0, 1, 3]


@pytest.mark.timeout(300)
def test_a_real_training_is_watched() -> None:
    found = windows(0, after=(0, 4), watched=2, probes=2)
    assert [window.after for window in found] == [0, 4]
    for window in found:
        assert 0.0 < window.true_changed < 1.0
        assert 0.0 < window.decoded_changed < 1.0
        assert -1.0 <= window.apart < 1.0
        assert -1.0 <= window.turned <= 1.0
