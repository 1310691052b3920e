"""Earlier epochs of complete trials that no epoch of another beats, and whose codecs are kept."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from study.fronts.dominance import contributions
from study.fronts.front import to_minimisation
from study.training.codec_files import codec_file

if TYPE_CHECKING:
    from pathlib import Path

    from study.fronts.judged import JudgedStudy


@dataclass(frozen=True)
class EarlierEpoch:
    """An earlier epoch of a complete trial that is on the front over all epochs, and kept.

    Attributes:
        trial, epoch: which.
        values: estimates of the objectives, in their order.
        path: the codec's file.
    """

    trial: int
    epoch: int
    values: tuple[float, ...]
    path: Path


def kept_earlier_epochs(codecs: Path, study: JudgedStudy) -> list[EarlierEpoch]:
    """Return the earlier epochs that are on the front over all epochs, and are kept.

    Those that add most to the front come first.

    Args:
        codecs: the folder of the study's codecs.
        study: its trials, of which the complete ones take part.
    """
    if not codecs.is_dir():
        return []
    best = study.front_over_epochs
    if not best:
        return []
    last = {(r.number, r.epochs[-1].epoch) for r in study.records if r.epochs}
    added = contributions(np.stack(list(best.values())), study.reference)
    found = []
    for _, (trial, epoch) in sorted(zip(-added, best, strict=True)):
        path = codec_file(codecs, trial, epoch)
        if (trial, epoch) not in last and path.exists():
            # The sign back again.
            values = to_minimisation(best[trial, epoch], study.objectives)
            found.append(EarlierEpoch(trial, epoch, tuple(values.tolist()), path))
    return found
