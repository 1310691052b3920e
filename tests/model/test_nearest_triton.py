"""The Triton kernel, as far as a machine without a GPU can tell: its meaning and its machine code.

Triton's interpreter must be chosen before Triton is imported, hence a session of its own.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch

from model.nearest_plain import nearest_by_brute_force, squared_distances
from model.points import Points
from tests.model.searches import compiled, interpreted

if TYPE_CHECKING:
    from typing import Any

if find_spec("triton") is None:
    pytest.skip("Triton comes with PyTorch on Linux only", allow_module_level=True)

ROOT = Path(__file__).parents[2]


@compiled
@pytest.mark.timeout(300)  # a session within the session; 25 seconds on an idle core
def test_the_contract_holds(seed: int) -> None:
    session = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", f"--seed={seed}"]
    names = ("model/test_nearest", "model/test_nearest_triton", "model/test_nearest_choice")
    files = (f"tests/{name}.py" for name in (*names, "benchmarks/test_search"))
    done = subprocess.run(
        [*session, "-k", "(by_triton and not gpu) or as_interpreted", *files],
        env=os.environ | {"TRITON_INTERPRET": "1"},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    passed = re.search(r"(\d+) passed", done.stdout)
    assert passed is not None, done.stdout
    assert int(passed[1]) > 20, done.stdout


@interpreted
@pytest.mark.parametrize("k", [1, 3])
@pytest.mark.parametrize(("trials_of_query", "trials_of_reference"), [(2, 1), (1, 2), (2, 2)])
def test_distances_are_those_of_brute_force_as_interpreted(
    trials_of_query: int, trials_of_reference: int, k: int, seed: int
) -> None:
    """To the last bit, and the neighbours to the last index, patches of any size included."""
    from model.nearest_triton import search

    generator = torch.Generator().manual_seed(seed)

    def some(trials: int, most: int) -> Points:
        sizes = torch.randint(3, most + 1, (trials, 3), generator=generator)
        return Points(torch.randn((trials, 3, most, 3), generator=generator), sizes)

    query, reference = some(trials_of_query, 40), some(trials_of_reference, 90)
    dist2, index = search(query, reference, k)
    assert index.equal(nearest_by_brute_force(query, reference, k))
    every = squared_distances(query.xyz, reference.xyz)
    expected = every.gather(3, index).masked_fill(~query.valid[..., None], torch.inf)
    assert dist2.equal(expected)


@interpreted
def test_equally_near_points_come_in_order_as_interpreted(seed: int) -> None:
    from model.nearest_triton import nearest_by_triton

    generator = np.random.default_rng(seed)
    query, lattice = (generator.integers(0, 3, (n, 3)).astype(np.float32) for n in (20, 150))
    expected = np.square(query[:, None] - lattice).sum(axis=-1).argsort(axis=1, kind="stable")
    here, there = (
        Points(torch.from_numpy(xyz)[None, None], torch.tensor([[len(xyz)]]))
        for xyz in (query, lattice)
    )
    assert nearest_by_triton(here, there, 12)[0, 0].tolist() == expected[:, :12].tolist()


@interpreted
def test_missing_neighbours_are_infinitely_far_as_interpreted() -> None:
    from model.nearest_triton import search

    one = Points(torch.zeros(1, 1, 1, 3), torch.tensor([[1]]))
    dist2, index = search(one, one, 3)
    assert dist2.flatten().tolist() == [0.0, np.inf, np.inf]
    assert index.flatten().tolist() == [0, 0, 0]


@compiled
@pytest.mark.parametrize("capability", [80, 90])
@pytest.mark.parametrize("single", [True, False])
def test_products_and_sums_are_rounded_one_by_one(
    capability: int,
    single: bool,  # noqa: FBT001  a parameter of the test
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As PyTorch rounds them. Compiled for Ampere and Hopper, which needs no GPU."""
    import triton
    from triton.backends.compiler import GPUTarget
    from triton.compiler import ASTSource

    from model.nearest_triton import OPTIONS, _nearest

    monkeypatch.setenv("TRITON_CACHE_DIR", str(tmp_path))
    signature = dict.fromkeys((p.name for p in _nearest.params), "i32")
    signature |= {"query": "*fp32", "reference": "*fp32", "dist2_out": "*fp32"}
    signature |= {"query_sizes": "*i64", "reference_sizes": "*i64", "index_out": "*i64"}
    constants = {"SINGLE": single, "QUERIES": 32, "REFERENCES": 64}
    signature |= dict.fromkeys(constants, "constexpr")
    source = ASTSource(_nearest, signature=signature, constexprs=constants)
    made = triton.compile(source, target=GPUTarget("cuda", capability, 32), options=OPTIONS)
    assert "mul.rn.f32" in made.asm["ptx"]
    assert "fma." not in made.asm["ptx"]


@compiled
def test_decoded_counts_do_not_compile_it_again() -> None:
    from triton.backends.compiler import GPUTarget
    from triton.backends.nvidia.compiler import CUDABackend
    from triton.runtime.jit import create_function_from_signature

    from model.nearest_triton import OPTIONS, _nearest

    backend = CUDABackend(GPUTarget("cuda", 90, 32))
    bind = create_function_from_signature(_nearest.signature, _nearest.params, backend)
    xyz, sizes = torch.zeros(20), torch.zeros(4, dtype=torch.int64)

    def key(first: int, count: int) -> Any:  # noqa: ANN401  what Triton looks a kernel up by
        pointers = (xyz[first:], sizes, xyz, sizes[first:], xyz, sizes)
        constants = {"SINGLE": True, "QUERIES": 32, "REFERENCES": 64}
        return bind(*pointers, *[count] * 5, **constants, **OPTIONS)[1:]

    assert key(0, 1) == key(1, 16) == key(0, 1001)
