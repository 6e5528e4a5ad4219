"""The grade file of years 6 and 9 that schools send to Statistics Sweden (SCB)."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from nbanalytics.municipal.merge import pairs_of_schools, settle, standing_of
from nbanalytics.municipal.pseudonyms import IDENTITY_CODES, Identities, Key, identities, new_key
from nbanalytics.municipal.recognise import FileRead
from nbanalytics.municipal.scb_cells import Cells, Notes, dates, graded, language_given, names_given, schools
from nbanalytics.municipal.scb_layouts import (
    DATE,
    FIRST,
    HEADER_NAMES,
    LAST,
    PERSON,
    SCHOOL,
    Shape,
    Text,
    cells_of,
    columns_of,
    lines_of,
    open_text,
    parse,
    recognised,
    shape_of,
)
from nbanalytics.readers.csv_file import DELIMITERS
from nbanalytics.readers.findings import Finding, Noted, Rows, UnreadableError, fatal
from nbanalytics.readers.report import FileReport

if TYPE_CHECKING:
    import pandas as pd
import pandas as pd

from nbanalytics.municipal.pseudonyms import SEXES, as_text
from nbanalytics.municipal.scb_layouts import Layout

#: Codes for a subject that was read and assessed, besides the grades.
_JUDGED = ("-", "adapted")


def check_block(layout: Layout, grades: np.ndarray, languages: dict[str, np.ndarray], rows: Rows, notes: Notes) -> None:
    """Check a block of pupils; faults are reported as remarks, and the grades stay unchanged."""
    values = layout.values
    judging = np.array([value in layout.grades or value in _JUDGED for value in values])
    subjects = [subject for column, subject in layout.grade_column.items() if column in notes.shape.names]
    places = [list(layout.grade_column.values()).index(subject) for subject in subjects]
    column = {subject: grades[:, place] for subject, place in zip(subjects, places, strict=True)}
    given = {subject: judging[codes] for subject, codes in column.items()}
    code2 = values.index("not_graded") if "not_graded" in values else -1
    for block, members in layout.blocks.items():
        _check_block_grade(block, [m for m in members if m in given], given, column, code2, rows, notes)
    if all(subject in given for subject in layout.alternates) and layout.alternates:
        named = " and ".join(layout.alternates)
        both = np.all([given[subject] for subject in layout.alternates], axis=0)
        neither = np.all([column[subject] == code2 for subject in layout.alternates], axis=0)
        notes.remark(rows[both], "grades.both_alternates/scb", named=named)
        notes.remark(rows[neither], "grades.no_alternate", named=named)
    for subject, has_name in languages.items():
        if subject in column:
            notes.remark(rows[has_name & (column[subject] == 0)], "scb.language_without_grade", subject=subject)
            notes.remark(rows[given[subject] & ~has_name], "scb.grade_without_language", subject=subject)
    for subject in layout.compulsory:
        if subject in column:
            notes.remark(rows[column[subject] == code2], "scb.compulsory_not_graded", subject=subject)
    optional = set(layout.language_column.values())
    empty = np.zeros(len(rows), dtype=bool)
    for subject, codes in column.items():
        if subject not in optional:
            empty |= codes == 0
    notes.remark(rows[empty], "scb.empty_grade")


def _check_block_grade(
    block: str,
    members: list[str],
    given: dict[str, np.ndarray],
    column: dict[str, np.ndarray],
    code2: int,
    rows: Rows,
    notes: Notes,
) -> None:
    if block not in given or not members:
        return
    listed = ", ".join(members)
    # The subjects of a block grade have code 2; a grade besides the block's counts as one more pass.
    any_member = np.any([given[member] for member in members], axis=0)
    notes.remark(rows[given[block] & any_member], "scb.block_and_subjects", block=block, listed=listed)
    none = (column[block] == code2) & np.all([column[member] == code2 for member in members], axis=0)
    notes.remark(rows[none], "scb.no_block_grade", block=block, listed=listed)


def check_repeats(pupils: Pupils, codes: Iterable[str], notes: Notes) -> np.ndarray:
    """Find duplicate pupils; returns the rows to keep.

    Repeated rows are rejected. Of contradictory rows one is kept, with the grades that :func:`settle` decides for;
    where nothing decides, all are rejected.
    """
    keep = np.ones(pupils.count, dtype=bool)
    front = np.ascontiguousarray(pupils.digests[:, :8]).view(np.uint64).ravel()
    ordered = np.sort(front)
    alike = ordered[1:][ordered[1:] == ordered[:-1]]
    if not len(alike):
        return keep
    groups: dict[bytes, list[int]] = {}
    for place in np.flatnonzero(np.isin(front, alike)).tolist():
        groups.setdefault(pupils.digests[place].tobytes(), []).append(place)
    repeats: list[int] = []
    contested: list[list[int]] = []
    for members in groups.values():
        first = {_content(pupils, member): member for member in reversed(members)}
        repeats += sorted({*members} - {*first.values()})
        contested += [sorted(first.values())] if len(first) > 1 else []
    lost, undecided = _decided(pupils, contested, list(codes), notes) if contested else ([], [])
    keep[repeats + lost + undecided] = False
    notes.fault(pupils.rows[np.array(repeats, dtype=int)], "rows.repeated/scb", PERSON)
    notes.fault(pupils.rows[np.array(undecided, dtype=int)], "rows.contradictory/scb", PERSON)
    notes.lost += pupils.rows[lost].tolist()
    return keep


def _content(pupils: Pupils, place: int) -> tuple[bytes, int, int]:
    return pupils.grades[place].tobytes(), int(pupils.day[place]), int(pupils.school[place])


def _decided(pupils: Pupils, groups: list[list[int]], codes: list[str], notes: Notes) -> tuple[list[int], list[int]]:
    """Put the grades that hold in one row of each group; returns the other rows, and the rows of undecided pupils."""
    places = np.concatenate(groups).astype(int)
    rows = pd.DataFrame({"pupil": np.repeat(np.arange(len(groups)), [len(group) for group in groups]), "place": places})
    rows = rows.assign(cohort=pupils.cohort[places], _day=pupils.day[places], school=pupils.school[places])
    # Who repeated the year has the grades of the last one.
    rows = rows[rows.groupby("pupil")["cohort"].transform("max").eq(rows["cohort"])]
    at, subject = np.nonzero(pupils.grades[rows["place"]])
    cells = rows[["pupil", "place", "_day"]].iloc[at].assign(subject=subject).reset_index(drop=True)
    cells["code"] = pupils.grades[cells["place"], subject]
    known = standing_of(pd.Series(np.array(notes.shape.layout.values)[cells["code"]]))
    cells = cells.assign(_real=known // 2, _known=known)
    standing = ["_real", "_day", "_known"]
    kept, tied = settle(cells[["pupil", "subject", *standing, "code"]], ["pupil", "subject"], standing)
    # The school is that of the row that most of the kept grades are from.
    holds = cells["code"].eq(cells["code"].where(kept).groupby([cells["pupil"], cells["subject"]]).transform("first"))
    rows = rows.assign(_kept=rows["place"].map(holds.groupby(cells["place"]).sum()).fillna(0))
    nowhere = settle(rows[["pupil", "_kept", "_day", "school"]], ["pupil"], ["_kept", "_day"])[1]
    rows = rows.assign(school=rows["school"].mask(nowhere, -1), own=rows["school"])
    winners = rows.sort_values(["_kept", "_day"], ascending=False, kind="stable").groupby("pupil")["place"].first()
    open_pupils = cells["pupil"][tied].unique().tolist()
    undecided = [place for pupil in open_pupils for place in groups[pupil]]
    for winner in winners:
        pupils.grades[winner] = 0
    pupils.grades[winners[cells["pupil"][kept]], cells["subject"][kept]] = cells["code"][kept]
    pupils.school[rows["place"]] = rows["school"]
    decided = rows[~rows["pupil"].isin(open_pupils)]
    named = pd.Series(np.array([*codes, None], dtype=object)[decided["own"]], decided.index)
    schools = pairs_of_schools(decided["pupil"], named) or "the same school"
    notes.remark(pupils.rows[decided["place"]], "rows.two_schools", PERSON, schools=schools)
    notes.remark(pupils.rows[rows["place"][nowhere]], "rows.two_schools/no_school", SCHOOL)
    return sorted({*places.tolist()} - {*winners, *undecided}), undecided


#: Number of pupils per block of the long table.
_STEP = 20_000


def tables_of(pupils: Pupils, shape: Shape, codes: list[str]) -> tuple[dict[str, pd.DataFrame], pd.Series]:
    """Return students and grades, and the pupils' days; memory of the pupils is freed on the way."""
    layout = shape.layout
    ids = _text(as_text(pupils.digests))
    days = pd.Series(pupils.day, ids)
    grades = _grades(pupils.grades, ids, shape)
    del pupils.grades, pupils.digests, pupils.rows
    school = pa.array([*codes, None], pa.string()).take(
        pa.array(np.where(pupils.school < 0, len(codes), pupils.school))
    )
    students = pd.DataFrame(
        {
            "student_id": ids,
            "cohort": pupils.cohort.astype("int64"),
            "sex": _text(pa.array(SEXES, pa.string()).take(pa.array(pupils.sex))),
            "birth_year": pd.array(pupils.birth_year, dtype="Int64"),
            "school_id" if layout.year == 9 else "school_id_y6": _text(school),
        },
        copy=False,
    )
    return {"students": students, "grades": grades}, days


