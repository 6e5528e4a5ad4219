"""Convert a raw table to a tidy one: known columns, canonical words, long grades, and each row's number in the file."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from nbanalytics.declaration import Declaration
from nbanalytics.errors import GradingError
from nbanalytics.grading import Scale
from nbanalytics.readers.findings import (
    SHOWN,
    Finding,
    RawTable,
    Rows,
    about_rows,
    fatal,
    may_be_shown,
    message,
    remark,
    suggestion,
)
from nbanalytics.readers.words import (
    FLAG,
    grade_words,
    loosely,
    read_date,
    read_grade,
    read_number,
    read_term,
    subject_words,
    term_words,
    value_words,
)
from nbanalytics.schema import Column, Table

_LONG = ("subject", "grade")


@dataclass
class Header:
    """Positions of the known columns, and of subjects in wide grades."""

    columns: dict[str, int] = field(default_factory=dict)
    subjects: dict[str, int] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)
    assumed: list[str] = field(default_factory=list)

    @property
    def usable(self) -> bool:
        """Whether the rows can be read."""
        return not any(finding.weight == "fatal" for finding in self.findings)


def understand_header(raw: RawTable, table: Table, subjects: dict[str, str], grades: frozenset[str]) -> Header:
    """Match the first row of a file with the schema.

    ``subjects`` has the code of each subject by its names; a column of words in ``grades`` is a subject, known or not.
    The header is unusable if a required column is missing or two columns have the same meaning.
    """
    header = Header()
    known = {loosely(column.name): column.name for column in table.columns}
    names = {column.name for column in table.columns}
    found = {known.get(loosely(name)) for name in raw.header}
    wide = "subject" in names and not set(_LONG) <= found and any(loosely(n) in subjects for n in raw.header)
    wanted = [c.name for c in table.columns if c.required and not (wide and c.name in _LONG)]
    strangers: list[int] = []
    for position, name in enumerate(raw.header):
        word = loosely(name)
        if word in known and not (wide and known[word] in _LONG):
            _claim(header, header.columns, known[word], position, name, raw.file)
        elif wide and word in subjects:
            _claim(header, header.subjects, subjects[word], position, name, raw.file)
        else:
            strangers.append(position)
    if not header.columns:
        header.findings.append(fatal("columns.no_header", raw.file, wanted=", ".join(wanted)))
        return header
    missing = [name for name in wanted if name not in header.columns]
    meant: set[str] = set()
    for name in missing:
        near = suggestion(name, [raw.header[position] for position in strangers])
        meant.add(near)
        remedy = f"Did you mean the column {near!r}? Rename it." if near else "Add it."
        header.findings.append(fatal("columns.missing", raw.file, name, remedy=remedy))
    for position in [position for position in strangers if raw.header[position] not in meant - {""}]:
        stranger = _stranger(raw, position, header, names - set(missing), bool(wide), grades)
        if stranger is not None:
            header.findings.append(stranger)
    return header


def _claim(header: Header, taken: dict[str, int], name: str, position: int, written: str, file: str) -> None:
    if name in taken:
        header.findings.append(fatal("columns.repeated", file, name, name=name))
        return
    taken[name] = position
    if written != name:
        header.assumed.append(f"column {written!r} is {name}")


def _stranger(
    raw: RawTable, position: int, header: Header, names: set[str], wide: bool, grades: frozenset[str]
) -> Finding | None:
    """Report a column that is not recognised; an empty one without a name is ignored."""
    name = raw.header[position]
    filled = _words_of(raw, position)
    if not name and not filled:
        return None
    shown = _shown_name(name, position, len(header.columns), names)
    if wide and filled and all(word.casefold() in grades for word in filled):
        near = suggestion(name, header.subjects)
        meant = f"Did you mean {near}? " if near else ""
        return fatal("columns.unknown_subject", raw.file, shown=shown, meant=meant)
    near = suggestion(name, names - set(header.columns), SHOWN) if name else ""
    if near:
        return fatal("columns.misspelled", raw.file, shown=shown, near=near)
    return remark("columns.unknown", raw.file, shown=shown)


def _shown_name(name: str, position: int, n_known: int, names: set[str]) -> str:
    # If only one name is known the first row may be data: then a cell is shown only if it cannot be a name.
    safe = name and len(name) <= 40 and not re.search(r"\d{6}", name) and (n_known > 1 or may_be_shown(name, names))
    return f"the column {name!r}" if safe else f"column number {position + 1}"


def _words_of(raw: RawTable, position: int) -> set[str]:
    """Return up to a few hundred different cells of a column."""
    column = raw.columns[position].slice(0, 10_000)
    words = pc.unique(column).to_pylist()[:200]
    return {str(word).strip() for word in words if word is not None and str(word).strip()}


#: Kinds whose unrecognised cells are reported here and set to missing.
_MEANT = ("integer", "number", "flag", "date")
_TYPES = {"integer": pa.int64(), "number": pa.float64(), "flag": pa.bool_()}
#: Number of spellings in the report.
_NAMED = 6


@dataclass(frozen=True)
class Values:
    """A column of values, its unrecognised cells, and the assumptions made."""

    array: pa.Array
    bad: NDArray[np.bool_]
    assumed: tuple[str, ...] = ()


def text_of(cells: pa.Array) -> tuple[pa.Array, bool]:
    """Return cells as trimmed text, empty ones missing, and whether spaces were removed."""
    kind = cells.type
    if pa.types.is_floating(kind):
        # Whole numbers beside empty cells come as floats: 1001.0 is the identifier 1001.
        cells = pc.if_else(pc.is_nan(cells), None, cells)
        if pc.all(pc.less(pc.abs(cells), 2.0**53)).as_py() and pc.all(pc.equal(pc.floor(cells), cells)).as_py():
            cells = cells.cast(pa.int64())
    if pa.types.is_timestamp(kind) or pa.types.is_date(kind):
        cells = pc.strftime(cells, format="%Y-%m-%d")
    cells = cells if pa.types.is_string(cells.type) else cells.cast(pa.string())
    plain = cells.combine_chunks() if isinstance(cells, pa.ChunkedArray) else cells
    if not pc.all(pc.string_is_ascii(plain)).as_py():
        plain = pc.utf8_normalize(plain, form="NFC")
    trimmed = pc.utf8_trim_whitespace(plain)
    shorter = pc.sum(pc.binary_length(plain)).as_py() != pc.sum(pc.binary_length(trimmed)).as_py()
    return pc.if_else(pc.equal(trimmed, ""), None, trimmed), shorter


def values_of(cells: pa.Array, column: Column, declaration: Declaration) -> Values:
    """Convert the cells of a column according to its schema.

    Cells of kinds with a closed vocabulary (terms, subjects, fixed values) that are not recognised stay as they are,
    for the rules to report; invalid numbers, flags and dates are marked as bad and set to missing.
    """
    none_bad = np.zeros(len(cells), dtype=bool)
    typed = _typed(cells, column)
    if typed is not None:
        return Values(typed, none_bad)
    text, trimmed = text_of(cells)
    assumed: tuple[str, ...] = (f"column {column.name}: spaces around cells do not count",) if trimmed else ()
    read = _reader(column, declaration)
    if read is None:
        return Values(text, none_bad, assumed)
    encoded = text.dictionary_encode()
    words = encoded.dictionary.to_pylist()
    meanings = [read(word) for word in words]
    if column.kind not in _MEANT:
        place: dict[str, int] = {}
        for word, meaning in zip(words, meanings, strict=True):
            place.setdefault(word if meaning is None else meaning, len(place))
        kept = [place[word if meaning is None else meaning] for word, meaning in zip(words, meanings, strict=True)]
        assumed += spellings(column.name, [(w, m) for w, m in zip(words, meanings, strict=True) if m is not None])
        return Values(coded(np.array([*kept, -1])[codes_of(encoded)], list(place)), none_bad, assumed)
    array = pa.array(meanings, _TYPES.get(column.kind, pa.string()))
    bad_words = np.array([meaning is None for meaning in meanings], dtype=bool)
    codes = codes_of(encoded)
    bad = np.where(codes >= 0, bad_words[codes], False) if len(bad_words) else none_bad
    if column.kind == "number" and any("," in word for word in words):
        assumed += (f"column {column.name}: decimal comma",)
    if column.kind == "date" and any(m is not None and m != w for w, m in zip(words, meanings, strict=True)):
        assumed += (f"column {column.name}: dates not written as yyyy-mm-dd",)
    return Values(array.take(encoded.indices), bad, assumed)


def codes_of(encoded: pa.DictionaryArray) -> NDArray[np.int64]:
    """Return the indices of a dictionary array, -1 where the cell is empty."""
    return np.asarray(pc.fill_null(encoded.indices, -1).to_numpy(zero_copy_only=False), dtype=np.int64)


def coded(codes: NDArray[np.int64], words: list[str]) -> pa.DictionaryArray:
    """Return words by their codes (-1 for an empty cell), stored as codes: far faster to query than text."""
    indices = pa.array(codes.astype(np.int32), mask=codes < 0)
    return pa.DictionaryArray.from_arrays(indices, pa.array(words, pa.string()))


def spellings(column: str, pairs: list[tuple[str, str]]) -> tuple[str, ...]:
    """Report which words were replaced by which; ``pairs`` are words of the schema's vocabulary only."""
    other = [(word, meaning) for word, meaning in pairs if word != meaning]
    if not other:
        return ()
    named = ", ".join(f"{word!r} is {meaning}" for word, meaning in sorted(other)[:_NAMED])
    more = f", and {len(other) - _NAMED} more spellings" if len(other) > _NAMED else ""
    return (f"column {column}: {named}{more}",)


