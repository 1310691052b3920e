"""The variational autoencoder as a family."""

from __future__ import annotations

from typing import TYPE_CHECKING

from study.config.ranges import Range
from study.families.single import SingleFamily
from study.families.vae.settings import VaeLoss, VaeModel, VaeTraining

if TYPE_CHECKING:
    from study.families.vae.module import PatchAutoencoder


class Vae(SingleFamily):
    """Dense layers around a Gaussian latent (Kingma and Welling 2014, arXiv 1312.6114)."""

    name = "VAE"
    model, loss, training = VaeModel, VaeLoss, VaeTraining
    worker_modules = (*SingleFamily.worker_modules, "study.families.vae.module")

    def default_space(self) -> dict[str, Range]:
        """Return what moves a trial along the front."""
        return {"loss.kl_lambda": Range(low=3e-3, high=3.0, log=True)}

    def module(self, model: VaeModel) -> PatchAutoencoder:
        """Return the autoencoder, on the CPU."""
        from study.families.vae.module import PatchAutoencoder

        return PatchAutoencoder(model.points, model.latents, model.width, model.dimensions)
