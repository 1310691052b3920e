"""What telling MLflow costs those who train and those who drive, a live server and a dead one.

The server is MLflow's own, in a process of its own, on a database in a folder that is deleted
afterwards. One trial tells of one epoch after the other, with 20 metrics each; nothing else runs in
between but the thread that delivers. What is timed is for how long the caller is held up, by the
wall. A worker knows no MLflow: it reports to the driver, and reads its machine if it is asked to.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from study.base.records import EpochRecord, TrialRecord, TrialState
from study.fronts.front import Direction, Objective
from study.tracking.client import connect, quieten
from study.tracking.facts import StudyFacts
from study.tracking.observer import MlflowObserver
from study.tracking.server import free_port, running_server
from study.workers.machine import Machine

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

MOST_MS = 2.0
"""The bar: of an epoch, by the median."""

_METRICS = 20
_PAUSE_S = 0.05
"""Between two epochs. Real ones last seconds; shorter pauses give the delivering thread no rest."""

_DEAD_ATTEMPT_S = 1.5
"""So long after the server's end the first attempt on it has failed."""

_OBJECTIVES = (
    Objective("bpp", Direction.MINIMIZE, reference=3.0),
    Objective("d1_psnr_db", Direction.MAXIMIZE, reference=20.0),
)


class Held(NamedTuple):
    """For how long callers were held up.

    Attributes:
        name: what they did.
        times_ms: one for each epoch.
        has_bar: whether the bar is of these.
    """

    name: str
    times_ms: list[float]
    has_bar: bool = False

    @property
    def median_ms(self) -> float:
        """The number that counts."""
        return statistics.median(self.times_ms)

    def __str__(self) -> str:
        bar = f"; bar {MOST_MS:g} ms: {'held' if self.median_ms <= MOST_MS else 'NOT HELD'}"
        return (
            f"  {self.name:44} {self.median_ms:9.3f} ms, at most {max(self.times_ms):9.3f}"
            f"{bar if self.has_bar else ''}"
        )


def run(pairs: int) -> bool:
    """Measure and print; whether the bar is held."""
    quieten()
    told = list(measured(epochs=10 * pairs, stock=max(2, pairs // 3)))
    for each in told:
        print(each, flush=True)
    return all(each.median_ms <= MOST_MS for each in told if each.has_bar)


def measured(epochs: int, stock: int) -> Iterator[Held]:
    """Measure all ways, so many epochs each; those that hold the caller up for long fewer."""
    machine = Machine()
    readings = [_timed_ms(machine.read) for _ in range(epochs)]
    yield Held("a worker: one reading of system metrics", readings, has_bar=True)
    with tempfile.TemporaryDirectory() as name, ExitStack() as while_up:
        folder, port = Path(name), free_port(None)
        uri = f"sqlite:///{folder / 'mlflow.db'}"
        connect(uri).search_experiments()  # Its tables are made.
        server = while_up.enter_context(running_server(uri, folder, port, folder / "log"))
        server.wait_until_up()
        watching = _observer(server.client_uri, folder)
        yield Held("the driver: on_trial, server up", _told_ms(watching, 0, epochs), has_bar=True)
        client = connect(server.client_uri)
        run_id = client.create_run(client.create_experiment("stock")).info.run_id
        yield Held("stock: log_batch of 20 metrics", _stock_ms(client.log_batch, run_id, stock))
        yield Held(
            "stock: log_metric, 20 times (Ray's callback)",
            _one_by_one_ms(client.log_metric, run_id, stock),
        )
        while_up.close()
        watching.on_trial(_trial(1, 1))
        time.sleep(_DEAD_ATTEMPT_S)
        yield Held("the driver: on_trial, server dead", _told_ms(watching, 1, epochs), has_bar=True)
        watching.close(timeout_s=0.0)


def _observer(uri: str, folder: Path) -> MlflowObserver:
    facts = StudyFacts("logging", "benchmark", _OBJECTIVES, {})
    return MlflowObserver(uri=uri, artifact_root=folder, facts=facts)


def _told_ms(watching: MlflowObserver, number: int, epochs: int) -> list[float]:
    """Tell of a trial's epochs, one after the other."""
    times = []
    for epoch in range(1, epochs + 1):
        times.append(_timed_ms(partial(watching.on_trial, _trial(number, epoch))))
        time.sleep(_PAUSE_S)
    return times


def _stock_ms(log_batch: Callable[..., object], run_id: str, epochs: int) -> list[float]:
    from mlflow.entities import Metric  # noqa: PLC0415 (seconds that `--help` need not wait)

    def tell(epoch: int) -> None:
        metrics = [Metric(name, value, 0, epoch) for name, value in _values(epoch).items()]
        log_batch(run_id, metrics=metrics, synchronous=True)

    return [_timed_ms(partial(tell, epoch)) for epoch in range(epochs)]


def _one_by_one_ms(log_metric: Callable[..., object], run_id: str, epochs: int) -> list[float]:
    def tell(epoch: int) -> None:
        for name, value in _values(epoch).items():
            log_metric(run_id, name, value, step=epoch)

    return [_timed_ms(partial(tell, epoch)) for epoch in range(epochs)]


def _trial(number: int, epochs: int) -> TrialRecord:
    """Return a trial that has trained so many epochs."""
    return TrialRecord(
        number=number,
        state=TrialState.RUNNING,
        params={"loss.bpp_lambda": 1e-4},
        epochs=tuple(EpochRecord(epoch, _values(epoch)) for epoch in range(1, epochs + 1)),
        total_epochs=epochs,
    )


def _values(epoch: int) -> Mapping[str, float]:
    return {f"metric_{index:02d}": index / (epoch + 1) for index in range(_METRICS)}


def _timed_ms(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return 1e3 * (time.perf_counter() - started)
