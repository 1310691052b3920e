"""Pickles read without running what they say.

A pickle is a program: it names functions and has them called. Stand-ins that only take notes
replace the few that NumPy's arrays need, so no claim of a file about types and sizes reaches NumPy
unchecked: arrays are made of the notes, once these are checked. Any other name is refused before
anything is called.
"""

from __future__ import annotations

import pickle
import struct
from typing import TYPE_CHECKING, Any, ClassVar, NoReturn

import numpy as np

from study.base.errors import StudyError
from study.clouds.cloud import parsing

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import BinaryIO

_LARGEST_KEY = 1 << 60
_LONGEST_KEY = 1000
"""A key is written out where something is said of it, and hashed where it is looked up."""

_NUMBER_TYPES = {f"{kind}{size}" for kind in "iu" for size in (1, 2, 4, 8)} | {"f2", "f4", "f8"}


def read_pickle(file: BinaryIO, where: str) -> Any:  # noqa: ANN401 - any plain value
    """Read a pickle of plain containers, numbers and NumPy arrays.

    Arrays are returned as notes, of which `as_array` makes arrays.

    Raises:
        StudyError: it is damaged, or names anything but what NumPy's arrays need.
    """
    with parsing(where, "a pickle"):
        return Unpickler(file, where).load()


def as_array(value: object, where: str) -> np.ndarray[Any, Any]:
    """Make the array that a note describes.

    Raises:
        StudyError: it is no note of an array of numbers, or one that contradicts itself.
    """
    if isinstance(value, _Array):
        with parsing(where, "a pickled array"):
            return value.array()
    raise StudyError(
        f"the points of a pickled data set must be arrays, and {where} has "
        f"{type(value).__name__}; convert it"
    )


class _Type:
    """Notes about a NumPy type: `dtype(code, align, copy)`, then its state."""

    __slots__ = ("_code", "_order")

    def __init__(self, code: object, *_: object) -> None:
        self._code, self._order = code, "|"

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        self._order = state[1]

    def dtype(self) -> np.dtype[Any]:
        # Neither is hashed or written out before it is known to be text: tuples may be nested.
        if not isinstance(self._code, str) or not isinstance(self._order, str):
            raise ValueError("an array's type must be a name")  # noqa: TRY004 - as any damage
        if self._code not in _NUMBER_TYPES or self._order not in ("<", ">", "=", "|"):
            raise ValueError(f"an array must be of numbers, not of {self._code[:20]!r}")
        return np.dtype(f"{self._order}{self._code}")


class _Array:
    """Notes about an array: its type, its shape, and its numbers as bytes."""

    __slots__ = ("_state",)

    def __init__(self, *state: Any) -> None:  # noqa: ANN401 - whatever the file says
        self._state = state

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        _, shape, kind, is_fortran, numbers = state
        self._state = (numbers, kind, shape, "F" if is_fortran else "C")

    def array(self) -> np.ndarray[Any, Any]:
        numbers, kind, shape, order = self._state
        if not isinstance(kind, _Type) or not isinstance(numbers, bytes):
            raise ValueError("an array must be of numbers")  # noqa: TRY004 - as any damage
        array: np.ndarray[Any, Any] = np.frombuffer(numbers, kind.dtype())
        return array.reshape(shape, order=order)


class StandIn:
    """A stand-in for a function. It is immutable, since a pickle may try to set its attributes."""

    __slots__ = ("_function",)
    _function: Callable[..., object]

    def __init__(self, function: Callable[..., object]) -> None:
        object.__setattr__(self, "_function", function)

    def __setattr__(self, name: str, _value: object) -> NoReturn:
        raise pickle.UnpicklingError(f"it sets {name} of a function")

    def __call__(self, *arguments: object) -> object:
        """Do what the function would."""
        return self._function(*arguments)


def _scalar(kind: object, numbers: object) -> object:
    if not isinstance(kind, _Type) or not isinstance(numbers, bytes):
        raise ValueError("a scalar must be a number")  # noqa: TRY004 - as any damage
    (number,) = np.frombuffer(numbers, kind.dtype()).tolist()
    return number


class _Encoder:
    """Bytes from the text in which protocol 2 stores them. Other encodings may unpack bombs."""

    def __init__(self) -> None:
        # A pickle can have one text encoded any number of times: all get the same bytes.
        self._known: dict[int, tuple[str, bytes]] = {}

    def __call__(self, text: object, encoding: object) -> bytes:
        if not isinstance(text, str) or encoding != "latin1":
            raise ValueError("bytes must be encoded as latin1, and are not")
        if id(text) not in self._known:
            self._known[id(text)] = text, text.encode("latin1")
        return self._known[id(text)][1]


