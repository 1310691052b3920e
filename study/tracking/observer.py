"""MLflow as an observer of a study.

Everything is written from the driver in a background thread; nothing here ever raises into the
study or makes it wait (decision 0018). What is written, and how gaps are found, is told in
`study.tracking.ledger`; how a server that is down is dealt with, in `study.tracking.courier`.
"""

from __future__ import annotations

import threading
from contextlib import suppress
from typing import TYPE_CHECKING

from study.base.addresses import told_safely
from study.tracking.client import cause_of, connect, is_database, quieten
from study.tracking.courier import Courier, RateLimit
from study.tracking.ledger import Ledger

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from study.base.records import TrialRecord, TrialState
    from study.report.standing import Standing
    from study.tracking.facts import StudyFacts

    Draw = Callable[[Sequence[TrialRecord]], Mapping[str, bytes]]

_WORKERS_START_S = 20.0
"""How long the import of MLflow waits for a first epoch."""

_STANDING = "the summary"
_FILES = "the front's pictures"
"""Names of the parcels besides trials, as a user reads them."""

_STANDING_PACE = RateLimit(share=0.02)
_DRAWING_PACE = RateLimit(pause_s=60.0, share=0.02)
"""These deliveries take time from the driver. The standing of 16 trials takes 20 ms, that of 10,000
2 s (docs/benchmarks.md); drawing the report takes 1 to 3 s."""


def nothing_to_draw(_records: Sequence[TrialRecord]) -> Mapping[str, bytes]:
    """Return no files."""
    return {}


class MlflowObserver:
    """Shows a study in MLflow as it runs.

    Args:
        uri: a database such as ``sqlite:///studies/mlflow.db``, or the address of a server.
        artifact_root: where artifacts go when `uri` is a database; a server has its own place.
        facts: what the study is.
        on_run: called once with each trial's number and MLflow run, in the background thread; an
            exception counts as a failed delivery, and the call is repeated.
        draw: called with the trials in the background thread, about once a minute; returns the
            files of the summary, by name.
    """

    def __init__(
        self,
        *,
        uri: str,
        artifact_root: Path,
        facts: StudyFacts,
        on_run: Callable[[int, str], None] = lambda _trial, _run: None,
        draw: Draw = nothing_to_draw,
    ) -> None:
        """Return at once: the background thread imports mlflow and creates its database."""
        quieten()
        self._uri, self._draw, self._on_run = uri, draw, on_run
        self._artifacts = artifact_root.resolve().as_uri() if is_database(uri) else None
        self._facts = facts
        self._records: dict[int, TrialRecord] = {}
        self._states: dict[int, TrialState] = {}
        self._told: set[int] = set()
        self._is_over = False
        self._standings: Sequence[Standing] = ()
        self._files: Mapping[str, bytes] | None = None
        self._workers_work = threading.Event()
        self._courier: Courier[Ledger] = Courier("mlflow", self._reach)
        self._courier.rest(_FILES, _DRAWING_PACE.pause_s)
        self._send_standing()
        self._send_files()

    def _reach(self) -> Ledger:
        """Connect to MLflow, and send again the trials whose runs it has lost."""
        self._workers_work.wait(_WORKERS_START_S)
        ledger = Ledger(
            client=connect(self._uri),
            artifact_location=self._artifacts,
            facts=self._facts,
            on_run=self._tell,
        )
        lost = {number for number in self._told if not ledger.has_run(number)}
        for number in sorted(lost):
            self._send_trial(self._records[number])
        if lost:
            self._told -= lost
            self._send_standing()
            self._send_files()
        return ledger

    def _tell(self, trial: int, run: str) -> None:
        if trial not in self._told:  # A new connection tells all of them again.
            self._on_run(trial, run)
            self._told.add(trial)

    def on_trial(self, record: TrialRecord) -> None:
        """Take note of a trial: at its start, after each epoch, and at its end. Microseconds.

        A trial's run is created at its start. The first runs come later: importing MLflow and
        opening its database takes seconds of a processor that the starting workers need.
        """
        self._records[record.number] = record
        if record.epochs or record.state.is_final:
            self._workers_work.set()
        self._send_trial(record)
        if self._states.get(record.number) is not record.state:
            self._states[record.number] = record.state
            self._send_standing()
            self._send_files()

    def _send_trial(self, record: TrialRecord) -> None:
        self._courier.send(f"trial {record.number}", lambda ledger: ledger.write_trial(record))

    def _send_standing(self) -> None:
        """Send the standing of the trials, computed on delivery."""
        self._courier.send(
            _STANDING,
            lambda ledger: ledger.write_standing(
                self._now(), is_over=self._is_over, standings=self._standings
            ),
            _STANDING_PACE,
        )

    def _send_files(self) -> None:
        """Send the summary's files, drawn on delivery."""
        self._courier.send(_FILES, self._write_files, _DRAWING_PACE)

    def _write_files(self, ledger: Ledger) -> None:
        """Upload the final files, or draw: before the end, and if a trial got its run meanwhile."""
        records = ledger.with_runs(self._now())
        files = self._files
        if files is None or records != self._now():
            with suppress(Exception):  # The driver's last report tells what is wrong.
                files = self._draw(records) or files
        ledger.write_files(records, files or {})

    def _now(self) -> list[TrialRecord]:
        """Return the newest records of all trials; any thread may call it."""
        return [self._records[number] for number in sorted(self._records)]

    def on_end(
        self,
        files: Mapping[str, bytes] | None = None,
        records: Sequence[TrialRecord] = (),
        draw: Draw | None = None,
        standings: Sequence[Standing] = (),
    ) -> None:
        """Take note that the work on the study has ended.

        Args:
            files: the summary's final files; None keeps those drawn last.
            records: the trials that the files show.
            draw: draws the files again, with links to the runs that trials got in the meantime.
            standings: how the front stands against other codecs, where that is known.
        """
        self._draw = draw or self._draw
        self._records |= {record.number: record for record in records}
        self._is_over, self._files, self._standings = True, files, standings
        self._send_standing()
        if files is None:
            self._courier.drop(_FILES)
        else:
            self._send_files()

    def close(self, timeout_s: float) -> str | None:
        """Write what waits, for at most so many seconds; return a sentence if something is missing.

        The study then loses nothing: MLflow only mirrors it.
        """
        self._workers_work.set()
        missing, error = self._courier.close(timeout_s)
        if not missing:
            return None
        cause = f"it did not finish within {timeout_s:g} s" if error is None else cause_of(error)
        sentence = (
            f"MLflow at {self._uri} lacks {_listed(missing)} ({cause}); the "
            "study's own records are whole."
        )
        return told_safely(sentence, self._uri)


def _listed(names: Sequence[str]) -> str:
    """Return "a", "a and b", "a, b and c", or the first few and the number of the others."""
    shown = 5
    if len(names) > shown:
        names = [*names[: shown - 1], f"{len(names) - shown + 1} more"]
    return ", ".join(names[:-1]) + " and " + names[-1] if names[1:] else names[0]
