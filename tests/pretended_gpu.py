"""A GPU for tests on a machine without one: it computes on the CPU and watches the devices.

Within ``with PretendedGpu() as gpu`` the device "cuda" exists. A tensor on it is a label around
values on the CPU. Each operation first runs on PyTorch's fake tensors, which have no values:

- They refuse tensors of different devices, as a GPU does, and tell where the result lies.
- They refuse what depends on values (``item``, ``nonzero``, an index of booleans). There a program
  waits until the GPU has come so far; such waits are counted.

Then the operation runs on the values. Fake tensors alone would end at the first such place, and
autograd refuses those of a device that is missing: it takes the labels for PyTorch's meta tensors.

What needs the hardware stays open: kernels, memory, streams, rounding, time.
"""

from __future__ import annotations

import sys
from collections import Counter
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import torch
from torch._subclasses.fake_tensor import (
    DataDependentOutputException,
    DynamicOutputShapeException,
    FakeTensorMode,
    unset_fake_temporarily,
)
from torch.utils._python_dispatch import TorchDispatchMode, return_and_correct_aliasing
from torch.utils._pytree import TreeSpec, tree_flatten, tree_leaves, tree_map_only, tree_unflatten

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import TracebackType

    from torch import Tensor

CPU, GPU, META = (torch.device(name) for name in ("cpu", "cuda:0", "meta"))
ROOT = Path(__file__).parent.parent
PACKAGES = tuple(f"{ROOT / package}/" for package in ("losses", "model", "study"))
COPY, COPY_INTO = torch.ops.aten._to_copy.default, torch.ops.aten.copy_.default
INDEX = {torch.ops.aten.index, torch.ops.aten.index_put, torch.ops.aten.index_put_}


Operation = Any
"""One of PyTorch's, such as `aten.mul.Tensor`."""
Given = Any
"""What an operation takes or returns."""
Verdict = tuple[list[bool], str | None]
"""Of each resulting tensor whether it lies on the GPU, or why that depends on values."""


class OnGpu(torch.Tensor):
    """A tensor that says it lies on the GPU.

    Attributes:
        held: its values, on the CPU. What shares memory here shares it there.
    """

    held: Tensor

    def __new__(cls, held: Tensor) -> Self:
        """Label what is held."""
        made: Self = torch.Tensor._make_wrapper_subclass(
            cls,
            held.size(),
            strides=held.stride(),
            storage_offset=held.storage_offset(),
            dtype=held.dtype,
            device=META,
        )
        made.held = held
        return made

    @classmethod
    def __torch_function__(
        cls, func: Operation, types: Given, args: Given = (), kwargs: Given = None
    ) -> Given:
        """Answer what is no operation; all else goes on to the mode."""
        if func == torch.Tensor.device.__get__:
            return GPU
        if func is torch.Tensor.untyped_storage:
            return args[0].held.untyped_storage()
        if func is torch.Tensor.tolist:  # refused for labels; PyTorch begins with a copy, too
            return args[0].cpu().tolist()
        with torch._C.DisableTorchFunctionSubclass():
            result = func(*args, **(kwargs or {}))
        if func == torch.Tensor.data.__set__:  # type: ignore[attr-defined]
            args[0].held = args[1].held
        return result

    @classmethod
    def __torch_dispatch__(  # type: ignore[override]  # what PyTorch declares is not what it calls
        cls, func: Operation, types: Given, args: Given = (), kwargs: Given = None
    ) -> Given:
        """Refuse: within the mode its own method comes first."""
        raise AssertionError(f"{func} of a tensor on the pretended GPU, outside of it")


