"""Those in the municipality's activity responsibility (KAA): where they are, by months since entry."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd
import plotly.graph_objects as go

from nbanalytics.figures.style import BLUE, ORANGE, PALE, PAPER, SKY, figure, share_axis, titled_axis
from nbanalytics.figures.support import LEGEND, WIDE, share_and_bounds
from nbanalytics.figures.tables import TextTable, with_bounds
from nbanalytics.text import label, number, percent, say

_STATUSES = {"work": (BLUE, ""), "study": (SKY, "/"), "activity": (ORANGE, "x"), "unknown": (PALE, "\\")}
_ON_PALE = "#0b1219"  # on marks that are light in both colour schemes, so it is the same in both
_TOLD = ("work_or_study", "activity", "unknown")


def kaa_shares(table: pd.DataFrame, lang: str = "sv") -> go.Figure:
    """Draw where the participants are, by months since entry.

    Parameters
    ----------
    table
        ``month, status, students, followed, share``: the table of :class:`nbanalytics.support.KaaOutcomes`.
    lang
        ``"sv"`` or ``"en"``.

    Returns
    -------
    plotly.graph_objects.Figure
        Stacked bars of shares, with the share written in each part that has room for it.
    """
    traces = []
    months = sorted(table["month"].unique())
    for code, (colour, pattern) in _STATUSES.items():
        own = table[table["status"] == code].set_index("month").reindex(months)
        name = label("kaa", code, lang)
        # The axis is in per cent: without the sign the number has room in a narrow bar.
        words = [number(100 * share, lang) if share >= 0.06 else "" for share in own["share"].fillna(0)]
        traces.append(
            go.Bar(
                x=[str(month) for month in months],
                y=own["share"],
                name=name,
                text=words,
                textposition="inside",
                insidetextanchor="middle",
                textangle=0,
                constraintext="none",
                textfont={"size": 12, "color": _ON_PALE if code != "work" else PAPER},
                marker={
                    "color": colour,
                    # Without a background of its own a pattern lies on the paper.
                    "pattern": {"shape": pattern, "bgcolor": colour, "fgcolor": "#ffffff", "solidity": 0.07},
                },
                customdata=[_told(name, row, lang) for row in own.reset_index().to_dict("records")],
                hovertemplate="%{customdata}<extra></extra>",
            )
        )
    return figure(
        traces,
        lang,
        height=380,
        barmode="stack",
        margin=WIDE,
        **LEGEND,
        xaxis=titled_axis(say("support.axis.months", lang), type="category", showgrid=False),
        yaxis={**share_axis([0, 1], lang), **titled_axis("")},
    )


def _told(name: str, row: Mapping[Any, Any], lang: str) -> str:
    part, whole = (number(row[key], lang) for key in ("students", "followed"))
    return (
        f"{name}, {say('support.month', lang, month=str(row['month']))}: {say('tile.of', lang, part=part, whole=whole)}"
    )


def describe_kaa(table: pd.DataFrame, lang: str = "sv") -> str:
    """Say in a sentence what :func:`kaa_shares` shows; parameters as there."""
    parts = []
    for month, own in table.groupby("month"):
        shares = own.set_index("status")["share"]
        told = (f"{label('kaa', code, lang).lower()} {percent(shares[code], lang)}" for code in _TOLD)
        parts.append(f"{say('support.month', lang, month=str(month))}: {', '.join(told)}")
    return say("support.kaa.alt", lang, values="; ".join(parts))


def kaa_table(table: pd.DataFrame, lang: str = "sv") -> TextTable:
    """Write the shares with their intervals, by months since entry; parameters as of :func:`kaa_shares`.

    Examples
    --------
    >>> told = {"status": ["work_or_study", "work", "study", "activity", "unknown"], "share": [0.5, 0.5, 0, 0.5, 0]}
    >>> row = kaa_table(pd.DataFrame({"month": 3, "followed": 20, **told, "low": 0.2, "high": 0.8}), "en").rows[0]
    >>> row[:5]
    ['3', '20', '50.0%', '20.0%', '80.0%']
    """
    codes = ("work_or_study", "work", "study", "activity", "unknown")
    rows = []
    for month, own in table.groupby("month"):
        by_status = {row["status"]: row for row in own.to_dict("records")}
        found = [by_status[code] for code in codes]
        words = [text for row in found for text in share_and_bounds(row, lang)]
        rows.append([str(month), number(found[0]["followed"], lang), *words])
    heads = [say("support.axis.months", lang), say("column.students", lang)]
    columns = [head for code in codes for head in with_bounds(label("kaa", code, lang), lang)]
    bounds = range(len(heads) + 1, len(heads) + len(columns), 3)
    return TextTable([*heads, *columns], rows, intervals=dict.fromkeys(bounds, say("column.interval", lang)))
