"""The voxel codec as a family: what a study file says of it, and what trains and codes it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from study.config.ranges import Range
from study.families.single import SingleFamily
from study.families.voxel.settings import VoxelLoss, VoxelModel, VoxelTraining

if TYPE_CHECKING:
    from pathlib import Path

    from torch import nn

    from model.codec_folder import SavedCodec
    from study.config.section import Section
    from study.families.voxel.architecture import VoxelArchitecture
    from study.families.voxel.module import VoxelModule
    from study.families.voxel.patches import VoxelPatches


class Voxel(SingleFamily):
    """An octree, and a network that puts points among its voxels."""

    name = "voxel codec"
    model, loss, training = VoxelModel, VoxelLoss, VoxelTraining
    worker_modules = (*SingleFamily.worker_modules, "study.families.voxel.architecture")

    def default_space(self) -> dict[str, Range]:
        """Return what moves a trial along the front, from 30 to 45 dB on everyday objects."""
        return {"loss.bpp_lambda": Range(low=1.0, high=200.0, log=True)}

    def module(self, model: VoxelModel) -> VoxelModule:
        """Return the codec of one trial, on the CPU."""
        from study.families.voxel.module import VoxelModule
        from study.families.voxel.start import take_weights

        module = VoxelModule(model)
        if model.start is not None:
            take_weights(module, model.start)
        return module

    def patches(self, _geometry: Any) -> VoxelPatches:  # noqa: ANN401
        """Return points, and how large their cloud is."""
        from study.families.voxel.patches import VoxelPatches

        return VoxelPatches()

    def _identity(self, model: Section) -> dict[str, Any]:
        """Return what decides the shapes of the parameters: not what they begin with."""
        return super()._identity(model.model_copy(update={"start": None}))

    def architecture(self, model: Any) -> VoxelArchitecture:  # noqa: ANN401  its own section
        """Return the module, stacked."""
        from study.families.voxel.architecture import VoxelArchitecture

        return VoxelArchitecture(lambda: self.module(model), self._identity(model))

    def _loaded(self, folder: Path, identity: dict[str, Any], module: nn.Module) -> SavedCodec:
        from study.families.patchwise_folder import load_with
        from study.families.voxel.codec import VoxelCodec

        found: SavedCodec = load_with(
            lambda coder, cutting: VoxelCodec(coder, cutting, identity), folder, identity, module
        )
        return found
