"""What is compared: how settings are proposed, and when trials are stopped."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import product
from math import ceil
from typing import TYPE_CHECKING, Literal

from pydantic import ValidationError

from study.base.errors import StudyError
from study.config import HaltingSection
from study.config.sentences import describe
from study.search.numbered import GridChoices, wished
from study.search.space import contains
from study.storage.study_file import check_study

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from study.config import StudyConfig
    from study.config.choices import Choice
    from study.config.ranges import Range
    from study.simulation.recording import Recording

RANDOM = "random"
NONE: Literal["none"] = "none"
_NAME = "simulated"
_TRAINS_ALIKE = ("data", "model", "loss", "training")


def _no_halting() -> HaltingSection:
    return HaltingSection(rule=NONE)


@dataclass(frozen=True)
class Strategy:
    """One way to run a study.

    Attributes:
        sampler: what proposes settings.
        halting: when trials are stopped.
        stratify: searched range -> number of slices, as pairs.
    """

    sampler: str
    halting: HaltingSection = field(default_factory=_no_halting)
    stratify: tuple[tuple[str, int], ...] = ()

    @property
    def words(self) -> str:
        """What it is called: ``tpe, bpp_lambda in 8, pareto 1 by 3 (epsilon_net)``."""
        slices = [f"{name.rpartition('.')[2]} in {count}" for name, count in self.stratify]
        return ", ".join([self.sampler, *slices, _halting_words(self.halting)])


YARDSTICK = Strategy(RANDOM)
"""What all others are compared with: random settings, every trial trained to its end."""


def _halting_words(halting: HaltingSection) -> str:
    if halting.rule == NONE:
        return "no halting"
    how = halting.metric if halting.rule == "single" else halting.coverage
    grace = "" if halting.grace is None else f" {halting.grace}"
    often = {1: " once", 2: " twice"}.get(halting.rungs, "")
    return f"{halting.rule}{grace} by {halting.reduction:g}{often} ({how})"


@dataclass(frozen=True)
class Offered:
    """What to combine: at least one value of each."""

    samplers: Sequence[str]
    rules: Sequence[str]
    graces: Sequence[int | None]
    reductions: Sequence[float]
    rungs: Sequence[int]
    coverages: Sequence[str]
    stratify: Sequence[tuple[tuple[str, int], ...]]


def combined(offered: Offered) -> list[Strategy]:
    """Return the yardstick and every combination, in the order given.

    Raises:
        StudyError: a halting rule is not valid.
    """
    haltings = list(_haltings(offered))
    strategies = [
        Strategy(sampler, halting, slices)
        for sampler, slices, halting in product(offered.samplers, offered.stratify, haltings)
    ]
    return list(dict.fromkeys([YARDSTICK, *strategies]))


def _haltings(offered: Offered) -> Iterator[HaltingSection]:
    for rule in offered.rules:
        if rule == NONE:
            yield _no_halting()
            continue
        name, _, metric = rule.partition(":")
        coverages = offered.coverages if name != "single" else offered.coverages[:1]
        choices = product(offered.graces, offered.reductions, offered.rungs, coverages)
        for grace, reduction, rungs, coverage in choices:
            fields = {"grace": grace, "reduction": reduction, "rungs": rungs, "coverage": coverage}
            yield _halting({"rule": name, **fields} | ({"metric": metric} if metric else {}))


def _halting(fields: Mapping[str, object]) -> HaltingSection:
    try:
        return HaltingSection.model_validate(fields)
    except ValidationError as error:
        raise StudyError(describe(error, "halting")) from error


def base_study(recording: Recording, study: StudyConfig | None) -> StudyConfig:
    """Return the study that strategies are variants of.

    Args:
        recording: without a study, its space is searched for its objectives.
        study: its search, halting, objectives and constraints replace those of the recording.

    Raises:
        StudyError: the study's trials would not train as the recorded ones did, or its space is not
            within theirs.
    """
    own = recording.config
    if study is None:
        search = type(own.search)(trials=1, space=own.search.space)
        return own.model_copy(
            update={"search": search, "halting": _no_halting(), "budget": type(own.budget)()}
        )
    for section in _TRAINS_ALIKE:
        if getattr(study, section) != getattr(own, section):
            raise StudyError(
                f"a simulated study must train as the recorded one did, but {study.name} and the "
                f"recorded {own.name} differ in `{section}`; change what is searched, its "
                "objectives, halting or constraints only"
            )
    _check_within(study.search.space, own.search.space)
    return study


def _check_within(space: Mapping[str, Range], recorded: Mapping[str, Range]) -> None:
    if set(space) != set(recorded):
        raise StudyError(
            f"a simulated study must search what was recorded, which is {', '.join(recorded)}, "
            f"but searches {', '.join(space)}"
        )
    for name, searched in space.items():
        ends: Sequence[Choice] = searched.options or searched.ends
        if not all(contains(recorded[name], end) for end in ends):
            raise StudyError(
                f"curves are known within the recorded space only, but search.space.{name} "
                "reaches beyond it; make it narrower"
            )


def variant(base: StudyConfig, strategy: Strategy, *, epochs: int, seed: int) -> StudyConfig:
    """Return a strategy as a study that ends when it has spent so many epochs.

    Raises:
        StudyError: the sampler is unknown or cannot search this, or what is stratified is not
            searched.
    """
    search = base.search.model_copy(
        update={
            "trials": _most_trials(base, strategy, epochs),
            "sampler": strategy.sampler,
            "sampler_options": (
                base.search.sampler_options if strategy.sampler == base.search.sampler else {}
            ),
            "stratify": dict(strategy.stratify),
        }
    )
    config = base.model_copy(
        update={
            "name": _NAME,
            "seed": seed,
            "search": search,
            "halting": strategy.halting,
            "budget": type(base.budget)(epochs=epochs),
        }
    )
    check_study(config)
    return config


def _most_trials(base: StudyConfig, strategy: Strategy, epochs: int) -> int:
    """Return the most trials that so many epochs allow; a grid has no more than its points."""
    whole = ceil(epochs / base.training.epochs)
    # A trial takes at least one epoch; without halting it takes all of its epochs.
    most = whole if strategy.halting.rule == NONE else epochs
    if strategy.sampler == "grid":
        most = min(most, len(GridChoices(base)) + wished(base))
    return most
