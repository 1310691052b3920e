"""Which codecs of a study stay on the disk: those of the front, over all epochs, not only the last.

An earlier epoch of a trial may be a better bargain than its last: rate settles first, and grows
again as quality does. So each codec of each epoch is a candidate, with the epoch's estimates as its
values (the bytes of the last alone are measured). Kept are

- of complete trials: those epochs whose estimates no epoch of a complete trial beats, and the last
  one where its measured values are on the front; while all of them break a constraint, the last one
  of the trial that breaks them least;
- of running trials: the newest, and those that no complete trial and no other epoch of the same
  trial beats. What only another running trial beats stays until that one has ended: it may yet
  fail, or be stopped.

All others are deleted at once. Beyond the study's byte budget the codecs of the front that add
least volume go too, earlier epochs before any that was measured; a running trial's newest never,
nor the one that is kept for want of a trial that keeps the constraints.

What is kept follows from the trials' records, and what is there is looked up in the folder: a codec
that is missing, or was deleted before, is none the less deleted. Each deletion is a line in
``deleted.jsonl``, written before the file goes.
"""

from __future__ import annotations

import json
import math
import time
from contextlib import suppress
from typing import TYPE_CHECKING

import numpy as np

from study.base.records import TrialState
from study.fronts.dominance import contributions
from study.fronts.epochs import front_of, points_of, points_of_complete
from study.fronts.feasible import total_violation
from study.fronts.front import to_minimisation
from study.training.codec_files import codec_file, codec_files, codecs_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from pathlib import Path

    from study.base.records import TrialRecord
    from study.fronts.epochs import Key, Points
    from study.fronts.front import Objective
    from study.fronts.measures import Constraint

DELETED = "deleted.jsonl"
_DOMINATED = "dominated"
_INFEASIBLE = "breaks a constraint"
_BUDGET = "beyond storage.codec_bytes"


