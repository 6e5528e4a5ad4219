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
    names_axis,
    safe,
    share_axis,
    titled_axis,
    wrapped,
)
from nbanalytics.figures.tables import TextTable, with_bounds
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
    months = _months(table)
    for code, (colour, dash) in _INTENSITIES.items():
        own = table[table["intensity"] == code].groupby("month")["students"].sum()
        if own.empty:
            continue
        name = label("intensity", code, lang)
        values = own.reindex(months, fill_value=0).tolist()
        traces.append(
            go.Scatter(
                x=months,
                y=values,
                mode="lines",
                name=name,
                line={"color": colour, "dash": dash, "width": 2.5 if code == "*" else 1.8, "shape": "hv"},
                customdata=[
                    f"{name}, {month[:7]}: {number(value, lang)}" for month, value in zip(months, values, strict=True)
                ],
                hovertemplate="%{customdata}<extra></extra>",
            )
        )
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
    """Write the months with their students by intensity; parameters as of :func:`caseload_over_time`.

    Examples
    --------
    >>> table = pd.DataFrame({"month": ["2024-06-01", "2024-08-01"], "intensity": "*", "students": [3, 1]})
    >>> caseload_table(table, "en").rows
    [['2024-06', '3'], ['2024-07', '0'], ['2024-08', '1']]
    """
    codes = [code for code in _INTENSITIES if code in set(table["intensity"])]
    wide = table.assign(month=table["month"].astype(str).str[:10]).pivot_table(
        index="month", columns="intensity", values="students", aggfunc="sum", fill_value=0
    )
    wide = wide.reindex(_months(table), fill_value=0)
    rows = [[str(month)[:7], *(number(row[code], lang) for code in codes)] for month, row in wide.iterrows()]
    return TextTable([say("column.month", lang), *(label("intensity", code, lang) for code in codes)], rows)


def _months(table: pd.DataFrame) -> list[str]:
    """Every month from the first to the last, as its first day: those without a student are not in the table."""
    held = pd.PeriodIndex(table["month"].astype(str).str[:7], freq="M")
    return [f"{month}-01" for month in pd.period_range(held.min(), held.max(), freq="M")] if len(held) else []


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
        A point with its 95 % interval for each term, one above the other so that their names have room on a narrow
        screen; no point where nobody has a signal.
    """
    known = table.dropna(subset=["share"])
    names = [_term(term, lang) for term in known["term"]]
    points = go.Scatter(
        x=known["share"],
        y=names,
        mode="markers",
        marker={"size": 11, "color": BLUE},
        error_x=error_bars(known["high"] - known["share"], known["share"] - known["low"], color=PLAIN, thickness=2),
        customdata=_intervals(known, lang),
        hovertemplate="%{customdata}<extra></extra>",
    )
    return figure(
        [points],
        lang,
        height=34 * len(names) + 72,
        margin={"l": 8, "r": 16, "t": 8, "b": 8},
        xaxis={**share_axis([0, 1], lang), **titled_axis(say("support.axis.without", lang))},
        yaxis=names_axis(names, range=[len(names) - 0.5, -0.5], ticks="", showgrid=False),
    )


def describe_coverage(table: pd.DataFrame, lang: str = "sv") -> str:
    """Say in a sentence what :func:`coverage_by_term` shows; parameters as there.

    Examples
    --------
    >>> describe_coverage(pd.DataFrame({"term": ["7HT", "7VT"], "share": [0.5, None]}), "en")
    'Share without support of students with a risk signal, term by term: Y7 aut. 50%, Y7 spr. nobody has a signal.'
    """
    parts = [
        f"{_term(term, lang)} {percent(share, lang) if pd.notna(share) else say('support.coverage.nobody', lang)}"
        for term, share in zip(table["term"], table["share"], strict=True)
    ]
    return say("support.coverage.alt", lang, values=", ".join(parts))


def coverage_table(table: pd.DataFrame, lang: str = "sv") -> TextTable:
    """Write the terms with students with a signal, those without support, the share and its interval.

    Parameters
    ----------
    table, lang
        As for :func:`coverage_by_term`.

    Returns
    -------
    TextTable
        A row per term.

    Examples
    --------
    >>> share = {"share": [0.5], "low": [0.31], "high": [0.69]}
    >>> table = pd.DataFrame({"term": ["7HT"], "with_signal": [24], "without_support": [12], **share})
    >>> coverage_table(table, "en").rows
    [['Y7 aut.', '24', '12', '50.0%', '31.0%', '69.0%']]
    """
    rows = [
        [
            _term(row["term"], lang),
            number(row["with_signal"], lang),
            number(row["without_support"], lang),
            *share_and_bounds(row, lang),
        ]
        for row in table.to_dict("records")
    ]
    *heads, share = (say(f"column.{key}", lang) for key in ("term", "signal", "without", "share"))
    return TextTable([*heads, *with_bounds(share, lang)], rows, intervals={4: say("column.interval", lang)})


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


def share_and_bounds(row: Any, lang: str) -> list[str]:
    """Write a row's share and the bounds of its interval."""
    return [NOT_APPLICABLE if pd.isna(row[name]) else percent(row[name], lang, 1) for name in ("share", "low", "high")]


def _intervals(known: pd.DataFrame, lang: str) -> list[str]:
    written = ((_term(row["term"], lang), *share_and_bounds(row, lang)) for row in known.to_dict("records"))
    return [f"{term}: {share} ({low} – {high})" for term, share, low, high in written]
