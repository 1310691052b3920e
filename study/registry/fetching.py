"""Opening a codec by its folder, or by its address in MLflow's model registry."""

from __future__ import annotations

import os
import re
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from model.codec_folder import load_codec
from study.base.addresses import masked
from study.base.errors import StudyError
from study.families.family import family_of, own_family
from study.tracking.client import cause_of, connect, is_missing, quieten

if TYPE_CHECKING:
    from model.codec_folder import SavedCodec

_ADDRESS = re.compile(r"models:/(?P<model>[^/:@]+)(@(?P<alias>[\w-]+)|/(?P<version>\d+))")


def open_codec(place: Path, family: str | None = None) -> SavedCodec:
    """Read a codec from its folder, or from a registry.

    Of a registered model only the codec's own folder is read. MLflow's description of how to load
    it is ignored.

    Args:
        place: a folder, or ``models:/NAME@ALIAS`` or ``models:/NAME/VERSION`` in the MLflow that
            MLFLOW_TRACKING_URI names, else in that of the folder ``studies``.
        family: of a codec whose network is not in this program; its code is run.

    Raises:
        StudyError: the address is malformed, or MLflow cannot be reached or has no such version.
        CodecError: the codec cannot be read.
    """
    if not str(place).startswith("models:"):
        return _open(place, family)
    with tempfile.TemporaryDirectory() as folder:
        return _open(_fetch(str(place), Path(folder)), family)


def _open(folder: Path, family: str | None) -> SavedCodec:
    """Read a codec's folder with the code of this program, or of the family that is named."""
    name = own_family(folder) if family is None else family
    return load_codec(folder) if name is None else family_of(name).open_codec(folder)


def _fetch(address: str, into: Path) -> Path:
    """Copy a registered codec into a folder, and return where it is."""
    found = _ADDRESS.fullmatch(address)
    if found is None:
        raise StudyError(
            f"a registered codec is models:/NAME@ALIAS or models:/NAME/VERSION, and {address} was "
            "given; write for instance models:/dpcc-codec@knee"
        )
    uri = (
        os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{Path('studies/mlflow.db').resolve()}"
    )
    if is_missing(uri):
        raise StudyError(
            f"{address} is looked for in MLflow, and there is no database {uri}; change to the "
            "folder in which `studies` is, or set MLFLOW_TRACKING_URI to where MLflow is"
        )
    quieten()
    client = connect(uri)
    from mlflow.artifacts import download_artifacts
    from mlflow.exceptions import MlflowException

    model, version = found["model"], found["version"]
    try:
        if version is None:
            version = client.get_model_version_by_alias(model, found["alias"]).version
        files = client.get_model_version_download_uri(model, str(version))
        return Path(download_artifacts(f"{files}/codec", dst_path=str(into), tracking_uri=uri))
    except (MlflowException, OSError) as error:
        raise StudyError(
            f"MLflow at {masked(uri)} does not give {address} ({cause_of(error)}); `study ui` "
            "shows what is registered"
        ) from error
