"""The GPU runs the same code as the CPU; these tests need one and skip without."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch

from losses import weighted_sum
from model.cloud_codec import CloudCodec
from model.codec import Codec
from model.config import ModelConfig
from model.hierarchy import build_hierarchy
from model.nearest import nearest
from model.nearest_choice import Size, choose
from model.nearest_plain import nearest_by_brute_force, nearest_by_tree
from model.partition import PartitionConfig
from model.patch_coder import PatchCoder
from model.patches import collate
from model.points import Points, gather
from study.config import DataRecipe
from study.data import open_data_set, prepare
from study.families.dpcc.architecture import DpccArchitecture
from study.families.dpcc.objective import loss_terms
from study.families.dpcc.settings import LossWeights, TrainingConfig
from study.training.population import Population, fresh_states
from study.training.training import Member, Training
from tests.model.support import stacked_weights

if TYPE_CHECKING:
    from model.hierarchy import Hierarchy

pytestmark = pytest.mark.gpu

SMALL = ModelConfig(hidden_dim=16)
ARCHITECTURE = DpccArchitecture(SMALL)


def patches(seed: int) -> list[Hierarchy]:
    rng = np.random.default_rng(seed)
    return [
        build_hierarchy(rng.uniform(-1, 1, (size, 3)).astype(np.float32), SMALL.downsample_rate, 16)
        for size in (7, 120, 300)
    ]


def test_neighbours_are_those_of_the_trees(seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    sizes = torch.tensor([[50, 9], [31, 64]])
    query = torch.rand((2, 2, 64, 3), generator=generator)
    reference = torch.rand((2, 2, 64, 3), generator=generator)
    on_cpu = nearest_by_tree(Points(query, sizes), Points(reference, sizes), 12)
    on_gpu = nearest(Points(query.cuda(), sizes.cuda()), Points(reference.cuda(), sizes.cuda()), 12)
    assert torch.equal(on_cpu, on_gpu.cpu())


@pytest.mark.parametrize("k", [1, 16])
@pytest.mark.parametrize("trials_of_reference", [1, 8])
def test_the_kernel_finds_what_brute_force_finds(
    trials_of_reference: int, k: int, seed: int
) -> None:
    """The sizes of a training step; without the matrix, which would be 1.2 GB."""
    from model.nearest_triton import search

    generator = torch.Generator().manual_seed(seed)

    def some(trials: int) -> Points:
        sizes = torch.randint(1000, 3001, (trials, 4), generator=generator)
        return Points(torch.randn((trials, 4, 3000, 3), generator=generator).cuda(), sizes.cuda())

    query, reference = some(8), some(trials_of_reference)
    search(query, reference, k)
    torch.cuda.reset_peak_memory_stats()
    before = torch.cuda.memory_allocated()
    dist2, index = search(query, reference, k)
    made = dist2.nbytes + index.nbytes
    assert torch.cuda.max_memory_allocated() - before < made + (1 << 20)
    expected = nearest_by_brute_force(query, reference, k)
    assert index.equal(expected)
    matched = gather(reference.xyz, index)
    x, y, z = (query.xyz[..., None, :] - matched).square().unbind(-1)
    valid = query.valid[..., None]
    assert dist2.where(valid, 0.0).equal(((x + y) + z).where(valid, 0.0))


@pytest.mark.parametrize("k", [1, 16])
def test_the_faster_search_is_taken(k: int) -> None:
    choice = choose(torch.device("cuda", 0), Size(16, 1024, 1024, k))
    measured = re.fullmatch(r"Triton (\S+) ms, all distances (\S+) ms", choice.reason)
    assert measured is not None, choice.reason
    kernel_ms, brute_ms = map(float, measured.groups())
    if kernel_ms != brute_ms:  # as they are printed
        assert (choice.search is nearest_by_brute_force) is (brute_ms < kernel_ms)


def test_without_a_c_compiler_all_distances_are_taken(tmp_path: Path) -> None:
    script = """
