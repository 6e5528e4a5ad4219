"""Support for the staff concerned: caseload over time, coverage, and balance of a comparison."""

from __future__ import annotations

from typing import Any

import pandas as pd
import plotly.graph_objects as go

from nbanalytics.figures.style import (
    BLUE,
    GREY,
    GRID,
    INK,
    ORANGE,
    PLAIN,
    VERMILLION,
    error_bars,
    figure,
    safe,
    share_axis,
    titled_axis,
    wrapped,
)
from nbanalytics.figures.tables import TextTable
from nbanalytics.text import NOT_APPLICABLE, label, number, percent, say

#: Closest contact first; dashes tell the lines apart where colour does not.
_INTENSITIES = {
    "*": (INK, "solid"),
    "weekly": (VERMILLION, "dash"),
    "several_a_month": (ORANGE, "dashdot"),
    "monthly": (BLUE, "longdash"),
    "now_and_then": (GREY, "dot"),
}
LEGEND: dict[str, Any] = {"showlegend": True, "legend": {"orientation": "h", "y": 1.02, "yanchor": "bottom"}}
WIDE = {"l": 8, "r": 8, "t": 36, "b": 8}


def caseload_over_time(table: pd.DataFrame, lang: str = "sv") -> go.Figure:
    """Draw how many students had active support, month by month and by intensity.

    Parameters
    ----------
    table
        ``month, intensity, students`` of one actor: rows of :class:`nbanalytics.support.Caseload`.
    lang
        ``"sv"`` or ``"en"``.

    Returns
    -------
    plotly.graph_objects.Figure
        A line for each intensity, and one for all.
    """
    traces = []
    months = pd.Index(sorted(table["month"].unique()))
    for code, (colour, dash) in _INTENSITIES.items():
        own = table[table["intensity"] == code].groupby("month")["students"].sum()
        if own.empty:
            continue
        name = label("intensity", code, lang)
        values = own.reindex(months, fill_value=0)
        line = {"color": colour, "dash": dash, "width": 2.5 if code == "*" else 1.8, "shape": "hv"}
        shown = f"{name}, %{{x|%Y-%m}}: %{{y}}<extra></extra>"
        traces.append(go.Scatter(x=months, y=values, mode="lines", name=name, line=line, hovertemplate=shown))
    return figure(
        traces,
        lang,
        height=360,
        margin=WIDE,
        **LEGEND,
        xaxis={"type": "date", "fixedrange": True, "gridcolor": GRID, "automargin": True},
        yaxis=titled_axis(say("support.axis.students", lang), rangemode="tozero"),
    )


def describe_caseload(table: pd.DataFrame, lang: str = "sv") -> str:
    """Say in a sentence what :func:`caseload_over_time` shows; parameters as there."""
    every = table[table["intensity"] == "*"].groupby("month")["students"].sum()
    return say("support.caseload.alt", lang, most=number(every.max(), lang), month=str(every.idxmax())[:7])


def caseload_table(table: pd.DataFrame, lang: str = "sv") -> TextTable:
    """Write the months with their students by intensity."""
    codes = [code for code in _INTENSITIES if code in set(table["intensity"])]
    wide = table.pivot_table(index="month", columns="intensity", values="students", aggfunc="sum", fill_value=0)
    rows = [[str(month)[:7], *(number(row[code], lang) for code in codes)] for month, row in wide.iterrows()]
    return TextTable([say("column.month", lang), *(label("intensity", code, lang) for code in codes)], rows)


def coverage_by_term(table: pd.DataFrame, lang: str = "sv") -> go.Figure:
    """Draw the share without support of students with a risk signal, term by term.

    Parameters
    ----------
    table
        ``term, share, low, high, with_signal, without_support``: the table of :class:`nbanalytics.support.Coverage`.
    lang
        ``"sv"`` or ``"en"``.

    Returns
    -------
    plotly.graph_objects.Figure
        A point with its 95 % interval for each term; no point where nobody has a signal.
    """
    known = table.dropna(subset=["share"])
    points = go.Scatter(
        x=[_term(term, lang).replace(" ", "<br>") for term in known["term"]],
        y=known["share"],
        mode="markers",
        marker={"size": 11, "color": BLUE},
        error_y=error_bars(known["high"] - known["share"], known["share"] - known["low"], color=PLAIN, thickness=2),
        customdata=_intervals(known, lang),
        hovertemplate="%{x}: %{customdata}<extra></extra>",
    )
    return figure(
        [points],
        lang,
        height=320,
        margin=WIDE,
        xaxis={"type": "category", "fixedrange": True, "showgrid": False, "automargin": True, "tickangle": 0},
        yaxis={**share_axis([0, 1], lang), **titled_axis(say("support.axis.without", lang))},
    )


