"""The municipality's report: a funnel of schools, and the years beside the nation."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd
import plotly.graph_objects as go

from nbanalytics.figures.style import (
    ACCENT,
    BLUE,
    GREY,
    GRID,
    INK,
    MUTED,
    PLAIN,
    PURPLE,
    error_bars,
    figure,
    safe,
    titled_axis,
)
from nbanalytics.figures.tables import TextTable
from nbanalytics.text import NOT_APPLICABLE, label, number, percent, say

#: Line and mark of each place, the municipality's own first: told by colour, dash and mark.
_LOOKS = ((ACCENT, "solid", "diamond"), (BLUE, "dash", "circle"), (PURPLE, "dot", "square"), (GREY, "dashdot", "x"))
#: More names than this would hide each other; the table and the text alternative have them.
_MOST_NAMES = 4


def funnel_plot(
    table: pd.DataFrame,
    limits: pd.DataFrame,
    target: float,
    lang: str = "sv",
    names: Mapping[str, str] | None = None,
) -> go.Figure:
    """Draw schools by size and share, within limits of what chance alone may give.

    Parameters
    ----------
    table, limits
        Those of a :class:`nbanalytics.municipality.Funnel`.
    target
        The common share, ``settings["target"]``.
    lang
        ``"sv"`` or ``"en"``.
    names
        Names of schools by ``school_id``.

    Returns
    -------
    plotly.graph_objects.Figure
        Points outside the 95 % limits stand out by colour and mark, and by name where they are few. No order of
        schools is drawn.
    """
    common = {"type": "line", "xref": "paper", "x0": 0, "x1": 1, "y0": target, "y1": target, "line": {"color": INK}}
    return figure(
        [*_limit_lines(limits, lang), *(_schools(table, outside, lang, names) for outside in (False, True))],
        lang,
        height=460,
        margin={"l": 8, "r": 16, "t": 24, "b": 8},
        showlegend=True,
        legend={"orientation": "h", "y": -0.2, "x": 0},
        shapes=[{**common, "layer": "below"}],
        annotations=[
            {
                "text": say("funnel.target", lang, share=percent(target, lang, 1)),
                "xref": "paper",
                "x": 0,
                "y": target,
                "yanchor": "bottom",
                "showarrow": False,
                "font": {"size": 12, "color": MUTED},
            }
        ],
        xaxis=titled_axis(say("funnel.students", lang)),
        yaxis={"tickformat": ".0%", "fixedrange": True, "gridcolor": GRID, "zeroline": False, "automargin": True},
    )


def describe_funnel_plot(
    table: pd.DataFrame, target: float, lang: str = "sv", names: Mapping[str, str] | None = None
) -> str:
    """Say in a sentence what :func:`funnel_plot` shows, for those who do not see it.

    Parameters
    ----------
    table, target, lang, names
        As for :func:`funnel_plot`.

    Returns
    -------
    str
        The text alternative: who lies outside the limits.
    """
    placed = table[table["status"].eq("ok")]
    outside = [_point(row, names) for row in placed[placed["position"].ne("within")].to_dict("records")]
    return say(
        "funnel.alt",
        lang,
        target=percent(target, lang, 1),
        outside=", ".join(outside) or say("funnel.none", lang),
        within=str(len(placed) - len(outside)),
        all=str(len(placed)),
    )


def funnel_table(table: pd.DataFrame, lang: str = "sv", names: Mapping[str, str] | None = None) -> TextTable:
    """Write schools in their own order, with size, share and limits."""
    rows = []
    for row in table.to_dict("records"):
        known = row["status"] == "ok"
        value = percent(row["value"], lang, 1) if known else NOT_APPLICABLE
        span = f"{percent(row['low_95'], lang, 1)} – {percent(row['high_95'], lang, 1)}" if known else NOT_APPLICABLE
        rows.append([_point(row, names), number(row["n"], lang), value, span])
    return TextTable([say(f"column.{key}", lang) for key in ("school", "students", "value", "limits")], rows)


def years_beside(
    table: pd.DataFrame, measure: str = "eligible_vocational", group: str = "all", lang: str = "sv"
) -> go.Figure:
    """Draw a municipality's years with their intervals beside those of the nation and peers.

    Parameters
    ----------
    table
        The table of a :class:`nbanalytics.municipality.Comparison`.
    measure, group
        Which of its measures and groups.
    lang
        ``"sv"`` or ``"en"``.

    Returns
    -------
    plotly.graph_objects.Figure
        A line per place, told by colour, dash and mark; the municipality's own values with 95 % intervals.

    Raises
    ------
    ValueError
        If the table does not hold the measure and group.
    """
    chosen = _chosen(table, measure, group)
    looks = [*_LOOKS, *[_LOOKS[-1]] * chosen["place"].nunique()]
    years = sorted(chosen["year"].unique().tolist())
    return figure(
        [
            _years_of(chosen[chosen["place"] == place].sort_values("year"), look, lang)
            for place, look in zip(chosen["place"].unique(), looks, strict=False)
        ],
        lang,
        height=400,
        margin={"l": 8, "r": 16, "t": 8, "b": 8},
        showlegend=True,
        legend={"orientation": "h", "y": -0.16, "x": 0},
        xaxis={"tickvals": years, "fixedrange": True, "gridcolor": GRID, "automargin": True, "tickformat": "d"},
        yaxis=titled_axis(label("official_measure", measure, lang), zeroline=False),
    )


def describe_years_beside(
    table: pd.DataFrame, measure: str = "eligible_vocational", group: str = "all", lang: str = "sv"
) -> str:
    """Say in a sentence what :func:`years_beside` shows, for those who do not see it.

    Parameters
    ----------
    table, measure, group, lang
        As for :func:`years_beside`.

    Returns
    -------
    str
        The text alternative: every year of every place.
    """
    chosen, parts = _chosen(table, measure, group), []
    for place in chosen["place"].unique():
        rows = chosen[chosen["place"] == place].sort_values("year").to_dict("records")
        parts.append(f"{_place(rows[0], lang)} {', '.join(_year(row, lang) for row in rows)}")
    words = {"measure": label("official_measure", measure, lang), "group": label("student_group", group, lang).lower()}
    return say("beside.alt", lang, **words, values="; ".join(parts))


def years_table(
    table: pd.DataFrame, measure: str = "eligible_vocational", group: str = "all", lang: str = "sv"
) -> TextTable:
    """Write every year, a column per place; parameters as of :func:`years_beside`.

    Examples
    --------
    >>> rows = {"place": ["own", "nation"], "name": ["Kvarnviken", ""], "year": 2024, "value": [81.5, 84.2]}
    >>> told = years_table(pd.DataFrame({**rows, "measure": "eligible_vocational", "group": "all"}), lang="en")
    >>> told.columns, told.rows
    (['Leaving year', 'Kvarnviken', 'The nation'], [['2024', '81.5', '84.2']])
    """
    chosen = _chosen(table, measure, group)
    places = chosen.drop_duplicates("place")
    heads = [say("column.year", lang), *(_place(row, lang) for row in places.to_dict("records"))]
    wide = chosen.pivot(index="year", columns="place", values="value").reindex(columns=places["place"])
    rows = [
        [str(year), *(NOT_APPLICABLE if pd.isna(value) else number(value, lang, 1) for value in values)]
        for year, values in zip(wide.index, wide.to_numpy(), strict=True)
    ]
    return TextTable(heads, rows)


def _limit_lines(limits: pd.DataFrame, lang: str) -> list[go.Scatter]:
    return [
        go.Scatter(
            x=limits["n"].tolist(),
            y=limits[f"{side}_{name}"].tolist(),
            mode="lines",
            line={"color": MUTED, "width": 1.2, "dash": dash},
            name=say("funnel.limits", lang, level={"95": "95", "998": number(99.8, lang, 1)}[name]),
            showlegend=side == "low",
            hoverinfo="skip",
        )
        for name, dash in (("95", "dash"), ("998", "dot"))
        for side in ("low", "high")
    ]


def _schools(table: pd.DataFrame, outside: bool, lang: str, names: Mapping[str, str] | None) -> go.Scatter:
    """The schools within the limits, or those outside: these stand out, and are named where they are few."""
    shown = table[table["status"].eq("ok") & table["position"].ne("within").eq(outside)]
    words = [safe(_point(row, names)) for row in shown.to_dict("records")]
    named = outside and len(words) <= _MOST_NAMES
    return go.Scatter(
        x=shown["n"].tolist(),
        y=shown["value"].tolist(),
        mode="markers+text" if named else "markers",
        text=words if named else None,
        textposition=["top center" if place % 2 else "bottom center" for place in range(len(words))],
        cliponaxis=False,
        textfont={"size": 11, "color": INK},
        marker={
            "color": ACCENT if outside else PLAIN,
            "symbol": "diamond" if outside else "circle",
            "size": 10,
        },
        customdata=[
            f"{name}: {percent(value, lang, 1)}, {n}"
            for name, value, n in zip(words, shown["value"], shown["n"], strict=True)
        ],
        hovertemplate="%{customdata}<extra></extra>",
        showlegend=False,
    )


def _years_of(rows: pd.DataFrame, look: tuple[str, str, str], lang: str) -> go.Scatter:
    """The years of a place, with intervals where they are estimates."""
    colour, dash, mark = look
    above, below = rows["high"] - rows["value"], rows["value"] - rows["low"]
    name = safe(_place(rows.iloc[0], lang))
    return go.Scatter(
        x=rows["year"].tolist(),
        y=rows["value"].tolist(),
        mode="lines+markers",
        line={"color": colour, "dash": dash, "width": 2},
        marker={"color": colour, "symbol": mark, "size": 9},
        error_y=error_bars(above.tolist(), below.tolist(), thickness=1.2) if rows["low"].notna().any() else None,
        name=name,
        customdata=[f"{name}, {_year(row, lang)}" for row in rows.to_dict("records")],
        hovertemplate="%{customdata}<extra></extra>",
    )


def _chosen(table: pd.DataFrame, measure: str, group: str) -> pd.DataFrame:
    chosen = table[(table["measure"] == measure) & (table["group"] == group)]
    if chosen.empty:
        raise ValueError(
            f"the table has no {measure!r} of {group!r}; it has {', '.join(sorted(set(table['measure'])))}"
        )
    return chosen


def _place(row: Any, lang: str) -> str:
    named = row["name"] if row["place"] != "nation" else ""
    return str(named or label("place", row["place"], lang))


def _year(row: Any, lang: str) -> str:
    value = NOT_APPLICABLE if pd.isna(row["value"]) else number(row["value"], lang, 1)
    interval = "" if pd.isna(row["low"]) else f" ({number(row['low'], lang, 1)}–{number(row['high'], lang, 1)})"
    return f"{row['year']}: {value}{interval}"


def _point(row: Mapping[Any, Any], names: Mapping[str, str] | None) -> str:
    school = str(row.get("school_id", ""))
    year = f" {row['cohort']}" if "cohort" in row else ""
    return f"{(names or {}).get(school, school)}{year}"
