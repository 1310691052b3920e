"""Recordings in closed form: rate falls and distortion rises with bpp_lambda, epoch by epoch."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from study.simulation.recording import Begun, RecordedTrial, Recording, join
from study.storage.study_file import parse_study

if TYPE_CHECKING:
    from collections.abc import Mapping

    from study.config import StudyConfig

EPOCHS = 4
EPOCH_S, MEASURING_S = 10.0, 1.0

STUDY = f"""
name: closed
training: {{epochs: {EPOCHS}}}
search:
  trials: 3
  sampler: random
  space:
    loss.bpp_lambda: {{low: 1e-4, high: 0.1, log: true}}
    loss.chamfer_coe: {{low: 0.0, high: 1.0}}
objectives:
  - {{metric: bpp, direction: minimize, reference: 3.0}}
  - {{metric: d1_psnr_db, direction: maximize, reference: 25.0}}
"""


def config(text: str = STUDY) -> StudyConfig:
    return parse_study(text, origin="closed")


def trial(number: int, settings: Mapping[str, Any], study: str = "closed") -> RecordedTrial:
    """The metrics of a trial are smooth in its settings."""
    strength = -math.log10(settings["loss.bpp_lambda"])
    epochs = [
        _metrics(strength, settings.get("loss.chamfer_coe", 0.0), n + 1) for n in range(EPOCHS)
    ]
    last = epochs[-1]
    return RecordedTrial(
        study=study,
        number=number,
        settings=settings,
        epochs=tuple(epochs),
        epoch_s=(EPOCH_S,) * EPOCHS,
        final={**last, "bpp": 1.01 * last["bpp_estimated"], "decode_s": 0.1},
        measuring_s=MEASURING_S,
    )


def _metrics(strength: float, coarse: float, epoch: int) -> dict[str, float]:
    settled = 1 - 0.5**epoch
    return {
        "bpp_estimated": 0.3 + 0.0625 * strength**2 * settled,
        "d1_psnr_db": 30 + 2 * strength * settled - (coarse - 0.3) ** 2,
    }


def recording(count: int = 40, seed: int = 0) -> Recording:
    """Settings spread at random, the published coefficients first."""
    draw = np.random.default_rng(seed).random((count, 2)).tolist()
    settings = [{"loss.bpp_lambda": 1e-4, "loss.chamfer_coe": 0.1}] + [
        {"loss.bpp_lambda": 10 ** (-4 + 3 * x), "loss.chamfer_coe": y} for x, y in draw[1:]
    ]
    trials = [trial(number, each) for number, each in enumerate(settings)]
    return join([Begun("v1", config())], trials)
