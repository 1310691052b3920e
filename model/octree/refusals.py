"""What is said of octree files that a codec does not read."""

from __future__ import annotations

from typing import TYPE_CHECKING

from model.errors import CodecError
from model.octree.frame import Placing

if TYPE_CHECKING:
    from model.octree.frame import Frame


def too_many(most_points: int, what: str) -> CodecError:
    """Say that a file decodes to more points than its user allows."""
    return CodecError(
        f"a file must decode to at most the {most_points:,} points that were asked for "
        f"(most_points, --most-points), and this one {what}; allow more, if you trust it"
    )


def other_codec(frame: Frame, reads: bytes | None) -> str:
    """Say whose a file is and whose this codec's files are; None: of the one that comes along."""
    writer = "the octree codec that comes with the program, `octree`"
    if frame.codec_id is not None:
        kind = "a voxel codec" if frame.placing == Placing.LEARNED else "an octree codec"
        writer = f"{kind} whose id begins with {frame.codec_id.hex()}"
    elif frame.network is not None:
        writer = f"the voxel codec number {frame.network} that comes with the program (study zoo)"
    own = "is `octree`" if reads is None else f"has the id {reads.hex()}"
    return (
        f"a file is decompressed with the codec that wrote it, {writer}, and this one {own}; name "
        "that codec"
    )
