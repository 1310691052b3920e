"""A member of a cohort ends as the same trial alone, whoever joins, leaves, finishes or diverges.

Bit for bit where that is promised, else within what rounding does: see `tests.rounding`. Trials
differ in every setting that members may differ in.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
import pytest

from study.training.checkpoint import read_checkpoint, read_codec
from study.training.codec_files import codec_file, codec_files
from tests.rounding import DISTURBANCES, TIMES, distance
from tests.study.tiny import LOSS, member, tiny_data_set, train, training_of, without_clocks
from tests.study.training.alone import assert_same, begun_alone, bound, trained_alone

if TYPE_CHECKING:
    from pathlib import Path

    from study.data import DataSet
    from study.training.training import Member, Training

pytestmark = pytest.mark.timeout(400)  # A bound is measured by more trainings.

EPOCHS = 4
"""Of 6 steps each."""


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> DataSet:
    return tiny_data_set(tmp_path_factory.getbasetemp() / "tiny")


def some_members(count: int, seed: int, **settings: object) -> list[Member]:
    rng = np.random.default_rng(seed)
    base = member().training
    return [
        member(
            trial,
            seed=100 * seed + trial,
            loss=LOSS.model_copy(
                update={
                    "bpp_lambda": float(10 ** rng.uniform(-4, 0)),
                    "chamfer_coe": float(10 ** rng.uniform(-2, 0)),
                    "density_coe": float(10 ** rng.uniform(-5, -3)),
                }
            ),
            training=base.model_copy(
                update={
                    "patches_per_step": 1,
                    "epochs": EPOCHS,
                    "learning_rate": float(10 ** rng.uniform(-3.3, -2.5)),
                    "bottleneck_learning_rate": float(10 ** rng.uniform(-3, -2)),
                    "decay_every": int(rng.integers(1, 4)),
                    "max_grad_norm": (None, 1.0)[trial % 2],
                    **settings,
                }
            ),
        )
        for trial in range(count)
    ]


def standing(training: Training) -> list[tuple[int, ...]]:
    """Who is living and who is finished."""
    return [training.living, training.finished]


def assert_as_alone(
    training: Training, data: DataSet, one: Member, seed: int, epochs: int = EPOCHS
) -> None:
    theirs = trained_alone(data, one, epochs)
    assert_same(training.parameters(one.trial), theirs, data, one, epochs, seed)


def test_each_of_eight_ends_as_it_does_alone(data: DataSet, seed: int) -> None:
    """Weights after 24 steps."""
    members = some_members(8, seed=1)
    together = training_of(data, *members)
    train(together)
    assert together.finished == tuple(range(8))
    for one in members:
        assert_as_alone(together, data, one, seed)


def test_each_of_three_measures_what_it_does_alone(data: DataSet, seed: int) -> None:
    """But for rounding: sums over points, of which other trials may have more, round otherwise."""
    members, rng = some_members(3, seed=1), np.random.default_rng(seed)
    ours = without_clocks(training_of(data, *members).run_epoch())
    for one in members:
        theirs, *moved = (
            without_clocks(begun_alone(data, one, moved_by=moves).run_epoch())[one.trial]
            for moves in (None, *[rng] * DISTURBANCES)
        )
        assert ours[one.trial].pop("population") == 3
        assert theirs.pop("population") == 1
        assert ours[one.trial].keys() == theirs.keys()
        for name, right in theirs.items():
            effect = max(abs(each[name] - right) for each in moved)
            # Sums in single precision, also where no disturbance shows.
            within = max(TIMES * effect, 100 * 2.0**-24 * abs(right))
            assert ours[one.trial][name] == pytest.approx(right, rel=0, abs=within), (one, name)


def test_the_bound_finds_a_rate_off_by_a_hundredth_and_noise_of_a_neighbour(
    data: DataSet, seed: int
) -> None:
    """The rate in one of four at least: so the test of eight members fails."""
    found = []
    for one, neighbour in pairwise(some_members(5, seed=1)):
        right = trained_alone(data, one, EPOCHS)
        within = bound(data, one, EPOCHS, np.random.default_rng([seed, one.trial]))
        rate = 1.01 * one.training.learning_rate
        faster = replace(one, training=one.training.model_copy(update={"learning_rate": rate}))
        found.append(distance(trained_alone(data, faster, EPOCHS), right) > within)
        assert distance(trained_alone(data, one, EPOCHS, noise_of=neighbour), right) > within, one
    assert any(found)


def test_members_of_their_own_epochs_finish_one_after_the_other(data: DataSet, seed: int) -> None:
    members = [
        replace(one, training=one.training.model_copy(update={"epochs": epochs}))
        for one, epochs in zip(some_members(3, seed=2), (2, 1, 3), strict=True)
    ]
    training = training_of(data, *members)
    assert training.run_epoch().keys() == {0, 1, 2}
    assert standing(training) == [(0, 2), (1,)]
    assert training.run_epoch().keys() == {0, 2}
    assert training.run_epoch().keys() == {2}
    assert standing(training) == [(), (1, 0, 2)]
    assert [training.epochs_done(trial) for trial in range(3)] == [2, 1, 3]
    for one in members:
        assert_as_alone(training, data, one, seed, one.training.epochs)


def test_one_that_joins_late_trains_as_it_would_alone_from_there(data: DataSet, seed: int) -> None:
    first, late = some_members(2, seed=3)
    late = replace(late, order_from=2)
    training = training_of(data, first)
    train(training, epochs=2)
    assert training.clock == 2
    training.join([late])
    assert training.living == (0, 1)
    train(training, epochs=2)
    assert standing(training) == [(1,), (0,)]
    train(training)
    assert training.clock == 6
    assert_as_alone(training, data, late, seed)
    assert_as_alone(training, data, first, seed)


def test_one_joins_where_the_cohort_is_and_once(data: DataSet) -> None:
    first, late = some_members(2, seed=3)
    training = training_of(data, first)
    training.run_epoch()
    with pytest.raises(AssertionError, match="joins at 1"):
        training.join([late])
    with pytest.raises(AssertionError, match="was a member before"):
        training.join([replace(first, order_from=1)])


def test_one_that_leaves_or_diverges_changes_nothing_for_the_rest(data: DataSet, seed: int) -> None:
    staying, leaving, broken = some_members(3, seed=4)
    broken = replace(broken, loss=LOSS.model_copy(update={"bpp_lambda": 1e39}))
    training = training_of(data, broken, staying, leaving)
    results = training.run_epoch()
    assert results[broken.trial].failure is not None
    assert standing(training)[0] == (staying.trial, leaving.trial)
    train(training, epochs=1)
    training.leave([leaving.trial, broken.trial])
    assert standing(training)[0] == (staying.trial,)
    train(training)
    assert_as_alone(training, data, staying, seed)
    assert training.known == (2, 0, 1)
    with pytest.raises(KeyError):
        training.parameters(leaving.trial)


def test_a_cohort_goes_on_from_its_checkpoint_with_whoever_was_in_it(
    data: DataSet, tmp_path: Path
) -> None:
    """Bit for bit; the one that begins anew names other members."""
    first, late, leaving = some_members(3, seed=5)
    first = replace(first, training=first.training.model_copy(update={"epochs": 1}))
    late = replace(late, order_from=1)
    training = training_of(data, first, leaving)
    training.run_epoch()
    training.measure(0)
    training.join([late])
    training.leave([leaving.trial])
    training.run_epoch()
    training.save(tmp_path)
    resumed = training_of(data, first)
    resumed.load(tmp_path)
    for each in (training, resumed):
        assert standing(each) == [(1,), ()]
        assert each.clock == 2
        assert set(each.known) == {0, 1, 2}
        train(each)
    for name, expected in training.parameters(1).items():
        assert resumed.parameters(1)[name].equal(expected), name


def test_each_codec_that_an_epoch_trained_has_a_file_of_its_own(
    data: DataSet, tmp_path: Path
) -> None:
    """Of those in training and those that have just finished; of nobody else."""
    members = [
        replace(one, training=one.training.model_copy(update={"epochs": epochs}))
        for one, epochs in zip(some_members(3, seed=6), (1, 2, 3), strict=True)
    ]
    training = training_of(data, *members)
    assert training.write_codecs(tmp_path) == {}
    expected: dict[int, tuple[int, ...]] = {1: (0, 1, 2), 2: (1, 2), 3: (2,)}
    for epoch, trials in expected.items():
        training.run_epoch()
        written = training.write_codecs(tmp_path)
        assert written.keys() == set(trials)
        for trial, (trained, size) in written.items():
            assert trained == epoch
            file = codec_file(tmp_path, trial, epoch)
            assert file.stat().st_size == size
            saved = read_codec(file)
            assert (saved.trial, saved.epoch) == (trial, epoch)
            for name, parameter in training.parameters(trial).items():
                assert saved.parameters[name].equal(parameter), name
        if epoch == 1:
            training.measure(0)
    places = {(trial, epoch) for epoch, trials in expected.items() for trial in trials}
    assert {(trial, epoch) for trial, epoch, _ in codec_files(tmp_path)} == places


def test_who_comes_leaves_or_diverges_has_no_codec_of_the_epoch(
    data: DataSet, tmp_path: Path
) -> None:
    staying, leaving, broken = some_members(3, seed=4)
    broken = replace(broken, loss=LOSS.model_copy(update={"bpp_lambda": 1e39}))
    training = training_of(data, staying, leaving, broken)
    training.run_epoch()
    training.leave([leaving.trial])
    training.join([member(7, training=staying.training, order_from=1)])
    assert training.write_codecs(tmp_path).keys() == {staying.trial}
    training.save(tmp_path)
    resumed = training_of(data, staying)
    resumed.load(tmp_path)
    assert resumed.write_codecs(tmp_path / "again") == {}  # Its epoch was told already.


def test_a_checkpoint_holds_each_member_as_if_it_were_alone(data: DataSet, tmp_path: Path) -> None:
    """What the others' checkpoint would be is of the same size."""
    sizes = []
    for count in (1, 4):
        training_of(data, *some_members(count, seed=7)).save(tmp_path)
        (file,) = tmp_path.iterdir()
        sizes.append(file.stat().st_size)
    assert sizes[1] < 4.1 * sizes[0]


def test_a_checkpoint_holds_nothing_of_who_was_measured(data: DataSet, tmp_path: Path) -> None:
    """A cohort that is refilled all day must not write more and more after each epoch."""
    first, second = some_members(2, seed=8)
    first = replace(first, training=first.training.model_copy(update={"epochs": 1}))
    training = training_of(data, first, second)
    training.run_epoch()
    training.measure(first.trial)
    training.save(tmp_path)
    state = read_checkpoint(tmp_path)
    assert state["living"].keys() == {second.trial}
    assert state["finished"] == {}
    assert state["epochs"] == {first.trial: 1, second.trial: 1}
