"""Every benchmark runs, and measures in turns."""

from __future__ import annotations

import re
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

from benchmarks import codec, hierarchy, training_steps
from benchmarks.__main__ import BENCHMARKS, command_line, main
from benchmarks.measuring import Comparison, Lap, Sample, Way, compare

ROOT = Path(__file__).parent.parent.parent


def test_two_ways_take_turns() -> None:
    order: list[str] = []

    def noting(name: str) -> Way:
        return Way(name, lambda _: order.append(name))

    comparison = compare(noting("A"), noting("B"), pairs=3, warm_up=1)
    assert order == ["A", "B"] * 4
    assert len(comparison.pairs) == 3


def test_the_ratio_is_the_median_of_the_pairs() -> None:
    way = Way("same", lambda _: None)
    times = [(1.0, 2.0), (3.0, 30.0), (8.0, 10.0)]
    pairs = [(Sample(a, 2 * a, {}), Sample(b, b, {})) for a, b in times]
    comparison = Comparison(way, way, pairs)
    assert comparison.ratio == 0.5
    assert comparison.wall_ratio == 1.0


def test_a_lap_books_time_on_phases() -> None:
    lap = Lap()
    lap("first")
    sum(range(100_000))
    lap("second")
    assert list(lap.phases_ms) == ["first", "second"]
    assert lap.phases_ms["second"] > lap.phases_ms["first"]


@pytest.mark.parametrize("name", BENCHMARKS)
def test_benchmark_prints_a_ratio(
    name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(training_steps, "STEPS_BEFORE", 1)
    monkeypatch.setattr(codec, "SIZES", (2_000,))
    import_module(f"benchmarks.{name}").run(pairs=2)
    assert re.search(r"ratio \d+\.\d+ of the CPU time", capsys.readouterr().out)


@pytest.mark.parametrize(("held", "told"), [(True, False), (False, True)])
def test_a_missed_bar_is_told_and_no_failure(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *, held: bool, told: bool
) -> None:
    monkeypatch.setattr(hierarchy, "run", lambda _: held)
    monkeypatch.setattr(sys, "argv", ["benchmarks", "hierarchy"])
    main()
    assert ("bar missed: hierarchy" in capsys.readouterr().out) is told


def test_no_name_means_all() -> None:
    assert command_line().parse_args([]).names == []


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["--help"], 0, "a training step on one patch"),
        (["nonsense"], 2, "choose from step, search, hierarchy, codec"),
        (["--pairs", "1"], 2, "a spread needs at least 2 pairs, not 1"),
    ],
)
def test_command_line(arguments: list[str], code: int, said: str) -> None:
    command = [sys.executable, "-m", "benchmarks", *arguments]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert result.returncode == code
    assert said in result.stdout + result.stderr
