"""What the charts of risk models share: a mark for each model, lines with intervals, and their tables."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

import pandas as pd
import plotly.graph_objects as go

from nbanalytics.figures.style import (
    BLUE,
    GREEN,
    GREY,
    INK,
    ORANGE,
    PALE,
    PURPLE,
    SKY,
    VERMILLION,
    error_bars,
    safe,
    titled_axis,
)
from nbanalytics.figures.tables import TextTable
from nbanalytics.text import NOT_APPLICABLE, label, number, percent, say

#: Colour, dash and symbol of each rung of the ladder: three signs, so that none has to be told by colour.
_MARKS = {
    "base_rate": (PALE, "dot", "line-ew-open"),
    "lot": (PALE, "dot", "line-ew-open"),
    "school_only": (GREY, "dash", "square"),
    "prior_grade": (ORANGE, "dashdot", "triangle-up"),
    "abc_rule": (PURPLE, "longdash", "diamond"),
    "logit": (BLUE, "solid", "circle"),
    "hazard": (SKY, "longdashdot", "cross"),
    "mixed_logit": (GREEN, "dash", "triangle-down"),
    "boosting": (VERMILLION, "solid", "star"),
}
_OTHERS = ((INK, "solid", "hexagon"), (GREEN, "dot", "pentagon"), (PURPLE, "dot", "x"), (ORANGE, "dot", "bowtie"))
#: Room for a legend above the chart.
LEGEND: dict[str, Any] = {"showlegend": True, "legend": {"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0}}
WIDE = {"l": 8, "r": 16, "t": 84, "b": 8}

Write = Callable[[float], str]


def mark(model: str, models: Sequence[str]) -> tuple[str, str, str]:
    """Return colour, dash and symbol; a model that is no rung of the ladder takes one of the marks left over."""
    if model in _MARKS:
        return _MARKS[model]
    strangers = [name for name in models if name not in _MARKS]
    return _OTHERS[strangers.index(model) % len(_OTHERS)]


def model_name(model: str, lang: str) -> str:
    """Return the words for a model; a name of the user's own is made safe for plotly."""
    return safe(label("risk_model", model, lang))


def models_of(table: pd.DataFrame, column: str = "model") -> list[str]:
    """Return the models in the order of the table."""
    return [str(name) for name in table[column].drop_duplicates()]


def axis(title: str, **more: Any) -> dict[str, Any]:
    """Return an axis with a title and without a line at zero."""
    return titled_axis(title, **{"zeroline": False, **more})


def interval_bars(table: pd.DataFrame, value: str = "value", colour: str = INK) -> dict[str, Any]:
    """Return plotly's error bars from ``low`` and ``high``."""
    above, below = table["high"] - table[value], table[value] - table["low"]
    return error_bars(above, below, color=colour, thickness=1.4, width=3)


def with_interval(row: Any, write: Write, value: str = "value") -> str:
    """Write a value and its interval, ``12 (8 – 17)``."""
    if pd.isna(row[value]):
        return NOT_APPLICABLE
    if pd.isna(row["low"]):
        return write(row[value])
    return f"{write(row[value])} ({write(row['low'])} – {write(row['high'])})"


def lines(table: pd.DataFrame, x: str, value: str, lang: str, write: Write, column: str = "model") -> list[go.Scatter]:
    """Draw a line with intervals for each model, beside each other so that the intervals can be told apart.

    Parameters
    ----------
    table
        ``column, x, value, low, high``.
    x, value, column
        Names of columns.
    lang
        ``"sv"`` or ``"en"``.
    write
        Writes a value.
    """
    models = models_of(table, column)
    places = sorted(table[x].dropna().unique())
    gap = min((b - a for a, b in pairwise(places)), default=1.0)
    traces = []
    for rank, model in enumerate(models):
        own = table[(table[column] == model) & table[value].notna()].sort_values(x)
        colour, dash, symbol = mark(model, models)
        aside = (rank - (len(models) - 1) / 2) * gap * 0.5 / max(len(models), 1)
        traces.append(
            go.Scatter(
                x=own[x] + aside,
                y=own[value],
                name=model_name(model, lang),
                mode="lines+markers",
                line={"color": colour, "dash": dash, "width": 1.6},
                marker={"color": colour, "symbol": symbol, "size": 10, "line": {"width": 1.5, "color": colour}},
                error_y=interval_bars(own, value, colour),
                customdata=[with_interval(row, write, value) for row in own.to_dict("records")],
                hovertemplate="%{fullData.name}: %{customdata}<extra></extra>",
            )
        )
    return traces


def lines_table(
    table: pd.DataFrame, x: str, value: str, lang: str, write: Write, head: Callable[[Any], str], column: str = "model"
) -> TextTable:
    """Write the models by row and the places along the axis by column, each value with its interval."""
    places = sorted(table[x].dropna().unique())
    rows = []
    for model in models_of(table, column):
        own = table[table[column] == model].set_index(x)
        cells = [with_interval(own.loc[place], write, value) if place in own.index else "" for place in places]
        rows.append([label("risk_model", model, lang), *cells])
    return TextTable([say("column.model", lang), *(head(place) for place in places)], rows)


def told(table: TextTable) -> str:
    """Say a table in a sentence: each row with its cells under their heads."""
    return "; ".join(
        f"{name}: {', '.join(f'{head} {cell}' for head, cell in zip(table.columns[1:], cells, strict=True) if cell)}"
        for name, *cells in table.rows
    )


def decimals(lang: str, digits: int) -> Write:
    """Return a function that writes numbers with so many decimals."""
    return lambda value: number(value, lang, digits)


def percents(lang: str) -> Write:
    """Return a function that writes shares in whole per cent."""
    return lambda value: percent(value, lang)
