"""Batches: each patch once an epoch, one order for all, little padding, kept where it pays."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch

from model.points import Points
from study.base.seeds import Purpose, derived_seed
from study.families.dpcc.architecture import DpccArchitecture
from study.training import feeding
from study.training.batch_cache import TREE_BYTES_PER_POINT, held_bytes
from study.training.feeding import Feed
from tests.study.tiny import MODEL, member, tiny_data_set, training_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from study.data import DataSet


ARCHITECTURE = DpccArchitecture(MODEL)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> DataSet:
    return tiny_data_set(tmp_path_factory.getbasetemp() / "tiny")


@dataclass
class Sizes:
    """All that a plan reads of a data set."""

    point_counts: NDArray[np.int64]

    def split(self, _: str) -> Sizes:
        return self

    def __len__(self) -> int:
        return len(self.point_counts)


def feed_of(sizes: NDArray[np.int64], patches_per_step: int) -> Feed:
    data: Any = Sizes(sizes)
    return Feed(ARCHITECTURE, data, patches_per_step, 5, "cpu")


def test_one_patch_a_step_comes_in_the_order_of_its_seed() -> None:
    """As it always did: a study goes on as it began."""
    generator = torch.Generator().manual_seed(derived_seed(5, Purpose.ORDER, 3))
    expected = torch.randperm(30, generator=generator).tolist()
    plan = feed_of(np.full(30, 100), 1).plan(3)
    assert plan == [[number] for number in expected]


@pytest.mark.parametrize("patches_per_step", [2, 7, 50])
def test_every_patch_comes_once_an_epoch(patches_per_step: int, seed: int) -> None:
    sizes = np.random.default_rng(seed).integers(10, 500, 333)
    feed = feed_of(sizes, patches_per_step)
    plan = feed.plan(0)
    assert sorted(number for batch in plan for number in batch) == list(range(333))
    assert len(plan) == -(-333 // patches_per_step)
    assert max(map(len, plan)) == patches_per_step
    assert feed.plan(0) == plan
    assert feed.plan(1) != plan


def test_patches_of_similar_size_share_a_batch(seed: int) -> None:
    sizes = np.random.default_rng(seed).integers(64, 1025, 2000)
    feed = feed_of(sizes, 8)
    order = torch.randperm(2000, generator=torch.Generator().manual_seed(seed)).tolist()
    at_random = [order[first : first + 8] for first in range(0, 2000, 8)]
    assert feed.padding_share(at_random) > 0.3
    assert feed.padding_share(feed.plan(0)) < 0.07
    # Large and small ones come in no order.
    largest = [sizes[batch].max() for batch in feed.plan(0)]
    assert abs(np.corrcoef(largest, np.arange(len(largest)))[0, 1]) < 0.3


def test_the_share_of_padding_is_counted() -> None:
    assert feed_of(np.array([10, 20, 5, 5]), 2).padding_share([[0, 1], [2, 3]]) == 1 - 40 / 50


@pytest.mark.parametrize(("room", "kept"), [(1e9, 6), (2.5, 2), (0.0, 0)])
def test_a_batch_of_one_patch_is_kept_while_there_is_room(
    data: DataSet, monkeypatch: pytest.MonkeyPatch, room: float, kept: int
) -> None:
    """Room for so many batches."""
    (any_batch, *_) = Feed(ARCHITECTURE, data, 1, 0, "cpu").batches([[0]])
    monkeypatch.setattr(feeding, "CACHE_BYTES", int(room * held_bytes(any_batch)))
    feed = Feed(ARCHITECTURE, data, 1, 0, "cpu")
    plan = feed.plan(0)
    first, again = list(feed.batches(plan)), list(feed.batches(plan))
    assert sum(a is b for a, b in zip(first, again, strict=True)) == kept


def test_batches_of_several_patches_are_made_anew(data: DataSet) -> None:
    """Their first patch does not tell what else is in them."""
    feed = Feed(ARCHITECTURE, data, 2, 0, "cpu")
    plan = feed.plan(0)
    first, again = list(feed.batches(plan)), list(feed.batches(plan))
    assert not any(a is b for a, b in zip(first, again, strict=True))


class Bare(DpccArchitecture):
    """Its batches are tensors, which are neither true nor false."""

    def collate(self, patches: Sequence[Any], device: str | torch.device) -> Any:  # noqa: ANN401  no `Batch`
        return torch.tensor(patches[0].points, device=device)


def test_a_batch_may_be_a_tensor(data: DataSet) -> None:
    feed = Feed(Bare(MODEL), data, 1, 0, "cpu")
    first, again = list(feed.batches([[0], [1]])), list(feed.batches([[0], [1]]))
    assert all(a is b for a, b in zip(first, again, strict=True))


def test_what_a_batch_holds_is_counted() -> None:
    """A view holds what it is a view of."""
    assert held_bytes({"xyz": torch.zeros(10), "more": [{"deeper": np.zeros(3)}]}) == 40 + 24
    whole = torch.zeros(100)
    assert held_bytes([whole, (whole[:10], np.zeros(3))]) == 400 + 24
    cloud = Points(torch.rand(1, 1, 50, 3), torch.tensor([[50]]))
    without = held_bytes(cloud)
    assert len(cloud.trees[0]) == 1
    copied = 50 * 3 * 4
    assert held_bytes(cloud) == without + copied + 50 * TREE_BYTES_PER_POINT


def test_the_next_batch_is_made_in_a_thread_for_a_gpu(
    data: DataSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same batches in the same order."""
    feed = Feed(ARCHITECTURE, data, 2, 0, "cpu")
    plan = feed.plan(0)
    expected = [batch.stages[0].xyz for batch in feed.batches(plan)]
    monkeypatch.setattr(feed, "_made", feed._made_ahead)
    found = [batch.stages[0].xyz for batch in feed.batches(plan)]
    assert len(found) == 3
    for one, other in zip(found, expected, strict=True):
        assert one.equal(other)


def test_an_epoch_tells_the_padding(data: DataSet) -> None:
    """All tiny patches have 150 points."""
    result = training_of(data, member()).run_epoch()[0]
    assert result.metrics["padding_share"] == 0.0
