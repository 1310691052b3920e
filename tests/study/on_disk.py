"""What the tests of kept codecs share: made-up trials, and a look at the disk."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

from study.base.records import EpochRecord, TrialRecord, TrialState
from study.checkpoints.kept_codecs import DELETED, KeptCodecs
from study.fronts.front import Direction, Objective
from study.training.codec_files import codec_file, codec_files

if TYPE_CHECKING:
    from pathlib import Path

COMPLETE = TrialState.COMPLETE
OBJECTIVES = (
    Objective("bpp", Direction.MINIMIZE, reference=3.0),
    Objective("d1_psnr_db", Direction.MAXIMIZE, reference=20.0),
)
EPOCHS = 4
SIZE = 100
PLENTY = 10**9

Value = tuple[float, float]


def record(
    number: int,
    *values: Value,
    state: TrialState = TrialState.RUNNING,
    final: Value | None = None,
    feasible: bool = True,
) -> TrialRecord:
    """A trial with these estimates; measured, if complete, as the last of them or as said."""
    measured = dict(zip(("bpp", "d1_psnr_db"), final or values[-1], strict=True)) if values else {}
    return TrialRecord(
        number,
        state,
        {},
        tuple(
            EpochRecord(epoch, {"bpp_estimated": bpp, "d1_psnr_db": psnr_db})
            for epoch, (bpp, psnr_db) in enumerate(values, start=1)
        ),
        total_epochs=EPOCHS,
        final=measured if state is TrialState.COMPLETE else {},
        feasible=feasible,
    )


def write(codecs: Path, trial: int, epoch: int, size: int = SIZE) -> None:
    file = codec_file(codecs, trial, epoch)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(bytes(size))


def there(codecs: Path) -> set[tuple[int, int]]:
    return {(trial, epoch) for trial, epoch, _ in codec_files(codecs)}


def keeper(codecs: Path, most: int = PLENTY, said: list[str] | None = None) -> KeptCodecs:
    return KeptCodecs(codecs, OBJECTIVES, most, (said if said is not None else []).append)


def train(kept: KeptCodecs, codecs: Path, whole: TrialRecord) -> None:
    """Tell of a trial epoch by epoch as it happens, and of its end."""
    for count, epoch in enumerate(whole.epochs, start=1):
        write(codecs, whole.number, epoch.epoch)
        running = replace(whole, state=TrialState.RUNNING, epochs=whole.epochs[:count], final={})
        kept.on_trial(running)
    kept.on_trial(whole)


def log(codecs: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in (codecs / DELETED).read_text().splitlines()]
