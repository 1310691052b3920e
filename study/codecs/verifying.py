"""Are files decoded here to what they were decoded to elsewhere?

docs/format.md promises equal symbols and points that differ by rounding; now and then a patch has
a point more or less. What is a failure, and why, stands in docs/codecs.md.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from scipy.spatial import cKDTree

from model.codec_folder import load_codec
from model.errors import CodecError
from study.codecs.bitstream_manifest import (
    CodecEntry,
    FileEntry,
    Manifest,
    read_inside,
    require_inside,
)
from study.codecs.bitstreams import points_hash

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from numpy.typing import NDArray

    from model.codec_folder import AnyCodec

ROUNDING = 1e-4
"""How far a point may be from the recorded one, in longest sides (docs/format.md)."""
MOST_ODD_POINTS = 0.01
"""Share of the points, or one: so many more or less are told as a rounded count, and so many that
lie elsewhere as a tie."""
MOST_ELSEWHERE = 0.01
"""Mean distance, in longest sides, of what is told as a count or a tie."""
RARE = 0.1
"""Share of the files, or one file, of which counts or ties may differ."""


class Outcome(Enum):
    """What came of a file."""

    SAME = "same bits"
    ROUNDING = "by rounding"
    COUNT = "count or tie"
    POINTS = "other points"
    DAMAGED = "damaged"

    @property
    def is_failure(self) -> bool:
        """Whether it is never as promised."""
        return self in (Outcome.POINTS, Outcome.DAMAGED)


class Difference(NamedTuple):
    """How far points are from the recorded ones, in longest sides."""

    largest: float
    mean: float


@dataclass(frozen=True)
class Checked:
    """A file after it was decoded.

    Attributes:
        entry: what was recorded of it.
        outcome: what came of it.
        told: what differs, in words; empty where nothing does.
        points: how many it was decoded to here; None where it was not.
        difference: from the recorded points; None where there are none to compare.
    """

    entry: FileEntry
    outcome: Outcome
    told: str = ""
    points: int | None = None
    difference: Difference | None = None


def too_often(checked: list[Checked]) -> bool:
    """Whether counts or ties differ in more files than rarely: more than one, and than a tenth."""
    return sum(each.outcome is Outcome.COUNT for each in checked) > max(1, RARE * len(checked))


def as_promised(checked: list[Checked]) -> bool:
    """Whether no file failed, and counts and ties differ rarely."""
    return not any(each.outcome.is_failure for each in checked) and not too_often(checked)


def verify(folder: Path, manifest: Manifest, progress: Callable[[int, int], None]) -> list[Checked]:
    """Decode all files here, and compare them with what is recorded.

    Args:
        folder: of bitstreams.
        manifest: its own, as `read_bitstream_manifest` returned it.
        progress: told how many files are done, and of how many.

    Returns:
        What came of each file, codec by codec.

    Raises:
        StudyError: a link or a device lies where a file should.
    """
    _require_files_only(folder, manifest)
    checked: list[Checked] = []
    for codec in manifest.codecs:
        opened = _open(folder, codec)
        for entry in manifest.files:
            if entry.codec == codec.name:
                checked.append(_check(folder, opened, entry, has_ties=codec.has_ties))
                progress(len(checked), len(manifest.files))
    return checked


def _require_files_only(folder: Path, manifest: Manifest) -> None:
    """Refuse links and devices, also within codecs' folders, before anything is read."""
    for entry in manifest.files:
        require_inside(folder, entry.file)
        require_inside(folder, entry.decoded)
    for codec in manifest.codecs:
        place = require_inside(folder, codec.folder)
        for path in place.iterdir() if place is not None and place.is_dir() else ():
            require_inside(folder, f"{codec.folder}/{path.name}")


def _open(folder: Path, entry: CodecEntry) -> AnyCodec | str:
    """Return a codec, or what is wrong with it."""
    try:
        codec = load_codec(folder / entry.folder).codec
    except CodecError as error:
        return str(error)
    if codec.codec_id.hex() != entry.id:
        return f"the codec must be {entry.id}, and {entry.folder} is {codec.codec_id.hex()}"
    return codec


def _check(folder: Path, codec: AnyCodec | str, entry: FileEntry, *, has_ties: bool) -> Checked:
    """Decode a file, and compare."""
    points = codec if isinstance(codec, str) else _decoded(folder, codec, entry)
    if isinstance(points, str):
        return Checked(entry, Outcome.DAMAGED, points)
    recorded = _recorded(folder, entry)
    if isinstance(recorded, str):
        return Checked(entry, Outcome.DAMAGED, recorded, len(points))
    if points_hash(points) == entry.points_sha256:
        return Checked(entry, Outcome.SAME, "", len(points), Difference(0.0, 0.0))
    return _compare(points, recorded, entry, has_ties=has_ties)


