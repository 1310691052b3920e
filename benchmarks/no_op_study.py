"""Runs a study of trials that do nothing, and takes note of what its driver does when."""

from __future__ import annotations

import functools
import io
import os
import threading
import time
from collections import defaultdict
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

from rich.console import Console

from benchmarks import no_ops
from study.checkpoints.kept_codecs import KeptCodecs
from study.cohorts.cohorts import Cohorts
from study.driver.runner import run_study
from study.halting.budget import Budget
from study.report.live import PlainLines
from study.storage.study_file import parse_study
from study.storage.trial_store import TrialStore

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from study.config import CohortConfig

AT_ONCE = 2

_STUDY = """
name: no-ops
family: benchmarks.no_ops:NoOp
data: {{max_objects: 6, points_per_object: 512, cube_size: 100.0}}
training: {{epochs: 1}}
search: {{trials: {trials}, sampler: {sampler}}}
objectives:
  - {{metric: bpp, direction: minimize, reference: 3.0}}
  - {{metric: d1_psnr_db, direction: maximize, reference: 25.0}}
resources: {{cohort: 1, concurrent_cohorts: {at_once}}}
root: {folder}/studies
data_root: {folder}/data
"""

_TICKS = os.sysconf("SC_CLK_TCK")


@dataclass
class Passage:
    """When one trial came by where, in seconds since 1970, in this order.

    Attributes:
        form, formed: the driver was asked for it, and had it.
        opened, stepping, began, ended, told: its worker got it, was told to train it, began,
            had trained, and had written all down.
        take, taken: the driver read of that, and let the worker go on.
        measuring, measured: the worker began to measure it, and had.
        last, done: the driver read of that, and was done with it.
        worker: its process.
    """

    form: float = 0.0
    formed: float = 0.0
    opened: float = 0.0
    stepping: float = 0.0
    began: float = 0.0
    ended: float = 0.0
    told: float = 0.0
    take: float = 0.0
    taken: float = 0.0
    measuring: float = 0.0
    measured: float = 0.0
    last: float = 0.0
    done: float = 0.0
    worker: int = 0


@dataclass
class Spent:
    """What was spent in a function."""

    seconds: float = 0.0
    cpu_s: float = 0.0
    calls: int = 0


@dataclass
class Told:
    """What came out.

    Attributes:
        trials: in the order in which they began.
        start_s, end_s: seconds of the whole before the first trial's work, and after the last's.
        spent: time of the driver's in each function, by name.
        cpu_s: between the first trial's begin and the last's end, by who spent it.
        rss_kib: the driver's memory at the end of each trial.
        failed: trials that did not end well, with the reason; there should be none.
    """

    trials: list[Passage] = field(default_factory=list)
    start_s: float = 0.0
    end_s: float = 0.0
    spent: dict[str, Spent] = field(default_factory=lambda: defaultdict(Spent))
    cpu_s: dict[str, float] = field(default_factory=dict)
    rss_kib: list[int] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)


def run_no_ops(folder: Path, trials: int, sampler: str) -> Told:
    """Run the study."""
    text = _STUDY.format(folder=folder, trials=trials, sampler=sampler, at_once=AT_ONCE)
    config = parse_study(text, origin="no-ops")
    notes = _Notes()
    began = time.time()
    timed = patch("study.driver.tuning.CohortTrainable", no_ops.TimedTrainable)
    with notes.taken(), timed:
        ended = run_study(config, Console(file=io.StringIO()))
    told = notes.told(began, time.time())
    told.failed = [f"trial {r.number}: {r.outcome}" for r in ended.records if not r.final]
    return told


