"""The charts of the explorer's chosen students, each with its table and text alternative, as a board has them."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from nbanalytics.analysis.droppoints import life_table
from nbanalytics.figures.droppoints import describe_drop_terms, terms_drawing
from nbanalytics.figures.flows import describe_flow_sankey, sankey_drawing
from nbanalytics.figures.style import Drawing, nothing
from nbanalytics.figures.tables import TextTable, flows_table, terms_table
from nbanalytics.pages.courses import STATES, Codes
from nbanalytics.text import Cells, number, percent, say, students

_LIFE = ["at_risk", "events", "censored", "hazard", "survival"]
_WAYS = ["stage_from", "state_from", "stage_to", "state_to", "students"]
_WORDS = (
    "chart", "lead", "hint", "other", "rule", "threshold", "no_change", "eligibility", "passes", "required",
    "as_declared", "box", "box.from6", "box.to6", "box.from9", "box.to9",
    "box.clear", "counts", "group", "shown", "chosen", "compared", "code", "code.copy", "code.copied", "students",
    "lost", "stray",
)  # fmt: skip
_SHARED = (
    "filters.title", "page.lost", "chart.keys", "chart.region",
    "download.title", "download.csv", "download.png", "download.svg",
)  # fmt: skip


def page_words(lang: str) -> dict[str, str]:
    """Return the words of the explorer's page that do not depend on what is chosen, by their key."""
    return {key: say(f"explorer.{key}", lang) for key in _WORDS} | {key: say(key, lang) for key in _SHARED}


def packed(values: NDArray[Any], kind: str) -> str:
    """Pack the numbers of students, of a kind such as ``"<u2"``, for the page's script (``pages/roster.js``)."""
    return b64encode(values.astype(kind).tobytes()).decode()


def flows_section(held: Codes, stages: Sequence[str], lang: str) -> dict[str, Any]:
    """Show how students move between states.

    Parameters
    ----------
    held
        State of each student (row) at each stage (column), as a place in :data:`STATES`.
    stages
        The stages.
    lang
        ``"sv"`` or ``"en"``.

    Returns
    -------
    dict
        A section: title, figure, text alternative and table.
    """
    kinds = len(STATES)
    here, links = [], []
    for place, stage in enumerate(stages):
        counted = np.bincount(held[:, place], minlength=kinds)
        here += [(stage, STATES[code], int(counted[code])) for code in np.flatnonzero(counted)]
    for (before, source), (after, target) in pairwise(enumerate(stages)):
        moved = np.bincount(held[:, before].astype(int) * kinds + held[:, after], minlength=kinds**2)
        for code in np.flatnonzero(moved):
            links.append((source, STATES[code // kinds], target, STATES[code % kinds], int(moved[code])))
    totals = Cells.of(pd.DataFrame(here, columns=["stage", "state", "students"]))
    moves = Cells.of(pd.DataFrame(links, columns=_WAYS))
    if not len(held):
        return _section("flows", nothing(lang), "", TextTable([], []), lang, empty=True)
    alt = describe_flow_sankey(totals, moves, lang)
    return _section("flows", sankey_drawing(totals, moves, lang), alt, flows_table(totals, moves, lang), lang)


def terms_section(
    duration: NDArray[np.int64], event: NDArray[np.int64], steps: Sequence[str], lang: str
) -> dict[str, Any]:
    """Show in which term students lose eligibility.

    Parameters
    ----------
    duration, event
        Of each student, see :meth:`Courses.losses`.
    steps
        The terms followed: step 1, 2, ...
    lang
        ``"sv"`` or ``"en"``.

    Returns
    -------
    dict
        A section, as of :func:`flows_section`.
    """
    eligible = duration >= 0
    table = life_table(duration[eligible], event[eligible])
    if table.empty:
        return _section("terms", nothing(lang), "", TextTable([], []), lang, empty=True)
    named = table[_LIFE].assign(term=table["t"].map(dict(enumerate(steps, start=1)))).rename(columns={"events": "lost"})
    cells = Cells.of(named)
    return _section(
        "terms", terms_drawing(cells, lang), describe_drop_terms(cells, lang), terms_table(cells, lang), lang
    )


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
        The change of mean grade points, those in year 6 and those in year 9.
    groups
        Their groups.
    lang
        ``"sv"`` or ``"en"``.

    Returns
    -------
    TextTable
        As it is shown.
    """
    # What a narrow screen shows without being scrolled comes first: who, in which group, and how the points went.
    heads = ["student", "group", "change", "points6", "points9", *columns]
    rows = [
        [str(name), str(group), *(_tenths(round(float(value), 1), lang) for value in held), *told]
        for name, told, held, group in zip(names, words, points, groups, strict=True)
    ]
    return TextTable([say(f"explorer.{head}", lang) for head in heads], rows, words_right=len(columns))


def counts_rows(columns: Sequence[NDArray[np.int64]], names: Mapping[str, str], lang: str) -> list[dict[str, Any]]:
    """Count the students of each group, in words.

    Parameters
    ----------
    columns
        The group of each student, by column of the table; all have one.
    names
        The groups' names, by their code.
    lang
        ``"sv"`` or ``"en"``.

    Returns
    -------
    list of dict
        For each group its ``code`` and ``name``, and by column ``counts`` and ``shares`` of the column's students.
    """
    rows = []
    for code, name in names.items():
        found = [int((groups == int(code)).sum()) for groups in columns]
        shares = [count / max(len(groups), 1) for count, groups in zip(found, columns, strict=True)]
        told = {"counts": [number(count, lang) for count in found], "shares": [percent(x, lang, 1) for x in shares]}
        rows.append({"code": code, "name": name, **told})
    return rows


def change_alt(change: NDArray[np.float64], lang: str) -> str:
    """Say how many students rose, fell and stayed: the text alternative of the points; ``nan`` has no point."""
    known = change[~np.isnan(change)]
    counts = {"up": (known > 0).sum(), "down": (known < 0).sum(), "same": (known == 0).sum()}
    words = {key: number(int(count), lang) for key, count in counts.items()}
    return say("scatter.alt", lang, students=students(len(known), lang), **words)


@cache
def _tenths(value: float, lang: str) -> str:
    return number(value, lang, 1) if value == value else "–"


def _section(name: str, figure: Drawing, alt: str, table: TextTable, lang: str, empty: bool = False) -> dict[str, Any]:
    return {
        "id": name,
        "title": say(f"{name}.title", lang),
        "lead": "",
        "figure": figure,
        "alt": alt,
        "hidden": "",
        "empty": say("explorer.nobody", lang) if empty else "",
        "swipe": say("flows.swipe", lang),
        "help_title": "",
        "help": [],
        "table": {"caption": say(f"explorer.table.{name}", lang), **table.__dict__},
    }
