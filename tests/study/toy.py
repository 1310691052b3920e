"""A trial that needs no codec: a closed-form rate-distortion curve, approached epoch by epoch.

Run as a script it is the command line with these trials:

    python tests/study/toy.py run study.yaml
"""

from __future__ import annotations

import json
import math
import os
import sys
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from study.trainable import TrialTrainable

if TYPE_CHECKING:
    from pathlib import Path

    from study.config import TrialConfig


@dataclass(frozen=True)
class ToyResult:
    metrics: dict[str, float]
    diverged: str | None = None


class ToyWork:
    """Rate falls and distortion rises with bpp_lambda; both settle over the epochs.

    The learning rate chooses what goes wrong: see `tests/study/test_runner.py`.
    """

    def __init__(self, trial: TrialConfig) -> None:
        self.epoch = 0
        self._trial = trial
        self._seconds = float(os.environ.get("TOY_EPOCH_S", "0"))

    def run_epoch(self) -> list[ToyResult]:
        time.sleep(self._seconds)
        self.epoch += 1
        trouble = self._trial.training.max_grad_norm
        if trouble == 13.0 and self.epoch == 2:
            return [ToyResult({"loss": math.nan}, "the loss became NaN in epoch 2")]
        if trouble == 14.0 and self.epoch == 2:
            message = "no luck"
            raise RuntimeError(message)
        if trouble == 15.0 and self.epoch == 2 and not self._trial_was_killed():
            os.kill(os.getpid(), 9)
        return [ToyResult(self._metrics())]

    def measure(self, member: int) -> ToyResult:
        assert member == 0
        final = self._metrics()
        return ToyResult({**final, "bpp": final["bpp_estimated"] * 1.01, "encode_s": 0.1})

    def save(self, folder: Path) -> None:
        (folder / "epoch.json").write_text(json.dumps(self.epoch))

    def load(self, folder: Path) -> None:
        self.epoch = json.loads((folder / "epoch.json").read_text())

    def _metrics(self) -> dict[str, float]:
        strength = math.log10(self._trial.loss.bpp_lambda)  # -4 .. -0.5
        settled = 1 - 0.5**self.epoch
        return {
            "loss": 1 / self.epoch,
            "bpp_estimated": 0.3 + 0.25 * strength**2 / 4 * settled,
            "d1_psnr_db": 30 - 2 * strength * settled,
            "chamfer": 0.1 / self.epoch,
        }

    def _trial_was_killed(self) -> bool:
        mark = os.path.join(self._trial.data_folder, f"killed-{os.getppid()}")  # noqa: PTH118
        if os.path.exists(mark):  # noqa: PTH110
            return True
        open(mark, "w").close()  # noqa: PTH123
        return False


class ToyTrainable(TrialTrainable):
    def open_work(self, trial: TrialConfig) -> ToyWork:
        return ToyWork(trial)


if __name__ == "__main__":
    from study.cli import main

    sys.exit(main(trainable=ToyTrainable))
