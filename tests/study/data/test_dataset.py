"""A data set that is damaged, and one that is not."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING

import numpy as np
import pytest
from scipy.spatial import cKDTree

from model.hierarchy import build_hierarchy
from model.overhead import overhead_bits
from model.partition import PartitionConfig, partition
from model.placement import place
from study.base.errors import StudyError
from study.config import DataRecipe
from study.config.data import SPLITS
from study.data import StoredPatch, open_data_set, prepare
from study.data.dataset import EVALUATED
from study.data.sources import open_source
from study.families.dpcc.hierarchies import Hierarchies

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

RATE, K = (1 / 3, 1 / 2), 4
FORM = Hierarchies(RATE, K)


@pytest.fixture
def folder(tmp_path: Path, recipe: DataRecipe) -> Path:
    return prepare(recipe, form=FORM, root=tmp_path / "data")


def assert_same_numbers(patch: StoredPatch, points: NDArray[np.float32]) -> None:
    fresh = build_hierarchy(points, RATE, K)
    np.testing.assert_array_equal(patch.contents.points, fresh.points)
    for stored, level in zip(patch.contents.levels, fresh.levels, strict=True):
        for name, expected in vars(level).items():
            found = getattr(stored, name)
            np.testing.assert_array_equal(found, expected)
            assert found.dtype == expected.dtype
            assert found.shape == expected.shape
            assert not found.flags.writeable, "a view of the file, not a copy"


def test_patches_come_back_as_they_were_built(
    folder: Path, clouds: dict[str, NDArray[np.float64]]
) -> None:
    data = open_data_set(folder, FORM)
    entries = {entry.name: entry for entry in data.manifest.clouds}
    for split in SPLITS:
        patches = data.split(split)
        index = 0
        for number, name in enumerate(patches.clouds):
            scaled = entries[name].placement.to_scaled(clouds[name])
            for cube in partition(scaled, PartitionConfig(min_points=10)).patches:
                patch = patches[index]
                assert (patch.cloud, patches.cloud_of[index]) == (name, number)
                assert patches.point_counts[index] == len(cube.points)
                np.testing.assert_array_equal(patch.centre, cube.centre)
                assert patch.half_width == cube.half_width
                assert_same_numbers(patch, cube.points)
                index += 1
        assert index == len(patches) == data.manifest.splits[split].patches > 0


def test_patches_lead_back_to_the_original_points(
    folder: Path, clouds: dict[str, NDArray[np.float64]]
) -> None:
    data = open_data_set(folder, FORM)
    name = data.split("train").clouds[0]
    placement = next(entry.placement for entry in data.manifest.clouds if entry.name == name)
    for patch in data.split("train"):
        if patch.cloud == name:
            scaled = patch.contents.points * patch.half_width + patch.centre
            back = placement.to_original(scaled)
            nearest = np.abs(back[:, None] - clouds[name][None]).max(axis=-1).min(axis=1)
            assert nearest.max() < 1e-6


def test_clouds_to_evaluate_are_kept_whole(
    tmp_path: Path, recipe: DataRecipe, clouds: dict[str, NDArray[np.float64]]
) -> None:
    recipe = recipe.model_copy(update={"cube_size": 25.0, "min_points_evaluation": 8})
    data = open_data_set(prepare(recipe, form=FORM, root=tmp_path), FORM)
    config = recipe.partition()
    for split in EVALUATED:
        whole, patches = data.clouds(split), data.split(split)
        assert tuple(cloud.name for cloud in whole) == patches.clouds
        for index, cloud in enumerate(whole):
            np.testing.assert_array_equal(cloud.points, clouds[cloud.name])
            assert cloud.normals is None
            assert cloud.placement == place(cloud.points, cloud.name)
            cut = partition(cloud.placement.to_scaled(cloud.points), config)
            np.testing.assert_array_equal(cloud.voxels, cut.voxels)
            assert len(cloud.voxels) > 0
            overhead = overhead_bits(cut, cloud.placement, config, RATE)
            assert cloud.overhead_bits == overhead > 0
            own = patches.cloud_of == index
            assert patches.point_counts[own].sum() + len(cut.voxel_members) == len(cloud.points)
            with pytest.raises(ValueError, match="read-only"):
                cloud.points[0] = 0.0
        assert [cloud.name for cloud in whole[:1]] == [whole[0].name] == [whole[-len(whole)].name]
        with pytest.raises(IndexError):
            whole[len(whole)]
    with pytest.raises(KeyError, match="'train' was asked for"):
        data.clouds("train")


def test_fuller_cubes_are_split(tmp_path: Path, recipe: DataRecipe) -> None:
    changes = {"max_points": 60, "min_points": 1, "min_points_evaluation": 1}
    recipe = recipe.model_copy(update={"cube_size": 100.0, **changes})
    data = open_data_set(prepare(recipe, form=FORM, root=tmp_path), FORM)
    for split in SPLITS:
        assert data.split(split).point_counts.max() <= 60
    assert sum(data.split("train").point_counts) == 4 * 300, "none is sparse at 1"
    assert {patch.half_width for patch in data.split("train")} <= {50.0, 25.0, 12.5}


def test_deeper_voxels_are_more_and_cost_more(tmp_path: Path, recipe: DataRecipe) -> None:
    recipe = recipe.model_copy(update={"cube_size": 25.0, "min_points": 12})
    made = []
    for depth in (1, 4):
        deeper = recipe.model_copy(update={"voxel_depth": depth})
        data = open_data_set(prepare(deeper, form=FORM, root=tmp_path), FORM)
        clouds = [cloud for split in EVALUATED for cloud in data.clouds(split)]
        made.append([(len(cloud.voxels), cloud.overhead_bits) for cloud in clouds])
    for (few, cheap), (many, dear) in zip(*made, strict=True):
        assert 0 < few < many
        assert cheap < dear


def test_normals_follow_their_points(tmp_path: Path) -> None:
    recipe = DataRecipe(max_objects=3, points_per_object=1000, min_points=50, normals=True)
    data = open_data_set(prepare(recipe, form=FORM, root=tmp_path), FORM)
    source = open_source(recipe)
    entries = {entry.name: entry for entry in data.manifest.clouds}
    for split in SPLITS:
        for patch in data.split(split):
            cloud = source.read(patch.cloud)
            scaled = entries[patch.cloud].placement.to_scaled(cloud.points)
            where = patch.contents.points * patch.half_width + patch.centre
            distance, found = cKDTree(scaled).query(where)
            assert distance.max() < 1e-4
            assert cloud.normals is not None
            assert patch.contents.normals is not None
            same = (patch.contents.normals == cloud.normals[found]).all(axis=1)
            assert same.mean() > 0.95, "all but points that coincide"
    for split in EVALUATED:
        for whole in data.clouds(split):
            assert whole.normals is not None
            assert whole.normals.shape == whole.points.shape == (1000, 3)


def test_a_cloud_without_normals_is_refused_where_they_are_wanted(
    tmp_path: Path, recipe: DataRecipe
) -> None:
    recipe = recipe.model_copy(update={"normals": True})
    with pytest.raises(
        StudyError, match=r"box0\.ply has none \(it has red\); compute them, or set data\.normals"
    ):
        prepare(recipe, form=FORM, root=tmp_path)


def test_patches_can_be_iterated_and_end(folder: Path) -> None:
    patches = open_data_set(folder, FORM).split("train")
    assert len(list(patches)) == len(patches)
    for outside in (-1, len(patches)):
        with pytest.raises(IndexError):
            patches[outside]


def test_a_data_set_without_a_test_split_has_an_empty_one(
    tmp_path: Path, recipe: DataRecipe
) -> None:
    recipe = recipe.model_copy(update={"test_fraction": 0.0})
    empty = open_data_set(prepare(recipe, form=FORM, root=tmp_path), FORM).split("test")
    assert len(empty) == len(empty.clouds) == len(empty.point_counts) == 0


def test_a_truncated_file_is_refused_with_the_way_out(folder: Path) -> None:
    path = folder / "train.arrow"
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(StudyError, match=rf"train\.arrow must have .* delete the folder {folder}"):
        open_data_set(folder, FORM)


def test_a_flipped_byte_is_found_when_the_data_are_prepared_again(
    folder: Path, recipe: DataRecipe
) -> None:
    path = folder / "validation.arrow"
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(StudyError, match=rf"validation\.arrow are damaged; delete .*{folder.name}"):
        prepare(recipe, form=FORM, root=folder.parent)


def complaint(folder: Path) -> str | None:
    try:
        open_data_set(folder, FORM)
    except StudyError as error:
        return str(error)
    return None


def test_damage_anywhere_never_crashes(folder: Path, tmp_path: Path, seed: int) -> None:
    rng = np.random.default_rng(seed)
    for number in range(100):
        damaged = shutil.copytree(folder, tmp_path / f"damaged{number}")
        path = damaged / ("train.arrow" if rng.integers(2) else "test-clouds.arrow")
        content = bytearray(path.read_bytes())
        for where in rng.integers(1, min(len(content), 4000), size=4):
            content[where if rng.integers(2) else -where] = rng.integers(256)
        path.write_bytes(content)
        sentence = complaint(damaged)
        assert sentence is None or f"delete the folder {damaged}" in sentence


@pytest.mark.parametrize("name", ["test.arrow", "validation-clouds.arrow", "manifest.json"])
def test_a_missing_file_is_named(folder: Path, name: str) -> None:
    (folder / name).unlink()
    with pytest.raises(StudyError, match=rf"{name} cannot be read .*delete the folder"):
        open_data_set(folder, FORM)


@pytest.mark.parametrize("kept", [0, 500])
def test_a_truncated_manifest_is_refused(folder: Path, kept: int) -> None:
    path = folder / "manifest.json"
    path.write_text(path.read_text()[:kept])
    with pytest.raises(StudyError, match=r"manifest\.json is damaged .*delete the folder"):
        open_data_set(folder, FORM)


def test_a_manifest_changed_by_hand_is_refused(folder: Path) -> None:
    path = folder / "manifest.json"
    manifest = json.loads(path.read_text())
    manifest["clouds"][0]["side"] *= 2
    path.write_text(json.dumps(manifest))
    with pytest.raises(StudyError, match=r"changed after it was written; delete the folder"):
        open_data_set(folder, FORM)


def test_files_of_another_data_set_are_refused(folder: Path, recipe: DataRecipe) -> None:
    other = prepare(recipe, form=Hierarchies(RATE[:1], K), root=folder.parent)
    manifest = json.loads((other / "manifest.json").read_text())
    ours = json.loads((folder / "manifest.json").read_text())
    manifest |= {"downsample_rate": ours["downsample_rate"]}
    (other / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(
        StudyError, match=r"columns are not those that it should have.* delete the folder"
    ):
        open_data_set(other, FORM)


def test_another_format_is_refused(folder: Path) -> None:
    path = folder / "manifest.json"
    text = path.read_text().replace('"format": 2', '"format": 99')
    path.write_text(text.replace('"splits"', '"parts"'))  # other layouts have other names
    with pytest.raises(StudyError, match=r"reads data sets of format 2, .* is of format 99"):
        open_data_set(folder, FORM)
