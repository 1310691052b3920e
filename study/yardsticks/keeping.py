"""The codecs that stand beside every front, measured on the study's validation clouds, and kept.

What they made of the clouds lies in the study's folder as result files, under what it depends on:
it is measured once, within seconds, and read from then on.
"""

from __future__ import annotations

import hashlib
import math
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import model.octree
from model.bag.choosing import LADDER
from study.base.errors import StudyError
from study.base.next_command import next_command
from study.clouds import Cloud
from study.codecs.results import read_if_made_from, write_evaluation
from study.config.data import EMBEDDED
from study.data import open_data_set
from study.fronts.rivals import Rival
from study.metrics.table import MEASURES, SHOWN
from study.report.standing import Rivals
from study.report.unchanged import code_digest, kept_files
from study.storage.progress import data_shown
from study.training.cloud_results import read_results
from study.yardsticks.family import yardstick
from study.yardsticks.octree import WHOLE_LADDER, octree

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from study.codecs.evaluation import Evaluation
    from study.config import StudyConfig
    from study.data import DataSet
    from study.fronts.judged import JudgedStudy
    from study.storage.folder import StudyFolder
    from study.storage.trial_store import TrialStore
    from study.yardsticks.yardstick import Yardstick

OCTREE, COUNTED, GPCC = "octree", "octree-counts", "gpcc"
"""Those that stand beside fronts: ours, the same with numbers of points, and what was recorded of
MPEG's."""

_COUNTING = {"density", "points_ratio"}
"""Objectives at which an octree with numbers of points is the fair rival."""

MOST_CODED = 3_000_000
"""Points that are coded for a yardstick, all clouds and settings together: some 40 seconds, nearly
all of them for metrics, and half of those for density."""

_COUNTS: Mapping[str, Literal["none", "coarse"]] = {OCTREE: "none", COUNTED: "coarse"}

_VERSION = 4
"""Of what is kept: raised where the same clouds would be measured otherwise. The octree's own code
counts besides."""


@dataclass(frozen=True)
class Site:
    """Which study a yardstick stands beside.

    Attributes:
        folder, config: where it lies, and as it was started.
        judged: its trials.
        store: its database; None: it has none.
    """

    folder: StudyFolder
    config: StudyConfig
    judged: JudgedStudy
    store: TrialStore | None


def rivals_of(site: Site) -> Rivals:
    """Return what stands beside a study's front, measured now where it is not kept.

    Of the embedded objects with all their points that is the octree and, as recorded, G-PCC; of
    other clouds the octree. It never fails: where something is missing, a sentence says why.
    """
    measured = {
        record.number: read_results(site.folder.codecs, record.number)
        for record in site.judged.front
    }
    found: list[Rival] = []
    if not site.judged.front:
        return Rivals()
    try:
        data = _data(site)
        found.extend(_rival(key, _evaluation(site, key, data)) for key in _keys(site, data))
    except (StudyError, OSError) as error:
        why = str(error)
    except Exception as error:  # noqa: BLE001 (a yardstick must not cost a study its report)
        why = f"please report it: {type(error).__name__}: {error}"
    else:
        return Rivals(tuple(found), measured)
    return Rivals(tuple(found), measured, f"a yardstick beside the front is missing: {why}")


def _data(site: Site) -> DataSet:
    place = data_shown(site.folder, site.config, site.judged.records, site.store)
    if place is None:
        raise StudyError("no trial says which clouds it was measured on")
    return open_data_set(place)


def _keys(site: Site, data: DataSet) -> Sequence[str]:
    """Return which yardsticks there are for a study's objectives and clouds."""
    recipe = data.manifest.recipe
    recorded = recipe.source == EMBEDDED and recipe.points_per_object is None
    counted = any(objective.metric in _COUNTING for objective in site.judged.objectives)
    return (OCTREE, *[COUNTED] * counted, *[GPCC] * recorded)


def _evaluation(site: Site, key: str, data: DataSet) -> Evaluation:
    """Return what a yardstick makes of the clouds, from what is kept or anew."""
    (file,) = kept_files(site.folder.codecs, [key])
    metrics = list(dict.fromkeys((*SHOWN, *_of_objectives(site))))
    told = (_VERSION, key, *_codec_of(key), data.manifest.content_hash, metrics)
    made_from = hashlib.sha256(repr(told).encode()).hexdigest()
    if (found := read_if_made_from(file, made_from)) is not None:
        return found
    clouds = {c.name: Cloud(c.points, c.normals, ()) for c in data.clouds("validation")}
    made = _yardstick(site, key, clouds).measure(clouds, metrics=metrics)
    # Where it cannot be kept, it is measured anew the next time.
    with suppress(StudyError):
        write_evaluation(made, file, force=True, made_from=made_from)
    return made


def _codec_of(key: str) -> tuple[object, ...]:
    """Return what stands for a yardstick's code and settings, where they may change."""
    if key == GPCC:
        return ()
    return code_digest(Path(model.octree.__file__).parent), LADDER


def _yardstick(site: Site, key: str, clouds: Mapping[str, Cloud]) -> Yardstick:
    """Return a yardstick with as many settings as are measured within seconds."""
    if key == GPCC:
        return yardstick(key)
    points = sum(len(cloud.points) for cloud in clouds.values())
    ladders = [each for each in (LADDER, WHOLE_LADDER) if len(each) * points <= MOST_CODED]
    if not ladders:
        export = next_command("export", site.folder.path, "--clouds clouds")
        raise StudyError(
            f"the validation clouds have {points:,} points, and {MOST_CODED:,} are coded within "
            f"seconds, all settings together; `{export}`, then `study baseline octree "
            "clouds/*.ply` takes its time, and `study front --baseline` draws it"
        )
    return octree(ladder=ladders[0], counts=_COUNTS[key])


def _rival(key: str, found: Evaluation) -> Rival:
    """Return what a yardstick made of clouds, without operating points that lost nothing."""
    d1_db = [point.mean("d1_psnr_db") for point in found.points]
    kept = [
        point
        for point, quality in zip(found.points, d1_db, strict=True)
        if quality is not None and math.isfinite(quality)
    ]
    if not kept:
        raise StudyError(f"{found.name} loses nothing of these clouds at any setting")
    return Rival(
        key=key,
        name=found.name,
        counts=found.counts,
        settings=tuple(point.setting for point in kept),
        results=tuple(point.results for point in kept),
    )


def _of_objectives(site: Site) -> list[str]:
    """Return the metrics of the study's objectives, without those in seconds.

    A rival's seconds would be those of another machine than the trials'.
    """
    names = [objective.metric for objective in site.judged.objectives]
    return [n for n in names if n in MEASURES and "seconds" not in MEASURES[n].needs]
