"""Clouds of millions of points in memory that is a small multiple of theirs."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent.parent
SCRIPT = """
import resource, sys
import numpy as np
from model.octree.codec import OctreeCodec, OctreeOptions

def peak_mib():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024

placing, count = sys.argv[1], 3_000_000
codec = OctreeCodec(OctreeOptions(edge_of_longest_side=1 / 1024, placing=placing))
codec.decompress(codec.compress(np.random.default_rng(1).normal(size=(3000, 3))))
points = np.empty((count, 3))
for first in range(0, count, 100_000):
    some = points[first : first + 100_000]
    some[:] = np.random.default_rng(first).uniform(-1.0, 1.0, some.shape)
    some[:, 2] = 0.5 * np.sin(3 * some[:, 0]) * some[:, 1]
before = peak_mib()
data = codec.compress(points)
compressed = peak_mib()
read = sum(map(len, codec.read(data).parts()))
print(before, compressed, peak_mib(), len(data), read, points.nbytes / 2**20)
assert "torch" not in sys.modules
"""


@pytest.mark.slow
@pytest.mark.parametrize("placing", ["centres", "between"])
def test_three_million_points(placing: str) -> None:
    command = [sys.executable, "-c", SCRIPT, placing]
    done = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True)
    before, compressed, whole, _, _, cloud = (float(number) for number in done.stdout.split())
    sys.stdout.write(done.stdout)
    assert compressed - before < 2.0 * cloud
    assert whole - before < 4.0 * cloud
