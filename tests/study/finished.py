"""A finished study of the real codec, so small that it takes a second; only Ray was left out."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from study.base.records import Failure, Fault
from study.data import open_data_set, prepare
from study.families.family import family_of
from study.search.space import trial_config
from study.storage.folder import create_study_folder
from study.storage.study_file import parse_study
from study.storage.trial_store import TrialStore
from study.training.training import Member, Training

if TYPE_CHECKING:
    from study.storage.folder import StudyFolder

EPOCHS = 2

STUDY = f"""
name: small
seed: 3
data: {{max_objects: 8, points_per_object: 300, cube_size: 100.0, min_points: 50}}
model: {{k: 8, hidden_dim: 16}}
training: {{epochs: {EPOCHS}, patches_per_step: 2, learning_rate: 5e-3}}
search: {{trials: 4, startup_trials: 2, first: [{{loss.bpp_lambda: 0.3}}]}}
objectives:
  - {{metric: bpp, direction: minimize, reference: 3.0}}
  - {{metric: d1_psnr_db, direction: maximize, reference: 10.0}}
"""


def finished_study(root: Path, study: str = STUDY, extra: str = "") -> StudyFolder:
    """Two trials trained and measured, one that failed, and one that never came to its end."""
    places = f"root: {root}/studies\ndata_root: {root}/data\n"
    config = parse_study(study + extra + places, origin="small")
    family = family_of(config.family)
    form = family.patches(config.preparation.geometry)
    data = prepare(config.data, form=form, root=root / "data")
    with create_study_folder(config) as folder:
        store = TrialStore(config, folder.database)
        store.enqueue_first("v1.2-3-gabc")
        for _ in range(2):
            number, settings = store.ask()
            store.record_cohort(number, number)
            trial = trial_config(config, number, settings, {config.preparation: data})
            training = Training(
                architecture=family.architecture(trial.model),
                members=[Member(number, trial.seed, trial.loss, trial.training)],
                data=open_data_set(Path(trial.data_folder), form),
                order_seed=trial.seed,
                device="cpu",
                with_octree=trial.codec.has_octree,
            )
            store.record_config(number, json.loads(trial.model_dump_json()))
            for epoch in range(1, EPOCHS + 1):
                result = training.run_epoch()[number]
                store.record_epoch(number, epoch, result.metrics, elapsed_s=float(epoch))
                training.write_codecs(folder.codecs)
            store.complete(number, training.measure(number).metrics, elapsed_s=2.5)
        store.fail(store.ask()[0], Failure.of(Fault.OUT_OF_MEMORY, "it needs more"), elapsed_s=1.0)
        store.ask()
    return folder
