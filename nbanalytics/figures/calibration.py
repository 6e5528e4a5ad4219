"""Whether the probabilities of a risk model hold: in tenths of the students, and for each group of them."""

from __future__ import annotations

from functools import partial

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from nbanalytics.figures import style
from nbanalytics.figures.chart import Chart, Row, Source, TextTable, drawing, heads, rows_of, table_of
from nbanalytics.figures.risk import WIDE, Write, axis, interval_bars, with_interval
from nbanalytics.figures.style import Drawing
from nbanalytics.text import ENGLISH, NOT_APPLICABLE, Words

_CROSS = " × "
_SHARES = ("flagged_share", "tpr", "fnr", "fpr", "ppv")
_BARS = 20


def calibration_plot(table: pd.DataFrame, scores: ArrayLike, words: Words = ENGLISH) -> Chart:
    """Draw predicted probabilities against observed shares, above a histogram of the probabilities.

    Parameters
    ----------
    table
        ``bin, n, cases, mean_p, observed, low, high``: :func:`nbanalytics.risk.calibration_table` of one model.
    scores
        The probabilities that the table was made from.
    words
        Language and labels.

    Returns
    -------
    Chart
        A point with its 95 % interval for each bin, the line of perfect calibration, and bars of the numbers of
        students. The table has the bins: students, cases, predicted and observed.
    """
    scores = np.asarray(scores, dtype=float)
    counts, edges = np.histogram(scores, bins=_BARS, range=(0, 1))
    end = float(max(edges[int(np.flatnonzero(counts).max(initial=0)) + 1], table["high"].max(), 0.2))
    line = {"color": style.GREY, "dash": "dot", "width": 1.5}
    perfect: Drawing = {
        "type": "scatter",
        "x": [0, end],
        "y": [0, end],
        "mode": "lines",
        "line": line,
        "hoverinfo": "skip",
        "name": words.say("risk.perfect"),
    }
    points: Drawing = {
        "type": "scatter",
        "x": table["mean_p"].tolist(),
        "y": table["observed"].tolist(),
        "mode": "markers",
        "marker": {"size": 10, "color": style.BLUE},
        "error_y": interval_bars(table, "observed", style.PLAIN),
        "customdata": [f"{_observed(row, words)}; {words.number(row['n'])}" for row in table.to_dict("records")],
        "hovertemplate": "%{x:.0%}: %{customdata}<extra></extra>",
        "name": words.say("risk.observed"),
        "cliponaxis": False,
    }
    bars: Drawing = {
        "type": "bar",
        "x": ((edges[:-1] + edges[1:]) / 2).tolist(),
        "y": counts.tolist(),
        "width": 1 / _BARS * 0.9,
        "marker": {"color": style.PLAIN},
        "yaxis": "y2",
        "hovertemplate": "%{x:.0%}: %{y}<extra></extra>",
        "showlegend": False,
    }
    chart = drawing(
        [perfect, points, bars],
        words,
        height=520,
        margin={**WIDE, "t": 44},
        **style.LEGEND_ABOVE,
        xaxis=axis(words.say("risk.axis.promised"), range=[0, end], tickformat=".0%", anchor="y2"),
        yaxis=axis(words.say("risk.axis.observed"), range=[0, end], tickformat=".0%", domain=[0.32, 1]),
        yaxis2=axis(words.say("risk.axis.students"), domain=[0, 0.24], rangemode="tozero", nticks=4),
    )
    return Chart(chart, _calibration_alt(table, float(np.median(scores)), words), _bins_table(table, words))


def _calibration_alt(table: pd.DataFrame, median: float, words: Words) -> str:
    ends: dict[str, str] = {}
    for name, row in (("low", table.iloc[0]), ("high", table.iloc[-1])):
        ends |= {f"{name}_promised": words.percent(row["mean_p"]), f"{name}_observed": words.percent(row["observed"])}
    return words.say("risk.calibration.alt", bins=words.number(len(table)), median=words.percent(median), **ends)


def _bins_table(table: pd.DataFrame, words: Words) -> TextTable:
    rows = [
        [
            *(words.number(row[name]) for name in ("bin", "n", "cases")),
            words.percent(row["mean_p"], 1),
            _observed(row, words),
        ]
        for row in table.to_dict("records")
    ]
    return TextTable(heads(words, "decile", "students", "cases", "promised", "observed"), rows)


def _observed(row: Row, words: Words) -> str:
    return with_interval(row, partial(words.percent, decimals=1), "observed")


def decile_bars(table: pd.DataFrame, words: Words = ENGLISH) -> Chart:
    """Draw the share with the outcome in each tenth of the students, beside what the model predicted.

    Parameters
    ----------
    table, words
        As for :func:`calibration_plot`, best with ten bins.

    Returns
    -------
    Chart
        Bars with 95 % intervals from the lowest probabilities to the highest; diamonds for the prediction. The table
        is that of :func:`calibration_plot`.
    """
    bars: Drawing = {
        "type": "bar",
        "x": table["bin"].tolist(),
        "y": table["observed"].tolist(),
        "marker": {"color": style.PLAIN},
        "error_y": interval_bars(table, "observed", style.INK),
        "customdata": [_observed(row, words) for row in table.to_dict("records")],
        "hovertemplate": "%{x}: %{customdata}<extra></extra>",
        "name": words.say("risk.observed"),
    }
    predicted: Drawing = {
        "type": "scatter",
        "x": table["bin"].tolist(),
        "y": table["mean_p"].tolist(),
        "mode": "markers",
        "marker": {
            "symbol": "diamond",
            "size": 11,
            "color": style.VERMILLION,
            "line": {"width": 1, "color": style.INK},
        },
        "hovertemplate": "%{x}: %{y:.1%}<extra></extra>",
        "name": words.say("risk.promised"),
        "cliponaxis": False,
    }
    chart = drawing(
        [bars, predicted],
        words,
        height=400,
        margin={**WIDE, "t": 44},
        **style.LEGEND_ABOVE,
        xaxis=axis(words.say("risk.axis.decile"), dtick=1, showgrid=False),
        yaxis=axis(words.say("risk.axis.observed"), tickformat=".0%", rangemode="tozero"),
    )
    alt = words.say("risk.deciles.alt", values=", ".join(words.percent(share) for share in table["observed"]))
    return Chart(chart, alt, _bins_table(table, words))


