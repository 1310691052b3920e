"""How many points a file may decode to: bounded before a network makes them.

A decoder decides by itself how many children each point gets. A codec that somebody made up can
give every point as many as its architecture allows, stage after stage, whatever its file says of
the cloud; so the number is held against the file's at each stage.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from model.errors import CodecError

if TYPE_CHECKING:
    from model.config import ModelConfig

MOST_GROWTH = 16
"""Decoded points for each point of a patch. Trained codecs are near 1; an untrained one of the
published architecture makes 3.4, and all the children that it can make are 19."""

MOST_GROWTH_OF_EDGES = 4
"""The same where edge convolutions place children: they compare all points with all others."""

FREE_POINTS = 1 << 13
"""A patch may always be decoded to so many: they take megabytes."""

ROOM = 4
"""Children that a stage may have room for, for each that it may make. Of up to 8 children 3 are
chosen."""


class TooManyPointsError(Exception):
    """A decoder stage would make more points than it may. Whoever knows the file says so."""


def most_of_patch(points: int, config: ModelConfig) -> int:
    """Return the most points that a patch of a file may be decoded to, unless its user knows more.

    Args:
        points: of the patch, before it was coded.
        config: of the codec.
    """
    edges = config.sub_point_conv_mode == "edge_conv"
    return max(FREE_POINTS, (MOST_GROWTH_OF_EDGES if edges else MOST_GROWTH) * points)


def check_growth(children: int, room: int, most: int) -> None:
    """Hold a decoder stage against its limit.

    Args:
        children: that it would make.
        room: parents times the most children of one.
        most: of the children.

    Raises:
        TooManyPointsError: too many, or room for too many.
    """
    if children > most or room > ROOM * most:
        raise TooManyPointsError


def grown(points: int, most_points: int | None) -> CodecError:
    """Return the error about a file that decodes to too many points.

    Args:
        points: of the original cloud.
        most_points: what the user allowed; None: nothing was said.
    """
    if most_points is not None:
        return CodecError(
            f"a file must decode to at most the {most_points:,} points that were asked for "
            f"(most_points, --most-points), and this one, of a cloud of {points:,}, makes "
            "more; allow more, if you trust it"
        )
    return CodecError(
        f"a file must decode to about as many points as its cloud had, {points:,} here, and "
        "this codec makes many more of it: one of them was made up, or the codec is of no use; if "
        "you trust both, say how many points they may be (most_points, --most-points)"
    )
