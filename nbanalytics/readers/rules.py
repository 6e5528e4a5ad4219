"""Validation rules for tidy tables, and the rules for single columns."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TypeAlias

import pandas as pd
import pyarrow as pa

from nbanalytics.eligibility import term_results
from nbanalytics.errors import CONTROL, FORMULA, DataError
from nbanalytics.readers.findings import Finding, Message, fatal, may_be_shown, message, remark, suggestion
from nbanalytics.readers.tables import Tables, quoted
from nbanalytics.readers.words import grade_words
from nbanalytics.schema import CODES, IDENTITY_NUMBER, TABLES, Column
from nbanalytics.terms import term_dates


def support_periods(tables: Tables) -> Iterator[Finding]:
    """Support periods that end before they start, overlap, or begin before the student moved in."""
    if tables.has("support", "start", "end"):
        sql = 'SELECT row, NULL AS value FROM support WHERE "end" < "start"'
        yield from tables.findings("support", "end", sql, "support.ends_before_start")
    if tables.has("support", "student_id", "kind", "start", "end"):
        yield from _overlapping(tables)
    if tables.has("support", "student_id", "start") and tables.has("students", "student_id", "cohort", "moved_in"):
        yield from _before_enrolment(tables)


def _overlapping(tables: Tables) -> Iterator[Finding]:
    sql = """
        SELECT row, NULL AS value FROM (
            SELECT row, "start"::VARCHAR AS began, max(coalesce("end"::VARCHAR, '9999')) OVER earlier AS busy_until
            FROM support WHERE "end" IS NULL OR "end" >= "start"
            WINDOW earlier AS (PARTITION BY student_id, kind ORDER BY "start", row
                               ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING))
        WHERE began < busy_until"""
    yield from tables.findings("support", "start", sql, "support.overlaps", "remark")


def _before_enrolment(tables: Tables) -> Iterator[Finding]:
    """Support that begins before the first day of the term in which the student moved in."""
    pairs = tables.numbers("SELECT DISTINCT cohort, moved_in FROM students SEMI JOIN known_terms ON moved_in = term")
    first_days = []
    for cohort, term in pairs:
        try:
            first_days.append((cohort, term, term_dates(tables.declaration, int(cohort), term)[0].isoformat()))
        except (DataError, TypeError, ValueError):
            continue  # a missing cohort is reported elsewhere, and terms without dates cannot be compared
    if not first_days:
        return
    cohorts, terms, days = zip(*first_days, strict=True)
    arrivals = {"cohort": pa.array(cohorts, pa.int64()), "moved_in": list(terms), "first_day": list(days)}
    tables.connection.register("arrivals", pa.table(arrivals))
    sql = """
        SELECT support.row, NULL AS value FROM support
        JOIN (SELECT student_id, cohort, moved_in FROM students) USING (student_id)
        JOIN arrivals USING (cohort, moved_in) WHERE "start"::VARCHAR < first_day"""
    yield from tables.findings("support", "start", sql, "support.before_enrolment", "remark")


#: Above this many rows, repeated keys are searched in slices, to limit memory.
_SLICE_ROWS = 8_000_000
#: Number of words that fit as bits in DuckDB's widest integer.
_BITS = 120


def repeated_keys(tables: Tables, name: str) -> Iterator[Finding]:
    """Rows with the same key: repeats of an equal row, and rows that contradict each other."""
    key = TABLES[name].key
    if not tables.has(name, *key):
        return
    keys = ", ".join(f'"{column}"' for column in key)
    connection = tables.connection
    connection.execute(f"CREATE OR REPLACE TEMP TABLE repeated AS SELECT {keys} FROM {name} LIMIT 0")
    slices = 1 + tables.rows[name] // _SLICE_ROWS
    for part in range(slices):
        # All rows of a student fall into the same slice.
        rows = f"(SELECT * FROM {name} WHERE hash({key[0]}) % {slices} = {part})" if slices > 1 else name
        connection.execute(f"INSERT INTO repeated {_repeated(tables, name, rows)}")
    if not tables.numbers("SELECT 1 FROM repeated LIMIT 1"):
        return
    others = [c.name for c in TABLES[name].columns if c.name not in key and c.name in tables.columns[name]]
    same = " AND ".join(f'min("{c}") IS NOT DISTINCT FROM max("{c}") AND count("{c}") IN (0, count(*))' for c in others)
    rows = f"""
        WITH groups AS (
            SELECT {keys}, {same or "true"} AS same, min(row) AS first_row
            FROM {name} SEMI JOIN repeated USING ({keys}) GROUP BY {keys})
        SELECT row, same::INT AS value FROM {name} JOIN groups USING ({keys}) WHERE NOT same OR row > first_row"""
    what = ", ".join(column.removesuffix("_id") for column in key)
    keys_of = ("rows.contradictory", "rows.repeated")
    yield from tables.findings(name, "", rows, lambda same: message(keys_of[int(same)], what=what))


def _repeated(tables: Tables, name: str, rows: str) -> str:
    """Find the keys that occur more than once."""
    key = TABLES[name].key
    keys = ", ".join(f'"{column}"' for column in key)
    exact = f"SELECT {keys} FROM {{}} GROUP BY {keys} HAVING count(*) > 1"
    *group, last = key
    words = {"subject": "known_subjects", "term": "known_terms"}.get(last)
    if words is None or tables.numbers(f"SELECT count(*) FROM {words}")[0][0] > _BITS:
        filled = " AND ".join(f'"{column}" IS NOT NULL' for column in key)
        return exact.format(f"(SELECT * FROM {rows} WHERE {filled})")
    # One bit for each word of the last column: a group has repeats if it has more rows than bits. That is one
    # group for each student and term instead of one for each grade. Unknown words are rejected anyway.
    groups = ", ".join(group)
    suspects = f"""
        SELECT {groups} FROM {rows} JOIN {words} USING ({last}) WHERE {group[0]} IS NOT NULL
        GROUP BY {groups} HAVING count(*) <> bit_count(bit_or(1::HUGEINT << place))"""
    return exact.format(f"{name} SEMI JOIN ({suspects}) AS suspects USING ({groups})")


def unknown_students(tables: Tables, name: str) -> Iterator[Finding]:
    """Rows of students who are not in the table of students."""
    if not (tables.has(name, "student_id") and tables.has("students", "student_id")):
        return
    sql = (
        f"SELECT row, student_id::VARCHAR AS id FROM {name} ANTI JOIN students USING (student_id) WHERE id IS NOT NULL"
    )
    if not tables.numbers(f"{sql} LIMIT 1"):
        return
    # What the same identifier in two files most often differs by, one step after the other.
    unseen = "\\s\u00a0\u00ad\u200b-\u200d\u202f\u2060\ufeff"
    visible = f"regexp_replace({{}}, '[{unseen}]', '', 'g')".format
    whole, short = "regexp_replace({}, '[.,]0+$', '')".format, "ltrim({}, '0')".format

    steps = (("spaces", visible), ("decimal", whole), ("zeros", short))

    def plain(cell: str) -> str:
        return short(whole(visible(cell)))

    different = " ".join(f"WHEN {step('id')} = {step('own')} THEN '{word}'" for word, step in steps)
    rows = f"""
        WITH known AS (
            SELECT {plain("student_id::VARCHAR")} AS plain, min(student_id::VARCHAR) AS own FROM students
            GROUP BY 1 HAVING count(*) = 1)
        SELECT row, CASE WHEN own IS NULL THEN NULL {different} ELSE 'several' END AS value
        FROM (SELECT *, {plain("id")} AS plain FROM ({sql})) LEFT JOIN known USING (plain)"""
    yield from tables.findings(
        name, "student_id", rows, lambda word: message(f"rows.unknown_student/{word or 'words'}", "student_id")
    )


def _moves(tables: Tables) -> Iterator[Finding]:
    """Students who moved out before they moved in, and grades from terms outside the enrolment."""
    if not tables.has("students", "student_id"):
        return
    place = "(SELECT term AS {0}, place AS {0}_place FROM known_terms)"
    if tables.has("students", "moved_in", "moved_out"):
        sql = f"""
            SELECT row, NULL AS value FROM students JOIN {place.format("moved_in")} USING (moved_in)
            JOIN {place.format("moved_out")} USING (moved_out) WHERE moved_out_place < moved_in_place"""
        yield from tables.findings("students", "moved_out", sql, "students.moved_out_before_in")
    for column, order in (("moved_in", "<"), ("moved_out", ">")):
        if not (tables.has("students", column) and tables.has("grades")):
            continue
        sql = f"""
            SELECT grades.row, NULL AS value FROM grades JOIN known_terms USING (term)
            JOIN (SELECT student_id, {column} FROM students WHERE {column} IS NOT NULL) USING (student_id)
            JOIN {place.format(column)} USING ({column}) WHERE place {order} {column}_place"""
        when = "before the student moved in" if column == "moved_in" else "after the student moved out"
        yield from tables.findings("grades", "term", sql, "grades.outside_enrolment", "remark", when=when, moved=column)


def _both_alternates(tables: Tables) -> Iterator[Finding]:
    """Passes in two subjects of which a pupil reads one (SV and SVA)."""
    if not (tables.has("grades") and tables.has("students", "student_id")):
        return
    for group in tables.declaration.catalogue.alternates:
        listed = ", ".join(quoted(code) for code in group)
        passed = f"""
            SELECT student_id, term, subject, row FROM grades
            SEMI JOIN (SELECT grade FROM known_grades WHERE passing) AS passes USING (grade)
            WHERE subject IN ({listed})"""
        sql = f"""
            WITH passed AS ({passed}), both_read AS (
                SELECT student_id, term FROM passed GROUP BY ALL HAVING count(DISTINCT subject) > 1)
            SELECT row, NULL AS value FROM passed SEMI JOIN both_read USING (student_id, term)"""
        named = " and ".join(group)
        yield from tables.findings("grades", "subject", sql, "grades.both_alternates", "remark", named=named)


def _unknown_schools(tables: Tables) -> Iterator[Finding]:
    if tables.has("schools", "school_id") and tables.has("students", "school_id"):
        sql = """
            SELECT row, NULL AS value FROM students ANTI JOIN schools USING (school_id)
            WHERE school_id IS NOT NULL"""
        yield from tables.findings("students", "school_id", sql, "students.unknown_school", "remark")


def _identity_numbers(tables: Tables) -> Iterator[Finding]:
    if tables.has("students", "student_id"):
        sql = f"""
            SELECT row, NULL AS value FROM students
            WHERE regexp_matches(student_id::VARCHAR, {quoted(IDENTITY_NUMBER)})"""
        yield from tables.findings("students", "student_id", sql, "students.identity_number", "remark")


def _ends_of_cohorts(tables: Tables) -> Iterator[Finding]:
    """Cohorts that cannot be followed: no grades in the start term or the end term."""
    if not (tables.has("grades") and tables.has("students", "student_id", "cohort")):
        return
    declared = tables.declaration
    start, end = declared.start, declared.end
    sql = f"""
        SELECT cohort, list(DISTINCT term) FROM grades JOIN students USING (student_id)
        WHERE term IN ({quoted(start)}, {quoted(end)}) AND cohort IS NOT NULL GROUP BY cohort"""
    terms = dict(tables.numbers(sql))
    file = tables.files["grades"]
    for (cohort,) in tables.numbers(
        "SELECT DISTINCT cohort FROM students SEMI JOIN cohort_scales USING (cohort) ORDER BY 1"
    ):
        found = terms.get(cohort, [])
        if end not in found:
            yield remark("cohorts.no_end", file, "term", cohort=cohort, end=end)
        elif start not in found:
            yield fatal("cohorts.no_start", file, "term", cohort=cohort, start=start, end=end)


#: With fewer students in a cohort the subjects that occur may be few by chance.
_FEW_STUDENTS = 5


def impossible_rules(tables: Tables) -> Iterator[Finding]:
    """Cohorts and terms in which no student can be eligible, or none can fail, whatever the grades.

    A student with the best grades in all subjects that occur, and one with the lowest, are judged by the rule.
    """
    if not (tables.has("grades", "term", "subject") and tables.has("students", "student_id", "cohort")):
        return
    terms = ", ".join(quoted(term) for term in (tables.declaration.start, tables.declaration.end))
    sql = f"""
        SELECT cohort, term, list(DISTINCT subject ORDER BY subject) FROM grades JOIN students USING (student_id)
        SEMI JOIN cohort_scales USING (cohort) SEMI JOIN known_subjects USING (subject)
        WHERE term IN ({terms}) AND grade IS NOT NULL
        GROUP BY cohort, term HAVING count(DISTINCT student_id) >= {_FEW_STUDENTS} ORDER BY ALL"""
    for cohort, term, subjects in tables.numbers(sql):
        grading = tables.declaration.grading(int(cohort))
        order = grading.scale.order
        for grade, wanted, code in (
            (order[-1], True, "rules.nobody_eligible"),
            (order[0], False, "rules.nobody_fails"),
        ):
            rows = {"student_id": "one", "term": term, "subject": subjects, "grade": grade}
            if bool(term_results(pd.DataFrame(rows), grading)["eligible"].iloc[0]) != wanted:
                names = {"subjects": len(subjects), "cohort": cohort, "term": term, "rule": grading.rule.name}
                yield fatal(code, tables.files["grades"], "subject", **names)


ACROSS = (
    _moves,
    support_periods,
    _both_alternates,
    _unknown_schools,
    _identity_numbers,
    _ends_of_cohorts,
)


Rule: TypeAlias = Callable[[], Iterator[Finding]]
#: Increase this when a rule changes, so that folders are checked again.
RULES_VERSION = 3


def check_tables(tables: Tables, progress: Callable[[Iterable[Rule]], Iterable[Rule]] = iter) -> list[Finding]:
    """Run every rule; ``progress`` wraps the list of rules, for a progress bar."""
    _register_words(tables)
    rules: list[Rule] = []
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


def _small(tables: Tables, name: str, **columns: Sequence[object] | pa.Array) -> None:
    tables.connection.register(name, pa.table(columns))


# ------------------------------------------------------------------ one column at a time


def _column_rule(tables: Tables, name: str, column: Column) -> Rule:
    return lambda: _check_column(tables, name, column)


def _check_column(tables: Tables, name: str, column: Column) -> Iterator[Finding]:
    cell = f'"{column.name}"'
    if column.required:
        empty = f"SELECT row, NULL AS value FROM {name} WHERE {cell} IS NULL"
        yield from tables.findings(name, column.name, empty, "values.empty")
    # Identifiers in other tables must be those of students.
    if column.kind == "text" and not column.values and (name == "students" or column.name != "student_id"):
        yield from _plain_text(tables, name, column)
    if column.low is not None and column.high is not None:
        beyond = f"SELECT row, NULL AS value FROM {name} WHERE NOT {cell} BETWEEN {column.low} AND {column.high}"
        yield from tables.findings(name, column.name, beyond, "values.out_of_range", low=column.low, high=column.high)
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


def _plain_text(tables: Tables, name: str, column: Column) -> Iterator[Finding]:
    """Text that a terminal or a spreadsheet would execute."""
    unwanted = {"values.line_break": "[\\n\\r]", "values.control_character": CONTROL}
    if column.name in CODES:
        unwanted["values.begins_like_formula"] = FORMULA
    for code, pattern in unwanted.items():
        sql = f"""
            SELECT row, NULL AS value FROM {name}
            WHERE regexp_matches("{column.name}"::VARCHAR, {quoted(pattern)})"""
        yield from tables.findings(name, column.name, sql, code)


def _closed(tables: Tables, name: str, column: Column, known: str) -> Iterator[Finding]:
    kind = column.kind if column.kind in ("term", "subject") else "value"
    words = known_words = list(tables.declaration.terms if kind == "term" else column.values)
    if kind == "subject":
        subjects = tables.declaration.catalogue.subjects
        words, known_words = list(subjects), [w for s in subjects.values() for w in (s.code, s.sv, s.en)]
    code, listed = f"values.unknown_{kind}", ", ".join(words)

    def tell(value: str | None) -> Message:
        if value is None:
            return message(f"{code}/many", column.name, known=listed)
        shown = f" {value!r}" if may_be_shown(value, known_words) else ""
        near = suggestion(value, known_words) if len(value) > 2 else ""
        meant = f"Did you mean {near}? " if near else ""
        return message(code, column.name, shown=shown, meant=meant, known=listed)

    cell = f'"{column.name}"'
    sql = f"SELECT row, {cell} AS value FROM {name} ANTI JOIN {known} ON {cell} = known.word WHERE {cell} IS NOT NULL"
    yield from tables.findings(name, column.name, sql, tell)


def _grades(tables: Tables, name: str) -> Iterator[Finding]:
    """Grades that the scale of the student's cohort does not have."""
    scales = tables.scales.scales
    if not scales or not tables.has("students"):
        return

    def tell(value: str | None) -> Message:
        if value is None:
            listed = ", ".join(dict.fromkeys(grade for scale in scales for grade in scale.order))
            return message("grades.unknown_grade/many", "grade", grades=listed)
        number, _, grade = value.partition(":")
        scale = scales[int(number)]
        for other in tables.declaration.catalogue.scales:
            if other != scale and grade.casefold() in grade_words(other):
                span = _span(other.first_cohort, other.last_cohort)
                names = {"scale": scale.name, "other": other.name}
                return message("grades.other_scale", "grade", grade=grade, span=span, **names)
        shown = f" {grade!r}" if may_be_shown(grade, scale.order) else ""
        marks, known = ", ".join(map(repr, scale.marks)), ", ".join(scale.order)
        return message("grades.unknown_grade", "grade", shown=shown, scale=scale.name, grades=known, marks=marks)

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
