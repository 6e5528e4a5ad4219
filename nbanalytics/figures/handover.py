"""The hand-over between stages: what became of support and signals, and the list for the receiving school."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd
import plotly.graph_objects as go

from nbanalytics.figures.style import ACCENT, PLAIN, figure
from nbanalytics.figures.tables import TextTable
from nbanalytics.support import Handover
from nbanalytics.text import label, number, percent, say

_ORDER = ("known_to_nobody", "lost", "carried", "begun", "no_need", "unknown", "moved")
_ATTENTION = ("known_to_nobody", "lost")


def handover_bars(table: pd.DataFrame, lang: str = "sv") -> go.Figure:
    """Draw how many students are in each position at a hand-over.

    Parameters
    ----------
    table
        ``status, students``: the counts of :class:`nbanalytics.support.Handover`.
    lang
        ``"sv"`` or ``"en"``.

    Returns
    -------
    plotly.graph_objects.Figure
        Horizontal bars, those who need attention first and in a colour of their own, each with its name and number.
    """
    counts = _counts(table)
    names = [label("handover", status, lang) for status in counts.index]
    words = [number(count, lang) for count in counts]
    bars = go.Bar(
        orientation="h",
        y=list(range(len(names))),
        x=counts.tolist(),
        text=words,
        textposition="outside",
        cliponaxis=False,
        marker={"color": [ACCENT if status in _ATTENTION else PLAIN for status in counts.index]},
        customdata=[f"{name}: {text}" for name, text in zip(names, words, strict=True)],
        hovertemplate="%{customdata}<extra></extra>",
    )
    return figure(
        [bars],
        lang,
        height=54 * len(names) + 24,
        margin={"l": 2, "r": 2, "t": 4, "b": 4},
        xaxis={"visible": False, "range": [0, max(counts.max(), 1) * 1.2], "fixedrange": True},
        yaxis={"visible": False, "range": [len(names) - 0.5, -0.75], "fixedrange": True},
        bargap=0.62,
        annotations=[_above(rank, name) for rank, name in enumerate(names)],
    )


def _above(rank: int, name: str) -> dict[str, Any]:
    """Return a bar's name above it: beside it, it would take half of a narrow screen."""
    place = {"x": 0, "y": rank, "xanchor": "left", "yanchor": "bottom", "yshift": 11}
    return {"text": name, **place, "showarrow": False, "font": {"size": 13}}


def describe_handover(table: pd.DataFrame, lang: str = "sv") -> str:
    """Say in a sentence what :func:`handover_bars` shows; parameters as there."""
    values = "; ".join(f"{name}: {count}" for name, count, _ in handover_table(table, lang).rows)
    return say("staff.handover.alt", lang, values=values)


def handover_table(table: pd.DataFrame, lang: str = "sv") -> TextTable:
    """Write the positions with their students and shares; parameters as of :func:`handover_bars`.

    Examples
    --------
    >>> handover_table(pd.DataFrame({"status": ["lost", "carried"], "students": [1, 3]}), "en").rows
    [['Support was lost', '1', '25.0%'], ['Support was carried over', '3', '75.0%']]
    """
    counts = _counts(table)
    total = max(int(counts.sum()), 1)
    rows = [
        [label("handover", status, lang), number(count, lang), percent(count / total, lang, 1)]
        for status, count in counts.items()
    ]
    return TextTable([say(f"column.{key}", lang) for key in ("position", "students", "share")], rows)


def receiving_table(result: Handover, lang: str = "sv", names: Mapping[str, str] | None = None) -> TextTable:
    """Write the list for the receiving school, in words.

    Parameters
    ----------
    result
        A hand-over.
    lang
        ``"sv"`` or ``"en"``.
    names
        Names of schools by their code.

    Returns
    -------
    TextTable
        A row per student whom the receiving school has to know of.
    """
    told = result.receiving_list(lang).astype("string").fillna("")
    for name in ("to", "from_school"):
        told[name] = [(names or {}).get(code, code) for code in told[name]]
    told["to"] = told["to"].replace("", label("handover", "unknown", lang))
    for name in ("support_before", "support_after"):
        told[name] = [
            ", ".join(label("support", kind, lang) for kind in kinds.split(", ") if kind) for kinds in told[name]
        ]
    told["status"] = [label("handover", status, lang) for status in told["status"]]
    heads = [say(f"handover.column.{name}", lang) for name in told]
    return TextTable(heads, told.astype(str).to_numpy().tolist(), words=len(heads))


def _counts(table: pd.DataFrame) -> pd.Series:
    counts = table.groupby("status")["students"].sum()
    return counts.reindex([status for status in _ORDER if status in counts.index])