import torch
from model.nearest_choice import why_no_triton
from model.nearest import nearest
from model.points import Points
points = Points(torch.eye(3, device="cuda")[None, None], torch.tensor([[3]], device="cuda"))
print(nearest(points, points).flatten().tolist(), why_no_triton(points.xyz.device))
"""
    # Triton keeps what it compiled; the cache must be as empty as on a machine without a compiler.
    environment = os.environ | {"CC": str(tmp_path / "no-cc"), "TRITON_CACHE_DIR": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=True
    )
    assert done.stdout.startswith("[0, 1, 2] Triton does not work here")


def test_losses_and_gradients_are_those_of_the_cpu(seed: int) -> None:
    codec = Codec(SMALL, 2)
    codec.reset([seed, seed + 1])
    results = {}
    for device in ("cpu", "cuda"):
        batch = collate(patches(seed), device)
        shape = (2, 3, batch.stages[-1].xyz.shape[2], SMALL.symbol_channels)
        noise = torch.rand(shape, generator=torch.Generator().manual_seed(seed)) - 0.5
        twin = codec.select([0, 1]).to(device)
        output = twin(batch, noise.to(device))
        weights = stacked_weights([LossWeights(bpp_lambda=0.1), LossWeights()], device)
        loss = weighted_sum(loss_terms(output, batch, SMALL.k), weights).total
        loss.sum().backward()
        gradients = [p.grad.cpu() for p in twin.parameters() if p.grad is not None]
        results[device] = (loss.detach().cpu(), gradients)
    torch.testing.assert_close(results["cuda"][0], results["cpu"][0], rtol=1e-3, atol=1e-5)
    for ours, theirs in zip(results["cuda"][1], results["cpu"][1], strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-2, atol=1e-2 * float(theirs.abs().max()))


def test_a_step_waits_where_the_list_says(seed: int) -> None:
    """By what PyTorch tells of waits; the list is that of `tests/test_gpu_path.py`."""
    members = [Member(trial, trial, LossWeights(), TrainingConfig()) for trial in (0, 1)]
    population = Population(ARCHITECTURE, fresh_states(ARCHITECTURE, members, "cuda"), "cuda")
    batch = collate(patches(seed), "cuda")
    population.begin_epoch(0)
    population.draw_noise([(3, batch.stages[-1].xyz.shape[2], SMALL.symbol_channels)] * 2)
    population.step(batch)
    with warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("always")
        torch.cuda.set_sync_debug_mode("warn")
        try:
            population.step(collate(patches(seed), "cuda"))
        finally:
            torch.cuda.set_sync_debug_mode("default")
    waits = [Path(one.filename).name for one in heard if "synchronizing" in str(one.message)]
    assert waits.count("decoder.py") == SMALL.stages
    # A search of a size that the first step did not have is measured.
    assert set(waits) <= {"decoder.py", "nearest_choice.py"}


def test_a_file_written_on_the_gpu_is_read_on_the_cpu(seed: int) -> None:
    """The same symbols; the points may differ by rounding, and where a count is near a half."""
    codec = Codec(SMALL)
    codec.reset([seed])
    on_cpu = PatchCoder.freeze(codec)
    on_gpu = PatchCoder(codec.select([0]).cuda(), on_cpu.tables)
    writer, reader = (CloudCodec(coder, PartitionConfig()) for coder in (on_gpu, on_cpu))
    points = np.random.default_rng(seed).uniform(-1, 1, (3000, 3))
    file = writer.compress(points)
    ours, theirs = reader.read(file), writer.read(file)
    for one, two in zip(ours.latents, theirs.latents, strict=True):
        np.testing.assert_array_equal(one.symbols, two.symbols)
    assert len(reader.decompress(file).points) == pytest.approx(
        len(writer.decompress(file).points), rel=0.01
    )


def test_training_runs_and_resumes(tmp_path: Path) -> None:
    folder = prepare(
        DataRecipe(max_objects=8, points_per_object=512, min_points=32, min_points_evaluation=16),
        form=ARCHITECTURE.form,
        root=tmp_path,
    )
    settings = TrainingConfig(epochs=2)
    members = [
        Member(0, 1, LossWeights(), settings),
        Member(1, 2, LossWeights(bpp_lambda=0.1), settings),
    ]

    def begin() -> Training:
        return Training(
            architecture=ARCHITECTURE,
            members=members,
            data=open_data_set(folder, ARCHITECTURE.form),
            order_seed=0,
            device="cuda",
        )

    training = begin()
    training.run_epoch()
    training.save(tmp_path)
    resumed = begin()
    resumed.load(tmp_path)
    results = resumed.run_epoch()
    assert resumed.finished == (0, 1)
    assert all(result.failure is None for result in results.values())
    assert resumed.measure(1).metrics["bpp"] > 0
