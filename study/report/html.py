"""The picture of a front as a page of its own: pointing at a trial shows its settings."""

from __future__ import annotations

import html
from typing import TYPE_CHECKING, Any

import plotly.graph_objects as go

from study.report import palette

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from study.report.picture import Dot, Picture


_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>{title}</title>
<style>html, body {{ height: 100%; margin: 0; }}</style>
</head>
<body>{chart}</body>
</html>
"""

_CONFIG = {
    "responsive": True,
    "displaylogo": False,
    # Named one by one, because plotly's own selection offers to upload the chart.
    "modeBarButtons": [["toImage", "zoom2d", "pan2d", "zoomIn2d", "zoomOut2d", "resetScale2d"]],
}


def write_html(pictures: Sequence[Picture], path: Path) -> None:
    """Write one file that needs no network: plotly's script is in it (a CDN is blank offline).

    Of several planes the first is shown, and a menu has the others.
    """
    drawn = [_traces(picture) for picture in pictures]
    for traces in drawn[1:]:
        for trace in traces:
            trace.update(visible=False)
    first = pictures[0]
    figure = go.Figure([trace for traces in drawn for trace in traces], _layout(first))
    if len(pictures) > 1:
        figure.update_layout(updatemenus=[_menu(pictures, [len(traces) for traces in drawn])])
    chart = figure.to_html(full_html=False, include_plotlyjs=True, div_id="front", config=_CONFIG)
    path.write_text(_PAGE.format(title=html.escape(first.title), chart=chart), encoding="utf-8")


def _traces(picture: Picture) -> list[go.Scatter]:
    """Return all that is drawn in one plane, the topmost last."""
    return [
        _paths(picture.dots),
        *_unfinished(picture),
        *_infeasible(picture),
        *_baselines(picture),
        _dots(picture.beaten, palette.BEATEN_TRIALS, palette.BEATEN, size=10),
        _front(picture),
        *_baseline(picture),
    ]


_OF_A_PLANE = (
    *("title.text", "title.subtitle.text", "xaxis.title.text", "yaxis.title.text"),
    *("xaxis.range", "yaxis.range", "legend.x", "legend.xanchor", "legend.y", "legend.yanchor"),
)
"""What of the layout differs from plane to plane."""


def _menu(pictures: Sequence[Picture], traces: Sequence[int]) -> dict[str, Any]:
    """Return the menu of planes: each shows its own traces, axes and words."""
    owners = [number for number, count in enumerate(traces) for _ in range(count)]
    buttons = []
    for number, picture in enumerate(pictures):
        layout = _layout(picture)
        changed = {name: layout[name] for name in _OF_A_PLANE}
        changed["annotations"] = layout.to_plotly_json().get("annotations", [])
        buttons.append(
            {
                "label": " and ".join(picture.plane.metrics),
                "method": "update",
                "args": [{"visible": [owner == number for owner in owners]}, changed],
            }
        )
    # Below the plot on the left: the right has the footnote, the top words and tools.
    place = {"x": 0, "xanchor": "left", "y": -0.08, "yanchor": "top", "direction": "up"}
    return {"buttons": buttons, **place}


def _paths(dots: Sequence[Dot]) -> go.Scatter:
    """Return all learning paths as one trace, so that one click in the legend hides them."""
    points = [point for dot in dots for point in (*dot.path, (None, None))]
    return go.Scatter(
        x=[x for x, _ in points],
        y=[y for _, y in points],
        mode="lines+markers",
        line={"color": palette.FAINT, "width": 1},
        marker={"color": palette.FAINT, "size": 3},
        hoverinfo="skip",
        name=palette.LEARNING_PATH,
    )


def _unfinished(picture: Picture) -> list[go.Scatter]:
    """Return a trace for each state that is not complete and occurs."""
    return [
        _dots(dots, palette.unfinished_text(state), palette.MUTED, size=9, symbol=symbol)
        for state, (_, symbol) in palette.UNFINISHED_MARKS.items()
        if (dots := [dot for dot in picture.apart if dot.record.state is state])
    ]


def _infeasible(picture: Picture) -> list[go.Scatter]:
    """Return the trace of trials that break a constraint, if there are any."""
    if not picture.infeasible:
        return []
    (_, symbol), name = palette.INFEASIBLE_MARK, palette.INFEASIBLE_TRIALS
    return [_dots(picture.infeasible, name, palette.MUTED, size=11, symbol=symbol)]


def _baselines(picture: Picture) -> list[go.Scatter]:
    """Return other codecs' curves, dashed, each with its name at the right."""
    traces = []
    for number, line in enumerate(picture.lines):
        color, _, symbol = palette.BASELINE_CURVES[number % len(palette.BASELINE_CURVES)]
        name = html.escape(line.name)
        curve = go.Scatter(
            x=[x for x, _ in line.points],
            y=[y for _, y in line.points],
            mode="lines+markers",
            line={"color": color, "width": 1.8, "dash": "dash"},
            marker={"color": color, "size": 8, "symbol": symbol},
            hovertext=[f"<b>{name}</b><br>{x:.3f} bpp, {y:.2f} dB" for x, y in line.points],
            hoverinfo="text",
            name=html.escape(palette.baseline_text(line.name)),
        )
        x, y = line.label_at
        label = go.Scatter(
            x=[x],
            y=[y],
            mode="text",
            text=[name],
            textposition="bottom right",
            textfont={"color": color, "size": 13},
            hoverinfo="skip",
            showlegend=False,
        )
        traces += [curve, label]
    return traces


