"""A training step of the default model on one patch of 1,024 points, against the plain twin."""

from __future__ import annotations

from benchmarks.measuring import Way, compare
from benchmarks.patches import patch_of_an_object
from benchmarks.plain_twin import PlainTwin
from benchmarks.training_steps import HELD, PlainStep, trained_step
from model.config import ModelConfig
from model.hierarchy import build_hierarchy
from model.published import to_published

POINTS = 1024
BAR = 1 / 3


def run(pairs: int) -> bool:
    """Measure and print; whether the bar is held."""
    config = ModelConfig()
    hierarchy = build_hierarchy(patch_of_an_object(POINTS), config.downsample_rate, config.k)
    ours = trained_step(hierarchy, config)
    twin = PlainTwin(config)
    twin.load(to_published(dict(ours.codec.named_parameters()), ours.codec.config))
    plain = PlainStep(twin, hierarchy, HELD)
    comparison = compare(Way("population of one", ours), Way("plain twin", plain), pairs)
    print("\n".join(comparison.lines()))
    print(f"  points decoded in the last step: {ours.decoded:,} and {plain.decoded:,}")
    held = comparison.ratio <= BAR
    print(f"  bar, at most {BAR:.3f}: {'held' if held else 'NOT HELD'}")
    return held
