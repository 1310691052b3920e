"""What coding takes a network, against counts by hand: of D-PCC, and of modules written for one."""

from __future__ import annotations

import sys
from dataclasses import replace
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from model.cloud_codec import CloudCodec
from model.directions import candidate_directions
from model.native.library import without_kernels
from model.octree.codec import OctreeCodec
from model.octree.frame import Placing
from model.partition import PartitionConfig
from model.patch_coder import PatchCoder
from model.patches import collate
from study.clouds import Cloud
from study.families.family import family_of
from study.families.vae.relative_entropy import CANDIDATE_BITS
from study.families.voxel.counting import HIDDEN
from study.metrics import work
from study.metrics.measurement import code, measure_clouds, over_clouds
from study.metrics.products import Products
from study.metrics.sample import Convention
from study.metrics.work import Work, counted
from tests.model.support import SMALL, fresh_codec, surface
from tests.study.families.documented import block

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


WHOLE = PartitionConfig(100.0, min_points=1)
"""Every cloud here is one patch."""
POINTS = 300


def cloud(count: int = POINTS, seed: int = 1) -> Cloud:
    return Cloud(surface(seed, count).astype(np.float64), None, ())


def work_of(coder: object, of: Cloud) -> Work:
    found = counted(coder, of.points)
    assert found is not None
    return found


def layers(rows: int, *widths: int) -> int:
    """Multiply-accumulates of dense layers on so many rows. One output is computed as two."""
    return rows * sum(a * max(b, 2) for a, b in pairwise(widths))


def by_hand(codec: CloudCodec, of: Cloud) -> tuple[int, int]:
    """Of D-PCC, from its equations and the sizes of a patch: encoder and decoder."""
    seen: list[Any] = []
    encode = codec.coder.encode

    def noted(hierarchy: Any) -> Any:  # noqa: ANN401
        seen.append(hierarchy)
        return encode(hierarchy)

    codec.coder.encode = noted  # type: ignore[method-assign]
    codec.compress(of.points)
    del codec.coder.encode
    (hierarchy,) = seen
    with torch.no_grad(), without_kernels():
        stages = codec.coder.codec(collate([hierarchy])).stages
    c, h = codec.coder.config.dim, codec.coder.config.hidden_dim
    encoder = layers(len(hierarchy.points), 3, h, c)
    entering = len(hierarchy.points)
    for level in hierarchy.levels:
        samples, pairs = len(level.samples), int(level.owned.sum())
        of_pair = h + 2 * c  # a position's hidden layer, and features of neighbour and sample
        encoder += layers(entering, c, c)
        encoder += layers(pairs, 3, h) + layers(pairs, of_pair, h, h) + layers(pairs, of_pair, h)
        encoder += layers(1, h, h) + layers(of_pair, h, h)  # two layers made one
        encoder += layers(samples, h, c)
        encoder += layers(pairs, 4, h, c) + layers(pairs, c, h, c)
        encoder += layers(samples, h, c)  # of density; its first layer has one input
        encoder += layers(samples, 3 * c, c)
        entering = samples
    encoder += layers(entering, 3, h, c)
    decoder = layers(entering, c, h, 3)
    directions = len(candidate_directions())
    for number, stage in enumerate(stages):
        parents, children = int(stage.parents.sizes), int(stage.children.sizes)
        last = number == len(stages) - 1
        shared = c // codec.coder.config.max_upsample_num[number]
        decoder += layers(parents, c, h, 1)
        for inputs, features in ((shared, [c]), (c, [c] * (not last))):
            for outputs in (directions, 1, *features):
                # A layer of one input is done element by element.
                decoder += layers(children, h, outputs) + layers(children, inputs, h) * (inputs > 1)
            decoder += layers(children, directions, 3)
    return encoder, decoder


@pytest.mark.parametrize("wide", [False, True])
def test_the_work_of_dpcc_is_counted_as_by_hand(*, wide: bool) -> None:
    config = SMALL if not wide else replace(SMALL, dim=16, hidden_dim=24)
    codec = CloudCodec(PatchCoder.freeze(fresh_codec(1, config=config)), WHOLE, is_ours=True)
    of = cloud()
    found = work_of(codec, of)
    assert (found.encode_macs, found.decode_macs) == by_hand(codec, of)
    assert found == work_of(codec, of)


def codec_of(name: str, settings: dict[str, Any]) -> Any:  # noqa: ANN401  an `AnyCodec`
    family = family_of(name)
    architecture = family.architecture(family.model.model_validate(settings))
    network = architecture.network(1)
    network.reset([1])
    return architecture.coder(network, WHOLE, is_ours=True)


def test_the_work_of_the_vae_is_counted_as_by_hand() -> None:
    points, latents, width = 40, 4, 16
    found = work_of(codec_of("vae", {"points": 40, "latents": 4, "width": 16}), cloud())
    # Each candidate of each pair is weighed by two products.
    candidates = 2 * latents << CANDIDATE_BITS
    encoder = layers(1, 3 * points, width) + 2 * layers(1, width, latents) + candidates
    decoder = layers(1, latents, width, 3 * points)
    assert (found.encode_macs, found.decode_macs) == (encoder, decoder)
    dense = [(3 * points, width), (width, latents), (width, latents), (latents, width)]
    assert found.parameters == numbers([*dense, (width, 3 * points)])


