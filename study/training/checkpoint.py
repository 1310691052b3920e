"""Everything that is needed to go on with a training, in one file."""

from __future__ import annotations

import io
import os
import pickle
from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING, Any

import torch

from study.base.errors import StudyError
from study.training.flat import by_name

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from torch import Tensor

    Shapes = Mapping[str, Sequence[int]]

FILE_NAME = "training.pt"
FORMAT = 3
"""1 held one population of equal settings; 2 the members of a cohort, one by one, with those that
were measured; 3 leaves these out, for each codec has a file of its own."""
CODEC_FORMAT = 1
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
    state = _read(path, "codec", CODEC_FORMAT, "choose another trial or epoch")
    parameters = by_name(state["parameters"], state["shapes"])
    return EpochCodec(state["trial"], state["epoch"], parameters)


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


def _read(path: Path, kind: str, number: int, remedy: str) -> dict[str, Any]:
    try:
        contents = path.read_bytes()
        digest, payload = contents[:DIGEST_BYTES], contents[DIGEST_BYTES:]
        # PyTorch's reader does not notice flipped bits.
        if sha256(payload).hexdigest().encode() != digest:
            raise StudyError(f"{path} is damaged or no {kind}; {remedy}")
        state: dict[str, Any] = torch.load(
            io.BytesIO(payload), map_location="cpu", weights_only=True
        )
    except FileNotFoundError:
        raise
    except (OSError, RuntimeError, EOFError, KeyError, pickle.UnpicklingError) as error:
        first_line = str(error).split("\n", maxsplit=1)[0]
        raise StudyError(f"{path} is damaged or no {kind} ({first_line}); {remedy}") from error
    found = state.get("format") if isinstance(state, dict) else None
    if found != number:
        raise StudyError(
            f"this code reads {kind}s of format {number}, and {path} is of "
            f"{'another' if found is None else f'format {found}'}; go on with the version that "
            "wrote it"
        )
    return state
