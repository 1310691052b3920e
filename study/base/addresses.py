"""Addresses of databases and servers, as they may be shown and kept."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import urlsplit


def masked(uri: str) -> str:
    """Return an address without what may be secret, for eyes and files that others may see.

    That is user and password, and whatever follows a question mark: databases take passwords there
    too. SQLAlchemy also takes a password with a slash in it, so the last @ counts. An address that
    names no host (of a file, SQLite's above all) has no user; one of SQLite's keeps its options.
    """
    scheme, found, rest = uri.partition("://")
    if not found:
        return uri
    hides = ""
    if not rest.startswith("/"):
        _, at, place = rest.rpartition("@")
        hides, rest = ("***@" if at else ""), place
        if at and "?" not in rest:  # An @ among the options: their rest is theirs too.
            rest = rest.partition("&")[0]
    elif scheme.startswith("sqlite"):
        return uri
    place, options, _ = rest.partition("?")
    return f"{scheme}://{hides}{place}{'?***' if options else ''}"


def holds_secret(uri: str | None) -> bool:
    """Tell whether an address may hold a password."""
    return uri is not None and masked(uri) != uri


def told_safely(text: str, uri: str) -> str:
    """Return what a library says of an address, without what is secret in it."""
    return text.replace(uri, masked(uri))


def missing_file(uri: str) -> Path | None:
    """Return the SQLite file of an address where it is missing: opening it would create it."""
    if not re.match(r"sqlite(\+\w+)?:///", uri):
        return None
    path = Path(urlsplit(uri).path[1:])
    is_file = path.name and not str(path).startswith("file:")  # Else in memory, or SQLite's own URI.
    return path if is_file and not path.exists() else None