def numbers(dense: Sequence[tuple[int, int]]) -> int:
    return sum(inputs * outputs + outputs for inputs, outputs in dense)


def test_the_work_of_the_documented_family_is_counted_as_by_hand(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "counted.py").write_text(block("python"))
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    found = work_of(codec_of("counted:Tiny", {"numbers": 8, "points": 40, "width": 16}), cloud())
    encoder, decoder = layers(POINTS, 3, 16, 8), layers(1, 8, 16, 3 * 40)
    assert (found.encode_macs, found.decode_macs) == (encoder, decoder)
    assert found.parameters == numbers([(3, 16), (16, 8), (8, 16), (16, 120)])


def test_the_work_of_compressais_is_counted_as_by_hand() -> None:
    settings = {"points": 40, "encoder_widths": (8, 16), "latents": 12, "decoder_widths": (20,)}
    found = work_of(codec_of("compressai:sfu2023-pcc-rec-pointnet", settings), cloud())
    encoder, decoder = layers(40, 3, 8, 16, 12), layers(1, 12, 20, 120)
    assert (found.encode_macs, found.decode_macs) == (encoder, decoder)
    norms, gains = 2 * (8 + 16 + 12), 2 * 12
    bottleneck = 12 * (3 + 9 + 9 + 9 + 3 + 3 * 4 + 1 + 3 * 4 + 3)
    dense = numbers([(3, 8), (8, 16), (16, 12), (12, 20), (20, 120)])
    assert found.parameters == dense + norms + gains + bottleneck


def test_the_work_of_the_voxel_codec_is_counted_as_by_hand() -> None:
    """Where the network places the points, and nobody asked whether it should."""
    codec = codec_of("voxel", {"width": 8, "point_width": 12, "first_edge": 1 / 8})
    codec._file = lambda points, edge, voxels: codec._write(
        len(points), edge, voxels, Placing.LEARNED
    )
    of = cloud()
    found = work_of(codec, of)
    coded = codec.read(codec.compress(of.points))
    voxels, points = len(coded.voxels), coded.points
    w, p, seen = 8, 12, 5**3 + 1
    known = layers(voxels, seen, w, w, w)
    attention = 8 * w * w * voxels
    counting = voxels * (seen * HIDDEN + HIDDEN)
    placing = layers(voxels, w, 3) + layers(voxels, w, p) + layers(points, 4, p, p, 3)
    assert found.encode_macs == 0
    assert found.decode_macs == known + attention + counting + placing


@pytest.mark.parametrize("inference", [False, True])
def test_pytorchs_own_counter_says_the_same(*, inference: bool) -> None:
    """Where it is told of all that a codec does, that is of one family's modules as others'."""
    codec = codec_of("vae", {"points": 40, "latents": 4, "width": 16})
    points = cloud().points
    with torch.inference_mode(inference), Products() as ours:
        codec.compress(points)
    with torch.inference_mode(inference), FlopCounterMode(display=False) as theirs:
        codec.compress(points)
    assert ours.operations == theirs.get_total_flops() > 0


def test_what_has_no_network_has_no_work() -> None:
    assert counted(OctreeCodec(), cloud().points) is None
    results = list(measure_clouds(OctreeCodec(), [("one", cloud())], Convention()))
    assert results[0].values["parameters"] is None
    assert results[0].values["decode_mac_per_point"] is None


def test_work_per_point_is_that_of_all_clouds_over_all_points() -> None:
    codec = codec_of("vae", {"points": 40, "latents": 4, "width": 16})
    clouds = [("small", cloud(100)), ("large", cloud(500, seed=2))]
    results = list(measure_clouds(codec, clouds, Convention()))
    of_one = work_of(codec, clouds[0][1])
    assert [r.values["encode_mac_per_point"] for r in results] == [
        of_one.encode_macs / 100,
        of_one.encode_macs / 500,
    ]
    assert over_clouds(results, "encode_mac_per_point") == 2 * of_one.encode_macs / 600
    assert over_clouds(results, "parameters") == of_one.parameters


def test_what_is_not_asked_for_is_not_counted() -> None:
    codec = codec_of("vae", {"points": 40, "latents": 4, "width": 16})
    assert code(codec, cloud()).work is None
    assert code(codec, cloud(), with_work=True).work == work_of(codec, cloud())


def test_a_large_cloud_is_counted_by_a_slab_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """A bent sheet of many cubes: what a point takes is about the same in all of them."""
    cubes = PartitionConfig(20.0, max_points=256, min_points=32)
    codec = CloudCodec(PatchCoder.freeze(fresh_codec(1)), cubes, is_ours=True)
    of = cloud(4000)
    whole = work_of(codec, of)
    monkeypatch.setattr(work, "MOST_POINTS", 1000)
    found = work_of(codec, of)
    assert found.encode_macs == pytest.approx(whole.encode_macs, rel=0.2)
    assert found.decode_macs == pytest.approx(whole.decode_macs, rel=0.2)
    assert found.encode_macs != whole.encode_macs
