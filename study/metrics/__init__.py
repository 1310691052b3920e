"""How good a decoded cloud is, and how two codecs compare.

Everything here takes NumPy arrays: points (n, 3) and unit normals (n, 3), an original and what was
decoded from it in the same frame. docs/metrics.md tells what each is good for.
"""

from __future__ import annotations

from study.metrics.bd import BdDelta, RateCurve, bd_psnr_db, bd_rate_percent
from study.metrics.density import density_metric
from study.metrics.distances import chamfer, hausdorff, longest_side, to_unit_frame
from study.metrics.normals import normals_f1
from study.metrics.psnr import PeakRule, PsnrConvention, d1_psnr_db, d2_psnr_db

__all__ = [
    "BdDelta",
    "PeakRule",
    "PsnrConvention",
    "RateCurve",
    "bd_psnr_db",
    "bd_rate_percent",
    "chamfer",
    "d1_psnr_db",
    "d2_psnr_db",
    "density_metric",
    "hausdorff",
    "longest_side",
    "normals_f1",
    "to_unit_frame",
]
