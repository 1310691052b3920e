"""Everything that is needed to go on with a training, in one file."""

from __future__ import annotations

import io
import math
import os
import zipfile
from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING, Any

import torch

from study.base.errors import StudyError
from study.data.walking import check_harmless
from study.training.flat import by_name

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from torch import Tensor

    Shapes = Mapping[str, Sequence[int]]

FILE_NAME = "training.pt"
FORMAT = 3
"""1 held one population of equal settings; 2 the members of a cohort, one by one, with those that
were measured; 3 leaves these out, for each codec has a file of its own."""
CODEC_FORMAT = 1
_ZIP = b"PK\x03\x04"
"""What PyTorch takes an archive by."""
_PICKLES_BEFORE_ZIP = 5
"""A magic number, a version, a machine, what was saved, and the names of its storages."""
DIGEST_BYTES = 64
"""A file begins with the SHA-256 of the rest, in hexadecimal digits."""


def write_checkpoint(folder: Path, state: dict[str, Any]) -> None:
    """Write a checkpoint so that the folder holds the old one or the new one, never a part.

    Raises:
        OSError: the disk is full or the folder cannot be written; the old checkpoint stays.
    """
    _write(folder / FILE_NAME, {"format": FORMAT, **state})


def read_checkpoint(folder: Path) -> dict[str, Any]:
    """Read a checkpoint, without running anything that it may contain.

    Raises:
        StudyError: there is none, it is damaged, or other code wrote it.
    """
    try:
        return _read(folder / FILE_NAME, "checkpoint", FORMAT, "train this trial anew")
    except FileNotFoundError:
        raise StudyError(
            f"a checkpoint holds {FILE_NAME}, and {folder} has none; name another folder"
        ) from None


@dataclass(frozen=True)
class EpochCodec:
    """The codec of one trial, as it was after one of its epochs.

    Attributes:
        trial: its number.
        epoch: how many it had trained.
        parameters: by name, as a population of one.
    """

    trial: int
    epoch: int
    parameters: dict[str, Tensor]


def write_codec(path: Path, trial: int, epoch: int, parameters: Tensor, shapes: Shapes) -> int:
    """Write a codec so that the file is the old one or the new one, never a part.

    Args:
        path: the file.
        trial: whose it is.
        epoch: how many epochs it has trained.
        parameters: (P,), in the order of `study.training.flat.Layout`.
        shapes: what they are, likewise.

    Returns:
        The size of the file in bytes.

    Raises:
        OSError: the disk is full or the folder cannot be written.
    """
    state = {"trial": trial, "epoch": epoch, "shapes": shapes}
    # A copy: PyTorch would write all of what a part is a view of.
    parameters = parameters.detach().to("cpu", copy=True)
    return _write(path, {"format": CODEC_FORMAT, **state, "parameters": parameters})


def read_codec(path: Path) -> EpochCodec:
    """Read a codec, without running anything that the file may contain.

    Raises:
        FileNotFoundError: there is none.
        StudyError: it is damaged, or other code wrote it.
    """
    remedy = "choose another trial or epoch"
    state = _read(path, "codec", CODEC_FORMAT, remedy)
    try:
        return _codec_of(state)
    except (LookupError, TypeError, ValueError, AttributeError, RuntimeError) as error:
        told = f"{error} is missing" if isinstance(error, KeyError) else _first_line(error)
        raise StudyError(f"{path} cannot be used as a codec ({told}); {remedy}") from error


def _codec_of(state: Mapping[str, Any]) -> EpochCodec:
    """Return what `write_codec` was given; whatever is raised says what is wrong."""
    parameters, shapes = state["parameters"], state["shapes"]
    whole = isinstance(parameters, torch.Tensor) and parameters.dtype is torch.float32
    if not whole or parameters.dim() != 1:
        raise ValueError("its parameters must be a list of float32 numbers")
    sizes = [size for shape in shapes.values() for size in shape]
    # A text times a number is a long text.
    if not all(type(size) is int and 0 <= size <= len(parameters) for size in sizes):
        raise ValueError("its shapes must be of whole numbers, none above that of its parameters")
    if sum(math.prod(shape) for shape in shapes.values()) != len(parameters):
        raise ValueError("it has not as many parameters as their shapes say")
    if not bool(parameters.isfinite().all()):
        raise ValueError("a weight is not a finite number: the codec has diverged")
    return EpochCodec(int(state["trial"]), int(state["epoch"]), by_name(parameters, shapes))


