"""The six groups as bars."""

from __future__ import annotations

from typing import Any

import plotly.graph_objects as go

from nbanalytics.figures.style import ACCENT, PLAIN, Drawing, drawing, hidden_mark
from nbanalytics.text import Cells, cell_text, label, percent, say

_LOST = "6"  # the group that the question is about


def _rows(cells: Cells, lang: str) -> list[tuple[str, str, float | None, str]]:
    """Return code, name, count and label of each group, top to bottom."""
    total = cells.value()
    rows = []
    for code in sorted(cells.codes("group")):
        cell = cells.cell(group=code)
        words = cell_text(cell.value, cell.status, lang)
        if cell.value is not None and total:
            words += f" ({percent(cell.value / total, lang)})"
        rows.append((code, label("group", code, lang), cell.value, words))
    return rows


def groups_bar(table: Any, lang: str = "sv") -> go.Figure:
    """Draw how many students are in each of the six groups.

    Parameters
    ----------
    table
        One selection of the release's table ``groups``: ``group`` (``*`` for all), ``measure``, ``value``, ``status``;
        or a result with the columns ``group`` and ``students``.
    lang
        ``"sv"`` or ``"en"``.

    Returns
    -------
    plotly.graph_objects.Figure
        Horizontal bars, group 1 at the top; group 6 stands out by colour and by its name. A suppressed group has no
        bar but the mark ``..``.

    Examples
    --------
    >>> import pandas as pd
    >>> chart = groups_bar(pd.DataFrame({"group": ["5", "6"], "students": [15, 23]}))
    >>> list(chart.data[0].x)
    [15.0, 23.0]
    """
    return go.Figure(groups_drawing(table, lang))


def groups_drawing(table: Any, lang: str = "sv") -> Drawing:
    """Return what :func:`groups_bar` shows as a page takes it; the parameters are the same."""
    rows = _rows(Cells.of(table), lang)
    most = max((value for _, _, value, _ in rows if value is not None), default=1.0) or 1.0
    bars: Drawing = {
        "type": "bar",
        "orientation": "h",
        "y": list(range(len(rows))),
        "x": [value for _, _, value, _ in rows],
        "text": [words if value is not None else "" for _, _, value, words in rows],
        "textposition": "outside",
        "cliponaxis": False,
        "marker": {"color": [ACCENT if code == _LOST else PLAIN for code, *_ in rows]},
        "customdata": [f"{name}: {words}" for _, name, _, words in rows],
        "hovertemplate": "%{customdata}<extra></extra>",
    }
    marks = [hidden_mark(0, rank, xanchor="left", xshift=4) for rank, row in enumerate(rows) if row[2] is None]
    # The names stand above their bars: beside them they would take half of a narrow screen.
    marks += [
        {
            "text": f"<b>{code}</b>  {name}",
            "x": 0,
            "y": rank,
            "xanchor": "left",
            "yanchor": "bottom",
            "yshift": 11,
            "showarrow": False,
            "font": {"size": 13},
        }
        for rank, (code, name, _, _) in enumerate(rows)
    ]
    return drawing(
        [bars],
        lang,
        height=54 * len(rows) + 24,
        margin={"l": 2, "r": 2, "t": 4, "b": 4},
        xaxis={"visible": False, "range": [0, most * 1.65], "fixedrange": True},
        yaxis={
            "range": [len(rows) - 0.5, -0.75],
            "fixedrange": True,
            "visible": False,
        },
        bargap=0.62,
        annotations=marks,
    )


def describe_groups_bar(table: Any, lang: str = "sv") -> str:
    """Say in a sentence what :func:`groups_bar` shows, for those who do not see it.

    Parameters
    ----------
    table
        As for :func:`groups_bar`.
    lang
        ``"sv"`` or ``"en"``.

    Returns
    -------
    str
        The text alternative.
    """
    values = "; ".join(f"{code} {name}: {words}" for code, name, _, words in _rows(Cells.of(table), lang))
    return say("groups.alt", lang, values=values)
