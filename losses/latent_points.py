"""Latent points: is the coarse skeleton that the bitstream carries in the right place?

Legend: T trials, B patches, M latent points.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from losses.clouds import masked_mean

if TYPE_CHECKING:
    from torch import Tensor

    from losses.clouds import Cloud


def latent_point_error(decoded: Cloud, true: Cloud) -> Tensor:
    """Mean squared error over the coordinates of corresponding latent points.

    Returns:
        (T, B), in squared patch units per coordinate.
    """
    squares = (decoded.xyz - true.xyz).square().mean(dim=-1)
    return masked_mean(squares, true.valid)
