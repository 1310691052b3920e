"""What one trial of D-PCC is made of: the codec, the weights of its loss, and how it trains."""

from __future__ import annotations

from fractions import Fraction
from typing import Annotated, NamedTuple, Self

from pydantic import BeforeValidator, Field, model_validator

from model.config import ConvolutionMode, ModelConfig, NormMode
from study.config.numbers import Count, Positive
from study.config.section import Section
from study.config.training import TrainingSection


def _parse_ratio(value: object) -> object:
    """Take "1/3" for the number it means; everything else is left to the type's own check."""
    if isinstance(value, str) and "/" in value:
        try:
            return float(Fraction(value.replace(" ", "")))
        except (ValueError, ZeroDivisionError):
            return value
    return value


Ratio = Annotated[float, BeforeValidator(_parse_ratio), Field(gt=0.0, lt=1.0)]
Weight = Annotated[float, Field(ge=0.0)]


class Geometry(NamedTuple):
    """The part of an architecture that shapes the prepared data."""

    downsample_rate: tuple[float, ...]
    k: int


class ModelSection(Section):
    """What the codec looks like. The defaults are D-PCC's, as published, but for `norm`."""

    k: Count = Field(16, description="neighbours per point in the encoder's graph")
    downsample_rate: tuple[Ratio, ...] = Field(
        (1 / 3, 1 / 3, 1 / 3),
        min_length=1,
        description="share of the points that each encoder stage keeps, such as [1/3, 1/3, 1/3]",
    )
    max_upsample_num: tuple[Count, ...] = Field(
        (8, 8, 8), min_length=1, description="children a point may have, per decoder stage"
    )
    dim: Count = Field(8, description="width of the point features that are transmitted")
    hidden_dim: Count = Field(64, description="width of the hidden layers")
    quantize_latent_xyzs: bool = Field(
        True,  # noqa: FBT003  a field's default
        description="true: the coarsest points' coordinates are learned and entropy-coded; false: "
        "they are sent as float16, 48 bits each, for higher rates",
    )
    latent_xyzs_conv_mode: ConvolutionMode = Field(
        "mlp", description="how those coordinates are transformed: mlp, or edge_conv"
    )
    sub_point_conv_mode: ConvolutionMode = Field(
        "mlp", description="how children are placed: mlp, or edge_conv (slower, sees neighbours)"
    )
    compress_normal: bool = Field(
        False,  # noqa: FBT003  a field's default
        description="code the points' normals too; the data need them (data.normals: true)",
    )
    norm: NormMode = Field(
        "masked",
        description="pairs of points that the encoder's normalisations look at: masked (those that "
        "its attention uses; faster) or published (all)",
    )

    def build(self) -> ModelConfig:
        """Return the same settings as the codec's own plain class.

        Raises:
            ValueError: the settings contradict each other.
        """
        return ModelConfig(**dict(self))

    @model_validator(mode="after")
    def _check_together(self) -> Self:
        self.build()
        return self


class LossWeights(Section):
    """The weights of the loss's terms. The defaults are D-PCC's, as published."""

    bpp_lambda: Weight = Field(1e-4, description="weight of the rate in bits per input point")
    chamfer_coe: Weight = Field(
        0.1,
        description="weight of the chamfer distances of the stages before the last "
        "(term coarse_chamfer)",
    )
    density_coe: Weight = Field(
        1e-4,
        description="weight of the density loss (terms child_count and mean_distance); "
        "the metric density is another number",
    )
    mean_distance_coe: Weight = Field(
        50.0, description="weight of the mean distance within the density loss"
    )
    pts_num_coe: Weight = Field(5e-7, description="weight of the error in the number of points")
    latent_xyzs_coe: Weight = Field(
        1e-2, description="weight of the error of the transmitted coordinates"
    )
    normal_coe: Weight = Field(
        1e-2, description="weight of the error of the normals, where model.compress_normal is true"
    )
    last_chamfer_coe: Weight = Field(
        1.0, description="weight of the chamfer distance of the last stage (term chamfer)"
    )
    # What follows is no part of D-PCC; a term of weight 0 is not computed. See docs/chamfer.md.
    accuracy_coe: Weight = Field(
        0.0, description="further weight of the last chamfer's side of the decoded points"
    )
    coverage_coe: Weight = Field(
        0.0, description="further weight of the last chamfer's side of the true points"
    )
    density_aware_coe: Weight = Field(
        0.0, description="weight of the density-aware chamfer distance of the last stage"
    )
    shape_coe: Weight = Field(
        0.0, description="weight of the difference in the covariances of neighbourhoods"
    )
    sinkhorn_coe: Weight = Field(
        0.0, description="weight of the Sinkhorn divergence of the last stage (slow: all pairs)"
    )
    sliced_coe: Weight = Field(
        0.0, description="weight of the sliced Wasserstein distance of the last stage"
    )
    adversarial_coe: Weight = Field(
        0.0,
        description="weight of the adversarial term: how surely a critic, which trains beside the "
        "codec, tells the last stage's points from true ones",
    )


class TrainingConfig(TrainingSection):
    """How one trial trains. The defaults are D-PCC's, as published."""

    bottleneck_learning_rate: Positive = Field(
        1e-3, description="Adam's rate for the quantiles of the entropy bottleneck"
    )
    critic_learning_rate: Positive = Field(
        1e-3, description="Adam's rate for the critic, where loss.adversarial_coe is above 0"
    )