class _Notes:
    """Taken of a driver, by wrapping what it calls."""

    def __init__(self) -> None:
        self._passages: dict[int, Passage] = defaultdict(Passage)
        self._spent: dict[str, Spent] = defaultdict(Spent)
        self._rss_kib: list[int] = []
        self._cpu_before: dict[str, float] = {}
        self._cpu_after: dict[str, float] = {}

    @contextmanager
    def taken(self) -> Iterator[None]:
        """Take them during the block."""
        timed = [
            (Cohorts, ("settle",)),
            (TrialStore, ("ask", "record_cohort", "record_config", "record_run")),
            (TrialStore, ("record_epoch", "complete", "records_of")),
            (KeptCodecs, ("on_trial",)),
            (PlainLines, ("on_trial",)),
            (Budget, ("on_trial",)),
        ]
        with ExitStack() as stack:
            for owner, names in timed:
                for name in names:
                    wrapped = self._timed(owner, name)
                    stack.enter_context(patch.object(owner, name, wrapped))
            for name in ("form", "take", "end"):
                stack.enter_context(patch.object(Cohorts, name, self._noted(Cohorts, name)))
            yield

    def _timed(self, owner: type, name: str) -> Callable[..., Any]:
        inner, shown = getattr(owner, name), f"{owner.__name__}.{name}"

        @functools.wraps(inner)
        def wrapper(*args: object, **named: object) -> object:
            began, cpu = time.perf_counter(), time.thread_time()
            try:
                return inner(*args, **named)
            finally:
                spent = self._spent[shown]
                spent.seconds += time.perf_counter() - began
                spent.cpu_s += time.thread_time() - cpu
                spent.calls += 1

        return wrapper

    def _noted(self, owner: type, name: str) -> Callable[..., object]:
        inner = self._timed(owner, name)

        @functools.wraps(inner)
        def wrapper(book: Cohorts, *args: object, **named: object) -> object:
            before = time.time()
            result = inner(book, *args, **named)
            getattr(self, f"_after_{name}")(before, time.time(), result, *args)
            return result

        return wrapper

    def _after_form(self, before: float, after: float, cohort: CohortConfig | None) -> None:
        if cohort is not None:
            passage = self._passages[cohort.cohort]
            passage.form, passage.formed = before, after

    def _after_take(
        self,
        before: float,
        after: float,
        _: object,
        cohort: int,
        reports: Sequence[Mapping[str, Any]],
        *_room: int,
    ) -> None:
        passage = self._passages[cohort]
        for report in reports:
            if "final" in report:
                final = report["final"]
                passage.measuring, passage.told = final[no_ops.STEPPED], final[no_ops.TOLD]
                passage.measured, passage.last = final[no_ops.ENDED], before
            else:
                m = report["metrics"]
                passage.opened, passage.began = m[no_ops.OPENED], m[no_ops.BEGAN]
                passage.stepping = m[no_ops.STEPPED]
                passage.ended, passage.worker = m[no_ops.ENDED], int(m[no_ops.WORKER])
                passage.take, passage.taken = before, after
                if not self._cpu_before:
                    self._cpu_before = _cpu_s()

    def _after_end(self, before: float, after: float, _: object, cohort: int) -> None:
        del before
        self._passages[cohort].done = after
        self._cpu_after = _cpu_s()
        self._rss_kib.append(rss_kib())

    def told(self, began: float, ended: float) -> Told:
        """Return what came out."""
        done = [each for each in self._passages.values() if each.done]
        trials = sorted(done, key=lambda each: each.began)
        return Told(
            trials,
            trials[0].began - began,
            ended - max(each.ended for each in trials),
            dict(sorted(self._spent.items(), key=lambda each: -each[1].seconds)),
            {
                who: seconds - self._cpu_before.get(who, 0.0)
                for who, seconds in self._cpu_after.items()
            },
            self._rss_kib,
        )


def rss_kib() -> int:
    """Memory of this process."""
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") // 1024


def _cpu_s() -> dict[str, float]:
    """CPU time so far, of this process by its threads, and of its descendants by their kind."""
    found: dict[str, float] = defaultdict(float)
    named = {thread.native_id: thread.name for thread in threading.enumerate()}
    for task in Path("/proc/self/task").iterdir():
        name = named.get(int(task.name), "Ray's, SQLite's and other").rstrip("_0123456789")
        found[f"driver: {name}"] += _stat(task)[1]
    parents: dict[int, list[Path]] = defaultdict(list)
    for process in Path("/proc").glob("[0-9]*"):
        try:
            parents[int(_stat(process)[0])].append(process)
        except OSError:
            continue
    waiting = [os.getpid()]
    while waiting:
        for process in parents[waiting.pop()]:
            waiting.append(int(process.name))
            try:
                comm = (process / "comm").read_text(encoding="utf-8").strip()
                comm = "workers" if comm.startswith("ray::") else f"Ray's {comm}"
                found[comm] += _stat(process)[1]
            except OSError:
                continue
    return dict(found)


def _stat(task: Path) -> tuple[int, float]:
    """Return the parent and the seconds of CPU time of a process or thread."""
    fields = (task / "stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    return int(fields[1]), (int(fields[11]) + int(fields[12])) / _TICKS
