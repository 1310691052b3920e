"""One trial of a study as a codec that can be taken home."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any

from model.codec_folder import save_codec
from study.base.errors import StudyError
from study.checkpoints.operating_point import choose
from study.checkpoints.taken import TakenCodec
from study.config import TrialConfig
from study.config.family import require_octree, settings_of
from study.config.judging import judge
from study.data import open_data_set
from study.data.manifest import read_manifest
from study.data.version import code_version
from study.families.family import family_of
from study.metrics import PsnrConvention
from study.search.space import apply
from study.storage.folder import data_of
from study.storage.progress import read_progress
from study.training.checkpoint import read_codec
from study.training.codec_files import codec_file, codec_files
from study.training.octree_member import SLOPE, beside_octree, slope_beside

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from study.base.records import TrialRecord
    from study.checkpoints.operating_point import Wish
    from study.config import CodecSection, DataRecipe, StudyConfig
    from study.data.manifest import Manifest
    from study.storage.folder import StudyFolder
    from study.storage.trial_store import TrialStore
    from study.training.architecture import Architecture, Network


_MEASURED = "measured on the finished codec, in the bytes of its files"


def export(study: StudyFolder, wish: Wish, folder: Path, epoch: int | None = None) -> TakenCodec:
    """Write the codec of one trial into a new folder, with where it comes from.

    Args:
        study: which study; it may have been moved.
        wish: which of its trials.
        folder: where the codec is written; must not exist yet.
        epoch: after which epoch of that trial; None: the last.

    Raises:
        StudyError: no trial qualifies, or its codec is not kept.
        CodecError: the folder exists or cannot be written.
    """
    config = study.config()
    progress = read_progress(study, config)
    record = choose(judge(config, progress.records), wish)
    assert progress.store is not None, "a trial was chosen, and it was read from there"
    taken = take(study, config, progress.store, record, epoch)
    save_codec(taken.codec, folder, taken.about)
    return taken


def take(
    study: StudyFolder,
    config: StudyConfig,
    store: TrialStore,
    record: TrialRecord,
    epoch: int | None = None,
    members: CodecSection | None = None,
) -> TakenCodec:
    """Return the codec of a trial, with where it comes from, and write nothing.

    It is the codec that was measured: the weights after the last epoch, frozen in the same way.
    One of an earlier epoch, where the study keeps it, was not measured, and says so.

    Args:
        study: which study; it may have been moved.
        config: as it was started.
        store: its database.
        record: the trial.
        epoch: after which epoch of it; None: the last.
        members: who codes; None: as the study says. With others it was not measured, and says so.

    Raises:
        StudyError: its codec is not kept, or another one is in its place.
        CodecError: the octree is to be a member of a codec of normals.
    """
    trial = TrialConfig.model_validate_json(json.dumps(store.worker_config(record.number)))
    last = trial.training.epochs
    epoch = last if epoch is None else epoch
    architecture = family_of(trial.family).architecture(trial.model)
    network = _trained(study, record.number, epoch, architecture)
    members = members or trial.codec
    is_measured = epoch == last and members == trial.codec
    metrics = record.final if is_measured else _estimated(record, epoch)
    data = data_of(study, config, trial.data_folder)
    manifest = read_manifest(data) if data.is_dir() else None
    # What shapes the data may be searched too.
    recipe = manifest.recipe if manifest else apply(config, record.params).preparation.recipe
    codec = architecture.coder(network, recipe.partition(), is_ours=False)
    if members.has_octree:
        require_octree(trial.family)
        codec = beside_octree(codec, _slope(record.final if epoch == last else metrics, data))
    metrics_are = _MEASURED
    if epoch != last:
        metrics_are = f"estimates after epoch {epoch} of {last}; no file of this codec was weighed"
    elif not is_measured:
        metrics_are = (
            f"estimates of the learned codec: files were measured of the members "
            f"{', '.join(trial.codec.members)}, and this codec has {', '.join(members.members)}"
        )
    about = {
        "source": "a trial of a study",
        "study": {"name": config.name, "identity": store.identity},
        **_of_trial(record, trial),
        "epochs": epoch,
        # JSON has no infinity, which a PSNR can be.
        "metrics": {n: v if math.isfinite(v) else None for n, v in metrics.items()},
        "metrics_are": metrics_are,
        "data": _of_data(manifest) if manifest else _of_lost_data(recipe),
        "code_version": {"trained": store.code_version, "exported": code_version()},
    }
    return TakenCodec(codec, record, epoch, metrics, data, about, is_measured)


def _trained(study: StudyFolder, number: int, epoch: int, architecture: Architecture) -> Network:
    """Return the network of a trial after an epoch."""
    place = codec_file(study.codecs, number, epoch)
    try:
        saved = read_codec(place)
    except FileNotFoundError:
        kept = sorted(at for of, at, _ in codec_files(study.codecs) if of == number)
        there = f"of its codecs, those after {_epochs(kept)} are kept" if kept else "none is kept"
        raise StudyError(
            f"a codec is exported from its file, and that of trial {number} after epoch {epoch} "
            f"is not in {study.codecs}: {there}, for only those of the front are; choose another, "
            "or put the file back"
        ) from None
    network = architecture.network(1)
    ours = {name: parameter.shape for name, parameter in network.named_parameters()}
    theirs = {name: tensor.shape for name, tensor in saved.parameters.items()}
    if (saved.trial, saved.epoch) != (number, epoch) or theirs != ours:
        raise StudyError(
            f"{place} must be the codec of trial {number} after epoch {epoch}, and is another "
            f"(trial {saved.trial}, epoch {saved.epoch}); put the right file back"
        )
    network.restore(saved.parameters)
    return network


def _epochs(kept: Sequence[int]) -> str:
    return f"epoch{'s' * (len(kept) > 1)} {', '.join(map(str, kept))}"


def _slope(metrics: Mapping[str, float], data: Path) -> float:
    """Return what a decibel is worth to a codec with the octree as a member.

    Raises:
        StudyError: it was not measured, and the clouds to measure it on are gone.
    """
    if SLOPE in metrics:
        return metrics[SLOPE]
    if not data.is_dir():
        raise StudyError(
            "what a decibel is worth to a codec with the octree as a member is measured on the "
            f"validation clouds, and {data} is gone; prepare the data again (`study prepare`), or "
            "leave the octree out (--members learned)"
        )
    return slope_beside(open_data_set(data), metrics["d1_psnr_db"])


def _estimated(record: TrialRecord, epoch: int) -> Mapping[str, float]:
    return next((each.metrics for each in record.epochs if each.epoch == epoch), {})


def _of_trial(record: TrialRecord, trial: TrialConfig) -> dict[str, Any]:
    return {
        "family": settings_of(trial.family).name,
        "trial": record.number,
        "published_coefficients": record.is_baseline,
        "params": dict(record.params),
        "seed": trial.seed,
        "training": trial.training.model_dump(mode="json"),
        "loss": trial.loss.model_dump(mode="json"),
        "train_s": record.elapsed_s,
    }


def _of_data(manifest: Manifest) -> dict[str, Any]:
    return {
        "source": manifest.source,
        "content_hash": manifest.content_hash,
        "measured_on": "the validation split",
        "recipe": manifest.recipe.model_dump(mode="json"),
        "peak": manifest.peak,
        "peak_name": manifest.peak_name,
        "psnr": str(PsnrConvention()),
    }


def _of_lost_data(recipe: DataRecipe) -> dict[str, Any]:
    """What the study itself knows of a data set that is no more where it was."""
    return {
        "source": recipe.source,
        "content_hash": None,
        "measured_on": "the validation split",
        "recipe": recipe.model_dump(mode="json"),
        "psnr": str(PsnrConvention()),
    }
