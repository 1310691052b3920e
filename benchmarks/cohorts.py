"""A step of cohorts of several sizes, per trial.

In each round every size trains the same trials on the same patch: those of 16 in one cohort, 2
cohorts of 8, and so on. So all do the same work, padding aside, and a ratio is one of throughputs.
"""

from __future__ import annotations

import ctypes
import re
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from benchmarks.measuring import Bar, Lap, Way, on_gpu, settle, take_turns
from benchmarks.members import trained_states
from benchmarks.patches import whole_objects
from benchmarks.step import norms, plain_steps
from benchmarks.training_steps import OurStep

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from benchmarks.measuring import Turns
    from model.config import ModelConfig

SIZES_ON_CPU = (1, 2, 4, 8, 16)
SIZES_ON_GPU = (1, 2, 4, 8, 16, 32, 64, 128)
RUNS_PER_ROUND = 5
"""A round trains every trial at every size, so there are fewer of them than asked for."""
GPU_COHORT = 64
GPU_BAR = 50.0
"""A cohort of so many against single trials written the published way, in throughput."""


class Cohorts:
    """Trials in cohorts of one size.

    Attributes:
        size: of each.
        padding: share of the points that were computed for nobody, in the last step.
        peak_mib: memory that a step of one cohort took on top of what was taken before it.
    """

    def __init__(self, config: ModelConfig, size: int, trials: int) -> None:
        states = trained_states(config, trials)
        self.size = size
        self._steps = [
            OurStep(config, states[first : first + size], whole_objects())
            for first in range(0, trials, size)
        ]
        self.padding = 0.0
        self.peak_mib = peak_mib(lambda: self._steps[0](Lap()))
        for step in self._steps[1:]:
            step(Lap())  # all are at the same patch again

    def __call__(self, lap: Lap) -> None:
        """One step of every trial."""
        for step in self._steps:
            step(lap)

    def note_padding(self) -> None:
        """Compute the padding of the last step."""
        decoded = sum(int(step.decoded.sum()) for step in self._steps)
        rows = sum(step.decoded.numel() * step.rows for step in self._steps)
        self.padding = 1 - decoded / rows


def run(pairs: int) -> bool:
    """Measure and print; whether the bars are held, where there is a GPU."""
    return all(bar.held for bar in bars(pairs))


def bars(pairs: int) -> list[Bar]:
    """Measure and print, in both norm modes; a GPU's bars."""
    found: list[Bar] = []
    sizes = SIZES_ON_GPU if on_gpu() else SIZES_ON_CPU
    for norm, config in norms().items():
        cohorts = [Cohorts(config, size, max(sizes)) for size in sizes]
        ways = [Way(f"{norm}, {one.size} together", one, max(sizes)) for one in cohorts]
        ways += [Way("plain twin, serially", plain_steps()[0])] if on_gpu() else []
        turns = take_turns(ways, max(2, pairs // RUNS_PER_ROUND), warm_up=1)
        print("  time per step of a trial")
        print("\n".join(turns.table()))
        for place, one in enumerate(cohorts):
            one.note_padding()
            print(
                f"  {one.size} together: ratio {turns.ratio(place, 0)} as alone; memory of a step "
                f"{one.peak_mib:,.0f} MiB, padding {one.padding:.1%} of the decoded points"
            )
        if on_gpu():
            found.append(_against_the_twin(turns, sizes, norm))
    if not on_gpu():
        print(
            f"  no GPU here: {GPU_COHORT} together against single trials written the published way "
            f"(bar {GPU_BAR:g}) is not measured"
        )
    return found


def peak_mib(run: Callable[[], None]) -> float:
    """Most memory that a run takes on top of what is taken before: of the GPU, or of the process.

    NaN where the system does not tell (Linux does).
    """
    if on_gpu():
        settle()
        torch.cuda.reset_peak_memory_stats()
        allocated = torch.cuda.memory_allocated()
        run()
        settle()
        return (torch.cuda.max_memory_allocated() - allocated) / 2**20
    try:
        # What was freed goes back to the system, and the high-water mark to where it stands.
        ctypes.CDLL(None).malloc_trim(0)
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
        before = _resident_mib("VmRSS")
        run()
        return _resident_mib("VmHWM") - before
    except (OSError, AttributeError):
        return float("nan")


def _resident_mib(which: str) -> float:
    status = Path("/proc/self/status").read_text(encoding="ascii")
    (kib,) = re.findall(rf"^{which}:\s+(\d+) kB", status, re.MULTILINE)
    return int(kib) / 1024


def _against_the_twin(turns: Turns, sizes: Sequence[int], norm: str) -> Bar:
    """Print how the cohort of the bar compares with the twin, the last of the ways."""
    ratio = turns.ratio(sizes.index(GPU_COHORT), len(turns.ways) - 1)
    bar = Bar(f"{norm}, {GPU_COHORT} together against the plain twin", GPU_BAR, 1 / ratio.median)
    print(f"  {bar.name}: ratio {ratio}; {bar}")
    return bar
