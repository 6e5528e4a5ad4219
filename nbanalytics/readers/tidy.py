"""A raw table made tidy: known columns, canonical words, long grades, and the file's row number beside each row."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from nbanalytics.declaration import Declaration
from nbanalytics.errors import GradingError
from nbanalytics.grading import Scale
from nbanalytics.readers.cells import coded, codes_of, spellings, text_of, values_of
from nbanalytics.readers.findings import Finding, about_rows, fatal
from nbanalytics.readers.headers import Header, understand_header
from nbanalytics.readers.raw import RawTable
from nbanalytics.readers.words import grade_words, read_grade, subject_words
from nbanalytics.schema import Column, Table


@dataclass
class TidyTable:
    """A table with canonical columns and ``row``; ``data`` is None where its header cannot be used."""

    table: Table
    file: str
    format: str
    n_rows: int
    data: Any | None = None
    wide: bool = False
    findings: list[Finding] = field(default_factory=list)
    assumed: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Scales:
    """The scales that the cohorts present are graded by."""

    scales: tuple[Scale, ...]
    of_cohort: dict[int, int]

    def all_words(self) -> frozenset[str]:
        """Return every way to write a grade on any of them, without case."""
        return frozenset(word for scale in self.scales for word in grade_words(scale))


def scales_of(declaration: Declaration, cohorts: Sequence[int], file: str) -> tuple[Scales, list[Finding]]:
    """Find the scale of each cohort; a cohort for which none holds, or no rule, is a finding."""
    scales: list[Scale] = []
    of_cohort: dict[int, int] = {}
    findings = []
    for cohort in cohorts:
        try:
            scale = declaration.grading(cohort).scale
        except GradingError as error:
            what, _, remedy = str(error).rstrip(".").partition(". ")
            findings.append(fatal(file, f"{what[0].lower()}{what[1:]}", f"{remedy}.", column="cohort"))
            continue
        if scale not in scales:
            scales.append(scale)
        of_cohort[cohort] = scales.index(scale)
    return Scales(tuple(scales), of_cohort), findings


def tidy_table(raw: RawTable, table: Table, declaration: Declaration, scales: Scales, students: Any) -> TidyTable:
    """Make a raw table tidy.

    Parameters
    ----------
    raw : RawTable
        As it stands in the file.
    table : Table
        Its schema.
    declaration : Declaration
        Terms and subjects.
    scales : Scales
        What grades mean, by cohort.
    students : pyarrow.Table or None
        The tidy students, by which a student's scale is found.

    Returns
    -------
    TidyTable
    """
    header = understand_header(raw, table, subject_words(declaration), scales.all_words())
    tidy = TidyTable(table, raw.file, raw.format, raw.n_rows, wide=bool(header.subjects))
    tidy.findings += [*raw.broken, *header.findings]
    tidy.assumed += [*raw.assumed, *header.assumed]
    if not header.usable:
        return tidy
    data: dict[str, Any] = {}
    for column in table.columns:
        if column.name in header.columns and column.kind != "grade":
            data[column.name] = _column(raw, header.columns[column.name], column, declaration, tidy)
    rows = raw.rows
    if table.column("grade") is not None:
        data, rows = _with_grades(raw, header, data, scales, students, tidy)
    tidy.data = pa.table({**{c.name: data[c.name] for c in table.columns if c.name in data}, "row": pa.array(rows)})
    return tidy


def empty_table(table: Table) -> Any:
    """Return a table without rows, with the columns that are needed."""
    types = {"integer": pa.int64(), "number": pa.float64(), "flag": pa.bool_()}
    fields = [pa.field(c.name, types.get(c.kind, pa.string())) for c in table.columns if c.required]
    return pa.schema([*fields, pa.field("row", pa.int64())]).empty_table()


def _column(raw: RawTable, position: int, column: Column, declaration: Declaration, tidy: TidyTable) -> Any:
    values = values_of(raw.columns[position], column, declaration)
    tidy.assumed += values.assumed
    if values.bad.any():
        tidy.findings.append(about_rows(raw.file, column.name, values.what, values.remedy, raw.rows[values.bad]))
    if column.kind == "text" and pa.types.is_string(values.array.type):
        broken = pc.fill_null(pc.match_substring(values.array, "\n"), False).to_numpy(zero_copy_only=False)
        if broken.any():
            remedy = "Take it out; perhaps a quotation mark is not closed."
            tidy.findings.append(
                about_rows(raw.file, column.name, "a line break in the cell", remedy, raw.rows[broken])
            )
    return values.array


def _with_grades(
    raw: RawTable, header: Header, data: dict[str, Any], scales: Scales, students: Any, tidy: TidyTable
) -> tuple[dict[str, Any], Any]:
    """Add the grade column, making a wide table long."""
    positions = list(header.subjects.values()) if tidy.wide else [header.columns["grade"]]
    codes, words = _grade_codes([raw.columns[position] for position in positions])
    meant, words = _meant(codes, words, _scale_of_rows(data["student_id"], scales, students), scales, tidy)
    if not tidy.wide:
        return {**data, "grade": coded(meant.ravel(), words)}, raw.rows
    taken = np.flatnonzero(meant.ravel() >= 0)
    row, subject = np.divmod(taken, len(positions))
    tidy.assumed.append(f"one row for each student and term, {len(positions)} columns of subjects")
    places = pa.array(row)
    longer = {name: array.take(places) for name, array in data.items()}
    longer["subject"] = coded(subject, list(header.subjects))
    longer["grade"] = coded(meant.ravel()[taken], words)
    return longer, raw.rows[row]


def _grade_codes(columns: Sequence[Any]) -> tuple[NDArray[np.int64], list[str]]:
    """Return the cells of all columns as codes (-1 for an empty cell), rows by columns, and the word of each code."""
    place: dict[str, int] = {}
    codes = []
    for column in columns:
        encoded = text_of(column)[0].dictionary_encode()
        translate = [place.setdefault(word, len(place)) for word in encoded.dictionary.to_pylist()]
        # The last entry is what an empty cell (-1) turns into.
        codes.append(np.array([*translate, -1], dtype=np.int64)[codes_of(encoded)])
    return np.column_stack(codes), list(place)


def _scale_of_rows(ids: Any, scales: Scales, students: Any) -> NDArray[np.int64]:
    """Return which scale each row is graded by; the last one stands for students without any."""
    none = len(scales.scales)
    if none < 2 or students is None:
        return np.full(len(ids), none if students is None else 0, dtype=np.int64)
    of_student = np.array(
        [
            scales.of_cohort.get(cohort, none) if cohort is not None else none
            for cohort in students["cohort"].to_pylist()
        ]
    )
    found = pc.fill_null(pc.index_in(ids, value_set=students["student_id"].combine_chunks()), -1)
    return np.asarray(np.append(of_student, none)[found.to_numpy(zero_copy_only=False)], dtype=np.int64)


def _meant(
    codes: NDArray[np.int64], words: list[str], scale_of_row: NDArray[np.int64], scales: Scales, tidy: TidyTable
) -> tuple[NDArray[np.int64], list[str]]:
    """Turn codes of cells into codes of grades, each row by its own scale; unknown words stay as they are."""
    place = {word: code for code, word in enumerate(words)}
    tables = []
    pairs: set[tuple[str, str]] = set()
    for scale in scales.scales:
        written = grade_words(scale)
        grades = [read_grade(word, written, scale) for word in words]
        pairs |= {(word, grade) for word, grade in zip(words, grades, strict=True) if grade is not None}
        meanings = [word if grade is None else grade for word, grade in zip(words, grades, strict=True)]
        tables.append([*(place.setdefault(meaning, len(place)) for meaning in meanings), -1])
    tables.append([*range(len(words)), -1])
    tidy.assumed += spellings("grade", sorted(pairs))
    return np.array(tables, dtype=np.int64)[scale_of_row[:, None], codes], list(place)
