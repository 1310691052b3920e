"""What studies and registered models may be called."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import AfterValidator

from study.base.errors import StudyError

_RULE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")


def _check_name(name: str) -> str:
    if not _RULE.fullmatch(name):
        raise StudyError(
            "a name must begin with a letter or a digit, and hold only letters, digits, dots, "
            "hyphens and underscores, at most 100 in all"
        )
    return name


Name = Annotated[str, AfterValidator(_check_name)]
"""Safe as a folder's name on every file system, in a URL, and in MLflow's registry and filters."""
