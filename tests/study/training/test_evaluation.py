"""What a codec is worth: estimates against naive sums, files against estimates."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch

from losses import bits, chamfer
from model.cloud_codec import CloudCodec
from model.nearest_plain import nearest_by_brute_force
from model.patch_coder import PatchCoder
from model.patches import collate
from study.base.errors import StudyError
from study.config import DataRecipe
from study.data import open_data_set, prepare
from study.families.dpcc.architecture import DpccArchitecture
from study.metrics import emd
from study.metrics.table import MEASURES
from study.training import evaluation
from study.training.architecture import Evaluated
from study.training.evaluation import Validation, measure, placed
from tests.model.support import ARCHITECTURES, fresh_codec, points, valid_points
from tests.study.metrics import plain
from tests.study.tiny import MODEL, RECIPE, tiny_data_set, validate

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from model.codec import Codec
    from study.data import DataSet

PEAK = 100.0


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> DataSet:
    """Three objects to validate on in cubes of 50: several patches to a cloud, and voxels."""
    recipe = RECIPE.model_copy(
        update={
            "cube_size": 50.0,
            "min_points": 10,
            "min_points_evaluation": 10,
            "validation_fraction": 0.4,
        }
    )
    data = tiny_data_set(tmp_path_factory.getbasetemp() / "tiny", recipe)
    clouds = data.clouds("validation")
    assert len(clouds) == 3
    assert any(len(cloud.voxels) for cloud in clouds)
    assert len(data.split("validation")) > 8
    return data


@pytest.fixture(scope="module")
def codec() -> Codec:
    codec = fresh_codec(1, 2, config=MODEL)
    codec.freeze()
    return codec


class Bare(DpccArchitecture):
    """Its batches are tensors, which are neither true nor false, and decoded as they are."""

    def collate(self, patches: Sequence[Any], device: str | torch.device) -> Any:  # noqa: ANN401  no `Batch`
        return torch.tensor(patches[0].points, device=device)

    def evaluate(self, network: Codec, batch: Any) -> Evaluated:  # noqa: ANN401  as above
        xyz = batch.expand(network.trials, 1, *batch.shape)
        return Evaluated(torch.ones(xyz.shape[:2]), xyz, torch.full(xyz.shape[:2], len(batch)))


def test_a_batch_may_be_a_tensor(data: DataSet, codec: Codec) -> None:
    validation = Validation(Bare(MODEL), data, "validation", "cpu")
    made, kept = validation.of(codec), validation.of(codec)
    assert made == kept


def naive_psnr_db(original: NDArray[np.float64], decoded: NDArray[np.float64]) -> float:
    dist2 = np.square(original[:, None] - decoded[None]).sum(axis=-1)
    mse = max(dist2.min(axis=0).mean(), dist2.min(axis=1).mean())
    return 10 * math.log10(3 * PEAK**2 / mse)


@torch.no_grad()
def naive_metrics(codec: Codec, data: DataSet, trial: int) -> dict[str, float]:
    """Patch by patch and cloud by cloud."""
    patches = data.split("validation")
    total_bits, distances, decibels, made, given = 0.0, [], [], 0, 0
    for number, cloud in enumerate(data.clouds("validation")):
        decoded = [cloud.voxels]
        total_bits += cloud.overhead_bits
        for index in np.flatnonzero(patches.cloud_of == number):
            stored = patches[int(index)]
            batch = collate([stored.contents])
            output = codec(batch)
            total_bits += bits(output.likelihoods, batch.stages[-1].valid)[trial, 0].item()
            distance, _ = chamfer(output.decoded, batch.stages[0], nearest_by_brute_force)
            distances.append(distance[trial, 0].item())
            xyz = np.clip(valid_points(output.decoded, trial, 0).numpy(), -1, 1)
            decoded.append(xyz * stored.half_width + stored.centre)
        original = cloud.placement.to_scaled(cloud.points)
        decibels.append(naive_psnr_db(original, np.concatenate(decoded)))
        made += sum(map(len, decoded))
        given += len(original)
    return {
        "bpp_estimated": total_bits / given,
        "patch_chamfer": float(np.mean(distances)),
        "d1_psnr_db": float(np.mean(decibels)),
        "points_ratio": made / given,
    }


@pytest.mark.parametrize("at_once", [1, 8])
def test_metrics_are_sums_over_patches_and_means_over_clouds(
    codec: Codec, data: DataSet, monkeypatch: pytest.MonkeyPatch, at_once: int
) -> None:
    monkeypatch.setitem(evaluation.PATCHES_AT_ONCE, "cpu", at_once)
    for trial, metrics in enumerate(validate(codec, data, "validation", "cpu")):
        assert metrics == pytest.approx(naive_metrics(codec, data, trial), rel=1e-4)


def test_evaluating_again_gives_the_same_of_other_codecs_too(codec: Codec, data: DataSet) -> None:
    validation = Validation(DpccArchitecture(MODEL), data, "validation", "cpu")
    first = validation.of(codec)
    assert validation.of(codec.select([1])) == [pytest.approx(first[1], rel=1e-5)]
    assert validation.of(codec) == first


def test_files_are_counted_whole_and_agree_with_the_estimate(codec: Codec, data: DataSet) -> None:
    """Clouds of 150 points: a word of 4 bytes is a fifth of a bit per point."""
    coder = PatchCoder.freeze(codec.select([1]))
    files = CloudCodec(coder, data.manifest.recipe.partition())
    measured = measure(files, data, "validation")
    clouds = data.clouds("validation")
    written_bytes = sum(len(files.compress(cloud.points)) for cloud in clouds)
    assert measured["bpp"] == 8 * written_bytes / sum(len(cloud.points) for cloud in clouds)
    (estimated,) = validate(coder.codec, data, "validation", "cpu")
    assert measured["bpp"] == pytest.approx(estimated["bpp_estimated"], rel=0.02, abs=0.15)
    assert measured["d1_psnr_db"] == pytest.approx(estimated["d1_psnr_db"], abs=1e-3)
    assert measured["points_ratio"] == pytest.approx(estimated["points_ratio"], rel=1e-3)
    assert measured["encode_s"] > 0
    assert measured["decode_s"] > 0


@pytest.mark.parametrize("mode", ["default", "float16 latents", "edge convolutions", "normals"])
def test_estimates_hold_on_clouds_of_8192_points(
    mode: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Within 2 %, header and flush included, in every mode."""
    config = ARCHITECTURES[mode]
    recipe = DataRecipe(max_objects=3, normals=config.compress_normal)
    root = tmp_path_factory.getbasetemp() / "whole"
    form = DpccArchitecture(config).form
    data = open_data_set(prepare(recipe, form=form, root=root), form)
    coder = PatchCoder.freeze(fresh_codec(5, config=config))
    measured = measure(CloudCodec(coder, recipe.partition()), data, "validation")
    (estimated,) = validate(coder.codec, data, "validation", "cpu")
    assert all(len(cloud.points) == 8192 for cloud in data.clouds("validation"))
    assert measured["bpp"] == pytest.approx(estimated["bpp_estimated"], rel=0.02)
    assert measured["d1_psnr_db"] == pytest.approx(estimated["d1_psnr_db"], abs=0.01)


