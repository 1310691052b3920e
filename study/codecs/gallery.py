"""What codecs of a front make of objects that no trial has trained on: coded for real, and kept.

An object goes through a codec's file and back, as `study compress` and `study decompress` would do
it. What came out is kept in the study's folder by the contents of the codec's file and of the data
set, so that only what is new is coded when the front is looked at again.
"""

from __future__ import annotations

import hashlib
import math
import os
from dataclasses import replace
from typing import TYPE_CHECKING
from zipfile import BadZipFile

import numpy as np

from model.errors import CodecError
from study.base.errors import StudyError
from study.data import open_data_set
from study.fronts.points import KNEE
from study.metrics import longest_side
from study.metrics.distances import nearest
from study.metrics.measurement import code, measure_coded
from study.metrics.sample import Convention
from study.metrics.table import MEASURES
from study.report.exhibits import Exhibit, Gallery, Reconstruction
from study.storage.progress import data_of_trial
from study.training.codec_files import codec_file

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from model.codec_folder import AnyCodec
    from study.config import SplitName, StudyConfig
    from study.data import DataSet, StoredCloud
    from study.fronts.judged import JudgedStudy
    from study.storage.folder import StudyFolder
    from study.storage.trial_store import TrialStore

    Chosen = tuple[tuple[str, ...], Path]
    """Names of an operating point, and its codec's file."""

FOLDER = "gallery"
"""Of a study: what was coded before."""

MOST_OBJECTS, MOST_POINTS_OF_FRONT = 3, 4
MOST_CODED = 400_000
"""Points that are coded for a gallery, all objects and codecs together. A thread encodes 35,000 a
second and decodes 190,000 (docs/benchmarks.md): 14 seconds."""

BETWEEN = "between"
"""What a point of the front is called that fills a gap between those with names."""


def make_gallery(
    folder: StudyFolder, config: StudyConfig, study: JudgedStudy, store: TrialStore | None
) -> Gallery | str:
    """Code a few objects with codecs of the front; or say, in a sentence, why there is nothing.

    Objects are those of the test split, or of the validation split where there is none. A study in
    which trials cut the data in several ways is shown with the data of its first chosen trial.

    Args:
        folder: the study's.
        config: as it was started.
        study: its trials.
        store: its database; None: it has none, and no trials either.
    """
    chosen = chosen_points(study)
    kept = {
        number: (names, codec_file(folder.codecs, number, epochs))
        for number, (names, epochs) in chosen.items()
    }
    kept = {number: each for number, each in kept.items() if each[1].exists()}
    if not chosen or store is None:
        return "no reconstructions are shown: the front is empty"
    if not kept:
        return "no reconstructions are shown: no codec of the front's named points is kept"
    try:
        return _made(_Codecs(folder, config, study, store), config.name, kept)
    except (StudyError, CodecError, OSError) as error:
        return f"no reconstructions are shown: {error}"
    except Exception as error:  # noqa: BLE001 (a picture must not cost a study its report)
        return f"no reconstructions are shown, please report it: {type(error).__name__}: {error}"


def chosen_points(study: JudgedStudy) -> dict[int, tuple[tuple[str, ...], int]]:
    """Return the trials whose codecs are shown, in the order of the front: their names and epochs.

    Those with a name, the knee before others; where that leaves room, the members of the front that
    are farthest from what is chosen already, with all objectives scaled to the front's range.
    """
    best, names = study.front, study.names
    taken = sorted(names, key=lambda number: KNEE not in names[number])[:MOST_POINTS_OF_FRONT]
    if best:
        losses = study.front_losses
        span = np.ptp(losses, axis=0)
        scaled = dict(
            zip([r.number for r in best], losses / np.where(span > 0, span, 1.0), strict=True)
        )
        while len(taken) < min(MOST_POINTS_OF_FRONT, len(best)):
            away = {
                number: min(np.abs(place - scaled[other]).sum() for other in taken)
                for number, place in scaled.items()
                if number not in taken
            }
            taken.append(max(away, key=lambda number: away[number]))
    return {
        record.number: (names.get(record.number, (BETWEEN,)), len(record.epochs))
        for record in best
        if record.number in taken
    }


def _made(codecs: _Codecs, name: str, kept: dict[int, Chosen]) -> Gallery:
    data = codecs.data_of(next(iter(kept)))
    split, clouds = _objects(data)
    while len(kept) > 1 and len(clouds[0].points) * len(kept) > MOST_CODED:
        kept = _without_least(kept)
    within = np.cumsum([len(cloud.points) * len(kept) for cloud in clouds]) <= MOST_CODED
    count = int(within.sum())
    if count == 0:
        raise StudyError(
            f"{clouds[0].name} has {len(clouds[0].points):,} points, and {MOST_CODED:,} can be "
            "coded within seconds; `study export` and `study evaluate` take their time"
        )
    exhibits = []
    for cloud in clouds[:count]:
        shown = [
            replace(codecs.coded(number, file, cloud, data), names=names)
            for number, (names, file) in kept.items()
        ]
        exhibits.append(Exhibit(cloud.name, np.asarray(cloud.points), tuple(shown)))
    return Gallery(name, split, tuple(exhibits))