def _typed(cells: pa.Array, column: Column) -> pa.Array | None:
    """Pass on a Parquet column that has the right type already."""
    kind = cells.type
    if column.kind == "number" and (pa.types.is_floating(kind) or pa.types.is_integer(kind)):
        numbers = cells.cast(pa.float64())
        return _whole(pc.if_else(pc.is_nan(numbers), None, numbers))
    if column.kind == "integer" and pa.types.is_signed_integer(kind):
        return _whole(cells.cast(pa.int64()))
    if column.kind == "flag" and pa.types.is_boolean(kind):
        return _whole(cells)
    return None


def _whole(cells: pa.Array) -> pa.Array:
    return cells.combine_chunks() if isinstance(cells, pa.ChunkedArray) else cells


def _reader(column: Column, declaration: Declaration) -> Callable[[str], Any] | None:
    if column.kind == "integer":
        return _read_integer
    if column.kind == "number":
        return read_number
    if column.kind == "date":
        return read_date
    if column.kind == "flag":
        return lambda word: {"true": True, "false": False}.get(FLAG.get(loosely(word), ""))
    if column.kind == "term":
        terms = term_words(declaration.terms)
        return lambda word: read_term(word, terms, declaration.terms)
    if column.kind == "subject":
        subjects = subject_words(declaration)
        return lambda word: subjects.get(loosely(word))
    if column.values:
        values = value_words(column)
        return lambda word: values.get(loosely(word))
    return None


