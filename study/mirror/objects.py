"""Objects by name, in S3, in Google's store, or in a folder: the only file that knows obstore.

An object appears whole or not at all, and there is no rename. The only condition that is asked of
a store is *create if absent*: all stores have it, folders too.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import obstore
from obstore.exceptions import AlreadyExistsError
from obstore.store import LocalStore, from_url

from study.base.errors import StudyError
from study.mirror.errors import DeniedError, MissingError, in_words

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime
    from typing import TypeVar

    from obstore.store import ObjectStore

    T = TypeVar("T")


@dataclass(frozen=True)
class Patience:
    """How long a store may take, in seconds; no request waits longer than both together.

    Attributes:
        request_s: for one request (of at most 5 MB; larger objects are several).
        retrying_s: for trying again where it fails on its side.
    """

    request_s: float = 30.0
    retrying_s: float = 60.0


class Found(NamedTuple):
    """An object.

    Attributes:
        name: as it was given.
        size: in bytes.
        written: when, by the store's clock.
    """

    name: str
    size: int
    written: datetime


class Objects:
    """The objects below an address.

    Args:
        url: s3://bucket/prefix, gs://bucket/prefix, or the path of a folder.
        patience: how long it may take.

    Raises:
        StudyError: the address is none of a store.
    """

    def __init__(self, url: str, patience: Patience | None = None) -> None:
        self.url = url
        self._store = _open(url, patience or Patience())

    def write(self, name: str, content: bytes) -> None:
        """Write an object, in place of one that is there.

        Raises:
            StoreError: it is not written.
        """
        self._do("written to", lambda: obstore.put(self._store, name, content))

    def create(self, name: str, content: bytes) -> bool:
        """Write an object if there is none of that name; tell whether it was this call.

        An answer that is lost on its way makes the store's library try again, and find its own
        object: so what is there is compared.

        Raises:
            StoreError: it cannot be told.
        """
        try:
            self._do(
                "written to, where there is nothing yet",
                lambda: obstore.put(self._store, name, content, mode="create", use_multipart=False),
            )
        except _TakenError:
            return self.read(name) == content
        return True

    def read(self, name: str) -> bytes:
        """Return an object's content.

        Raises:
            MissingError: there is none of that name.
            StoreError: it cannot be read.
        """
        return self._do("read", lambda: obstore.get(self._store, name).bytes().to_bytes())

    def found(self, prefix: str) -> list[Found]:
        """Return the objects whose names begin with ``prefix/``, by name.

        Raises:
            StoreError: they cannot be listed.
        """
        listed = self._do("listed", lambda: obstore.list(self._store, prefix).collect())
        every = [Found(each["path"], each["size"], each["last_modified"]) for each in listed]
        return sorted(every)

    def delete(self, names: Sequence[str]) -> None:
        """Delete objects; those that are gone already are no error.

        Raises:
            StoreError: one of them may still be there.
        """
        for name in names:
            try:
                self._do("deleted from", partial(obstore.delete, self._store, name))
            except MissingError:
                continue

    def _do(self, deed: str, call: Callable[[], T]) -> T:
        try:
            return call()
        except AlreadyExistsError as error:
            raise _TakenError from error
        except Exception as error:
            # The library has errors of several families, and no common base for all.
            raise in_words(error, self.url, deed) from error


class _TakenError(Exception):
    """There is an object of that name."""


def _open(url: str, patience: Patience) -> ObjectStore:
    if "://" not in url:
        try:
            Path(url).mkdir(parents=True, exist_ok=True, mode=0o700)
        except OSError as error:
            raise DeniedError(
                f"the folder of storage.mirror must exist or be made, and {url} cannot be "
                f"({error.strerror}); name another"
            ) from error
        return LocalStore(Path(url).resolve(), automatic_cleanup=False)
    try:
        return from_url(
            url,
            client_options={
                # Without TLS only where the environment names such an address (AWS_ENDPOINT_URL).
                "allow_http": True,
                "connect_timeout": timedelta(seconds=min(5.0, patience.request_s)),
                "timeout": timedelta(seconds=patience.request_s),
            },
            retry_config={
                "max_retries": 5,
                "retry_timeout": timedelta(seconds=patience.retrying_s),
            },
        )
    except Exception as error:
        raise StudyError(
            f"storage.mirror must be a store's address, and {url} cannot be opened: {error}"
        ) from error
