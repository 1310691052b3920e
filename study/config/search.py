"""What a study searches for, how, and for how long."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from study.config.numbers import Count, Positive
from study.config.ranges import Range, SearchedChoice
from study.config.section import Section


class SearchSection(Section):
    """Which settings are tried. The published coefficients are always the first trial."""

    trials: Count = Field(description="settings to train, the published one included")
    sampler: str = Field(
        "tpe",
        min_length=1,
        description="who proposes settings: tpe, gp, nsga2, nsga3, cmaes, qmc, random or grid, or "
        "another sampler of Optuna's kind as module:Class",
    )
    sampler_options: dict[str, Any] = Field(
        default_factory=dict,
        description="keyword arguments of the sampler, such as {n_ei_candidates: 48}",
    )
    startup_trials: Count = Field(
        10,
        description="ended trials before a sampler that learns begins to, drawn at random until "
        "then; as many make a generation of nsga2 and nsga3",
    )
    stratify: dict[str, Annotated[int, Field(ge=2)]] = Field(
        default_factory=dict,
        description="searched range -> number of slices, such as {loss.bpp_lambda: 8}: trials take "
        "the slices in turn, so that all of the range is covered; the sampler proposes the rest",
    )
    first: tuple[dict[str, SearchedChoice], ...] = Field(
        (),
        description="settings to try right after the published one, such as "
        "[{loss.bpp_lambda: 0.05}]; searched settings that are not named are drawn at random",
    )
    warm_start: tuple[str, ...] = Field(
        (),
        description="what the sampler learns from before its first trial: folders of finished "
        "studies, or CSV or Parquet files with a column for each searched setting and objective",
    )
    space: dict[str, Range] = Field(
        default_factory=dict,  # Of a study, its family's own.
        min_length=1,
        description="dotted name of a setting -> {low, high, log}, {choices} or {value}, with a "
        "condition in `when`; of loss, training and model all can be searched, of data how clouds "
        "are cut; under the name `model`, choices that are tables of settings which change "
        "together",
    )


class HaltingSection(Section):
    """Which trials are stopped before their last epoch."""

    rule: Literal["auto", "none", "pareto", "single"] = Field(
        "auto",
        description="none: every trial trains to its end; pareto: at a rung those are stopped that "
        "the whole front ranks low; single: those that one objective ranks low; auto: pareto where "
        "trials train at least 12 epochs and each epoch estimates all objectives, else none",
    )
    grace: Count | None = Field(
        None,
        description="epochs that every trial trains: the first rung; where it is not set, a sixth "
        "of all epochs, at least 2",
    )
    reduction: Annotated[float, Field(gt=1.0)] = Field(
        3.0,
        description="at a rung one trial in this many goes on; each rung is this many times later",
    )
    rungs: Count = Field(1, description="most rungs; fewer where the epochs end before")
    coverage: Literal["epsilon_net", "hypervolume"] = Field(
        "hypervolume",
        description="what ranks trials that do not dominate each other: how evenly they cover the "
        "front, or how much volume each adds",
    )
    metric: str | None = Field(None, description="of the rule `single`: the objective it ranks by")


class GainSection(Section):
    """When a study has stopped gaining."""

    hypervolume: Positive = Field(
        description="the study ends when the front's hypervolume has gained less than this"
    )
    trials: Count = Field(description="over this many ended trials")


class BudgetSection(Section):
    """When a study ends, if not after `search.trials`. Both may change while a study goes on."""

    epochs: Count | None = Field(
        None,
        description="epochs of all trials together; when they are spent no further trial begins",
    )
    hours: Positive | None = Field(
        None,
        description="hours that drivers may work on the study, all together; then it stops as if "
        "interrupted, and with more hours `study resume` goes on",
    )
    gain: GainSection | None = Field(
        None,
        description="{hypervolume: 0.01, trials: 20}: no further trial begins when the last "
        "20 that ended have added less than 0.01",
    )
