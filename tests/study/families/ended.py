"""A trial of a family, trained to its end and measured."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from study.data import open_data_set, prepare
from study.families.family import family_of
from study.search.space import apply, trial_config
from study.training.members import member_of
from study.training.training import Training

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from study.config import StudyConfig, TrialConfig


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
