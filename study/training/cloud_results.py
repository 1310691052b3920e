"""What a finished trial's files cost and kept, cloud by cloud: kept beside the study's codecs.

The trial's record has the means. Whoever compares codecs pairs them by cloud, for clouds differ far
more than codecs do. A file that is missing or damaged costs an interval, and nothing else.
"""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import asdict
from typing import TYPE_CHECKING

from study.base.errors import StudyError
from study.base.output import new_file
from study.metrics.measurement import CloudResult
from study.training.codec_files import results_file

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

_MOST_BYTES = 1 << 24


def write_results(codecs: Path, trial: int, results: Sequence[CloudResult]) -> None:
    """Write down a trial's results; where that fails, the trial is none the worse."""
    told = json.dumps([asdict(result) for result in results])
    with (
        suppress(StudyError),
        new_file(results_file(codecs, trial), force=True) as partial,
    ):
        partial.write_text(told, encoding="utf-8")


def read_results(codecs: Path, trial: int) -> tuple[CloudResult, ...]:
    """Return a trial's results; none where they were not kept, or are damaged."""
    try:
        with results_file(codecs, trial).open("rb") as file:
            held = json.loads(file.read(_MOST_BYTES))
        found = tuple(CloudResult(**each) for each in held)
        whole = all(_is_sound(each) for each in found)
    except (OSError, ValueError, TypeError, RecursionError):
        return ()
    return found if whole else ()


def _is_sound(result: CloudResult) -> bool:
    """Tell whether a result that was read is one that could have been written."""
    if not (isinstance(result.values, dict) and isinstance(result.counts, dict)):
        return False
    numbers = [value for value in result.values.values() if value is not None]
    numbers += result.counts.values()
    return (
        isinstance(result.cloud, str)
        and type(result.points) is int
        and result.points >= 1
        and all(type(number) in (int, float) for number in numbers)
    )
