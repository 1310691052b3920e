"""D-PCC as a family: what a study file says of it, and what trains and codes it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from study.config.family import Dependent
from study.config.ranges import Range
from study.families.dpcc.settings import Geometry, LossWeights, ModelSection, TrainingConfig
from study.families.trained import TrainedFamily

if TYPE_CHECKING:
    from pathlib import Path

    from model.codec_folder import SavedCodec
    from study.families.dpcc.architecture import DpccArchitecture
    from study.families.dpcc.hierarchies import Hierarchies


class DpccSettings:
    """The settings of D-PCC and its patches, whatever its trials do."""

    name = "D-PCC"
    model = ModelSection
    loss = LossWeights
    training = TrainingConfig
    normals_switch = "compress_normal"
    takes_octree = True
    dependent = (
        Dependent("loss.normal_coe", "compress_normal", True),  # noqa: FBT003  a value, no option
        Dependent("loss.latent_xyzs_coe", "quantize_latent_xyzs", True),  # noqa: FBT003
        Dependent("model.latent_xyzs_conv_mode", "quantize_latent_xyzs", True),  # noqa: FBT003
    )

    def default_space(self) -> dict[str, Range]:
        """Return the ranges of the four coefficients that D-PCC's authors tuned by hand.

        Every range holds the published value, which is the first trial.

        - ``bpp_lambda``: on the embedded objects everything below 1e-3 is one and the same point
          in short training, 1e-2 starts to move the rate and 5e-2 halves it; the low-rate side
          needs more than 1e-1. The low end is the published 1e-4, the high end is where the rate
          term outweighs the chamfer distance.
        - ``chamfer_coe``: from nearly blind to the intermediate stages to as heavy as the last.
        - ``density_coe``, ``pts_num_coe``: a factor of ten and more to both sides of the published
          value. Each guides the number of children, which the decoder needs and the rate does not
          see.
        """
        return {
            "loss.bpp_lambda": Range(low=1e-4, high=0.3, log=True),
            "loss.chamfer_coe": Range(low=0.01, high=1.0, log=True),
            "loss.density_coe": Range(low=1e-5, high=1e-3, log=True),
            "loss.pts_num_coe": Range(low=5e-8, high=1e-5, log=True),
        }

    def geometry(self, model: ModelSection) -> Geometry:
        """Return what hierarchies are built with."""
        return Geometry(model.downsample_rate, model.k)

    def patches(self, geometry: Geometry) -> Hierarchies:
        """Return the hierarchies that the encoder reads."""
        from study.families.dpcc.hierarchies import Hierarchies

        return Hierarchies(*geometry)


class Dpcc(DpccSettings, TrainedFamily):
    """Density-preserving deep point cloud compression (He et al., CVPR 2022, arXiv 2204.12684)."""

    worker_modules = ("study.training.training", "study.families.dpcc.architecture")

    def architecture(self, model: ModelSection) -> DpccArchitecture:
        """Return fused codecs."""
        from study.families.dpcc.architecture import DpccArchitecture

        return DpccArchitecture(model.build())

    def open_codec(self, folder: Path) -> SavedCodec:
        """Return it as `model.codec_folder` reads it."""
        from model.codec_folder import load_codec

        return load_codec(folder)
