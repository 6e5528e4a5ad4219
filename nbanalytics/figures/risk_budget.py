"""Whom risk models reach when places are few, and how early: one line with intervals for each model."""

from __future__ import annotations

import pandas as pd
import plotly.graph_objects as go

from nbanalytics.figures.risk_marks import (
    LEGEND,
    WIDE,
    Write,
    axis,
    decimals,
    lines,
    lines_table,
    percents,
    told,
    with_interval,
)
from nbanalytics.figures.style import figure
from nbanalytics.figures.tables import TextTable
from nbanalytics.text import label, number, percent, say

_SHARES = ("precision", "recall")


def precision_at_k(table: pd.DataFrame, measure: str = "precision", lang: str = "sv") -> go.Figure:
    """Draw what the students with the highest scores hold, by how many places there are.

    Parameters
    ----------
    table
        ``model, capacity, measure, value, low, high``: :func:`nbanalytics.risk.at_capacity` of each model.
    measure
        ``precision``, ``recall``, ``lift`` or ``false_alarms_per_100``.
    lang
        ``"sv"`` or ``"en"``.

    Returns
    -------
    plotly.graph_objects.Figure
        A line with 95 % intervals for each model.
    """
    own = _of_measure(table, measure)
    shares = {"tickformat": ".0%"} if measure in _SHARES else {}
    return figure(
        lines(own, "capacity", "value", lang, _writer(measure, lang)),
        lang,
        height=430,
        margin=WIDE,
        **LEGEND,
        xaxis=axis(say("risk.axis.capacity", lang), tickformat=".0%", tickvals=sorted(own["capacity"].unique())),
        yaxis=axis(label("risk_measure", measure, lang), rangemode="tozero", **shares),
    )


def describe_precision_at_k(table: pd.DataFrame, measure: str = "precision", lang: str = "sv") -> str:
    """Say in a sentence what :func:`precision_at_k` shows; parameters as there."""
    values = told(precision_table(table, measure, lang))
    return say("risk.precision.alt", lang, measure=label("risk_measure", measure, lang), values=values)


def precision_table(table: pd.DataFrame, measure: str = "precision", lang: str = "sv") -> TextTable:
    """Write the measure of each model at each capacity."""
    own = _of_measure(table, measure)
    return lines_table(own, "capacity", "value", lang, _writer(measure, lang), lambda share: _places(share, lang))


def lead_time_plot(table: pd.DataFrame, lang: str = "sv") -> go.Figure:
    """Draw the share of losses that were flagged one, two, four terms ahead.

    Parameters
    ----------
    table
        ``model, ahead, share, low, high, losses``: :func:`nbanalytics.risk.lead_time`.
    lang
        ``"sv"`` or ``"en"``.

    Returns
    -------
    plotly.graph_objects.Figure
        A line with 95 % intervals for each model, the earliest warning to the left.
    """
    ahead = sorted(table["ahead"].unique())
    return figure(
        lines(table, "ahead", "share", lang, percents(lang)),
        lang,
        height=430,
        margin=WIDE,
        **LEGEND,
        xaxis=axis(say("risk.axis.ahead", lang), tickvals=ahead, autorange="reversed"),
        yaxis=axis(say("risk.axis.flagged", lang), tickformat=".0%", rangemode="tozero"),
    )


def describe_lead_time_plot(table: pd.DataFrame, lang: str = "sv") -> str:
    """Say in a sentence what :func:`lead_time_plot` shows; parameters as there."""
    return say("risk.lead.alt", lang, values=told(lead_time_table(table, lang)))


def lead_time_table(table: pd.DataFrame, lang: str = "sv") -> TextTable:
    """Write the share flagged of each model, by terms ahead."""
    return lines_table(table, "ahead", "share", lang, percents(lang), lambda terms: _ahead(terms, lang))


def value_plot(table: pd.DataFrame, lang: str = "sv") -> go.Figure:
    """Draw how many students with the outcome are reached for each 100 places, by budget and strategy.

    Parameters
    ----------
    table
        ``budget, strategy, per_100_places, low, high, more, more_low, more_high``: the table of
        :class:`nbanalytics.risk.PredictionValue`.
    lang
        ``"sv"`` or ``"en"``.

    Returns
    -------
    plotly.graph_objects.Figure
        A line with 95 % intervals for each strategy.
    """
    return figure(
        lines(table, "budget", "per_100_places", lang, decimals(lang, 0), "strategy"),
        lang,
        height=430,
        margin=WIDE,
        **LEGEND,
        xaxis=axis(say("risk.axis.capacity", lang), tickformat=".0%", tickvals=sorted(table["budget"].unique())),
        yaxis=axis(say("risk.axis.reached", lang), rangemode="tozero"),
    )


def describe_value_plot(table: pd.DataFrame, lang: str = "sv") -> str:
    """Say in a sentence what :func:`value_plot` shows; parameters as there."""
    write = decimals(lang, 0)
    own = lines_table(table, "budget", "per_100_places", lang, write, lambda share: _places(share, lang), "strategy")
    return say("risk.value.alt", lang, values=told(own))


def value_table(table: pd.DataFrame, lang: str = "sv") -> TextTable:
    """Write the places, the students reached, and how many more the model reaches, by budget and strategy."""
    rows = []
    for row in table.to_dict("records"):
        more = {"value": row["more"], "low": row["more_low"], "high": row["more_high"]}
        rows.append(
            [
                percent(row["budget"], lang),
                label("risk_model", row["strategy"], lang),
                number(row["places"], lang),
                number(row["reached"], lang, 1),
                with_interval(row, decimals(lang, 1), "per_100_places"),
                "" if pd.isna(row["more"]) else with_interval(more, decimals(lang, 1)),
            ]
        )
    heads = ("places", "model", "places", "reached", "per_100", "more")
    return TextTable([say(f"column.{key}", lang) for key in heads], rows, words=2)


def _of_measure(table: pd.DataFrame, measure: str) -> pd.DataFrame:
    own = table[table["measure"] == measure]
    if own.empty:
        raise ValueError(f"the table has no measure {measure!r}; it has {', '.join(sorted(set(table['measure'])))}")
    return own


def _writer(measure: str, lang: str) -> Write:
    return percents(lang) if measure in _SHARES else decimals(lang, 1)


def _places(share: float, lang: str) -> str:
    return say("risk.places", lang, share=percent(share, lang))


def _ahead(terms: float, lang: str) -> str:
    return say("risk.ahead.one", lang) if terms == 1 else say("risk.ahead", lang, terms=number(terms, lang))
