"""What is searched: a setting's range or choices, and those that a study has by default."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import BeforeValidator, Field, model_validator

from study.choices import Choice, as_choice
from study.section import Section

SearchedChoice = Annotated[Choice, BeforeValidator(as_choice)]


class Range(Section):
    """What one searched setting may be: a range (`low`, `high`) or a list of `choices`."""

    low: int | float | None = Field(default=None, description="smallest value, itself allowed")
    high: int | float | None = Field(default=None, description="largest value, itself allowed")
    log: bool = Field(
        default=False, description="true: every order of magnitude is tried equally often"
    )
    choices: tuple[SearchedChoice, ...] | None = Field(
        default=None,
        description="instead of low and high: the values to choose from, lists where the setting "
        "is a list",
    )

    @property
    def ends(self) -> tuple[float, float]:
        """Low and high, of a range that has no choices."""
        if self.low is None or self.high is None:
            raise ValueError("a list of choices has no ends")
        return self.low, self.high

    @model_validator(mode="after")
    def _check_one_way(self) -> Self:
        if self.choices is not None:
            self._check_choices(self.choices)
        elif self.low is None or self.high is None:
            raise ValueError("a searched setting needs low and high, or choices")
        elif self.low >= self.high:
            message = f"low must be less than high, but low is {self.low} and high is {self.high}"
            raise ValueError(message)
        elif self.log and self.low <= 0:
            message = f"log needs low above zero, but low is {self.low}"
            raise ValueError(message)
        return self

    def _check_choices(self, choices: tuple[Choice, ...]) -> None:
        if self.low is not None or self.high is not None or self.log:
            raise ValueError("a searched setting has either choices or low, high and log, not both")
        if not choices:
            raise ValueError("choices must not be empty")
        if len(set(choices)) < len(choices):
            message = f"choices must differ from each other, but are {list(choices)}"
            raise ValueError(message)


def default_space() -> dict[str, Range]:
    """Return the ranges of the four coefficients that D-PCC's authors tuned by hand.

    Every range holds the published value, which is the first trial.

    - ``bpp_lambda``: on the embedded objects everything below 1e-3 is one and the same point in
      short training, 1e-2 starts to move the rate and 5e-2 halves it; the low-rate side needs more
      than 1e-1. The low end is the published 1e-4, the high end is where the rate term outweighs
      the chamfer distance.
    - ``chamfer_coe``: from nearly blind to the intermediate stages to as heavy as the last one.
    - ``density_coe``, ``pts_num_coe``: a factor of ten and more to both sides of the published
      value. Each guides the number of children, which the decoder needs but the rate does not see.
    """
    return {
        "loss.bpp_lambda": Range(low=1e-4, high=0.3, log=True),
        "loss.chamfer_coe": Range(low=0.01, high=1.0, log=True),
        "loss.density_coe": Range(low=1e-5, high=1e-3, log=True),
        "loss.pts_num_coe": Range(low=5e-8, high=1e-5, log=True),
    }