def describe_coverage(table: pd.DataFrame, lang: str = "sv") -> str:
    """Say in a sentence what :func:`coverage_by_term` shows; parameters as there."""
    parts = [
        f"{_term(term, lang)} {percent(share, lang) if pd.notna(share) else NOT_APPLICABLE}"
        for term, share in zip(table["term"], table["share"], strict=True)
    ]
    return say("support.coverage.alt", lang, values=", ".join(parts))


def coverage_table(table: pd.DataFrame, lang: str = "sv") -> TextTable:
    """Write the terms with students with a signal, those without support, the share and its interval."""
    rows = [
        [
            _term(row["term"], lang),
            number(row["with_signal"], lang),
            number(row["without_support"], lang),
            percent(row["share"], lang, 1) if pd.notna(row["share"]) else NOT_APPLICABLE,
            interval(row, lang),
        ]
        for row in table.to_dict("records")
    ]
    return TextTable([say(f"column.{key}", lang) for key in ("term", "signal", "without", "share", "interval")], rows)


def love_plot(table: pd.DataFrame, lang: str = "sv") -> go.Figure:
    """Draw how alike two groups are in what was known, before and after weighting (Love's plot).

    Parameters
    ----------
    table
        ``covariate, before, after`` of one outcome: rows of ``SupportOutcome.balance``.
    lang
        ``"sv"`` or ``"en"``.

    Returns
    -------
    plotly.graph_objects.Figure
        Open circles before, filled squares after; the band is 0.1 standard deviations (Austin 2009).
    """
    ordered = table.reindex(table["before"].abs().sort_values().index)
    names = [wrapped(safe(str(name)), 28) for name in ordered["covariate"]]
    traces = []
    for column, symbol, colour in (("before", "circle-open", VERMILLION), ("after", "square", BLUE)):
        name = say(f"support.{column}", lang)
        marker = {"size": 10, "symbol": symbol, "color": colour, "line": {"width": 2, "color": colour}}
        shown = f"%{{y}}, {name}: %{{x:.2f}}<extra></extra>"
        traces.append(
            go.Scatter(x=ordered[column], y=names, mode="markers", name=name, marker=marker, hovertemplate=shown)
        )
    band = {"type": "rect", "xref": "x", "yref": "paper", "x0": -0.1, "x1": 0.1, "y0": 0, "y1": 1}
    return figure(
        traces,
        lang,
        height=26 * len(names) + 100,
        margin=WIDE,
        **LEGEND,
        shapes=[{**band, "fillcolor": GRID, "line": {"width": 0}, "layer": "below"}],
        xaxis=titled_axis(say("support.axis.difference", lang), zeroline=True, zerolinecolor=GREY),
        yaxis={"type": "category", "fixedrange": True, "automargin": True, "gridcolor": GRID},
    )


def describe_love_plot(table: pd.DataFrame, lang: str = "sv") -> str:
    """Say in a sentence what :func:`love_plot` shows; parameters as there."""
    largest = {name: number(float(table[name].abs().max()), lang, 2) for name in ("before", "after")}
    return say("support.balance.alt", lang, **largest)


def balance_table(table: pd.DataFrame, lang: str = "sv") -> TextTable:
    """Write the differences before and after weighting, the largest first."""
    ordered = table.reindex(table["before"].abs().sort_values(ascending=False).index)
    rows = [
        [str(row["covariate"]), *(number(row[name], lang, 2) for name in ("before", "after"))]
        for row in ordered.to_dict("records")
    ]
    return TextTable([say(key, lang) for key in ("column.covariate", "support.before", "support.after")], rows)


def _term(term: Any, lang: str) -> str:
    return safe(label("term", term, lang))


def interval(row: Any, lang: str) -> str:
    """Write the interval of a row's share."""
    if pd.isna(row["low"]):
        return NOT_APPLICABLE
    return f"{percent(row['low'], lang, 1)}–{percent(row['high'], lang, 1)}"


def _intervals(known: pd.DataFrame, lang: str) -> list[str]:
    return [f"{percent(row['share'], lang, 1)} ({interval(row, lang)})" for row in known.to_dict("records")]