def _text(column: pa.Array) -> pd.Series:
    return pd.Series(column.to_pandas(types_mapper={pa.string(): pd.Series([""]).dtype}.get))


def _grades(grades: np.ndarray, ids: pd.Series, shape: Shape) -> pd.DataFrame:
    """Return one row for each grade or code, in the order of pupils and subjects."""
    layout = shape.layout
    total = int(np.count_nonzero(grades))
    student = np.empty(total, dtype=np.int32)
    subject, grade = np.empty(total, dtype=np.int8), np.empty(total, dtype=np.int8)
    end = 0
    for start in range(0, len(grades), _STEP):
        block = grades[start : start + _STEP]
        row, column = np.nonzero(block)
        begin, end = end, end + len(row)
        student[begin:end], subject[begin:end] = row + start, column
        grade[begin:end] = block[row, column] - 1
    term = np.zeros(total, dtype=np.int8)
    return pd.DataFrame(
        {
            "student_id": _coded(student, ids),
            "term": _coded(term, pd.Series([f"{layout.year}VT"])),
            "subject": _coded(subject, pd.Series(list(layout.grade_column.values()))),
            "grade": _coded(grade, pd.Series(layout.values[1:])),
        },
        copy=False,
    )


def _coded(codes: np.ndarray, words: pd.Series) -> pd.Categorical:
    # The pickled state skips the constructor, which would make a Python object of every pseudonym to check uniqueness;
    # the reader has already checked it.
    kind = pd.CategoricalDtype()
    kind.__setstate__({"categories": pd.Index(words), "ordered": False})  # type: ignore[attr-defined]
    return pd.Categorical.from_codes(codes, dtype=kind, validate=False)


