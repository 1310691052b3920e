"""Where MLflow keeps files, and whether that is this root's own place.

MLflow writes the whole path of a run's files into its database. A root that was copied or moved so
holds paths of the root that it was, and a database from somebody else any path at all: files would
be written there.
"""

from __future__ import annotations

from pathlib import Path
from urllib.parse import unquote, urlsplit


def is_elsewhere(address: str, own: Path | None) -> bool:
    """Tell whether files of this address are written outside a folder on this machine.

    Args:
        address: of an experiment's or a run's artifacts. One on a server or in an object store is
            nobody's copy.
        own: the folder; None where any address will do.
    """
    split = urlsplit(address)
    if own is None or split.scheme not in {"", "file"}:
        return False
    # A link on the way leads elsewhere too. Another path to the same folder, by a mount, does not.
    there = Path(unquote(split.path) if split.scheme else address).resolve()
    if there.is_relative_to(own.resolve()):
        return False
    above = [path for path in (there, *there.parents) if own.exists() and path.exists()]
    return not any(path.samefile(own) for path in above)
