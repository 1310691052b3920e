"""A training step of one trial on patches of 1,024 points, against the plain twins."""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmarks.measuring import Way, on_gpu, take_turns
from benchmarks.members import settled_state
from benchmarks.patches import whole_objects
from benchmarks.plain_geometry import ALL_DISTANCES, TREES
from benchmarks.plain_twin import PlainTwin
from benchmarks.training_steps import OurStep, PlainStep
from model.codec import Codec
from model.config import ModelConfig
from model.published import to_published
from study.families.dpcc.architecture import DpccArchitecture
from study.training.flat import Layout, by_name

if TYPE_CHECKING:
    from benchmarks.measuring import Turns
    from benchmarks.plain_geometry import PlainTools
    from study.data import DataSet
    from study.training.members import MemberState

BARS = {("published", 0): 5.0, ("published", 1): 2.0, ("masked", 0): 8.0, ("masked", 1): 3.5}
"""Norm mode and twin -> at least so many times as fast, on a CPU with one thread."""


def run(pairs: int) -> bool:
    """Measure and print; whether all bars are held."""
    ours, anew, twins = our_steps(), our_steps(keep=False), plain_steps()
    ways = [
        *(Way(f"one trial, {norm}", step) for norm, step in ours.items()),
        *(Way(f"one trial, {norm}, batch made anew", step) for norm, step in anew.items()),
        *(Way(f"plain twin, {step.tools.name}", step) for step in twins),
    ]
    turns = take_turns(ways, pairs)
    print("\n".join(turns.table()))
    counts = [*(int(step.decoded.sum()) for step in ours.values()), *(t.decoded for t in twins)]
    print(f"  points decoded in the last step: {', '.join(f'{count:,}' for count in counts)}")
    first_twin = len(ways) - len(twins)
    held = [
        _told(turns, this, first_twin + twin, f"{norm} against {step.tools.name}", BARS[norm, twin])
        for this, norm in enumerate(ours)
        for twin, step in enumerate(twins)
    ]
    return all(held)


def our_steps(*, keep: bool = True) -> dict[str, OurStep]:
    """The production step in both norm modes."""
    return {
        norm: OurStep(config, [settled_state(config)], whole_objects(), keep=keep)
        for norm, config in norms().items()
    }


def norms() -> dict[str, ModelConfig]:
    """The default architecture in both norm modes."""
    return {"published": ModelConfig(norm="published"), "masked": ModelConfig(norm="masked")}


def plain_steps(data: DataSet | None = None) -> list[PlainStep]:
    """Both twins on some data, whole objects by default; trees are for a CPU."""
    config = norms()["published"]
    return [
        PlainStep(twin_of(settled_state(config), config, tools), data or whole_objects())
        for tools in ((ALL_DISTANCES,) if on_gpu() else (ALL_DISTANCES, TREES))
    ]


def twin_of(state: MemberState, config: ModelConfig, tools: PlainTools) -> PlainTwin:
    """A twin with the weights of a trial."""
    twin = PlainTwin(config, tools)
    shapes = Layout(Codec(config), DpccArchitecture(config)).shapes
    twin.load(to_published(by_name(state.parameters.cpu(), shapes), config))
    return twin


def _told(turns: Turns, this: int, other: int, what: str, bar: float) -> bool:
    """Print a ratio, and whether it is within its bar, which is for a CPU."""
    ratio = turns.ratio(this, other)
    held = on_gpu() or 1 / ratio.median >= bar
    verdict = "" if on_gpu() else f"; bar {bar:g}: {'held' if held else 'NOT HELD'}"
    print(f"  {what}: ratio {ratio}{verdict}")
    return held
