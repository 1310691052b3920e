"""Whether a report would be drawn as it is: then it stays, and nobody waits for it.

Beside the report lies a note of what it was drawn from, as a digest, and of the files that were
written. A report is the same where the trials, what stands beside them, the files that it shows and
this program are the same, and where its files are as they were written.
"""

from __future__ import annotations

import hashlib
import json
from contextlib import suppress
from dataclasses import asdict
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from study.data.manifest import FILE_NAME
from study.report.standing import Nearby, Standing
from study.report.write import ReportFiles
from study.training.codec_files import codec_file, results_file

if TYPE_CHECKING:
    from collections.abc import Sequence

    from study.fronts.judged import JudgedStudy
    from study.report.beside import Beside

_NOTE = ".front.json"

RIVALS_FOLDER = "yardsticks"
"""Of a study: what other codecs made of its validation clouds, a result file for each."""


def digest_of(
    name: str, study: JudgedStudy, codecs: Path, beside: Beside, data: Path | None
) -> str:
    """Return what stands for everything that a report is drawn from.

    Args:
        name: the study's.
        study: its trials.
        codecs: the folder of its codecs, of which the report names and shows some; beside it lies
            what other codecs made of the study's clouds.
        beside: other codecs' curves and other studies' fronts.
        data: the data set whose objects it shows; None where none was used yet.
    """
    epochs = [codec_file(codecs, *key) for key in study.front_over_epochs]
    files = [codec_file(codecs, r.number, len(r.epochs)) for r in study.front]
    files += [] if data is None else [data / FILE_NAME]
    files += [results_file(codecs, record.number) for record in study.front]
    files += kept_files(codecs)
    told = (
        name,
        (study.records, study.objectives, study.constraints),
        list(beside.baselines),
        [(other, each.records) for other, each in beside.others],
        list(beside.cautions),
        [path.exists() for path in epochs],
        [_state(path) for path in files],
        _program(),
    )
    return hashlib.sha256(repr(told).encode()).hexdigest()


def recall(folder: Path, digest: str) -> ReportFiles | None:
    """Return the report in a folder if it is the one of this digest, and whole."""
    try:
        note: dict[str, Any] = json.loads((folder / _NOTE).read_text(encoding="utf-8"))
        if note["digest"] != digest:
            return None
        found = note["reconstructions"]
        still = folder / found["file"] if isinstance(found, dict) else found
        files = ReportFiles(
            folder,
            tuple(note["baselines"]),
            still,
            tuple(map(_standing, note["standings"])),
            note["unrivalled"],
            tuple(folder / name for name in note["kept"]),
        )
        states = [_state(path) for path in files.paths]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return files if None not in states and states == note["states"] else None


def remember(files: ReportFiles, digest: str) -> None:
    """Note what a report was drawn from; where that fails, it is drawn anew the next time."""
    still = files.reconstructions
    note = {
        "digest": digest,
        "baselines": files.baselines,
        "reconstructions": {"file": still.name} if isinstance(still, Path) else still,
        "standings": [asdict(standing) for standing in files.standings],
        "unrivalled": files.unrivalled,
        "kept": [str(path.relative_to(files.folder)) for path in files.kept],
        "states": [_state(path) for path in files.paths],
    }
    with suppress(OSError):
        (files.folder / _NOTE).write_text(json.dumps(note), encoding="utf-8")


def kept_files(codecs: Path, keys: Sequence[str] | None = None) -> tuple[Path, ...]:
    """Return the files of what other codecs made of a study's clouds; of some, or all there are."""
    folder = codecs.parent / RIVALS_FOLDER
    if keys is None:
        return tuple(sorted(folder.glob("*.json")))
    return tuple(folder / f"{key}.json" for key in keys)


def _standing(told: dict[str, Any]) -> Standing:
    """Return how a front stands as it was noted, without the tuples that JSON does not have."""
    near = tuple(Nearby(**each) for each in told["near"])
    return Standing(**{**told, "rates": tuple(told["rates"]), "near": near})


def _state(path: Path) -> list[int] | None:
    """Return a file's length and when it was written, in nanoseconds; None where there is none."""
    try:
        found = path.stat()
    except OSError:
        return None
    return [found.st_size, found.st_mtime_ns]


@cache
def _program() -> str:
    """Return a digest of all that judges studies and draws reports: our code, and the libraries."""
    return f"{code_digest(_PACKAGE)} {[version(name) for name in _LIBRARIES]}"


def code_digest(package: Path) -> str:
    """Return a digest of a package's code, its own and that of the pages that it writes."""
    digest = hashlib.sha256()
    for path in sorted(each for each in package.rglob("*") if each.suffix in _CODE):
        digest.update(f"{path.relative_to(package)}: ".encode() + path.read_bytes())
    return digest.hexdigest()


_PACKAGE = Path(__file__).parents[1]
"""All of `study`: ranks, importances and the metrics' names come from everywhere. It takes 10 ms to
read."""

_CODE = {".py", ".js", ".css", ".html"}
_LIBRARIES = ("matplotlib", "moocore", "optuna")
"""What pictures, volumes and importances come from."""
