"""What else differs between curves that stand beside each other: they may differ for that alone."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from itertools import islice
from pathlib import PurePath
from typing import TYPE_CHECKING

from study.base.errors import StudyError
from study.config.data import EMBEDDED
from study.data.manifest import read_manifest
from study.storage.progress import data_shown

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from study.codecs.evaluation import Evaluation
    from study.config import StudyConfig
    from study.data.manifest import Manifest
    from study.fronts.judged import JudgedStudy
    from study.storage.folder import StudyFolder
    from study.storage.trial_store import TrialStore

    Clouds = Sequence[tuple[str, int]]
    """Name and points of each cloud that codecs are measured on."""

_POINTS = ("source", "max_objects", "points_per_object", "normals", "validation_fraction",
           "test_fraction", "seed")  # fmt: skip
"""What of a data set's recipe decides which points are coded when codecs are measured."""


@dataclass(frozen=True)
class Shown:
    """A study that stands beside another one.

    Attributes:
        folder, config: where it lies, and as it was started.
        judged: its trials, by the objectives that both are compared by.
        store: its database; None: it has none.
    """

    folder: StudyFolder
    config: StudyConfig
    judged: JudgedStudy
    store: TrialStore | None

    @property
    def name(self) -> str:
        """The study's name."""
        return self.config.name

    def manifest(self) -> Manifest | None:
        """Return what its data set says of itself; None where it is gone, or none was used yet."""
        place = self.data()
        if place is None:
            return None
        try:
            return read_manifest(place)
        except StudyError:
            return None

    def validation_clouds(self) -> list[tuple[str, int]]:
        """Return the clouds that its codecs are measured on; none where its data set is gone."""
        manifest = self.manifest()
        clouds = [] if manifest is None else manifest.clouds
        return [(each.name, each.all_points) for each in clouds if each.split == "validation"]

    def data(self) -> Path | None:
        """Return the data set whose clouds stand for it, where one was used."""
        return data_shown(self.folder, self.config, self.judged.records, self.store)


def data_cautions(first: Shown, second: Shown) -> Iterator[str]:
    """Say how the data of two studies differ, or that nobody can tell."""
    names = first.name, second.name
    ours, theirs = (each.config.data.model_dump(mode="json") for each in (first, second))
    for keys, meaning in (
        (_POINTS, "codecs are measured on different points, and their numbers cannot be compared"),
        (ours.keys() - set(_POINTS), "the same points are cut in different ways"),
    ):
        unlike = sorted(key for key in keys if ours[key] != theirs[key])
        if unlike:
            values = ", ".join(f"data.{key} {ours[key]} and {theirs[key]}" for key in unlike)
            yield f"the data of {names[0]} and {names[1]} differ ({values}): {meaning}"
    if ours != theirs or ours["source"] == EMBEDDED:
        return
    a, b = first.manifest(), second.manifest()
    if a is None or b is None:
        gone = " and ".join(name for name, of in zip(names, (a, b), strict=True) if of is None)
        yield (
            f"the data of {gone} cannot be read any more: nobody can tell whether {names[0]} and "
            f"{names[1]} were measured on the same points"
        )
        return
    if a.fingerprint != b.fingerprint:
        yield f"the files of {first.config.data.source} have changed between the two studies"
    if a.peak != b.peak:
        yield f"PSNRs have different peaks, {a.peak:g} and {b.peak:g}: compare no decibels"


def baseline_cautions(study: Shown, baseline: Evaluation, file: Path) -> Iterator[str]:
    """Say what of a baseline may not compare: its clouds, its rate, the peak of its PSNR.

    Args:
        study: its codecs are measured on the validation split.
        baseline: what the file held.
        file: of results, ours or others'.
    """
    from study.codecs.evaluation import MEASURED  # noqa: PLC0415 (SciPy, for this option alone)
    from study.codecs.results import read_clouds  # noqa: PLC0415

    theirs = [(result.cloud, result.points) for result in baseline.points[0].results]
    if not theirs and file.suffix.lower() != ".csv":
        theirs = read_clouds(file)
    if (told := _other_clouds(study, baseline.name, file, theirs)) is not None:
        yield told
    if baseline.convention is None:
        yield (
            f"{file.name} does not tell the peak of its PSNR, and {study.name}'s is 3 p^2, p = "
            f"longest side: another peak moves {baseline.name} up or down as a whole"
        )
    if baseline.counts != MEASURED:
        yield (
            f"the rate of {baseline.name} is {baseline.counts}, and that of {study.name} measured "
            "bytes of whole files"
        )


def _other_clouds(study: Shown, name: str, file: Path, theirs: Clouds) -> str | None:
    """Say that a baseline was measured on other clouds than a study's; None where it was not."""
    manifest = study.manifest()
    if manifest is None or not theirs:
        whose = study.name if manifest is None else str(file)
        return (
            f"the clouds of {whose} are not known: nobody can tell whether {name} was measured on "
            f"the same points as {study.name}"
        )
    ours = study.validation_clouds()
    shared = _shared(ours, theirs)
    if shared == len(ours) == len(theirs):
        return None
    return (
        f"{name} was measured on other clouds ({len(theirs)} in {file.name}, {shared} of them "
        f"among the {len(ours)} that {study.name} validates on): compare the curves' shapes, not "
        "their numbers"
    )


def _shared(ours: Clouds, theirs: Clouds) -> int:
    """Return how many clouds of a study are among the files that another codec was measured on.

    A file is a cloud's if it has as many points, and lies where the cloud lies in the data, or is
    called as `study export --clouds` calls it, or by the cloud's last name where no other has that.
    """
    # It brings what reads databases, which a refusal must not wait for.
    from study.codecs.cloud_files import bare_name, file_stems  # noqa: PLC0415

    parts = [PurePath(bare_name(name)).parts for name, _ in ours]
    exported = [(stem,) for stem in file_stems([name for name, _ in ours])]
    last = Counter(each[-1:] for each in parts)
    ways = (exported, parts, [each[-1:] if last[each[-1:]] == 1 else () for each in parts])
    known: dict[tuple[tuple[str, ...], int], int] = {}
    for way in ways:
        for number, (place, (_, points)) in enumerate(zip(way, ours, strict=True)):
            known.setdefault((place, points), number)
    found = set()
    for name, points in theirs:
        place = PurePath(bare_name(name)).parts
        ends = ((place[start:], points) for start in range(len(place)))
        found |= {known[end] for end in islice(filter(known.__contains__, ends), 1)}
    return len(found)
