"""A variational autoencoder of small point sets: dense layers, a Gaussian latent, no file format.

Legend: B sets, N points of D coordinates, W width, Z latent numbers.
"""

from __future__ import annotations

import math
from typing import NamedTuple

from torch import Tensor, nn


class Variational(NamedTuple):
    """One pass: what was decoded, and the latent's distribution.

    Attributes:
        points: (B, N, D).
        mean: (B, Z).
        log_variance: (B, Z).
    """

    points: Tensor
    mean: Tensor
    log_variance: Tensor


class VariationalAutoencoder(nn.Module):
    """Kingma and Welling 2014, for N points in a fixed order at a time.

    One hidden layer on either side. The encoder reads the points as one long vector, so another
    order of them is another input.
    """

    def __init__(self, points: int, dimensions: int = 3, width: int = 16, latents: int = 2) -> None:
        super().__init__()
        self.shape = (points, dimensions)
        numbers = points * dimensions
        self.hidden = nn.Linear(numbers, width)
        self.mean = nn.Linear(width, latents)
        self.log_variance = nn.Linear(width, latents)
        self.decoder = nn.Sequential(
            nn.Linear(latents, width), nn.ReLU(), nn.Linear(width, numbers)
        )

    def forward(self, points: Tensor, noise: Tensor | None = None) -> Variational:
        """Code and decode.

        Args:
            points: (B, N, D).
            noise: (B, Z), standard normal, to train with; None decodes the mean.
        """
        mean, log_variance = self.encode(points)
        latents = mean if noise is None else mean + noise * (log_variance / 2).exp()
        return Variational(self.decode(latents), mean, log_variance)

    def encode(self, points: Tensor) -> tuple[Tensor, Tensor]:
        """Return mean and log-variance of the latent, (B, Z) each, of (B, N, D) points."""
        hidden = self.hidden(points.flatten(1)).relu()
        return self.mean(hidden), self.log_variance(hidden)

    def decode(self, latents: Tensor) -> Tensor:
        """Return (B, N, D) points of (B, Z) latents."""
        decoded: Tensor = self.decoder(latents).unflatten(1, self.shape)
        return decoded


def kl_bits(mean: Tensor, log_variance: Tensor) -> Tensor:
    """Kullback-Leibler divergence of each latent from a standard normal one, (B, Z) to (B,) bits.

    It is what relative entropy coding of a sample of the latent needs, but for a logarithm of it
    (Harsha et al. 2010), and so an estimate of a rate. The family `vae` writes such files.
    """
    nats = (mean.square() + log_variance.exp() - log_variance - 1) / 2
    return nats.sum(dim=1) / math.log(2)
