"""How good a decoded cloud is, and how two codecs compare.

The functions take NumPy arrays: points (n, 3) and unit normals (n, 3), an original and what was
decoded from it in the same frame. docs/metrics.md tells what each is good for. `table` lists the
metrics, `measurement` weighs a coder by all of them.

Names are imported at first use: reading a study file needs `table` alone, and must not wait for
SciPy.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from study.base.front_door import importing_at_first_use

if TYPE_CHECKING:
    from study.metrics.bd import BdDelta, RateCurve, bd_psnr_db, bd_rate_percent
    from study.metrics.density import density_metric
    from study.metrics.distances import chamfer, hausdorff, longest_side, to_unit_frame
    from study.metrics.normals import normals_f1
    from study.metrics.psnr import PeakRule, PsnrConvention, d1_psnr_db, d2_psnr_db
    from study.metrics.transport import emd

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
    "emd",
    "hausdorff",
    "longest_side",
    "normals_f1",
    "to_unit_frame",
]

__getattr__ = importing_at_first_use(
    __name__,
    {
        "BdDelta": "bd",
        "PeakRule": "psnr",
        "PsnrConvention": "psnr",
        "RateCurve": "bd",
        "bd_psnr_db": "bd",
        "bd_rate_percent": "bd",
        "chamfer": "distances",
        "d1_psnr_db": "psnr",
        "d2_psnr_db": "psnr",
        "density_metric": "density",
        "emd": "transport",
        "hausdorff": "distances",
        "longest_side": "distances",
        "normals_f1": "normals",
        "to_unit_frame": "distances",
    },
)
