"""Settings that are searched in some trials only: which, and in what order they are decided."""

from __future__ import annotations

from typing import TYPE_CHECKING

from study.base.errors import StudyError
from study.base.spelling import did_you_mean
from study.config.choices import meaning_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from study.config.choices import Choice
    from study.config.ranges import Range


def ordered(space: Mapping[str, Range]) -> list[str]:
    """Return the searched names, each after those that it depends on, otherwise as written."""
    found: list[str] = []
    while len(found) < len(space):
        ready = [n for n, s in space.items() if n not in found and all(o in found for o in s.when)]
        if not ready:
            rest = sorted(set(space) - set(found))
            message = (
                "search.space: what a setting depends on must not depend on it in turn, but "
                f"{', '.join(rest)} do; remove one `when`"
            )
            raise StudyError(message)
        found += ready
    return found


def is_active(searched: Range, settings: Mapping[str, Choice]) -> bool:
    """Tell whether a setting is searched in a trial that has these others."""
    return all(
        other in settings and settings[other] in when for other, when in searched.when.items()
    )


def is_conditional(space: Mapping[str, Range]) -> bool:
    """Tell whether trials may have different settings."""
    return any(searched.when for searched in space.values())


def check_conditions(space: Mapping[str, Range]) -> None:
    """Check every `when` against the settings that it names.

    Raises:
        StudyError: it names a setting that is not searched, or a value that the setting never has;
            or settings depend on each other in a circle.
    """
    for name, searched in space.items():
        for other, values in searched.when.items():
            place = f"search.space: {name} is searched when {other} has some values"
            if other == name:
                raise StudyError(f"{place}, which is itself; name another searched setting")
            if other not in space:
                hint = did_you_mean(other, [n for n in space if n != name])
                raise StudyError(f"{place}, but that is not searched; {hint}")
            options = space[other].options
            if options is None:
                raise StudyError(
                    f"{place}, but that is a range, which hardly ever takes one; give it choices"
                )
            if not values:
                raise StudyError(f"{place}, but none is given; give some of {_show(options)}")
            for value in values:
                if not any(value == o and type(value) is type(o) for o in options):
                    raise StudyError(
                        f"{place}, but never has {_show([value])[1:-1]}; give some of "
                        f"{_show(options)}"
                    )
    ordered(space)


def _show(choices: list[Choice] | tuple[Choice, ...]) -> str:
    return str([meaning_of(choice) for choice in choices])
