"""A million points within 2 GiB, in a process of their own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
SCRIPT = """
import resource, sys, warnings
warnings.simplefilter("ignore")
import numpy as np
import torch
torch.set_num_threads(1)
from model.cloud_codec import CloudCodec
from model.config import ModelConfig
from model.partition import PartitionConfig
from model.patch_coder import PatchCoder
from tests.model.support import fresh_codec, surface

def peak_mib():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024

codec = CloudCodec(PatchCoder.freeze(fresh_codec(1, config=ModelConfig())), PartitionConfig())
points = surface(1, 1_000_000).astype(np.float64)
before = peak_mib()
data = codec.compress(points)
compressed = peak_mib()
decoded = codec.decompress(data)
print(before, compressed, peak_mib(), len(data), len(decoded.points))
"""


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_a_million_points_take_less_than_two_gib() -> None:
    command = [sys.executable, "-c", SCRIPT]
    done = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True)
    before, compressed, whole = (float(number) for number in done.stdout.split()[:3])
    report = f"{before:.0f} MiB before, {compressed:.0f} after compressing, {whole:.0f} at the end"
    sys.stdout.write(report)
    assert whole < 2048.0, report
