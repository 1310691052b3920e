"""What is prepared, and what remains when preparing goes wrong."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from study.base.errors import StudyError
from study.config import DataRecipe
from study.config.data import SPLITS
from study.data import describe, open_data_set, prepare
from study.families.dpcc.hierarchies import Hierarchies
from tests.study.clouds.making import write_ply

if TYPE_CHECKING:
    from numpy.typing import NDArray

RATE, K = (1 / 3, 1 / 3, 1 / 3), 16
FORM = Hierarchies(RATE, K)
CHECKOUT = Path(__file__).parents[3]


def make(recipe: DataRecipe, root: Path) -> Path:
    return prepare(recipe, form=FORM, root=root)


def visible(root: Path) -> list[str]:
    """Everything under the root but the lock, which has no content."""
    return sorted(path.name for path in root.iterdir() if path.name != ".lock")


def test_equal_recipes_give_equal_bytes(tmp_path: Path, recipe: DataRecipe) -> None:
    first, second = (make(recipe, tmp_path / name) for name in "ab")
    assert first.name == second.name
    assert first.name.startswith("my-boxes-")
    for split in SPLITS:
        path = f"{split}.arrow"
        assert (first / path).read_bytes() == (second / path).read_bytes()
    hashes = {open_data_set(folder, FORM).manifest.content_hash for folder in (first, second)}
    assert len(hashes) == 1


@pytest.mark.parametrize(
    ("mask", "before", "after"), [(0o022, 0o644, 0o600), (0o002, 0o664, 0o660)]
)
def test_whoever_may_only_read_cannot_hold_the_lock(
    mask: int, before: int, after: int, tmp_path: Path, recipe: DataRecipe
) -> None:
    """They would keep all others waiting. A group that may write shares the folder as it did."""
    lock = tmp_path / ".lock"
    lock.touch()
    lock.chmod(before)  # As of earlier versions.
    mask = os.umask(mask)
    try:
        make(recipe, tmp_path)
        assert lock.stat().st_mode & 0o777 == after
        make(recipe.model_copy(update={"seed": 7}), tmp_path / "new")
        assert (tmp_path / "new" / ".lock").stat().st_mode & 0o777 == after
    finally:
        os.umask(mask)


def test_what_exists_is_returned_untouched(tmp_path: Path, recipe: DataRecipe) -> None:
    folder = make(recipe, tmp_path)
    before = {path: path.stat().st_mtime_ns for path in folder.iterdir()}
    assert make(recipe, tmp_path) == folder
    assert {path: path.stat().st_mtime_ns for path in folder.iterdir()} == before


@pytest.mark.parametrize("change", [{"seed": 1}, {"cube_size": 40.0}, {"points_per_object": 200}])
def test_another_recipe_is_another_data_set(
    tmp_path: Path, recipe: DataRecipe, change: dict[str, float]
) -> None:
    first = open_data_set(make(recipe, tmp_path), FORM)
    second = open_data_set(make(DataRecipe(**(recipe.model_dump() | change)), tmp_path))
    assert first.folder != second.folder
    assert first.manifest.content_hash != second.manifest.content_hash


def test_a_changed_source_is_another_data_set(tmp_path: Path, recipe: DataRecipe) -> None:
    first = make(recipe, tmp_path)
    os.utime(Path(recipe.source) / "box0.ply", ns=(1, 1))
    assert make(recipe, tmp_path) != first


def test_the_seed_changes_the_splits_and_no_object_is_in_two(
    tmp_path: Path, recipe: DataRecipe
) -> None:
    members = []
    for seed in (0, 1):
        data = open_data_set(make(recipe.model_copy(update={"seed": seed}), tmp_path), FORM)
        splits = [set(data.split(split).clouds) for split in SPLITS]
        assert sum(map(len, splits)) == len(set.union(*splits)) == 6
        members.append(splits)
    assert members[0] != members[1]


def test_every_point_is_kept_or_counted(tmp_path: Path, recipe: DataRecipe) -> None:
    recipe = recipe.model_copy(update={"cube_size": 25.0, "min_points": 12})
    data = open_data_set(make(recipe, tmp_path), FORM)
    counts = data.manifest.splits.values()
    assert sum(split.points + split.sparse_points for split in counts) == 6 * 300
    assert all(split.sparse_cubes > 0 for split in counts)
    for split in SPLITS:
        patches, said = data.split(split), data.manifest.splits[split]
        assert patches.point_counts.min() >= recipe.partition(split).min_points
        assert patches.point_counts.sum() == said.points
        assert (len(patches), len(patches.clouds)) == (said.patches, said.clouds)


def test_the_summary_says_what_was_kept_and_dropped(tmp_path: Path, recipe: DataRecipe) -> None:
    recipe = recipe.model_copy(update={"cube_size": 25.0, "min_points": 12})
    manifest = open_data_set(make(recipe, tmp_path), FORM).manifest
    text = describe(manifest)
    train, *others = (manifest.splits[split] for split in SPLITS)
    assert text.startswith("my-boxes: 6 objects, ")
    assert f"to train on: {train.patches} patches of 4 objects" in text.lower()
    share = f"{train.sparse_points / 12:.1f} % of what there was to train on."
    assert f"with {train.sparse_points:,} points, {share}" in text
    sent, voxels = (sum(getattr(s, name) for s in others) for name in ("sparse_points", "voxels"))
    assert f"Sent as voxels elsewhere (below 10): {sent} points in {voxels} voxels, " in text
    assert "Left out, for no codec codes it: red (6 objects)." in text
    assert "\n" not in text


def test_an_object_without_a_patch_is_said(tmp_path: Path, recipe: DataRecipe) -> None:
    for i in range(6):
        write_ply(Path(recipe.source) / f"tiny{i}.ply", np.eye(3))
    data = open_data_set(make(recipe, tmp_path), FORM)
    empty = [entry for entry in data.manifest.clouds if not entry.patches]
    assert sorted(entry.name for entry in empty) == [f"tiny{i}.ply" for i in range(6)]
    lost = [entry.name for entry in empty if entry.split == "train"]
    assert f"nothing is left of {len(lost)} objects (" in describe(data.manifest)
    assert not any(name in data.split("train").clouds for name in lost)


def test_an_object_of_voxels_only_is_evaluated(tmp_path: Path, recipe: DataRecipe) -> None:
    for i in range(6):
        write_ply(Path(recipe.source) / f"tiny{i}.ply", np.eye(3))
    data = open_data_set(make(recipe, tmp_path), FORM)
    sparse = [e for e in data.manifest.clouds if e.split != "train" and not e.patches]
    assert sparse, "the seed holds some out"
    for entry in sparse:
        index = data.split(entry.split).clouds.index(entry.name)
        cloud = data.clouds(entry.split)[index]
        assert cloud.name == entry.name
        assert len(cloud.voxels) == len(cloud.points) == entry.voxels == 3
        assert index not in data.split(entry.split).cloud_of


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"min_points": 500}, r"no cube of the 4 train objects has min_points=500 points: the fu"),
        ({"min_points_evaluation": 500}, r"validation objects has min_points_evaluation=500 point"),
    ],
)
def test_a_recipe_that_leaves_no_patch_is_refused(
    tmp_path: Path, recipe: DataRecipe, change: dict[str, int], sentence: str
) -> None:
    with pytest.raises(StudyError, match=sentence):
        make(recipe.model_copy(update=change), tmp_path / "data")
    assert visible(tmp_path / "data") == []


def test_points_per_object_is_a_seeded_choice(tmp_path: Path, recipe: DataRecipe) -> None:
    recipe = recipe.model_copy(update={"points_per_object": 120})
    manifest = open_data_set(make(recipe, tmp_path), FORM).manifest
    assert {entry.all_points for entry in manifest.clouds} == {120}


def odd_points(kind: str) -> NDArray[np.float64]:
    points = np.random.default_rng(3).uniform(size=(60, 3))
    match kind:
        case "flat":
            points[:, 1] = 7.0
        case "line":
            points[:, 1:] = 7.0
        case "duplicates":
            points = np.repeat(points[:3], 20, axis=0)
        case "few":
            points = points[:2]
        case "all in one place but one":
            points[1:] = 0.0
        case "all in one place":
            points[:] = 7.0
        case _:
            raise ValueError(kind)
    return points


@pytest.mark.parametrize(
    "kind",
    ["flat", "line", "duplicates", "few", "all in one place but one", "all in one place"],
)
def test_odd_clouds_work(tmp_path: Path, kind: str) -> None:
    for i in range(3):
        write_ply(tmp_path / "odd" / f"{i}.ply", odd_points(kind))
    recipe = DataRecipe(source=str(tmp_path / "odd"), min_points=1, min_points_evaluation=1)
    data = open_data_set(make(recipe, tmp_path / "data"), FORM)
    for split in SPLITS:
        for patch in data.split(split):
            for level in patch.contents.levels:
                assert np.isfinite(level.mean_distance).all()
                assert len(level.samples) >= 1


def test_a_faulty_cloud_leaves_nothing_behind(tmp_path: Path, recipe: DataRecipe) -> None:
    write_ply(Path(recipe.source) / "zzz.ply", np.array([[0.0, 0.0, 0.0], [1e300, 0.0, 0.0]]))
    with pytest.raises(StudyError, match=r"must extend less than .* zzz\.ply spans the box from"):
        make(recipe, tmp_path / "data")
    assert visible(tmp_path / "data") == []


def test_a_missing_source_does_not_even_make_the_root(tmp_path: Path) -> None:
    with pytest.raises(StudyError, match="does not exist"):
        make(DataRecipe(source=str(tmp_path / "nowhere")), tmp_path / "data")
    assert not (tmp_path / "data").exists()


def test_progress_counts_the_clouds(tmp_path: Path, recipe: DataRecipe) -> None:
    seen: list[tuple[int, int]] = []
    prepare(
        recipe,
        form=FORM,
        root=tmp_path / "data",
        on_progress=lambda done, total: seen.append((done, total)),
    )
    assert seen == [(done, 6) for done in range(1, 7)]


def test_fifty_embedded_objects_have_patches_of_the_size_that_trains_fast(tmp_path: Path) -> None:
    data = open_data_set(make(DataRecipe(max_objects=50), tmp_path), FORM)
    train = data.split("train")
    assert (len(train.clouds), len(data.split("validation").clouds)) == (34, 8)
    assert 500 <= np.median(train.point_counts) <= 1200
    manifest = data.manifest
    size = sum(entry.bytes for entry in manifest.files.values())
    lost = sum(split.sparse_points for split in manifest.splits.values())
    assert lost < 0.01 * 50 * 8192
    assert size < 50 * 8192 * 70


def test_the_manifest_is_plain_json(tmp_path: Path, recipe: DataRecipe) -> None:
    manifest = json.loads((make(recipe, tmp_path) / "manifest.json").read_text())
    assert manifest["peak"] == 100.0
    assert manifest["peak_name"] == "longest side"
    assert manifest["recipe"] == recipe.model_dump()
    assert manifest["code_version"]
