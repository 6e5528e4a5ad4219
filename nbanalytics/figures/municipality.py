"""The municipality's report: a funnel of schools, and the years beside the nation."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

import pandas as pd

from nbanalytics.figures import style
from nbanalytics.figures.chart import Chart, Result, Row, Source, TextTable, drawing, heads, table_of
from nbanalytics.figures.style import Drawing
from nbanalytics.text import ENGLISH, NOT_APPLICABLE, Words

#: Colour, dash and mark of each place, the municipality's own first.
_LOOKS = (
    (style.ACCENT, "solid", "diamond"),
    (style.BLUE, "dash", "circle"),
    (style.PURPLE, "dot", "square"),
    (style.GREY, "dashdot", "x"),
)
#: More names than this would hide each other; the table and the text alternative have them.
_MOST_NAMES = 4


class Funnel(Result, Protocol):
    """The result of :func:`nbanalytics.funnel`."""

    @property
    def limits(self) -> pd.DataFrame:
        """Limits by number of students."""

    @property
    def settings(self) -> Mapping[str, Any]:
        """What it was counted by."""


def funnel_plot(funnel: Funnel, words: Words = ENGLISH) -> Chart:
    """Draw schools by size and share, within limits of what chance alone may give.

    Parameters
    ----------
    funnel
        The result of :func:`nbanalytics.funnel`: its ``table``, its ``limits``, and the common share,
        ``settings["target"]``.
    words
        Language and labels, with the names of schools.

    Returns
    -------
    Chart
        Points outside the 95 % limits stand out by colour and mark, and by name where they are few. Schools are not
        ranked: the table has them in their own order, with size, share and limits.
    """
    table, target = funnel.table, funnel.settings["target"]
    common = {
        "type": "line",
        "xref": "paper",
        "x0": 0,
        "x1": 1,
        "y0": target,
        "y1": target,
        "line": {"color": style.INK},
    }
    name = {
        "text": words.say("funnel.target", share=words.percent(target, 1)),
        "xref": "paper",
        "x": 0,
        "y": target,
        "yanchor": "bottom",
        "showarrow": False,
        "font": {"size": 12, "color": style.MUTED},
    }
    chart = drawing(
        [*_limit_lines(funnel.limits, words), *(_schools(table, outside, words) for outside in (False, True))],
        words,
        height=460,
        margin={"l": 8, "r": 16, "t": 24, "b": 8},
        showlegend=True,
        legend={"orientation": "h", "y": -0.2, "x": 0},
        shapes=[{**common, "layer": "below"}],
        annotations=[name],
        xaxis=style.titled_axis(words.say("funnel.students")),
        yaxis={"tickformat": ".0%", "fixedrange": True, "gridcolor": style.GRID, "zeroline": False, "automargin": True},
    )
    return Chart(chart, _funnel_alt(table, target, words), _funnel_table(table, words))


def _funnel_alt(table: pd.DataFrame, target: float, words: Words) -> str:
    placed = table[table["status"].eq("ok")]
    outside = [_school(row, words) for row in placed[placed["position"].ne("within")].to_dict("records")]
    return words.say(
        "funnel.alt",
        target=words.percent(target, 1),
        outside=", ".join(outside) or words.say("funnel.none"),
        within=str(len(placed) - len(outside)),
        all=str(len(placed)),
    )


def _funnel_table(table: pd.DataFrame, words: Words) -> TextTable:
    rows = []
    for row in table.to_dict("records"):
        value, low, high = (
            words.percent(row[name], 1) if row["status"] == "ok" else NOT_APPLICABLE
            for name in ("value", "low_95", "high_95")
        )
        span = f"{low} – {high}" if row["status"] == "ok" else NOT_APPLICABLE
        rows.append([_school(row, words), words.number(row["n"]), value, span])
    return TextTable(heads(words, "school", "students", "value", "limits"), rows)


def _limit_lines(limits: pd.DataFrame, words: Words) -> list[Drawing]:
    if limits.empty:  # no school is large enough
        return []
    return [
        {
            "type": "scatter",
            "x": limits["n"].tolist(),
            "y": limits[f"{side}_{name}"].tolist(),
            "mode": "lines",
            "line": {"color": style.MUTED, "width": 1.2, "dash": dash},
            "name": words.say("funnel.limits", level={"95": "95", "998": words.number(99.8, 1)}[name]),
            "showlegend": side == "low",
            "hoverinfo": "skip",
        }
        for name, dash in (("95", "dash"), ("998", "dot"))
        for side in ("low", "high")
    ]


def _schools(table: pd.DataFrame, outside: bool, words: Words) -> Drawing:
    """Return the schools within the limits, or those outside: these stand out, and are named where they are few."""
    shown = table[table["status"].eq("ok") & table["position"].ne("within").eq(outside)]
    names = [style.safe(_school(row, words)) for row in shown.to_dict("records")]
    named = {"mode": "markers+text", "text": names} if outside and len(names) <= _MOST_NAMES else {"mode": "markers"}
    looks = {"color": style.ACCENT, "symbol": "diamond"} if outside else {"color": style.PLAIN, "symbol": "circle"}
    return {
        "type": "scatter",
        "x": shown["n"].tolist(),
        "y": shown["value"].tolist(),
        **named,
        "textposition": ["top center" if place % 2 else "bottom center" for place in range(len(names))],
        "cliponaxis": False,
        "textfont": {"size": 11, "color": style.INK},
        "marker": {**looks, "size": 10},
        "customdata": [
            f"{name}: {words.percent(value, 1)}, {n}"
            for name, value, n in zip(names, shown["value"], shown["n"], strict=True)
        ],
        "hovertemplate": style.HINT,
        "showlegend": False,
    }


def _school(row: Row, words: Words) -> str:
    year = f" {row['cohort']}" if "cohort" in row else ""
    return f"{words.label('school', row.get('school_id', ''))}{year}"


def years_beside(
    comparison: Source, measure: str = "eligible_vocational", group: str = "all", words: Words = ENGLISH
) -> Chart:
    """Draw a municipality's years with their intervals beside those of the nation and peers.

    Parameters
    ----------
    comparison
        The result of :func:`nbanalytics.municipality.compare`, or its table.
    measure, group
        Which of its measures and groups.
    words
        Language and labels.

    Returns
    -------
    Chart
        A line per place with its own colour, dash and mark; the municipality's own values with 95 % intervals. The
        table has a row for each year and a column for each place.

    Raises
    ------
    ValueError
        If the table does not hold the measure and group.

    Examples
    --------
    >>> rows = {"place": ["own", "nation"], "name": ["Kvarnviken", ""], "year": 2024, "value": [81.5, 84.2]}
    >>> interval = {"low": [78.1, None], "high": [84.4, None]}
    >>> chosen = {"measure": "eligible_vocational", "group": "all"}
    >>> chart = years_beside(pd.DataFrame({**rows, **interval, **chosen}))
    >>> chart.table.columns, chart.table.rows
    (['Leaving year', 'Kvarnviken', 'The nation'], [['2024', '81.5', '84.2']])
    """
    table = table_of(comparison)
    chosen = table[(table["measure"] == measure) & (table["group"] == group)]
    if chosen.empty:
        raise ValueError(
            f"the table has no {measure!r} of {group!r}; it has {', '.join(sorted(set(table['measure'])))}"
        )
    years = sorted(chosen["year"].unique().tolist())
    places = [own.sort_values("year") for _, own in chosen.groupby("place", sort=False)]
    names = [_place(own.iloc[0], words) for own in places]
    written = [{row["year"]: _number(row["value"], words) for row in own.to_dict("records")} for own in places]
    rows = [[str(year), *(values.get(year, NOT_APPLICABLE) for values in written)] for year in years]
    parts = [
        f"{name} {', '.join(_year(row, words) for row in own.to_dict('records'))}"
        for name, own in zip(names, places, strict=True)
    ]
    alt = words.say(
        "beside.alt",
        measure=words.label("official_measure", measure),
        group=words.label("student_group", group).lower(),
        values="; ".join(parts),
    )
    chart = drawing(
        [
            _years_of(style.safe(name), own, _LOOKS[min(rank, len(_LOOKS) - 1)], words)
            for rank, (name, own) in enumerate(zip(names, places, strict=True))
        ],
        words,
        height=400,
        margin={"l": 8, "r": 16, "t": 8, "b": 8},
        showlegend=True,
        legend={"orientation": "h", "y": -0.16, "x": 0},
        xaxis={"tickvals": years, "fixedrange": True, "gridcolor": style.GRID, "automargin": True, "tickformat": "d"},
        yaxis=style.titled_axis(words.label("official_measure", measure), zeroline=False),
    )
    return Chart(chart, alt, TextTable([words.say("column.year"), *names], rows))


def _years_of(name: str, rows: pd.DataFrame, look: tuple[str, str, str], words: Words) -> Drawing:
    """Return the years of a place, with intervals where they are estimates."""
    colour, dash, mark = look
    above, below = (rows["high"] - rows["value"]).tolist(), (rows["value"] - rows["low"]).tolist()
    interval: Drawing = {"error_y": style.error_bars(above, below, thickness=1.2)} if rows["low"].notna().any() else {}
    return {
        "type": "scatter",
        "x": rows["year"].tolist(),
        "y": rows["value"].tolist(),
        "mode": "lines+markers",
        "line": {"color": colour, "dash": dash, "width": 2},
        "marker": {"color": colour, "symbol": mark, "size": 9},
        **interval,
        "name": name,
        "customdata": [f"{name}, {_year(row, words)}" for row in rows.to_dict("records")],
        "hovertemplate": style.HINT,
    }


def _place(row: Row | pd.Series, words: Words) -> str:
    named = row["name"] if row["place"] != "nation" else ""
    return str(named or words.label("place", row["place"]))


def _number(value: float, words: Words) -> str:
    return NOT_APPLICABLE if pd.isna(value) else words.number(value, 1)


def _year(row: Row, words: Words) -> str:
    interval: str = "" if pd.isna(row["low"]) else f" ({words.number(row['low'], 1)}–{words.number(row['high'], 1)})"
    return f"{row['year']}: {_number(row['value'], words)}{interval}"
