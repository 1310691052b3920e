"""MLflow as an observer of a study.

Everything is written from the driver in a background thread; nothing here ever raises into the
study or makes it wait (design, decision 9). What is written, and how gaps are found, is told in
`study.tracking.ledger`; how a server that is down is dealt with, in `study.tracking.courier`.
"""

from __future__ import annotations

import sys
import textwrap
import threading
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from study.records import TrialState
from study.tracking.client import connect, is_database, quieten
from study.tracking.courier import Courier
from study.tracking.ledger import Ledger

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from study.fronts.front import Objective
    from study.records import TrialRecord

_WORKERS_START_S = 20.0
"""How long MLflow is not imported while no worker has told of its first epoch."""


class MlflowObserver:
    """Shows a study in MLflow as it runs.

    Args:
        uri: a database such as ``sqlite:///studies/mlflow.db``, or the address of a server.
        artifact_root: where artifacts go when `uri` is a database; a server has its own place.
        study_name: the experiment's name.
        study_config: the whole configuration, kept with the summary as ``study.json``.
        objectives: what the front is about.
        study_id: tells this study's runs from those of another one of the same name, for instance
            on a server that several people use, or after a study's folder was deleted.
        on_run: told each trial's number and MLflow run, once, from the background thread; whatever
            it raises counts as a failure to deliver, and it is told again.
    """

    def __init__(
        self,
        *,
        uri: str,
        artifact_root: Path,
        study_name: str,
        study_config: Mapping[str, object],
        objectives: Sequence[Objective],
        study_id: str = "",
        on_run: Callable[[int, str], None] = lambda _trial, _run: None,
    ) -> None:
        """Return at once: mlflow is imported, and its database made, in the background."""
        quieten()
        self._uri = uri
        self._records: dict[int, TrialRecord] = {}
        self._told: set[int] = set()
        self._workers_work = threading.Event()

        def tell(trial: int, run: str) -> None:
            if trial not in self._told:  # A connection made anew would tell all of them again.
                on_run(trial, run)
                self._told.add(trial)

        def reach() -> Ledger:
            self._workers_work.wait(_WORKERS_START_S)
            return Ledger(
                client=connect(uri),
                artifact_location=artifact_root.resolve().as_uri() if is_database(uri) else None,
                tags={"study": study_name, "study_id": study_id},
                study_config=study_config,
                objectives=objectives,
                on_run=tell,
            )

        self._courier = Courier("mlflow", reach)

    def on_trial(self, record: TrialRecord) -> None:
        """Take note of a trial: at its start, after each epoch, and at its end. Microseconds.

        A trial has its run from its start. The first ones wait a little for theirs: to import
        MLflow and open its database takes seconds of a processor that the starting workers need.
        """
        self._records[record.number] = record
        if record.epochs or record.state.is_final:
            self._workers_work.set()
        self._courier.send(f"trial {record.number}", lambda ledger: ledger.write_trial(record))
        if record.state is TrialState.COMPLETE:
            records = tuple(self._records.values())
            self._courier.send("the front", lambda ledger: ledger.mark_front(records))

    def on_summary(self, metrics: Mapping[str, float], artifacts: Sequence[Path]) -> None:
        """Take note of how the study as a whole stands; a later summary replaces the earlier."""
        finished = sum(record.state is TrialState.COMPLETE for record in self._records.values())
        self._courier.send(
            "the summary", lambda ledger: ledger.write_summary(metrics, artifacts, finished)
        )

    def close(self, timeout_s: float) -> str | None:
        """Write what waits, for at most so many seconds; return a sentence if something is missing.

        Nothing of the study is lost then: MLflow only mirrors it.
        """
        self._workers_work.set()
        missing, error = self._courier.close(timeout_s)
        if not missing:
            return None
        cause = f"it did not finish within {timeout_s:g} s" if error is None else _cause(error)
        sentence = (
            f"MLflow at {self._uri} lacks {_listed(missing)} ({textwrap.shorten(cause, 200)}); the "
            "study's own records are whole."
        )
        user_and_password, at, _ = urlsplit(self._uri).netloc.rpartition("@")
        return sentence.replace(user_and_password + at, "") if at else sentence


def ui_command(uri: str, port: int = 5000) -> list[str]:
    """Return the command that opens MLflow's pages on what was tracked at `uri`, safely.

    A server that runs already is opened in the browser. For a database one is started, on the
    loopback interface only, with one worker (the default takes 25 s and 2.5 GB to start) and with
    the execution of jobs off, through which MLflow servers have been taken over.
    """
    if not is_database(uri):
        return [sys.executable, "-m", "webbrowser", uri]
    settings = {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false", "MLFLOW_DISABLE_TELEMETRY": "true"}
    return [
        "env",
        *(f"{name}={value}" for name, value in settings.items()),
        *(sys.executable, "-m", "mlflow", "server"),
        *("--backend-store-uri", uri),
        *("--host", "127.0.0.1", "--port", str(port)),
        *("--workers", "1"),
    ]


def _cause(error: BaseException) -> str:
    """Return what went wrong: the operating system's word, which MLflow buries, or the error's."""
    told: BaseException | None = error
    while told is not None:
        if isinstance(told, OSError):
            error = told
        told = told.__cause__ or told.__context__
    return str(error)


def _listed(names: Sequence[str]) -> str:
    """Return "a", "a and b", "a, b and c", or the first few and how many more."""
    shown = 5
    if len(names) > shown:
        names = [*names[: shown - 1], f"{len(names) - shown + 1} more"]
    return ", ".join(names[:-1]) + " and " + names[-1] if names[1:] else names[0]
