"""The plain twin of the octree's coder says when it takes long."""

from __future__ import annotations

import numpy as np
import pytest

from model.octree import coding, plain


@pytest.mark.parametrize("coded", ["written", "read"])
def test_who_waits_for_the_twin_is_told(coded: str, monkeypatch: pytest.MonkeyPatch) -> None:
    voxels = np.argwhere(np.ones((3, 3, 3)))
    voxels, box = voxels[coding.morton_order(voxels)], (3, 3, 3)
    data = coding.encode(voxels, None, 2, box, None)
    monkeypatch.setattr(coding, "library", lambda: None)
    assert coding.encode(voxels, None, 2, box, None) == data
    monkeypatch.setattr(plain, "SLOW", 20)

    def code() -> object:
        if coded == "written":
            return coding.encode(voxels, None, 2, box, None)
        return coding.decode(data, 2, box, None, counted=False, most_voxels=27, most_points=0)

    with pytest.warns(RuntimeWarning, match="an octree of 27 voxels or more .* without kernels"):
        code()
