"""Training, validation, freezing and coding on a GPU that is pretended: where they wait, and why.

A GPU is given its work in advance. Whoever asks it for a value waits until all of that is done, and
then the GPU waits in turn; so the waits are listed here, and one more fails a test. That no tensor
is on the wrong device is checked on the way (`tests/pretended_gpu.py`).

Neighbours are found by all distances, the search of a GPU without Triton: `test_nearest_triton.py`
runs the kernel in Triton's interpreter.
"""

from __future__ import annotations

from collections import Counter
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self

import pytest
import torch
from torch._subclasses.fake_tensor import unset_fake_temporarily

from model import nearest, nearest_choice
from model.cloud_codec import CloudCodec
from model.codec import Codec
from model.config import ModelConfig
from model.native.library import usable
from model.nearest_plain import nearest_by_brute_force
from model.patch_coder import PatchCoder
from model.patches import LevelBatch
from study.families.dpcc.architecture import DpccArchitecture
from study.families.dpcc.settings import TrainingConfig
from study.training import feeding
from study.training.evaluation import Validation
from study.training.feeding import Feed
from study.training.population import Population, fresh_states
from study.training.training import Training
from tests.pretended_gpu import PretendedGpu
from tests.study.tiny import member, tiny_data_set

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from study.data import DataSet

pytestmark = pytest.mark.skipif(torch.cuda.is_available(), reason="there is a real one")

STAGES = 2


def small(**others: Any) -> ModelConfig:  # noqa: ANN401  whatever an architecture has
    return ModelConfig(
        k=8,
        hidden_dim=16,
        downsample_rate=(1 / 3,) * STAGES,
        max_upsample_num=(8,) * STAGES,
        **others,
    )


MASKED = small()
EDGES = small(norm="published", sub_point_conv_mode="edge_conv", latent_xyzs_conv_mode="edge_conv")
NORMALS = small(compress_normal=True, quantize_latent_xyzs=False)
MODELS = {"masked": MASKED, "published norm, edge convolutions": EDGES, "normals": NORMALS}
PATCHES_PER_STEP = {MASKED: 2, EDGES: 1, NORMALS: 3}

# The waits of each part, as (place and reason) -> how often. All else waits for nothing: making a
# population, its batches and its noise, choosing members to validate.


def forward(model: ModelConfig) -> dict[str, int]:
    """Of a pass through the decoder."""
    waits = {
        # A stage's tensors have as many rows as points were decoded, which follows from the counts
        # that the network predicts. Room for all possible children would be 8 times the work.
        "model/decoder.py:choose reads a value": STAGES,
    }
    if model.sub_point_conv_mode == "edge_conv":
        # The published product breaks ties, so it is taken of each patch alone, with its own number
        # of rows: once for the latent points, twice in a stage.
        waits["model/edges.py:feature_neighbours copies to the CPU"] = 1 + 2 * STAGES
    return waits


LOOK = {
    # Every 32 steps, whether anybody is left to train.
    "study/training/population.py:any_finite reads a value": 1
}
END_OF_EPOCH = {
    # Once for all members: who is finite, and the mean losses.
    "study/training/population.py:finite copies to the CPU": 1,
    "study/training/population.py:means copies to the CPU": 1,
}
FREEZING = {
    # The bottleneck's parameters and buffers, however many trials: on the CPU its tables are found
    # value by value.
    "model/bottleneck.py:freeze copies to the CPU": 20
}
PLACING = {
    # Of 8 patches the decoded points and their numbers: what weighs them is for the CPU.
    "study/training/evaluation.py:placed copies to the CPU": 2
}
VALIDATING = {
    # Bits and distances, once for all.
    "study/training/evaluation.py:of copies to the CPU": 1
}
TABLES = {
    # What a file's coder reads: frequencies, their lengths, smallest symbols.
    "model/bottleneck.py:tables copies to the CPU": 3
}


def fingerprint(parameters: int) -> dict[str, int]:
    """Of a codec, before its first file: every parameter goes into its id."""
    return {"model/cloud_codec.py:<dictcomp> copies to the CPU": parameters}


