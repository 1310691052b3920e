"""Every setting that a study may search reaches the training.

The names come from the study file's models: whoever adds a field must say here what changing it
changes. A value takes the way of a trial's: `apply` puts it into the study.
"""

from __future__ import annotations

from dataclasses import fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import torch

from model.config import ModelConfig
from study.config import DataRecipe, StudyConfig, TrainingSection
from study.config.choices import as_choice
from study.data import open_data_set, prepare
from study.families.dpcc.objective import DISTORTIONS
from study.families.dpcc.settings import LossWeights, ModelSection, TrainingConfig
from study.families.family import family_of
from study.search.space import apply, baseline, trial_config
from study.search.space_checks import searchable
from tests.study.tiny import LOSS, MODEL, member, tiny_data_set, train, training_of

if TYPE_CHECKING:
    from torch import Tensor

    from study.data import DataSet
    from study.training.training import Training

BASE = TrainingConfig(epochs=2, patches_per_step=3, decay_every=1, decay_factor=0.5)

LOSS_CHANGES = {
    "bpp_lambda": 1e-2,
    "chamfer_coe": 1.0,
    "density_coe": 1e-2,
    "mean_distance_coe": 500.0,
    "pts_num_coe": 1e-3,
    "latent_xyzs_coe": 1.0,
    "normal_coe": 1.0,
    "last_chamfer_coe": 0.3,
    **{f"{name}_coe": 0.3 for name in DISTORTIONS},
}
TRAINING_CHANGES = {
    "epochs": 1,
    "patches_per_step": 6,
    "learning_rate": 2e-3,
    "bottleneck_learning_rate": 2e-3,
    "decay_every": 2,
    "decay_factor": 1.0,
    "schedule": "cosine",
    "max_grad_norm": 1e-6,
}
MODEL_CHANGES = {
    "k": replace(MODEL, k=4),
    "downsample_rate": replace(MODEL, downsample_rate=(0.5, 0.25, 0.25)),
    "max_upsample_num": replace(MODEL, max_upsample_num=(4, 8, 8)),
    "dim": replace(MODEL, dim=16),
    "hidden_dim": replace(MODEL, hidden_dim=8),
    "quantize_latent_xyzs": replace(MODEL, quantize_latent_xyzs=False),
    "latent_xyzs_conv_mode": replace(MODEL, latent_xyzs_conv_mode="edge_conv"),
    "sub_point_conv_mode": replace(MODEL, sub_point_conv_mode="edge_conv"),
    "compress_normal": replace(MODEL, compress_normal=True),
    "norm": replace(MODEL, norm="published"),
}


DATA = DataRecipe(
    max_objects=4,
    points_per_object=400,
    cube_size=50.0,
    min_points=20,
    min_points_evaluation=20,
    max_points=4096,
)
DATA_CHANGES = {
    "cube_size": 100.0,
    "min_points": 40,
    "min_points_evaluation": 40,
    "max_points": 60,
    "voxel_depth": 2,
}
CHANGES: dict[str, object] = {
    **{f"loss.{name}": value for name, value in LOSS_CHANGES.items()},
    **{f"training.{name}": value for name, value in TRAINING_CHANGES.items()},
    **{f"model.{name}": getattr(model, name) for name, model in MODEL_CHANGES.items()},
    **{f"data.{name}": value for name, value in DATA_CHANGES.items()},
}
TOGETHER: dict[str, dict[str, Any]] = {"training.schedule": {"training.decay_every": 15}}
"""What must change with it: a cosine does not read how often rates are cut."""
STUDY = StudyConfig.model_validate(
    {
        "name": "wired",
        "data": DATA,
        "model": ModelSection(k=MODEL.k, hidden_dim=MODEL.hidden_dim),
        "training": BASE,
        "search": {"trials": 1},
        "objectives": ({"metric": "bpp", "direction": "minimize", "reference": 3.0},),
    }
)


def changed(name: str) -> StudyConfig:
    """The study of a trial in which a setting was proposed."""
    proposed: Any = as_choice(CHANGES[name])
    return apply(STUDY, {name: proposed, **TOGETHER.get(name, {})})


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.getbasetemp() / "tiny"


@pytest.fixture(scope="module")
def data(root: Path) -> DataSet:
    return tiny_data_set(root)


def trained(
    data: DataSet,
    folder: Path,
    *,
    loss: LossWeights = LOSS,
    settings: TrainingSection = BASE,
    model: ModelConfig = MODEL,
) -> Training:
    training = training_of(data, member(loss=loss, training=settings), model=model)
    train(training, folder)
    return training


