"""A study's codecs as versions of a model in MLflow's registry.

The files of a version are artifacts of the trial's run, ``codec/epoch-0005``:

=============  =====================================================================================
``MLmodel``    MLflow's description: signature, and the module of this package that reads the codec
``README.md``  the card (`study.registry.card`)
``codec/``     the codec's folder as `study export` writes it (`model.codec_folder`)
=============  =====================================================================================

No environment is stored: `mlflow models serve` would install it by name, and this package is in no
public registry, where anyone could take its name. Nor is any code or pickle stored.
"""

from __future__ import annotations

import tempfile
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from model.codec_folder import save_codec
from study.base.addresses import masked
from study.base.errors import StudyError
from study.registry.card import card
from study.tracking.client import cause_of, connect, is_missing, quieten
from study.tracking.places import is_elsewhere

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from mlflow.entities.model_registry import ModelVersion

    from study.checkpoints.taken import TakenCodec

_LOADER = "study.registry.flavor"
_SUMMARY = "Codecs for point clouds: versions are trials, aliases are the points of their fronts."

RATE, QUALITY = "bpp", "d1_psnr_db"
"""Metrics that are a version's tags; the rate is an estimate where no file was weighed."""


@dataclass(frozen=True)
class Registered:
    """Where a codec is in the registry.

    Attributes:
        model: the registered model's name.
        version: its version, counted from 1.
        aliases: those that this registration gave to the version.
        is_new: whether the version was added now; False: the same codec was there already.
    """

    model: str
    version: str
    aliases: tuple[str, ...]
    is_new: bool

    @property
    def uri(self) -> str:
        """What `mlflow.pyfunc.load_model` and `study compress` take."""
        return (
            f"models:/{self.model}{f'@{self.aliases[0]}' if self.aliases else f'/{self.version}'}"
        )


