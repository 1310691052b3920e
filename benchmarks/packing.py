"""The best use of a machine's cores, or of its GPU: processes side by side against cohorts.

Real processes, started together. In each round every way trains the same trials for the same number
of steps, one way after the other while the processes of the others sleep; wall time counts here,
because sharing the machine is what is measured.
"""

from __future__ import annotations

import statistics
import time
from dataclasses import dataclass
from multiprocessing import get_context
from typing import TYPE_CHECKING

import torch

from benchmarks.measuring import Bar, Lap, cores, on_gpu, settle
from benchmarks.members import members, trained_states
from benchmarks.patches import whole_objects
from benchmarks.training_steps import OurStep
from model.config import ModelConfig
from study.data import open_data_set
from study.families.dpcc.architecture import DpccArchitecture
from study.training.members import MemberState

if TYPE_CHECKING:
    from collections.abc import Sequence
    from multiprocessing.connection import Connection
    from pathlib import Path

    from study.data import DataSet

TRIALS_PER_CORE = 4
TRIALS_ON_GPU = 64
GPU_MIB_PER_PROCESS = 1536
"""Of a process that trains one trial: the context of CUDA, its libraries and PyTorch's caches."""
STEPS = 4
"""Of every trial in a round."""
RUNS_PER_ROUND = 5
"""A round trains every trial in every way, so there are fewer of them than asked for."""
LOSS_ALLOWED = 0.10
"""Of throughput, that cohorts may lose to single trials in as many processes as cores."""
GPU_BAR = 3.0
"""A cohort against as many processes as fit the GPU, in throughput."""


@dataclass(frozen=True)
class Packing:
    """One way of training the trials.

    Attributes:
        name: as it is printed.
        processes: that train side by side, each an equal share of the trials.
        together: trials in a cohort; a process with several cohorts steps them in turns.
        threads: of each process.
    """

    name: str
    processes: int
    together: int
    threads: int


def run(pairs: int) -> bool:
    """Measure and print; whether the bar is held."""
    return all(bar.held for bar in bars(pairs))


def bars(pairs: int) -> list[Bar]:
    """Measure and print; the bar, of a GPU or of a CPU's cores."""
    ways, trials = packings()
    states = [state.to_plain() for state in trained_states(ModelConfig(), trials)]
    crews = [Crew(way, states, whole_objects()) for way in ways]
    try:
        for crew in crews:
            crew.wait()
        seconds = [[crew.round_s() for crew in crews] for _ in range(2 + pairs // RUNS_PER_ROUND)]
    finally:
        for crew in crews:
            crew.dismiss()
    rounds = seconds[1:]
    width = max(len(way.name) for way in ways)
    print(f"  {trials} trials, model.norm {ModelConfig().norm}, {STEPS} steps each in a round")
    for place, way in enumerate(ways):
        median = statistics.median(each[place] for each in rounds)
        print(f"  {way.name:{width}}  {trials * STEPS / median:8.1f} trial steps per second")
    gains = {
        way.name: statistics.median(each[0] / each[place] for each in rounds)
        for place, way in enumerate(ways)
    }
    for name, gain in list(gains.items())[1:]:
        print(f"  {name}: ratio {1 / gain:.3f} of the wall time of {ways[0].name}")
    print(f"  best here: {max(gains, key=lambda name: gains[name])}")
    return [_bar(max(gain for name, gain in gains.items() if name != ways[0].name))]


def packings() -> tuple[list[Packing], int]:
    """The ways, single trials first, and how many trials they train."""
    if on_gpu():
        free_mib = torch.cuda.mem_get_info()[0] / 2**20
        most = min(cores(), max(1, int(free_mib // GPU_MIB_PER_PROCESS)), TRIALS_ON_GPU)
        processes = next(n for n in range(most, 0, -1) if TRIALS_ON_GPU % n == 0)
        return [
            Packing(f"{processes} processes, trials one by one", processes, 1, 1),
            Packing(f"one cohort of {TRIALS_ON_GPU}", 1, TRIALS_ON_GPU, 1),
        ], TRIALS_ON_GPU
    trials = TRIALS_PER_CORE * cores()
    return [
        Packing(f"{cores()} processes, trials one by one", cores(), 1, 1),
        Packing(f"one cohort of {trials}, {cores()} thread(s)", 1, trials, cores()),
        *(
            Packing(f"{cores()} processes, cohorts of {together}, one thread", cores(), together, 1)
            for together in (2, TRIALS_PER_CORE)
        ),
    ], trials


class Crew:
    """The processes of one way."""

    def __init__(self, way: Packing, states: Sequence[dict[str, object]], data: DataSet) -> None:
        share = len(states) // way.processes
        context = get_context("forkserver")
        context.set_forkserver_preload([__name__])
        self._ends: list[Connection] = []
        self._processes = []
        for first in range(0, len(states), share):
            ours, theirs = context.Pipe()
            process = context.Process(
                target=work,
                args=(theirs, way, states[first : first + share], data.folder),
                daemon=True,
            )
            process.start()
            self._ends.append(ours)
            self._processes.append(process)

    def wait(self) -> None:
        """Until all are ready, or have done what they were told."""
        for end in self._ends:
            end.recv()

    def round_s(self) -> float:
        """Seconds from the word to the last process's end."""
        started = time.perf_counter()
        for end in self._ends:
            end.send(STEPS)
        self.wait()
        return time.perf_counter() - started

    def dismiss(self) -> None:
        """Let the processes end."""
        for end in self._ends:
            end.send(0)
        for process in self._processes:
            process.join()


def work(end: Connection, way: Packing, plain: Sequence[dict[str, object]], folder: Path) -> None:
    """Train a share of the trials, so many steps whenever a number comes; 0 ends it."""
    torch.set_num_threads(way.threads)
    (member,) = members(1)
    states = [MemberState.from_plain(state, member) for state in plain]
    config = ModelConfig()
    data = open_data_set(folder, DpccArchitecture(config).form)
    cohorts = [
        OurStep(config, states[first : first + way.together], data)
        for first in range(0, len(states), way.together)
    ]
    for cohort in cohorts:
        cohort(Lap())
    settle()
    end.send("ready")
    while steps := end.recv():
        for cohort in cohorts:
            for _ in range(steps):
                cohort(Lap())
        settle()
        end.send("done")


def _bar(gain: float) -> Bar:
    """Print whether the best way with cohorts is good enough."""
    least = GPU_BAR if on_gpu() else 1 - LOSS_ALLOWED
    bar = Bar("cohorts against processes with single trials", least, gain)
    print(
        f"  the best way with cohorts has {gain:.2f} times the throughput of single trials; {bar}"
    )
    if not on_gpu():
        print(f"  no GPU here: against processes that share one (bar {GPU_BAR:g}) is not measured")
    return bar