@pytest.fixture(scope="module")
def unchanged(data: DataSet, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Tensor]:
    training = trained(data, tmp_path_factory.mktemp("unchanged"))
    return training.parameters(0)


def differing(training: Training, unchanged: dict[str, Tensor]) -> set[str]:
    """Names of the parameters that were trained to something else."""
    return {n for n, p in training.parameters(0).items() if not p.equal(unchanged[n])}


def test_every_setting_is_listed_here() -> None:
    assert set(CHANGES) == set(searchable("dpcc"))
    assert set(MODEL_CHANGES) == {f.name for f in fields(ModelConfig)}


def test_nothing_changes_by_itself(
    data: DataSet, tmp_path: Path, unchanged: dict[str, Tensor]
) -> None:
    assert differing(trained(data, tmp_path), unchanged) == set()


@pytest.mark.parametrize("name", [name for name in LOSS_CHANGES if name != "normal_coe"])
def test_every_loss_weight_changes_what_is_learned(
    data: DataSet, tmp_path: Path, unchanged: dict[str, Tensor], name: str
) -> None:
    loss = changed(f"loss.{name}").loss
    found = differing(trained(data, tmp_path, loss=loss), unchanged)
    assert any(parameter.startswith("decoder.") for parameter in found)


def test_the_weight_of_normals_changes_what_a_codec_of_normals_learns(
    root: Path, tmp_path: Path
) -> None:
    model = MODEL_CHANGES["compress_normal"]
    data = tiny_data_set(root, model=model)
    one, other = (
        trained(data, tmp_path, loss=LOSS.model_copy(update={"normal_coe": weight}), model=model)
        for weight in (LOSS.normal_coe, changed("loss.normal_coe").loss.normal_coe)
    )
    found = differing(one, other.parameters(0))
    assert any(parameter.startswith("decoder.stages.2.refine.features") for parameter in found)


@pytest.mark.parametrize("name", TRAINING_CHANGES)
def test_every_training_setting_changes_what_is_learned(
    data: DataSet, tmp_path: Path, unchanged: dict[str, Tensor], name: str
) -> None:
    settings = changed(f"training.{name}").training
    found = differing(trained(data, tmp_path, settings=settings), unchanged)
    quantiles = {parameter for parameter in unchanged if parameter.endswith("quantiles")}
    if name == "bottleneck_learning_rate":
        assert found == quantiles
    else:
        assert found - quantiles


@pytest.mark.parametrize("name", MODEL_CHANGES)
def test_every_model_setting_changes_what_is_validated(
    root: Path, data: DataSet, name: str
) -> None:
    model = changed(f"model.{name}").model.build()
    assert model == MODEL_CHANGES[name]
    of_model = tiny_data_set(root, model=model)
    before = training_of(data).run_epoch()[0]
    after = training_of(of_model, model=model).run_epoch()[0]
    assert after.metrics["patch_chamfer"] != before.metrics["patch_chamfer"]
    assert torch.isfinite(torch.tensor(after.metrics["loss"]))


@pytest.mark.parametrize("name", DATA_CHANGES)
def test_every_way_to_cut_clouds_changes_what_is_trained_or_validated(
    root: Path, name: str
) -> None:
    def metrics(config: StudyConfig) -> dict[str, float]:
        data = prepared(config, root)
        settings = config.training.model_copy(update={"epochs": 1})
        result = training_of(data, member(training=settings), model=MODEL).run_epoch()[0]
        return {name: value for name, value in result.metrics.items() if not name.endswith("_s")}

    assert metrics(changed(f"data.{name}")) != metrics(STUDY)


def prepared(config: StudyConfig, root: Path) -> DataSet:
    made, geometry = config.preparation
    form = family_of(config.family).patches(geometry)
    return open_data_set(prepare(made, form=form, root=root), form)


@pytest.mark.parametrize("name", CHANGES)
def test_every_setting_reaches_the_worker(name: str) -> None:
    proposed: Any = as_choice(CHANGES[name])
    folders = {STUDY.preparation: Path("own"), changed(name).preparation: Path("other")}
    own = trial_config(STUDY, 0, baseline(STUDY), folders)
    settings = {**baseline(STUDY), name: proposed, **TOGETHER.get(name, {})}
    other = trial_config(STUDY, 0, settings, folders)
    assert other != own
    section, _, field = name.partition(".")
    if section == "data":
        assert other.data_folder != own.data_folder
    else:
        assert as_choice(getattr(getattr(other, section), field)) == proposed
