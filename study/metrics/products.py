"""PyTorch's products, counted as they happen."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


class Products(TorchDispatchMode):
    """Counts, in its block, what `torch.utils.flop_counter.FlopCounterMode` does.

    By the same formulas. That one tells modules apart too, and begins with two seconds of imports,
    of PyTorch's compiler, which every worker of a study would wait for.

    Attributes:
        operations: multiplications and additions, two for each multiply-accumulate.
    """

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.operations = 0

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        """Say that no compiler has to be told of this: nothing is compiled in the block."""
        return False

    def __torch_dispatch__(
        self,
        func: Any,  # noqa: ANN401  PyTorch's
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:  # noqa: ANN401
        """Do what is asked for, and count it."""
        given = kwargs or {}
        if torch.is_inference_mode_enabled():
            # What is made of others arrives whole here, and in parts otherwise.
            with self:
                made = func.decompose(*args, **given)
            if made is not NotImplemented:
                return made
        made = func(*args, **given)
        if (formula := flop_registry.get(func.overloadpacket)) is not None:
            self.operations += formula(*args, **given, out_val=made)
        return made
