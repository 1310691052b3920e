"""What a folder of bitstreams says of itself, and how it is read when somebody else wrote it.

==========================  ========================================================================
``manifest.json``           what :class:`Manifest` holds
``codecs/NAME/``            the codecs, each a folder as `study export` writes it
``files/NAME/CLOUD.dpcs``   the compressed files
``decoded/NAME/CLOUD.npy``  what they were decoded to: (m, 3) float64, in the clouds' units
==========================  ========================================================================
"""

from __future__ import annotations

import os
import re
import stat
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
import torch
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from model.native.library import SWITCH
from study.base.errors import StudyError
from study.base.machine import processor_name
from study.data.version import code_version

if TYPE_CHECKING:
    from pathlib import Path

MANIFEST = "manifest.json"
FORMAT = 1
"""Raise it when a reader of today would misread what is written."""
MOST_BYTES = 1 << 24
"""Of a manifest: one of 20,000 files has half of that."""
MOST_FILES = 100_000
MOST_OF_A_FILE = 1 << 32
"""Bytes of a compressed file, or points that it is decoded to."""
LONGEST_TEXT = 1000

_PART = re.compile(r"[\w-][\w.-]*")
_LONGEST_PATH = 300
_MOST_PARTS = 4


def _inside(path: str) -> str:
    parts = path.split("/")
    if len(path) > _LONGEST_PATH or len(parts) > _MOST_PARTS:
        raise ValueError("must be a short path")
    if not all(_PART.fullmatch(part) for part in parts):
        raise ValueError(
            "must be a path within the folder, of letters, digits, '_', '-' and '.', with '/' "
            "between its parts"
        )
    return path


_Text = Annotated[str, Field(max_length=LONGEST_TEXT)]
_Place = Annotated[str, AfterValidator(_inside)]
_Sha256 = Annotated[str, Field(pattern=r"\A[0-9a-f]{64}\z")]
_Count = Annotated[int, Field(ge=1, le=MOST_OF_A_FILE)]


class _Record(BaseModel):
    """Of JSON's types exactly those that are named; keys of later versions are passed over."""

    model_config = ConfigDict(strict=True, frozen=True, allow_inf_nan=False)


class Machine(_Record):
    """What computed the decoded points.

    Attributes:
        program: this program's version.
        torch: PyTorch's.
        numpy: NumPy's.
        processor: its model, or the machine's kind where that is not known.
        capability: which vector instructions PyTorch uses, such as ``AVX2``.
        threads: how many PyTorch computes with.
        kernels: whether the native kernels were allowed (``DPCC_NATIVE``).
    """

    program: _Text
    torch: _Text
    numpy: _Text
    processor: _Text
    capability: _Text
    threads: Annotated[int, Field(ge=1, le=1 << 20)]
    kernels: bool

    def __str__(self) -> str:
        """Say it in a line."""
        kernels = "" if self.kernels else ", no native kernels"
        return (
            f"{self.processor}, {self.capability}, {self.threads} "
            f"thread{'s' * (self.threads != 1)}{kernels}; dpcc-study {self.program}, torch "
            f"{self.torch}, numpy {self.numpy}"
        )


class CodecEntry(_Record):
    """A codec.

    Attributes:
        name: what files call it here.
        folder: where it is.
        id: its id in hexadecimal digits.
        has_ties: whether it searches neighbours among latents (`edge_conv`): a tie may be decided
            otherwise elsewhere, and points of a patch then lie elsewhere.
    """

    name: _Text
    folder: _Place
    id: Annotated[str, Field(pattern=r"\A[0-9a-f]{2,64}\z")]
    has_ties: bool = False


class FileEntry(_Record):
    """A compressed file, and what it was decoded to.

    Attributes:
        codec: the name of its codec.
        cloud: the name of the cloud.
        longest_side: of the original cloud's bounding box, in its units; 1 where all its points
            are one. Distances are told in it.
        file: where the file is.
        bytes: its length.
        sha256: its hash.
        decoded: where the decoded points are.
        points: how many.
        points_sha256: of their coordinates, as little-endian float64, point after point.
    """

    codec: _Text
    cloud: _Text
    longest_side: Annotated[float, Field(gt=0)]
    file: _Place
    bytes: _Count
    sha256: _Sha256
    decoded: _Place
    points: _Count
    points_sha256: _Sha256


