"""Discrimination, lead time and reach of risk models at a given capacity, compared with published results."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from itertools import pairwise

import numpy as np
import pandas as pd

from nbanalytics.figures import style
from nbanalytics.figures.chart import Chart, Row, Source, TextTable, drawing, heads, table_of
from nbanalytics.figures.style import Drawing
from nbanalytics.text import ENGLISH, NOT_APPLICABLE, Words

#: Colour, dash and symbol of each rung of the ladder: three signs, so that colour is never the only one.
_MARKS = {
    "base_rate": (style.PALE, "dot", "line-ew-open"),
    "lot": (style.PALE, "dot", "line-ew-open"),
    "school_only": (style.GREY, "dash", "square"),
    "prior_grade": (style.ORANGE, "dashdot", "triangle-up"),
    "abc_rule": (style.PURPLE, "longdash", "diamond"),
    "logit": (style.BLUE, "solid", "circle"),
    "hazard": (style.SKY, "longdashdot", "cross"),
    "mixed_logit": (style.GREEN, "dash", "triangle-down"),
    "boosting": (style.VERMILLION, "solid", "star"),
}
_OTHERS = (
    (style.INK, "solid", "hexagon"),
    (style.GREEN, "dot", "pentagon"),
    (style.PURPLE, "dot", "x"),
    (style.ORANGE, "dot", "bowtie"),
)
_FLAGS = {
    "course performance": "circle-open",
    "attendance": "square-open",
    "behaviour": "diamond-open",
    "growth model": "star-open",
    "tests": "triangle-up-open",
    "repeated year": "triangle-down-open",
    "several": "cross-open",
}
#: The line of chance.
_COIN = {"color": style.PALE, "dash": "dot", "width": 1.5}
_FPR = (0.05, 0.1, 0.2, 0.3)
_SHARES = ("precision", "recall")
WIDE = {"l": 8, "r": 16, "t": 84, "b": 8}

Write = Callable[[float], str]


def mark(model: str, models: Sequence[str]) -> tuple[str, str, str]:
    """Return colour, dash and symbol; a model that is not in the ladder takes one of the marks left over."""
    if model in _MARKS:
        return _MARKS[model]
    strangers = [name for name in models if name not in _MARKS]
    return _OTHERS[strangers.index(model) % len(_OTHERS)]


def axis(title: str, **more: object) -> Drawing:
    """Return an axis with a title and without a line at zero."""
    return style.titled_axis(title, **{"zeroline": False, **more})


def interval_bars(table: pd.DataFrame, value: str = "value", colour: str = style.INK) -> Drawing:
    """Return plotly's error bars from ``low`` and ``high``."""
    above, below = table["high"] - table[value], table[value] - table["low"]
    return style.error_bars(above.tolist(), below.tolist(), color=colour, thickness=1.4, width=3)


def with_interval(row: Row | pd.Series, write: Write, value: str = "value") -> str:
    """Write a value and its interval, ``12 (8 – 17)``."""
    if pd.isna(row[value]):
        return NOT_APPLICABLE
    if pd.isna(row["low"]):
        return write(row[value])
    return f"{write(row[value])} ({write(row['low'])} – {write(row['high'])})"


def _models_of(table: pd.DataFrame, column: str = "model") -> list[str]:
    return [str(name) for name in table[column].drop_duplicates()]


def _lines(table: pd.DataFrame, x: str, value: str, words: Words, write: Write, column: str = "model") -> list[Drawing]:
    """Draw a line with intervals for each model, a little apart so that the intervals do not cover each other."""
    models = _models_of(table, column)
    gap = min((b - a for a, b in pairwise(sorted(table[x].dropna().unique()))), default=1.0)
    traces = []
    for rank, model in enumerate(models):
        own = table[(table[column] == model) & table[value].notna()].sort_values(x)
        colour, dash, symbol = mark(model, models)
        aside = (rank - (len(models) - 1) / 2) * gap * 0.5 / max(len(models), 1)
        trace: Drawing = {
            "type": "scatter",
            "x": (own[x] + aside).tolist(),
            "y": own[value].tolist(),
            "name": style.safe(words.label("risk_model", model)),
            "mode": "lines+markers",
            "line": {"color": colour, "dash": dash, "width": 1.6},
            "marker": {"color": colour, "symbol": symbol, "size": 10, "line": {"width": 1.5, "color": colour}},
            "error_y": interval_bars(own, value, colour),
            "customdata": [with_interval(row, write, value) for row in own.to_dict("records")],
            "hovertemplate": "%{fullData.name}: %{customdata}<extra></extra>",
        }
        traces.append(trace)
    return traces