class KeptCodecs:
    """Decides, after every epoch and every end, which codecs stay; deletes the others.

    It looks at the trial that is told, and at the front: not at every epoch of every trial.
    """

    def __init__(
        self,
        codecs: Path,
        objectives: Sequence[Objective],
        codec_bytes: int,
        tell: Callable[[str], None],
        constraints: Sequence[Constraint] = (),
    ) -> None:
        """Look at what is there. A study that goes on then notes all of its trials, in any order.

        Args:
            codecs: the folder of the study's codecs.
            objectives: what spans the front.
            codec_bytes: how much all of them may take.
            tell: given a line where a codec of the front had to go.
            constraints: what a codec must keep to, or it is not on the front.
        """
        self._codecs, self._tell = codecs, tell
        self._objectives, self._constraints = tuple(objectives), tuple(constraints)
        self._most_bytes = codec_bytes
        self._estimated: Points = {}
        self._measured: Points = {}
        self._nearest: tuple[float, Key] | None = None
        """Of the codecs that break a constraint the one that breaks them least, and by how much."""
        self._infeasible: set[Key] = set()
        self._running: dict[int, Points] = {}
        self._newest: dict[int, int] = {}
        self._bytes: dict[int, dict[int, int]] = {}
        """Of each file, by trial and epoch."""
        for trial, epoch, file in codec_files(codecs):
            self._bytes.setdefault(trial, {})[epoch] = file.stat().st_size
        self._sum_bytes = sum(sum(each.values()) for each in self._bytes.values())
        self._front_deletions = 0
        self._is_stuck = False

    def on_trial(self, record: TrialRecord) -> None:
        """Take note of a trial after an epoch or at its end, and delete what need not stay."""
        there = self._look(record)
        if record.state is TrialState.COMPLETE:
            before = self._of_front()
            self._admit(record)
            now = self._of_front()
            gone = (before | there) - now
            self._delete(sorted(gone - self._infeasible), _DOMINATED)
            self._delete(sorted(gone & self._infeasible), _INFEASIBLE)
        elif record.state.is_final:
            self._forget(record.number)
            self._delete(sorted(there), f"its trial is {record.state.value}")
        elif record.epochs:
            self._delete(sorted(there - self._of_running(record)), _DOMINATED)
        if record.state.is_final:
            self._tidy(record.number)
        self._fit()

    def _look(self, record: TrialRecord) -> set[Key]:
        """Return the trial's codecs that may be deleted: not those of epochs yet to be told."""
        number, told = record.number, record.epochs[-1].epoch if record.epochs else 0
        files = codecs_of(self._codecs, number)
        self._sum_bytes -= sum(self._bytes.get(number, {}).values())
        self._bytes[number] = {epoch: file.stat().st_size for epoch, file in files.items()}
        self._sum_bytes += sum(self._bytes[number].values())
        return {(number, epoch) for epoch in files if epoch <= told or record.state.is_final}

    def _tidy(self, number: int) -> None:
        """Remove what a killed worker left of an ended trial."""
        folder = codec_file(self._codecs, number, 1).parent
        with suppress(OSError):
            for partial in folder.glob(".*.partial"):
                partial.unlink()
            folder.rmdir()  # If it is empty.

    def _is_there(self, key: Key) -> bool:
        return key[1] in self._bytes.get(key[0], {})

    def _of_front(self) -> set[Key]:
        kept = self._estimated.keys() | self._measured.keys()
        return kept | {self._nearest[1]} if self._nearest and not self._measured else kept

    def _admit(self, record: TrialRecord) -> None:
        """Let a complete trial's epochs take part in the fronts."""
        self._forget(record.number)
        points = points_of_complete(record, self._objectives, self._constraints)
        self._estimated = front_of(self._estimated | points)
        if not record.epochs:
            return
        last = (record.number, record.epochs[-1].epoch)
        if not record.feasible:
            self._infeasible.add(last)
            beyond = total_violation(record.final, self._constraints)
            if math.isfinite(beyond):
                self._nearest = min(self._nearest or (math.inf, last), (beyond, last))
            return
        final = [record.final.get(each.metric, math.nan) for each in self._objectives]
        if all(map(math.isfinite, final)):
            measured = {last: to_minimisation(final, self._objectives)}
            self._measured = front_of(self._measured | measured)

    def _of_running(self, record: TrialRecord) -> set[Key]:
        """Return what is kept of a trial that may go on."""
        number, newest = record.number, record.epochs[-1].epoch
        points = points_of(record, self._objectives, self._constraints)
        if self._constraints and newest >= record.total_epochs:
            # Once measured it may turn out to break one, and then beats nothing.
            points.pop((number, newest), None)
        best = front_of(self._estimated | points)
        self._running[number] = {key: best[key] for key in points if key in best}
        self._newest[number] = newest
        return self._running[number].keys() | {(number, newest)}

    def _forget(self, number: int) -> None:
        self._running.pop(number, None)
        self._newest.pop(number, None)

    def _fit(self) -> None:
        """Delete codecs of the front until all fit: first earlier epochs, then measured ones."""
        if self._sum_bytes <= self._most_bytes:
            return
        reference = to_minimisation([o.reference for o in self._objectives], self._objectives)
        measured = {key: values for key, values in self._measured.items() if self._is_there(key)}
        early = dict(self._estimated)
        for points in self._running.values():
            early |= points
        newest = set(self._newest.items())
        spare = {
            key: values
            for key, values in early.items()
            if self._is_there(key) and key not in measured and key not in newest
        }
        for points in (spare, measured):
            while points and self._sum_bytes > self._most_bytes:
                added = contributions(np.stack(list(points.values())), reference)
                # Of equals the earlier.
                _, least = min(zip(added, points, strict=True))
                del points[least]
                self._delete([least], _BUDGET)
                self._tell_deletion(*least)

    def _tell_deletion(self, trial: int, epoch: int) -> None:
        self._front_deletions += 1
        count = self._front_deletions
        if count & (count - 1) == 0:  # The first, the second, the fourth, ...
            so_far = f", {count} of the front so far" if count > 1 else ""
            self._tell(
                f"the codec of trial {trial} after epoch {epoch} was deleted although nothing "
                f"beats it{so_far}: all codecs may take {self._most_bytes:,} bytes "
                "(storage.codec_bytes), and it added least to the front; all deletions: "
                f"{self._codecs / DELETED}"
            )

    def _delete(self, keys: Iterable[Key], why: str) -> None:
        """Delete codecs, of which some may be gone; a disk that refuses stops no study."""
        gone = [key for key in keys if self._is_there(key)]
        if not gone:
            return
        when = time.strftime("%Y-%m-%dT%H:%M:%S%z")
        sizes = [self._bytes[trial].pop(epoch) for trial, epoch in gone]
        self._sum_bytes -= sum(sizes)
        try:
            with (self._codecs / DELETED).open("a", encoding="utf-8") as log:
                for (trial, epoch), size in zip(gone, sizes, strict=True):
                    told = {"trial": trial, "epoch": epoch, "bytes": size, "why": why}
                    log.write(json.dumps({**told, "when": when}) + "\n")
        except OSError as error:  # The disk is full, it may be: then the more so.
            self._tell_stuck(error)
        try:
            for key in gone:
                codec_file(self._codecs, *key).unlink(missing_ok=True)
        except OSError as error:
            self._tell_stuck(error)

    def _tell_stuck(self, error: OSError) -> None:
        if not self._is_stuck:
            self._tell(f"codecs that need not be kept could not be deleted or noted: {error}")
        self._is_stuck = True
