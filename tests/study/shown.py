"""A finished study to look at: made-up trials with codecs, which take seconds to make.

Nobody trains: the numbers of the trials lie on a curve that is like a real one, and their codecs
are untrained. Optuna's database and the study's folder are as a driver leaves them.
"""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING

import torch

from study.base.records import Failure, Fault
from study.data import prepare
from study.families.dpcc.architecture import DpccArchitecture
from study.families.family import family_of
from study.search.space import trial_config
from study.storage.folder import create_study_folder
from study.storage.study_file import parse_study
from study.storage.trial_store import TrialStore
from study.training.checkpoint import write_codec
from study.training.codec_files import codec_file
from study.training.flat import Layout
from tests.model.support import fresh_codec

if TYPE_CHECKING:
    from pathlib import Path

    from study.storage.folder import StudyFolder

EPOCHS = 3
NAME = "shown"

_STUDY = f"""
name: {NAME}
seed: 3
data: {{max_objects: 8, points_per_object: 300, cube_size: 100.0, min_points: 50}}
model: {{hidden_dim: 16}}
training: {{epochs: {EPOCHS}, patches_per_step: 2}}
search: {{trials: 12, startup_trials: 12}}
objectives:
  - {{metric: bpp, direction: minimize, reference: 3.0}}
  - {{metric: d1_psnr_db, direction: maximize, reference: 10.0}}
"""

_FAILED, _PRUNED = 5, 8


def shown_study(root: Path, trials: int = 12) -> StudyFolder:
    """Make the study below a folder: most trials complete, some of them on the front."""
    places = f"root: {root}/studies\ndata_root: {root}/data\n"
    config = parse_study(_STUDY + places, origin=NAME)
    family = family_of(config.family)
    form = family.patches(config.preparation.geometry)
    data = prepare(config.data, form=form, root=root / "data")
    with create_study_folder(config) as folder:
        store = TrialStore(config, folder.database)
        store.enqueue_first("v1.2-3-gabc")
        for index in range(trials):
            number, settings = store.ask()
            store.record_cohort(number, number // 4)
            trial = trial_config(config, number, settings, {config.preparation: data})
            store.record_config(number, json.loads(trial.model_dump_json()))
            epochs = 1 if index in {_FAILED, _PRUNED} else EPOCHS
            for epoch in range(1, epochs + 1):
                store.record_epoch(number, epoch, _estimates(index, epoch), elapsed_s=float(epoch))
            if index == _FAILED:
                failure = Failure.of(Fault.DIVERGED, "the loss was not finite")
                store.fail(number, failure, elapsed_s=1.0)
            elif index == _PRUNED:
                store.prune(number, "stopped after epoch 1: others were better", elapsed_s=1.0)
            else:
                store.complete(number, _measured(index), elapsed_s=float(EPOCHS))
                _write_codec(folder, number)
        store.close()
    return folder


def _measured(index: int) -> dict[str, float]:
    """Every third trial is below the curve, and thus beaten."""
    bpp = 0.4 + 0.15 * ((5 * index) % 12)
    worse_db = 1.5 if index % 3 == 1 else 0.0
    psnr_db = 34.0 + 6.0 * math.log2(1.0 + bpp) - worse_db
    return {"bpp": bpp, "d1_psnr_db": psnr_db, "encode_s": 0.05, "decode_s": 0.03}


def _estimates(index: int, epoch: int) -> dict[str, float]:
    last = _measured(index)
    missing = EPOCHS - epoch
    return {
        "bpp_estimated": last["bpp"] * (1 + 0.1 * missing),
        "d1_psnr_db": last["d1_psnr_db"] - 1.2 * missing,
        "loss": 0.02 * (1 + missing),
    }


def _write_codec(folder: StudyFolder, number: int) -> None:
    layout = Layout(codec := fresh_codec(number), DpccArchitecture(codec.config))
    parameters = torch.cat([parameter.flatten() for parameter in layout.parameters])
    write_codec(
        codec_file(folder.codecs, number, EPOCHS), number, EPOCHS, parameters, layout.shapes
    )