def encoding(model: ModelConfig) -> dict[str, int]:
    """Of a patch: its symbols, and its float16 coordinates where it has any, to be written."""
    return {"model/patch_coder.py:encode copies to the CPU": 2 - model.quantize_latent_xyzs}


def decoding(model: ModelConfig) -> dict[str, int]:
    """Of a patch: its points, and its normals where it has any."""
    return {"model/patch_coder.py:decode copies to the CPU": 1 + model.compress_normal}


# What is done on the pretended GPU.


@dataclass
class Walk:
    """A population's way from its first weights to a file that is read back.

    Attributes:
        model: the architecture.
        waits: of each part.
        slots: how often a step worked out where the rows of an attention go.
        parameters: tensors that a codec consists of.
    """

    model: ModelConfig
    waits: dict[str, Counter[str]] = field(default_factory=dict)
    slots: int = 0
    parameters: int = 0


class AtOnce:
    """An executor without a thread: the GPU is pretended to one thread alone."""

    def __init__(self, _: int) -> None:
        pass

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def submit(self, do: Callable[..., Any], *arguments: object) -> Future[Any]:
        done: Future[Any] = Future()
        done.set_result(do(*arguments))
        return done


@contextmanager
def pretended() -> Iterator[PretendedGpu]:
    """A GPU without Triton and with one thread."""
    without = nearest_choice.Choice(nearest_by_brute_force, "the GPU is pretended")
    with pytest.MonkeyPatch.context() as patched, PretendedGpu() as gpu:
        patched.setattr(nearest, "choose", lambda *_: without)
        patched.setattr(feeding, "ThreadPoolExecutor", AtOnce)
        patched.setattr(torch, "load", loaded(torch.load))
        yield gpu


def loaded(load: Callable[..., Any]) -> Callable[..., Any]:
    """PyTorch's own, which beside fake tensors would read a checkpoint as fake."""

    def read(*arguments: Any, **named: Any) -> Any:  # noqa: ANN401  passed on as they came
        with unset_fake_temporarily():
            return load(*arguments, **named)

    return read


def data_of(model: ModelConfig, root: Path) -> DataSet:
    """Six patches to train on, one to validate on."""
    return tiny_data_set(root, model=model)