FORMAT = "scb"


@dataclass
class Pupils:
    """Rows of the file without anything that names a pupil, in arrays that are allocated once.

    ``rows`` are row numbers as shown in the file; ``fault``, ``sex`` and ``birth_year`` are those of
    :class:`nbanalytics.municipal.pseudonyms.Identities`; ``cohort`` and ``day`` (yyyymmdd) are 0 where the date is
    none; ``school`` is a place in the reader's list of schools, or -1; ``grades`` has a column for each graded column
    of the layout, with places in the layout's values.
    """

    rows: np.ndarray
    digests: np.ndarray
    fault: np.ndarray
    sex: np.ndarray
    birth_year: np.ndarray
    cohort: np.ndarray
    day: np.ndarray
    school: np.ndarray
    grades: np.ndarray
    count: int = 0

    @classmethod
    def room(cls, most: int, subjects: int) -> Pupils:
        """Allocate arrays; the system only assigns memory that is written to."""
        return cls(
            rows=np.empty(most, dtype=np.int32),
            digests=np.empty((most, 10), dtype=np.uint8),
            fault=np.empty(most, dtype=np.int8),
            sex=np.empty(most, dtype=np.int8),
            birth_year=np.empty(most, dtype=np.int16),
            cohort=np.empty(most, dtype=np.int16),
            day=np.empty(most, dtype=np.int32),
            school=np.empty(most, dtype=np.int32),
            grades=np.empty((most, subjects), dtype=np.int8),
        )

    def add(self, **columns: np.ndarray) -> None:
        """Store a block of rows."""
        end = self.count + len(columns["rows"])
        for name, values in columns.items():
            getattr(self, name)[self.count : end] = values
        self.count = end

    def keep(self, mask: np.ndarray) -> None:
        """Remove rows."""
        for name in ("rows", "digests", "fault", "sex", "birth_year", "cohort", "day", "school", "grades"):
            column = getattr(self, name)
            setattr(self, name, column[: self.count] if mask.all() else column[: self.count][mask])
        self.count = len(self.rows)


