"""Opening what the user names as a codec: a folder, a registered one, or one of the package's.

The octree takes no network; so neither MLflow nor PyTorch is imported for it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from model.bag.codec import BagCodec
from model.container import OCTREE_VERSION, version_of
from model.octree.codec import OctreeCodec, OctreeOptions
from model.octree.frame import read_file
from model.octree.general import general_tables
from study.base.errors import StudyError
from study.zoo.catalog import DEFAULT, NUMBERED, shipped

if TYPE_CHECKING:
    import argparse
    from pathlib import Path

    from model.codec_folder import AnyCodec

BUILT_IN = "octree"
"""Names the octree codec with the package's tables, unless a folder has this name."""


@dataclass(frozen=True)
class OctreeWish:
    """What the user asks of a codec that codes octrees; None leaves it as it is.

    Attributes:
        edge: of a voxel, in the cloud's units.
        depth: halvings of the longest side, which give the edge.
        counts: what files tell of the number of points in a voxel.
        placing: where the decoder puts points.
    """

    edge: float | None = None
    depth: int | None = None
    counts: Any = None
    placing: Any = None

    def applied(self, codec: OctreeCodec) -> OctreeCodec:
        """Return the codec with these options."""
        options = codec.options
        if self.edge is not None:
            options = replace(options, edge=self.edge, edge_of_longest_side=None)
        if self.depth is not None:
            options = replace(options, edge=None, edge_of_longest_side=2.0**-self.depth)
        for name in ("counts", "placing"):
            if (asked := getattr(self, name)) is not None:
                options = replace(options, **{name: asked})
        return codec.with_options(options)


def wish_of(arguments: argparse.Namespace) -> OctreeWish:
    """Return what a command's options ask of an octree codec."""
    asked = (arguments.edge, arguments.depth, arguments.counts, arguments.placing)
    return OctreeWish(*asked)


def writer_of(data: bytes) -> str:
    """Return the name of the package's codec that wrote a file.

    Raises:
        CodecError: it is no compressed file, or a damaged one.
        StudyError: another codec wrote it.
    """
    if version_of(data) == OCTREE_VERSION:
        frame, _ = read_file(data)
        if frame.network is not None and frame.network < len(NUMBERED):
            return NUMBERED[frame.network]
        if frame.network is None and frame.codec_id is None:
            return BUILT_IN
    raise StudyError(
        "a file is decompressed with the codec that wrote it, and that of this one does not come "
        "with the package; name it: study decompress CODEC IN"
    )


def is_built_in(place: Path) -> bool:
    """Tell whether a name means the built-in octree codec: a folder of that name comes first."""
    return str(place) == BUILT_IN and not place.exists()


def open_any(place: Path, wish: OctreeWish | None = None, family: str | None = None) -> AnyCodec:
    """Open a codec.

    Args:
        place: `octree`, the name of another codec that comes with the package, a folder, or an
            address in MLflow's registry. A folder of such a name comes first.
        wish: options of a codec that codes octrees.
        family: the family of a codec whose network is not in this program; its code is run.

    Raises:
        StudyError: it cannot be found, or options are given that it does not have.
        CodecError: it cannot be read.
    """
    wish = wish or OctreeWish()
    if is_built_in(place):
        return wish.applied(OctreeCodec(OctreeOptions(tables=general_tables())))
    from study.registry.fetching import open_codec

    if not place.exists():
        place = shipped().get(str(place), place)
    codec = open_codec(place, family).codec
    if isinstance(codec, OctreeCodec):
        return wish.applied(codec)
    if wish != OctreeWish():
        kind = "one with two members" if isinstance(codec, BagCodec) else "a learned one"
        raise StudyError(
            "--edge, --depth, --counts and --placing are options of codecs that code octrees, and "
            f"{place} is {kind}; leave them out, or name `{BUILT_IN}` or `{DEFAULT}`"
        )
    return codec