@pytest.fixture(scope="module", params=MODELS.values(), ids=list(MODELS))
def walk(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Walk:
    """Of two members; the second one's gradients are clipped."""
    done = Walk(request.param)
    data = data_of(done.model, tmp_path_factory.mktemp("data"))
    with pretended() as gpu:
        population = _trained(done, data, gpu)
        _coded(done, data, gpu, population)
    return done


def _trained(walk: Walk, data: DataSet, gpu: PretendedGpu) -> Population:
    """One step, and what an epoch has around its steps."""
    architecture = DpccArchitecture(walk.model)
    waits, size = walk.waits, PATCHES_PER_STEP[walk.model]
    clipped = TrainingConfig(patches_per_step=size, max_grad_norm=1e-3)
    members = [member(0), member(1, seed=2, training=clipped)]
    with gpu.counting() as waits["made"]:
        population = Population(architecture, fresh_states(architecture, members, "cuda"), "cuda")
    feed = Feed(architecture, data, size, 0, "cuda")
    plan = feed.plan(0)
    with gpu.counting() as waits["batches"]:
        batches = list(feed.batches(plan))
    with gpu.counting() as waits["noise"]:
        population.begin_epoch(0)
        population.draw_noise([feed.noise_shape(numbers) for numbers in plan])
    assert not usable(batches[0].stages[0].xyz), "the kernels are for the CPU"
    with pytest.MonkeyPatch.context() as patched, gpu.counting() as waits["step"]:
        real = LevelBatch.slot

        def slot(level: LevelBatch, trials: int) -> torch.Tensor:
            walk.slots += 1
            return real(level, trials)

        patched.setattr(LevelBatch, "slot", slot)
        assert population.step(batches[0]) == 2
    with gpu.counting() as waits["look"]:
        assert population.any_finite()
    with gpu.counting() as waits["halves"]:
        population.halves()
    with gpu.counting() as waits["end of epoch"]:
        assert population.finite() == [True, True]
        assert [means["loss"] > 0 for means in population.means()] == [True, True]
    return population


def _coded(walk: Walk, data: DataSet, gpu: PretendedGpu, population: Population) -> None:
    """Validate both members, and write and read a file of the first."""
    waits = walk.waits
    with gpu.counting() as waits["chosen"]:
        codec = population.network.select([0, 1])
    with gpu.counting() as waits["frozen"]:
        codec.freeze()
    validation = Validation(DpccArchitecture(walk.model), data, "validation", "cuda")
    with gpu.counting() as waits["validated"]:
        assert [found["bpp_estimated"] > 0 for found in validation.of(codec)] == [True, True]
    with gpu.counting() as waits["coder"]:
        chosen = population.network.select([0])
        assert isinstance(chosen, Codec)
        coder = PatchCoder.freeze(chosen)
    walk.parameters = len(list(coder.codec.parameters()))
    files = CloudCodec(coder, data.manifest.recipe.partition())
    (cloud,) = data.clouds("validation")
    normals = cloud.normals if walk.model.compress_normal else None
    with gpu.counting() as waits["first file"]:
        file = files.compress(cloud.points, normals)
    with gpu.counting() as waits["file"]:
        assert files.compress(cloud.points, normals) == file
    with gpu.counting() as waits["decoded"]:
        decoded = files.decompress(file)
    assert len(files.read(file).latents) == 1
    assert decoded.original_points == len(cloud.points)
    assert (decoded.normals is not None) == walk.model.compress_normal


# That it waits where it is said to, and nowhere else.


@pytest.mark.parametrize("part", ["made", "batches", "noise", "halves", "chosen"])
def test_nothing_waits(walk: Walk, part: str) -> None:
    assert walk.waits[part] == {}


def test_a_step_waits_for_what_is_decoded(walk: Walk) -> None:
    assert walk.waits["step"] == forward(walk.model)


def test_the_attentions_of_a_stage_share_their_slots(walk: Walk) -> None:
    assert walk.slots == STAGES


def test_an_epoch_waits_for_its_results(walk: Walk) -> None:
    assert walk.waits["look"] == LOOK
    assert walk.waits["end of epoch"] == END_OF_EPOCH


def test_validation_waits_for_what_the_cpu_weighs(walk: Walk) -> None:
    assert walk.waits["frozen"] == FREEZING
    assert walk.waits["validated"] == forward(walk.model) | PLACING | VALIDATING


def test_coding_waits_for_what_is_written_and_read(walk: Walk) -> None:
    assert walk.waits["coder"] == FREEZING | TABLES
    assert walk.waits["first file"] == encoding(walk.model) | fingerprint(walk.parameters)
    assert walk.waits["file"] == encoding(walk.model)
    assert walk.waits["decoded"] == forward(walk.model) | decoding(walk.model)


def test_a_cohort_trains_resumes_and_is_measured(tmp_path: Path) -> None:
    """From batches to checkpoints; its epoch waits as its parts do."""
    settings = TrainingConfig(epochs=2, patches_per_step=6)
    members = [member(trial, seed=trial, training=settings) for trial in (0, 1)]
    data = data_of(MASKED, tmp_path / "data")

    def begin() -> Training:
        return Training(
            architecture=DpccArchitecture(MASKED),
            members=members,
            data=data,
            order_seed=0,
            device="cuda",
        )

    with pretended() as gpu:
        training = begin()
        with gpu.counting() as waits:
            training.run_epoch()
        parts = [forward(MASKED), LOOK, END_OF_EPOCH, FREEZING]
        parts += [forward(MASKED), PLACING, VALIDATING]
        assert waits == sum(map(Counter, parts), Counter())
        training.save(tmp_path)
        training.write_codecs(tmp_path)
        resumed = begin()
        resumed.load(tmp_path)
        results = resumed.run_epoch()
        assert [result.failure for result in results.values()] == [None, None]
        assert resumed.finished == (0, 1)
        assert resumed.measure(1).metrics["bpp"] > 0
