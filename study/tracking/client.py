"""The way to MLflow: imported late, quiet, and never on the network by itself."""

from __future__ import annotations

import os
import textwrap
import warnings
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from study.base.addresses import sqlite_file
from study.tracking.creating import is_half_made, is_missing_or_empty, make_anew, make_database

if TYPE_CHECKING:
    from mlflow import MlflowClient

_ENVIRONMENT = {
    "MLFLOW_DISABLE_TELEMETRY": "true",  # it would report usage over the network
    "MLFLOW_LOGGING_LEVEL": "CRITICAL",  # the live table owns the terminal
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    # The courier tries again on its own; MLflow's seven retries would hide a dead server for
    # minutes, and urllib3 would print a warning for each.
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",  # seconds, instead of 120
}
"""MLflow takes these from the environment only; what the user has set wins."""

_LONGEST_CAUSE = 200
"""Characters of MLflow's own words in a sentence of ours."""


def quieten() -> None:
    """Keep MLflow off the network and the terminal, unless the user has said otherwise.

    MLflow reads this from environment variables only: call it in the main thread, before mlflow is
    imported.
    """
    for name, value in _ENVIRONMENT.items():
        os.environ.setdefault(name, value)


def connect(uri: str) -> MlflowClient:
    """Import mlflow (2 s) and open the address; a database that is missing is created (3 s).

    One that could not be made to its end once is made anew (`study.tracking.creating`).
    """
    # MLflow 3.17 maps its tables in a way that SQLAlchemy 2.1 calls deprecated. The user can do
    # nothing about it, and as an error it would keep the database from opening.
    warnings.filterwarnings("ignore", "The ``noload`` loader strategy", DeprecationWarning)
    from mlflow import MlflowClient

    file = sqlite_file(uri)
    if file is None:
        return MlflowClient(tracking_uri=uri)
    if is_missing_or_empty(file):
        make_database(file)
    try:
        return MlflowClient(tracking_uri=uri)
    except Exception:
        if not (is_half_made(file) and make_anew(file)):
            raise
        return MlflowClient(tracking_uri=uri)


def is_database(uri: str) -> bool:
    """Say whether MLflow opens the address itself rather than asking a server."""
    return urlsplit(uri).scheme not in {"http", "https"}


def is_missing(uri: str) -> bool:
    """Say whether the address is a SQLite file that is missing; opening it would create it."""
    file = sqlite_file(uri)
    return file is not None and is_missing_or_empty(file)


def cause_of(error: BaseException) -> str:
    """Return the cause: the operating system's words, which MLflow buries, or the error's own."""
    told: BaseException | None = error
    while told is not None:
        if isinstance(told, OSError):
            error = told
        told = told.__cause__ or told.__context__
    return textwrap.shorten(str(error), _LONGEST_CAUSE)
