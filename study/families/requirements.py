"""What must hold of a module that was written for one trial, so that many can train as one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import nn

from study.base.errors import StudyError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_DROPOUTS = (
    nn.Dropout,
    nn.Dropout1d,
    nn.Dropout2d,
    nn.Dropout3d,
    nn.AlphaDropout,
    nn.FeatureAlphaDropout,
)


def seeded(make: Callable[[], nn.Module], seed: int) -> nn.Module:
    """Make a module as after PyTorch was given a seed, and leave PyTorch's own numbers alone."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return make()


def checked(make: Callable[[], nn.Module], asked: Sequence[str]) -> nn.Module:
    """Make a module, and refuse it where trials would not end as they do alone, or not be opened.

    Args:
        make: makes it.
        asked: what it must have.

    Raises:
        StudyError: it lacks a method, its buffers are no constants, a part does something else in
            training than in coding, or it cannot be made without values.
    """
    first = seeded(make, 0)
    _require_constants(first, seeded(make, 1))
    _require_one_mode(first)
    _require_outline(make)
    _require_methods(first, asked)
    return first


def outline(make: Callable[[], nn.Module]) -> nn.Module:
    """Make a module whose tensors have shapes, and take no memory."""
    with torch.device("meta"):
        return make()


def _require_methods(module: nn.Module, asked: Sequence[str]) -> None:
    if lacking := [name for name in asked if not hasattr(module, name)]:
        raise StudyError(
            f"a family's module must have {', '.join(asked)}, and {type(module).__name__} lacks "
            f"{', '.join(lacking)}; see docs/families.md"
        )


def _require_constants(one: nn.Module, other: nn.Module) -> None:
    theirs = dict(other.named_buffers())
    for name, buffer in one.named_buffers():
        if name not in theirs or not torch.equal(buffer, theirs[name]):
            raise StudyError(
                "buffers of a family's module must be constants, for every trial's module is made "
                f"anew and only its parameters are kept, and {name} has another value in each "
                "module; make it a parameter, or draw it with a fixed seed of its own"
            )


def _require_one_mode(module: nn.Module) -> None:
    for name, part in module.named_modules():
        if _has_modes(part):
            raise StudyError(
                "a family's module must do in training what it does when it codes, and its part "
                f"'{name}' ({type(part).__name__}) does not; take a norm without running "
                "statistics, such as LayerNorm, and for noise that which the platform gives `terms`"
            )


def _has_modes(part: nn.Module) -> bool:
    if isinstance(part, _DROPOUTS):
        return part.p > 0
    if isinstance(part, nn.RNNBase | nn.MultiheadAttention):
        return part.dropout > 0
    return isinstance(part, nn.RReLU) or getattr(part, "running_mean", None) is not None


def _require_outline(make: Callable[[], nn.Module]) -> None:
    try:
        outline(make)
    # The code is a family's: what it raises cannot be foreseen.
    except Exception as error:
        raise StudyError(
            "a family's module must be made under torch.device('meta') too, where tensors have "
            "shapes and no values, so that a codec's weights are compared before they take memory; "
            f"it is not ({error}); ask no tensor for its values where the module is made, or put "
            "that tensor on the device 'cpu'"
        ) from error