def _without_least(kept: dict[int, Chosen]) -> dict[int, Chosen]:
    """Leave out a codec: one between the named ones, else an end, and the knee last."""
    least = max(kept, key=lambda number: (BETWEEN in kept[number][0], KNEE not in kept[number][0]))
    return {number: each for number, each in kept.items() if number != least}


def _objects(data: DataSet) -> tuple[str, Sequence[StoredCloud]]:
    splits: tuple[SplitName, ...] = ("test", "validation")
    for split in splits:
        # Points that are all the same have no side to measure errors by.
        found = [cloud for cloud in data.clouds(split) if longest_side(cloud.points) > 0]
        if found:
            return split, found[:MOST_OBJECTS]
    raise StudyError("no object was held out; let test_fraction be above 0")


class _Codecs:
    """The codecs of a study, made ready when the first object is coded that is not kept."""

    def __init__(
        self, folder: StudyFolder, config: StudyConfig, study: JudgedStudy, store: TrialStore
    ) -> None:
        self._folder, self._config, self._store = folder, config, store
        self._records = {record.number: record for record in study.front}
        self._ready: dict[int, AnyCodec] = {}

    def data_of(self, trial: int) -> DataSet:
        """Open the data set of a trial."""
        data = data_of_trial(self._folder, self._config, self._store, trial)
        if data is None:
            raise StudyError(f"trial {trial} does not say which data it was trained on")
        return open_data_set(data)

    def coded(self, trial: int, file: Path, cloud: StoredCloud, data: DataSet) -> Reconstruction:
        """Return what a trial's codec makes of an object, from what is kept or anew."""
        digest = hashlib.sha256(file.read_bytes())
        digest.update(f"{data.manifest.content_hash} {cloud.name}".encode())
        place = self._folder.path / FOLDER / f"trial-{trial:04d}-{digest.hexdigest()[:16]}.npz"
        if (found := _read(place, trial)) is not None:
            return found
        made = _coded(self._codec(trial), trial, cloud)
        _write(place, made)
        return made

    def _codec(self, trial: int) -> AnyCodec:
        from study.checkpoints.export import take

        if trial not in self._ready:
            record = self._records[trial]
            self._ready[trial] = take(self._folder, self._config, self._store, record).codec
        return self._ready[trial]


def _coded(codec: AnyCodec, trial: int, cloud: StoredCloud) -> Reconstruction:
    """Write an object as a file, read it back, and measure what came out."""
    coded = code(codec, cloud)
    result = measure_coded(cloud.name, cloud, coded, Convention(), _metrics())
    decoded = coded.decoded.points
    away, _ = nearest(decoded, cloud.points)
    return Reconstruction(
        trial=trial,
        names=(),
        points=decoded.astype(np.float32),
        error_percent=(100 * away / longest_side(cloud.points)).astype(np.float32),
        file_bytes=result.file_bytes,
        values={n: math.nan if v is None else v for n, v in result.values.items()},
    )


def _metrics() -> list[str]:
    """Return what is measured of a reconstruction: whoever looks at a picture waits for it."""
    return [
        measure.name
        for measure in MEASURES.values()
        if not measure.is_extra and not measure.needs & {"seconds", "counted work"}
    ]


def _read(place: Path, trial: int) -> Reconstruction | None:
    """Return what was coded before; None where it was not, or its file is damaged."""
    try:
        with place.open("rb") as file, np.load(file, allow_pickle=False) as held:
            return Reconstruction(
                trial=trial,
                names=(),
                points=held["points"],
                error_percent=held["error_percent"],
                file_bytes=int(held["file_bytes"]),
                values={metric: float(held[metric]) for metric in _metrics()},
            )
    except (OSError, ValueError, KeyError, EOFError, BadZipFile):
        return None


def _write(place: Path, made: Reconstruction) -> None:
    place.parent.mkdir(exist_ok=True)
    partial = place.with_name(f".{place.stem}.{os.getpid()}.npz")
    try:
        np.savez(
            partial,
            points=made.points,
            error_percent=made.error_percent,
            file_bytes=made.file_bytes,
            **made.values,
        )
        partial.replace(place)
    finally:
        partial.unlink(missing_ok=True)
