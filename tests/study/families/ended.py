"""A trial of a family, trained to its end and measured."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

from study.data import open_data_set, prepare
from study.families.family import family_of
from study.search.space import apply, trial_config
from study.storage.study_file import parse_study
from study.training.members import member_of
from study.training.training import Training

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from study.config import StudyConfig, TrialConfig
    from study.config.family import FamilySettings


def ended(
    config: StudyConfig, changes: Mapping[str, Any], root: Path
) -> tuple[dict[str, float], list[float]]:
    """Return what a trial with other settings reports in the end, and a number of each weight."""
    config = apply(config, changes)
    family = family_of(config.family)
    form = family.patches(())
    folder = prepare(config.data, form=form, root=root)
    trial: TrialConfig = trial_config(config, 0, {}, {config.preparation: folder})
    training = Training(
        architecture=family.architecture(trial.model),
        members=[member_of(trial)],
        data=open_data_set(folder, form),
        order_seed=0,
        device="cpu",
    )
    while training.living:
        training.run_epoch()
    weights = [float(each.double().abs().sum()) for each in training.parameters(0).values()]
    return training.measure(0).metrics, weights


def keys_of(family: FamilySettings) -> set[str]:
    """Return all settings of a family's sections, dotted."""
    sections = {"model": family.model, "loss": family.loss, "training": family.training}
    return {f"{name}.{key}" for name, section in sections.items() for key in section.model_fields}


def is_read(name: str, value: object, study: str, root: Path) -> bool:
    """Tell whether a trial of a study ends otherwise with another value of a setting.

    Args:
        name: the setting, dotted.
        value: another one than the study's.
        study: the text of its file, whose training has ``decay_every: 1, ``.
        root: of the data.
    """
    if name == "training.schedule":  # With nothing that would go unread.
        study = study.replace("decay_every: 1, ", "")
    config = parse_study(study, origin="small")
    return ended(config, {name: value}, root)[1] != _usual(study, root)


@cache
def _usual(study: str, root: Path) -> list[float]:
    return ended(parse_study(study, origin="small"), {}, root)[1]