def _decoded(folder: Path, codec: AnyCodec, entry: FileEntry) -> NDArray[np.float64] | str:
    """Decode a file, if it is the recorded one; or say what is wrong with it."""
    data = read_inside(folder, entry.file, entry.bytes)
    if data is None:
        return f"{entry.file} is missing"
    if wrong := _wrong_file(data, entry):
        return wrong
    try:
        return codec.decompress(data).points
    except CodecError as error:
        return f"{entry.file} is not decoded: {error}"


def _wrong_file(data: bytes, entry: FileEntry) -> str:
    """Say how a file is another one than was recorded; nothing if it is not."""
    if len(data) != entry.bytes:
        has = "more" if len(data) > entry.bytes else f"{len(data):,}"
        return f"{entry.file} must have {entry.bytes:,} bytes, and has {has}"
    if hashlib.sha256(data).hexdigest() != entry.sha256:
        return f"{entry.file} was changed: its SHA-256 is not the recorded one"
    return ""


def _recorded(folder: Path, entry: FileEntry) -> NDArray[np.float64] | str:
    """Return the recorded points, or what is wrong with them."""
    path = require_inside(folder, entry.decoded)
    if path is None or path.is_dir():
        return f"{entry.decoded} is missing"
    try:
        # Mapped, not read: a header may claim more points than any memory holds.
        with np.errstate(over="raise"):
            points = np.load(path, mmap_mode="r", allow_pickle=False)
    except (ValueError, TypeError, OSError, EOFError, ArithmeticError, SyntaxError) as error:
        return f"{entry.decoded} is no npy file ({str(error).partition(chr(10))[0][:200]})"
    if not isinstance(points, np.ndarray):
        return f"{entry.decoded} is no npy file"
    if points.shape != (entry.points, 3) or points.dtype != np.dtype("<f8"):
        return (
            f"{entry.decoded} must hold {entry.points:,} points in float64, and has the shape "
            f"{points.shape} of {points.dtype}"
        )
    if points_hash(points) != entry.points_sha256:
        return f"{entry.decoded} was changed: the SHA-256 of its points is not the recorded one"
    return np.array(points, dtype=np.float64)


def _compare(
    points: NDArray[np.float64],
    recorded: NDArray[np.float64],
    entry: FileEntry,
    *,
    has_ties: bool,
) -> Checked:
    """Say how far (m, 3) points are from the (r, 3) recorded ones."""
    if not np.isfinite(recorded).all():
        return Checked(entry, Outcome.DAMAGED, f"{entry.decoded} holds numbers that are not finite")
    alike = len(points) == len(recorded)
    with np.errstate(over="ignore", invalid="ignore"):
        distance = _by_order(points, recorded) if alike else _to_nearest(points, recorded)
        distance = distance / entry.longest_side
        found = Difference(float(distance.max()), float(distance.mean()))
    far = int((~(distance <= ROUNDING)).sum())
    told = f"{len(points):,} points, and {len(recorded):,} were recorded"
    if alike:
        told = f"{far:,} of {len(points):,} points are farther than {ROUNDING:g}" if far else ""
    if alike and not far:
        return Checked(entry, Outcome.ROUNDING, told, len(points), found)
    odd = far if alike else abs(len(points) - len(recorded))
    is_small = odd <= max(1.0, MOST_ODD_POINTS * len(recorded)) and found.mean <= MOST_ELSEWHERE
    is_allowed = is_small and (has_ties or not alike)
    outcome = Outcome.COUNT if is_allowed else Outcome.POINTS
    return Checked(entry, outcome, told, len(points), found)


def _by_order(ours: NDArray[np.float64], theirs: NDArray[np.float64]) -> NDArray[np.float64]:
    """Distance of each point to the one in its place: (m,)."""
    distance: NDArray[np.float64] = np.linalg.norm(ours - theirs, axis=1)
    return distance


def _to_nearest(ours: NDArray[np.float64], theirs: NDArray[np.float64]) -> NDArray[np.float64]:
    """Distance of each point of either to the nearest of the other: (m + r,)."""
    there, _ = cKDTree(theirs).query(ours)
    back, _ = cKDTree(ours).query(theirs)
    return np.concatenate([there, back])
