"""A trial that needs no codec: a closed-form rate-distortion curve, approached epoch by epoch.

Run as a script it is the command line with these trials:

    python tests/study/toy.py run study.yaml
"""

from __future__ import annotations

import json
import math
import os
import signal
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from study.trainable import TrialTrainable

if TYPE_CHECKING:
    from study.config import TrialConfig

FINE, DIVERGES, RAISES, DIES_ONCE, UNMEASURABLE = 1, 2, 3, 4, 5
"""What becomes of a trial in its second epoch, or when it is measured: told by its
`training.patches_per_step`."""

STUDY = """
name: toy
data: {max_objects: 6, points_per_object: 512, cube_size: 100.0}
training: {epochs: 3}
search: {trials: 3, startup_trials: 2}
objectives:
  - {metric: bpp, direction: minimize, reference: 3.0}
  - {metric: d1_psnr_db, direction: maximize, reference: 25.0}
"""


@dataclass(frozen=True)
class ToyResult:
    metrics: dict[str, float]
    diverged: str | None = None


class ToyWork:
    """Rate falls and distortion rises with bpp_lambda; both settle over the epochs."""

    def __init__(self, trial: TrialConfig) -> None:
        self.epoch = 0
        self._trial = trial

    def run_epoch(self) -> list[ToyResult]:
        time.sleep(float(os.environ.get("TOY_EPOCH_S", "0")))
        self.epoch += 1
        fate = self._trial.training.patches_per_step if self.epoch == 2 else FINE
        if fate == DIVERGES:
            return [ToyResult({}, "diverged: the loss was no longer a finite number")]
        if fate == RAISES:
            message = "no luck today"
            raise RuntimeError(message)
        if fate == DIES_ONCE and not self._died_before():
            os.kill(os.getpid(), signal.SIGKILL)
        return [ToyResult(self._metrics())]

    def measure(self, member: int) -> ToyResult:
        assert member == 0
        if self._trial.training.patches_per_step == UNMEASURABLE:
            return ToyResult({}, "diverged: it cannot code")
        now = self._metrics()
        return ToyResult({**now, "bpp": now["bpp_estimated"] * 1.01})

    def save(self, folder: Path) -> None:
        (folder / "epoch.json").write_text(json.dumps(self.epoch))

    def load(self, folder: Path) -> None:
        self.epoch = json.loads((folder / "epoch.json").read_text())

    def _metrics(self) -> dict[str, float]:
        strength = -math.log10(self._trial.loss.bpp_lambda)  # 4 is the published one, 0.5 strong
        settled = 1 - 0.5**self.epoch
        return {
            "loss": 1 / self.epoch,
            "bpp_estimated": 0.3 + 0.0625 * strength**2 * settled,
            "d1_psnr_db": 30 + 2 * strength * settled,
        }

    def _died_before(self) -> bool:
        mark = Path(self._trial.data_folder).parent / "died"
        if mark.exists():
            return True
        mark.touch()
        return False


class ToyTrainable(TrialTrainable):
    def open_work(self, trial: TrialConfig) -> ToyWork:
        return ToyWork(trial)


if __name__ == "__main__":
    from study.cli import main

    sys.exit(main(trainable=ToyTrainable))
