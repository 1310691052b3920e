"""Everything that is needed to go on with a training, in one file."""

from __future__ import annotations

import io
import os
import pickle
from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING, Any

import torch

from study.errors import StudyError
from study.flat import by_name

if TYPE_CHECKING:
    from pathlib import Path

    from torch import Tensor

FILE_NAME = "training.pt"
FORMAT = 2
"""1 held one population of equal settings; 2 holds the members of a cohort, one by one."""
DIGEST_BYTES = 64
"""The file begins with the SHA-256 of the rest, in hexadecimal digits."""


def write_checkpoint(folder: Path, state: dict[str, Any]) -> None:
    """Write a checkpoint so that the folder holds the old one or the new one, never a part.

    Raises:
        OSError: the disk is full or the folder cannot be written; the old checkpoint stays.
    """
    folder.mkdir(parents=True, exist_ok=True)
    payload = io.BytesIO()
    torch.save({"format": FORMAT, **state}, payload)
    # One name for all: what a killed process left behind is overwritten by the next.
    temporary = folder / f".{FILE_NAME}.partial"
    try:
        with temporary.open("wb") as file:
            file.write(sha256(payload.getbuffer()).hexdigest().encode())
            file.write(payload.getbuffer())
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(folder / FILE_NAME)
    finally:
        temporary.unlink(missing_ok=True)


def read_checkpoint(folder: Path) -> dict[str, Any]:
    """Read a checkpoint, without running anything that it may contain.

    Raises:
        StudyError: there is none, it is damaged, or other code wrote it.
    """
    path = folder / FILE_NAME
    try:
        contents = path.read_bytes()
        digest, payload = contents[:DIGEST_BYTES], contents[DIGEST_BYTES:]
        # PyTorch's reader does not notice flipped bits.
        if sha256(payload).hexdigest().encode() != digest:
            raise StudyError(f"{path} is damaged or no checkpoint; train this trial anew")
        state: dict[str, Any] = torch.load(
            io.BytesIO(payload), map_location="cpu", weights_only=True
        )
    except FileNotFoundError:
        raise StudyError(
            f"a checkpoint holds {FILE_NAME}, and {folder} has none; name another folder"
        ) from None
    except (OSError, RuntimeError, EOFError, KeyError, pickle.UnpicklingError) as error:
        first_line = str(error).split("\n", maxsplit=1)[0]
        raise StudyError(
            f"{path} is damaged or no checkpoint ({first_line}); train this trial anew"
        ) from error
    found = state.get("format") if isinstance(state, dict) else None
    if found != FORMAT:
        raise StudyError(
            f"this code reads checkpoints of format {FORMAT}, and {path} is of "
            f"{'another' if found is None else f'format {found}'}; go on with the version that "
            "wrote it"
        )
    return state


@dataclass(frozen=True)
class SavedMember:
    """One trial out of a cohort's checkpoint.

    Attributes:
        epochs: that it has trained.
        parameters: of its codec, by name, as a population of one.
    """

    epochs: int
    parameters: dict[str, Tensor]


def read_member(folder: Path, trial: int) -> SavedMember:
    """Read one trial's codec out of the checkpoint of its cohort.

    Raises:
        StudyError: as :func:`read_checkpoint`, or the trial is not in it.
    """
    state = read_checkpoint(folder)
    kept = state["living"] | state["finished"] | state["retired"]
    if trial not in kept:
        raise StudyError(
            f"the checkpoint in {folder} must hold trial {trial}, and holds "
            f"{', '.join(map(str, sorted(kept))) or 'none'}; name that of the trial's cohort"
        )
    parameters = by_name(kept[trial]["parameters"], state["shapes"])
    return SavedMember(state["epochs"][trial], parameters)
