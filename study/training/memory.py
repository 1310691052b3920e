"""Running out of memory: how to tell, and what to do about it."""

from __future__ import annotations

import gc
from typing import TYPE_CHECKING, TypeVar

import torch

from study.base.records import Failure, Fault

if TYPE_CHECKING:
    from collections.abc import Callable

Work = TypeVar("Work")
Result = TypeVar("Result")

_SIGNS = ("DefaultCPUAllocator", "bad_alloc", "ALLOC_FAILED", "out of memory")
"""What other errors say when memory runs out: of the CPU, of C++, of CUDA's libraries, and of CUDA
itself where PyTorch's allocator or Triton did not expect it."""


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error says that memory ran out."""
    if isinstance(error, (torch.OutOfMemoryError, MemoryError)):
        return True
    return isinstance(error, RuntimeError) and any(sign in str(error) for sign in _SIGNS)


def out_of_memory(device: str) -> Failure:
    """The failure of a member that does not even train alone."""
    whose = "machine's" if device == "cpu" else "GPU's"
    return Failure.of(
        Fault.OUT_OF_MEMORY,
        f"even alone this trial needs more of the {whose} memory than is free; "
        "smaller patches (data.cube_size), fewer training.patches_per_step, a smaller network "
        "(model) or fewer resources.concurrent_cohorts help",
    )


def free_what_failed() -> None:
    """Free what work that raised an error has left behind: tensors that nobody can reach.

    Where a backward pass fails, autograd keeps the steps that this thread had still to take, and
    with them the whole graph, until the thread's next backward pass drops them (PyTorch's issue
    82218). So one of a single number follows here.
    """
    number = torch.zeros((), requires_grad=True)
    torch.autograd.grad(number + 1, number)
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


def in_parts(
    work: Work, do: Callable[[Work], Result], halves: Callable[[Work], list[Work]]
) -> list[tuple[Work, Result | None]]:
    """Do some work, or where memory runs out its halves one after the other, and so on.

    Args:
        work: what is to be done.
        do: does it, whole or not at all.
        halves: of work that did not fit; empty where it cannot be divided.

    Returns:
        The parts that were done and their results; None for one that is too large and cannot be
        divided.
    """
    try:
        return [(work, do(work))]
    except (torch.OutOfMemoryError, MemoryError, RuntimeError) as error:
        if not is_out_of_memory(error):
            raise
    free_what_failed()  # Outside of the handler, which holds the frames of what failed.
    parts = halves(work)
    if not parts:
        return [(work, None)]
    return [done for part in parts for done in in_parts(part, do, halves)]
