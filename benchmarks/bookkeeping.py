"""What a study costs beside its training: trials of one second each that do nothing, two at a time.

It is a real study: Ray, Optuna's database, MLflow's, codecs and checkpoints, in a process of its
own and a folder that is deleted afterwards. Between the ends of one second and the begin of the
next in the same worker everything is overhead; each part of it is told from the times at which
worker and driver came by. Wall time counts, so the machine must have two cores to spare.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.no_op_study import AT_ONCE, Told, run_no_ops
from study.base.children import child_variables, module_command

if TYPE_CHECKING:
    from collections.abc import Sequence

MOST_OVER = 0.05
"""Of the ideal time."""
NOT_HELD = 3
"""What the driver's process returns where the bar is not held."""


def run(trials: int) -> bool:
    """Measure and print; whether the bar is held."""
    # The command line's process has PyTorch, which no driver has.
    command = module_command(__name__, "--trials", str(trials))
    env = os.environ | child_variables()
    ended = subprocess.run(command, env=env, check=False)  # noqa: S603 (ourselves)
    if ended.returncode not in {0, NOT_HELD}:
        raise subprocess.CalledProcessError(ended.returncode, command)
    return ended.returncode == 0


def main() -> int:
    """Be the driver."""
    parser = argparse.ArgumentParser(prog=f"python -m {__name__}")
    parser.add_argument("--trials", type=int, default=400)
    parser.add_argument("--sampler", default="tpe")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        told = run_no_ops(Path(folder), arguments.trials, arguments.sampler)
    for line in lines(told):
        print(line)
    return 0 if over(told) <= MOST_OVER else NOT_HELD


def over(told: Told) -> float:
    """How much longer than ideal it took, as a share."""
    trials = told.trials
    took_s = max(t.ended for t in trials) - min(t.began for t in trials)
    return took_s / _ideal_s(told) - 1


def lines(told: Told) -> list[str]:
    """What was measured."""
    trials = told.trials
    took_s = max(t.ended for t in trials) - min(t.began for t in trials)
    share = over(told)
    gaps = _gaps(told)
    count = len(trials)
    text = [
        (
            f"  {count} trials of a second, {AT_ONCE} at once: {took_s:.2f} s from the first one's "
            f"begin to the last one's end, {100 * share:.2f} % over the ideal {_ideal_s(told):g} "
            f"s; bar {100 * MOST_OVER:g} %: {'held' if share <= MOST_OVER else 'NOT HELD'}"
        ),
        f"  before the first: {told.start_s:.1f} s; after the last: {told.end_s:.1f} s",
        (
            "  between two trials of a worker, ms: "
            f"{1e3 * sum(map(statistics.fmean, gaps.values())):.1f} in all"
        ),
    ]
    for stage, seconds in gaps.items():
        text.append(f"    {stage:44} {1e3 * statistics.fmean(seconds):7.2f}  {_spread(seconds)}")
    text.append("  the driver's work, ms a trial (some of it while workers work):")
    text += [
        f"    {name:44} {1e3 * spent.seconds / count:7.2f}  in {spent.calls / count:.1f} calls"
        for name, spent in told.spent.items()
    ]
    text.append("  CPU time, ms a trial:")
    text += [f"    {who:44} {1e3 * seconds / count:7.2f}" for who, seconds in told.cpu_s.items()]
    return text + _memory(told)


def _ideal_s(told: Told) -> float:
    return -(-len(told.trials) // AT_ONCE) * 1.0


_STAGES = {
    "worker: codec and checkpoint": ("ended", "told"),
    "Ray: the epoch's report": ("told", "take"),
    "driver: takes it": ("take", "taken"),
    "Ray: the next step": ("taken", "measuring"),
    "worker: measures": ("measuring", "measured"),
    "Ray: the last report": ("measured", "last"),
    "driver: takes it, closes the book": ("last", "done"),
    "Ray: asks for a trial": ("done", "+form"),
    "driver: proposes one, writes it down": ("+form", "+formed"),
    "Ray: gives it to the worker": ("+formed", "+opened"),
    "Ray: has it train": ("+opened", "+stepping"),
    "worker: begins": ("+stepping", "+began"),
}
"""Between the end of one trial's work and the begin of the next one's (+) in the same worker."""


def _gaps(told: Told) -> dict[str, list[float]]:
    """Seconds of each stage, of every two trials that followed each other in a worker."""
    gaps: dict[str, list[float]] = {stage: [] for stage in _STAGES}
    for worker in {trial.worker for trial in told.trials}:
        own = [trial for trial in told.trials if trial.worker == worker]
        for one, other in pairwise(own):
            times = vars(one) | {f"+{name}": time for name, time in vars(other).items()}
            for stage, (begin, end) in _STAGES.items():
                gaps[stage].append(times[end] - times[begin])
    return gaps


def _spread(seconds: Sequence[float]) -> str:
    deciles = statistics.quantiles(seconds, n=10)
    return f"({1e3 * deciles[0]:.1f} to {1e3 * deciles[-1]:.1f}, most {1e3 * max(seconds):.0f})"


def _memory(told: Told) -> list[str]:
    """Memory, and by how much it grows in the second half."""
    rss = told.rss_kib
    half = len(rss) // 2
    slope = statistics.linear_regression(range(half), rss[-half:]).slope
    return [
        (
            f"  driver's memory, MiB: {rss[0] / 1024:.0f} after the first trial, "
            f"{rss[half] / 1024:.0f} after half, {rss[-1] / 1024:.0f} after all: "
            f"{slope:.1f} KiB a trial in the second half"
        ),
        *(f"  NOT WELL: {failed}" for failed in told.failed),
    ]


if __name__ == "__main__":
    sys.exit(main())
