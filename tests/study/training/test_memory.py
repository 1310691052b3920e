"""Where memory runs out a population is divided, and every member still ends as it should."""

from __future__ import annotations

import os
import subprocess
import sys
import weakref
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch

from model.config import ModelConfig
from model.native.library import SWITCH
from study.base.records import Fault
from study.training.checkpoint import read_codec
from study.training.codec_files import codec_file
from study.training.evaluation import Validation
from study.training.flat import FlatAdam
from study.training.memory import in_parts, is_out_of_memory
from study.training.population import Population
from tests.rounding import distance
from tests.study.tiny import member, tiny_data_set, train, training_of
from tests.study.training.alone import assert_same, bound
from tests.study.training.test_members import some_members

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from torch import Tensor

    from model.codec import Codec
    from model.kernels import Context
    from model.patches import PatchBatch
    from study.data import DataSet
    from study.training.training import Member


pytestmark = pytest.mark.timeout(400)  # A bound is measured by more trainings.


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> DataSet:
    return tiny_data_set(tmp_path_factory.getbasetemp() / "tiny")


class Scarce:
    """Lets so few members step at once, once so many steps were taken.

    What is refused fails where a step really may: at once, or with all gradients at hand.
    """

    def __init__(
        self, monkeypatch: pytest.MonkeyPatch, most: int, *, after: int, where: str
    ) -> None:
        self.left, self.most, self.sizes = after, most, list[int]()
        if where == "step":
            real_step = Population.step

            def step(population: Population, batch: PatchBatch) -> int:
                self._check(len(population.members))
                return real_step(population, batch)

            monkeypatch.setattr(Population, "step", step)
        else:
            real_adam = FlatAdam.step

            def adam(optimiser: FlatAdam, gradients: Sequence[Tensor]) -> None:
                self._check(len(optimiser.steps))
                real_adam(optimiser, gradients)

            monkeypatch.setattr(FlatAdam, "step", adam)

    def _check(self, members: int) -> None:
        self.left -= 1
        if self.left < 0 and members > self.most:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 MiB")
        self.sizes.append(members)


@pytest.mark.parametrize("where", ["step", "optimiser"])
def test_halves_go_on_from_the_very_step(
    data: DataSet, monkeypatch: pytest.MonkeyPatch, where: str, seed: int
) -> None:
    """Five members, at most two at once from the third step on: 2, then 1 and 2."""
    members = some_members(5, seed=8, epochs=2)
    undivided = training_of(data, *members)
    train(undivided)
    scarce = Scarce(monkeypatch, 2, after=2, where=where)
    training = training_of(data, *members)
    first, second = training.run_epoch(), training.run_epoch()
    assert scarce.sizes == [5, 5, *[2, 1, 2] * 10]
    assert [result.metrics["population"] for result in first.values()] == [2, 2, 1, 2, 2]
    assert all(result.failure is None for result in second.values())
    assert training.finished == (0, 1, 2, 3, 4)
    for one in members:
        ours, theirs = training.parameters(one.trial), undivided.parameters(one.trial)
        assert_same(ours, theirs, data, one, 2, seed)


