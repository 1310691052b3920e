"""What metrics look at: an original, what was decoded from it, and the file between them.

Legend: n points of a cloud, m decoded points.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal, Protocol, runtime_checkable

from study.metrics.distances import Searchable, as_points, longest_side, to_unit_frame
from study.metrics.psnr import PsnrConvention

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np
    from numpy.typing import NDArray

    from study.metrics.work import Work

    Need = Literal[
        "file",
        "seconds",
        "normals",
        "decoded normals",
        "extent",
        "octree member",
        "counted work",
    ]
    """What a sample may lack: a file that was written, times taken, normals of the original and of
    what was decoded, an original whose points are not all the same, a codec with an octree as
    a member, and what coding takes a network."""

    Points = NDArray[np.float64]
    Normals = NDArray[np.float32]


class Source(Protocol):
    """A cloud to code, such as `study.clouds.Cloud` or `study.data.StoredCloud`."""

    @property
    def points(self) -> Points:
        """(n, 3)."""

    @property
    def normals(self) -> Normals | None:
        """(n, 3) of length 1, or None."""


class Decoded(Protocol):
    """What comes out of a file."""

    @property
    def points(self) -> Points:
        """(m, 3), in the frame of the source."""

    @property
    def normals(self) -> Normals | None:
        """(m, 3), where they are coded."""


@runtime_checkable
class DecodedByMembers(Decoded, Protocol):
    """What comes out of a file of a codec with an octree as a member."""

    @property
    def octree_share(self) -> float:
        """Of the cloud's patches, those that the octree codes."""


@dataclass(frozen=True)
class Coded:
    """A cloud that went through a file and back.

    Attributes:
        file: what was written.
        decoded: what was read back.
        encode_s, decode_s: seconds that it took, see `study.metrics.measurement.fastest`.
        work: what it takes the codec's network; None where it was not counted, or there is none.
    """

    file: bytes
    decoded: Decoded
    encode_s: float
    decode_s: float
    work: Work | None = None


@dataclass(frozen=True)
class Convention:
    """How quality is measured; numbers of two conventions do not compare.

    Attributes:
        psnr: the peak and the factor of PSNRs.
        frame: maps a cloud and points (its own, or decoded ones) to the points in the frame in
            which they are compared, where a peak that is given holds too. None: the cloud's own.
    """

    psnr: PsnrConvention = field(default_factory=PsnrConvention)
    frame: Callable[[Any, Points], Points] | None = None

    def framed(self, cloud: Source, points: Points) -> Points:
        """Return points of a cloud in the frame in which they are compared."""
        return points if self.frame is None else self.frame(cloud, points)

    def original(self, cloud: Source) -> Original:
        """Return a cloud, ready to be compared with.

        Raises:
            StudyError: it is empty, of another shape or not finite.
        """
        points = as_points(self.framed(cloud, cloud.points), "original")
        return Original(points, cloud.normals, self.psnr)


@dataclass(frozen=True)
class Original:
    """A cloud to compare with; what takes time to derive from it is derived once.

    Attributes:
        points: (n, 3).
        normals: (n, 3), or None where it has none.
        psnr: the peak and the factor of PSNRs.
    """

    points: Points
    normals: Normals | None
    psnr: PsnrConvention

    @cached_property
    def searchable(self) -> Searchable:
        """The points, to look for nearest ones in."""
        return Searchable(self.points)

    @cached_property
    def peak(self) -> float:
        """Of PSNRs, in units of the points."""
        return self.psnr.peak_of(self.points)

    @cached_property
    def has_extent(self) -> bool:
        """Whether its points are not all the same."""
        return longest_side(self.points) > 0.0

    @cached_property
    def in_unit_frame(self) -> Points:
        """The points, moved and scaled so that their box is centred and its longest side is 2."""
        return to_unit_frame(self.points, self.points)


@dataclass(frozen=True)
class Sample:
    """What became of one cloud.

    Attributes:
        original: the cloud.
        decoded: (m, 3), in the same frame.
        decoded_normals: (m, 3), or None where none are coded.
        coded: the file and its seconds; None where none was written, as after an epoch.
    """

    original: Original
    decoded: Points
    decoded_normals: Normals | None = None
    coded: Coded | None = None

    def has(self, need: Need) -> bool:
        """Say whether it has what a metric needs."""
        match need:
            case "file" | "seconds":
                return self.coded is not None
            case "normals":
                return self.original.normals is not None
            case "decoded normals":
                return self.decoded_normals is not None
            case "extent":
                return self.original.has_extent
            case "octree member":
                return self.octree_share is not None
            case "counted work":
                return self.coded is not None and self.coded.work is not None

    @property
    def octree_share(self) -> float | None:
        """The share of patches that the octree codes; None where it is no member of the codec."""
        decoded = None if self.coded is None else self.coded.decoded
        return decoded.octree_share if isinstance(decoded, DecodedByMembers) else None

    @cached_property
    def in_unit_frame(self) -> tuple[Points, Points]:
        """The original and what was decoded, where the original's longest side is 2."""
        return self.original.in_unit_frame, to_unit_frame(self.decoded, self.original.points)
