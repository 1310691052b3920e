"""Studies on disk whose trials ended with values that a test wants; nothing was trained."""

from __future__ import annotations

from typing import TYPE_CHECKING

from study.storage.folder import create_study_folder
from study.storage.study_file import parse_study
from study.storage.trial_store import TrialStore

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from study.storage.folder import StudyFolder

STUDY = """
search: {trials: 12}
objectives:
  - {metric: bpp, direction: minimize, reference: 3.0}
  - {metric: d1_psnr_db, direction: maximize, reference: 20.0}
"""

# 4 dB an octave, and a hole between 0.9 and 1.3 bpp; the last two are beaten.
RATES = (0.5, 0.6, 0.7, 0.8, 0.9, 1.3, 1.4, 1.5, 1.6, 1.7, 1.0, 1.1)
QUALITY = (30.0, 31.05, 31.94, 32.71, 33.39, 35.51, 35.94, 36.34, 36.71, 37.06, 32.0, 31.0)


def measured_study(
    root: Path,
    name: str,
    values: Iterable[tuple[float, float]] = (),
    study: str = STUDY,
    *,
    epochs: int = 0,
) -> StudyFolder:
    """A study in which trials ended with these rates and qualities, `RATES` and `QUALITY` if none.

    Args:
        root: folder of all studies.
        name: the study's.
        values: bpp and dB of each trial, in the order of their numbers.
        study: the study file, but for names and places.
        epochs: of each trial, with estimates that rise.
    """
    text = f"{study}\nname: {name}\nroot: {root}\ndata_root: {root}/data\n"
    config = parse_study(text, origin=name)
    with create_study_folder(config) as folder:
        store = TrialStore(config, folder.database)
        store.enqueue_first("v1")
        for bpp, psnr_db in values or zip(RATES, QUALITY, strict=True):
            number, _ = store.ask()
            store.record_config(number, {"data_folder": str(root / "gone")})
            for epoch in range(1, epochs + 1):
                reached = {
                    "bpp_estimated": bpp * epoch / epochs,
                    "d1_psnr_db": psnr_db - epochs + epoch,
                }
                store.record_epoch(number, epoch, reached, elapsed_s=epoch / epochs)
            final = {"bpp": bpp, "d1_psnr_db": psnr_db, "decode_s": 0.1}
            store.complete(number, final, elapsed_s=1.0)
    return folder
