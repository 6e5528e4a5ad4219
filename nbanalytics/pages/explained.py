"""The explanation of each measure of a page: its definition, its source, how many students, how much is hidden."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import date
from typing import Any

from nbanalytics.text import Cells, Words

Entry = dict[str, str]
#: The measures that are explained for a whole page.
MEASURES = ("eligible", "points", "merit", "lost", "hidden")
_RULES = ("vocational",)  # those that the catalogue explains; others are explained by their publisher


def title_of(manifest: Mapping[str, Any], words: Words) -> str:
    """Return the title of a release in a language, if it has one."""
    return str((manifest.get("title_en") if words.lang == "en" else None) or manifest.get("title", ""))


def published(manifest: Mapping[str, Any], words: Words) -> str:
    """Write the day on which a release was made; empty if it is not stated."""
    try:
        day = date.fromisoformat(str(manifest["created"])[:10])
    except (KeyError, ValueError):
        return ""
    return words.date(day)


def about(manifest: Mapping[str, Any], words: Words, measures: Iterable[str] = MEASURES) -> list[Entry]:
    """Return the words that explain the key figures: ``term`` and ``text`` of each."""
    rule = manifest.get("source", {}).get("rule", _RULES[0])
    keys = {"eligible": f"eligible.{rule if rule in _RULES else 'other'}"}
    found = [
        {"term": words.say(f"about.{name}"), "text": words.say(f"about.{keys.get(name, name)}.text")}
        for name in measures
    ]
    return [*found, _source(manifest, words)]


def _source(manifest: Mapping[str, Any], words: Words) -> Entry:
    name, day = title_of(manifest, words), published(manifest, words)
    text = words.say("help.source.text", title=name, date=day) if day else name
    return {"term": words.say("help.source"), "text": text}


def source_line(manifest: Mapping[str, Any], words: Words) -> str:
    """Write the source of a chart on one line: the publication and its day."""
    name, day = title_of(manifest, words), published(manifest, words)
    return words.say("source.line", title=name, date=day) if name and day else ""


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
    name: str, cells: Mapping[str, Cells], manifest: Mapping[str, Any], hidden: str, words: Words
) -> list[Entry]:
    """Return the explanation of one chart, ``term`` and ``text`` of each line.

    The lines are the definition, the number of students, what is hidden (``hidden``) and the source.
    """
    count = _STUDENTS[name](cells)
    nobody = count is None and hidden == words.say("table.none")
    who = words.say("help.n.hidden") if count is None else words.say(f"{name}.n", students=words.students(count))
    return [
        {"term": words.say("help.definition"), "text": words.say(f"{name}.help")},
        *([] if nobody else [{"term": words.say("help.n"), "text": who}]),
        {"term": words.say("help.hidden"), "text": hidden},
        _source(manifest, words),
    ]


def hidden_note(manifest: Mapping[str, Any], used: Iterable[Cells], words: Words) -> str:
    """Say why something of a chart is hidden, and that its counts are rounded, if they are."""
    held, rounding = list(used), manifest.get("rounding")
    hidden, every = sum(cells.hidden for cells in held), sum(len(cells) for cells in held)
    if not every:
        return ""
    policy = manifest.get("policy", {})
    least, group = str(policy.get("min_cell", 5)), str(policy.get("min_group", 10))
    kind = "none" if not hidden else "all" if hidden == every else "rounded" if rounding else "some"
    blanks = {"least": least, "group": group}
    said = [words.say("rounded.note", unit=str(rounding["unit"]))] if rounding else []
    return " ".join([*said, words.say(f"hidden.{kind}", **blanks)])
