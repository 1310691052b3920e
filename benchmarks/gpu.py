"""All that is to be checked and measured on a GPU, within ten minutes, and a table at the end.

Each part runs in a process of its own with a share of the time that is left; one that needs longer
is ended, and the table says so. The parts with bars come first.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
import traceback
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks import cohorts, packing, search, step
from benchmarks.measuring import Bar, on_gpu, surroundings
from study.base.children import module_command

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from multiprocessing.connection import Connection

LIMIT_S = 570.0
"""For all parts; the rest of ten minutes is for starting, ending and printing."""
LEAVING_S = 10.0
"""For a part that is done to remove its files."""
PAIRS = 10
"""Runs of each way: with 30, `cohorts` alone would take more than its share."""
TESTS = "tests/test_gpu.py"
ROOT = Path(__file__).parent.parent


@dataclass(frozen=True)
class Part:
    """One thing to do.

    Attributes:
        name: as the table shows it.
        run: does it, prints, and returns the bars that it has, or whether it succeeded.
        share: of the time, in parts of the sum of all.
    """

    name: str
    run: Callable[[], Sequence[Bar] | bool]
    share: float


@dataclass(frozen=True)
class Ended:
    """What became of a part.

    Attributes:
        found: what it returned; None where it failed or was ended.
        told: why there is nothing, in a few words; empty where there is.
        seconds: that it took.
    """

    name: str
    found: Sequence[Bar] | bool | None
    told: str
    seconds: float

    @property
    def failed(self) -> bool:
        """Whether there is no result, which a bar that is not held is."""
        return self.found is None or self.found is False


def tests() -> bool:
    """Run the tests that need a GPU; whether none failed."""
    command = module_command("pytest", "-q", "-p", "no:cacheprovider", TESTS)
    return subprocess.run(command, cwd=ROOT, check=False).returncode == 0  # noqa: S603  our own


def of_cohorts() -> Sequence[Bar]:
    """A cohort against single trials written the published way."""
    return cohorts.bars(PAIRS)


def of_packing() -> Sequence[Bar]:
    """A cohort against as many processes as fit."""
    return packing.bars(PAIRS)


def of_search() -> bool:
    """The Triton kernel against all distances; it has no bar."""
    return search.run(PAIRS)


def of_step() -> bool:
    """Where the time of a step goes; its bars are for a CPU."""
    return step.run(PAIRS)


PARTS = (
    Part(TESTS, tests, 3),
    Part("cohorts", of_cohorts, 8),
    Part("packing", of_packing, 4),
    Part("search", of_search, 2),
    Part("step", of_step, 2),
)


def run(limit_s: float = LIMIT_S, parts: Sequence[Part] = PARTS) -> int:
    """Do all parts and print the table.

    Returns:
        The exit code: 2 where there is no GPU, 1 where a part failed or was ended, else 0. A bar
        that is not held is told, and is no failure.
    """
    if not on_gpu():
        print(
            "gpu: the benchmarks of a GPU need a CUDA device, and PyTorch finds none here; run "
            "them on a machine with one (its checks without one: pytest tests/test_gpu_path.py)",
            file=sys.stderr,
        )
        return 2
    print(f"gpu: {surroundings()}", flush=True)
    ended = list(in_turn(parts, limit_s))
    print("\n".join(table(ended)))
    return int(any(one.failed for one in ended))


def in_turn(parts: Sequence[Part], limit_s: float) -> Iterator[Ended]:
    """Do one part after the other; what one leaves of its time is the others'."""
    end = time.monotonic() + limit_s
    for place, part in enumerate(parts):
        allowed = allowed_s([one.share for one in parts[place:]], end - time.monotonic())
        print(f"{part.name}: at most {allowed:.0f} s", flush=True)
        yield done(part, allowed)


def allowed_s(shares: Sequence[float], left_s: float) -> float:
    """Seconds for the first of the parts that are left."""
    return max(0.0, left_s) * shares[0] / sum(shares)


def done(part: Part, allowed: float) -> Ended:
    """Do a part in a process of its own, which ends with all of its children when time is up."""
    started = time.monotonic()
    context = get_context("spawn")  # CUDA does not survive a fork
    ours, theirs = context.Pipe(duplex=False)
    process = context.Process(target=_work, args=(theirs, part))
    process.start()
    theirs.close()
    found, told = None, f"took longer than {allowed:.0f} s and was ended"
    try:
        if ours.poll(allowed):
            found, told = ours.recv()
            process.join(LEAVING_S)
    except EOFError:
        told = "ended without a word: see above"
    finally:
        if process.exitcode is None:
            _end(process.pid)
            process.join()
    return Ended(part.name, found, told, time.monotonic() - started)


def _work(end: Connection, part: Part) -> None:
    """Do a part at the head of a group of processes, and send what it found or why not."""
    os.setpgrp()
    import torch  # noqa: PLC0415  the number of threads is this process's

    torch.set_num_threads(1)
    try:
        found = part.run()
        sys.stdout.flush()
        end.send((found, ""))
    except Exception as error:  # noqa: BLE001  whatever it is, the other parts go on
        traceback.print_exc()
        end.send((None, f"failed: {type(error).__name__}: {error}"))


def _end(pid: int | None) -> None:
    """End a part's processes, where there still are any."""
    assert pid is not None, "the process has started"
    for kill in (os.killpg, os.kill):  # alone, where it was ended before it led a group
        try:
            kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            continue
        return


def table(ended: Sequence[Ended]) -> Iterator[str]:
    """A line for each bar, and for each part that has none."""
    yield f"{'part':18} {'what':52} {'measured':>9} {'bar':>5}"
    for one in ended:
        if isinstance(one.found, bool) or not one.found:
            yield f"{one.name:18} {one.told or _outcome(one)}"
            continue
        for bar in one.found:
            verdict = "held" if bar.held else "NOT HELD"
            yield f"{one.name:18} {bar.name:52} {bar.measured:9.2f} {bar.least:5g} {verdict}"
    yield f"{sum(one.seconds for one in ended):.0f} s in all"


def _outcome(one: Ended) -> str:
    """Of a part without bars."""
    if one.found is False:
        return "FAILED: see above"
    return f"done in {one.seconds:.0f} s; it has no bar here, its numbers are above"