def test_a_codec_without_normals_is_measured_on_data_with_them(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    """The mode can be searched: both kinds of codec get the same data."""
    root = tmp_path_factory.getbasetemp() / "tiny"
    data = tiny_data_set(root, model=replace(MODEL, compress_normal=True))
    bare = tiny_data_set(root)
    assert data.clouds("validation")[0].normals is not None
    files = CloudCodec(PatchCoder.freeze(fresh_codec(1, config=MODEL)), RECIPE.partition())
    measured, expected = (measure(files, each, "validation") for each in (data, bare))
    for name in ("bpp", "d1_psnr_db", "points_ratio", "chamfer", "density"):
        assert measured[name] == expected[name], name
    assert set(measured) == set(MEASURES) - {"f1", "octree_share"}
    assert set(expected) == set(MEASURES) - {"d2_psnr_db", "f1", "octree_share"}


def test_what_is_extra_agrees_with_naive_twins_in_the_frame_of_each_original(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    """Of what files decode to, and of the estimate, which is the same but for rounding."""
    root = tmp_path_factory.getbasetemp() / "tiny"
    data = tiny_data_set(root, model=replace(MODEL, compress_normal=True))
    (cloud,) = data.clouds("validation")
    coder = PatchCoder.freeze(fresh_codec(1, config=MODEL))
    files = CloudCodec(coder, data.manifest.recipe.partition())
    found = files.decompress(files.compress(cloud.points)).points
    assert cloud.normals is not None
    side, normals = np.ptp(cloud.points, axis=0).max(), cloud.normals.astype(np.float64)
    middle = (cloud.points.min(axis=0) + cloud.points.max(axis=0)) / 2
    original, decoded = ((points - middle) * (2 / side) for points in (cloud.points, found))
    expected = {
        "d2_psnr_db": plain.d2_psnr_db(cloud.points, found, normals, side),
        "chamfer": plain.chamfer(original, decoded),
        "hausdorff": plain.hausdorff(original, decoded),
        "emd": emd(original, decoded),  # All matchings of so many points are too many.
        "density": plain.density_metric(original, decoded),
    }
    extra = [name for name, measure in MEASURES.items() if measure.is_extra]
    assert sorted(extra) == sorted(expected)
    measured = measure(files, data, "validation")
    # A placement's side is 2^-16 longer than the box, and the peak of a study is that side.
    assert {name: measured[name] for name in extra} == pytest.approx(expected, rel=1e-4)
    (estimated,) = Validation(DpccArchitecture(MODEL), data, "validation", "cpu").of(
        coder.codec, extra
    )
    assert {name: estimated[name] for name in extra} == pytest.approx(expected, rel=1e-2)
    assert set(validate(coder.codec, data, "validation", "cpu")[0]).isdisjoint(extra)


def test_d2_without_normals_is_a_sentence(codec: Codec, data: DataSet) -> None:
    with pytest.raises(StudyError, match="needs the clouds' normals"):
        Validation(DpccArchitecture(MODEL), data, "validation", "cpu").of(codec, ["d2_psnr_db"])


@dataclass(frozen=True)
class Place:
    """What `placed` reads of a stored patch."""

    centre: NDArray[np.float64]
    half_width: float


def test_patches_are_put_back_where_they_were_cut() -> None:
    """Half the edge of the cube away from its centre, within the cube, padding left out."""
    corner = np.array([[1.0, 1.5, -1.0]], dtype=np.float32)
    two = np.array([[0.0, 0.0, 0.0], [-1.0, 0.0, 0.5]], dtype=np.float32)
    stored = [Place(np.array([25.0, 75.0, 25.0]), 25.0), Place(np.array([50.0, 50.0, 50.0]), 50.0)]
    first, second = placed(points(corner, two, padding=9.0), stored)  # type: ignore[arg-type]
    assert [trial.tolist() for trial in first] == [[[50.0, 100.0, 0.0]]]
    assert [trial.tolist() for trial in second] == [[[50.0, 50.0, 50.0], [0.0, 50.0, 75.0]]]
