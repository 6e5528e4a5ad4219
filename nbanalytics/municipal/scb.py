"""The grade file of years 6 and 9 that schools send to Statistics Sweden (SCB)."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from nbanalytics.municipal.pseudonyms import FAULTS, Identities, Key, identities, new_key
from nbanalytics.municipal.recognise import FileRead
from nbanalytics.municipal.scb_cells import Cells, Notes, dates, graded, language_given, names_given, schools
from nbanalytics.municipal.scb_layouts import DATE, FIRST, LAST, PERSON, SCHOOL, Shape, recognised, shape_of
from nbanalytics.municipal.scb_rules import check_block, check_repeats
from nbanalytics.municipal.scb_tables import tables_of
from nbanalytics.municipal.scb_text import Text, lines_of, open_text, parse
from nbanalytics.readers.encoding import DELIMITERS
from nbanalytics.readers.findings import Finding, Rows, fatal
from nbanalytics.readers.raw import UnreadableError
from nbanalytics.readers.report import FileReport, reasons_by_row

if TYPE_CHECKING:
    import pandas as pd

FORMAT = "scb"


@dataclass
class Pupils:
    """Rows of the file without anything that names a pupil; room is made for all of them once.

    Attributes
    ----------
    rows : array of int
        Row numbers as a person sees them.
    digests : array of bytes
        What pseudonyms are made of.
    fault, sex, birth_year : array of int
        What the identity numbers told, as in :class:`nbanalytics.municipal.pseudonyms.Identities`.
    cohort : array of int
        0 where the date is none.
    school : array of int
        Place in the reader's list of schools, or -1.
    grades : array of int
        One column for each graded column of the layout; a place in the layout's values.
    """

    rows: Any
    digests: Any
    fault: Any
    sex: Any
    birth_year: Any
    cohort: Any
    school: Any
    grades: Any
    count: int = 0

    @classmethod
    def room(cls, most: int, subjects: int) -> Pupils:
        """Make room; memory that is never written to is never taken."""
        return cls(
            rows=np.empty(most, dtype=np.int32),
            digests=np.empty((most, 10), dtype=np.uint8),
            fault=np.empty(most, dtype=np.int8),
            sex=np.empty(most, dtype=np.int8),
            birth_year=np.empty(most, dtype=np.int16),
            cohort=np.empty(most, dtype=np.int16),
            school=np.empty(most, dtype=np.int32),
            grades=np.empty((most, subjects), dtype=np.int8),
        )

    def add(self, **columns: Any) -> None:
        """Put in a block of rows."""
        end = self.count + len(columns["rows"])
        for name, values in columns.items():
            getattr(self, name)[self.count : end] = values
        self.count = end

    def keep(self, mask: Any) -> None:
        """Take out rows."""
        for name in ("rows", "digests", "fault", "sex", "birth_year", "cohort", "school", "grades"):
            column = getattr(self, name)
            setattr(self, name, column[: self.count] if mask.all() else column[: self.count][mask])
        self.count = len(self.rows)


def matches(path: Path, head: bytes) -> bool:
    """Whether the first bytes of a file are those of a grade file."""
    return recognised(lines_of(head))


def read_scb(path: str | Path, *, key: Key | None = None) -> FileRead:
    r"""Read a grade file; see ``docs/scb.md``.

    Parameters
    ----------
    path : str or Path
        Text with semicolons, one row for each pupil, with or without a header.
    key : Key, optional
        What makes pseudonyms; without one a key is drawn and thrown away.

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
    >>> read = read_scb(file, key=Key(b"0123456789abcdef0123456789abcdef"))
    >>> print(*read.tables["students"].iloc[0])
    PZTBB6F54B6UXQUJK 2018 girl 2002 12345678
    >>> read.tables["grades"]["grade"].value_counts()["not_graded"].item()
    2
    """
    file = Path(path)
    try:
        text = open_text(file)
        with file.open("rb") as stream:
            lines = lines_of(stream.read(262_144))
        if not lines:
            raise UnreadableError("the file is empty or no text", "Export it again.")
        return _read(text, shape_of(lines), new_key() if key is None else key)
    except UnreadableError as error:
        finding = fatal(file.name, error.what, error.remedy)
    except OSError as error:
        finding = fatal(file.name, f"the file cannot be opened ({error.strerror})", "Check that it may be read.")
    return FileRead(FileReport(file.name, FORMAT, 0, 0, findings=(finding,)))


def _read(text: Text, shape: Shape, key: Key) -> FileRead:
    notes = Notes(text.path.name, shape)
    pupils = Pupils.room(text.most_lines, len(shape.layout.grade_column))
    codes: dict[str, int] = {}
    header = shape.header
    for (table, places, ragged), line in _parsed(text, shape):
        if header and (len(places) or len(ragged)):
            top = min([*places[:1].tolist(), *ragged[:1].tolist()])
            table = table.slice(1) if len(places) and places[0] == top else table
            places, ragged, header = places[places != top], ragged[ragged != top], False
        notes.rows += len(places) + len(ragged)
        if len(ragged):
            remedy = f"A row has {len(shape.names)} cells; perhaps a name holds the delimiter, or the file was cut off."
            notes.fault("", "more or fewer cells than the layout", remedy, ragged + line)
        _add(pupils, table, places + line, shape, key, codes, notes)
    return _finish(text, shape, pupils, codes, notes)


def _parsed(text: Text, shape: Shape) -> Iterator[tuple[tuple[Any, Rows, Rows], int]]:
    """Parse a block while the one before it is being hashed: the one is Arrow's work, the other Python's."""
    types = _types(shape)
    with ThreadPoolExecutor(1) as parser:
        waiting: deque[tuple[Any, int]] = deque()
        for block, line in text.blocks():
            waiting.append((parser.submit(parse, block, shape.names, types, shape.delimiter, shape.quoted), line))
            if len(waiting) > 1:
                ahead, first = waiting.popleft()
                yield ahead.result(), first
        for ahead, first in waiting:
            yield ahead.result(), first


def _types(shape: Shape) -> dict[str, Any]:
    """Return the columns that are read at all; what is written again and again is taken in as a dictionary."""
    layout = shape.layout
    text, again = pa.string(), pa.dictionary(pa.int32(), pa.string())
    wanted = {PERSON: text, FIRST: text, LAST: text, SCHOOL: again, DATE: again}
    wanted |= dict.fromkeys((*layout.grade_column, *layout.language_column), again)
    return {name: kind for name, kind in wanted.items() if name in shape.names}


def _add(pupils: Pupils, table: Any, rows: Rows, shape: Shape, key: Key, codes: dict[str, int], notes: Notes) -> None:
    """Read a block: what it says of pupils goes to ``pupils``, what is wrong with it to ``notes``."""
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
        notes.fault(PERSON, FAULTS[fault], "Mend the number.", rows[keep & (found.fault == fault)])
    notes.misfit(PERSON, int((found.fault[keep] == 1).sum()), int(keep.sum()))
    cohort = dates(columns[DATE], shape, rows, keep, notes)
    school = schools(columns.get(SCHOOL), rows, keep, codes, notes)
    names_given(table, keep, notes)
    languages = language_given(columns, shape)
    check_block(shape.layout, grades[keep], {name: given[keep] for name, given in languages.items()}, rows[keep], notes)
    unchecked = "the check digit does not fit (kept: another number would be another pupil)"
    notes.remark(PERSON, unchecked, "Compare with the population register.", rows[keep & found.unchecked])
    notes.temporary += int(found.temporary[keep].sum())
    notes.short += int(found.short[keep].sum())
    pupils.add(
        rows=rows[keep],
        digests=key.digests(found.numbers[keep]),
        fault=found.fault[keep],
        sex=found.sex[keep],
        birth_year=found.birth_year[keep],
        cohort=cohort[keep],
        school=school[keep],
        grades=grades[keep],
    )


def _empty(found: Identities, grades: Any, columns: dict[str, Cells]) -> Any:
    """Rows of delimiters only, as a spreadsheet leaves them, are no pupils."""
    empty = (found.fault == 1) & (grades == 0).all(axis=1)
    for name in (DATE, SCHOOL, PERSON):
        if name in columns and empty.any():
            empty &= columns[name].blank()
    return empty


def _finish(text: Text, shape: Shape, pupils: Pupils, codes: dict[str, int], notes: Notes) -> FileRead:
    misfits = notes.misfits()
    if not notes.rows:
        misfits = [fatal(text.path.name, "the file has no pupils", "Export it again.")]
    if misfits:
        return FileRead(_unusable(text, pupils, notes, misfits))
    fine = ~np.isin(pupils.rows[: pupils.count], notes.rejected())
    pupils.keep(fine)
    pupils.keep(check_repeats(pupils, notes))
    findings = notes.findings()
    reasons = reasons_by_row(findings)
    nobody = [] if pupils.count else [fatal(text.path.name, "no row can be used", "Mend the faults listed.")]
    tables: dict[str, pd.DataFrame] = tables_of(pupils, shape, list(codes)) if pupils.count else {}
    report = FileReport(
        file=text.path.name,
        format=FORMAT,
        rows=notes.rows,
        n_rejected=len(reasons),
        rejected=reasons,
        assumed=_assumed(text, shape, notes),
        missing=_missing(shape),
        findings=(*findings, *nobody),
    )
    return FileRead(report, tables)


def _unusable(text: Text, pupils: Pupils, notes: Notes, misfits: list[Finding]) -> FileReport:
    """Report on a file that holds something else: column by column, since thousands of wrong rows say less."""
    rows = np.union1d(pupils.rows[: pupils.count], notes.rejected()).tolist()
    named = ", ".join(finding.column for finding in misfits)
    rejected = tuple((row, f"the file cannot be used because of {named}") for row in rows)
    return FileReport(text.path.name, FORMAT, notes.rows, len(rejected), rejected, findings=tuple(misfits))


def _assumed(text: Text, shape: Shape, notes: Notes) -> tuple[str, ...]:
    how = "by their headers" if shape.header else "no header: columns by position"
    lines = [
        f"encoding {text.encoding}",
        f"delimiter {DELIMITERS[shape.delimiter]}",
        f"layout of {shape.layout.name}; {how}",
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
