"""Rules about rows that stand beside each other: repeated keys, unknown students, moves, terms of a cohort."""

from __future__ import annotations

from collections.abc import Iterator

from nbanalytics.readers.findings import Finding, fatal, no_rows
from nbanalytics.readers.support_rules import support_periods
from nbanalytics.readers.tables import Tables, quoted
from nbanalytics.schema import TABLES

#: Above this many rows, repeated keys are looked for in slices, to stay within memory.
_SLICE_ROWS = 8_000_000
#: How many words have a bit of their own in DuckDB's widest integer.
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
    told = {
        1: (f"repeats an earlier row (same {what})", "Take the repeated rows out."),
        0: (f"the same {what} more than once, with different content", "Keep the row that is right."),
    }
    yield from tables.findings(name, "", rows, lambda value: told[int(value)])


def _repeated(tables: Tables, name: str, rows: str) -> str:
    """Ask for the keys that are there more than once."""
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
    sql = f"SELECT row, NULL AS value FROM {name} ANTI JOIN students USING (student_id) WHERE student_id IS NOT NULL"
    remedy = "Add the student there, or take the rows out."
    yield from tables.findings(name, "student_id", sql, ("the student is not in students", remedy))


def _moves(tables: Tables) -> Iterator[Finding]:
    """Out before in, and grades from terms when the student was not here."""
    if not tables.has("students", "student_id"):
        return
    place = "(SELECT term AS {0}, place AS {0}_place FROM known_terms)"
    if tables.has("students", "moved_in", "moved_out"):
        sql = f"""
            SELECT row, NULL AS value FROM students JOIN {place.format("moved_in")} USING (moved_in)
            JOIN {place.format("moved_out")} USING (moved_out) WHERE moved_out_place < moved_in_place"""
        told = ("moved out before moved in", "moved_in is the first term here, moved_out the last: mend one of them.")
        yield from tables.findings("students", "moved_out", sql, told)
    for column, order in (("moved_in", "<"), ("moved_out", ">")):
        if not (tables.has("students", column) and tables.has("grades")):
            continue
        sql = f"""
            SELECT grades.row, NULL AS value FROM grades JOIN known_terms USING (term)
            JOIN (SELECT student_id, {column} FROM students WHERE {column} IS NOT NULL) USING (student_id)
            JOIN {place.format(column)} USING ({column}) WHERE place {order} {column}_place"""
        when = "before the student moved in" if column == "moved_in" else "after the student moved out"
        told = (f"grades from {when}", f"Check {column} in students; the grades are kept.")
        yield from tables.findings("grades", "term", sql, told, "remark")


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
        told = (f"passes in both {' and '.join(group)} in one term", "They count as one pass.")
        yield from tables.findings("grades", "subject", sql, told, "remark")


def _unknown_schools(tables: Tables) -> Iterator[Finding]:
    if tables.has("schools", "school_id") and tables.has("students", "school_id"):
        sql = """
            SELECT row, NULL AS value FROM students ANTI JOIN schools USING (school_id)
            WHERE school_id IS NOT NULL"""
        told = ("the school is not in schools", "Add it there; until then it is shown by its identifier.")
        yield from tables.findings("students", "school_id", sql, told, "remark")


def _identity_numbers(tables: Tables) -> Iterator[Finding]:
    if tables.has("students", "student_id"):
        sql = """
            SELECT row, NULL AS value FROM students
            WHERE regexp_full_match(student_id, '(19|20)?[0-9]{2}(0[1-9]|1[0-2])[0-9]{2}[-+]?([0-9]{4}|TF[0-9]{2})')"""
        remedy = "Replace them by pseudonyms in every table; nothing here needs the numbers."
        yield from tables.findings(
            "students", "student_id", sql, ("looks like a personal identity number", remedy), "remark"
        )


def _ends_of_cohorts(tables: Tables) -> Iterator[Finding]:
    """Cohorts that cannot be followed, since nobody has grades in the first or in the last of the two terms."""
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
            told = f"cohort {cohort} has no grades in {end}", "It cannot be followed to the end yet."
            yield Finding(file, "term", *told, no_rows(), 0, "remark")
        elif start not in found:
            yield fatal(
                file,
                f"cohort {cohort} has grades in {end} but none in {start}, so that no student can be followed",
                f"Add the grades of {start}, take the cohort out of students, "
                "or declare other terms in [terms] of records.toml (start, end).",
                column="term",
            )


ACROSS = (
    _moves,
    support_periods,
    _both_alternates,
    _unknown_schools,
    _identity_numbers,
    _ends_of_cohorts,
)
