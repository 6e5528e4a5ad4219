"""The manifest of a release: what it is, its dimensions with their words, its tables with their sums, its checksums."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from nbanalytics.disclosure import Policy
from nbanalytics.frames import collect
from nbanalytics.records import StudentRecords
from nbanalytics.release.declared import Declared
from nbanalytics.release.files import FORMAT, VERSION, signed
from nbanalytics.release.links import Cubes, Link
from nbanalytics.release.model import ALL, FILTERS, OK, SUPPRESSED, Release
from nbanalytics.release.persons import UNKNOWN, Persons

Labels = dict[str, tuple[str, str]]

_WORDS: dict[str, Labels] = {
    "sex": {"girl": ("Flickor", "Girls"), "boy": ("Pojkar", "Boys")},
    "newly_arrived": {"yes": ("Nyanlända", "Newly arrived"), "no": ("Ej nyanlända", "Not newly arrived")},
    "eligible": {"eligible": ("Behöriga", "Eligible"), "not_eligible": ("Ej behöriga", "Not eligible")},
    "state": {
        "eligible": ("Behöriga", "Eligible"),
        "not_eligible": ("Ej behöriga", "Not eligible"),
        "moved": ("Flyttat", "Moved"),
        "preparatory": ("Högskoleförberedande program", "Programme preparing for higher education"),
        "vocational": ("Yrkesprogram", "Vocational programme"),
        "introductory": ("Introduktionsprogram", "Introductory programme"),
        "none": ("Ej på gymnasiet", "Not in upper secondary school"),
    },
    "group": {
        "1": ("Behöriga båda åren, betygen steg", "Eligible in both years, grades rose"),
        "2": ("Behöriga båda åren, betygen sjönk", "Eligible in both years, grades fell"),
        "3": ("Behöriga inget av åren, betygen sjönk", "Eligible in neither year, grades fell"),
        "4": ("Behöriga inget av åren, betygen steg", "Eligible in neither year, grades rose"),
        "5": ("Blev behöriga", "Became eligible"),
        "6": ("Tappade behörigheten", "Lost eligibility"),
    },
    "stage": {"upper_secondary": ("Gymnasiet", "Upper secondary school")},
    "subject": {"further": ("Övriga ämnen", "Other subjects")},
    "indicator": {
        "eligible": ("Behöriga", "Eligible"),
        "core": ("Godkänt i kärnämnena och fem till", "Passes in the core subjects and five more"),
    },
    "result": {"yes": ("Ja", "Yes"), "no": ("Nej", "No")},
}
_MISSING = ("Uppgift saknas", "Unknown")
#: Universe of each count, and the dimensions over which it adds up to the cell with ``*``, beside the filters.
_COUNTS: dict[tuple[str, str], tuple[str, tuple[str, ...]]] = {
    ("eligibility", "students"): ("followed", ("start", "end")),
    ("groups", "students"): ("followed", ("group",)),
    ("points", "students"): ("followed", ()),
    ("states", "students"): ("all", ("state",)),
    ("transitions", "students"): ("all", ()),
    ("droppoints", "at_risk"): ("eligible_at_start", ()),
    ("droppoints", "lost"): ("eligible_at_start", ()),
    ("droppoints", "censored"): ("eligible_at_start", ()),
    ("lost_subjects", "students"): ("lost", ("term",)),
    ("baseline", "students"): ("all", ("result",)),
    ("absence", "students"): ("absence_known", ()),
}
_OTHERS: dict[tuple[str, str], dict[str, Any]] = {
    ("points", "mean_points"): {"kind": "mean", "universe": "followed", "of": "students with grade points"},
    ("points", "mean_merit"): {"kind": "mean", "universe": "followed", "of": "students with at least one pass"},
    ("absence", "mean_absence"): {
        "kind": "mean",
        "universe": "absence_known",
        "of": "per cent of the term, valid and invalid",
    },
    ("droppoints", "hazard"): {"kind": "share", "universe": "eligible_at_start", "formula": "lost / at_risk"},
    ("droppoints", "survival"): {"kind": "share", "universe": "eligible_at_start", "formula": "product of 1 - hazard"},
}
_UNIVERSES = {
    "all": "every student of the records",
    "followed": "students with one of the six groups: both years known",
    "eligible_at_start": "students eligible in the start term who were seen again later",
    "absence_known": "students whose valid and invalid absence of the term are known",
    "lost": "students of eligible_at_start who lost eligibility; one student may have several subjects",
}


def describe(
    records: StudentRecords,
    persons: Persons,
    tables: Mapping[str, pd.DataFrame],
    cubes: Cubes,
    links: Sequence[Link],
    policy: Policy,
    contents: Declared,
    title: str | None,
    created: str,
    facts: Mapping[str, Any],
) -> Release:
    """Write the manifest to the tables of a release; see :func:`nbanalytics.release.build_release`."""
    declaration = records.declaration
    suppressed = sum(int((table["status"] == SUPPRESSED).sum()) for table in tables.values())
    manifest: dict[str, Any] = {
        "format": FORMAT,
        "version": VERSION,
        "title": title or f"Betygsprogression, {declaration.name or 'kommunen'}",
        "title_en": title or f"Grade progression, {declaration.name or 'the municipality'}",
        "municipality": declaration.name,
        "synthetic": declaration.synthetic,
        "created": created,
        "source": {
            "students": _published_total(tables),
            "cohorts": [int(cohort) for (cohort,) in persons.filters[0].values if cohort != UNKNOWN],
            "start": declaration.start,
            "end": declaration.end,
            "rule": declaration.rule,
            "newly_arrived": declaration.newly_arrived,
            "note": declaration.note,
        },
        **contents.presented,
        "policy": policy.as_dict(),
        "max_crossed": contents.max_crossed,
        "filters": list(FILTERS),
        "dimensions": _dimensions(records, persons, tables),
        "universes": _UNIVERSES,
        "tables": {name: _entry(name, table, contents) for name, table in tables.items()},
        "unpublished": _unpublished(cubes),
        "links": [link.as_dict() for link in links],
        "hidden": {"cells": sum(map(len, tables.values())), "suppressed": suppressed, **facts["hidden"]},
        "known": facts["known"],
        "report": facts["report"],
        **{name: facts[name] for name in ("protection", "rounding") if name in facts},
    }
    return signed(manifest, tables)


def _published_total(tables: Mapping[str, pd.DataFrame]) -> int | None:
    """Return the number of students, but only if the release itself shows it."""
    if "states" not in tables:
        return None
    states = tables["states"]
    top = states[(states[[*FILTERS, "state"]] == ALL).all(axis=1) & (states["status"] == OK)]
    return int(top["value"].iloc[0]) if len(top) else None


def _unpublished(cubes: Cubes) -> dict[str, Any]:
    """Tables that sums go through but nobody is shown: their dimensions, beside the filters, with their values."""
    return {
        name: {axis.columns[0]: [value for (value,) in axis.values] for axis in cube.axes[len(FILTERS) :]}
        for (name, _), cube in cubes.items()
        if not cube.published
    }


def _entry(name: str, table: pd.DataFrame, contents: Declared) -> dict[str, Any]:
    measures: dict[str, Any] = {
        measure: {"kind": "count", "universe": universe, "sums_over": [*FILTERS, *sums]}
        for (of, measure), (universe, sums) in _COUNTS.items()
        if of == name and contents.has(of, measure)
    }
    measures |= {
        measure: dict(what) for (of, measure), what in _OTHERS.items() if of == name and contents.has(of, measure)
    }
    dimensions = [column for column in table.columns if column not in ("measure", "value", "status")]
    most = contents.tables[name].max_crossed
    return {"file": f"tables/{name}.csv", "dimensions": dimensions, "max_crossed": most, "measures": measures}


def _dimensions(records: StudentRecords, persons: Persons, tables: Mapping[str, pd.DataFrame]) -> dict[str, Any]:
    values: dict[str, list[str]] = {axis.columns[0]: [value for (value,) in axis.values] for axis in persons.filters}
    for table in tables.values():
        for column in table.columns:
            if column not in (*FILTERS, "measure", "value", "status"):
                present = [value for value in dict.fromkeys(table[column]) if value != ALL]
                values[column] = list(dict.fromkeys([*values.get(column, []), *present]))
    values["stage"] = list(persons.stages)
    known = dict.fromkeys((*persons.terms, *persons.baseline_terms))
    values["term"] = [term for term in known if term in values.get("term", [])]
    entries = {}
    for name, listed in values.items():
        words = _words_of(name, records)
        both = {value: words.get(value, _MISSING if value == UNKNOWN else (value, value)) for value in listed}
        entries[name] = {
            "values": listed,
            "labels": {value: swedish for value, (swedish, _) in both.items()},
            "labels_en": {value: english for value, (_, english) in both.items()},
        }
    return entries


def _words_of(dimension: str, records: StudentRecords) -> Labels:
    if dimension == "school":
        return _schools(records)
    if dimension == "subject":
        subjects = records.declaration.catalogue.subjects.values()
        return {**{subject.code: (subject.sv, subject.en) for subject in subjects}, **_WORDS["subject"]}
    return _WORDS.get(
        {"start": "eligible", "end": "eligible"}.get(dimension, dimension.removesuffix("_from").removesuffix("_to")), {}
    )


def _schools(records: StudentRecords) -> Labels:
    if records.schools is None:
        return {}
    schools = collect(records.schools).dropna(subset=["school_id", "name"])
    return {str(row.school_id): (str(row.name_), str(row.name_)) for row in
            schools.rename(columns={"name": "name_"}).itertuples()}  # fmt: skip
