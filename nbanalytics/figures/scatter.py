"""Year 6 against year 9, one point per student: diagram 1 of Progression 02. For the researcher's door only."""

from __future__ import annotations

from math import ceil
from typing import Any

import narwhals as nw
import plotly.graph_objects as go

from nbanalytics.figures.style import BLUE, GREEN, GRID, MUTED, ORANGE, PURPLE, SKY, VERMILLION, figure
from nbanalytics.text import label, number, say, students

#: Colour and shape of each group: either tells it.
MARKS = {
    "1": (BLUE, "circle"),
    "2": (SKY, "circle-open"),
    "3": (PURPLE, "triangle-down"),
    "4": (ORANGE, "triangle-up"),
    "5": (GREEN, "square"),
    "6": (VERMILLION, "x"),
}
_COLUMNS = (("points_y6", "points_6", "start_points", "start"), ("points_y9", "points_9", "end_points", "end"))


def _columns(frame: Any) -> tuple[str, str]:
    """Return the names of the columns with mean points in year 6 and year 9."""
    found = []
    for choices in _COLUMNS:
        name = next((choice for choice in choices if choice in frame.columns), None)
        if name is None:
            raise ValueError(
                f"the table needs a column with mean grade points named {' or '.join(choices)}; "
                f"it has {', '.join(frame.columns)}"
            )
        found.append(name)
    return found[0], found[1]


def _rows(table: Any) -> list[tuple[float, float, str]]:
    frame = nw.from_native(table, eager_only=True)
    start, end = _columns(frame)
    rows = frame.select(start, end, "group").drop_nulls().iter_rows()
    return [(float(before), float(after), str(group)) for before, after, group in rows]


def cohort_scatter(table: Any, lang: str = "sv") -> go.Figure:
    """Draw mean grade points in year 6 and year 9, one point per student, with the line of no change.

    Parameters
    ----------
    table
        One row per student: ``group`` (1–6) and mean grade points of the comparable subjects in two columns,
        ``points_y6`` and ``points_y9`` (or ``points_6``/``points_9``, ``start_points``/``end_points``). Rows that lack
        one of them are left out.
    lang
        ``"sv"`` or ``"en"``.

    Returns
    -------
    plotly.graph_objects.Figure
        A scatter plot with a trace per group, told by colour and by shape. It shows single students: never put it on a
        page for the public.

    Raises
    ------
    ValueError
        If the columns are missing.

    Examples
    --------
    >>> import pandas as pd
    >>> chart = cohort_scatter(pd.DataFrame({"points_y6": [12.5], "points_y9": [9.0], "group": [6]}))
    >>> [trace.name for trace in chart.data]
    ['Ingen förändring', 'Grupp 6 Tappade behörigheten']
    """
    rows = _rows(table)
    # Scales differ: the axes end at the next five above the highest mean, 20 on the scale A-F.
    top = 5 * ceil(max((max(before, after) for before, after, _ in rows), default=20) / 5)
    line = go.Scatter(
        x=[0, top],
        y=[0, top],
        mode="lines",
        name=say("scatter.line", lang),
        line={"color": MUTED, "width": 1.5, "dash": "dash"},
        hoverinfo="skip",
    )
    traces: list[Any] = [line]
    for group in sorted({group for _, _, group in rows}):
        colour, symbol = MARKS.get(group, (MUTED, "diamond"))
        held = [(before, after) for before, after, code in rows if code == group]
        name = f"{say('scatter.group', lang, group=group)} {label('group', group, lang)}"
        traces.append(
            go.Scatter(
                x=[before for before, _ in held],
                y=[after for _, after in held],
                mode="markers",
                cliponaxis=False,
                name=name,
                marker={
                    "color": colour,
                    "symbol": symbol,
                    "size": 9,
                    "opacity": 0.85,
                    "line": {"width": 1, "color": colour},
                },
                customdata=[f"{name}: {number(before, lang, 1)} → {number(after, lang, 1)}" for before, after in held],
                hovertemplate="%{customdata}<extra></extra>",
            )
        )
    axis = {"range": [0, top * 1.025], "gridcolor": GRID, "zeroline": False, "automargin": True}
    return figure(
        traces,
        lang,
        height=620,
        margin={"l": 56, "r": 16, "t": 16, "b": 56},
        showlegend=True,
        legend={"orientation": "h", "y": -0.16, "x": 0},
        xaxis={**axis, "title": {"text": say("axis.year6", lang)}},
        yaxis={**axis, "title": {"text": say("axis.year9", lang)}},
    )


def describe_cohort_scatter(table: Any, lang: str = "sv") -> str:
    """Say in a sentence what :func:`cohort_scatter` shows, for those who do not see it.

    Parameters
    ----------
    table, lang
        As for :func:`cohort_scatter`.

    Returns
    -------
    str
        The text alternative.
    """
    changes = [after - before for before, after, _ in _rows(table)]
    return say(
        "scatter.alt",
        lang,
        students=students(len(changes), lang),
        up=number(sum(change > 0 for change in changes), lang),
        down=number(sum(change < 0 for change in changes), lang),
        same=number(sum(change == 0 for change in changes), lang),
    )
