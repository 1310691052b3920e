"""Which code is running, for records that outlive it."""

from __future__ import annotations

from contextlib import suppress
from functools import cache
from importlib.metadata import PackageNotFoundError, version

from study.base.checkout import CHECKOUT, NoAnswerError, git

_DISTRIBUTION = "dpcc-study"


@cache
def code_version() -> str:
    """`git describe` of the checkout, or the version of the installed package."""
    with suppress(NoAnswerError):  # The package's version stands in.
        return git(CHECKOUT, "describe", "--always", "--dirty", "--tags").text.strip()
    try:
        return version(_DISTRIBUTION)
    except PackageNotFoundError:
        return "unknown"
