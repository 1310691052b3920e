"""The scales: what is put on them, what is read off, and which of several seconds count."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np
import pytest

from study.clouds import Cloud
from study.metrics import PeakRule, PsnrConvention
from study.metrics.measurement import (
    MOST_RUNS,
    code,
    fastest,
    known_over_clouds,
    measure_clouds,
    measure_coded,
    over_clouds,
)
from study.metrics.sample import Convention
from study.metrics.table import MEASURES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray


@dataclass
class Plain:
    """A coder that writes points as float32, with its normals or without; it notes its calls."""

    codes_normals: bool = False
    calls: list[tuple[str, int]] = field(default_factory=list)

    def compress(
        self, points: NDArray[np.float64], normals: NDArray[np.float32] | None = None
    ) -> bytes:
        self.calls.append(("compress", len(points)))
        assert (normals is not None) == self.codes_normals
        held = points if normals is None else np.hstack([points, normals])
        return held.astype(np.float32).tobytes()

    def decompress(self, data: bytes) -> Cloud:
        held = np.frombuffer(data, np.float32).reshape(-1, 6 if self.codes_normals else 3)
        self.calls.append(("decompress", len(held)))
        normals = held[:, 3:] if self.codes_normals else None
        return Cloud(held[:, :3].astype(np.float64), normals, ())


def cloud(seed: int, count: int = 200) -> Cloud:
    """Points on a sphere with their normals."""
    normals = np.random.default_rng(seed).normal(size=(count, 3))
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    return Cloud(normals * 7 + 3, normals.astype(np.float32), ())


class FakeClock:
    """Hands out the start and the end of runs that take what is said, one after the other."""

    def __init__(self, runs_s: Sequence[float]) -> None:
        self._runs_s, self._now, self._calls = list(runs_s), 0.0, 0

    def __call__(self) -> float:
        self._calls += 1
        if self._calls % 2 == 0:
            self._now += self._runs_s[self._calls // 2 - 1]
        return self._now


@pytest.mark.parametrize(
    ("runs_s", "repeats_s", "least", "runs"),
    [
        ([0.5, 0.25], 0.0, 0.5, 1),  # nothing to spend: once
        ([0.5, 0.25], 0.5, 0.5, 1),  # spent by the first run
        ([0.5, 0.25, 0.125], 0.75, 0.25, 2),
        ([0.5, 0.125, 0.25, 0.5], 1.0, 0.125, 4),  # the third ends before, the fourth after
        ([0.25, 0.125, 0.5, 0.125, 0.375, 0.0625], 9.0, 0.125, MOST_RUNS),
    ],
)
def test_the_fastest_of_the_runs_that_there_is_time_for_counts(
    runs_s: list[float], repeats_s: float, least: float, runs: int
) -> None:
    done: list[int] = []

    def work() -> int:
        done.append(len(done))
        return done[-1]

    result, seconds = fastest(work, repeats_s, FakeClock(runs_s))
    assert (seconds, len(done), result) == (least, runs, runs - 1)


def test_a_run_that_is_disturbed_changes_nothing(seed: int) -> None:
    """Bit-identical codecs, of which one shares its machine in all runs but one."""
    noise = np.random.default_rng(seed).uniform(0.0, 4.0, MOST_RUNS)
    noise[seed % MOST_RUNS] = 0.0
    quiet, busy = (
        fastest(lambda: None, 100.0, FakeClock((0.125 + each).tolist()))[1]
        for each in (np.zeros(MOST_RUNS), noise)
    )
    assert quiet == busy == pytest.approx(0.125)


def test_the_smallest_cloud_warms_up_where_there_are_several() -> None:
    coder = Plain()
    clouds = [("large", cloud(1, 300)), ("small", cloud(2, 100))]
    results = list(measure_clouds(coder, clouds, Convention()))
    assert [(each.cloud, each.points) for each in results] == [("large", 300), ("small", 100)]
    assert coder.calls[:2] == [("compress", 100), ("decompress", 100)]
    assert coder.calls[2] == ("compress", 300)
    alone = Plain()
    list(measure_clouds(alone, clouds[:1], Convention()))
    assert alone.calls.count(("compress", 300)) <= MOST_RUNS
    assert ("compress", 100) not in alone.calls


def test_a_metric_whose_needs_are_not_there_has_no_value() -> None:
    bare = replace(cloud(1), normals=None)
    heap = Cloud(np.ones((5, 3)), None, ())
    missing = {
        name: {metric for metric, value in result.values.items() if value is None}
        for name, coder, each in (
            ("normals", Plain(codes_normals=True), cloud(1)),
            ("of the cloud only", Plain(), cloud(1)),
            ("none", Plain(), bare),
            ("a heap", Plain(), heap),
        )
        for result in measure_clouds(coder, [("a", each)], Convention())
    }
    # Plain has no octree as a member, and no network.
    always = {"octree_share", "parameters", "encode_mac_per_point", "decode_mac_per_point"}
    assert missing["normals"] == always
    assert missing["of the cloud only"] == always | {"f1"}
    assert missing["none"] == always | {"f1", "d2_psnr_db"}
    lengths = {"chamfer", "hausdorff", "emd", "density"}
    assert missing["a heap"] == always | {"f1", "d2_psnr_db", *lengths}


def test_of_several_clouds_counts_are_added_and_the_rest_is_averaged() -> None:
    clouds = [("a", cloud(1, 300)), ("b", replace(cloud(2, 100), normals=None))]
    results = list(measure_clouds(Plain(), clouds, Convention()))
    a, b = results
    assert over_clouds(results, "bpp") == 96.0
    assert over_clouds(results, "points_ratio") == 1.0
    both = [each.values["chamfer"] or 0.0 for each in (a, b)]
    assert over_clouds(results, "chamfer") == pytest.approx(sum(both) / 2)
    assert over_clouds(results, "d2_psnr_db") is None  # of some clouds it would compare with none
    assert set(known_over_clouds(results, MEASURES)) == set(MEASURES) - {
        "d2_psnr_db",
        "f1",
        "octree_share",
        "parameters",
        "encode_mac_per_point",
        "decode_mac_per_point",
    }


def test_a_rate_weighs_each_cloud_by_its_points() -> None:
    class Constant(Plain):
        def compress(
            self, points: NDArray[np.float64], normals: NDArray[np.float32] | None = None
        ) -> bytes:
            return super().compress(points[:10], normals)

    results = list(
        measure_clouds(Constant(), [("a", cloud(1, 300)), ("b", cloud(2, 100))], Convention())
    )
    assert over_clouds(results, "bpp") == 2 * 10 * 96 / 400
    assert over_clouds(results, "points_ratio") == 20 / 400


def test_decibels_are_of_the_frame_and_the_peak_of_the_convention() -> None:
    """A tenth of the size at the same peak is 20 dB more; lengths have a frame of their own."""
    original = cloud(1)
    psnr = PsnrConvention(PeakRule.GIVEN, 10.0)
    coded = code(Plain(), original)
    usual, smaller = (
        measure_coded("a", original, coded, convention, ["d1_psnr_db", "chamfer"]).values
        for convention in (Convention(psnr), Convention(psnr, lambda _cloud, points: points / 10))
    )
    assert (smaller["d1_psnr_db"] or 0) - (usual["d1_psnr_db"] or 0) == pytest.approx(20)
    assert smaller["chamfer"] == pytest.approx(usual["chamfer"])
