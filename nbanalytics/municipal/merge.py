"""Municipal files joined by pseudonym into student records."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pandas as pd

from nbanalytics.declaration import Declaration
from nbanalytics.errors import DataError
from nbanalytics.municipal.recognise import FileRead
from nbanalytics.readers.findings import Finding, remark
from nbanalytics.readers.report import CheckReport
from nbanalytics.records import StudentRecords
from nbanalytics.schema import TABLES

_SAME = ("sex", "birth_year")


def merge_reads(reads: Sequence[FileRead]) -> StudentRecords:
    """Join files of several years and kinds by pupil; :func:`merge_with_findings` also reports contradictions.

    The files come from :func:`nbanalytics.municipal.recognise.read_files` with one key. The records are of pandas
    tables, in the order of pseudonyms. A pupil in only one file is kept; whether the pupil moved is not known. The
    latest file of year 9 decides the cohort.

    Raises
    ------
    DataError
        If no file holds students and grades.
    """
    return merge_with_findings(reads)[0]


def merge_with_findings(reads: Sequence[FileRead]) -> tuple[StudentRecords, tuple[Finding, ...]]:
    """Join files as :func:`merge_reads` does, and return remarks about what does not fit together."""
    ordered = sorted(reads, key=_precedence)
    findings: list[Finding] = []
    parts = {name: [read.tables[name] for read in ordered if name in read.tables] for name in TABLES}
    if not parts["students"] or not parts["grades"]:
        raise DataError(
            "No file has students with usable grades",
            "Add a grade file of year 6 or 9 (SCB or SS12000); `nbanalytics check` shows what each file is.",
        )
    students = _students(parts["students"], findings)
    known = pd.Index(students["student_id"])
    tables: dict[str, pd.DataFrame] = {"students": students}
    for name, frames in parts.items():
        if name != "students" and frames:
            table = _table(name, frames, known, findings)
            if len(table):
                tables[name] = table
    others = sorted({name for read in reads for name in read.tables} - set(TABLES))
    if others:
        findings.append(remark("merge.other_tables", "", names=", ".join(others)))
    if "grades" not in tables:
        raise DataError("The files have no grades", "Export them again with grades.")
    return StudentRecords.trusted(**tables), tuple(findings)


def report_on(name: str, reads: Sequence[FileRead]) -> CheckReport:
    """Report on files as a whole: each file, contradictions between files, and what is missing."""
    reports = [read.report for read in reads]
    own: tuple[Finding, ...] = ()
    carriers = [place for place, read in enumerate(reads) if {"students", "grades"} <= set(read.tables)]
    if carriers:
        records, own = merge_with_findings(reads)
        first = carriers[0]
        reports[first] = replace(reports[first], missing=(*reports[first].missing, *missing_of(records)))
    told = tuple(finding for report in reports for finding in report.findings)
    return CheckReport(name, tuple(reports), (*own, *told))


def missing_of(records: StudentRecords) -> tuple[str, ...]:
    """List what the records lack, and the analyses that need it."""
    texts = []
    terms = Declaration().followed_terms
    for name, consequence in (
        ("grades", "losses cannot be dated to it"),
        ("absence", "the absence panel will be empty there"),
    ):
        table = getattr(records, name)
        found = set() if table is None else set(table["term"].dropna().unique())
        lacking = [term for term in terms if term not in found]
        if table is None:
            texts.append("no absence for any term: the absence panel will be empty")
        elif lacking:
            texts.append(f"no {name} for {', '.join(lacking)}: {consequence}")
    if records.outcomes is None:
        texts.append("no table outcomes: flows end with the last term")
    return tuple(texts)


def _precedence(read: FileRead) -> tuple[int, int]:
    """Order reads: files of year 9 first, the latest cohort first."""
    students = read.tables.get("students")
    if students is None or "cohort" not in students:
        return 2, 0
    latest = students["cohort"].max()
    return (0 if "school_id" in students else 1), -int(latest) if pd.notna(latest) else 0


def _students(frames: list[pd.DataFrame], findings: list[Finding]) -> pd.DataFrame:
    # Concatenated in order of precedence, so that the first non-missing value is used.
    together = pd.concat([_plain(frame) for frame in frames], ignore_index=True)
    by_student = together.groupby("student_id", sort=True)
    for column in (*_SAME, "cohort"):
        if column in together:
            differing = int((by_student[column].nunique() > 1).sum())
            remedy = (
                "The latest file of year 9 is used: some students repeat a year."
                if column == "cohort"
                else "Compare the files; the value of the file of year 9 is kept."
            )
            if differing:
                noun = "student has" if differing == 1 else "students have"
                who = f"{differing:,} {noun}"
                findings.append(remark("merge.students_differ", "", differing=who, name=column, remedy=remedy))
    students = by_student.first().reset_index()
    for column in ("moved_in", "moved_out"):
        if column not in students:
            # Empty means not known; the files do not have it.
            students[column] = pd.Series([None] * len(students), dtype="str")
    order = [column.name for column in TABLES["students"].columns if column.name in students]
    return students[order]


def _table(name: str, frames: list[pd.DataFrame], known: Any, findings: list[Finding]) -> pd.DataFrame:
    schema = TABLES[name]
    together = pd.concat([_plain(frame) for frame in frames], ignore_index=True)
    columns = [column.name for column in schema.columns if column.name in together]
    unkept = [column for column in together if column not in columns]
    if unkept:
        findings.append(remark("columns.unknown/merge", "", names=", ".join(map(str, unkept)), table=name))
    together = together[columns]
    if "student_id" in columns:
        strange = ~together["student_id"].isin(known)
        if strange.any():
            findings.append(remark("rows.unknown_student/merge", "", count=int(strange.sum()), table=name))
            together = together[~strange]
    key = list(schema.key)
    whole = together.drop_duplicates()
    kept = whole.drop_duplicates(key)
    if len(kept) < len(whole):
        number = len(whole) - len(kept)
        findings.append(remark("rows.contradictory/merge", "", count=number, table=name, what=", ".join(key)))
    return kept.sort_values(key, kind="stable", ignore_index=True)


def _plain(frame: pd.DataFrame) -> pd.DataFrame:
    """Convert categories to text, since categories of two files differ."""
    text = pd.Series([""]).dtype
    return frame.astype({name: text for name, kind in frame.dtypes.items() if kind in ("category", "object")})
