"""`python -m benchmarks gpu`: what can be tested of it without a GPU."""

from __future__ import annotations

import operator
import os
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch

from benchmarks import cohorts, gpu
from benchmarks.gpu import PARTS, Ended, Part, allowed_s, done, in_turn, table
from benchmarks.measuring import Bar, Sample, Turns, Way
from benchmarks.plain_geometry import farthest_points
from tests.pretended_gpu import PretendedGpu

ROOT = Path(__file__).parent.parent.parent
NO_GPU = pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
BARS = [Bar("fast enough", 3.0, 3.5), Bar("too slow", 50.0, 20.0)]


@NO_GPU
def test_without_a_gpu_it_says_so() -> None:
    command = [sys.executable, "-m", "benchmarks", "gpu"]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert result.returncode == 2
    assert "need a CUDA device, and PyTorch finds none here" in result.stderr


def test_parts_get_their_shares_of_the_time() -> None:
    shares = [part.share for part in PARTS]
    left, given = 570.0, []
    for place in range(len(shares)):
        given.append(allowed_s(shares[place:], left))
        left -= given[-1]  # all of them take what they may
    assert given == pytest.approx([570 * share / sum(shares) for share in shares])
    assert left == pytest.approx(0.0, abs=1e-9)


def test_what_a_part_leaves_is_the_others(seed: int) -> None:
    random = np.random.default_rng(seed)
    shares, taken = random.uniform(1, 9, 6), random.uniform(0, 1, 6)
    left = 100.0
    for place, share in enumerate(shares):
        allowed = allowed_s(list(shares[place:]), left)
        assert allowed >= 100.0 * share / shares.sum() * (1 - 1e-9)
        left -= taken[place] * allowed
    assert left >= 0.0
    assert allowed_s([1.0, 2.0], -3.0) == 0.0


def test_a_part_gives_its_bars() -> None:
    ended = done(Part("given", partial(operator.getitem, {"bars": BARS}, "bars"), 1), 60.0)
    assert (ended.found, ended.told, ended.failed) == (BARS, "", False)


def test_a_part_that_takes_too_long_is_ended() -> None:
    started = time.monotonic()
    slow = Part("slow", partial(time.sleep, 3600), 1)  # type: ignore[arg-type]  # it never returns
    ended = done(slow, 1.0)
    assert time.monotonic() - started < 60.0
    assert ended.failed
    assert ended.told == "took longer than 1 s and was ended"


def test_a_part_that_fails_leaves_the_others_theirs(capfd: pytest.CaptureFixture[str]) -> None:
    parts = [
        Part("divides", partial(operator.truediv, 1, 0), 1),
        Part("leaves", partial(os._exit, 3), 1),
        Part("works", partial(bool, 1), 1),
    ]
    ended = list(in_turn(parts, 180.0))
    assert [one.failed for one in ended] == [True, True, False]
    assert ended[0].told == "failed: ZeroDivisionError: division by zero"
    assert ended[1].told == "ended without a word: see above"
    assert "Traceback" in capfd.readouterr().err


def test_the_table_has_all_bars_and_what_became_of_the_rest() -> None:
    ended = [
        Ended("tests", found=False, told="", seconds=1.0),
        Ended("measured", BARS, "", 2.0),
        Ended("late", None, "took longer than 3 s and was ended", 3.0),
        Ended("plain", found=True, told="", seconds=4.0),
    ]
    rows = list(table(ended))
    assert [row.split()[0] for row in rows[1:-1]] == [
        *("tests", "measured", "measured", "late", "plain")
    ]
    assert rows[1].endswith("FAILED: see above")
    assert rows[2].split()[-3:] == ["3.50", "3", "held"]
    assert rows[3].split()[-4:] == ["20.00", "50", "NOT", "HELD"]
    assert rows[4].endswith("took longer than 3 s and was ended")
    assert rows[5].endswith("it has no bar here, its numbers are above")
    assert rows[6] == "10 s in all"


@pytest.mark.parametrize(
    ("ended", "code"), [([True, BARS], 0), ([True, None], 1), ([False, BARS], 1)]
)
def test_a_missed_bar_is_no_failure(
    ended: list[list[Bar] | bool | None], code: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gpu, "on_gpu", lambda: True)
    monkeypatch.setattr(gpu, "surroundings", lambda: "a GPU")
    monkeypatch.setattr(
        gpu, "in_turn", lambda *_: [Ended("part", found, "", 1.0) for found in ended]
    )
    assert gpu.run() == code


def test_the_cohorts_bar_is_a_ratio_of_times(capsys: pytest.CaptureFixture[str]) -> None:
    """The twin's 80 ms against 2 ms per trial: 40 times as fast, where 50 are asked for."""
    ways = tuple(Way(str(size), lambda _: None) for size in (1, cohorts.GPU_COHORT, 0))
    times = [Sample(ms, ms, {}) for ms in (30.0, 2.0, 80.0)]
    turns = Turns(ways, [times] * 3)
    bar = cohorts._against_the_twin(turns, (1, cohorts.GPU_COHORT), "masked")
    assert bar.measured == pytest.approx(40.0)
    assert not bar.held
    assert "bar 50: NOT HELD" in capsys.readouterr().out


@NO_GPU
def test_the_twins_sampling_waits_for_nothing(seed: int) -> None:
    """A wait for each sample would make a GPU's twin slow, and the bar against it easy."""
    points = torch.rand((60, 3), generator=torch.Generator().manual_seed(seed))
    expected = [0]
    for _ in range(19):
        dist2 = torch.cdist(points.double(), points[expected].double()).min(dim=1).values
        expected.append(int(dist2.argmax()))
    with PretendedGpu() as pretended:
        chosen = farthest_points(points.to("cuda", non_blocking=True), 20)
        assert not pretended.waits
        assert chosen.tolist() == expected
