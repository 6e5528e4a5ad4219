"""What has to hold of tidy tables, rule by rule; the rules about single columns are here."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import pyarrow as pa

from nbanalytics.readers.across import ACROSS, repeated_keys, unknown_students
from nbanalytics.readers.findings import Finding, may_be_shown, suggestion
from nbanalytics.readers.tables import Tables, quoted
from nbanalytics.readers.words import grade_words
from nbanalytics.schema import TABLES, Column

#: Raise this when a rule changes, so that folders checked before are checked anew.
RULES_VERSION = 2


def check_tables(tables: Tables, progress: Callable[[Iterable[Any]], Iterable[Any]] = iter) -> list[Finding]:
    """Run every rule.

    Parameters
    ----------
    tables : Tables
        What to check.
    progress : callable
        Wraps the list of rules, for a progress bar.

    Returns
    -------
    list of Finding
    """
    _register_words(tables)
    rules: list[Callable[[], Iterator[Finding]]] = []
    for name in tables.files:
        rules += [
            _column_rule(tables, name, column) for column in TABLES[name].columns if tables.has(name, column.name)
        ]
        rules.append(lambda name=name: repeated_keys(tables, name))  # type: ignore[misc]
        if name not in {"students", "schools"} and tables.has("students"):
            rules.append(lambda name=name: unknown_students(tables, name))  # type: ignore[misc]
    rules += [lambda rule=rule: rule(tables) for rule in ACROSS]  # type: ignore[misc]
    return [finding for rule in progress(rules) for finding in rule()]


def _register_words(tables: Tables) -> None:
    declaration, scales = tables.declaration, tables.scales
    grades = [
        (number, grade, grade in scale.passing)
        for number, scale in enumerate(scales.scales)
        for grade in (*scale.points, *scale.marks)
    ]
    _small(
        tables, "known_terms", term=list(declaration.terms), place=pa.array(range(len(declaration.terms)), pa.int32())
    )
    subjects = list(declaration.catalogue.subjects)
    _small(tables, "known_subjects", subject=subjects, place=pa.array(range(len(subjects)), pa.int32()))
    _small(
        tables,
        "known_grades",
        scale=pa.array([number for number, _, _ in grades], pa.int64()),
        grade=pa.array([grade for _, grade, _ in grades], pa.string()),
        passing=pa.array([passing for _, _, passing in grades], pa.bool_()),
    )
    _small(
        tables,
        "cohort_scales",
        cohort=pa.array(scales.of_cohort.keys(), pa.int64()),
        scale=pa.array(scales.of_cohort.values(), pa.int64()),
    )


def _small(tables: Tables, name: str, **columns: Any) -> None:
    tables.connection.register(name, pa.table(columns))


# ------------------------------------------------------------------ one column at a time


def _column_rule(tables: Tables, name: str, column: Column) -> Callable[[], Iterator[Finding]]:
    return lambda: _check_column(tables, name, column)


def _check_column(tables: Tables, name: str, column: Column) -> Iterator[Finding]:
    cell = f'"{column.name}"'
    if column.required:
        empty = f"SELECT row, NULL AS value FROM {name} WHERE {cell} IS NULL"
        yield from tables.findings(name, column.name, empty, ("empty", "Fill it in, or take the row out."))
    if column.low is not None and column.high is not None:
        beyond = f"SELECT row, NULL AS value FROM {name} WHERE NOT {cell} BETWEEN {column.low} AND {column.high}"
        told = ("out of range", f"Write a number from {column.low:g} to {column.high:g}.")
        yield from tables.findings(name, column.name, beyond, told)
    if column.values:
        yield from _closed(
            tables, name, column, f"(VALUES {', '.join(f'({quoted(v)})' for v in column.values)}) AS known(word)"
        )
    elif column.kind == "term":
        yield from _closed(tables, name, column, "(SELECT term AS word FROM known_terms) AS known")
    elif column.kind == "subject":
        yield from _closed(tables, name, column, "(SELECT subject AS word FROM known_subjects) AS known")
    elif column.kind == "grade":
        yield from _grades(tables, name)


def _closed(tables: Tables, name: str, column: Column, known: str) -> Iterator[Finding]:
    words: list[str] = list(column.values)
    kind, declare = "value", ""
    if column.kind == "term":
        words, kind, declare = list(tables.declaration.terms), "term", "; or declare it in [terms] of records.toml"
    if column.kind == "subject":
        subjects = tables.declaration.catalogue.subjects.values()
        words = [word for subject in subjects for word in (subject.code, subject.sv, subject.en)]
        kind, declare = "subject", "; or declare it as [subject.CODE] in records.toml"
    listed = ", ".join(subject.code for subject in subjects) if kind == "subject" else ", ".join(words)

    def tell(value: str | None) -> tuple[str, str]:
        if value is None:
            return f"many cells that are no {kind}", f"Is it another column? Use one of {listed}{declare}."
        shown = f" {value!r}" if may_be_shown(value, words) else ""
        near = suggestion(value, words) if len(value) > 2 else ""
        meant = f"Did you mean {near}? " if near else ""
        return f"unknown {kind}{shown}", f"{meant}Use one of {listed}{declare}."

    cell = f'"{column.name}"'
    sql = f"SELECT row, {cell} AS value FROM {name} ANTI JOIN {known} ON {cell} = known.word WHERE {cell} IS NOT NULL"
    yield from tables.findings(name, column.name, sql, tell)


def _grades(tables: Tables, name: str) -> Iterator[Finding]:
    """Grades that the scale of the student's cohort does not have."""
    scales = tables.scales.scales
    if not scales or not tables.has("students"):
        return

    def tell(value: str | None) -> tuple[str, str]:
        if value is None:
            listed = ", ".join(dict.fromkeys(grade for scale in scales for grade in scale.order))
            return "many cells that are no grade", f"Is it another column? The grades are {listed}."
        number, _, grade = value.partition(":")
        scale = scales[int(number)]
        for other in tables.declaration.catalogue.scales:
            if other != scale and grade.casefold() in grade_words(other):
                span = _span(other.first_cohort, other.last_cohort)
                remedy = f"It is of scale {other.name}, which holds for cohorts {span}: mend the cohort or the grade."
                return f"grade {grade!r} is not of scale {scale.name}", remedy
        shown = f" {grade!r}" if may_be_shown(grade, scale.order) else ""
        marks = ", ".join(repr(mark) for mark in scale.marks)
        return f"unknown grade{shown}", f"The scale {scale.name} has {', '.join(scale.order)} and the marks {marks}."

    if len(scales) == 1:
        source, scale = name, "0"
    else:
        cohorts = "(SELECT DISTINCT student_id, cohort FROM students)"
        source = f"{name} JOIN {cohorts} USING (student_id) JOIN cohort_scales USING (cohort)"
        scale = "cohort_scales.scale"
    sql = f"""
        SELECT {name}.row, concat({scale}, ':', {name}.grade) AS value FROM {source}
        ANTI JOIN known_grades ON known_grades.scale = {scale} AND known_grades.grade = {name}.grade
        WHERE {name}.grade IS NOT NULL"""
    yield from tables.findings(name, "grade", sql, tell)


def _span(first: int | None, last: int | None) -> str:
    if first is None:
        return f"up to {last}"
    return f"from {first}" if last is None else f"{first}-{last}"