def _lines_table(
    table: pd.DataFrame,
    x: str,
    value: str,
    words: Words,
    write: Write,
    head: Callable[[float], str],
    column: str = "model",
) -> TextTable:
    """Write the models by row and the places along the axis by column, each value with its interval."""
    places = sorted(table[x].dropna().unique())
    rows = []
    for model in _models_of(table, column):
        own = table[table[column] == model].set_index(x)
        cells = [with_interval(own.loc[place], write, value) if place in own.index else "" for place in places]
        rows.append([words.label("risk_model", model), *cells])
    return TextTable([words.say("column.model"), *map(head, places)], rows)


def _in_a_sentence(table: TextTable) -> str:
    """Say a table in a sentence: each row with its cells under their heads."""
    return "; ".join(
        f"{name}: {', '.join(f'{head} {cell}' for head, cell in zip(table.columns[1:], cells, strict=True) if cell)}"
        for name, *cells in table.rows
    )


def roc_plane(curves: pd.DataFrame, flags: pd.DataFrame | None = None, words: Words = ENGLISH) -> Chart:
    """Draw ROC curves, with published flags as points among them.

    Parameters
    ----------
    curves
        ``model, fpr, tpr``: :func:`nbanalytics.risk.roc_curve` of each model.
    flags
        ``study, flag, kind, sensitivity, fpr``: :func:`nbanalytics.risk.published_flags`.
    words
        Language and labels.

    Returns
    -------
    Chart
        A line for each model, an open mark for each flag by kind, and the diagonal of chance. The table has the share
        of the cases that each model flags at four shares of false positives, then each flag's own.
    """
    models, found = _models_of(curves), [] if flags is None else flags.to_dict("records")
    names = {model: words.label("risk_model", model) for model in models}
    rows = [
        [names[model], *(words.percent(_at_fpr(curves, model, share)) for share in _FPR), "", ""] for model in models
    ]
    for flag in found:
        ends = [words.percent(flag[name], 1) for name in ("fpr", "sensitivity")]
        rows.append([f"{flag['study']}: {flag['flag']}", *[""] * len(_FPR), *ends])
    at = [words.say("risk.at_fpr", share=words.percent(share)) for share in _FPR]
    ends = [words.say("risk.axis.fpr"), words.say("risk.axis.tpr")]
    values = "; ".join(f"{names[model]} {words.percent(_at_fpr(curves, model, 0.1))}" for model in models)
    alt = words.say("risk.roc.alt", values=values, flags=words.number(len(found)))
    table = TextTable([words.say("column.flag"), *at, *ends], rows)
    return Chart(_plane(curves, flags, words), alt, table)


def _plane(curves: pd.DataFrame, flags: pd.DataFrame | None, words: Words) -> Drawing:
    models = _models_of(curves)
    lot: Drawing = {"color": style.GREY, "dash": "dot", "width": 1.2}
    traces: list[Drawing] = [
        {
            "type": "scatter",
            "x": [0, 1],
            "y": [0, 1],
            "mode": "lines",
            "line": lot,
            "name": words.label("risk_model", "lot"),
            "hoverinfo": "skip",
        }
    ]
    for model in models:
        own, (colour, dash, _) = curves[curves["model"] == model], mark(model, models)
        name = style.safe(words.label("risk_model", model))
        trace: Drawing = {
            "type": "scatter",
            "x": own["fpr"].tolist(),
            "y": own["tpr"].tolist(),
            "mode": "lines",
            "name": name,
            "line": {"color": colour, "dash": dash, "width": 2.2},
            "hovertemplate": f"{name}: %{{y:.0%}}, %{{x:.0%}}<extra></extra>",
        }
        traces.append(trace)
    if flags is not None:
        traces += [_flag_points(str(kind), own, words) for kind, own in flags.groupby("kind", sort=False)]
    share = {"range": [-0.02, 1.02], "tickformat": ".0%", "dtick": 0.2}
    return drawing(
        traces,
        words,
        height=600,
        margin={"l": 8, "r": 16, "t": 8, "b": 8},
        showlegend=True,
        legend={"orientation": "v", "x": 1.02, "y": 1, "font": {"size": 13}},
        xaxis=axis(words.say("risk.axis.fpr"), **share),
        yaxis=axis(words.say("risk.axis.tpr"), **share),
    )


