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


MEANWHILE = """
import sys
from threading import Thread
import model.compressai_parts as parts
def other():
    import scipy.stats
    from scipy.stats import norm
    import scipy.stats.qmc
    found.extend([scipy.stats.norm.ppf(0.5), norm.ppf(0.5), scipy.stats.qmc.Sobol])
found = []
with parts._without_statistics():
    import scipy.stats as early
    thread = Thread(target=other)
    thread.start()
    thread.join()
assert found[:2] == [0.0, 0.0] and len(found) == 3
import scipy.stats
assert scipy.stats is sys.modules["scipy.stats"] is not early
assert early.norm is scipy.stats.norm
"""


def test_another_thread_that_imports_statistics_meanwhile_has_them() -> None:
    """As a study's end does: the report in MLflow's thread, and codecs for the gallery."""
    subprocess.run([sys.executable, "-W", "ignore", "-c", MEANWHILE], check=True)
