"""What is minimised: one module per term, one that adds them up. Knows tensors, and no codec."""

from losses.adversarial import critic_error, disbelief, slope_of
from losses.chamfer import Matches, Reduction, Sides, chamfer, one_side
from losses.clouds import Cloud, Search
from losses.density import density_error
from losses.density_aware import density_aware_chamfer
from losses.latent_points import latent_point_error
from losses.normals import normal_error
from losses.point_count import point_count_error
from losses.rate import bits
from losses.shape import shape_error
from losses.sinkhorn import sinkhorn_divergence
from losses.sliced import sliced_wasserstein2
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
    "critic_error",
    "density_aware_chamfer",
    "density_error",
    "disbelief",
    "latent_point_error",
    "normal_error",
    "one_side",
    "point_count_error",
    "shape_error",
    "sinkhorn_divergence",
    "sliced_wasserstein2",
    "slope_of",
    "weighted_sum",
]
