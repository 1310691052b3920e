"""Which output of the codec each loss term reads, and what it weighs."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from losses import weighted_sum
from model.codec import CodecOutput
from model.config import ModelConfig
from model.decoder import DecodedStage
from model.patches import PatchBatch, collate
from model.points import Points
from study.families.dpcc.architecture import DpccArchitecture
from study.families.dpcc.objective import DISTORTIONS, loss_terms, weight_per_term
from study.families.dpcc.settings import LossWeights
from tests.model.support import SMALL, fresh_codec, patch, run, stacked_weights

WEIGHTS = LossWeights()


def perfect_output(batch: PatchBatch) -> CodecOutput:
    """A decoder that makes every stage's true points; each symbol costs one bit."""
    finer, coarser = reversed(batch.stages[:-1]), reversed(batch.stages[1:])
    stages = [
        DecodedStage(parents, children, level.child_count, None)
        for parents, children, level in zip(coarser, finer, reversed(batch.levels), strict=True)
    ]
    latents = batch.stages[-1]
    half = torch.full((*latents.xyz.shape[:3], 2 * SMALL.dim), 0.5)
    return CodecOutput(half, half, half, latents, stages)


@pytest.fixture
def batch() -> PatchBatch:
    return collate([patch(1, 120), patch(2, 45)])


def test_a_perfect_decoder_pays_for_the_rate_alone(batch: PatchBatch) -> None:
    """Two latents of 8 channels per latent point, a bit each, over the input points."""
    terms = dict(loss_terms(perfect_output(batch), batch, SMALL.k))
    bpp = 16 * batch.stages[-1].sizes / batch.stages[0].sizes
    torch.testing.assert_close(terms.pop("bpp"), bpp)
    for name, term in terms.items():
        torch.testing.assert_close(term, torch.zeros(1, 2), rtol=0, atol=1e-6, msg=name)


@pytest.mark.parametrize("stage", [0, 1, 2])
def test_each_stage_is_compared_with_the_points_it_should_make(
    batch: PatchBatch, stage: int
) -> None:
    """Children moved by a little are that far away, from both sides; the last stage apart."""
    shift = torch.tensor([0.0, 0.0, 1e-4])
    output = perfect_output(batch)
    stages = list(output.stages)
    children = stages[stage].children
    stages[stage] = replace(stages[stage], children=Points(children.xyz + shift, children.sizes))
    terms = loss_terms(replace(output, stages=stages), batch, SMALL.k)
    moved, still = ("chamfer", "coarse_chamfer")[:: 1 if stage == 2 else -1]
    torch.testing.assert_close(terms[moved], torch.full((1, 2), 2e-8), rtol=1e-2, atol=0)
    assert (terms[still] == 0).all()


def test_counts_that_are_wrong_cost_by_point_and_by_patch(batch: PatchBatch) -> None:
    """Every parent of the first decoder stage announces half a child more than it should."""
    output = perfect_output(batch)
    stages = list(output.stages)
    stages[0] = replace(stages[0], child_count=stages[0].child_count + 0.5)
    terms = loss_terms(replace(output, stages=stages), batch, SMALL.k)
    parents = batch.stages[-1].sizes
    torch.testing.assert_close(terms["child_count"], torch.full((1, 2), 0.5))
    torch.testing.assert_close(terms["point_count"], 0.5 * parents, rtol=0, atol=1e-4)


def test_latent_points_that_moved_cost_their_mean_square(batch: PatchBatch) -> None:
    output = perfect_output(batch)
    moved = Points(output.latent_points.xyz + 0.1, output.latent_points.sizes)
    terms = loss_terms(replace(output, latent_points=moved), batch, SMALL.k)
    torch.testing.assert_close(terms["latent_points"], torch.full((1, 2), 0.01))


def test_terms_and_weights_have_equal_names(batch: PatchBatch) -> None:
    terms = loss_terms(perfect_output(batch), batch, SMALL.k, further=DISTORTIONS)
    assert list(terms) == list(weight_per_term(WEIGHTS))


def test_weights_are_those_of_the_publication() -> None:
    assert weight_per_term(WEIGHTS) == pytest.approx(
        {
            "chamfer": 1.0,
            "coarse_chamfer": 0.1,
            "child_count": 1e-4,
            "mean_distance": 50 * 1e-4,
            "point_count": 5e-7,
            "latent_points": 1e-2,
            "normals": 1e-2,
            "bpp": 1e-4,
            **dict.fromkeys(DISTORTIONS, 0.0),
        }
    )


def test_every_weight_of_the_study_file_reaches_some_term() -> None:
    architecture = DpccArchitecture(SMALL)
    for name, value in WEIGHTS:
        changed = WEIGHTS.model_copy(update={name: 2 * value + 1})
        assert architecture.weights(changed) != architecture.weights(WEIGHTS), name


def test_each_member_has_its_own_weights(batch: PatchBatch) -> None:
    members = [WEIGHTS, WEIGHTS.model_copy(update={"bpp_lambda": 1.0})]
    weights = stacked_weights(members, "cpu")
    assert weights["bpp"].tolist() == pytest.approx([1e-4, 1.0])
    output = perfect_output(batch)
    terms = {name: term.expand(2, -1) for name, term in loss_terms(output, batch, 16).items()}
    loss = weighted_sum(terms, weights)
    bpp = loss.terms["bpp"][0].item()
    assert loss.total.tolist() == pytest.approx([1e-4 * bpp, bpp], abs=1e-6)


def test_a_single_stage_has_no_coarse_chamfer() -> None:
    config = ModelConfig(hidden_dim=16, downsample_rate=(0.2,), max_upsample_num=(8,))
    _, loss = run(fresh_codec(1, config=config), [patch(1, 50, config)])
    assert loss.terms["coarse_chamfer"].tolist() == [0.0]
    assert loss.total.isfinite().all()