class PretendedGpu(TorchDispatchMode):
    """The device "cuda" of this thread.

    Attributes:
        waits: how often the program waited, by place and reason. The place is the innermost
            function of `losses`, `model` or `study`: ``model/decoder.py:choose reads a number``.
    """

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.waits: Counter[str] = Counter()
        self._fakes = FakeTensorMode()
        self._known: dict[object, Verdict] = {}

    def __enter__(self) -> Self:
        """Begin. Below a mode of fake tensors PyTorch asks for no driver."""
        self._fakes.__enter__()
        super().__enter__()  # type: ignore[no-untyped-call]
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End."""
        super().__exit__(kind, error, trace)  # type: ignore[no-untyped-call]
        self._fakes.__exit__(kind, error, trace)

    @contextmanager
    def counting(self) -> Iterator[Counter[str]]:
        """Count the waits of a part of a program."""
        before, self.waits = self.waits, Counter()
        try:
            yield self.waits
        finally:
            self.waits = before + self.waits

    def __torch_dispatch__(
        self, func: Operation, types: Given, args: Given = (), kwargs: Given = None
    ) -> Given:
        """Check one operation, count it if it waits, and do it."""
        named = dict(kwargs or {})
        named.pop("pin_memory", None)  # needs a driver, and changes nothing else
        if named.get("device") == META:  # autograd's word for a label's device
            named["device"] = GPU
        leaves, tree = tree_flatten((args, named))
        if not any(isinstance(one, OnGpu) or _is_gpu(one) for one in leaves):
            with unset_fake_temporarily():
                return func(*args, **named)
        found, reason = self._tried(func, leaves, tree)
        reason = reason or _blocking(func, args, named)
        if reason is not None:
            self.waits[f"{_place()} {reason}"] += 1
        held = [one.held if isinstance(one, OnGpu) else one for one in leaves]
        held_args, held_named = tree_unflatten([CPU if _is_gpu(one) else one for one in held], tree)
        with unset_fake_temporarily():
            made = _labelled(func(*held_args, **held_named), found)
        return return_and_correct_aliasing(func, args, named, made)

    def _tried(self, func: Operation, leaves: list[Any], tree: TreeSpec) -> Verdict:
        """What fake tensors say; an operation of the same shapes is tried once."""
        known = [
            (isinstance(one, OnGpu), one.size(), one.stride(), one.dtype)
            if isinstance(one, torch.Tensor)
            else (type(one), one)
            for one in leaves
        ]
        key = (func, tree, *known)
        if key not in self._known:
            with self._fakes:
                fakes = [_fake(one) if isinstance(one, torch.Tensor) else one for one in leaves]
                self._known[key] = _found(func, *tree_unflatten(fakes, tree))
        return self._known[key]


def _fake(one: Tensor) -> Tensor:
    """One of the same shape and device without values; for within the fakes' mode."""
    device = GPU if isinstance(one, OnGpu) else CPU
    return torch.empty_strided(one.size(), one.stride(), dtype=one.dtype, device=device)


def _found(func: Operation, args: Given, named: Given) -> Verdict:
    try:
        result = func(*args, **named)
    except DataDependentOutputException:
        return [], "reads a value"
    except DynamicOutputShapeException:
        return [], "asks how many"
    tensors = [one for one in tree_leaves(result) if isinstance(one, torch.Tensor)]
    return [one.device == GPU for one in tensors], None


def _labelled(values: Given, on_gpu: list[bool]) -> Given:
    """The results, labelled where they lie on the GPU: all, where nothing is said of them."""
    where = iter(on_gpu)
    return tree_map_only(torch.Tensor, lambda one: OnGpu(one) if next(where, True) else one, values)


def _blocking(func: Operation, args: Given, named: Given) -> str | None:
    """Why an operation waits whose result depends on no value."""
    if func is COPY:
        from_gpu, device = isinstance(args[0], OnGpu), named.get("device")
        to_gpu = from_gpu if device is None else _is_gpu(device)
        return _of_copy(from_gpu, to_gpu, named.get("non_blocking", False))
    if func is COPY_INTO:
        to_gpu, from_gpu = (isinstance(one, OnGpu) for one in args[:2])
        return _of_copy(from_gpu, to_gpu, args[2] if len(args) > 2 else False)
    if func.overloadpacket in INDEX:
        indices = [one for one in args[1] if one is not None]
        if not isinstance(args[0], OnGpu):  # PyTorch refuses it, and fake tensors do not
            raise RuntimeError(f"{func} of a tensor on the cpu by an index on the device cuda:0")
        if not all(isinstance(one, OnGpu) for one in indices):
            return "moves an index"
        if any(one.dtype in {torch.bool, torch.uint8} for one in indices):
            return "asks how many"
    return None


def _of_copy(from_gpu: bool, to_gpu: bool, non_blocking: bool) -> str | None:  # noqa: FBT001
    """A copy to ordinary memory always ends before the program goes on."""
    if from_gpu and not to_gpu:
        return "copies to the CPU"
    return "copies to the GPU" if to_gpu and not from_gpu and not non_blocking else None


def _is_gpu(thing: object) -> bool:
    return isinstance(thing, torch.device) and thing.type == "cuda"


def _place() -> str:
    """The innermost function of the project that is under way."""
    frame = sys._getframe(1)
    while frame.f_back is not None:
        code = frame.f_code
        if code.co_filename.startswith(PACKAGES):
            return f"{Path(code.co_filename).relative_to(ROOT).as_posix()}:{code.co_name}"
        frame = frame.f_back
    return "elsewhere"
