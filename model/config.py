"""What shapes a codec."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

ConvolutionMode = Literal["mlp", "edge_conv"]

FLOAT16_BITS_PER_POINT = 3 * 16
"""What a latent point costs whose coordinates are sent as float16."""


@dataclass(frozen=True)
class ModelConfig:
    """The architecture; the defaults are the published ones (D-PCC, CVPR 2022).

    Trials of equal configuration have parameters of equal shapes and can train as one population.

    Attributes:
        k: neighbours per sample in the encoder and per parent in the density prediction.
        downsample_rate: per encoder stage, the share of its points that become samples.
        max_upsample_num: per decoder stage, the most children a point can have.
        dim: width of a point's features and of the latents.
        hidden_dim: width inside every small network.
        quantize_latent_xyzs: send the latent points' coordinates through a learned transform and
            the entropy bottleneck; otherwise as float16, 48 bits a point.
        latent_xyzs_conv_mode: what that transform is made of.
        sub_point_conv_mode: what places the children of a point.
        compress_normal: code the points' normals with them.
    """

    k: int = 16
    downsample_rate: tuple[float, ...] = (1 / 3, 1 / 3, 1 / 3)
    max_upsample_num: tuple[int, ...] = (8, 8, 8)
    dim: int = 8
    hidden_dim: int = 64
    quantize_latent_xyzs: bool = True
    latent_xyzs_conv_mode: ConvolutionMode = "mlp"
    sub_point_conv_mode: ConvolutionMode = "mlp"
    compress_normal: bool = False

    def __post_init__(self) -> None:
        if len(self.downsample_rate) != len(self.max_upsample_num):
            message = (
                "every encoder stage needs a decoder stage: downsample_rate has "
                f"{len(self.downsample_rate)} entries and max_upsample_num "
                f"{len(self.max_upsample_num)}; give both the same number"
            )
            raise ValueError(message)
        for children in self.max_upsample_num if self.sub_point_conv_mode == "mlp" else ():
            if self.dim % children:
                message = (
                    "a sub-point network deals the features out to the children, so dim must be a "
                    f"multiple of every max_upsample_num: dim is {self.dim} and one stage has "
                    f"{children} children; change one of them"
                )
                raise ValueError(message)

    @property
    def stages(self) -> int:
        """Encoder stages, and as many decoder stages."""
        return len(self.downsample_rate)

    @property
    def input_channels(self) -> int:
        """Channels of an input point: its coordinates, and its normal where that is coded."""
        return 6 if self.compress_normal else 3

    @property
    def symbol_channels(self) -> int:
        """Symbols per latent point: its features, then its coordinates where they are learned."""
        return 2 * self.dim if self.quantize_latent_xyzs else self.dim