def _front(picture: Picture) -> go.Scatter:
    """Return the front: dots, on a line where two objectives span it, some with a label."""
    trace = _dots(picture.front, palette.front_text(picture.objectives), palette.FRONT, size=12)
    return trace.update(
        mode="lines+markers+text" if picture.objectives == 2 else "markers",
        line={"color": palette.FRONT, "width": 2.5},
        text=[html.escape(picture.labels.get(dot.record.number, "")) for dot in picture.front],
        textposition="top left",
        textfont={"color": palette.INK, "size": 12},
    )


def _baseline(picture: Picture) -> list[go.Scatter]:
    """Return the ring around the published coefficients' trial, if it has a place."""
    if (dot := picture.baseline) is None:
        return []
    ring = _dots([dot], palette.PUBLISHED, palette.BASELINE, size=18, symbol="diamond-open")
    return [
        ring.update(
            mode="markers+text",
            text=["published default"],
            textposition="bottom center",
            textfont={"color": palette.BASELINE, "size": 13},
        )
    ]


def _dots(
    dots: Sequence[Dot], name: str, color: str, *, size: int, symbol: str = "circle"
) -> go.Scatter:
    """Return one group of trials with what a reader sees when pointing at them."""
    hover = [_hover_text(dot) for dot in dots]
    outline = {"color": "white", "width": 1} if symbol == "circle" else {"color": color, "width": 2}
    return go.Scatter(
        x=[dot.x for dot in dots],
        y=[dot.y for dot in dots],
        mode="markers",
        marker={"color": color, "size": size, "symbol": symbol, "line": outline},
        hovertext=hover,
        hoverinfo="text",
        name=name,
    )


def _hover_text(dot: Dot) -> str:
    """Return what a reader sees when pointing at a trial, its heading bold."""
    heading, *lines = (html.escape(line) for line in dot.told)
    return "<br>".join([f"<b>{heading}</b>", *lines])


_LEFT, _TOP = {"x": 0.01, "xanchor": "left"}, {"y": 0.99, "yanchor": "top"}


def _layout(picture: Picture) -> go.Layout:
    """Return titles, axes and legend."""
    axis = {"gridcolor": palette.GRID, "zeroline": False, "tickfont": {"color": palette.MUTED}}
    heading = f"<b>{html.escape(picture.title)}</b>"
    across, up = picture.plane.better  # the legend has the corner that no good codec reaches
    return go.Layout(
        title={
            "text": heading,
            "subtitle": {"text": picture.subtitle, "font": {"color": palette.MUTED}},
            "x": 0.02,
        },
        xaxis={**axis, "title": {"text": picture.plane.horizontal.title}, "range": picture.x_range},
        yaxis={**axis, "title": {"text": picture.plane.vertical.title}, "range": picture.y_range},
        legend={
            "traceorder": "reversed",  # drawn last, named first
            **({"x": 0.99, "xanchor": "right"} if across == "left" else _LEFT),
            **({"y": 0.01, "yanchor": "bottom"} if up == "up" else _TOP),
            "bgcolor": "rgba(255,255,255,0.85)",
        },
        font={"family": "system-ui, sans-serif", "color": palette.INK, "size": 13},
        hoverlabel={"bgcolor": "white", "align": "left", "font": {"color": palette.INK}},
        plot_bgcolor="white",
        paper_bgcolor="white",
        annotations=[
            {
                "text": html.escape(picture.footnote),
                "showarrow": False,
                "xref": "paper",
                "yref": "paper",
                "x": 1,
                "y": -0.16,
                "xanchor": "right",
                "font": {"size": 11, "color": palette.MUTED},
            }
        ]
        if picture.footnote
        else [],
    )