def _no_bytes() -> bytes:
    """Empty bytes, which protocol 2 stores as a call."""
    return b""


_ARRAY = StandIn(lambda *_: _Array())
_NUMPY = {
    "multiarray": {"_reconstruct": _ARRAY, "scalar": StandIn(_scalar)},
    "numeric": {"_frombuffer": StandIn(_Array)},
}
_ENCODE = ("_codecs", "encode")
_MOST_ARGUMENTS = 4
"""Of the functions that are admitted."""
_ADMITTED = {
    ("numpy", "ndarray"): None,
    ("numpy", "dtype"): StandIn(_Type),
    ("__builtin__", "bytes"): StandIn(_no_bytes),
} | {
    (f"numpy.{core}.{module}", name): stand_in
    for core in ("core", "_core")
    for module, stand_ins in _NUMPY.items()
    for name, stand_in in stand_ins.items()
}


# Python's own unpickler: the one in C allocates as much as a file asks for (LONG_BINPUT).
class Unpickler(pickle._Unpickler):  # noqa: SLF001 - see above
    """Reads a pickle, and refuses every name that is not admitted."""

    # As in the parent class.
    dispatch: ClassVar[dict[int, Callable[..., None]]] = dict(pickle._Unpickler.dispatch)  # noqa: SLF001
    read: Callable[[int], bytes]
    append: Callable[[object], None]
    stack: list[Any]
    most_arguments = _MOST_ARGUMENTS

    def __init__(self, file: BinaryIO, where: str) -> None:
        super().__init__(file)
        self._where = where
        self._encode = StandIn(_Encoder())

    def find_class(self, module: str, name: str) -> Any:  # noqa: ANN401 - as its parent
        """Hand out a stand-in."""
        if (module, name) == _ENCODE:
            return self._encode
        if (module, name) in _ADMITTED:
            return _ADMITTED[module, name]
        raise StudyError(
            f"a pickled data set may hold arrays and plain containers only, and {self._where} "
            f"names {module[:100]}.{name[:100]}; it was not run: do not trust the file"
        )

    def _load_bytes(self) -> None:
        """Read a bytearray as bytes: the parent allocates its length before it reads."""
        (length,) = struct.unpack("<Q", self.read(8))
        self.append(self.read(length))

    dispatch[pickle.BYTEARRAY8[0]] = _load_bytes

    def _load_reduce(self) -> None:
        """Call a stand-in, which may keep what it is given."""
        if len(self.stack[-1]) > self.most_arguments:
            raise pickle.UnpicklingError("it calls a function with more arguments than that has")
        pickle._Unpickler.load_reduce(self)  # type: ignore[attr-defined]  # noqa: SLF001

    dispatch[pickle.REDUCE[0]] = _load_reduce

    def _load_setitem(self) -> None:
        """Put one value into a dictionary."""
        _check_key(self.stack[-2])
        pickle._Unpickler.load_setitem(self)  # type: ignore[attr-defined]  # noqa: SLF001

    dispatch[pickle.SETITEM[0]] = _load_setitem

    def _load_setitems(self) -> None:
        """Put what lies above the mark into a dictionary: keys and values in turn."""
        for key in self.stack[::2]:
            _check_key(key)
        pickle._Unpickler.load_setitems(self)  # type: ignore[attr-defined]  # noqa: SLF001

    dispatch[pickle.SETITEMS[0]] = _load_setitems

    def _load_dict(self) -> None:
        """Make a dictionary of what lies above the mark."""
        for key in self.stack[::2]:
            _check_key(key)
        pickle._Unpickler.load_dict(self)  # type: ignore[attr-defined]  # noqa: SLF001

    dispatch[pickle.DICT[0]] = _load_dict

    def _load_set(self) -> NoReturn:
        """Refuse sets, whose members are hashed as keys are: no data set has any."""
        raise pickle.UnpicklingError("it holds a set")

    for _opcode in (pickle.ADDITEMS, pickle.FROZENSET):
        dispatch[_opcode[0]] = _load_set


def _check_key(key: object) -> None:
    """Refuse keys that no data set has: a tuple of tuples may take for ever to hash.

    Raises:
        UnpicklingError: neither a short text, nor a number, nor a tuple of numbers.
    """
    parts = key if isinstance(key, tuple) else (key,)
    if len(parts) <= _LONGEST_KEY and all(map(_is_plain, parts)):
        return
    raise pickle.UnpicklingError("the keys of its dictionaries must be numbers or short texts")


def _is_plain(part: object) -> bool:
    if isinstance(part, str):
        return len(part) <= _LONGEST_KEY
    return isinstance(part, float) or (isinstance(part, int) and abs(part) <= _LARGEST_KEY)
