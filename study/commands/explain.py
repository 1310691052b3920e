"""What a study file may hold, told by the models that check it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.markup import escape
from rich.table import Table

from study.base.errors import StudyError
from study.base.spelling import did_you_mean
from study.config import StudyConfig
from study.config.ranges import default_space
from study.config.sentences import section_in
from study.fronts.measures import MEASURES
from study.report.rows import as_text
from study.search.search_checks import SAMPLERS
from study.storage.study_file import QUICKSTART

if TYPE_CHECKING:
    import argparse

    from pydantic import BaseModel
    from pydantic.fields import FieldInfo
    from rich.console import Console

    from study.fronts.measures import Measure


def show(arguments: argparse.Namespace, console: Console) -> int:
    """Print what was asked for."""
    explain(arguments.section, console)
    return 0


def explain(section: str | None, console: Console) -> None:
    """Print every key of a study file, or of one section, with its meaning and default.

    Besides the sections, `metrics` and `constraints` can be asked for.

    Raises:
        StudyError: there is no such section.
    """
    sections = {
        name: model
        for name, field in StudyConfig.model_fields.items()
        if (model := section_in(field.annotation)) is not None
    }
    topics = {"metrics": _print_metrics, "constraints": _print_constraints}
    if section in topics:
        topics[section](console)
        return
    if section is not None and section not in sections:
        hint = did_you_mean(section, [*sections, *topics])
        raise StudyError(f"there is no section '{section}'; {hint}")
    if section is None:
        _print_fields("study file", StudyConfig, console)
    for name, model in sections.items():
        if section in (None, name):
            _print_fields(name, model, console)
        if name == "search" and section in (None, name):
            _print_default_space(console)
            _print_samplers(console)
        if name == "objectives" and section in (None, name):
            _print_metrics(console)
            _print_constraints(console)
    console.print(f"\n[dim]an example to copy: {QUICKSTART}[/]", soft_wrap=True)


def _print_fields(title: str, model: type[BaseModel], console: Console) -> None:
    summary = (model.__doc__ or "").splitlines()[0]
    console.print(f"\n[bold]{title}[/]  {summary}")
    table = Table.grid(padding=(0, 2))
    table.add_column(no_wrap=True)
    table.add_column(no_wrap=True, style="dim")
    table.add_column()
    for name, field in model.model_fields.items():
        table.add_row(f"  {name}", _default(field), escape(field.description or ""))
        nested = section_in(field.annotation)
        if nested is not None and model is not StudyConfig:
            for inner, inner_field in nested.model_fields.items():
                table.add_row(
                    f"    {inner}", _default(inner_field), escape(inner_field.description or "")
                )
    console.print(table)


def _print_default_space(console: Console) -> None:
    console.print("\n[bold]search.space[/]  Searched where the study file has no space of its own.")
    table = Table.grid(padding=(0, 2))
    for name, searched in default_space().items():
        low, high = (as_text(float(end)) for end in searched.ends)
        scale = ", log: true" if searched.log else ""
        table.add_row(f"  {name}", f"{{low: {low}, high: {high}{scale}}}")
    console.print(table, highlight=False)


def _print_samplers(console: Console) -> None:
    console.print("\n[bold]search.sampler[/]  Who proposes settings.")
    table = Table.grid(padding=(0, 2))
    for name, meaning in SAMPLERS.items():
        table.add_row(f"  {name}", meaning)
    table.add_row("  module:Class", "a sampler of Optuna's kind that Python can import")
    console.print(table, highlight=False)


def _print_metrics(console: Console) -> None:
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
        table.add_row(f"  {name}", better, f"{measure.meaning} ({measure.unit}){_epochs(measure)}")
    console.print(table, highlight=False)


def _print_constraints(console: Console) -> None:
    console.print(
        "\n[bold]constraints[/]  A list such as [bold]\\[bpp <= 2, decode_s <= 0.05][/]: a metric, "
        "<= or >=, and a number. What breaks one is shown apart, and never on the front.",
        soft_wrap=True,
        highlight=False,
    )


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
    if isinstance(field.default, tuple):
        return "[" + ", ".join(f"{item:.3g}" for item in field.default) + "]"
    return "null" if field.default is None else str(field.default)