def test_a_population_that_shrank_is_put_together_again(
    data: DataSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    training = training_of(data, *some_members(6, seed=9))
    scarce = Scarce(monkeypatch, 3, after=0, where="step")
    training.run_epoch()
    assert scarce.sizes == [3, 3] * 6
    training.leave([0, 1, 4])
    scarce.sizes.clear()
    training.run_epoch()
    assert scarce.sizes == [3] * 6


def test_a_member_that_does_not_fit_alone_ends_with_a_sentence(
    data: DataSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    Scarce(monkeypatch, 0, after=2, where="step")
    training = training_of(data, *some_members(2, seed=10))
    results = training.run_epoch()
    for result in results.values():
        assert result.metrics == {}
        assert result.failure is not None
        assert result.failure.fault is Fault.OUT_OF_MEMORY
        assert result.failure.sentence.startswith("out of memory: even alone this trial needs more")
        assert "training.patches_per_step" in result.failure.sentence
    assert (training.living, training.known) == ((), (0, 1))


def test_validation_that_does_not_fit_is_divided_too(
    data: DataSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    members = some_members(3, seed=11)
    expected = training_of(data, *members).run_epoch()
    sizes = []
    real = Validation.of

    def of(validation: Validation, codec: Codec, extra: Sequence[str]) -> list[dict[str, float]]:
        if codec.trials > 1:
            raise MemoryError
        sizes.append(codec.trials)
        return real(validation, codec, extra)

    monkeypatch.setattr(Validation, "of", of)
    found = training_of(data, *members).run_epoch()
    assert sizes == [1, 1, 1]
    for trial in range(3):
        ours, theirs = found[trial].metrics, expected[trial].metrics
        for name in ("d1_psnr_db", "bpp_estimated", "patch_chamfer", "loss"):
            assert ours[name] == pytest.approx(theirs[name], rel=1e-4), name


def test_a_codec_that_does_not_fit_when_it_is_measured_ends_alone(
    data: DataSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    def starved(*_: object) -> None:
        raise MemoryError

    first, second = some_members(2, seed=12, epochs=1)
    training = training_of(data, first, second)
    training.run_epoch()
    with monkeypatch.context() as patched:
        patched.setattr("study.training.training.measure_each", starved)
        measured = training.measure(first.trial)
    assert measured.metrics == {}
    assert measured.failure is not None
    assert measured.failure.fault is Fault.OUT_OF_MEMORY
    assert measured.failure.sentence.startswith("out of memory: ")
    assert training.finished == (second.trial,)
    assert training.measure(second.trial).failure is None


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (MemoryError(), True),
        (torch.OutOfMemoryError("CUDA out of memory."), True),
        (RuntimeError("[enforce fail at alloc_cpu.cpp:118] DefaultCPUAllocator: can't"), True),
        (RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling"), True),
        (RuntimeError("std::bad_alloc"), True),
        (RuntimeError("CUDA error: out of memory"), True),
        (RuntimeError("Triton Error [CUDA]: out of memory"), True),
        (RuntimeError("mat1 and mat2 shapes cannot be multiplied"), False),
        (ValueError("DefaultCPUAllocator"), False),
    ],
)
def test_which_errors_say_that_memory_ran_out(error: Exception, *, expected: bool) -> None:
    assert is_out_of_memory(error) is expected


def test_other_errors_are_not_taken_for_it() -> None:
    def fail(_: int) -> None:
        raise RuntimeError("shapes")

    with pytest.raises(RuntimeError, match="shapes"):
        in_parts(8, fail, lambda work: [work // 2] * 2)


class _Holds(torch.autograd.Function):
    """Keeps something for its backward pass, as autograd keeps activations."""

    @staticmethod
    def forward(context: Context, x: Tensor, kept: object) -> Tensor:
        context.kept = kept
        return x.clone()

    @staticmethod
    def backward(_: Context, gradient: Tensor) -> tuple[Tensor, None]:
        return gradient, None


class _Fails(torch.autograd.Function):
    """Has no memory for its backward pass."""

    @staticmethod
    def forward(_: Context, x: Tensor) -> Tensor:
        return x.clone()

    @staticmethod
    def backward(_: Context, __: Tensor) -> Tensor:
        raise MemoryError


def test_what_a_failed_backward_pass_kept_is_free_before_its_halves_begin() -> None:
    """Of the two steps that autograd may take, the later one fails first; the other one waits."""

    class Kept:
        pass

    kept: list[weakref.ref[Kept]] = []

    def step(work: int) -> int:
        if work == 1:
            return 1
        thing, x = Kept(), torch.zeros(1, requires_grad=True)
        kept.append(weakref.ref(thing))
        loss = _Holds.apply(x, thing) * _Fails.apply(x)
        del thing
        torch.autograd.grad(loss, x)
        return 0

    def halves(_: int) -> list[int]:
        assert [each() for each in kept] == [None]
        return [1, 1]

    assert in_parts(2, step, halves) == [(1, 1), (1, 1)]


STARVED = """
import resource, sys
from pathlib import Path
import torch
torch.set_num_threads(1)
import tests.study.training.test_memory as here
from study.data import open_data_set
from study.families.dpcc.architecture import DpccArchitecture
from tests.study.tiny import training_of

def vm(key):
    (line,) = [l for l in Path("/proc/self/status").read_text().splitlines() if l.startswith(key)]
    return int(line.split()[1]) * 1024

data = open_data_set(Path(sys.argv[1]), DpccArchitecture(here.LARGE).form)
training_of(data, here.one(0), model=here.LARGE).run_epoch()  # everything is loaded
training = training_of(data, *map(here.one, range(4)), model=here.LARGE)
before = vm("VmSize")
_, hard = resource.getrlimit(resource.RLIMIT_AS)
if len(sys.argv) > 3:
    resource.setrlimit(resource.RLIMIT_AS, (before + int(sys.argv[3]), hard))
results = training.run_epoch()
resource.setrlimit(resource.RLIMIT_AS, (hard, hard))
print(vm("VmPeak") - before, *(r.metrics.get("population", r.failure) for r in results.values()))
training.write_codecs(Path(sys.argv[2]))
"""
LARGE = ModelConfig(k=8, hidden_dim=64)


def one(trial: int) -> Member:
    settings = member().training.model_copy(update={"patches_per_step": 6, "epochs": 9})
    return member(trial, seed=trial, training=settings)


def test_memory_that_really_runs_out_divides_a_cohort(
    data: DataSet, tmp_path: Path, seed: int
) -> None:
    """A process that may take a part of what four members take at once.

    With three quarters the forward pass fails, with a little less than all the backward pass.
    Without the kernels for the CPU, as on a GPU: with them a step takes little more than what the
    optimiser keeps, and dividing a population needs room for copies of that. Large tensors are the
    system's as soon as they are freed: else what fits depends on how they lay.
    """
    environment = os.environ | {SWITCH: "0", "MALLOC_MMAP_THRESHOLD_": "65536"}

    def starved(name: str, *allowed: int) -> list[int]:
        words = [str(data.folder), str(tmp_path / name), *map(str, allowed)]
        done = subprocess.run(
            [sys.executable, "-c", STARVED, *words],
            check=False,
            capture_output=True,
            text=True,
            env=environment,
        )
        assert done.returncode == 0, done.stderr
        return [int(float(word)) for word in done.stdout.split()]

    needed, *sizes = starved("plenty")
    assert sizes == [4, 4, 4, 4]
    for name, allowed in (("starved", needed * 3 // 4), ("nearly", needed * 11 // 12)):
        _, *sizes = starved(name, allowed)
        assert max(sizes) < 4
        for trial in range(4):
            ours, theirs = (
                read_codec(codec_file(tmp_path / each, trial, 1)).parameters
                for each in (name, "plenty")
            )
            # Without the kernels, so only rounding is promised.
            rng = np.random.default_rng([seed, trial])
            assert distance(ours, theirs) <= bound(data, one(trial), 1, rng, LARGE)
