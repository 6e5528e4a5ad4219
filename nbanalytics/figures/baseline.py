"""The follow-up against the zero value: two dots a group, with what chance alone may give."""

from __future__ import annotations

from typing import Any

import pandas as pd
import plotly.graph_objects as go

from nbanalytics.figures.style import (
    ACCENT,
    GRID,
    INK,
    PALE,
    Drawing,
    drawing,
    error_bars,
    hidden_mark,
    legend_beneath,
    names_axis,
    safe,
    share_axis,
)
from nbanalytics.figures.tables import TextTable, with_bounds
from nbanalytics.text import NOT_APPLICABLE, SUPPRESSED, label, number, percent, say, signed

_POINTS = ("absence",)  # measures in per cent of the term; the others are shares from 0 to 1


def followup_dots(table: pd.DataFrame, measure: str = "eligible", lang: str = "sv") -> go.Figure:
    """Draw zero value and follow-up of each group.

    Parameters
    ----------
    table
        The table of a :class:`nbanalytics.FollowUp`, one selection of its ``by``: ``group, measure, zero,
        later, low, high`` (of the change), ``chance_low, chance_high``; where a ``status`` is
        ``suppressed`` the row is written ``..``.
    measure
        ``eligible``, ``core_and_five`` or ``absence``.
    lang
        ``"sv"`` or ``"en"``.

    Returns
    -------
    plotly.graph_objects.Figure
        A row per group: a ring at the zero value with a grey bar of what chance alone may give, and a dot at the
        follow-up with the 95 % interval of the change. Groups too small for an estimate have no marks, those that
        are suppressed the mark ``..``.

    Raises
    ------
    ValueError
        If the table does not hold the measure.
    """
    return go.Figure(followup_drawing(table, measure, lang))


def followup_drawing(table: pd.DataFrame, measure: str = "eligible", lang: str = "sv") -> Drawing:
    """Return what :func:`followup_dots` shows as a page takes it; the parameters are the same."""
    rows = _rows(table, measure)
    names = [safe(label("student_group", row["group"], lang)) for row in rows]
    hints = [_cell(row, measure, lang) for row in rows]
    common: Drawing = {"y": names, "customdata": hints, "hovertemplate": "%{customdata}<extra></extra>"}
    marks: Drawing = {"type": "scatter", "mode": "markers", **common}
    chance: Drawing = {
        "type": "bar",
        "orientation": "h",
        "base": [row["zero"] + row["chance_low"] for row in rows],
        "x": [row["chance_high"] - row["chance_low"] for row in rows],
        "width": 0.34,
        "marker": {"color": PALE},
        "name": say("followup.chance", lang),
        **common,
    }
    zero: Drawing = {
        "x": [row["zero"] for row in rows],
        "marker": {"symbol": "circle-open", "size": 13, "color": INK, "line": {"width": 2.5}},
        "name": say("followup.zero", lang),
        **marks,
    }
    later: Drawing = {
        "x": [row["later"] for row in rows],
        "marker": {"symbol": "diamond", "size": 11, "color": ACCENT},
        "error_x": error_bars(
            [row["high"] - row["change"] for row in rows],
            [row["change"] - row["low"] for row in rows],
            color=INK,
            thickness=1.5,
        ),
        "name": say("followup.later", lang),
        **marks,
    }
    return drawing(
        [chance, zero, later],
        lang,
        **legend_beneath(50 * len(rows) + 30, 3),
        xaxis={
            **_values_axis(rows, measure, lang),
            "title": {"text": label("official_measure", measure, lang), "font": {"size": 13}, "standoff": 6},
        },
        yaxis=names_axis(names, range=[len(rows) - 0.5, -0.5], ticks=""),
        annotations=[
            hidden_mark(0, place, xref="paper", xanchor="left", xshift=4)
            for place, row in enumerate(rows)
            if _hidden(row)
        ],
    )


