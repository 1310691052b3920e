"""What is searched: a setting's range or choices."""

from __future__ import annotations

from math import exp, log
from typing import Annotated, Self

from pydantic import BeforeValidator, Field, model_validator

from study.config.choices import Choice, as_choice
from study.config.section import Section

SearchedChoice = Annotated[Choice, BeforeValidator(as_choice)]


class Range(Section):
    """What one searched setting may be: a range (`low`, `high`), `choices`, or one `value`."""

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
    value: SearchedChoice | None = Field(
        default=None, description="instead of a range: what all trials have; it is recorded"
    )
    when: dict[str, tuple[SearchedChoice, ...]] = Field(
        default_factory=dict,
        description="searched only in trials in which other searched settings have one of these "
        "values, such as {model.quantize_latent_xyzs: [true]}; elsewhere the study's own stands",
    )

    @property
    def options(self) -> tuple[Choice, ...] | None:
        """The values to choose from, a constant's only one; None of a range."""
        return self.choices if self.value is None else (self.value,)

    def at(self, share: float, *, integer: bool) -> Choice:
        """Return what lies at a share of the way through, from 0 to less than 1.

        Shares that are spread evenly give every choice and every whole number equally often, and a
        range evenly (`log`: by orders of magnitude).
        """
        if self.options is not None:
            return self.options[int(share * len(self.options))]
        low, high = self.ends
        if integer:  # Every whole number stands for what is rounded to it.
            low, high = low - 0.5, high + 0.5
        found = exp(log(low) + share * log(high / low)) if self.log else low + share * (high - low)
        low, high = self.ends
        found = min(max(round(found) if integer else found, low), high)
        return int(found) if integer else found

    @property
    def ends(self) -> tuple[float, float]:
        """Low and high, of a range that has no choices."""
        if self.low is None or self.high is None:
            raise ValueError("a list of choices has no ends")
        return self.low, self.high

    @model_validator(mode="after")
    def _check_one_way(self) -> Self:
        if self.value is not None:
            if self.choices is not None:
                raise ValueError("a searched setting has either choices or one value, not both")
            self._check_choices((self.value,))
        elif self.choices is not None:
            self._check_choices(self.choices)
        elif self.low is None or self.high is None:
            raise ValueError("a searched setting needs low and high, or choices, or one value")
        elif self.low >= self.high:
            message = f"low must be less than high, but low is {self.low} and high is {self.high}"
            raise ValueError(message)
        elif self.log and self.low <= 0:
            message = f"log needs low above zero, but low is {self.low}"
            raise ValueError(message)
        return self

    def _check_choices(self, choices: tuple[Choice, ...]) -> None:
        if self.low is not None or self.high is not None or self.log:
            what = "choices" if self.value is None else "one value"
            message = f"a searched setting has either {what} or low, high and log, not both"
            raise ValueError(message)
        if not choices:
            raise ValueError("choices must not be empty")
        if len(set(choices)) < len(choices):
            message = f"choices must differ from each other, but are {list(choices)}"
            raise ValueError(message)
