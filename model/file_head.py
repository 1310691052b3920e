"""The one door to compressed files of every kind: which codec wants them, and what they hold."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from model import container
from model.bag import mixed_file
from model.octree import frame


@dataclass(frozen=True)
class FileHead:
    """What every compressed file says of itself.

    Attributes:
        kind: of the codec that wrote it; mixed: one with members, a learned codec and an octree.
        codec_id: the id of that codec, 4 bytes; of an octree codec its first 2, or none where it is
            the one that comes with the program.
        points: number of points of the original cloud.
    """

    kind: Literal["learned", "octree", "mixed"]
    codec_id: bytes
    points: int


def head_of(data: bytes) -> FileHead:
    """Read the head of a file, and check that nothing of the file was cut or changed.

    Raises:
        CodecError: not a file of this program, or one of a newer version.
        DamagedFileError: cut, changed, or impossible.
    """
    version = container.version_of(data)
    if version == container.OCTREE_VERSION:
        found, _ = frame.read_file(data)
        return FileHead("octree", found.codec_id or b"", found.points)
    if version == container.MIXED_VERSION:
        mixed, _ = mixed_file.read_file(data)
        return FileHead("mixed", mixed.codec_id, mixed.points)
    header, _ = container.read_file(data)
    return FileHead("learned", header.codec_id, header.points)
