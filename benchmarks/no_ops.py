"""Trials that do nothing for a second, and tell when."""

from __future__ import annotations

import json
import math
import os
import time
from typing import TYPE_CHECKING, Any

from study.base.errors import StudyError
from study.families.dpcc.family import DpccSettings
from study.training.codec_files import codec_file
from study.training.members import EpochResult, Measured, Member, member_of
from study.workers.trainable import CohortTrainable

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from model.codec_folder import SavedCodec
    from study.config import CohortConfig, TrialConfig
    from study.families.dpcc.settings import ModelSection
    from study.training.architecture import Architecture

EPOCH_S = 1.0
OPENED, STEPPED, BEGAN, ENDED, TOLD, WORKER = (
    *("clock_opened", "clock_stepped", "clock_began", "clock_ended", "clock_told", "clock_worker"),
)
"""Metrics: when the worker was given the trial, began the step, its work, ended that; when the step
before was over; and the worker's process."""

_OTHERS = tuple(
    f"{kind}_{term}"
    for kind in ("term", "weighted")
    for term in ("chamfer", "density", "points", "bpp", "latent")
)
"""As many more metrics as an epoch of training has."""


class NoOps:
    """Trials of one epoch, which takes a second, and a measuring that takes nothing."""

    def __init__(self, cohort: CohortConfig) -> None:
        """Take note of the time."""
        self._members: dict[int, Member] = {}
        self.living: tuple[int, ...] = ()
        self.finished: tuple[int, ...] = ()
        self.opened = time.time()
        self.stepped = self.told = 0.0
        self.join([member_of(trial) for trial in cohort.trials])

    def epochs_done(self, trial: int) -> int:
        """One, once it has trained."""
        return int(trial in self.finished)

    def join(self, members: Sequence[Member]) -> None:
        """Take them in."""
        self._members |= {member.trial: member for member in members}
        self.living += tuple(member.trial for member in members)

    def leave(self, trials: Sequence[int]) -> None:
        """Let them go."""
        self.living = tuple(number for number in self.living if number not in trials)
        self.finished = tuple(number for number in self.finished if number not in trials)

    def run_epoch(self) -> dict[int, EpochResult]:
        """Sleep."""
        began = time.time()
        time.sleep(EPOCH_S)
        trained, self.living = self.living, ()
        self.finished += trained
        times = {OPENED: self.opened, STEPPED: self.stepped, BEGAN: began, ENDED: time.time()}
        times[WORKER] = float(os.getpid())
        others = dict.fromkeys(_OTHERS, 0.5)
        return {
            number: EpochResult({"loss": 1.0, **others, **_metrics(self._members[number]), **times})
            for number in trained
        }

    def measure(self, trial: int) -> Measured:
        """Work nothing out."""
        self.leave([trial])
        now = _metrics(self._members[trial])
        times = {STEPPED: self.stepped, TOLD: self.told, ENDED: time.time()}
        return Measured({**now, "bpp": now["bpp_estimated"], **times})

    def write_codecs(self, folder: Path) -> dict[int, tuple[int, int]]:
        """Write a small file for each."""
        written = {}
        for number in self.finished:
            file = codec_file(folder, number, 1)
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text("{}", encoding="utf-8")
            written[number] = (1, file.stat().st_size)
        return written

    def save(self, folder: Path) -> None:
        """Write who waits to be measured."""
        (folder / "no_ops.json").write_text(json.dumps(self.finished), encoding="utf-8")

    def load(self, folder: Path) -> None:
        """Read it."""
        self.finished = tuple(json.loads((folder / "no_ops.json").read_text(encoding="utf-8")))
        self.living = tuple(number for number in self.living if number not in self.finished)


class NoOp(DpccSettings):
    """The settings and data of D-PCC, and such trials."""

    worker_modules = ()

    def architecture(self, model: ModelSection) -> Architecture:
        """Refuse: there is nothing to export."""
        raise StudyError(f"trials of {model.dim} numbers that do nothing are no networks")

    def open_codec(self, folder: Path) -> SavedCodec:
        """Refuse: there is none."""
        raise StudyError(f"{folder} cannot be a codec, for no-ops have none")

    def work(self, cohort: CohortConfig, _device: str) -> NoOps:
        """Return what does nothing."""
        return NoOps(cohort)

    def stopwatch(self, trial: TrialConfig, _device: str) -> Callable[[int], float | None]:
        """Return what is never asked, as cohorts have one trial."""
        return lambda _: float(trial.trial)


class TimedTrainable(CohortTrainable):
    """Cohorts that take note of when their steps begin and end."""

    def step(self) -> dict[str, Any]:
        """Take a step."""
        no_ops = self._work
        assert isinstance(no_ops, NoOps), "it is the family of this benchmark"
        no_ops.stepped = time.time()
        said = super().step()
        no_ops.told = time.time()
        return said


def _metrics(member: Member) -> dict[str, float]:
    """Return a front's worth of values: more bits, more quality, and some trials beaten."""
    strength = -math.log10(member.loss.bpp_lambda)
    waste = abs(math.sin(1000 * strength))
    return {"bpp_estimated": 0.3 + 0.1 * strength + waste, "d1_psnr_db": 30 + 2 * strength}