def _write(path: Path, state: dict[str, Any]) -> int:
    path.parent.mkdir(parents=True, exist_ok=True)
    payload = io.BytesIO()
    torch.save(state, payload)
    # One name for all: what a killed process left behind is overwritten by the next.
    temporary = path.with_name(f".{path.name}.partial")
    try:
        with temporary.open("wb") as file:
            file.write(sha256(payload.getbuffer()).hexdigest().encode())
            file.write(payload.getbuffer())
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    return DIGEST_BYTES + payload.getbuffer().nbytes


def load_tensors(payload: bytes, where: str) -> Any:  # noqa: ANN401 - whatever was saved
    """Read what PyTorch saved, without running anything, in memory in proportion to its size.

    Raises:
        StudyError: it unpacks to more, or stands for more, than it has bytes.
        Exception: whatever the damage happens to hit.
    """
    if payload.startswith(_ZIP):
        payload = _repacked(payload, where)
    else:  # As PyTorch wrote before 1.6.
        check_harmless(payload, where, _PICKLES_BEFORE_ZIP)
    found = torch.load(io.BytesIO(payload), map_location="cpu", weights_only=True)
    if sum(each.nbytes for each in _tensors(found)) > len(payload):
        raise StudyError(f"the tensors in {where} stand for more bytes than it has; it was made up")
    return found


def _repacked(payload: bytes, where: str) -> bytes:
    """Return an archive of what was checked, and of nothing else.

    Readers disagree about archives that were made up: which directory counts, how names compare. So
    PyTorch is given none but one of ours.
    """
    packed = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(payload)) as archive, zipfile.ZipFile(packed, "w") as fresh:
        # PyTorch packs nothing, and no two of its entries share their bytes or their name.
        entries = archive.infolist()
        if sum(entry.file_size for entry in entries) > len(payload):
            raise StudyError(f"{where} unpacks to more bytes than it has; it was made up")
        if len({entry.filename.lower() for entry in entries}) < len(entries):
            raise StudyError(f"{where} has two entries of one name; it was made up")
        for entry in entries:
            content = archive.read(entry)
            if entry.filename.lower().endswith(".pkl"):  # PyTorch's reader asks for no case.
                check_harmless(content, where)
            fresh.writestr(entry.filename, content)
    return packed.getvalue()


def _tensors(found: object) -> Iterator[Tensor]:
    """Go through the tensors at the top of what was read."""
    for value in found.values() if isinstance(found, dict) else ():
        if isinstance(value, torch.Tensor) and value.layout is torch.strided and not value.is_meta:
            yield value


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:200]


def _read(path: Path, kind: str, number: int, remedy: str) -> dict[str, Any]:
    try:
        contents = path.read_bytes()
        digest, payload = contents[:DIGEST_BYTES], contents[DIGEST_BYTES:]
        # PyTorch's reader does not notice flipped bits.
        if sha256(payload).hexdigest().encode() != digest:
            message = f"{path} is damaged or no {kind}; {remedy}"
            raise StudyError(message)  # noqa: TRY301 (between two things that raise others)
        state: dict[str, Any] = load_tensors(payload, str(path))
    except (FileNotFoundError, StudyError):
        raise
    except Exception as error:  # Whatever the damage happens to hit.
        told = _first_line(error)
        raise StudyError(f"{path} is damaged or no {kind} ({told}); {remedy}") from error
    found = state.get("format") if isinstance(state, dict) else None
    if found != number:
        raise StudyError(
            f"this code reads {kind}s of format {number}, and {path} is of "
            f"{f'format {found}' if type(found) is int else 'another'}; go on with the version "
            "that wrote it"
        )
    return state
