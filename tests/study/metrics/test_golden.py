"""D-PCC's own metrics against values that its released code recorded."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from study.metrics import d2_psnr_db, density_metric, normals_f1

CASES = sorted((Path(__file__).parents[2] / "golden").glob("*/case_*.npz"))


def named(case: Path) -> str:
    return f"{case.parent.name}-{case.stem}"


@pytest.mark.parametrize("path", CASES, ids=named)
def test_d2_and_density_are_those_of_the_released_code(path: Path) -> None:
    """Recorded in single precision; the largest deviation seen is 1.4e-7 of the value."""
    case = np.load(path)
    original, decoded = case["in_xyz"], case["pred_xyz_2"]
    d2 = d2_psnr_db(original, decoded, case["in_normals"], peak=1.0)
    assert d2 == pytest.approx(float(case["d2_psnr_peak1"]), rel=1e-6)
    density = density_metric(original, decoded)
    assert density == pytest.approx(float(case["density_metric"]), rel=1e-6)


def test_f1_is_that_of_the_released_code() -> None:
    """No decoded normal of this untrained network is right; the twin tests what is above 0."""
    [path] = [path for path in CASES if path.parent.name == "normals"]
    case = np.load(path)
    decoded_normals = np.tanh(case["out_feat"])
    f1 = normals_f1(case["in_xyz"], case["in_normals"], case["pred_xyz_2"], decoded_normals)
    assert f1 == float(case["f1"]) == 0.0


def test_every_recorded_mode_is_tested() -> None:
    assert {path.parent.name for path in CASES} >= {
        *("default", "edge_conv", "fp16_latents", "normals")
    }
