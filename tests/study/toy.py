"""Trials that need no codec: closed-form rate-distortion curves, approached epoch by epoch."""

from __future__ import annotations

import json
import math
import os
import shutil
import signal
import time
from pathlib import Path
from typing import TYPE_CHECKING

from study.base.errors import StudyError
from study.base.records import Failure, Fault
from study.data import open_data_set
from study.families.dpcc.family import DpccSettings
from study.training.codec_files import codec_file
from study.training.members import EpochResult, Measured, Member, member_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from model.codec_folder import SavedCodec
    from study.config import CohortConfig, TrialConfig
    from study.families.dpcc.settings import ModelSection
    from study.training.architecture import Architecture

FINE, DIVERGES, RAISES, DIES_ONCE, UNMEASURABLE, DIES_AT_BIRTH = 15, 2, 3, 4, 5, 6
HANGS, EATS_MEMORY, LOSES_DATA = 7, 8, 9
"""What becomes of a trial in its second epoch, when it is measured or, once, in its first epoch:
told by its `training.decay_every`, by default 15. Who raises or dies takes the worker along."""

STUDY = """
name: toy
data: {max_objects: 6, points_per_object: 512, cube_size: 100.0}
training: {epochs: 3}
search: {trials: 3, startup_trials: 2}
objectives:
  - {metric: bpp, direction: minimize, reference: 3.0}
  - {metric: d1_psnr_db, direction: maximize, reference: 25.0}
"""

TOY_STUDY = f"family: tests.study.toy:Toy{STUDY}"

PACE_FILE = "pace.json"


def set_pace(data_root: Path, *coefficients: float) -> None:
    """Let an epoch of n trials last c0 + c1 n + c2 n² seconds, in studies of this data root."""
    data_root.mkdir(parents=True, exist_ok=True)
    (data_root / PACE_FILE).write_text(json.dumps(coefficients))


def epoch_s(trial: TrialConfig, size: int) -> float:
    file = Path(trial.data_folder).parent / PACE_FILE
    coefficients: list[float] = json.loads(file.read_text()) if file.exists() else []
    seconds = float(os.environ.get("TOY_EPOCH_S", "0"))
    for power, coefficient in enumerate(coefficients):
        seconds += coefficient * size**power
    return seconds


class ToyWork:
    """Rate falls and distortion rises with bpp_lambda; both settle over the epochs."""

    def __init__(self, cohort: CohortConfig) -> None:
        self._of_all = cohort.trials[0]
        self._members: dict[int, Member] = {}
        self._epochs: dict[int, int] = {}
        self.finished: tuple[int, ...] = ()
        self._trained_last: tuple[int, ...] = ()
        self.join([member_of(trial) for trial in cohort.trials])

    @property
    def living(self) -> tuple[int, ...]:
        return tuple(number for number in self._members if number not in self.finished)

    def epochs_done(self, trial: int) -> int:
        return self._epochs[trial]

    def join(self, members: Sequence[Member]) -> None:
        for member in members:
            assert member.trial not in self._epochs, f"{member.trial} was here before"
            self._members[member.trial] = member
            self._epochs[member.trial] = 0

    def leave(self, trials: Sequence[int]) -> None:
        self.finished = tuple(number for number in self.finished if number not in trials)
        for number in trials:
            del self._members[number]

    def run_epoch(self) -> dict[int, EpochResult]:
        trained = self.living
        time.sleep(epoch_s(self._of_all, len(trained)))
        results = {number: self._epoch(self._members[number], len(trained)) for number in trained}
        self.leave([number for number, result in results.items() if result.failure])
        self._trained_last = self.living
        self.finished += tuple(
            number
            for number in self.living
            if self._epochs[number] == self._members[number].training.epochs
        )
        return results

    def measure(self, trial: int) -> Measured:
        member = self._members[trial]
        self.leave([trial])
        if member.training.decay_every == UNMEASURABLE:
            return Measured({}, Failure.of(Fault.DIVERGED, "it cannot code"))
        now = self._metrics(member)
        return Measured({**now, "bpp": now["bpp_estimated"] * 1.01})

    def write_codecs(self, folder: Path) -> dict[int, tuple[int, int]]:
        written = {}
        for number in self._trained_last:
            epoch = self._epochs[number]
            file = codec_file(folder, number, epoch)
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(json.dumps(self._metrics(self._members[number])))
            written[number] = (epoch, file.stat().st_size)
        return written

    def save(self, folder: Path) -> None:
        state = {
            "members": [member.to_plain() for member in self._members.values()],
            "epochs": self._epochs,
            "finished": self.finished,
        }
        (folder / "toy.json").write_text(json.dumps(state))

    def load(self, folder: Path) -> None:
        state = json.loads((folder / "toy.json").read_text())
        like = next(iter(self._members.values()))
        members = [like.alike(plain) for plain in state["members"]]
        self._members = {member.trial: member for member in members}
        self._epochs = {int(number): epochs for number, epochs in state["epochs"].items()}
        self.finished = tuple(state["finished"])

    def _epoch(self, member: Member, population: int) -> EpochResult:
        self._epochs[member.trial] += 1
        told, epoch = member.training.decay_every, self._epochs[member.trial]
        fate = told if epoch == (1 if told == DIES_AT_BIRTH else 2) else FINE
        if fate == DIVERGES:
            why = "the loss was no longer a finite number"
            return EpochResult({}, Failure.of(Fault.DIVERGED, why))
        if fate == RAISES:
            message = "no luck today"
            raise RuntimeError(message)
        if fate == HANGS:
            time.sleep(600)
        if fate == EATS_MEMORY:
            raise MemoryError
        if fate == LOSES_DATA:
            shutil.rmtree(self._of_all.data_folder)
            os.kill(os.getpid(), signal.SIGKILL)
        if fate in {DIES_ONCE, DIES_AT_BIRTH} and not self._died_before():
            os.kill(os.getpid(), signal.SIGKILL)
        return EpochResult({**self._metrics(member), "population": population})

    def _metrics(self, member: Member) -> dict[str, float]:
        strength = -math.log10(member.loss.bpp_lambda)  # 4 is the published one, 0.5 strong
        epochs = self._epochs[member.trial]
        settled = 1 - 0.5**epochs
        return {
            "loss": 1 / epochs,
            "bpp_estimated": 0.3 + 0.0625 * strength**2 * settled,
            "d1_psnr_db": 30 + 2 * strength * settled,
        }

    def _died_before(self) -> bool:
        mark = Path(self._of_all.data_folder).parent / "died"
        if mark.exists():
            return True
        mark.touch()
        return False


class Toy(DpccSettings):
    """The settings and data of D-PCC, and trials that need neither."""

    worker_modules = ()

    def architecture(self, model: ModelSection) -> Architecture:
        raise StudyError(f"toys of {model.dim} numbers are no networks")

    def open_codec(self, folder: Path) -> SavedCodec:
        raise StudyError(f"{folder} cannot be a codec, for toys have none")

    def work(self, cohort: CohortConfig, _device: str) -> ToyWork:
        open_data_set(Path(cohort.trials[0].data_folder))
        return ToyWork(cohort)

    def stopwatch(self, trial: TrialConfig, _device: str) -> Callable[[int], float | None]:
        return lambda size: epoch_s(trial, size) or 1e-3 * size
