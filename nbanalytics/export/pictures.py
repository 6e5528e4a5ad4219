"""Small pictures of the dashboards: the first chart that each opens with, drawn from the same figure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from markupsafe import Markup, escape

from nbanalytics.figures.style import ACCENT
from nbanalytics.text import say

_WIDTH, _HEIGHT, _EDGE, _TOP = 320, 150, 24, 18
_FLOOR = _HEIGHT - 16


def picture(view: Mapping[str, Any] | None, lang: str = "sv") -> Markup:
    """Draw the first chart of a view as a small picture; what is hidden is a dashed outline.

    Parameters
    ----------
    view
        What a dashboard opens with (see :meth:`nbanalytics.pages.board.Board.view`); None for a page that has no
        view before it is asked.
    lang
        ``"sv"`` or ``"en"``.

    Returns
    -------
    markupsafe.Markup
        An SVG with a name.
    """
    for section in view["sections"] if view else ():
        traces = section["figure"]["data"]
        if changes := _changes(traces):
            return _drawn(changes, section["title"], lang, floor=False)
        for trace in traces:
            heights = trace.get("x") if trace.get("orientation") == "h" else trace.get("y")
            if trace["type"] == "bar" and heights and any(heights):
                return _drawn(_bars(heights, trace.get("marker", {}).get("color")), section["title"], lang)
            if trace["type"] == "scatter" and _numbers(heights) and "markers" in trace.get("mode", "markers"):
                return _drawn(_points(heights), section["title"], lang)
    return _drawn([], "", lang)


def _numbers(values: Any) -> bool:
    return bool(values) and all(value is None or isinstance(value, int | float) for value in values) and any(values)


def _changes(traces: Sequence[Mapping[str, Any]]) -> list[str]:
    """Draw rows with a ring, a dot and a bar behind them, where that is what the chart shows."""
    ranges = next((trace for trace in traces if trace["type"] == "bar" and "base" in trace), None)
    points = [trace["x"] for trace in traces if trace["type"] == "scatter"]
    if ranges is None or len(points) != 2:
        return []
    rows = [row for row in zip(ranges["base"], ranges["x"], *points, strict=True) if None not in row]
    ends = [end for low, wide, start, later in rows for end in (low, low + wide, start, later)]
    if not ends or max(ends) == min(ends):
        return []
    scale, step = (_WIDTH - 2 * _EDGE) / (max(ends) - min(ends)), (_HEIGHT - 2 * _TOP) / len(rows)
    marks = []
    for rank, (low, wide, *both) in enumerate(rows):
        y = _TOP + step * (rank + 0.5)
        left, start, later = (_EDGE + scale * (value - min(ends)) for value in (low, *both))
        marks += [
            f'<rect class="nba-mini-pale" x="{left:.0f}" y="{y - 8:.0f}" width="{scale * wide:.0f}" height="16"/>',
            f'<line class="nba-mini-line" x1="{start:.0f}" x2="{later:.0f}" y1="{y:.0f}" y2="{y:.0f}"/>',
            f'<circle class="nba-mini-ring" r="6" cx="{start:.0f}" cy="{y:.0f}"/>',
            f'<circle class="nba-mini nba-mini-strong" r="6" cx="{later:.0f}" cy="{y:.0f}"/>',
        ]
    return marks


def _bars(heights: Sequence[float | None], colours: Any) -> list[str]:
    most = max(value for value in heights if value)
    step = (_WIDTH - 2 * _EDGE) / len(heights)
    bars = []
    for rank, value in enumerate(heights):
        strong = isinstance(colours, list) and colours[rank] == ACCENT
        kind = "nba-mini-hidden" if value is None else f"nba-mini{' nba-mini-strong' if strong else ''}"
        tall = round(6 + (_FLOOR - _TOP - 6) * (value or 0) / most)
        place = f'x="{_EDGE + step * (rank + 0.17):.0f}" y="{_FLOOR - tall}" width="{step * 0.66:.0f}"'
        bars.append(f'<rect class="{kind}" {place} height="{tall}" rx="2"/>')
    return bars


def _points(heights: Sequence[float | None]) -> list[str]:
    known = [value for value in heights if value is not None]
    low, span = min(known), (max(known) - min(known)) or 1.0
    step = (_WIDTH - 2 * _EDGE) / len(heights)
    return [
        f'<circle class="nba-mini" r="6" cx="{_EDGE + step * (rank + 0.5):.0f}" '
        f'cy="{_FLOOR - 14 - (_FLOOR - _TOP - 24) * (value - low) / span:.0f}"/>'
        for rank, value in enumerate(heights)
        if value is not None
    ]


def _drawn(marks: Sequence[str], title: str, lang: str, floor: bool = True) -> Markup:
    words = escape(say("gallery.picture", lang, title=title.lower()) if title else say("gallery.picture.none", lang))
    line = f'<line class="nba-mini-line" x1="{_EDGE}" x2="{_WIDTH - _EDGE}" y1="{_FLOOR}" y2="{_FLOOR}"/>'
    drawn = "".join([*marks, line if floor else ""])
    return Markup(f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="{words}">{drawn}</svg>')
