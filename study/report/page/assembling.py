"""One HTML file of template, style, scripts and data, which needs no network and no server.

It is read from disk and in MLflow's artifact viewer, a frame without an origin of its own: nothing
in it asks for anything outside of itself. Data are gzip in base64 and are unpacked in the browser.
"""

from __future__ import annotations

import base64
import gzip
import html
import json
from dataclasses import dataclass
from importlib.resources import files
from string import Template
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

_SHARED = "page trials words scales chart handling legend hover panel"
_TABS = "coloring front progress parallel importance learning table"
SCRIPTS = tuple(f"{name}.js" for name in f"{_SHARED} {_TABS}".split())
"""In the order in which they run: what the tabs share, then the tabs."""


@dataclass(frozen=True)
class Tab:
    """One more tab of the page.

    Attributes:
        key: its name in the page: letters and dashes. The script registers a function under it,
            ``tabs["key"] = (element, data, page) => {...}``, which draws into the element when the
            tab is first opened.
        title: what the reader sees.
        script: a JavaScript file of this package.
        data: what the function gets, as JSON can hold it; unpacked when the tab is first opened.
    """

    key: str
    title: str
    script: str
    data: Any


def write_page(
    title: str, study: Mapping[str, Any], path: Path, extra_tabs: Sequence[Tab] = ()
) -> None:
    """Write the page of a study (`study.report.page.content.page_content`)."""
    packed = {"study": study} | {f"tab-{tab.key}": tab.data for tab in extra_tabs}
    page = Template(part("page.html")).substitute(
        title=html.escape(title),
        style=part("page.css"),
        # JSON may write any character as its number, and `<` could end the script.
        tabs=json.dumps([{"key": tab.key, "title": tab.title} for tab in extra_tabs]).replace(
            "<", "\\u003c"
        ),
        data="\n".join(
            f'<script type="application/gzip" id="data-{key}">{pack(value)}</script>'
            for key, value in packed.items()
        ),
        scripts="\n".join(
            f"<script>\n{part(name)}</script>"
            for name in dict.fromkeys((*SCRIPTS, *(tab.script for tab in extra_tabs)))
        ),
    )
    path.write_text(page, encoding="utf-8")


def part(name: str) -> str:
    """Return a file of this package."""
    return files(__package__).joinpath(name).read_text(encoding="utf-8")


def pack(value: Any) -> str:  # noqa: ANN401
    """Return a value as JSON, gzip and base64, in which nothing can end a script.

    NaN and infinities are no JSON: whoever has some writes None.
    """
    told = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    # Without a time in its head, equal data are equal bytes: MLflow need not be sent them twice.
    return base64.b64encode(gzip.compress(told.encode(), compresslevel=7, mtime=0)).decode("ascii")


def unpack(page: str, key: str = "study") -> Any:  # noqa: ANN401
    """Return what a page holds under a key, as the browser will see it."""
    packed = page.partition(f'id="data-{key}">')[2].partition("<")[0]
    return json.loads(gzip.decompress(base64.b64decode(packed)))
