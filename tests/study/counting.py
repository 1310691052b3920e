"""Counting calls of real functions: they run as always, and what they were given is noted."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from functools import wraps
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import pytest


@dataclass
class Count:
    """How often a function was called, by its first argument's contents."""

    calls: Counter[object] = field(default_factory=Counter)

    @property
    def total(self) -> int:
        return self.calls.total()

    @property
    def repeated(self) -> int:
        """Calls beyond the first with the same contents."""
        return self.total - len(self.calls)


def counted(monkeypatch: pytest.MonkeyPatch, owner: Any, name: str) -> Count:  # noqa: ANN401
    """Have the calls of ``owner.name`` counted; a method's first argument is what follows self."""
    real, count = getattr(owner, name), Count()

    @wraps(real)
    def noting(*words: Any, **named: Any) -> Any:  # noqa: ANN401
        first = words[1] if isinstance(owner, type) else words[0]
        is_array = isinstance(first, np.ndarray)
        count.calls[(first.shape, first.tobytes()) if is_array else str(first)] += 1
        return real(*words, **named)

    monkeypatch.setattr(owner, name, noting)
    return count
