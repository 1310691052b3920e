"""Addresses of databases and servers, as they may be shown."""

from __future__ import annotations

from urllib.parse import urlsplit


def masked(uri: str) -> str:
    """Return an address without its user and password, for eyes and files that others may see."""
    credentials, at, _ = urlsplit(uri).netloc.rpartition("@")
    return uri.replace(credentials + at, "***@", 1) if at else uri
