"""What must be true of a study once it has ended, however often it was killed.

Everything is read from the disk: Optuna's database, MLflow's, the folders of codecs, and the lines
that workers wrote about every epoch that they trained (`tools.drilled`).
"""

from __future__ import annotations

import json
import sqlite3
from collections import Counter
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from study.base.records import TrialState
from study.config.derived import objectives_of
from study.fronts.judged import JudgedStudy
from study.storage.folder import StudyFolder
from study.storage.progress import read_records
from study.storage.trial_store import TrialStore
from study.training.codec_files import codecs_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from study.base.records import TrialRecord
    from study.config import StudyConfig

SAME = 1e-9
"""Largest relative difference from the value of the undisturbed study."""

_ORPHANS_S = 120.0
"""How long the processes of a killed driver may live on, until Ray notices that it is gone: that
took 64 to 74 s on a busy machine."""


@dataclass(frozen=True)
class Finding:
    """One thing that must be true, whether it is, and what was found."""

    what: str
    is_well: bool
    how: str


def check(folder: Path, undisturbed: Path, name: str) -> list[Finding]:
    """Compare a study's records with each other, and with those of an undisturbed study."""
    study = StudyFolder(folder / "studies" / name)
    config = study.config()
    records = read_records(study, config)
    calm = read_records(StudyFolder(undisturbed / "studies" / name), config)
    return [
        *_trials(study, config, records),
        *_runs(folder / "server.db", study, records),
        *_folders(study, records),
        *trainings(_lines(folder / "epochs.jsonl")),
        *_values(config, records, calm),
    ]


def orphans(longest_s: float) -> list[Finding]:
    """Say how long the processes of killed drivers lived on."""
    how = f"gone after {longest_s:.1f} s at most"
    return [Finding("processes of killed drivers", longest_s < _ORPHANS_S, how)]


def show(findings: Iterable[Finding]) -> None:
    """Print a line for each."""
    for finding in findings:
        print(f"{'ok ' if finding.is_well else 'BAD'}  {finding.what:38s} {finding.how}")


def _trials(
    study: StudyFolder, config: StudyConfig, records: Sequence[TrialRecord]
) -> list[Finding]:
    with closing(sqlite3.connect(study.database)) as connection:
        states = dict(connection.execute("select state, count(*) from trials group by state"))
    running = states.get("RUNNING", 0) + states.get("WAITING", 0)
    lost = [
        f"{record.number}: {record.outcome or record.state.value}"
        for record in records
        if record.state is not TrialState.COMPLETE
    ]
    asked, epochs = config.search.trials, range(1, config.training.epochs + 1)
    gaps = [r.number for r in records if [e.epoch for e in r.epochs] != list(epochs)]
    settings = Counter(json.dumps(record.params, sort_keys=True) for record in records)
    doubled = sum(count - 1 for count in settings.values())
    return [
        Finding("Optuna: trials RUNNING or WAITING", running == 0, str(running)),
        Finding("Optuna: trials lost", not lost, "; ".join(lost) or f"0 of {len(records)}"),
        Finding("Optuna: trials", len(records) == asked, f"{len(records)} of {asked}"),
        Finding("Optuna: settings tried twice", doubled == 0, str(doubled)),
        Finding(
            "Optuna: every epoch of every trial",
            not gaps,
            f"missing in {gaps}" if gaps else f"{len(records)} x {len(epochs)}",
        ),
        Finding("folder of checkpoints is gone", not study.cohorts.exists(), str(study.cohorts)),
    ]


def _runs(database: Path, study: StudyFolder, records: Sequence[TrialRecord]) -> list[Finding]:
    told = TrialStore(study.config(), study.database).runs()
    with closing(sqlite3.connect(database)) as mlflow:
        runs = dict(mlflow.execute("select run_uuid, status from runs"))
        tags: dict[str, dict[str, str]] = {run: {} for run in runs}
        for run, key, value in mlflow.execute("select run_uuid, key, value from tags"):
            tags[run][key] = value
        metrics = Counter(mlflow.execute("select run_uuid, key, step from metrics").fetchall())
    of_trial = Counter(each["trial"] for each in tags.values() if "trial" in each)
    twice = [trial for trial, count in of_trial.items() if count > 1]
    by_trial = {int(each["trial"]): run for run, each in tags.items() if "trial" in each}
    others = [run for run, each in tags.items() if "trial" not in each]
    status = Counter(runs.values())
    written: set[tuple[str, str, int]] = set()
    for record in records:
        run = by_trial.get(record.number, "")
        written |= {(run, name, e.epoch) for e in record.epochs for name in e.metrics}
        written |= {(run, f"final/{name}", record.total_epochs) for name in record.final}
    # The objectives appear twice: among the final metrics, and under names of their own.
    shown = {key for key in metrics if key[0] not in others and "objective/" not in key[1]}
    again = sum(count - 1 for key, count in metrics.items() if key in shown)
    same = told == by_trial == dict(by_trial.items()) and set(told) == {r.number for r in records}
    return [
        Finding(
            "MLflow: one run for each trial",
            not twice and len(by_trial) == len(records) and len(others) == 1,
            f"{len(by_trial)} runs, {len(twice)} twice, {len(others)} summary",
        ),
        Finding("Optuna knows each trial's run", same, f"{len(told)} of {len(records)}"),
        Finding("MLflow: all runs FINISHED", set(status) == {"FINISHED"}, str(dict(status))),
        Finding(
            "MLflow: every metric, each once",
            shown == written and not again,
            f"{len(written)} in all, {len(written - shown)} missing, {len(shown - written)} "
            f"unknown, {again} written twice",
        ),
    ]


