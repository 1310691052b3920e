"""Every benchmark runs, and measures in turns."""

from __future__ import annotations

import re
import subprocess
import sys
import zipfile
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from benchmarks import (
    arithmetic,
    bookkeeping,
    codec,
    cohorts,
    density,
    epochs,
    fronts,
    gpu,
    hierarchy,
    members,
    norms,
    octree,
    octree_clouds,
    octree_rates,
    octree_speed,
    packing,
    patches,
    zoo,
)
from benchmarks.__main__ import BENCHMARKS, command_line, main
from benchmarks.measuring import Lap, Sample, Turns, Way, compare, take_turns
from benchmarks.packing import Packing
from benchmarks.training_steps import OurStep
from model.config import ModelConfig
from model.octree.codec import OctreeCodec, OctreeOptions
from study.base.errors import StudyError
from study.config import DataRecipe

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import ModuleType

ROOT = Path(__file__).parent.parent.parent
OWN_TESTS = {"bookkeeping", "logging", "octree", "page", "zoo"}


@pytest.fixture(autouse=True, scope="module")
def small() -> Iterator[None]:
    """The least that each benchmark can measure."""
    recipe = DataRecipe(max_objects=3, points_per_object=256, cube_size=100.0)
    ways = [Packing("alone", 1, 1, 1), Packing("together", 1, 2, 1)]
    least: list[tuple[ModuleType, str, object]] = [
        (members, "STEPS_BEFORE", 1),
        (patches, "OBJECTS", 3),
        (patches, "POINTS", 256),
        (codec, "SIZES", (2_000,)),
        (arithmetic, "PRODUCTS", 1),
        (cohorts, "SIZES_ON_CPU", (1, 2)),
        (cohorts, "SIZES_ON_GPU", (1, 2)),
        (cohorts, "GPU_COHORT", 2),
        (epochs, "COHORTS", (1, 2)),
        (epochs, "recipe", lambda: recipe),
        (density, "SIZES", {500: 2}),
        (fronts, "MANY", 2_000),
        (octree, "TEST_OBJECTS", 2),
        (octree_speed, "POINTS", 20_000),
        (octree_speed, "MEMORY_POINTS", (20_000,)),
        (fronts, "FEW", 20),
        (packing, "packings", lambda: (ways, 2)),
    ]
    forget()
    with pytest.MonkeyPatch.context() as patched:
        for module, name, value in least:
            patched.setattr(module, name, value)
        yield
    forget()


def forget() -> None:
    """What was made for other sizes."""
    for made in (patches.whole_objects, members.trained_states, members.settled_state):
        made.cache_clear()


def test_ways_take_turns() -> None:
    order: list[str] = []

    def noting(name: str) -> Way:
        return Way(name, lambda _: order.append(name))

    turns = take_turns([noting("A"), noting("B"), noting("C")], rounds=3, warm_up=1)
    assert order == ["A", "B", "C"] * 4
    assert len(turns.rounds) == 3


def test_the_ratio_is_the_median_of_the_rounds() -> None:
    way = Way("same", lambda _: None)
    times = [(1.0, 2.0), (3.0, 30.0), (8.0, 10.0)]
    rounds = [(Sample(a, 2 * a, {}), Sample(b, b, {})) for a, b in times]
    turns = Turns((way, way), rounds)
    assert turns.ratio(0, 1).median == 0.5
    assert turns.ratio(1, 0).median == 2.0
    assert turns.ratio(0, 1).wall == 1.0


def test_times_are_of_a_share_of_the_work() -> None:
    whole, quarter = (Way("same", busy, share) for share in (1, 4))
    ratio = compare(quarter, whole, pairs=5).ratio(0, 1)
    assert 0.15 < ratio.median < 0.4


def test_a_lap_books_time_on_phases() -> None:
    lap = Lap()
    lap("first")
    busy(lap)
    booked = lap.phases_ms()
    assert list(booked) == ["first", "second"]
    assert booked["second"] > booked["first"]


def busy(lap: Lap) -> None:
    sum(range(1_000_000))
    lap("second")


