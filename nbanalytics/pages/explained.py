"""What stands behind each measure of a page: its definition, its source, how many students, how much is hidden."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import date
from typing import Any

from babel.dates import format_date

from nbanalytics.text import Cells, number, say, students

Entry = dict[str, str]
#: The measures that are explained for a whole page.
MEASURES = ("eligible", "points", "merit", "lost", "hidden")
_RULES = ("vocational",)  # those that the catalogue explains; others are explained by their publisher


def title_of(manifest: Mapping[str, Any], lang: str) -> str:
    """Return the title of a release in a language, as far as it has one."""
    return str((manifest.get("title_en") if lang == "en" else None) or manifest.get("title", ""))


def published(manifest: Mapping[str, Any], lang: str) -> str:
    """Write the day on which a release was made; nothing if it does not say."""
    try:
        day = date.fromisoformat(str(manifest["created"])[:10])
    except (KeyError, ValueError):
        return ""
    return format_date(day, "long", "sv_SE" if lang == "sv" else "en_GB")


def about(manifest: Mapping[str, Any], lang: str, measures: Iterable[str] = MEASURES) -> list[Entry]:
    """Return the words that explain the key figures: ``term`` and ``text`` of each."""
    rule = manifest.get("source", {}).get("rule", _RULES[0])
    keys = {"eligible": f"eligible.{rule if rule in _RULES else 'other'}"}
    found = [
        {"term": say(f"about.{name}", lang), "text": say(f"about.{keys.get(name, name)}.text", lang)}
        for name in measures
    ]
    return [*found, _source(manifest, lang)]


def _source(manifest: Mapping[str, Any], lang: str) -> Entry:
    name, day = title_of(manifest, lang), published(manifest, lang)
    text = say("help.source.text", lang, title=name, date=day) if day else name
    return {"term": say("help.source", lang), "text": text}


def _first_stage(cells: Mapping[str, Cells]) -> float | None:
    states = cells["states"]
    stages = states.codes("stage")
    return states.value(stage=stages[0]) if stages else None


def _at_start(cells: Mapping[str, Cells]) -> float | None:
    drops = cells["droppoints"]
    terms = drops.codes("term")
    return drops.value("at_risk", term=terms[0]) if terms else None


def _in_first_term(table: Cells, **place: str) -> float | None:
    terms = table.codes("term")
    return table.value(term=terms[0], **place) if terms else None


def _lost(cells: Mapping[str, Cells]) -> float | None:
    drops = cells["droppoints"]
    found = [drops.value("lost", term=term) for term in drops.codes("term")]
    known = [value for value in found if value is not None]
    return sum(known) if known and len(known) == len(found) else None


_STUDENTS: dict[str, Callable[[Mapping[str, Cells]], float | None]] = {
    "groups": lambda cells: cells["groups"].value(),
    "flows": _first_stage,
    "terms": _at_start,
    "subjects": _lost,
    "followup": lambda cells: cells["eligibility"].value(),
    "course": lambda cells: _in_first_term(cells["baseline"], indicator="eligible"),
    "absences": lambda cells: _in_first_term(cells["absence"]),
    "years": lambda cells: next(
        (_in_first_term(found, indicator="eligible") for name, found in cells.items() if name.startswith("year ")), None
    ),
}


def explained(
    name: str, cells: Mapping[str, Cells], manifest: Mapping[str, Any], hidden: str, lang: str
) -> list[Entry]:
    """Return what a reader may want to know of one chart: ``term`` and ``text`` of each line.

    Parameters
    ----------
    name
        The section, such as ``"groups"``.
    cells
        The tables of one selection.
    manifest
        What the release says of itself.
    hidden
        The line on what is hidden.
    lang
        ``"sv"`` or ``"en"``.

    Returns
    -------
    list of dict
        Definition, number of students, what is hidden, source.
    """
    count = _STUDENTS[name](cells)
    nobody = count is None and hidden == say("table.none", lang)
    who = say("help.n.hidden", lang) if count is None else say(f"{name}.n", lang, students=students(count, lang))
    return [
        {"term": say("help.definition", lang), "text": say(f"{name}.help", lang)},
        *([] if nobody else [{"term": say("help.n", lang), "text": who}]),
        {"term": say("help.hidden", lang), "text": hidden},
        _source(manifest, lang),
    ]


def hidden_note(manifest: Mapping[str, Any], used: Iterable[Cells], lang: str) -> str:
    """Say how much is hidden of a chart and why; and that its counts are rounded, if they are."""
    held, rounding = list(used), manifest.get("rounding")
    hidden, every = sum(cells.hidden for cells in held), sum(len(cells) for cells in held)
    if not every:
        return ""
    policy = manifest.get("policy", {})
    least, group = str(policy.get("min_cell", 5)), str(policy.get("min_group", 10))
    kind = "none" if not hidden else "all" if hidden == every else "rounded" if rounding else "some"
    words = {"hidden": number(hidden, lang), "cells": number(every, lang), "least": least, "group": group}
    said = [say("rounded.note", lang, unit=str(rounding["unit"]))] if rounding else []
    return " ".join([*said, say(f"hidden.{kind}", lang, **words)])