def _flag_points(kind: str, own: pd.DataFrame, words: Words) -> Drawing:
    name = style.safe(words.label("flag_kind", kind))
    return {
        "type": "scatter",
        "x": own["fpr"].tolist(),
        "y": own["sensitivity"].tolist(),
        "mode": "markers",
        "name": words.say("risk.flag", kind=name.lower()),
        "marker": {"symbol": _FLAGS.get(kind, "hexagon-open"), "size": 11, "color": style.INK, "line": {"width": 1.5}},
        "text": [style.safe(f"{row.study}: {row.flag}") for row in own.itertuples()],
        "hovertemplate": "%{text}: %{y:.0%}, %{x:.0%}<extra></extra>",
    }


def _at_fpr(curves: pd.DataFrame, model: str, share: float) -> float:
    """Return the sensitivity where the curve passes a share of false positives."""
    own = curves[curves["model"] == model].sort_values(["fpr", "tpr"])
    return float(np.interp(share, own["fpr"], own["tpr"]))


def auc_by_horizon(table: pd.DataFrame, published: pd.DataFrame | None = None, words: Words = ENGLISH) -> Chart:
    """Draw the AUC by how long before the outcome it was predicted, among published ones.

    Parameters
    ----------
    table
        ``model, at, horizon_years, auc, low, high``: :func:`nbanalytics.risk.auc_by_point`.
    published
        ``study, country, horizon_years, auc``: :func:`nbanalytics.risk.published_aucs`.
    words
        Language and labels.

    Returns
    -------
    Chart
        A line with 95 % intervals for each model, the earliest prediction to the left; published ones as named marks.
    """
    write, measure = partial(words.number, decimals=2), words.label("risk_measure", "auc")
    rows = []
    for row in table.to_dict("records"):
        start = [words.label("risk_model", row["model"]), words.label("term", row["at"])]
        rows.append([*start, words.number(row["horizon_years"], 1), with_interval(row, write, "auc")])
    for row in [] if published is None else published.to_dict("records"):
        numbers = [words.number(row["horizon_years"], 1), words.number(row["auc"], 2)]
        rows.append([f"{row['study']}, {row['country']}", row["data"], *numbers])
    alt = "; ".join(f"{row[0]}, {row[1]} ({row[2]}): {row[3]}" for row in rows)
    furthest = max([*table["horizon_years"], *([] if published is None else published["horizon_years"])])
    lowest = min(0.45, table["low"].min() - 0.02)
    chart = drawing(
        [*_lines(table, "horizon_years", "auc", words, write), *_published(published, furthest, words)],
        words,
        height=460,
        margin=WIDE,
        **style.LEGEND_ABOVE,
        xaxis=axis(words.say("risk.axis.horizon"), range=[furthest + 0.6, -0.3], dtick=1),
        yaxis=axis(measure, range=[lowest, 1.0], tickformat=".1f"),
        shapes=[{"type": "line", "xref": "paper", "x0": 0, "x1": 1, "y0": 0.5, "y1": 0.5, "line": _COIN}],
    )
    columns = [*heads(words, "model", "at", "horizon"), measure]
    return Chart(chart, words.say("risk.horizon.alt", values=alt), TextTable(columns, rows, words=2))


def _published(published: pd.DataFrame | None, furthest: float, words: Words) -> list[Drawing]:
    if published is None:
        return []
    years = published["horizon_years"].tolist()
    return [
        {
            "type": "scatter",
            "x": years,
            "y": published["auc"].tolist(),
            "mode": "markers+text",
            "name": words.say("risk.published"),
            "text": [style.safe(f"{row.country}, {row.study}") for row in published.itertuples()],
            "textposition": ["middle right" if year == furthest else "middle left" for year in years],
            "textfont": {"size": 12, "color": style.MUTED},
            "marker": {"symbol": "circle-x-open", "size": 13, "color": style.INK, "line": {"width": 1.5}},
            "cliponaxis": False,
            "hovertemplate": "%{text}: %{y:.2f}<extra></extra>",
        }
    ]