def audit_forest(
    audit: Source,
    measure: str,
    model: str,
    threshold: float | None = None,
    at: str | None = None,
    words: Words = ENGLISH,
) -> Chart:
    """Draw a measure of one model by group, with intervals, beside the value for all students.

    Parameters
    ----------
    audit
        The result of :func:`nbanalytics.risk.audit`, or its table.
    measure, threshold
        Such as ``auc`` or ``calibration_in_the_large``, or ``tpr``, ``fpr`` or ``ppv`` with their threshold.
    model
        Its name.
    at
        The prediction point, by default the first of the table.
    words
        Language and labels.

    Returns
    -------
    Chart
        A row for each group; a refused group has words and no mark, one without a value a dot. The vertical line is all
        students.

    Raises
    ------
    ValueError
        If the table has no such row, or no group has a value.
    """
    rows = _audit_rows(table_of(audit), measure, model, threshold, at)
    if not any(map(_estimated, rows)):
        raise ValueError(f"no group has an estimate of {measure!r} of {model!r}")
    write: Write = words.percent if measure in _SHARES else partial(words.number, decimals=2)
    names, name = [_group_name(row, words) for row in rows], words.label("risk_measure", measure)
    written = [_written(row, write, words) for row in rows]
    table = TextTable(
        [*heads(words, "group", "students"), name],
        [[group, words.number(row["n"]), text] for group, row, text in zip(names, rows, written, strict=True)],
    )
    values = "; ".join(f"{group}: {text}" for group, text in zip(names[1:], written[1:], strict=True))
    alt = words.say("risk.audit.alt", measure=name, every=written[0], values=values)
    axis_look = axis(name, tickformat=".0%" if measure in _SHARES else "")
    labels = [style.wrapped(style.safe(group), 34) for group in names]
    return Chart(_forest(rows, labels, written, axis_look, words), alt, table)


def _forest(rows: list[Row], names: list[str], written: list[str], xaxis: Drawing, words: Words) -> Drawing:
    shown = [place for place, row in enumerate(rows) if _estimated(row)]
    known = pd.DataFrame([rows[place] for place in shown])
    of_all = (known["attribute"] == "all").to_numpy()
    every = known.loc[of_all, "value"].tolist()
    points: Drawing = {
        "type": "scatter",
        "x": known["value"].tolist(),
        "y": [names[place] for place in shown],
        "mode": "markers",
        "marker": {
            "size": 10,
            "color": np.where(of_all, style.INK, style.BLUE).tolist(),
            "symbol": np.where(of_all, "diamond", "circle").tolist(),
        },
        "error_x": interval_bars(known, "value", style.PLAIN),
        "customdata": [f"{names[place]}: {written[place]}" for place in shown],
        "hovertemplate": style.HINT,
    }
    middle = float(np.median(every or known["value"]))
    without = [
        {"x": middle, "y": names[place], "text": text, "showarrow": False, "bgcolor": "#ffffff"}
        | {"font": {"size": 12, "color": style.MUTED}}
        for place, text in enumerate(written)
        if place not in shown
    ]
    line = {"type": "line", "yref": "paper", "y0": 0, "y1": 1, "layer": "below"}
    dotted = {"line": {"color": style.GREY, "dash": "dot", "width": 1.5}}
    return drawing(
        [points],
        words,
        height=30 * len(rows) + 90,
        margin={"l": 8, "r": 24, "t": 8, "b": 8},
        annotations=without,
        shapes=[{**line, **dotted, "x0": value, "x1": value} for value in every],
        xaxis=xaxis,
        yaxis=style.names_axis(names, range=[len(names) - 0.5, -0.5], ticklabelstandoff=6),
    )


def _audit_rows(table: pd.DataFrame, measure: str, model: str, threshold: float | None, at: str | None) -> list[Row]:
    """Return one row for each group, all students first; refused groups have no value."""
    own = table[(table["model"] == model) & (table["at"] == (at or table["at"].iloc[0]))]
    level = own["threshold"].isna() if threshold is None else np.isclose(own["threshold"].astype(float), threshold)
    chosen = own[((own["measure"] == measure) & level) | (own["status"] != "ok")]
    if not (chosen["measure"] == measure).any():
        raise ValueError(f"the audit has no {measure!r} of {model!r} at the threshold {threshold}")
    return [*rows_of(chosen)]


def _estimated(row: Row) -> bool:
    return bool(row["status"] == "ok") and bool(np.isfinite(row["value"]))


def _written(row: Row, write: Write, words: Words) -> str:
    """Write the value with its interval, that the group was refused, or that there is no such value."""
    if row["status"] != "ok":
        return words.say("risk.refused")
    return with_interval(row, write) if _estimated(row) else NOT_APPLICABLE


def _group_name(row: Row, words: Words) -> str:
    attributes, values = str(row["attribute"]).split(_CROSS), str(row["group"]).split(_CROSS)
    if attributes == ["all"]:
        return words.label("student_group", "all")
    kinds = ["school" if name == "school_id" else name for name in attributes]
    return _CROSS.join(words.label(kind, value) for kind, value in zip(kinds, values, strict=True))