class Manifest(_Record):
    """A folder of bitstreams.

    Attributes:
        format: the version of this layout.
        study: the study's name.
        clouds: which clouds: ``validation``, or ``given``.
        made_by: what wrote and decoded the files.
        codecs: all that the files need.
        files: each pair of a codec and a cloud.
    """

    format: int
    study: _Text
    clouds: _Text
    made_by: Machine
    codecs: Annotated[tuple[CodecEntry, ...], Field(min_length=1, max_length=MOST_FILES)]
    files: Annotated[tuple[FileEntry, ...], Field(min_length=1, max_length=MOST_FILES)]


def this_machine() -> Machine:
    """Return what computes here and now."""
    return Machine(
        program=code_version(),
        torch=torch.__version__,
        numpy=np.__version__,
        processor=processor_name()[:LONGEST_TEXT],
        capability=torch.backends.cpu.get_cpu_capability(),
        threads=torch.get_num_threads(),
        kernels=os.environ.get(SWITCH) != "0",
    )


def read_bitstream_manifest(folder: Path) -> Manifest:
    """Read a manifest that may come from anywhere; nothing that it names is opened.

    Raises:
        StudyError: it is missing, damaged, of a newer format, or names what it may not.
    """
    path = folder / MANIFEST
    if not folder.is_dir():
        raise StudyError(
            f"bitstreams are a folder that `study export NAME --bitstreams` wrote, and {folder} is "
            "none; check the path"
        )
    content = read_inside(folder, MANIFEST, MOST_BYTES)
    if content is None:
        raise StudyError(f"{path} is missing, and says what to check; copy the whole folder anew")
    try:
        manifest = Manifest.model_validate_json(content)
    except ValidationError as error:
        raise _damaged(path, _told(error, content)) from error
    if manifest.format != FORMAT:
        raise StudyError(
            f"this version reads bitstreams of format {FORMAT}, and {path} is of format "
            f"{manifest.format}; use the version that wrote it"
        )
    _require_each_once(path, manifest)
    names = [codec.name for codec in manifest.codecs]
    if strange := sorted({file.codec for file in manifest.files} - set(names)):
        raise _damaged(path, f"a file is of the codec {strange[0][:100]!r}, which is not listed")
    return manifest


def _require_each_once(path: Path, manifest: Manifest) -> None:
    """Refuse what would have one file read, and decoded, many times."""
    for what, named in (
        ("two codecs have one name", [codec.name for codec in manifest.codecs]),
        ("two codecs have one folder", [codec.folder for codec in manifest.codecs]),
        ("a compressed file is listed twice", [file.file for file in manifest.files]),
        ("decoded points are listed twice", [file.decoded for file in manifest.files]),
    ):
        if len(set(named)) < len(named):
            raise _damaged(path, what)


def _told(error: ValidationError, content: bytes) -> str:
    """Say the first thing that is wrong; a newer format may well look wrong."""
    fault: Any = error.errors(include_url=False, include_context=False)[0]
    if fault["type"] == "json_invalid" or not content.strip():
        return f"it is no JSON: {fault['msg']}"
    place = ".".join(str(part) for part in fault["loc"]) or "all of it"
    given = "" if isinstance(fault["input"], dict | list) else f", not {_clipped(fault['input'])}"
    return f"'{place}': {fault['msg'].removeprefix('Value error, ')}{given}"


def _clipped(given: object) -> str:
    try:
        return repr(given)[:100]
    except ValueError:  # Python writes no whole number of thousands of digits.
        return "such a number"


def _damaged(path: Path, reason: str) -> StudyError:
    return StudyError(f"{path} is damaged or made up ({reason}); get the whole folder anew")


def require_inside(folder: Path, place: str) -> Path | None:
    """Return where a place of the manifest is; None where nothing is there.

    Raises:
        StudyError: it, or what leads there, is a link, or it is no file or folder.
    """
    path = folder
    for part in place.split("/"):
        path = path / part
        try:
            mode = path.lstat().st_mode
        except (FileNotFoundError, NotADirectoryError):
            return None
        if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
            raise StudyError(
                f"a folder of bitstreams must hold files and folders only, and {path} is a link or "
                "a device, which may lead anywhere; get the folder anew, or copy what it leads to"
            )
    return path


def read_inside(folder: Path, place: str, most: int) -> bytes | None:
    """Return what a file holds, `most` bytes and one more at most; None where there is none.

    Raises:
        StudyError: as `require_inside`, or it is too large or a folder.
    """
    path = require_inside(folder, place)
    if path is None:
        return None
    if path.is_dir():
        raise StudyError(f"{path} must be a file, and is a folder; get the whole folder anew")
    with path.open("rb") as file:
        content = file.read(most + 1)
    if place == MANIFEST and len(content) > most:
        raise _damaged(path, f"it may have {most:,} bytes, and has more")
    return content
