"""What risk models can tell apart, beside what is published: ROC curves and AUC by horizon."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from nbanalytics.figures.risk_marks import (
    LEGEND,
    WIDE,
    axis,
    decimals,
    lines,
    mark,
    model_name,
    models_of,
    with_interval,
)
from nbanalytics.figures.style import GREY, INK, MUTED, PALE, figure, safe
from nbanalytics.figures.tables import TextTable
from nbanalytics.text import label, number, percent, say

#: A coin tells as much.
_LOT = {"color": PALE, "dash": "dot", "width": 1.5}
_FPR = (0.05, 0.1, 0.2, 0.3)
_KINDS = {
    "course performance": "circle-open",
    "attendance": "square-open",
    "behaviour": "diamond-open",
    "growth model": "star-open",
    "tests": "triangle-up-open",
    "repeated year": "triangle-down-open",
    "several": "cross-open",
}


def roc_plane(curves: pd.DataFrame, flags: pd.DataFrame | None = None, lang: str = "sv") -> go.Figure:
    """Draw ROC curves, with published flags as points among them.

    Parameters
    ----------
    curves
        ``model, fpr, tpr``: :func:`nbanalytics.risk.roc_curve` of each model.
    flags
        ``study, flag, kind, sensitivity, fpr``: :func:`nbanalytics.risk.published_flags`.
    lang
        ``"sv"`` or ``"en"``.

    Returns
    -------
    plotly.graph_objects.Figure
        A line for each model, an open mark for each flag by kind, and the diagonal of a lot.
    """
    lot = {"color": GREY, "dash": "dot", "width": 1.2}
    traces = [
        go.Scatter(x=[0, 1], y=[0, 1], mode="lines", line=lot, name=label("risk_model", "lot", lang), hoverinfo="skip")
    ]
    models = models_of(curves)
    for model in models:
        own, (colour, dash, _) = curves[curves["model"] == model], mark(model, models)
        name = model_name(model, lang)
        line = {"color": colour, "dash": dash, "width": 2.2}
        shown = f"{name}: %{{y:.0%}}, %{{x:.0%}}<extra></extra>"
        traces.append(go.Scatter(x=own["fpr"], y=own["tpr"], mode="lines", name=name, line=line, hovertemplate=shown))
    if flags is not None:
        traces += [_flag_points(kind, own, lang) for kind, own in flags.groupby("kind", sort=False)]
    share = {"range": [-0.02, 1.02], "tickformat": ".0%", "dtick": 0.2}
    return figure(
        traces,
        lang,
        height=600,
        margin={"l": 8, "r": 16, "t": 8, "b": 8},
        showlegend=True,
        legend={"orientation": "v", "x": 1.02, "y": 1, "font": {"size": 13}},
        xaxis=axis(say("risk.axis.fpr", lang), **share),
        yaxis=axis(say("risk.axis.tpr", lang), **share),
    )


def describe_roc_plane(curves: pd.DataFrame, flags: pd.DataFrame | None = None, lang: str = "sv") -> str:
    """Say in a sentence what :func:`roc_plane` shows; parameters as there."""
    values = "; ".join(
        f"{label('risk_model', model, lang)} {percent(_at_fpr(curves, model, 0.1), lang)}"
        for model in models_of(curves)
    )
    return say("risk.roc.alt", lang, values=values, flags=number(0 if flags is None else len(flags), lang))


def roc_table(curves: pd.DataFrame, flags: pd.DataFrame | None = None, lang: str = "sv") -> TextTable:
    """Write the share of the cases that each model flags at four shares of false positives, then each flag's own."""
    heads = [say("risk.at_fpr", lang, share=percent(share, lang)) for share in _FPR]
    columns = [say("column.flag", lang), *heads, say("risk.axis.fpr", lang), say("risk.axis.tpr", lang)]
    rows = [
        [label("risk_model", model, lang), *(percent(_at_fpr(curves, model, share), lang) for share in _FPR), "", ""]
        for model in models_of(curves)
    ]
    for flag in [] if flags is None else flags.to_dict("records"):
        ends = [percent(flag[name], lang, 1) for name in ("fpr", "sensitivity")]
        rows.append([f"{flag['study']}: {flag['flag']}", *[""] * len(_FPR), *ends])
    return TextTable(columns, rows)


