"""What the folders of all codecs have in common: a description, and files that hold data only."""

from __future__ import annotations

import json
import os
import shutil
from typing import TYPE_CHECKING, Any

from model.errors import CodecError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

NEWEST_FORMAT = 2
"""1 is a learned codec's, 2 an octree's. The next is 3, for what a reader of today would misread.
"""

MOST_DESCRIBED = 1 << 22
"""Bytes of a description: usual are thousands. Parsed, they may take twenty times as many."""

CODEC, WEIGHTS, TABLES = "codec.json", "weights.safetensors", "tables.safetensors"


def write_folder(folder: Path, described: Mapping[str, Any], others: Mapping[str, bytes]) -> None:
    """Write a codec as a new folder, whole or not at all.

    Args:
        folder: must not exist yet; its parents are made.
        described: the description.
        others: the other files, by name.

    Raises:
        CodecError: there is something at `folder` already, or it cannot be written.
    """
    if folder.exists():
        raise CodecError(
            f"a codec is written into a new folder, and {folder} exists; choose another, or remove "
            "it first"
        )
    text = json.dumps(dict(described), indent=1, allow_nan=False) + "\n"
    partial = folder.parent / f".{folder.name}.partial-{os.getpid()}"
    try:
        partial.mkdir(parents=True)
        for name, content in {CODEC: text.encode(), **others}.items():
            with (partial / name).open("xb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
        partial.rename(folder)
    except OSError as error:
        raise CodecError(
            f"the codec's folder {folder} cannot be written: {error.strerror or error}"
        ) from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def read_description(folder: Path) -> dict[str, Any]:
    """Return what the description says, with a format that is known, an id and what is told.

    Raises:
        CodecError: it is missing, damaged, or of a newer version.
    """
    path = folder / CODEC
    content = read_part(path, MOST_DESCRIBED)
    try:
        described = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise damaged(path, str(error)) from error
    if not isinstance(described, dict) or type(described.get("format")) is not int:
        raise damaged(path, "it does not say which format it has")
    if described["format"] > NEWEST_FORMAT:
        raise CodecError(
            f"this version reads codecs up to format {NEWEST_FORMAT}, and {folder} is of format "
            f"{described['format']}; use the version that wrote it, or a newer one"
        )
    require_keys(path, described, {"id": str, "about": dict})
    return described


def require_keys(path: Path, described: Mapping[str, Any], kinds: Mapping[str, type]) -> None:
    """Refuse a description without a value, or with one of another type.

    Raises:
        CodecError: which one.
    """
    for key, kind in kinds.items():
        if not isinstance(described.get(key), kind):
            raise damaged(path, f"'{key}' is missing or of another kind")


def require_id(folder: Path, described: Mapping[str, Any], codec_id: bytes) -> None:
    """Refuse a codec that is not the described one.

    Raises:
        CodecError: its id is another.
    """
    if codec_id.hex() != described["id"]:
        raise CodecError(
            f"the files of a codec must be those that were written together, and {folder} says "
            f"that it is codec {described['id']} but holds codec {codec_id.hex()}: a file "
            "was changed or exchanged; copy the whole folder anew"
        )


def require_shapes(
    path: Path, found: Mapping[str, tuple[int, ...]], expected: Mapping[str, tuple[int, ...]]
) -> None:
    """Refuse arrays that are not those which the description asks for.

    Raises:
        CodecError: one of them, and both of its shapes.
    """
    if found != expected:
        odd = min(name for name, shape in {*found.items()} ^ {*expected.items()})
        raise damaged(
            path,
            f"{odd} must be {_shown(expected.get(odd))}, as {CODEC} has it, and is "
            f"{_shown(found.get(odd))}",
        )


def _shown(shape: tuple[int, ...] | None) -> str:
    return "absent" if shape is None else str(tuple(shape))


def read_part(path: Path, most: int = -1) -> bytes:
    """Return what a file holds; `most` bytes of it where it may not be longer.

    Raises:
        CodecError: it cannot be read, or is longer.
    """
    try:
        with path.open("rb") as file:
            content = file.read(most + 1 if most >= 0 else -1)
    except OSError as error:
        raise CodecError(
            f"a codec is a folder with {CODEC}, {TABLES} and, of a learned one, {WEIGHTS}, and "
            f"{path} cannot be read ({error.strerror}); name the folder that `study export` or "
            "`study train-tables` wrote"
        ) from error
    if 0 <= most < len(content):
        raise damaged(path, f"it may have {most:,} bytes, and has more")
    return content


def damaged(path: Path, reason: str) -> CodecError:
    """Return the error about a part of a folder that is not as it was written."""
    return CodecError(f"{path} is damaged ({reason.splitlines()[0]}); copy the codec anew")
