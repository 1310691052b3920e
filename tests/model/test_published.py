"""Reading the published implementation's checkpoints (their numbers: test_golden.py)."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from model.codec import Codec
from model.config import ModelConfig
from model.published import load_published, to_published

CHECKPOINT = Path(__file__).parents[1] / "golden" / "default" / "ckpt-best.pth"


@pytest.fixture(scope="module")
def state() -> dict[str, torch.Tensor]:
    loaded: dict[str, torch.Tensor] = torch.load(CHECKPOINT, weights_only=True)
    return loaded


def test_every_published_parameter_is_one_of_ours(state: dict[str, torch.Tensor]) -> None:
    """What is left of the file are tables and constants, which are computed."""
    ours = dict(Codec(ModelConfig(norm="published")).named_parameters())
    left = set(state) - set(to_published(ours, ModelConfig(norm="published")))
    assert {name.rpartition(".")[2] for name in left} <= {
        "_offset",
        "_quantized_cdf",
        "_cdf_length",
        "target",
        "bound",
        "candidate_vecs",
    }, left


def test_what_is_loaded_comes_out_again(state: dict[str, torch.Tensor]) -> None:
    codec = load_published(state, ModelConfig(norm="published"))
    for name, parameter in to_published(dict(codec.named_parameters()), codec.config).items():
        assert parameter.equal(state[name].view_as(parameter)), name


def test_a_missing_parameter_is_named(state: dict[str, torch.Tensor]) -> None:
    key = "encoder.encoder_layers.1.feats_agg_nn.w_qs.weight"
    without = {name: value for name, value in state.items() if name != key}
    with pytest.raises(ValueError, match=f"must hold {key}; this one does not: check"):
        load_published(without, ModelConfig(norm="published"))


def test_another_shape_is_named(state: dict[str, torch.Tensor]) -> None:
    with pytest.raises(ValueError, match="check dim and hidden_dim"):
        load_published(state, ModelConfig(hidden_dim=32, norm="published"))
