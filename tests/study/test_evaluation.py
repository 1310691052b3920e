"""What a codec is worth: estimates against naive sums, bytes against estimates."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch

from losses import bits, chamfer
from model.bitstream import FLUSH_BYTES, compress
from model.patches import collate
from model.points import nearest_by_brute_force
from study import evaluation
from study.evaluation import measure, placed, validate
from tests.model.support import fresh_codec, points, valid_points
from tests.study.tiny import MODEL, RECIPE, tiny_data_set

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from model.codec import Codec
    from study.data import PatchSet

PEAK = 100.0


@pytest.fixture(scope="module")
def patches(tmp_path_factory: pytest.TempPathFactory) -> PatchSet:
    """Three objects in cubes of 50: several patches to a cloud."""
    recipe = RECIPE.model_copy(
        update={
            "cube_size": 50.0,
            "min_points": 10,
            "min_points_evaluation": 10,
            "validation_fraction": 0.4,
        }
    )
    split = tiny_data_set(tmp_path_factory.getbasetemp() / "tiny", recipe).split("validation")
    assert len(split.clouds) == 3
    assert len(split) > evaluation.EVALUATION_BATCH
    return split


@pytest.fixture(scope="module")
def codec() -> Codec:
    codec = fresh_codec(1, 2, config=MODEL)
    codec.freeze()
    return codec


def naive_psnr_db(original: NDArray[np.float64], decoded: NDArray[np.float64]) -> float:
    dist2 = np.square(original[:, None] - decoded[None]).sum(axis=-1)
    mse = max(dist2.min(axis=0).mean(), dist2.min(axis=1).mean())
    return 10 * math.log10(3 * PEAK**2 / mse)


@torch.no_grad()
def naive_metrics(codec: Codec, patches: PatchSet, trial: int) -> dict[str, float]:
    """Patch by patch and cloud by cloud."""
    total_bits, distances, decibels, made = 0.0, [], [], 0
    for cloud in range(len(patches.clouds)):
        originals, decoded = [], []
        for number in np.flatnonzero(patches.cloud_of == cloud):
            stored = patches[int(number)]
            batch = collate([stored.hierarchy])
            output = codec(batch)
            total_bits += bits(output.likelihoods, batch.stages[-1].valid)[trial, 0].item()
            distance, _ = chamfer(output.decoded, batch.stages[0], nearest_by_brute_force)
            distances.append(distance[trial, 0].item())
            xyz = valid_points(output.decoded, trial, 0).numpy()
            decoded.append(xyz * stored.half_width + stored.centre)
            originals.append(stored.hierarchy.points * stored.half_width + stored.centre)
        decibels.append(naive_psnr_db(np.concatenate(originals), np.concatenate(decoded)))
        made += sum(map(len, decoded))
    input_points = int(patches.point_counts.sum())
    return {
        "bpp_estimated": total_bits / input_points,
        "chamfer": float(np.mean(distances)),
        "d1_psnr_db": float(np.mean(decibels)),
        "points_ratio": made / input_points,
    }


def test_metrics_are_sums_over_patches_and_means_over_clouds(
    codec: Codec, patches: PatchSet
) -> None:
    for trial, metrics in enumerate(validate(codec, patches, PEAK, "cpu")):
        assert metrics == pytest.approx(naive_metrics(codec, patches, trial), rel=1e-4)


def test_bytes_are_counted_per_cloud_and_agree_with_the_estimate(
    codec: Codec, patches: PatchSet
) -> None:
    alone = codec.select([1])
    alone.freeze()
    measured = measure(alone, patches, PEAK)
    written = 0
    for cloud in range(len(patches.clouds)):
        numbers = np.flatnonzero(patches.cloud_of == cloud)
        written += len(compress(alone, [patches[int(n)].hierarchy for n in numbers]).payload)
    input_points = int(patches.point_counts.sum())
    assert measured["bpp"] == pytest.approx(8 * written / input_points)
    assert measured["bpp_flush"] == pytest.approx(8 * FLUSH_BYTES * 3 / input_points)
    (estimated,) = validate(alone, patches, PEAK, "cpu")
    without_flush = measured["bpp"] - measured["bpp_flush"]
    assert without_flush == pytest.approx(estimated["bpp_estimated"], rel=0.05)
    assert measured["d1_psnr_db"] == pytest.approx(estimated["d1_psnr_db"], abs=1e-3)
    assert measured["points_ratio"] == pytest.approx(estimated["points_ratio"], rel=1e-3)
    assert measured["encode_s"] > 0
    assert measured["decode_s"] > 0


@dataclass(frozen=True)
class Place:
    """What `placed` reads of a stored patch."""

    centre: NDArray[np.float64]
    half_width: float


def test_patches_are_put_back_where_they_were_cut() -> None:
    """Half the edge of the cube away from its centre, padding left out."""
    corner = np.array([[1.0, 1.0, -1.0]], dtype=np.float32)
    two = np.array([[0.0, 0.0, 0.0], [-1.0, 0.0, 0.5]], dtype=np.float32)
    stored = [Place(np.array([25.0, 75.0, 25.0]), 25.0), Place(np.array([50.0, 50.0, 50.0]), 50.0)]
    first, second = placed(points(corner, two, padding=9.0), stored, 0)  # type: ignore[arg-type]
    assert first.tolist() == [[50.0, 100.0, 0.0]]
    assert second.tolist() == [[50.0, 50.0, 50.0], [0.0, 50.0, 75.0]]
