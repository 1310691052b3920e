"""Zip archives of models, such as Sweet Home 3D's `.sh3f`: every model is a cloud."""

from __future__ import annotations

import io
import zipfile
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from study.base.errors import StudyError
from study.clouds.cloud import parsing, require_plausible
from study.clouds.meshes import read_obj, read_off, read_stl

if TYPE_CHECKING:
    from pathlib import Path

    from study.clouds.cloud import Cloud
    from study.clouds.sampling import Sampling

_FREE_BYTES = 1 << 23
"""Text takes 15 times its size while it is read."""

READERS = {".obj": read_obj, ".off": read_off, ".stl": read_stl}


class ModelArchive:
    """The OBJ, OFF and STL models of a zip archive, named by their path in it.

    Attributes:
        names: the models' paths, in the order of the archive.
    """

    def __init__(self, path: Path) -> None:
        """Read the table of contents.

        Raises:
            StudyError: it is no zip archive, holds no model, or unpacks to implausibly much.
        """
        self._path = path
        with parsing(str(path), "a zip archive"), zipfile.ZipFile(path) as archive:
            models = [i for i in archive.infolist() if _suffix(i.filename) in READERS]
            # Judged together: entries of a crafted archive may share their bytes.
            unpacked = sum(model.file_size for model in models)
        if not models:
            raise StudyError(
                f"an archive of models must hold {', '.join(READERS)} files, and {path} holds "
                "none; check the path"
            )
        require_plausible(str(path), unpacked, path.stat().st_size, _FREE_BYTES)
        self.names = tuple(model.filename for model in models)

    def count(self, _name: str, sampling: Sampling) -> int:
        """Points sampled from a model; one without faces yields its vertices instead."""
        return sampling.samples

    def read(self, name: str, sampling: Sampling) -> Cloud:
        """Sample one of its models."""
        where = f"{self._path}/{name}"
        with parsing(where, "a zip archive"), zipfile.ZipFile(self._path) as archive:
            model = archive.read(name)
        return READERS[_suffix(name)](io.BytesIO(model), where, sampling)


def _suffix(name: str) -> str:
    return PurePosixPath(name).suffix.lower()
