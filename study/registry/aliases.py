"""Names that MLflow takes as aliases of a registered codec."""

from __future__ import annotations

from study.base.errors import StudyError


def check_alias(name: str) -> None:
    """Refuse a name that MLflow would not take as an alias.

    Raises:
        StudyError: it is empty, has other characters than letters, digits, - and _, or is reserved
            for versions (latest, v7).
    """
    plain = name.replace("-", "").replace("_", "")
    is_version = name[:1] in "vV" and name[1:].isdecimal()
    if not (plain.isalnum() and plain.isascii()) or is_version or name.lower() == "latest":
        raise StudyError(
            f"an alias has letters, digits, - and _, and is neither 'latest' nor a v with a "
            f"number, but '{name}' was given; take another, such as 'chairs-small'"
        )