def matches(path: Path, head: bytes) -> bool:
    """Whether the first bytes are those of a grade file."""
    return recognised(lines_of(head))


def read_scb(path: str | Path, *, key: Key | None = None) -> FileRead:
    r"""Read a grade file; see ``docs/scb.md``.

    Parameters
    ----------
    path : str or Path
        Text with semicolons, one row for each pupil, with or without a header.
    key : Key, optional
        Makes pseudonyms; without it a random key is used once and discarded.

    Returns
    -------
    FileRead
        With the tables ``students`` (``student_id, cohort, sex, birth_year`` and ``school_id``, or ``school_id_y6``
        from a file of year 6) and ``grades`` (``student_id, term, subject, grade``). Text columns of the grades are
        categorical, so that a million pupils fit into memory. Neither numbers nor names are kept.

    Examples
    --------
    >>> import tempfile
    >>> row = "B;20180615;1;200203122384;12345678;9A;Ada;Ek;C;B;E;D;A;;;FR;C;;;B;C;C;D;E;E;C;C;B;C;2;2;C;"
    >>> file = Path(tempfile.mkdtemp()) / "grades.txt"
    >>> _ = file.write_text(row + "\n", encoding="utf-8")
    >>> read = read_scb(file, key=Key(b"9c41d7e2b85f03a66e1fd0947ab8352c"))
    >>> print(*read.tables["students"].iloc[0])
    PZJV23F3NXKNWRFPS 2018 girl 2002 12345678
    >>> read.tables["grades"]["grade"].value_counts()["not_graded"].item()
    2
    """
    file = Path(path)
    try:
        text = open_text(file)
        with file.open("rb") as stream:
            lines = lines_of(stream.read(262_144))
        if not lines:
            raise UnreadableError("the file is empty or not text", "Export it again.")
        return _read(text, shape_of(lines), new_key() if key is None else key)
    except UnreadableError as error:
        finding = fatal("files.unreadable", file.name, what=error.what, remedy=error.remedy)
    except OSError as error:
        what = f"the file cannot be opened ({error.strerror})"
        finding = fatal("files.unreadable", file.name, what=what, remedy="Check that it may be read.")
    return FileRead(FileReport(file.name, FORMAT, 0, 0, findings=(finding,)))


