"""Kinds of numbers that several sections share."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

Positive = Annotated[float, Field(gt=0.0)]
Count = Annotated[int, Field(ge=1)]
