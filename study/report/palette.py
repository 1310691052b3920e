"""Colours and marks of the pictures: Okabe and Ito's palette, told apart by colour-blind readers.

Color Universal Design, https://jfly.uni-koeln.de/color/. Every group also has a mark of its own, so
that nothing is said by colour alone.
"""

from __future__ import annotations

from study.base.records import TrialState

INK = "#222222"
MUTED = "#767676"
FAINT = "#d2d2d2"
GRID = "#f0f0f0"
FRONT = "#0072b2"
BEATEN = "#56b4e9"
BASELINE = "#d55e00"

UNFINISHED_MARKS: dict[TrialState, tuple[str, str]] = {
    TrialState.RUNNING: ("o", "circle-open"),
    TrialState.INTERRUPTED: ("s", "square-open"),
    TrialState.PRUNED: ("v", "triangle-down-open"),
    TrialState.FAILED: ("x", "cross"),
}
"""The mark of each state that is not complete, as Matplotlib calls it and as the page does
(`study/report/page/chart.js`)."""

BASELINE_CURVES = (("#009e73", "s", "square"), ("#cc79a7", "^", "triangle-up"))
"""Colour of a baseline's curve, and its marks likewise; a third curve looks like the first."""

RIVALS: dict[str, tuple[str, str, str]] = {
    "octree": ("#e69f00", "h", "hexagon"),
    "octree-counts": ("#999933", "v", "triangle-down"),
    "gpcc": ("#000000", "*", "star"),
}
"""Of the codecs that stand beside every front: colour, and marks likewise."""

OTHER_STUDIES = (("#332288", "D", "diamond"), ("#882255", "p", "pentagon"))
"""Colour of another study's front, and its marks likewise; from Paul Tol's muted scheme
(https://personal.sron.nl/~pault/), since Okabe and Ito's colours are taken."""

LEARNING_PATH = "learning path, epoch by epoch (estimated rate)"
BEATEN_TRIALS = "complete, beaten by the front"
INFEASIBLE_TRIALS = "complete, breaks a constraint"
INFEASIBLE_MARK = ("P", "plus-open")
"""Of trials that break a constraint, likewise."""
PUBLISHED = "published coefficients"


def front_text(objectives: int) -> str:
    """Return the legend's words for the members of the front."""
    if objectives == 1:
        return "the best"
    if objectives == 2:
        return "Pareto front (line: guide to the eye)"
    return f"Pareto front of {objectives} objectives"


def baseline_text(name: str, counts: str) -> str:
    """Return the legend's words for another codec's curve, and for what its rate counts."""
    return f"{name} (baseline, {counts})"


def rival_text(name: str, counts: str) -> str:
    """Return the legend's words for a codec that stands beside every front."""
    return f"{name} (yardstick, {counts})"


def other_text(name: str) -> str:
    """Return the legend's words for the front of another study."""
    return f"front of {name}"


def unfinished_text(state: TrialState) -> str:
    """Return the legend's words for trials in this state."""
    early = ", stopped early" if state is TrialState.PRUNED else ""
    return f"{state.value}{early} (last estimate)"
