"""Where the codecs of a study lie: one file for each trial and epoch.

``trial-0007/epoch-0003.pt`` below the study's ``codecs``: workers write them, the driver decides
which stay (`study.checkpoints.kept_codecs`), and `study export` reads them, wherever the study's
folder is.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_FOLDER = re.compile(r"trial-(\d+)")
_RESULTS = "measured"
_FILE = re.compile(r"epoch-(\d+)\.pt")


def codec_file(codecs: Path, trial: int, epoch: int) -> Path:
    """Return where the codec of a trial after an epoch, counted from 1, belongs."""
    return codecs / f"trial-{trial:04d}" / f"epoch-{epoch:04d}.pt"


def results_file(codecs: Path, trial: int) -> Path:
    """Return where a trial's results by cloud belong (`study.training.cloud_results`)."""
    return codecs.parent / _RESULTS / f"trial-{trial:04d}.json"


def codec_files(codecs: Path) -> Iterator[tuple[int, int, Path]]:
    """Go through the codecs that are there: trial, epoch and file."""
    for folder in codecs.glob("trial-*"):
        if found := _FOLDER.fullmatch(folder.name):
            trial = int(found[1])
            for epoch, file in codecs_of(codecs, trial).items():
                yield trial, epoch, file


def codecs_of(codecs: Path, trial: int) -> dict[int, Path]:
    """Return the codecs of a trial that are there, by epoch."""
    files = codec_file(codecs, trial, 1).parent.glob("epoch-*.pt")
    found = ((_FILE.fullmatch(file.name), file) for file in files)
    return {int(epoch[1]): file for epoch, file in found if epoch}