def test_a_production_step_is_booked_phase_by_phase() -> None:
    config = ModelConfig()
    step = OurStep(config, members.trained_states(config, 2), patches.whole_objects())
    lap = Lap()
    step(lap)
    step(lap)
    assert list(lap.phases_ms()) == ["data", "forward", "loss", "backward", "optimisers"]
    assert step.decoded.shape == (2, 1)
    assert step.rows >= int(step.decoded.max())


def test_members_keep_their_weights_while_they_are_measured() -> None:
    config = ModelConfig()
    step = OurStep(config, members.trained_states(config, 1), patches.whole_objects())
    (before,) = step.population.states()
    step(Lap())
    (after,) = step.population.states()
    assert after.steps == before.steps + 1
    assert (after.parameters - before.parameters).abs().max() < 1e-6


def test_patches_have_as_many_points_as_promised() -> None:
    stored = patches.whole_objects().split("train")
    assert {len(patch.contents.points) for patch in stored} == {patches.POINTS}


@pytest.mark.parametrize("name", sorted(BENCHMARKS.keys() - OWN_TESTS))
def test_benchmark_prints_a_ratio(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    import_module(f"benchmarks.{name}").run(pairs=2)
    assert re.search(r"ratio \d+\.\d+ ", capsys.readouterr().out)


def test_the_shipped_codec_is_held_against_others(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(zoo, "TEST_OBJECTS", 2)
    monkeypatch.setattr(zoo, "DEPTHS", (3.0, 3.5, 4.0, 4.5, 5.0))
    assert zoo.run(pairs=2)
    said = capsys.readouterr().out
    assert "  2 clouds of 8,192 points" in said
    for anchor in ("octree, centres", "octree", "G-PCC"):
        assert len(re.findall(rf"against {anchor}: -\d+\.\d %", said)) == 2


def test_the_octree_is_held_against_others(capsys: pytest.CaptureFixture[str]) -> None:
    octree.run(pairs=2)
    said = capsys.readouterr().out
    assert "2 clouds of 8,192 points" in said
    assert len(
        re.findall(r"depth \d: [\d.]+ [\d.]+ [\d.]+, file [-+]\d+\.\d\d %", said)
    ) == 2 * len(octree_rates.DEPTHS)
    for anchor in ("Draco", "Draco, merged", "G-PCC"):
        found = re.findall(rf"(tables|between|centres) against {anchor}: [-+]\d+\.\d %", said)
        assert len(found) == 4
    assert said.count("points per second") == 4 + 2
    assert "20,000 points, " in said


def test_levels_add_up_to_the_code(seed: int) -> None:
    points = np.random.default_rng(seed).normal(size=(300, 3))
    bits = octree_rates.bits_at([points], 5, None)
    assert sum(bits.levels) == pytest.approx(bits.ideal)
    assert bits.file_bytes * 300 == pytest.approx(
        len(OctreeCodec(OctreeOptions(edge_of_longest_side=1 / 32)).compress(points)), abs=1
    )


def test_clouds_of_users_are_sampled_and_sifted(tmp_path: Path) -> None:
    """Of the library of the embedded objects test objects alone; others unless nearly empty."""
    test = octree_clouds.of_test_split()[0]
    square = "v 0 0 0\nv 1 0 0\nv 0 1 0\nf 1 2 3\n"
    models = {
        f"blendswap-cc-0/{test}/{test}.obj": square,
        "blendswap-cc-0/other/other.obj": square,
        "elsewhere/square/square.obj": square,
        "elsewhere/rod/rod.obj": square.replace("v 1 0 0", "v 0.001 0 0"),
        "elsewhere/odd/odd.obj": "f 1 2 3\n",
    }
    with zipfile.ZipFile(tmp_path / "models.sh3f", "w") as archive:
        for name, text in models.items():
            archive.writestr(name, text)
    chosen = octree_clouds.given([tmp_path / "models.sh3f"], 2000)
    assert list(chosen.clouds) == [
        f"blendswap-cc-0/{test}/{test}.obj",
        "elsewhere/square/square.obj",
    ]
    assert {len(points) for points in chosen.clouds.values()} == {2000}
    assert chosen.left_out == {
        "not of the test split": ["blendswap-cc-0/other/other.obj"],
        "nearly empty": ["elsewhere/rod/rod.obj"],
        "cannot be read": ["elsewhere/odd/odd.obj"],
    }
    assert "  left out, nearly empty: 1 (elsewhere/rod/rod.obj)" in chosen.lines()
    again = octree_clouds.given([tmp_path / "models.sh3f"], 2000)
    for name, points in chosen.clouds.items():
        np.testing.assert_array_equal(points, again.clouds[name])
    with pytest.raises(StudyError, match="none of these files can be used"):
        octree_clouds.given([tmp_path / "models.sh3f"], 3)


@pytest.mark.parametrize("part", gpu.PARTS, ids=lambda part: part.name)
def test_each_part_of_the_gpu_command_runs(
    part: gpu.Part, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """On a CPU: its tests skip, and a bar of its own `packing` has."""
    monkeypatch.setattr(gpu, "PAIRS", 2)
    found = part.run()
    assert re.search(r"ratio \d+\.\d+ |\d+ skipped", capfd.readouterr().out)
    if part.name == "step":
        assert isinstance(found, bool)  # its bars are of this machine and these sizes
    elif isinstance(found, bool):
        assert found
    else:
        assert len(found) == {"cohorts": 0, "packing": 1}[part.name]


@pytest.mark.slow
def test_bookkeeping_is_told_stage_by_stage(capfd: pytest.CaptureFixture[str]) -> None:
    bookkeeping.run(trials=8)
    said = capfd.readouterr().out
    assert "8 trials of a second, 2 at once" in said
    assert "NOT WELL" not in said
    stages = re.findall(r"^    (?:worker|driver|Ray): .*?([\d.]+)  \(", said, re.MULTILINE)
    (whole,) = re.findall(r"between two trials of a worker, ms: ([\d.]+) in all", said)
    assert sum(map(float, stages)) == pytest.approx(float(whole), abs=0.2)


@pytest.mark.parametrize(("held", "told"), [(True, False), (False, True)])
def test_a_missed_bar_is_told_and_no_failure(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *, held: bool, told: bool
) -> None:
    monkeypatch.setattr(hierarchy, "run", lambda _: held)
    monkeypatch.setattr(sys, "argv", ["benchmarks", "hierarchy"])
    main()
    assert ("bar missed: hierarchy" in capsys.readouterr().out) is told


def test_all_ways_to_a_front_find_the_same() -> None:
    for _, points in fronts.clouds(200):
        ours, volume = fronts.by_study(points, Lap())
        for way in (fronts.by_moocore, fronts.by_optuna):
            mask, other = way(points, Lap())
            assert (mask == ours).all()
            assert other == pytest.approx(volume, rel=1e-12)


def test_norms_are_compared_pair_by_pair() -> None:
    """As if masked cost 0.5 bpp and gained 2 dB at the same seed and rate, whatever those are."""
    published = {
        (seed, rate): (1.0 + place + seed / 10, 30.0 + seed)
        for place, rate in enumerate(norms.RATES)
        for seed in norms.SEEDS
    }
    masked = {key: (bpp + 0.5, db + 2.0) for key, (bpp, db) in published.items()}
    told = "\n".join(norms.lines(published, masked))
    assert "masked - published: +0.500 ± 0.000 bpp" in told
    assert "masked - published: +2.000 ± 0.000 dB" in told
    assert told.count("hypervolume") == len(norms.SEEDS)


def test_no_name_means_all() -> None:
    assert command_line().parse_args([]).names == []


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["--help"], 0, "a training step of one trial"),
        (["nonsense"], 2, "choose from step, cohorts, arithmetic, packing, epochs, search"),
        (["--pairs", "1"], 2, "a spread needs at least 2, not 1"),
    ],
)
def test_command_line(arguments: list[str], code: int, said: str) -> None:
    command = [sys.executable, "-m", "benchmarks", *arguments]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert result.returncode == code
    assert said in result.stdout + result.stderr
