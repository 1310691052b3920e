"""What every test gets: one thread, a seed that can be repeated, and no GPU test without a GPU.

And, for the tests that ask, a browser and a page in it.
"""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser, Page

# Two cores are shared by everything that runs here, and one thread sums in one order. Read by
# OpenMP and its like when PyTorch is first imported, in child processes too.
os.environ.setdefault("OMP_NUM_THREADS", "1")

# What a shell starts in the background is deaf to Ctrl-C, and so are its children: the tests of
# interrupts need children that are not.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

SEED = pytest.StashKey[int]()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--files", type=int, default=50_000, help="files of the slow random tests")
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


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A browser for the tests of one file; they are skipped where there is none."""
    from tests.browser import chromium

    with chromium() as opened:
        yield opened


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """An empty page; a test in which it complains of anything fails."""
    from tests.browser import new_page

    with new_page(browser) as opened:
        yield opened


def pytest_runtest_setup(item: pytest.Item) -> None:
    if item.get_closest_marker("gpu"):
        import torch

        if not torch.cuda.is_available():
            pytest.skip("needs a CUDA device")
