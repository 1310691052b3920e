"""A folder of bitstreams as a study exports it, and what tests ask of `study verify`."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np

from study.codecs.bitstream_manifest import FileEntry, read_bitstream_manifest
from study.commands.main import main

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import pytest

    from study.storage.folder import StudyFolder

GIVEN = 3


def exported(study: StudyFolder, folder: Path) -> Path:
    """Files of a study's front for clouds of ours, of three sizes."""
    rng = np.random.default_rng(14)
    for number, scale in enumerate((1.0, 30.0, 1e-3)):
        points = rng.normal(size=(300, 3))
        points *= scale / np.linalg.norm(points, axis=1, keepdims=True)
        np.save(folder / f"{number}.npy", points + number)
    on = [word for number in range(GIVEN) for word in ("--on", str(folder / f"{number}.npy"))]
    words = ["export", "small", "--root", str(study.path.parent), "--bitstreams", *on]
    assert main([*words, str(folder / "bits")]) == 0
    return folder / "bits"


def first(bits: Path) -> FileEntry:
    return read_bitstream_manifest(bits).files[0]


def change(bits: Path, alter: Callable[[Any], object]) -> None:
    """Write the manifest anew, altered."""
    manifest = json.loads((bits / "manifest.json").read_text())
    alter(manifest)
    (bits / "manifest.json").write_text(json.dumps(manifest))


def checked(bits: Path, capsys: pytest.CaptureFixture[str], *sentences: str, code: int = 1) -> str:
    """Verify; the exit code and what is said are as expected."""
    capsys.readouterr()
    assert main(["verify", str(bits)]) == code
    said = capsys.readouterr()
    told = said.err if code == 2 else said.out
    for sentence in sentences:
        assert sentence in " ".join(told.split()), told
    assert said.err == "" or code == 2
    return told