def _read(text: Text, shape: Shape, key: Key) -> FileRead:
    notes = Notes(Noted(text.path.name), shape)
    pupils = Pupils.room(text.most_lines, len(shape.layout.grade_column))
    codes: dict[str, int] = {}
    for (table, places, ragged), block, line in _parsed(text, shape):
        is_header = _headers(block, table, places, ragged, line, shape)
        notes.headers += int(is_header.sum())
        table, places = (table.filter(pa.array(~is_header)), places[~is_header]) if is_header.any() else (table, places)
        notes.rows += len(places) + len(ragged)
        if len(ragged):
            notes.fault(ragged + line, "rows.wrong_number_of_cells/scb", cells=len(shape.names))
        _add(pupils, table, places + line, shape, key, codes, notes)
    return _finish(text, shape, pupils, codes, notes)


def _headers(block: bytes, table: pa.Table, places: Rows, ragged: Rows, line: int, shape: Shape) -> np.ndarray:
    """Return which rows of a block are headers: of the file, or of a file that was put behind another.

    Raises an UnreadableError at a header with other columns, or in another order, than the first.
    """
    # No pupil's date is the name of a column, and a block has few different dates.
    days = table.column(DATE).combine_chunks()
    named = [bool(columns_of([word], shape.layout)) for word in days.dictionary.to_pylist()]
    candidates = places[np.array([*named, False], dtype=bool)[days.indices.to_numpy(zero_copy_only=False)]]
    lines = block.split(b"\n") if len(candidates) or len(ragged) else []
    found = []
    for place in (*candidates.tolist(), *ragged.tolist()):
        # A pupil's row has an identity number.
        cells = [] if re.search(rb"\d{6}", lines[place]) else cells_of(lines[place].decode(), shape.delimiter)
        columns = columns_of(cells, shape.layout)
        if sum(map(bool, columns)) < HEADER_NAMES:
            continue
        if place in ragged or columns != columns_of(shape.names, shape.layout):
            raise UnreadableError(
                f"row {line + place:,} is a second header, with other columns or another order than the first",
                "Name the files that were put together one by one instead.",
            )
        found.append(place)
    return np.isin(places, found)


def _parsed(text: Text, shape: Shape) -> Iterator[tuple[tuple[pa.Table, Rows, Rows], bytes, int]]:
    """Parse a block with Arrow while Python hashes the previous one."""
    types = _types(shape)
    with ThreadPoolExecutor(1) as parser:
        waiting: deque[tuple[Future[tuple[pa.Table, Rows, Rows]], bytes, int]] = deque()
        for block, line in text.blocks():
            parsing = parser.submit(parse, block, shape.names, types, shape.delimiter, shape.quoted)
            waiting.append((parsing, block, line))
            if len(waiting) > 1:
                ahead, own, first = waiting.popleft()
                yield ahead.result(), own, first
        for ahead, own, first in waiting:
            yield ahead.result(), own, first


def _types(shape: Shape) -> dict[str, pa.DataType]:
    """Return the columns to read; repetitive columns as dictionaries."""
    layout = shape.layout
    text, again = pa.string(), pa.dictionary(pa.int32(), pa.string())
    wanted = {PERSON: text, FIRST: text, LAST: text, SCHOOL: again, DATE: again}
    wanted |= dict.fromkeys((*layout.grade_column, *layout.language_column), again)
    return {name: kind for name, kind in wanted.items() if name in shape.names}


def _add(
    pupils: Pupils, table: pa.Table, rows: Rows, shape: Shape, key: Key, codes: dict[str, int], notes: Notes
) -> None:
    """Read a block: pupils go to ``pupils``, faults to ``notes``."""
    columns = {name: Cells.of(table.column(name)) for name in table.column_names}
    grades = graded(columns, shape, rows, notes)
    person = table.column(PERSON).combine_chunks()
    found = identities(person)
    empty = _empty(found, grades, columns)
    if empty.any():
        notes.empty += int(empty.sum())
        notes.rows -= int(empty.sum())
    keep = ~empty
    for fault in (1, 2):
        notes.fault(rows[keep & (found.fault == fault)], IDENTITY_CODES[fault], PERSON)
    notes.misfit(PERSON, int((found.fault[keep] == 1).sum()), int(keep.sum()))
    cohort, day = dates(columns[DATE], shape, rows, keep, notes)
    school = schools(columns.get(SCHOOL), rows, keep, codes, notes)
    names_given(table, keep, notes)
    languages = language_given(columns, shape)
    check_block(shape.layout, grades[keep], {name: given[keep] for name, given in languages.items()}, rows[keep], notes)
    notes.remark(rows[keep & found.unchecked], "identity.check_digit", PERSON)
    notes.temporary += int(found.temporary[keep].sum())
    notes.short += int(found.short[keep].sum())
    pupils.add(
        rows=rows[keep],
        digests=key.digests(found.numbers[keep]),
        fault=found.fault[keep],
        sex=found.sex[keep],
        birth_year=found.birth_year[keep],
        cohort=cohort[keep],
        day=day[keep],
        school=school[keep],
        grades=grades[keep],
    )


