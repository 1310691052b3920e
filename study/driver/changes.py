"""What a study file says now that it did not say when its study began."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from study.base.errors import StudyError
from study.config.sentences import dotted, item

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from study.config import StudyConfig

FREE = (
    "search.trials",
    "budget",
    "storage.codec_bytes",
    "storage.mirror",
    "storage.mirror_every_s",
    "resources",
    "root",
    "data_root",
    "tracking",
)
"""What may change while a study goes on: how much is done, and where, but not what."""

_NOTHING = object()


def changes(began: StudyConfig, now: StudyConfig) -> list[str]:
    """Return what differs and may not, as ``loss.bpp_lambda was 0.0001 and is 0.001``."""
    before, after = began.model_dump(mode="json"), now.model_dump(mode="json")
    return [
        f"{dotted(place)}{item(place)} was {_shown(old)} and is {_shown(new)}"
        for place, old, new in _differences((), before, after)
        if not any(f"{dotted(place)}.".startswith(f"{free}.") for free in FREE)
    ]


def check_changes(began: StudyConfig, now: StudyConfig) -> None:
    """Refuse to go on with a study that would become another.

    Raises:
        StudyError: it lists each difference.
    """
    if found := changes(began, now):
        raise StudyError(
            f"a study goes on as it began, but of '{began.name}' {', '.join(found)}; only "
            f"{', '.join(FREE[:-1])} and {FREE[-1]} may change: undo the rest, or begin a study "
            "under another name"
        )


def began(held: Mapping[str, Any], now: StudyConfig) -> StudyConfig:
    """Return the study as its study file had it when it began.

    Args:
        held: what its storage holds of it: all but the storage's own address, which may have a
            password.
        now: the study as it goes on.
    """
    storage = {**held["storage"], "uri": now.storage.uri}
    as_now = {"name": now.name, "storage": storage}  # Its folder may have been renamed.
    return type(now).model_validate_json(json.dumps({**held, **as_now}))


def _differences(
    place: tuple[int | str, ...], before: object, after: object
) -> Iterator[tuple[tuple[int | str, ...], object, object]]:
    """Go down to the smallest things that differ, by the keys and indices that lead there."""
    if isinstance(before, list) and isinstance(after, list) and len(before) == len(after):
        before, after = dict(enumerate(before)), dict(enumerate(after))
    if isinstance(before, dict) and isinstance(after, dict):
        for key in dict.fromkeys([*before, *after]):
            old, new = before.get(key, _NOTHING), after.get(key, _NOTHING)
            yield from _differences((*place, key), old, new)
    elif before != after:
        yield place, before, after


def _shown(value: object) -> str:
    return "not given" if value is _NOTHING or value is None else json.dumps(value)
