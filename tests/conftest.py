"""What every test gets: one thread, a seed that can be repeated, and no GPU test without a GPU."""

from __future__ import annotations

import os
from typing import Any

import pytest

# Two cores are shared by everything that runs here, and one thread sums in one order. Read by
# OpenMP and its like when PyTorch is first imported, in child processes too.
os.environ.setdefault("OMP_NUM_THREADS", "1")

SEED = pytest.StashKey[int]()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--seed", type=int, help="repeat a random test with the seed it printed")


def pytest_configure(config: pytest.Config) -> None:
    # With pytest-xdist this runs once more in each process, which is told the one seed.
    told: dict[str, int] = getattr(config, "workerinput", {})
    given = told.get("seed", config.getoption("--seed"))
    config.stash[SEED] = int.from_bytes(os.urandom(4), "big") if given is None else given


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:  # noqa: ANN401 (pytest-xdist's, which has no types)
    node.workerinput["seed"] = node.config.stash[SEED]


def pytest_report_header(config: pytest.Config) -> str:
    return f"seed: {config.stash[SEED]} (repeat with --seed={config.stash[SEED]})"


@pytest.fixture
def seed(request: pytest.FixtureRequest) -> int:
    """The run's seed, different each time; whoever fails is told how to repeat it."""
    value = request.config.stash[SEED]
    request.node.add_report_section("setup", "seed", f"repeat with --seed={value}")
    return value


def pytest_runtest_setup(item: pytest.Item) -> None:
    if item.get_closest_marker("gpu"):
        import torch

        if not torch.cuda.is_available():
            pytest.skip("needs a CUDA device")
