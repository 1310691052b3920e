"""One cohort as Ray Tune runs it: each step an epoch of all its trials, or the measuring of one."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import ray
from ray import tune

from study.cohorts.reports import EpochReport, FailureReport, FinalReport, to_json
from study.cohorts.worker_progress import PROGRESS_FILE, CohortProgress
from study.config import CohortConfig
from study.families.family import family_of
from study.training.cloud_results import write_results
from study.training.members import member_of
from study.workers.machine import Machine
from study.workers.patience import BEGINNING, Patience
from study.workers.places import place_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from study.cohorts.reports import Report
    from study.cohorts.work import Work
    from study.config import TrialConfig
    from study.training.members import EpochResult

REPORTS = "reports"
ROOM = "room"
NOTE = "note"
"""Keys of a step's result: its reports as text (`study.cohorts.reports`), the number of further
trials that the cohort has room for, and a sentence for the user, or none."""

COHORT = "cohort"
OPENING = "opening"
COHORT_CONFIG = "cohort_config"
"""Keys of what Ray takes for a cohort's configuration: its number, the count of cohorts handed out
by this driver, and a `CohortConfig` as text (Ray takes apart what it can look into, and names
things after it)."""


class CohortTrainable(tune.Trainable):
    """A cohort as an actor of Ray's. Its family says what is trained.

    Each step ends with a checkpoint that holds its reports, and each measuring is a step of its
    own. So a failure costs one step at most, and no epoch is trained again because a driver missed
    its report. Checkpoints are written here rather than through Ray, which would need another round
    trip. A worker runs one cohort after the other.
    """

    def setup(self, config: Mapping[str, Any]) -> None:
        """Begin a cohort in a new worker, or go on with one.

        An error is raised by the first step: of a step's error Ray keeps the type, of a setup's
        the text alone.
        """
        self._unraised: Exception | None = None
        try:
            self.begin(config)
        except Exception as error:  # noqa: BLE001 (it is raised, though later)
            self._unraised = error

    def begin(self, config: Mapping[str, Any]) -> None:
        """Do what `setup` says."""
        self._cohort = CohortConfig.model_validate_json(config[COHORT_CONFIG])
        self._place = place_of(self._cohort)
        note, longest_s = self._place.hung_note, self._cohort.longest_step_s
        self._patience = Patience(note, longest_s, getattr(self, "_patience", None))
        with self._patience.limit(BEGINNING):
            self._work = self._open_work()
            self._progress = CohortProgress(
                trials={trial.trial: trial for trial in self._cohort.trials}
            )
            self._machine = Machine() if self._cohort.trials[0].system_metrics else None
            self._note = ""
            self._untold: list[list[Report]] = []
            if self._restore():
                self._untold = list(self._progress.told)
            elif self._cohort.restore:
                self._note = "a cohort begins anew, for none of its checkpoints is whole"

    def reset_config(self, new_config: Mapping[str, Any]) -> bool:
        """Begin another cohort in the same worker."""
        del self._work  # Or the memory of two would be taken.
        self._place.leave()
        self.setup(new_config)
        return True

    def cleanup(self) -> None:
        """Remove what is of no use without the worker."""
        self._place.leave()

    def step(self) -> dict[str, Any]:
        """Follow the orders; then measure a finished trial, or train an epoch of all others."""
        if self._unraised is not None:
            raise self._unraised
        if self._untold:
            return self._told(self._untold.pop(0))
        self._follow_orders()
        reports: Sequence[Report] = []
        with self._patience.limit("measuring" if self._work.finished else "epoch"):
            if self._work.finished:
                reports = [self._measure(self._work.finished[0])]
            elif self._work.living:
                reports = self._train()
            self._progress.steps += 1
            self._progress.told = [*self._progress.told, list(reports)][-2:]
            if self._is_busy():
                self._place.write_checkpoint(self._progress.steps, self._save)
        return self._told(reports)

    def _open_work(self) -> Work:
        family = family_of(self._cohort.trials[0].family)
        cohort = self._cohort.model_copy(update={"trials": tuple(self._place.trials())})
        return family.work(cohort, device_of_worker())

    def _told(self, reports: Sequence[Report]) -> dict[str, Any]:
        note, self._note = self._note, ""
        done = not self._is_busy()
        return {REPORTS: to_json(reports), ROOM: self._room(), NOTE: note, "done": done}

    def _is_busy(self) -> bool:
        return bool(self._work.living or self._work.finished)

    def _save(self, folder: Path) -> None:
        self._work.save(folder)
        text = self._progress.model_dump_json()
        (folder / PROGRESS_FILE).write_text(text, encoding="utf-8")

    def _restore(self) -> bool:
        """Go on from the newest whole checkpoint; return whether there is one."""
        for path in self._place.checkpoints():
            try:
                progress = (path / PROGRESS_FILE).read_text(encoding="utf-8")
                self._progress = CohortProgress.model_validate_json(progress)
                self._work.load(path)
            except (OSError, ValueError):  # ValueError: damaged text, and any StudyError
                self._work = self._open_work()
                continue
            self._progress.followed = 0
            self._match_members()
            return True
        self._progress = CohortProgress(
            trials={trial.trial: trial for trial in self._cohort.trials}
        )
        return False

    def _match_members(self) -> None:
        """Drop the trials that ended meanwhile, and add those that the checkpoint lacks."""
        wanted = {trial.trial: trial for trial in self._cohort.trials}
        living = (*self._work.living, *self._work.finished)
        self._work.leave([trial for trial in living if trial not in wanted])
        self._join([each for n, each in wanted.items() if n not in self._progress.trials])

    def _join(self, trials: Sequence[TrialConfig]) -> None:
        progress = self._progress
        came = [trial.model_copy(update={"order_from": progress.clock}) for trial in trials]
        progress.trials |= {trial.trial: trial for trial in came}
        if came:
            self._work.join([member_of(trial) for trial in came])

    def _follow_orders(self) -> None:
        for order in self._place.orders_after(self._progress.followed):
            self._work.leave([trial for trial in order.leave if self._is_in(trial)])
            self._join(order.join)
            self._progress.followed += 1

    def _is_in(self, trial: int) -> bool:
        return trial in self._work.living or trial in self._work.finished

    def _train(self) -> Sequence[Report]:
        trained = tuple(self._work.living)
        started = time.perf_counter()
        results = self._work.run_epoch()
        seconds = time.perf_counter() - started
        self._progress.pace.note(len(trained), seconds)
        self._progress.clock += 1
        with self._place.codecs() as folder:
            if folder is not None:
                self._work.write_codecs(folder)
        reading = self._machine.read() if self._machine else {}
        return [self._epoch_report(trial, results[trial], seconds, reading) for trial in trained]

    def _epoch_report(
        self, trial: int, result: EpochResult, seconds: float, reading: Mapping[str, float]
    ) -> Report:
        own = self._progress.trials[trial]
        elapsed_s = self._add_time(trial, seconds)
        config = own if self._progress.clock == own.order_from + 1 else None
        if (failure := result.failure) is not None:
            return FailureReport(trial=trial, elapsed_s=elapsed_s, failure=failure, config=config)
        epoch, metrics = self._work.epochs_done(trial), {**result.metrics, **reading}
        return EpochReport(
            trial=trial, elapsed_s=elapsed_s, epoch=epoch, metrics=metrics, config=config
        )

    def _measure(self, trial: int) -> Report:
        started = time.perf_counter()
        measured = self._work.measure(trial)
        elapsed_s = self._add_time(trial, time.perf_counter() - started)
        if measured.failure is not None:
            return FailureReport(trial=trial, elapsed_s=elapsed_s, failure=measured.failure)
        with self._place.codecs() as folder:
            if folder is not None and measured.clouds:
                write_results(folder, trial, measured.clouds)
        return FinalReport(trial=trial, elapsed_s=elapsed_s, metrics=measured.metrics)

    def _add_time(self, trial: int, seconds: float) -> float:
        elapsed = self._progress.elapsed_s
        elapsed[trial] = elapsed.get(trial, 0.0) + seconds
        return elapsed[trial]

    def _room(self) -> int:
        """Return how many trials may join, where refilling is worth it."""
        living, size = len(self._work.living), self._cohort.size
        return size - living if self._progress.pace.worth_refilling(living, size) else 0


def device_of_worker() -> str:
    """Return where a worker's tensors lie: on the GPU, if it was given one or a share of one."""
    has_gpu = bool(ray.get_runtime_context().get_accelerator_ids().get("GPU"))
    return "cuda" if has_gpu else "cpu"
