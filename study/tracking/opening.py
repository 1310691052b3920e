"""What a study's configuration, storage and data say to MLflow, and opening it for a study."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from study.base.addresses import masked
from study.base.errors import StudyError
from study.config.derived import objectives_of
from study.config.yaml_file import study_text
from study.data import open_data_set
from study.storage.provenance import provenance_files
from study.tracking.facts import StudyFacts

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from typing import Any

    from study.base.records import TrialRecord
    from study.config import StudyConfig
    from study.report import ReportFiles
    from study.storage.folder import StudyFolder
    from study.storage.trial_store import TrialStore
    from study.tracking.observer import MlflowObserver


def tracking_uri(config: StudyConfig, folder: StudyFolder) -> str:
    """Return where MLflow keeps its records: by default one database for all studies of a root."""
    return config.tracking.uri or f"sqlite:///{folder.path.parent / 'mlflow.db'}"


def artifact_root(folder: StudyFolder) -> Path:
    """Return where MLflow keeps files, where its records are a database of ours."""
    return folder.path.parent / "mlartifacts"


def own_artifacts(config: StudyConfig, folder: StudyFolder) -> Path | None:
    """Return where a study's files must be for the root to be no copy of another.

    None where the user chose the database: that says itself where files are.
    """
    return artifact_root(folder) if config.tracking.uri is None else None


def facts_of(config: StudyConfig, store: TrialStore, folder: StudyFolder) -> StudyFacts:
    """Return what MLflow is told of a study; no password is in it."""
    shown = config
    for name in ("tracking", "storage"):
        section = getattr(config, name)
        if section.uri is not None:
            hidden = section.model_copy(update={"uri": masked(section.uri)})
            shown = shown.model_copy(update={name: hidden})
    return StudyFacts(
        name=config.name,
        identity=store.identity,
        objectives=objectives_of(config),
        config=shown.model_dump(mode="json"),
        study_file=study_text(shown),
        searched=tuple(config.search.space),
        folder=folder.path,
        owns_name=config.tracking.uri is None,
        data_sets=store.data_sets(),
        provenance={f"provenance-{p.name}": p.read_bytes() for p in provenance_files(folder)},
    )


def open_tracking(
    config: StudyConfig,
    store: TrialStore,
    folder: StudyFolder,
    draw: Callable[[Sequence[TrialRecord]], ReportFiles],
) -> MlflowObserver:
    """Start recording in MLflow; it catches up by itself and never stops a trial.

    Args:
        config: the study.
        store: its trials.
        folder: its folder.
        draw: writes the report of some trials; called in a thread of its own.
    """
    from study.tracking.observer import MlflowObserver

    return MlflowObserver(
        uri=tracking_uri(config, folder),
        artifact_root=artifact_root(folder),
        facts=facts_of(config, store, folder),
        on_run=store.record_run,
        draw=lambda records: contents(draw(records)),
    )


def contents(files: ReportFiles) -> dict[str, bytes]:
    """Return the files of a report by their names, as they are now."""
    return {path.name: path.read_bytes() for path in files.paths}


def note_data_sets(store: TrialStore, folders: Iterable[Path]) -> None:
    """Write down in the truth which prepared data sets a study trains on."""
    store.record_data_sets([_described(folder) for folder in folders])


def recall_data_sets(store: TrialStore, trials: Iterable[int]) -> None:
    """Write down the data sets of a study that began before they were, as far as they are there."""
    if store.data_sets():
        return
    told = (store.worker_config(trial).get("data_folder") for trial in trials)
    for folder in dict.fromkeys(name for name in told if name):
        with suppress(StudyError):
            note_data_sets(store, [Path(folder)])


def _described(folder: Path) -> Mapping[str, Any]:
    manifest = open_data_set(folder).manifest
    return {
        "source": manifest.source,
        "content_hash": manifest.content_hash,
        "fingerprint": manifest.fingerprint,
        "folder": str(folder),
        **manifest.geometry,
        **{
            f"{split}_{what}": getattr(counts, what)
            for split, counts in manifest.splits.items()
            for what in ("clouds", "patches", "points")
        },
    }
