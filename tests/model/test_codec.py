"""The codec's contract: bytes and back, honest rates, gradients everywhere, no order of points."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from model.codec import Codec
from model.config import ModelConfig
from model.decoder import choose
from model.directions import candidate_directions
from model.errors import UncodableError
from model.hierarchy import build_hierarchy, latent_count
from model.patch_coder import PatchCoder
from model.patches import collate
from tests.model.support import (
    ARCHITECTURES,
    SMALL,
    draw_noise,
    fresh_codec,
    patch,
    run,
    surface,
    valid_points,
)

PATCHES = [patch(seed, count) for seed, count in enumerate((400, 120, 20, 5))]

OTHER_SHAPES = (
    ModelConfig(hidden_dim=16, k=5),
    ModelConfig(hidden_dim=16, dim=16),
    ModelConfig(hidden_dim=16, downsample_rate=(0.5,), max_upsample_num=(4,)),
    ModelConfig(hidden_dim=16, downsample_rate=(0.5, 0.2), max_upsample_num=(8, 2)),
)


@pytest.mark.parametrize("config", [*ARCHITECTURES.values(), *OTHER_SHAPES])
def test_a_patch_coded_alone_is_what_evaluation_gives(config: ModelConfig) -> None:
    """Through whole numbers, each patch alone and on one thread; but for rounding."""
    coder = PatchCoder.freeze(fresh_codec(3, config=config))
    for number, count in enumerate((400, 120, 20, 5)):
        hierarchy = patch(number, count, config)
        with torch.no_grad():
            expected = coder.codec(collate([hierarchy]))
        latents = coder.encode(hierarchy)
        assert latents.symbols.shape == (
            latent_count(count, config.downsample_rate),
            config.symbol_channels,
        )
        points, normals = coder.decode(latents)
        theirs = expected.decoded.xyz[0, 0].numpy()
        np.testing.assert_allclose(points, theirs, rtol=0, atol=1e-5)
        if config.compress_normal:
            assert normals is not None
            assert expected.normals is not None
            np.testing.assert_allclose(normals, expected.normals[0, 0].numpy(), rtol=0, atol=1e-5)
        else:
            assert normals is None


def test_threads_change_nothing() -> None:
    coder = PatchCoder.freeze(fresh_codec(3))
    threads, made = torch.get_num_threads(), []
    try:
        for count in (1, 2):
            torch.set_num_threads(count)
            latents = coder.encode(PATCHES[0])
            made.append((latents.symbols, coder.decode(latents)[0]))
            assert torch.get_num_threads() == count
    finally:
        torch.set_num_threads(threads)
    for one, two in zip(*made, strict=True):
        np.testing.assert_array_equal(one, two)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 1e9])
def test_a_codec_that_has_diverged_cannot_code(value: float) -> None:
    coder = PatchCoder.freeze(fresh_codec(3))
    with torch.no_grad():
        dict(coder.codec.named_parameters())["encoder.stages.2.fuse.bias"][0, 0, 0] = value
    with pytest.raises(UncodableError, match=r"within \+-1048576 .* this codec has diverged"):
        coder.encode(PATCHES[0])


def test_training_sends_a_gradient_to_every_parameter() -> None:
    """But to the last stage's refined features, which nobody reads, to the quantiles, which have a
    loss of their own, and to the biases before a softmax, which change nothing.
    """
    codec = fresh_codec(1, 2)
    _, loss = run(codec, PATCHES[:2], draw_noise(4, 2, PATCHES[:2], SMALL))
    loss.total.sum().backward()
    without = {
        name
        for name, parameter in codec.named_parameters()
        if parameter.grad is None or (parameter.grad.view(2, -1) == 0).all(dim=1).any()
    }
    unread = {n for n in without if n.startswith("decoder.stages.2.refine.features.")}
    assert len(unread) == 4
    before_softmax = {
        f"encoder.stages.{stage}.{layer}.bias"
        for stage in range(3)
        for layer in ("ancestor.logits", "position.weigh.output")
    }
    assert without - unread == {"bottleneck.channelwise.quantiles", *before_softmax}
    codec.bottleneck.quantile_loss().backward()
    quantiles = codec.bottleneck.channelwise.quantiles
    assert quantiles.grad is not None
    assert (quantiles.grad != 0).all(dim=(1, 2)).all()


def test_order_of_the_points_does_not_matter() -> None:
    """But for the first, where sampling starts."""
    points = surface(6, 200)
    order = np.concatenate([[0], 1 + np.random.default_rng(7).permutation(199)])
    batch = [build_hierarchy(p, SMALL.downsample_rate, SMALL.k) for p in (points, points[order])]
    output, loss = run(fresh_codec(3), batch)
    first, second = (valid_points(output.decoded, 0, number) for number in (0, 1))
    torch.testing.assert_close(first, second, rtol=1e-4, atol=1e-5)
    assert loss.total.isfinite().all()


def test_order_of_the_patches_does_not_matter() -> None:
    codec = fresh_codec(3)
    straight, _ = run(codec, PATCHES)
    turned, _ = run(codec, PATCHES[::-1])
    for number in range(4):
        torch.testing.assert_close(
            valid_points(straight.decoded, 0, number), valid_points(turned.decoded, 0, 3 - number)
        )


def test_a_cloud_of_equal_points_is_coded() -> None:
    points = np.zeros((30, 3), dtype=np.float32)
    codec = fresh_codec(3)
    output, loss = run(codec, [build_hierarchy(points, SMALL.downsample_rate, SMALL.k)])
    assert valid_points(output.decoded, 0, 0).isfinite().all()
    loss.total.sum().backward()
    assert all(p.grad is None or p.grad.isfinite().all() for p in codec.parameters())


def test_as_many_children_as_the_count_says_rounded_half_to_even() -> None:
    count = torch.tensor([[[1.0, 2.5, 3.5, 7.9, 4.2]]])
    valid = torch.tensor([[[True, True, True, True, False]]])
    chosen = choose(count, 8, valid)
    assert chosen.sizes.tolist() == [[1 + 2 + 4 + 8]]
    assert chosen.parent.tolist() == [[[0] + [1] * 2 + [2] * 4 + [3] * 8]]
    child = chosen.dealt_row - 8 * chosen.parent
    assert child.tolist() == [[[0, 0, 1, 0, 1, 2, 3, *range(8)]]]


def test_candidate_directions_are_the_zero_and_42_that_surround_it() -> None:
    directions = candidate_directions()
    assert directions.shape == (43, 3)
    assert directions[0].tolist() == [0, 0, 0]
    torch.testing.assert_close(directions[1:].norm(dim=1), torch.ones(42))
    torch.testing.assert_close(directions.sum(dim=0), torch.zeros(3), rtol=0, atol=1e-5)
    assert torch.pdist(directions).min() > 0.5


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"max_upsample_num": (8, 8)}, "downsample_rate has 3 entries and max_upsample_num 2"),
        ({"k": 257}, "k must be from 1 to 256, not 257; change it"),
        ({"downsample_rate": (0.5,) * 17}, "downsample_rate may have 16 entries, .* has 17; leave"),
        ({"max_upsample_num": (8,) * 4000}, "max_upsample_num may have 16 entries, .* has 4,000"),
        ({"k": 0}, "k must be from 1 to 256, not 0; change it"),
        ({"max_upsample_num": (8, 0, 8)}, "max_upsample_num must be from 1 to 65536, not 0"),
        ({"downsample_rate": (0.5, 0.0, 0.5)}, "above 0 and at most 1, not 0; change it"),
        ({"latent_xyzs_conv_mode": "conv"}, "must be one of mlp, edge_conv, not 'conv'"),
        ({"dim": 12}, "dim must be a multiple of every max_upsample_num: dim is 12"),
    ],
)
def test_contradicting_settings_are_refused(settings: dict[str, object], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        ModelConfig(**settings)  # type: ignore[arg-type]


def test_the_default_has_as_many_parameters_as_published() -> None:
    """87,662 counts the network's; the bottlenecks' are among them, their quantiles too."""
    assert sum(parameter.numel() for parameter in Codec(ModelConfig()).parameters()) == 87_662
