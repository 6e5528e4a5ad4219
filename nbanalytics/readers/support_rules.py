"""Rules about the periods of the support register."""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow as pa

from nbanalytics.errors import DataError
from nbanalytics.readers.findings import Finding
from nbanalytics.readers.tables import Tables
from nbanalytics.terms import term_dates


def support_periods(tables: Tables) -> Iterator[Finding]:
    """Periods that end before they start, that overlap, and that begin before the student was here."""
    if tables.has("support", "start", "end"):
        sql = 'SELECT row, NULL AS value FROM support WHERE "end" < "start"'
        yield from tables.findings("support", "end", sql, ("support ends before it starts", "Mend one of the dates."))
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
    told = (
        "begins before an earlier period of the same kind has ended",
        "End the earlier one, or make one period of both; the student is counted once.",
    )
    yield from tables.findings("support", "start", sql, told, "remark")


def _before_enrolment(tables: Tables) -> Iterator[Finding]:
    """Support that begins before the first day of the term in which the student moved in."""
    pairs = tables.numbers("SELECT DISTINCT cohort, moved_in FROM students SEMI JOIN known_terms ON moved_in = term")
    first_days = []
    for cohort, term in pairs:
        try:
            first_days.append((cohort, term, term_dates(tables.declaration, int(cohort), term)[0].isoformat()))
        except (DataError, TypeError, ValueError):
            continue  # a cohort that is missing is told elsewhere, and terms without dates cannot be compared
    if not first_days:
        return
    cohorts, terms, days = zip(*first_days, strict=True)
    arrivals = {"cohort": pa.array(cohorts, pa.int64()), "moved_in": list(terms), "first_day": list(days)}
    tables.connection.register("arrivals", pa.table(arrivals))
    sql = """
        SELECT support.row, NULL AS value FROM support
        JOIN (SELECT student_id, cohort, moved_in FROM students) USING (student_id)
        JOIN arrivals USING (cohort, moved_in) WHERE "start"::VARCHAR < first_day"""
    told = ("begins before the student moved in", "Check start, and moved_in in students; the row is kept.")
    yield from tables.findings("support", "start", sql, told, "remark")