class Registry:
    """MLflow's model registry, for the codecs of one study."""

    def __init__(
        self,
        uri: str,
        model: str,
        study_name: str,
        study_id: str,
        sync: str | None = None,
        own: Path | None = None,
    ) -> None:
        """Connect.

        Args:
            uri: MLflow's address: a database or a server.
            model: the registered model's name; the first version creates it.
            study_name: the experiment's name.
            study_id: tells the study's runs from those of another study of that name.
            sync: the command that writes what MLflow lacks, for a sentence that advises it.
            own: where files of runs must lie; None: wherever MLflow says.

        Raises:
            StudyError: MLflow holds nothing, or cannot be reached.
        """
        self._sync = sync or f"study mlflow sync {study_name}"
        if is_missing(uri):
            raise StudyError(
                f"a codec is registered with its trial's run, and there is no database {uri}; "
                f"`{self._sync}` writes it"
            )
        quieten()
        self._uri, self._own = uri, own
        self._model = model
        self._study = {"study": study_name, "study_id": study_id}
        with self._explained("be opened"):
            self._client = connect(uri)
            self._client.search_registered_models(max_results=1)

    def run_of(self, trial: int) -> str:
        """Return the id of a trial's run.

        Raises:
            StudyError: MLflow knows no such run, or its files lie in another root.
        """
        wanted = {**self._study, "trial": str(trial)}
        with self._explained("be searched"):
            experiment = self._client.get_experiment_by_name(self._study["study"])
            found = experiment and self._client.search_runs(
                [experiment.experiment_id],
                " and ".join(f"tags.{name} = '{value}'" for name, value in wanted.items()),
            )
        if not found:
            name = self._study["study"]
            raise StudyError(
                f"a codec is registered with its trial's run, and MLflow at {masked(self._uri)} "
                f"has none of trial {trial} of {name}; `{self._sync}` writes it"
            )
        ours = [run for run in found if not is_elsewhere(run.info.artifact_uri, self._own)]
        if not ours:
            raise StudyError(
                f"a codec is registered among the files of its trial's run, and those of trial "
                f"{trial} lie in {found[0].info.artifact_uri}, outside {self._own}: this root was "
                f"copied or moved; `{self._sync}` gives the study runs of its own here"
            )
        run_id: str = ours[0].info.run_id
        return run_id

    def add(self, taken: TakenCodec, names: Sequence[str]) -> Registered:
        """Register a codec unless it is there already, and point the aliases to it.

        Args:
            taken: the codec of a trial.
            names: the aliases; each moves here from the version that had it.

        Raises:
            StudyError: MLflow cannot be reached, or refuses.
        """
        run_id = self.run_of(taken.record.number)
        tags = {**self._study, **_tags(taken)}
        with self._explained("be written to"):
            there = self._version_with(tags, run_id)
            version = there or self._new_version(taken, run_id, tags)
            for name in names:
                self._client.set_registered_model_alias(self._model, name, version.version)
        return Registered(self._model, str(version.version), tuple(names), there is None)

    def _version_with(self, tags: Mapping[str, str], run_id: str) -> ModelVersion | None:
        """Return the version that holds this codec of this trial, among the files of this run."""
        keys = ("study_id", "trial", "epoch", "codec_id")
        wanted = [
            f"name = '{self._model}'",
            f"run_id = '{run_id}'",
            *(f"tags.{key} = '{tags[key]}'" for key in keys),
        ]
        found = self._client.search_model_versions(" and ".join(wanted))
        return found[0] if found else None

    def _new_version(self, taken: TakenCodec, run_id: str, tags: Mapping[str, str]) -> ModelVersion:
        """Write the files among the run's artifacts, and create a version that points to them."""
        place = f"codec/epoch-{taken.epoch:04d}"
        told = card(taken.about, self._model)
        with tempfile.TemporaryDirectory() as folder:
            _write_model(Path(folder), taken, run_id, told)
            self._client.log_artifacts(run_id, folder, place)
        self._make_model()
        return self._client.create_model_version(
            self._model, f"runs:/{run_id}/{place}", run_id, tags=dict(tags), description=told
        )

    def _make_model(self) -> None:
        """Make the registered model unless there is one."""
        if not self._client.search_registered_models(f"name = '{self._model}'"):
            self._client.create_registered_model(self._model, description=_SUMMARY)

    @contextmanager
    def _explained(self, what: str) -> Iterator[None]:
        """Turn MLflow's errors into a StudyError."""
        from mlflow.exceptions import MlflowException

        try:
            yield
        except (MlflowException, OSError) as error:
            raise StudyError(
                f"MLflow at {masked(self._uri)} cannot {what} ({cause_of(error)}); see that it "
                "runs, and register again"
            ) from error


def _tags(taken: TakenCodec) -> dict[str, str]:
    """Return the tags that tell versions apart at a glance; the card has everything."""
    names = (RATE if taken.is_measured else f"{RATE}_estimated", QUALITY)
    worth = {name: taken.metrics[name] for name in names if name in taken.metrics}
    return {
        **{name: f"{value:.6g}" for name, value in worth.items()},
        "trial": f"{taken.record.number}",
        "epoch": f"{taken.epoch}",
        "codec_id": taken.codec.codec_id.hex(),
        "data": f"{taken.about['data']['content_hash']}",
    }


def _write_model(folder: Path, taken: TakenCodec, run_id: str, told: str) -> None:
    """Write an MLflow model: data, a card, and the name of its loader."""
    from mlflow.models import Model, ModelSignature
    from mlflow.types import Schema, TensorSpec

    columns = 6 if taken.codec.codes_normals else 3
    points = TensorSpec(np.dtype(np.float64), (-1, columns))
    file = TensorSpec(np.dtype(np.uint8), (-1,))
    signature = ModelSignature(inputs=Schema([points]), outputs=Schema([file]))
    identity = {"codec_id": taken.codec.codec_id.hex()}
    model = Model(run_id=run_id, signature=signature, metadata=identity)
    # As `mlflow.pyfunc.add_to_model` would write it, which takes seconds to import and warns.
    model.add_flavor("python_function", loader_module=_LOADER, data="codec")
    save_codec(taken.codec, folder / "codec", taken.about)
    title = f"# Codec {taken.codec.codec_id.hex()}\n\n"
    (folder / "README.md").write_text(title + told, encoding="utf-8")
    model.save(str(folder / "MLmodel"))
