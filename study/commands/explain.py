"""What a study file may hold, told by the models that check it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.markup import escape
from rich.table import Table

from study.base.errors import StudyError
from study.base.spelling import did_you_mean, nearest
from study.config import StudyConfig
from study.config.family import DPCC, settings_of
from study.config.section import Section
from study.config.sections import section_in
from study.config.study import sections_of
from study.fronts.measures import MEASURES
from study.report.rows import as_text
from study.search.search_checks import SAMPLERS
from study.storage.study_file import EMBEDDED, QUICKSTART

if TYPE_CHECKING:
    import argparse
    from collections.abc import Mapping

    from pydantic import BaseModel
    from pydantic.fields import FieldInfo
    from rich.console import Console

    from study.fronts.measures import Measure


def show(arguments: argparse.Namespace, console: Console) -> int:
    """Print what was asked for."""
    explain(arguments.section, console, family=arguments.family)
    return 0


def explain(asked: str | None, console: Console, *, family: str = DPCC) -> None:
    """Print every key of a study file, of one section, or one key, with its meaning and default.

    Besides the sections, `metrics` and `constraints` can be asked for.

    Args:
        asked: a section, a key such as ``seed`` or ``loss.bpp_lambda``, or None for everything.
        console: where it is printed.
        family: whose keys `model`, `loss` and `training` have.

    Raises:
        StudyError: there is no such section, key or family.
    """
    sections = sections_of(family)
    _check(asked, sections)
    if asked in {None, *StudyConfig.model_fields} - {*sections, "constraints"}:
        _print_fields("study file", StudyConfig, console, only=asked)
    for name, model in sections.items():
        section, _, key = (asked or name).partition(".")
        if section == name:
            _print_fields(name, model, console, only=key or None)
            for place, print_more in _MORE:
                if place == asked or (not key and place.partition(".")[0] == name):
                    print_more(console, family)
    if asked in _TOPICS:
        _TOPICS[asked](console, family)
        return
    example = EMBEDDED.get(family, QUICKSTART)
    console.print(f"\n[dim]an example to copy: {example}[/]", soft_wrap=True)


def _check(asked: str | None, sections: Mapping[str, type[BaseModel]]) -> None:
    """Refuse what a study file does not have."""
    if asked is None or asked in {*_TOPICS, *StudyConfig.model_fields}:
        return
    section, _, key = asked.partition(".")
    if key and section in sections:
        fields = sections[section].model_fields
        if key not in fields:
            hint = did_you_mean(key, fields)
            raise StudyError(f"there is no key '{key}' in section '{section}'; {hint}")
        return
    names = [*sections, *_TOPICS]
    keys = [f"{name}.{key}" for name, model in sections.items() for key in model.model_fields]
    near = nearest(asked, names) or nearest(asked, keys)
    hint = f"did you mean '{near}'?" if near else did_you_mean(asked, names)
    raise StudyError(f"there is no section '{asked}'; {hint}")


def _print_fields(
    title: str, model: type[BaseModel], console: Console, *, only: str | None = None
) -> None:
    summary = (model.__doc__ or "").splitlines()[0]
    console.print(f"\n[bold]{title}[/]  {summary}")
    table = Table.grid(padding=(0, 2))
    table.add_column(no_wrap=True)
    table.add_column(no_wrap=True, style="dim")
    table.add_column()
    for name, field in model.model_fields.items():
        if only not in {None, name}:
            continue
        table.add_row(f"  {name}", _default(field), escape(field.description or ""))
        nested = section_in(field.annotation)
        if nested is not None and model is not StudyConfig:
            for inner, inner_field in nested.model_fields.items():
                table.add_row(
                    f"    {inner}", _default(inner_field), escape(inner_field.description or "")
                )
    console.print(table)


def _print_default_space(console: Console, family: str) -> None:
    console.print("\n[bold]search.space[/]  Searched where the study file has no space of its own.")
    table = Table.grid(padding=(0, 2))
    for name, searched in settings_of(family).default_space().items():
        if searched.options is not None:
            table.add_row(f"  {name}", f"{{choices: {list(searched.options)}}}")
            continue
        low, high = (as_text(float(end)) for end in searched.ends)
        scale = ", log: true" if searched.log else ""
        table.add_row(f"  {name}", f"{{low: {low}, high: {high}{scale}}}")
    console.print(table, highlight=False)


def _print_samplers(console: Console, _family: str) -> None:
    console.print("\n[bold]search.sampler[/]  Who proposes settings.")
    table = Table.grid(padding=(0, 2))
    for name, meaning in SAMPLERS.items():
        table.add_row(f"  {name}", meaning)
    table.add_row("  module:Class", "a sampler of Optuna's kind that Python can import")
    console.print(table, highlight=False)


def _print_metrics(console: Console, _family: str) -> None:
    console.print(
        "\n[bold]metrics[/]  What objectives and constraints may be on: measured on the finished "
        "codec, in the validation clouds, from files that were written and read back.",
        soft_wrap=True,
    )
    table = Table.grid(padding=(0, 2))
    table.add_column(no_wrap=True)
    table.add_column(no_wrap=True, style="dim")
    table.add_column()
    for name, measure in MEASURES.items():
        better = {"minimize": "less", "maximize": "more"}.get(measure.direction_hint or "", "")
        told = f"{measure.meaning} ({measure.unit}){_epochs(measure)}"
        table.add_row(f"  {name}", better, escape(told))
    console.print(table, highlight=False)


def _print_constraints(console: Console, _family: str) -> None:
    console.print(
        "\n[bold]constraints[/]  A list such as [bold]\\[bpp <= 2, decode_s <= 0.05][/]: a metric, "
        "<= or >=, and a number. What breaks one is shown apart, and never on the front.",
        soft_wrap=True,
        highlight=False,
    )


_TOPICS = {"metrics": _print_metrics, "constraints": _print_constraints}
"""What can be asked for besides sections and keys."""

_MORE = (
    ("search.space", _print_default_space),
    ("search.sampler", _print_samplers),
    ("objectives.metric", _print_metrics),
    ("objectives.", _print_constraints),
)
"""What is printed below a key, or below all those of its section."""


def _epochs(measure: Measure) -> str:
    """Say what epochs know of a metric, where that is not all there is to say."""
    if measure.estimate is None:
        return "; not known before the end"
    if measure.estimate != measure.name:
        return f"; estimated after each epoch, as {measure.estimate}"
    if measure.is_extra:
        return "; after each epoch too where asked for, which takes time"
    return ""


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    if field.default_factory is not None:
        return ""
    if isinstance(field.default, Section):
        return ""  # Its keys have theirs.
    if isinstance(field.default, tuple):
        items = (item if isinstance(item, str) else f"{item:.3g}" for item in field.default)
        return escape(f"[{', '.join(items)}]")
    return "null" if field.default is None else str(field.default)