def _values_axis(rows: list[dict[str, Any]], measure: str, lang: str) -> dict[str, Any]:
    if measure in _POINTS:
        return {"fixedrange": True, "gridcolor": GRID, "zeroline": False, "automargin": True}
    ends = [row["zero"] + row[name] for row in rows for name in ("low", "high", "chance_low", "chance_high")]
    return share_axis([*ends, *(row[name] for row in rows for name in ("zero", "later"))], lang)


def describe_followup_dots(table: pd.DataFrame, measure: str = "eligible", lang: str = "sv") -> str:
    """Say in a sentence what :func:`followup_dots` shows, for those who do not see it.

    Parameters
    ----------
    table, measure, lang
        As for :func:`followup_dots`.

    Returns
    -------
    str
        The text alternative: both values of each group, the change with its interval and what chance alone gives.
    """
    values = "; ".join(_cell(row, measure, lang) for row in _rows(table, measure))
    return say("followup.alt", lang, measure=label("official_measure", measure, lang), values=values)


def followup_table(table: pd.DataFrame, measure: str = "eligible", lang: str = "sv") -> TextTable:
    """Write zero value, follow-up, change with its interval and what chance alone gives, group by group.

    Parameters
    ----------
    table, measure, lang
        As for :func:`followup_dots`.

    Returns
    -------
    TextTable
        A row per group.

    Examples
    --------
    >>> change = {"zero": [0.83], "later": [0.8], "change": [-0.03], "low": [-0.06], "high": [0.01]}
    >>> row = pd.DataFrame({"group": ["all"], "measure": ["eligible"], **change, "chance_high": [0.04]})
    >>> followup_table(row, lang="en").rows
    [['All', '83.0%', '80.0%', '−3.0', '−6.0', '+1.0', '± 4.0']]
    """
    rows = []
    for row in _rows(table, measure):
        words = _numbers(row, measure, lang)
        name = label("student_group", row["group"], lang)
        rows.append([name, *(words[key] for key in ("zero", "later", "change", "low", "high", "chance"))])
    group, zero, later, change, chance = (
        say(f"column.{key}", lang) for key in ("student_group", "zero", "later", "change", "chance")
    )
    heads = [group, zero, later, *with_bounds(change, lang), chance]
    return TextTable(heads, rows, intervals={4: say("column.interval", lang)})


def _rows(table: pd.DataFrame, measure: str) -> list[dict[str, Any]]:
    chosen = table[table["measure"] == measure]
    if chosen.empty:
        raise ValueError(f"the table has no measure {measure!r}; it has {', '.join(sorted(set(table['measure'])))}")
    if chosen["group"].duplicated().any():
        raise ValueError("the table has several rows for a group; choose one selection, such as one school")
    return [{str(name): value for name, value in row.items()} for row in chosen.to_dict("records")]


def _hidden(row: dict[str, Any]) -> bool:
    return bool(row.get("status") == "suppressed")


def _numbers(row: dict[str, Any], measure: str, lang: str) -> dict[str, str]:
    """Write a row: values as shares or per cent of the term, changes in percentage points, nothing for no interval."""
    missing = SUPPRESSED if _hidden(row) else NOT_APPLICABLE
    scale = 1 if measure in _POINTS else 100

    def write(value: float) -> str:
        if pd.isna(value):
            return missing
        return number(value, lang, 1) if measure in _POINTS else percent(value, lang, 1)

    def points(value: float) -> str:
        return "" if pd.isna(value) else signed(scale * value, lang, 1)

    words = {name: write(row[name]) for name in ("zero", "later")}
    words |= {name: points(row[name]) for name in ("change", "low", "high")}
    words["change"] = words["change"] or missing
    return words | {"chance": points(row["chance_high"]).replace("+", "± ")}


def _cell(row: dict[str, Any], measure: str, lang: str) -> str:
    name = label("student_group", row["group"], lang)
    words = _numbers(row, measure, lang)
    return say("followup.cell" if words["low"] else "followup.cell_partly", lang, group=name, **words)
