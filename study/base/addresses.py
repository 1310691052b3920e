"""Addresses of databases and servers, as they may be shown and kept."""

from __future__ import annotations

import re
from pathlib import Path

SQLITE_JOURNALS = ("-journal", "-wal", "-shm")
"""What the names of the files end in that SQLite keeps beside a database while it writes."""


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


def sqlite_file(uri: str) -> Path | None:
    """Return the file of a SQLite database; None of another, or where SQLite makes up the name."""
    if not re.match(r"sqlite(\+\w+)?:///", uri):
        return None
    name = uri.partition(":///")[2].partition("?")[0]  # As SQLAlchemy: it knows no fragments.
    return Path(name) if name and name != ":memory:" and not name.startswith("file:") else None


def journals(database: Path) -> list[Path]:
    """Return the files that SQLite keeps beside a database while it writes."""
    return [database.with_name(database.name + end) for end in SQLITE_JOURNALS]


def is_lost(uri: str) -> bool:
    """Tell whether an address is that of a SQLite file that is missing: opening it makes it."""
    file = sqlite_file(uri)
    return file is not None and not file.exists()