def auc_by_horizon(table: pd.DataFrame, published: pd.DataFrame | None = None, lang: str = "sv") -> go.Figure:
    """Draw the AUC by how long before the outcome it was foreseen, among published ones.

    Parameters
    ----------
    table
        ``model, at, horizon_years, auc, low, high``: :func:`nbanalytics.risk.auc_by_point`.
    published
        ``study, country, horizon_years, auc``: :func:`nbanalytics.risk.published_aucs`.
    lang
        ``"sv"`` or ``"en"``.

    Returns
    -------
    plotly.graph_objects.Figure
        A line with 95 % intervals for each model, the earliest prediction to the left; published ones as named marks.
    """
    furthest = max([*table["horizon_years"], *([] if published is None else published["horizon_years"])])
    lowest = min(0.45, table["low"].min() - 0.02)
    traces = lines(table, "horizon_years", "auc", lang, decimals(lang, 2))
    if published is not None:
        traces.append(
            go.Scatter(
                x=published["horizon_years"],
                y=published["auc"],
                mode="markers+text",
                name=say("risk.published", lang),
                text=[safe(f"{row.country}, {row.study}") for row in published.itertuples()],
                textposition=[
                    "middle right" if years == furthest else "middle left" for years in published["horizon_years"]
                ],
                textfont={"size": 12, "color": MUTED},
                marker={"symbol": "circle-x-open", "size": 13, "color": INK, "line": {"width": 1.5}},
                cliponaxis=False,
                hovertemplate="%{text}: %{y:.2f}<extra></extra>",
            )
        )
    return figure(
        traces,
        lang,
        height=460,
        margin=WIDE,
        **LEGEND,
        xaxis=axis(say("risk.axis.horizon", lang), range=[furthest + 0.6, -0.3], dtick=1),
        yaxis=axis(label("risk_measure", "auc", lang), range=[lowest, 1.0], tickformat=".1f"),
        shapes=[{"type": "line", "xref": "paper", "x0": 0, "x1": 1, "y0": 0.5, "y1": 0.5, "line": _LOT}],
    )


def describe_auc_by_horizon(table: pd.DataFrame, published: pd.DataFrame | None = None, lang: str = "sv") -> str:
    """Say in a sentence what :func:`auc_by_horizon` shows; parameters as there."""
    rows = horizon_table(table, published, lang).rows
    return say("risk.horizon.alt", lang, values="; ".join(f"{row[0]}, {row[1]} ({row[2]}): {row[3]}" for row in rows))


def horizon_table(table: pd.DataFrame, published: pd.DataFrame | None = None, lang: str = "sv") -> TextTable:
    """Write the AUC of each model and prediction point, then the published ones."""
    rows = [
        [
            label("risk_model", row["model"], lang),
            label("term", row["at"], lang),
            number(row["horizon_years"], lang, 1),
            with_interval(row, decimals(lang, 2), "auc"),
        ]
        for row in table.to_dict("records")
    ]
    for row in [] if published is None else published.to_dict("records"):
        years = number(row["horizon_years"], lang, 1)
        rows.append([f"{row['study']}, {row['country']}", row["data"], years, number(row["auc"], lang, 2)])
    heads = [say(f"column.{key}", lang) for key in ("model", "at", "horizon")]
    return TextTable([*heads, label("risk_measure", "auc", lang)], rows, words=2)


def _flag_points(kind: Any, own: pd.DataFrame, lang: str) -> go.Scatter:
    name = safe(label("flag_kind", kind, lang))
    return go.Scatter(
        x=own["fpr"],
        y=own["sensitivity"],
        mode="markers",
        name=say("risk.flag", lang, kind=name.lower()),
        marker={"symbol": _KINDS.get(str(kind), "hexagon-open"), "size": 11, "color": INK, "line": {"width": 1.5}},
        text=[safe(f"{row.study}: {row.flag}") for row in own.itertuples()],
        hovertemplate="%{text}: %{y:.0%}, %{x:.0%}<extra></extra>",
    )


def _at_fpr(curves: pd.DataFrame, model: str, share: float) -> float:
    """Return the sensitivity where the curve passes a share of false positives."""
    own = curves[curves["model"] == model].sort_values(["fpr", "tpr"])
    return float(np.interp(share, own["fpr"], own["tpr"]))