def _folders(study: StudyFolder, records: Sequence[TrialRecord]) -> list[Finding]:
    log = study.codecs / "deleted.jsonl"
    deleted = {(line["trial"], line["epoch"]) for line in _lines(log)} if log.exists() else set()
    there = {
        (record.number, epoch)
        for record in records
        for epoch in codecs_of(study.codecs, record.number)
    }
    wanted = {(record.number, epoch.epoch) for record in records for epoch in record.epochs}
    missing, unknown = wanted - there - deleted, there - wanted
    folders = [path.name for path in study.codecs.glob("trial-*")]
    own = {(record.folder or "").removeprefix("codecs/") for record in records}
    strange = set(folders) - own
    partial = [str(path) for path in study.codecs.rglob("*.partial")]
    is_well = not (missing or unknown or strange or partial) and len(own) == len(records)
    return [
        Finding(
            "a codec of each epoch, kept or deleted",
            is_well,
            f"{len(there)} kept, {len(wanted & deleted - there)} deleted, {len(missing)} missing, "
            f"{len(unknown) + len(strange)} unknown, {len(partial)} partial",
        ),
        Finding("one folder of codecs for each trial", len(own) == len(records), f"{len(own)}"),
    ]


def trainings(lines: Sequence[Mapping[str, Any]]) -> list[Finding]:
    """Say whether any epoch was trained again although a checkpoint held it.

    Ray may restart a worker that was killed at its birth although its cohort went to another one
    meanwhile: the restarted worker begins, and is never told to train.

    Args:
        lines: what workers wrote, in order.
    """
    saved: dict[int, int] = {}
    at: dict[tuple[int, int], int] = {}
    held: dict[tuple[int, int], int] = {}
    trained: Counter[tuple[int, int]] = Counter()
    wrong: list[str] = []
    for line in lines:
        pid = line["pid"]
        epochs = {int(trial): epoch for trial, epoch in line.get("epochs", {}).items()}
        if line["what"] == "saved":
            saved |= {trial: max(epoch, saved.get(trial, 0)) for trial, epoch in epochs.items()}
        elif line["what"] == "began":
            for trial, epoch in epochs.items():
                at[pid, trial], held[pid, trial] = epoch, saved.get(trial, 0)
        else:
            trial, epoch = line["trial"], line["epoch"]
            if epoch != at.get((pid, trial), 0) + 1:
                wrong.append(f"trial {trial} trained epoch {epoch} after {at.get((pid, trial), 0)}")
            if epoch <= held.get((pid, trial), 0):
                wrong.append(f"trial {trial} trained epoch {epoch}, saved {held[pid, trial]}")
            at[pid, trial] = epoch
            trained[trial, epoch] += 1
    again = sum(count - 1 for count in trained.values())
    how = f"{len(trained)} epochs trained, {again} again that no checkpoint held"
    if wrong:
        how = f"{len(wrong)} times: {'; '.join(wrong[:5])}"
    return [Finding("no epoch again that was saved", bool(trained) and not wrong, how)]


def _values(
    config: StudyConfig, records: Sequence[TrialRecord], calm: Sequence[TrialRecord]
) -> list[Finding]:
    objectives = objectives_of(config)
    fronts = [
        sorted(r.number for r in JudgedStudy(each, objectives).front) for each in (records, calm)
    ]
    same_settings = [r.params for r in records] == [r.params for r in calm]
    apart = max(
        (
            abs(ours.final.get(o.metric, 0.0) - theirs.final[o.metric])
            / abs(theirs.final[o.metric])
            for ours, theirs in zip(records, calm, strict=False)
            for o in objectives
        ),
        default=1.0,
    )
    return [
        Finding("undisturbed: same settings", same_settings, f"{len(calm)} trials"),
        Finding("undisturbed: same front", fronts[0] == fronts[1], f"trials {fronts[0]}"),
        Finding("undisturbed: same values", apart <= SAME, f"apart by {apart:.1e} at most"),
    ]


def _lines(file: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