def precision_at_k(table: pd.DataFrame, measure: str = "precision", words: Words = ENGLISH) -> Chart:
    """Draw a measure of the students with the highest scores, by capacity.

    Parameters
    ----------
    table
        ``model, capacity, measure, value, low, high``: :func:`nbanalytics.risk.at_capacity` of each model.
    measure
        ``precision``, ``recall``, ``lift`` or ``false_alarms_per_100``.
    words
        Language and labels.

    Returns
    -------
    Chart
        A line with 95 % intervals for each model.

    Raises
    ------
    ValueError
        If the table does not hold the measure.
    """
    own = table[table["measure"] == measure]
    if own.empty:
        raise ValueError(f"the table has no measure {measure!r}; it has {', '.join(sorted(set(table['measure'])))}")
    name = words.label("risk_measure", measure)
    write: Write = words.percent if measure in _SHARES else partial(words.number, decimals=1)
    look = {"tickformat": ".0%"} if measure in _SHARES else {}
    chart = _chart_of(
        _lines(own, "capacity", "value", words, write), _capacities(own["capacity"], words), name, words, **look
    )
    written = _lines_table(own, "capacity", "value", words, write, lambda share: _places(share, words))
    return Chart(chart, words.say("risk.precision.alt", measure=name, values=_in_a_sentence(written)), written)


def lead_time_plot(table: pd.DataFrame, words: Words = ENGLISH) -> Chart:
    """Draw the share of losses that were flagged one, two, four terms ahead.

    Parameters
    ----------
    table
        ``model, ahead, share, low, high, losses``: :func:`nbanalytics.risk.lead_time`.
    words
        Language and labels.

    Returns
    -------
    Chart
        A line with 95 % intervals for each model, the earliest warning to the left.
    """
    ahead = sorted(table["ahead"].unique().tolist())
    xaxis = axis(words.say("risk.axis.ahead"), tickvals=ahead, autorange="reversed")
    traces = _lines(table, "ahead", "share", words, words.percent)
    chart = _chart_of(traces, xaxis, words.say("risk.axis.flagged"), words, tickformat=".0%")
    written = _lines_table(table, "ahead", "share", words, words.percent, lambda terms: _ahead(terms, words))
    return Chart(chart, words.say("risk.lead.alt", values=_in_a_sentence(written)), written)


def value_plot(value: Source, words: Words = ENGLISH) -> Chart:
    """Draw how many students with the outcome are reached for each 100 places, by budget and strategy.

    Parameters
    ----------
    value
        The result of :func:`nbanalytics.risk.value_of_prediction`, or its table: ``budget, strategy, per_100_places,
        low, high, more, more_low, more_high``.
    words
        Language and labels.

    Returns
    -------
    Chart
        A line with 95 % intervals for each strategy. The table has the places, the students reached, and how many
        more the model reaches.
    """
    table = table_of(value)
    traces = _lines(table, "budget", "per_100_places", words, words.number, "strategy")
    chart = _chart_of(traces, _capacities(table["budget"], words), words.say("risk.axis.reached"), words)
    write, rows = partial(words.number, decimals=1), []
    for row in table.to_dict("records"):
        more = {"value": row["more"], "low": row["more_low"], "high": row["more_high"]}
        rows.append(
            [
                words.percent(row["budget"]),
                words.label("risk_model", row["strategy"]),
                words.number(row["places"]),
                words.number(row["reached"], 1),
                with_interval(row, write, "per_100_places"),
                "" if pd.isna(row["more"]) else with_interval(more, write),
            ]
        )
    in_short = _lines_table(
        table, "budget", "per_100_places", words, words.number, lambda share: _places(share, words), "strategy"
    )
    columns = heads(words, "places", "model", "places", "reached", "per_100", "more")
    alt = words.say("risk.value.alt", values=_in_a_sentence(in_short))
    return Chart(chart, alt, TextTable(columns, rows, words=2))


def _chart_of(traces: list[Drawing], xaxis: Drawing, title: str, words: Words, **look: object) -> Drawing:
    """Return lines above an axis of capacities or terms, from zero, with their legend above them."""
    yaxis = axis(title, rangemode="tozero", **look)
    return drawing(traces, words, height=430, margin=WIDE, **style.LEGEND_ABOVE, xaxis=xaxis, yaxis=yaxis)


def _capacities(shares: pd.Series, words: Words) -> Drawing:
    return axis(words.say("risk.axis.capacity"), tickformat=".0%", tickvals=sorted(shares.unique().tolist()))


def _places(share: float, words: Words) -> str:
    return words.say("risk.places", share=words.percent(share))


def _ahead(terms: float, words: Words) -> str:
    return words.say("risk.ahead.one") if terms == 1 else words.say("risk.ahead", terms=words.number(terms))
