"""What crosses the border to the C++ kernels: their structures, and pointers to tensors."""

from __future__ import annotations

import ctypes
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from model.native.library import library

if TYPE_CHECKING:
    from collections.abc import Sequence

_SIZES = ("trials", "patches", "rows", "inputs", "hidden", "outputs")
_SWITCHES = ("x_per_trial", "counts_per_trial", "w1_per_patch")
_TENSORS = ("x", "w1", "b1", "scale", "shift", "w2", "b2")


class PerceptronArguments(ctypes.Structure):
    """`Perceptron` of rows.cpp."""

    _fields_ = (
        *((name, ctypes.c_int64) for name in (*_SIZES, *_SWITCHES)),
        *((name, ctypes.c_void_p) for name in ("counts", *_TENSORS)),
    )


class GradientArguments(ctypes.Structure):
    """`Gradients` of rows.cpp."""

    _fields_ = tuple((name, ctypes.c_void_p) for name in ("y", *_TENSORS))


class AttentionArguments(ctypes.Structure):
    """`Attention` of attend.cpp."""

    _fields_ = (
        *((n, ctypes.c_int64) for n in ("trials", "patches", "rows", "slots", "channels")),
        ("first", ctypes.c_void_p),
    )


class SearchArguments(ctypes.Structure):
    """`Nearest` of nearest.cpp."""

    _fields_ = (
        *(
            (name, ctypes.c_int64)
            for name in ("trials", "patches", "queries", "references", "neighbours")
        ),
        *((name, ctypes.c_int64) for name in ("query_per_trial", "reference_per_trial")),
        *(
            (name, ctypes.c_void_p)
            for name in ("query", "reference", "query_sizes", "reference_sizes")
        ),
    )


class PlacementArguments(ctypes.Structure):
    """`Placement` of rows.cpp."""

    _fields_ = (
        *((name, PerceptronArguments) for name in ("direction", "length", "features")),
        *((name, ctypes.c_void_p) for name in ("candidates", "xyz", "residual")),
    )


class PlacementState(ctypes.Structure):
    """`PlacementState` of rows.cpp."""

    _fields_ = tuple((name, ctypes.c_void_p) for name in ("shares", "length", "unit", "norm"))


class PlacementGradients(ctypes.Structure):
    """`PlacementGradients` of rows.cpp."""

    _fields_ = (
        *((name, GradientArguments) for name in ("direction", "length", "features")),
        *((name, ctypes.c_void_p) for name in ("placed", "x", "shares", "of_length")),
    )


def expect(
    tensors: Sequence[Tensor | None], numbers: Sequence[int], dtype: torch.dtype = torch.float32
) -> None:
    """Hold tensors against what a kernel will read: it cannot ask how long they are."""
    for tensor, number in zip(tensors, numbers, strict=True):
        assert tensor is None or (
            tensor.numel() == number and tensor.dtype == dtype and tensor.is_cpu
        ), f"{number} of {dtype} on the CPU, not {tuple(tensor.shape)} of {tensor.dtype}"


def empty_like_all(*tensors: Tensor | None) -> list[Tensor | None]:
    """Room for the gradient of each tensor."""
    return [None if tensor is None else torch.empty_like(tensor) for tensor in tensors]


def pointer(tensor: Tensor | None) -> int | None:
    """Where a contiguous tensor's numbers begin; null for None."""
    return None if tensor is None else tensor.data_ptr()


def call(name: str, *arguments: object) -> None:
    """Run a kernel with as many threads as PyTorch uses.

    Raises:
        MemoryError: there was not enough for what it works in.
    """
    found = library()
    assert found is not None, "callers ask `usable` first"
    kernel = getattr(found, name)
    if kernel.argtypes is None:
        kernel.argtypes = [ctypes.c_void_p] * len(arguments) + [ctypes.c_int]
    if kernel(*arguments, torch.get_num_threads()):
        raise MemoryError(f"{name} ran out of memory")
