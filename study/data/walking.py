"""Pickles that another reader is about to read, walked through for what would cost it too much."""

from __future__ import annotations

import io
import pickle
from typing import TYPE_CHECKING, Any, ClassVar

from study.data.unpickling import StandIn, Unpickler

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import BinaryIO

_MOST_REPEATED = 100_000
"""Members of tuples that a pickle may repeat, all together."""


def check_harmless(pickled: bytes, where: str, count: int = 1) -> None:
    """Walk through pickles that another reader is about to read, with a stand-in for each name.

    PyTorch's reader of weights runs nothing either, but hashes whatever a file uses as a key.

    Raises:
        UnpicklingError: it has keys that nobody writes.
        Exception: whatever the damage happens to hit.
    """
    file = io.BytesIO(pickled)
    for _ in range(count):
        _Walker(file, where).load()


class _Nothing:
    """What a stand-in returns: it takes any state and any item, and keeps none."""

    __slots__ = ()
    __hash__ = None  # type: ignore[assignment]  # no key is one

    def __call__(self, *_: object) -> _Nothing:
        return self

    def __setstate__(self, _state: object) -> None:
        pass

    def __setitem__(self, _key: object, _value: object) -> None:
        pass

    def append(self, _item: object) -> None:
        pass


def _counted(load: Callable[..., None]) -> Callable[..., None]:
    """Return an opcode's work with what it puts on the stack counted."""

    def counted(walker: _Walker) -> None:
        load(walker)
        walker.count(walker.stack[-1])

    return counted


class _Walker(Unpickler):
    """Walks through a pickle, and counts what it repeats.

    PyTorch's reader hashes not only keys: also what it is given as a storage's name, and whatever
    is put into an ordered dictionary. A tuple is hashed with all that is in it, as often as it is.
    """

    dispatch: ClassVar[dict[int, Callable[..., None]]] = dict(Unpickler.dispatch)
    most_arguments = 16

    def __init__(self, file: BinaryIO, where: str) -> None:
        super().__init__(file, where)
        self._may_repeat = _MOST_REPEATED

    def find_class(self, _module: str, _name: str) -> Any:  # noqa: ANN401 - as its parent
        return StandIn(lambda *_: _Nothing())

    def persistent_load(self, _id: object) -> _Nothing:
        return _Nothing()

    def count(self, again: object) -> None:
        """Count all that is in a tuple which the pickle names again, unless that is too much."""
        found = [again]
        while found:
            value = found.pop()
            if isinstance(value, tuple):
                self._may_repeat -= 1 + len(value)
                found += value
            if self._may_repeat < 0:
                raise pickle.UnpicklingError("it repeats tuples of tuples: it was made up")

    for _opcode in (pickle.GET, pickle.BINGET, pickle.LONG_BINGET, pickle.DUP):
        dispatch[_opcode[0]] = _counted(dispatch[_opcode[0]])