def _empty(found: Identities, grades: np.ndarray, columns: dict[str, Cells]) -> np.ndarray:
    """Rows with only delimiters, as a spreadsheet leaves them, are not pupils."""
    empty: np.ndarray = (found.fault == 1) & (grades == 0).all(axis=1)
    for name in (DATE, SCHOOL, PERSON):
        if name in columns and empty.any():
            empty &= columns[name].blank()
    return empty


def _finish(text: Text, shape: Shape, pupils: Pupils, codes: dict[str, int], notes: Notes) -> FileRead:
    misfits = notes.misfits()
    if not notes.rows:
        misfits = [fatal("tables.empty/scb", text.path.name)]
    if misfits:
        return FileRead(_unusable(text, pupils, notes, misfits))
    fine = ~np.isin(pupils.rows[: pupils.count], notes.noted.rejected())
    pupils.keep(fine)
    pupils.keep(check_repeats(pupils, codes, notes))
    findings = notes.findings()
    nobody = [] if pupils.count else [fatal("tables.no_usable_row/scb", text.path.name)]
    tables, days = tables_of(pupils, shape, list(codes)) if pupils.count else ({}, None)
    # Only a TF-number does not contain the sex.
    temporary = frozenset(tables["students"]["student_id"][tables["students"]["sex"].isna()]) if tables else frozenset()
    assumed, missing = _assumed(text, shape, notes), _missing(shape)
    found = (*findings, *nobody)
    besides = [(row, "another row of the same pupil is kept") for row in notes.lost]
    report = FileReport.of_rows(text.path.name, FORMAT, notes.rows, found, assumed, missing, besides, shape.unread)
    return FileRead(report, tables, days, temporary)


def _unusable(text: Text, pupils: Pupils, notes: Notes, misfits: list[Finding]) -> FileReport:
    """Report on a file with other content, column by column instead of row by row."""
    rows = np.union1d(pupils.rows[: pupils.count], notes.noted.rejected()).tolist()
    named = ", ".join(finding.column for finding in misfits)
    rejected = tuple((row, f"the file cannot be used because of {named}") for row in rows)
    return FileReport(text.path.name, FORMAT, notes.rows, len(rejected), rejected, findings=tuple(misfits))


def _assumed(text: Text, shape: Shape, notes: Notes) -> tuple[str, ...]:
    how = "by their headers" if shape.header else "no header: columns by position"
    lines = [
        f"encoding {text.encoding}",
        f"delimiter {DELIMITERS[shape.delimiter]}",
        f"layout of {shape.layout.name}; {how}",
        *([f"{notes.headers - shape.header:,} further headers are not pupils"] if notes.headers > shape.header else []),
        *notes.told(),
    ]
    return tuple(lines)


def _missing(shape: Shape) -> tuple[str, ...]:
    lacking = []
    if SCHOOL not in shape.names:
        lacking.append(f"no column {SCHOOL}: nothing can be shown by school")
    absent = [s for column, s in shape.layout.grade_column.items() if column not in shape.names]
    if absent:
        lacking.append(f"no column of grades in {', '.join(absent)}: those grades count as not given")
    return tuple(lacking)
