"""Whether the probabilities of a risk model hold: in tenths of the students, and for each group of them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from nbanalytics.figures.risk_marks import LEGEND, WIDE, Write, axis, decimals, interval_bars, percents, with_interval
from nbanalytics.figures.style import BLUE, GREY, INK, MUTED, PLAIN, VERMILLION, figure, names_axis, safe, wrapped
from nbanalytics.figures.tables import TextTable
from nbanalytics.text import NOT_APPLICABLE, label, number, percent, say

_CROSS = " × "
_SHARES = ("flagged_share", "tpr", "fnr", "fpr", "ppv")
_BARS = 20


def calibration_plot(table: pd.DataFrame, scores: Any, lang: str = "sv") -> go.Figure:
    """Draw what the probabilities promise against what came, above a histogram of the probabilities.

    Parameters
    ----------
    table
        ``bin, n, cases, mean_p, observed, low, high``: :func:`nbanalytics.risk.calibration_table` of one model.
    scores
        The probabilities that the table was made from.
    lang
        ``"sv"`` or ``"en"``.

    Returns
    -------
    plotly.graph_objects.Figure
        A point with its 95 % interval for each bin, the line where promises hold, and bars of the numbers of students.
    """
    counts, edges = np.histogram(np.asarray(scores, dtype=float), bins=_BARS, range=(0, 1))
    last = int(np.flatnonzero(counts).max(initial=0))
    end = float(max(edges[last + 1], table["high"].max(), 0.2))
    words = [f"{_observed(row, lang)}; {number(row['n'], lang)}" for row in table.to_dict("records")]
    points = go.Scatter(
        x=table["mean_p"],
        y=table["observed"],
        mode="markers",
        marker={"size": 10, "color": BLUE},
        error_y=interval_bars(table, "observed", PLAIN),
        customdata=words,
        hovertemplate="%{x:.0%}: %{customdata}<extra></extra>",
        name=say("risk.observed", lang),
        cliponaxis=False,
    )
    line = {"color": GREY, "dash": "dot", "width": 1.5}
    perfect = go.Scatter(
        x=[0, end], y=[0, end], mode="lines", line=line, hoverinfo="skip", name=say("risk.perfect", lang)
    )
    bars = go.Bar(
        x=(edges[:-1] + edges[1:]) / 2,
        y=counts,
        width=1 / _BARS * 0.9,
        marker={"color": PLAIN},
        yaxis="y2",
        hovertemplate="%{x:.0%}: %{y}<extra></extra>",
        showlegend=False,
    )
    return figure(
        [perfect, points, bars],
        lang,
        height=520,
        margin={**WIDE, "t": 44},
        **LEGEND,
        xaxis=axis(say("risk.axis.promised", lang), range=[0, end], tickformat=".0%", anchor="y2"),
        yaxis=axis(say("risk.axis.observed", lang), range=[0, end], tickformat=".0%", domain=[0.32, 1]),
        yaxis2=axis(say("risk.axis.students", lang), domain=[0, 0.24], rangemode="tozero", nticks=4),
    )


def describe_calibration_plot(table: pd.DataFrame, scores: Any, lang: str = "sv") -> str:
    """Say in a sentence what :func:`calibration_plot` shows; parameters as there."""
    ends: dict[str, str] = {}
    for name, row in (("low", table.iloc[0]), ("high", table.iloc[-1])):
        ends |= {f"{name}_promised": percent(row["mean_p"], lang), f"{name}_observed": percent(row["observed"], lang)}
    median = percent(float(np.median(np.asarray(scores, dtype=float))), lang)
    return say("risk.calibration.alt", lang, bins=number(len(table), lang), median=median, **ends)


def calibration_bins_table(table: pd.DataFrame, lang: str = "sv") -> TextTable:
    """Write the bins: students, cases, what was promised and what came."""
    rows = [
        [
            number(row["bin"], lang),
            number(row["n"], lang),
            number(row["cases"], lang),
            percent(row["mean_p"], lang, 1),
            _observed(row, lang),
        ]
        for row in table.to_dict("records")
    ]
    heads = ("decile", "students", "cases", "promised", "observed")
    return TextTable([say(f"column.{key}", lang) for key in heads], rows)


def decile_bars(table: pd.DataFrame, lang: str = "sv") -> go.Figure:
    """Draw the share with the outcome in each tenth of the students, beside what the model promised.

    Parameters
    ----------
    table
        As for :func:`calibration_plot`, best of ten bins.
    lang
        ``"sv"`` or ``"en"``.

    Returns
    -------
    plotly.graph_objects.Figure
        Bars with 95 % intervals from the lowest probabilities to the highest; diamonds for the promise.
    """
    bars = go.Bar(
        x=table["bin"],
        y=table["observed"],
        marker={"color": PLAIN},
        error_y=interval_bars(table, "observed", INK),
        customdata=[_observed(row, lang) for row in table.to_dict("records")],
        hovertemplate="%{x}: %{customdata}<extra></extra>",
        name=say("risk.observed", lang),
    )
    promised = go.Scatter(
        x=table["bin"],
        y=table["mean_p"],
        mode="markers",
        marker={"symbol": "diamond", "size": 11, "color": VERMILLION, "line": {"width": 1, "color": INK}},
        hovertemplate="%{x}: %{y:.1%}<extra></extra>",
        name=say("risk.promised", lang),
        cliponaxis=False,
    )
    return figure(
        [bars, promised],
        lang,
        height=400,
        margin={**WIDE, "t": 44},
        **LEGEND,
        xaxis=axis(say("risk.axis.decile", lang), dtick=1, showgrid=False),
        yaxis=axis(say("risk.axis.observed", lang), tickformat=".0%", rangemode="tozero"),
    )


def describe_decile_bars(table: pd.DataFrame, lang: str = "sv") -> str:
    """Say in a sentence what :func:`decile_bars` shows; parameters as there."""
    return say("risk.deciles.alt", lang, values=", ".join(percent(share, lang) for share in table["observed"]))


def audit_forest(
    table: pd.DataFrame, measure: str, model: str, threshold: float | None = None, at: str | None = None,
    lang: str = "sv",
) -> go.Figure:  # fmt: skip
    """Draw a measure of one model group by group, with intervals, beside the value for all.

    Parameters
    ----------
    table
        The table of an :class:`nbanalytics.risk.Audit`.
    measure
        Such as ``tpr``, ``fpr``, ``ppv``, ``auc`` or ``calibration_in_the_large``.
    model
        Its name.
    threshold
        For measures of a threshold.
    at
        The prediction point, by default the first of the table.
    lang
        ``"sv"`` or ``"en"``.

    Returns
    -------
    plotly.graph_objects.Figure
        A row for each group; those that were refused bear the words and no mark, those without a value a dot. The
        upright line is all students.

    Raises
    ------
    ValueError
        If the table has no such row, or no group has a value.
    """
    rows = _audit_rows(table, measure, model, threshold, at)
    names = [_group_name(row, lang) for row in rows]
    estimated = [{**row, "name": name} for row, name in zip(rows, names, strict=True) if _estimated(row)]
    if not estimated:
        raise ValueError(f"no group has an estimate of {measure!r} of {model!r}")
    known = pd.DataFrame(estimated)
    of_all = known["attribute"] == "all"
    every = known.loc[of_all, "value"]
    write = _writer(measure, lang)
    points = go.Scatter(
        x=known["value"],
        y=known["name"],
        mode="markers",
        marker={
            "size": 10,
            "color": np.where(of_all, INK, BLUE).tolist(),
            "symbol": np.where(of_all, "diamond", "circle").tolist(),
        },
        error_x=interval_bars(known, "value", PLAIN),
        customdata=[with_interval(row, write) for row in known.to_dict("records")],
        hovertemplate="%{y}: %{customdata}<extra></extra>",
    )
    place = (every if len(every) else known["value"]).median()
    without = [
        {"x": place, "y": name, "text": _written(row, write, lang), "showarrow": False, "bgcolor": "#ffffff"}
        | {"font": {"size": 12, "color": MUTED}}
        for row, name in zip(rows, names, strict=True)
        if not _estimated(row)
    ]
    line = {"type": "line", "yref": "paper", "y0": 0, "y1": 1, "layer": "below"}
    dotted = {"line": {"color": GREY, "dash": "dot", "width": 1.5}}
    return figure(
        [points],
        lang,
        height=30 * len(rows) + 90,
        margin={"l": 8, "r": 24, "t": 8, "b": 8},
        annotations=without,
        shapes=[{**line, **dotted, "x0": value, "x1": value} for value in every],
        xaxis=axis(label("risk_measure", measure, lang), tickformat=".0%" if measure in _SHARES else ""),
        yaxis=names_axis(names, range=[len(names) - 0.5, -0.5], ticklabelstandoff=6),
    )


def describe_audit_forest(
    table: pd.DataFrame, measure: str, model: str, threshold: float | None = None, at: str | None = None,
    lang: str = "sv",
) -> str:  # fmt: skip
    """Say in a sentence what :func:`audit_forest` shows; parameters as there."""
    every, *groups = audit_table(table, measure, model, threshold, at, lang).rows
    values = "; ".join(f"{name}: {value}" for name, _, value in groups)
    name = label("risk_measure", measure, lang)
    return say("risk.audit.alt", lang, measure=name, every=every[2], values=values)


def audit_table(
    table: pd.DataFrame, measure: str, model: str, threshold: float | None = None, at: str | None = None,
    lang: str = "sv",
) -> TextTable:  # fmt: skip
    """Write the groups with their students and the measure, or that they are too few."""
    write, rows = _writer(measure, lang), []
    for row in _audit_rows(table, measure, model, threshold, at):
        value = _written(row, write, lang)
        rows.append([_group_name(row, lang, plain=True), number(row["n"], lang), value])
    heads = [say(f"column.{key}", lang) for key in ("group", "students")]
    return TextTable([*heads, label("risk_measure", measure, lang)], rows)


def _audit_rows(
    table: pd.DataFrame, measure: str, model: str, threshold: float | None, at: str | None
) -> list[dict[str, Any]]:
    """Return one row for each group, all students first; refused groups have no value."""
    own = table[(table["model"] == model) & (table["at"] == (at or table["at"].iloc[0]))]
    level = own["threshold"].isna() if threshold is None else np.isclose(own["threshold"].astype(float), threshold)
    chosen = own[((own["measure"] == measure) & level) | (own["status"] != "ok")]
    if not (chosen["measure"] == measure).any():
        raise ValueError(f"the audit has no {measure!r} of {model!r} at the threshold {threshold}")
    return [{str(name): value for name, value in row.items()} for row in chosen.to_dict("records")]


def _estimated(row: dict[str, Any]) -> bool:
    return bool(row["status"] == "ok") and bool(np.isfinite(row["value"]))


def _written(row: dict[str, Any], write: Write, lang: str) -> str:
    """Write the value with its interval, that the group was refused, or that there is no such value."""
    if row["status"] != "ok":
        return say("risk.refused", lang)
    return with_interval(row, write) if _estimated(row) else NOT_APPLICABLE


def _group_name(row: dict[str, Any], lang: str, plain: bool = False) -> str:
    attributes, values = str(row["attribute"]).split(_CROSS), str(row["group"]).split(_CROSS)
    if attributes == ["all"]:
        return label("student_group", "all", lang)
    named = [label(_kind(name), value, lang) for name, value in zip(attributes, values, strict=True)]
    words = _CROSS.join(named)
    return words if plain else wrapped(safe(words), 34)


def _kind(attribute: str) -> str:
    return "school" if attribute == "school_id" else attribute


def _observed(row: Any, lang: str) -> str:
    return with_interval(row, lambda share: percent(share, lang, 1), "observed")


def _writer(measure: str, lang: str) -> Write:
    return percents(lang) if measure in _SHARES else decimals(lang, 2)
