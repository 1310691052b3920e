"""Trials that begin with the network of a codec that comes with the package."""

from __future__ import annotations

import math

import pytest
import torch
from pydantic import ValidationError

from study.base.errors import StudyError
from study.families.patchwise import load_weights
from study.families.voxel.family import Voxel
from study.families.voxel.settings import VoxelModel
from study.zoo.catalog import shipped_folder


def test_they_begin_with_its_weights_and_their_own_edge() -> None:
    theirs = load_weights(shipped_folder("voxel"))
    network = Voxel().architecture(VoxelModel(start="voxel", first_edge=1 / 9)).network(2)
    network.reset([4, 5])
    for name, parameter in network.named_parameters():
        if name == "log_edge":
            expected = torch.full((2,), math.log2(1 / 9))
        else:
            own = theirs[name.replace("/", ".")]
            expected = own.expand(2, *own.shape)
        torch.testing.assert_close(parameter.detach(), expected)


def test_a_codec_does_not_need_what_it_began_with() -> None:
    """It may be opened by a package without that codec."""
    began, fresh = (Voxel().architecture(VoxelModel(start=s)) for s in ("voxel", None))
    assert began.identity == fresh.identity


@pytest.mark.parametrize("change", [{"width": 32}, {"layers": 2}, {"reach": 1}])
def test_another_shape_is_refused_with_the_one_it_must_have(change: dict[str, int]) -> None:
    (name,) = change
    with pytest.raises(ValidationError, match=rf"{name}: \d+; change that, or leave start out"):
        VoxelModel.model_validate({"start": "voxel", **change})


def test_a_name_that_there_is_not_is_refused() -> None:
    with pytest.raises((ValidationError, StudyError), match="did you mean 'voxel'"):
        VoxelModel(start="voxels")