def _read_integer(word: str) -> int | None:
    number = read_number(word)
    return int(number) if number is not None and abs(number) < 2**53 and number == int(number) else None


@dataclass
class TidyTable:
    """A table with canonical columns and ``row``; ``data`` is None if its header is unusable."""

    table: Table
    file: str
    format: str
    n_rows: int
    data: pa.Table | None = None
    wide: bool = False
    findings: list[Finding] = field(default_factory=list)
    assumed: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Scales:
    """The grade scales of the cohorts present."""

    scales: tuple[Scale, ...]
    of_cohort: dict[int, int]

    def all_words(self) -> frozenset[str]:
        """Return every spelling of a grade on any of them, without case."""
        return frozenset(word for scale in self.scales for word in grade_words(scale))


def scales_of(declaration: Declaration, cohorts: Sequence[int], file: str) -> tuple[Scales, list[Finding]]:
    """Find the scale of each cohort; a cohort without a scale or rule is a finding."""
    scales: list[Scale] = []
    of_cohort: dict[int, int] = {}
    findings = []
    for cohort in cohorts:
        try:
            scale = declaration.grading(cohort).scale
        except GradingError as error:
            what = error.what[:1].lower() + error.what[1:]
            findings.append(fatal("cohorts.no_scale", file, "cohort", what=what, remedy=error.remedy))
            continue
        if scale not in scales:
            scales.append(scale)
        of_cohort[cohort] = scales.index(scale)
    return Scales(tuple(scales), of_cohort), findings


