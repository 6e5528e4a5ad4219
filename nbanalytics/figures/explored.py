"""The charts of the explorer's chosen students, each with its table and text alternative, as a board has them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cache
from itertools import pairwise
from typing import Any

import pandas as pd
import plotly.graph_objects as go

from nbanalytics.droppoints import life_table
from nbanalytics.figures.droppoints import describe_drop_terms, drop_terms
from nbanalytics.figures.flows import describe_flow_sankey, flow_sankey
from nbanalytics.figures.tables import TextTable, flows_table, terms_table
from nbanalytics.text import Cells, number, say

_LIFE = ["at_risk", "events", "censored", "hazard", "survival"]
_WAYS = ["stage_from", "state_from", "stage_to", "state_to", "students"]
_NOTHING = go.Figure(layout={"height": 120})


def flows_section(states: pd.DataFrame, lang: str) -> dict[str, Any]:
    """Show how students move between states.

    Parameters
    ----------
    states
        One row per student, one column per stage: the state there.
    lang
        ``"sv"`` or ``"en"``.

    Returns
    -------
    dict
        A section: title, figure, text alternative and table.
    """
    stages = list(states.columns)
    held = [(stage, state, int(n)) for stage in stages for state, n in states[stage].value_counts().items()]
    links = []
    for source, target in pairwise(stages):
        moved = states.groupby([source, target], observed=True).size().reset_index(name="students")
        links += [(source, state, target, following, int(n)) for state, following, n in moved.to_numpy()]
    totals = Cells.of(pd.DataFrame(held, columns=["stage", "state", "students"]))
    moves = Cells.of(pd.DataFrame(links, columns=_WAYS))
    if states.empty:
        return _section("flows", _NOTHING, "", TextTable([], []), lang, empty=True)
    alt = describe_flow_sankey(totals, moves, lang)
    return _section("flows", flow_sankey(totals, moves, lang), alt, flows_table(totals, moves, lang), lang)


def terms_section(students: pd.DataFrame, steps: Sequence[str], lang: str) -> dict[str, Any]:
    """Show in which term students lose eligibility.

    Parameters
    ----------
    students
        One row per student with ``duration`` and ``event``, missing for those who were not eligible at the start.
    steps
        The terms followed: step 1, 2, ...
    lang
        ``"sv"`` or ``"en"``.

    Returns
    -------
    dict
        A section, as of :func:`flows_section`.
    """
    eligible = students.dropna(subset=["duration"])
    table = life_table(eligible["duration"].to_numpy(), eligible["event"].to_numpy())
    if table.empty:
        return _section("terms", _NOTHING, "", TextTable([], []), lang, empty=True)
    named = table[_LIFE].assign(term=table["t"].map(dict(enumerate(steps, start=1)))).rename(columns={"events": "lost"})
    cells = Cells.of(named)
    return _section("terms", drop_terms(cells, lang), describe_drop_terms(cells, lang), terms_table(cells, lang), lang)


def students_table(
    names: Iterable[object],
    columns: Sequence[str],
    words: Iterable[Sequence[str]],
    points: Iterable[Sequence[float]],
    groups: Iterable[object],
    lang: str,
) -> TextTable:
    """List students, one row each.

    Parameters
    ----------
    names
        Their pseudonyms.
    columns, words
        What else is known of them, and the words for it, in the same order.
    points
        Mean grade points in year 6, in year 9, and the change.
    groups
        Their groups.
    lang
        ``"sv"`` or ``"en"``.

    Returns
    -------
    TextTable
        As it is shown.
    """
    heads = ["student", *columns, "points6", "points9", "change", "group"]
    rows = [
        [str(name), *told, *(_tenths(round(float(value), 1), lang) for value in held), str(group)]
        for name, told, held, group in zip(names, words, points, groups, strict=True)
    ]
    return TextTable([say(f"explorer.{head}", lang) for head in heads], rows, 1 + len(columns))


@cache
def _tenths(value: float, lang: str) -> str:
    return number(value, lang, 1) if value == value else "–"


def _section(
    name: str, figure: go.Figure, alt: str, table: TextTable, lang: str, empty: bool = False
) -> dict[str, Any]:
    return {
        "id": name,
        "title": say(f"{name}.title", lang),
        "lead": "",
        "figure": figure.to_plotly_json(),
        "alt": alt,
        "hidden": "",
        "empty": say("explorer.nobody", lang) if empty else "",
        "swipe": "",
        "help_title": "",
        "help": [],
        "table": {"caption": say(f"explorer.table.{name}", lang), **table.__dict__},
    }
