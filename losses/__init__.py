"""What is minimised: one module per term, one that adds them up. Imports torch only."""

from losses.chamfer import Matches, Reduction, Sides, chamfer
from losses.clouds import Cloud, Search
from losses.density import density_error
from losses.latent_points import latent_point_error
from losses.normals import normal_error
from losses.point_count import point_count_error
from losses.rate import bits
from losses.total import WeightedLoss, weighted_sum

__all__ = [
    "Cloud",
    "Matches",
    "Reduction",
    "Search",
    "Sides",
    "WeightedLoss",
    "bits",
    "chamfer",
    "density_error",
    "latent_point_error",
    "normal_error",
    "point_count_error",
    "weighted_sum",
]
