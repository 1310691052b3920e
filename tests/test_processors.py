"""The same on other processors: numerical tests and files, in processes that compute otherwise.

What a process computes with is decided when PyTorch is first imported, so each has its environment.
"""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from model.cloud_codec import CloudCodec
from model.codec_folder import save_codec
from model.partition import PartitionConfig
from model.patch_coder import PatchCoder
from tests.model.support import ARCHITECTURES, fresh_codec, surface

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

ROOT = Path(__file__).parents[1]
NUMERICAL = "@tests/numerical.txt"
"""The tests that compare numbers; `.ci/run` runs the same list."""
SAME_PATCH = 1e-4
"""How far a point may be from the same point decoded elsewhere: what docs/format.md says."""
CODECS = ("default", "float16 latents", "edge convolutions")


def has_avx512() -> bool:
    """Whether PyTorch would use it."""
    cpuinfo = Path("/proc/cpuinfo")
    found = cpuinfo.read_text(encoding="utf-8").split() if cpuinfo.exists() else []
    return {"avx512f", "avx512bw", "avx512dq", "avx512vl"} <= set(found)


CAPABILITIES = ("default", "avx2", *(("avx512",) if has_avx512() else ()))
ENVIRONMENTS: dict[str, dict[str, str]] = {
    "as it is": {},
    **{name: {"ATEN_CPU_CAPABILITY": name} for name in CAPABILITIES},
    "compatible": {"MKL_CBWR": "COMPATIBLE"},
    **{
        f"{name}, no kernels": {"ATEN_CPU_CAPABILITY": name, "DPCC_NATIVE": "0"}
        for name in CAPABILITIES
    },
    "compatible, no kernels": {"MKL_CBWR": "COMPATIBLE", "DPCC_NATIVE": "0"},
}


def python(*arguments: str, environment: Mapping[str, str]) -> None:
    """Run this Python elsewhere, as it were; what it says is in the failure."""
    ended = subprocess.run(
        [sys.executable, "-m", *arguments],
        cwd=ROOT,
        env=os.environ | environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, f"{environment}\n{ended.stdout}\n{ended.stderr}"


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("again", range(3))
@pytest.mark.parametrize("environment", ENVIRONMENTS.values(), ids=ENVIRONMENTS)
def test_the_numerical_tests_pass(environment: dict[str, str], again: int, seed: int) -> None:
    other = (seed + again) % 2**32
    python("pytest", "-q", "-p", "no:cacheprovider", f"--seed={other}", NUMERICAL,
           environment=environment)  # fmt: skip


def read_everywhere(folder: Path, names: Sequence[str], seed: int) -> dict[str, list[Path]]:
    """Write clouds in each environment, read all files in each; the results by file."""
    for number, name in enumerate(CODECS):
        codec = fresh_codec(seed + number, config=ARCHITECTURES[name])
        made = CloudCodec(PatchCoder.freeze(codec), PartitionConfig(30.0, min_points=20))
        save_codec(made, folder / "codecs" / name.replace(" ", "-"), {})
    (folder / "clouds").mkdir()
    for number, points in enumerate((300, 2000)):
        np.save(folder / "clouds" / f"{number}.npy", surface(seed + number, points).astype(float))
    for what, (number, name) in itertools.product(("write", "read"), enumerate(names)):
        python("tests.coding_elsewhere", what, str(folder), str(number),
               environment=ENVIRONMENTS[name])  # fmt: skip
    files = sorted(file.stem for file in folder.glob("*.dpc"))
    assert len(files) == len(names) * len(CODECS) * 2
    return {file: [folder / str(n) / f"{file}.npz" for n in range(len(names))] for file in files}


def assert_read_alike(read: Sequence[Path]) -> None:
    """The same symbols; the same points, but in patches where a count of children is at one half.

    Where edge convolutions find neighbours among latents on a lattice, ties decide what is decoded.
    """
    first, *others = (dict(np.load(path)) for path in read)
    for other in others:
        np.testing.assert_array_equal(other["symbols"], first["symbols"])
        assert len(other["sizes"]) == len(first["sizes"])
        if "edge" in read[0].name:
            continue
        patches = [np.split(each["points"], each["sizes"].cumsum()[:-1]) for each in (first, other)]
        alike = [len(ours) == len(theirs) for ours, theirs in zip(*patches, strict=True)]
        assert np.mean(alike) >= 0.9
        for ours, theirs, same_count in zip(*patches, alike, strict=True):
            if same_count:
                np.testing.assert_allclose(ours, theirs, rtol=0, atol=SAME_PATCH)


@pytest.mark.timeout(240)
def test_files_are_read_alike_without_kernels_and_vectors(tmp_path: Path, seed: int) -> None:
    names = ("as it is", "default, no kernels")
    for read in read_everywhere(tmp_path, names, seed % 2**31).values():
        assert_read_alike(read)


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_files_are_read_alike_by_all(tmp_path: Path, seed: int) -> None:
    for read in read_everywhere(tmp_path, tuple(ENVIRONMENTS), seed % 2**31).values():
        assert_read_alike(read)
