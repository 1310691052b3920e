"""The architectures that a study can reach: its own, and every combination of the searched ones."""

from __future__ import annotations

from itertools import product
from math import prod
from typing import TYPE_CHECKING

from study.errors import StudyError
from study.measures import asked_metrics
from study.space import apply

if TYPE_CHECKING:
    from study.config import Geometry, ModelSection, StudyConfig

MOST_COMBINATIONS = 1000
"""Each is checked before anything starts, and a data set is prepared for every kind of geometry."""


def architectures(config: StudyConfig) -> list[ModelSection]:
    """Return every architecture that a trial may have, the study's own first.

    Raises:
        StudyError: two choices cannot be together, or there are too many combinations.
    """
    searched = {
        name: space.options or ()
        for name, space in config.search.space.items()
        if name.partition(".")[0] == "model"
    }
    count = prod(map(len, searched.values()))
    if count > MOST_COMBINATIONS:
        raise StudyError(
            f"search.space: the model's choices may make at most {MOST_COMBINATIONS:,} "
            f"combinations, and {', '.join(searched)} make {count:,}; remove some choices"
        )
    combined = [
        apply(config, dict(zip(searched, choices, strict=True))).model
        for choices in product(*searched.values())
    ]
    return list(dict.fromkeys([config.model, *combined]))


def geometries(config: StudyConfig) -> list[Geometry]:
    """Return every kind of data set that the study needs, the study's own first."""
    return list(dict.fromkeys(model.geometry for model in architectures(config)))


def check_architectures(config: StudyConfig) -> None:
    """Hold what the study says about its architectures against each other and the rest.

    Raises:
        StudyError: choices cannot be together, normals are coded or measured with that the data do
            not hold, or a setting would reach nothing.
    """
    reached = architectures(config)
    if any(model.compress_normal for model in reached) and not config.data.normals:
        raise StudyError(
            "model.compress_normal needs the points' normals, and data.normals is false; set "
            "data.normals: true"
        )
    asked = "d2_psnr_db" in asked_metrics(config)
    if asked and not config.data.normals:
        raise StudyError(
            "d2_psnr_db needs the points' normals, and data.normals is false; set data.normals: "
            "true, or ask for d1_psnr_db"
        )
    if config.data.normals and not (asked or any(model.compress_normal for model in reached)):
        raise StudyError(
            "data.normals: true would go unread, for model.compress_normal is false and neither an "
            "objective nor a constraint is on d2_psnr_db; change one of them, or remove "
            "data.normals"
        )
    for name, needed, value in _DEPENDENT:
        if any(getattr(model, needed) is value for model in reached):
            continue
        section, _, field = name.partition(".")
        own: object = getattr(getattr(config, section), field)
        default = type(getattr(config, section)).model_fields[field].default
        if name in config.search.space or own != default:
            raise StudyError(
                f"{name} reaches nothing unless model.{needed} is {str(value).lower()}; set that, "
                f"or leave {name} out"
            )


_DEPENDENT = (
    ("loss.normal_coe", "compress_normal", True),
    ("loss.latent_xyzs_coe", "quantize_latent_xyzs", True),
    ("model.latent_xyzs_conv_mode", "quantize_latent_xyzs", True),
)
"""Settings that matter in one mode only: name, the model's switch, and its value in that mode."""
