"""What shapes a codec."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

ConvolutionMode = Literal["mlp", "edge_conv"]
NormMode = Literal["masked", "published"]

FLOAT16_BITS_PER_POINT = 3 * 16
"""What a latent point costs whose coordinates are sent as float16."""


WIDEST = 1 << 16
"""Of any number in an architecture: far beyond use, and a slip of the pen takes no memory."""

MOST_NEIGHBOURS = 256
"""No parameter has the size of `k`: weights say nothing of it, and each point pays for it."""

MOST_STAGES = 16
"""Of 8,192 points, 16 stages that keep six in ten leave two."""


@dataclass(frozen=True)
class ModelConfig:
    """The architecture; the defaults are the published ones (D-PCC, CVPR 2022), but for `norm`.

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
        norm: which (sample, neighbour) pairs the encoder's normalisations look at: all, as
            published, or the owned ones only, which are all that the attention uses.
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
    norm: NormMode = "masked"

    def __post_init__(self) -> None:
        # A whole number must not make another codec of the same architecture.
        object.__setattr__(self, "downsample_rate", tuple(map(float, self.downsample_rate)))
        self._check_each()
        self._check_together()

    def _check_each(self) -> None:
        for name in ("downsample_rate", "max_upsample_num"):
            if (stages := len(getattr(self, name))) > MOST_STAGES:
                raise ValueError(
                    f"{name} may have {MOST_STAGES} entries, one for each stage, and has "
                    f"{stages:,}; leave some out"
                )
        for name in ("k", "dim", "hidden_dim", "max_upsample_num"):
            given, most = getattr(self, name), MOST_NEIGHBOURS if name == "k" else WIDEST
            for number in given if isinstance(given, tuple) else (given,):
                if not 1 <= number <= most:
                    raise ValueError(f"{name} must be from 1 to {most}, not {number}; change it")
        for rate in self.downsample_rate:
            if not 0.0 < rate <= 1.0:
                raise ValueError(
                    f"downsample_rate must be above 0 and at most 1, not {rate:g}; change it"
                )
        for name, modes in (
            ("latent_xyzs_conv_mode", ConvolutionMode),
            ("sub_point_conv_mode", ConvolutionMode),
            ("norm", NormMode),
        ):
            if getattr(self, name) not in get_args(modes):
                raise ValueError(
                    f"{name} must be one of {', '.join(get_args(modes))}, not "
                    f"{getattr(self, name)!r}; change it"
                )

    def _check_together(self) -> None:
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
