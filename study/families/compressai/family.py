"""CompressAI's PointNet as a family."""

from __future__ import annotations

from typing import TYPE_CHECKING

from study.config.ranges import Range
from study.families.compressai.settings import PointNetLoss, PointNetModel, PointNetTraining
from study.families.single import SingleFamily

if TYPE_CHECKING:
    from study.families.compressai.module import PointNetCodec


class PointNet(SingleFamily):
    """PointNet for reconstruction (Yan et al. 2019, Ulhaq and Bajić 2023, arXiv 2308.05959)."""

    name = "CompressAI's PointNet"
    model, loss, training = PointNetModel, PointNetLoss, PointNetTraining
    worker_modules = (*SingleFamily.worker_modules, "study.families.compressai.module")

    def default_space(self) -> dict[str, Range]:
        """Return what moves a trial along the front."""
        return {"loss.rec": Range(low=0.1, high=100.0, log=True)}

    def module(self, model: PointNetModel) -> PointNetCodec:
        """Return the codec, on the CPU."""
        from study.families.compressai.module import PointNetCodec

        return PointNetCodec(
            model.points, model.encoder_widths, model.latents, model.decoder_widths
        )
