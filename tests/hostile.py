"""Work on hostile files, in a process of its own: what it cost, and what came of it.

The bound of memory is the kernel's (`RLIMIT_AS` over what the process has after its imports), so a
reader that takes more fails there, whatever it does with it. A child that hangs is killed.
"""

from __future__ import annotations

import json
import resource
import signal
import subprocess
import sys
import textwrap
from dataclasses import dataclass
from pathlib import Path

MOST_MIB = 200
"""What refusing a file may take beyond what the program has imported."""
MOST_S = 1.0
"""Seconds of the processor that refusing a file may take."""
_PATIENCE = 10
"""A shared machine may be slower than the promise by so much before a test fails."""

_FRAME = """
import json, resource, sys, time
sys.path.insert(0, {root!r})
{prepare}
def _work():
{work}
def _mib(name):
    with open("/proc/self/status") as file:
        return next(int(line.split()[1]) for line in file if line.startswith(name)) / 1024
def _virtual():
    return int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
# Its peak so far belongs to the imports.
open("/proc/self/clear_refs", "w").write("5")
_before, _began = _mib("VmRSS:"), time.process_time()
_soft, _hard = resource.getrlimit(resource.RLIMIT_AS)
if {most_mib}:
    _room = _virtual() + ({most_mib} << 20)
    resource.setrlimit(resource.RLIMIT_AS, (_room, _hard))
try:
    _said = ["cloud", str(_work())[:2000]]
except Exception as error:
    _said = [type(error).__name__, str(error)[:2000]]
_spent = time.process_time() - _began
resource.setrlimit(resource.RLIMIT_AS, (_soft, _hard))
print(json.dumps([*_said, _spent, _mib("VmHWM:") - _before]))
"""


@dataclass(frozen=True)
class Cost:
    """What reading a file cost.

    Attributes:
        error: the name of the exception's class; "cloud" where there was none.
        said: its sentence, or what was read.
        seconds: of the processor.
        mib: that the process grew by at most.
    """

    error: str
    said: str
    seconds: float
    mib: float


def cost_of(work: str, prepare: str, *, most_mib: int = MOST_MIB, most_s: float = MOST_S) -> Cost:
    """Do some work in another process, and say what it cost.

    Args:
        work: statements; what they return is told.
        prepare: statements before the clock starts: imports, and whatever makes them warm.
        most_mib: more cannot be had; 0: any amount.
        most_s: with a factor for slow machines, it is killed after so many seconds.
    """
    frame = _FRAME.format(
        root=str(Path(__file__).parents[1]),
        prepare=textwrap.dedent(prepare),
        work=textwrap.indent(textwrap.dedent(work), "    "),
        most_mib=most_mib,
    )
    limit_s = int(60 + _PATIENCE * most_s)

    def bound() -> None:
        resource.setrlimit(resource.RLIMIT_CPU, (limit_s, limit_s))

    done = subprocess.run(
        [sys.executable, "-c", frame], capture_output=True, preexec_fn=bound, text=True, check=False
    )
    if done.returncode in (-signal.SIGXCPU, -signal.SIGKILL):
        return Cost("TimeoutError", f"killed after {limit_s} s", float(limit_s), 0.0)
    lines = done.stdout.splitlines()
    assert lines, f"the process ended with {done.returncode}: {done.stderr[-2000:]}"
    error, said, seconds, mib = json.loads(lines[-1])
    return Cost(error, said, seconds, mib)


def assert_refused(cost: Cost, sentence: str, kind: str = "StudyError") -> None:
    """Refused by our own error, with this sentence, within the promise."""
    assert cost.error == kind, cost
    assert sentence in cost.said, cost
    assert len(cost.said.splitlines()) <= 2, cost
    assert len(cost.said) < 1000, cost
    assert cost.seconds < _PATIENCE * MOST_S, cost
    assert cost.mib < MOST_MIB, cost


def written(path: Path, content: bytes | str) -> Path:
    """Write a file and return its path."""
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path