def tidy_table(
    raw: RawTable, table: Table, declaration: Declaration, scales: Scales, students: pa.Table | None
) -> TidyTable:
    """Make a raw table tidy; ``students``, the tidy students, decide the scale of each row of grades."""
    raw, repeated = _without_headers(raw)
    header = understand_header(raw, table, subject_words(declaration), scales.all_words())
    tidy = TidyTable(table, raw.file, raw.format, raw.n_rows, wide=bool(header.subjects))
    tidy.findings += [*raw.broken, *header.findings]
    tidy.assumed += [*raw.assumed, *repeated, *header.assumed]
    if not header.usable:
        return tidy
    data: dict[str, pa.Array] = {}
    for column in table.columns:
        if column.name in header.columns and column.kind != "grade":
            data[column.name] = _column(raw, header.columns[column.name], column, declaration, tidy)
    rows = raw.rows
    if table.column("grade") is not None:
        data, rows = _with_grades(raw, header, data, scales, students, tidy)
    tidy.data = pa.table({**{c.name: data[c.name] for c in table.columns if c.name in data}, "row": pa.array(rows)})
    return tidy


def _without_headers(raw: RawTable) -> tuple[RawTable, list[str]]:
    """Leave out rows that repeat the header, as files have that were put together."""
    is_header = np.ones(len(raw.rows), dtype=bool)
    for name, column in zip(raw.header, raw.columns, strict=True):
        if not pa.types.is_string(column.type) or not is_header.any():
            return raw, []
        same = pc.equal(pc.utf8_trim_whitespace(column), name)
        is_header &= np.asarray(pc.fill_null(same, not name).to_numpy(zero_copy_only=False), dtype=bool)
    if not is_header.any():
        return raw, []
    kept = pa.array(~is_header)
    columns = tuple(column.filter(kept) for column in raw.columns)
    told = f"{int(is_header.sum()):,} rows repeat the header and were left out"
    return replace(raw, columns=columns, rows=raw.rows[~is_header]), [told]


def empty_table(table: Table) -> pa.Table:
    """Return a table without rows, with the columns that are needed."""
    types = {"integer": pa.int64(), "number": pa.float64(), "flag": pa.bool_()}
    fields = [pa.field(c.name, types.get(c.kind, pa.string())) for c in table.columns if c.required]
    return pa.schema([*fields, pa.field("row", pa.int64())]).empty_table()


def _column(raw: RawTable, position: int, column: Column, declaration: Declaration, tidy: TidyTable) -> pa.Array:
    values = values_of(raw.columns[position], column, declaration)
    tidy.assumed += values.assumed
    if values.bad.any():
        said = message(f"values.not_{column.kind}", column.name)
        tidy.findings.append(about_rows(said, raw.file, raw.rows[values.bad]))
    return values.array


def _with_grades(
    raw: RawTable, header: Header, data: dict[str, pa.Array], scales: Scales, students: pa.Table | None, tidy: TidyTable
) -> tuple[dict[str, pa.Array], Rows]:
    """Add the grade column, and reshape a wide table to long."""
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


def _grade_codes(columns: Sequence[pa.Array]) -> tuple[NDArray[np.int64], list[str]]:
    """Return the cells of all columns as codes (-1 for an empty cell), rows by columns, and the word of each code."""
    place: dict[str, int] = {}
    codes = []
    for column in columns:
        encoded = text_of(column)[0].dictionary_encode()
        translate = [place.setdefault(word, len(place)) for word in encoded.dictionary.to_pylist()]
        # The last entry is for an empty cell (-1).
        codes.append(np.array([*translate, -1], dtype=np.int64)[codes_of(encoded)])
    return np.column_stack(codes), list(place)


def _scale_of_rows(ids: pa.Array, scales: Scales, students: pa.Table | None) -> NDArray[np.int64]:
    """Return the scale of each row; the last one is for students without any."""
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
    """Convert codes of cells to codes of grades, each row by its own scale; unknown words stay unchanged."""
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
