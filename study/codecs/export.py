"""One trial of a study as a codec that can be taken home."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from model.cloud_codec import CloudCodec
from model.codec import Codec
from model.codec_folder import save_codec
from model.patch_coder import PatchCoder
from study.checkpoint import read_member
from study.codecs.operating_point import choose
from study.config import TrialConfig
from study.data.manifest import read_manifest
from study.data.version import code_version
from study.errors import StudyError
from study.metrics import PsnrConvention
from study.runner import objectives_of
from study.status import read_records
from study.storage import TrialStore

if TYPE_CHECKING:
    from study.codecs.operating_point import Wish
    from study.data.manifest import Manifest
    from study.folder import StudyFolder
    from study.records import TrialRecord


@dataclass(frozen=True)
class Exported:
    """A codec that was just written.

    Attributes:
        codec: what is in the folder.
        record: the trial that it is.
        folder: where it lies.
        data: the prepared data set that it was trained on.
    """

    codec: CloudCodec
    record: TrialRecord
    folder: Path
    data: Path


def export(study: StudyFolder, wish: Wish, folder: Path) -> Exported:
    """Write the codec of one trial into a new folder, with where it comes from.

    It is the codec that was measured: the weights after the last epoch, frozen in the same way.

    Args:
        study: which study.
        wish: which of its trials.
        folder: where the codec is written; must not exist yet.

    Raises:
        StudyError: no trial qualifies, or its checkpoint or data set is gone.
        CodecError: the folder exists or cannot be written.
    """
    config = study.config()
    record = choose(read_records(study, config), objectives_of(config), wish)
    store = TrialStore(config, study.database)
    trial = TrialConfig.model_validate_json(json.dumps(store.worker_config(record.number)))
    data = Path(trial.data_folder)
    manifest = read_manifest(data)
    coder = PatchCoder.freeze(_trained(record, trial))
    codec = CloudCodec(coder, manifest.recipe.partition())
    about = {
        "source": "a trial of a study",
        "study": {"name": config.name, "identity": store.identity},
        **_of_trial(record, trial),
        "data": _of_data(manifest),
        "code_version": {"trained": store.code_version, "exported": code_version()},
    }
    save_codec(codec, folder, about)
    return Exported(codec, record, folder, data)


def _trained(record: TrialRecord, trial: TrialConfig) -> Codec:
    """Return the codec that a complete trial ended with."""
    if record.checkpoint is None or not Path(record.checkpoint).is_dir():
        raise StudyError(
            f"a trial is exported from its last checkpoint, and that of trial {record.number} is "
            f"gone from {record.checkpoint or 'the database'}; was the study moved? Move it back, "
            "or choose another trial"
        )
    place = Path(record.checkpoint)
    saved = read_member(place, record.number)
    codec = Codec(trial.model.build())
    ours = {name: parameter.shape for name, parameter in codec.named_parameters()}
    if (
        saved.epochs != trial.training.epochs
        or {name: tensor.shape for name, tensor in saved.parameters.items()} != ours
    ):
        raise StudyError(
            f"the checkpoint {place} must be that of trial {record.number} after its last epoch, "
            f"{trial.training.epochs}, and is another (epoch {saved.epochs}); train it anew"
        )
    codec.restore(saved.parameters)
    return codec


def _of_trial(record: TrialRecord, trial: TrialConfig) -> dict[str, Any]:
    return {
        "trial": record.number,
        "published_coefficients": record.is_baseline,
        "params": dict(record.params),
        "seed": trial.seed,
        "epochs": trial.training.epochs,
        "training": trial.training.model_dump(mode="json"),
        "loss": trial.loss.model_dump(mode="json"),
        "train_s": record.elapsed_s,
        # JSON has no infinity, which a PSNR can be.
        "metrics": {n: v if math.isfinite(v) else None for n, v in record.final.items()},
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
