"""The bottleneck is imported without the package's front door, and nobody notices later."""

from __future__ import annotations

import subprocess
import sys

import pytest

ALONE = """
import sys
from model.compressai_parts import EntropyBottleneck, new_bottleneck
assert isinstance(new_bottleneck(2), EntropyBottleneck)
assert "torch_geometric" not in sys.modules and "torchvision" not in sys.modules
assert "compressai" not in sys.modules
assert "scipy.stats" not in sys.modules
"""
FULL = """
import compressai.models
from compressai.entropy_models import EntropyBottleneck as whole
"""
SAME = """
from model.compressai_parts import EntropyBottleneck, new_bottleneck
assert EntropyBottleneck is whole
assert new_bottleneck(2).entropy_coder.name == whole(2).entropy_coder.name
import compressai
assert compressai.models.CompressionModel
from compressai.entropy_models import GaussianConditional
assert GaussianConditional._standardized_quantile(0.5) == 0.0
import scipy.stats
assert scipy.stats.norm.ppf(0.5) == 0.0
"""


@pytest.mark.parametrize(
    "code",
    [ALONE, ALONE + FULL + SAME, pytest.param(FULL + SAME, marks=pytest.mark.slow)],
)
def test_the_bottleneck_alone_before_and_after_the_whole_package(code: str) -> None:
    subprocess.run([sys.executable, "-W", "ignore", "-c", code], check=True)
