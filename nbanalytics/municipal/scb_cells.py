"""The cells of a grade file: grades, dates, schools and names, and notes on unrecognised cells."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from nbanalytics.municipal.scb_layouts import DATE, FIRST, LAST, SCHOOL, Layout, Shape
from nbanalytics.readers.findings import Finding, Noted, Rows, fatal, may_be_shown, message
from nbanalytics.readers.words import read_date

#: With more misfits than this, and more than half of the cells, the column has other content.
_FEW = 3
#: Dates after July are from an export after the summer.
_LAST_MONTH = 7
_SAMPLE = 500


@dataclass
class Notes:
    """What is found block by block, reported once for the whole file."""

    noted: Noted
    shape: Shape
    rows: int = 0
    headers: int = 0
    empty: int = 0
    temporary: int = 0
    short: int = 0
    protected: int = 0
    late: int = 0
    loose: set[str] = field(default_factory=set)
    lost: list[int] = field(default_factory=list)
    _fits: dict[str, list[int]] = field(default_factory=dict)

    def fault(self, rows: Rows, key: str, column: str = "", **values: object) -> None:
        """Note rows that cannot be used."""
        self.noted.note(rows, message(key, column, **values))

    def remark(self, rows: Rows, key: str, column: str = "", **values: object) -> None:
        """Note rows to check."""
        self.noted.note(rows, message(key, column, **values), "remark")

    def misfit(self, column: str, bad: int, filled: int) -> None:
        """Count the cells of a column whose content is of another kind."""
        counts = self._fits.setdefault(column, [0, 0])
        counts[0] += bad
        counts[1] += filled

    def misfits(self) -> list[Finding]:
        """Return a finding for each column whose content does not match its name."""
        return [
            fatal("columns.other_content", self.noted.file, self.shape.label(column), bad=bad, filled=filled)
            for column, (bad, filled) in self._fits.items()
            if bad >= _FEW and bad * 2 > filled
        ]

    def findings(self) -> tuple[Finding, ...]:
        """Return what was noted, faults first."""
        return tuple(sorted(self.noted.findings(), key=lambda finding: finding.weight == "remark"))

    def told(self) -> list[str]:
        """Return what was assumed, in words."""
        lines = []
        if self.loose:
            lines.append(f"spaces around cells and lower case do not count ({', '.join(sorted(self.loose))})")
        if self.empty:
            lines.append(f"{self.empty:,} empty rows are not pupils")
        if self.short:
            lines.append(f"{self.short:,} identity numbers of ten digits: the century is assumed from the pupil's age")
        if self.temporary:
            lines.append(f"{self.temporary:,} TF-numbers: the pupil's sex is unknown")
        if self.protected:
            lines.append(f"{self.protected:,} pupils without a name or marked as protected are read like all others")
        if self.late:
            lines.append(f"{self.late:,} rows dated August to December: taken as grades of the spring before")
        return lines


@dataclass(frozen=True)
class Cells:
    """A column: its distinct trimmed cells, and the index of each row's cell."""

    words: list[str]
    places: np.ndarray
    trimmed: bool

    @classmethod
    def of(cls, column: pa.ChunkedArray) -> Cells:
        """Convert an Arrow column."""
        array = column.combine_chunks()
        if not pa.types.is_dictionary(array.type):
            # Only checked for blanks; the text is not kept.
            filled = pc.greater(pc.utf8_length(pc.utf8_trim_whitespace(array)), 0)
            return cls(["", "?"], filled.to_numpy(zero_copy_only=False).astype(np.int32), False)
        raw = array.dictionary.to_pylist()
        words = [word.strip().strip('"').strip() for word in raw]
        return cls(words, array.indices.to_numpy(zero_copy_only=False), words != raw)

    def look_up(self, meanings: Sequence[object], kind: type) -> np.ndarray:
        """Return the meaning of each row's cell."""
        return np.array(meanings, dtype=kind)[self.places] if self.words else np.empty(0, dtype=kind)

    def blank(self) -> np.ndarray:
        """Whether each row's cell is empty."""
        return self.look_up([not word for word in self.words], bool)


def graded(columns: dict[str, Cells], shape: Shape, rows: Rows, notes: Notes) -> np.ndarray:
    """Return the codes of all grades, one column for each subject of the layout."""
    layout = shape.layout
    meant = _meanings(layout)
    codes = np.zeros((len(rows), len(layout.grade_column)), dtype=np.int8)
    for place, name in enumerate(layout.grade_column):
        if name not in columns:
            continue
        cells = columns[name]
        values = [meant.get(word.upper(), -1) for word in cells.words]
        if cells.trimmed or any(word != word.upper() and meant.get(word.upper()) for word in cells.words):
            notes.loose.add(name)
        column = cells.look_up(values, np.int8)
        codes[:, place] = column
        unknown = column < 0
        bad = int(unknown.sum())
        notes.misfit(name, bad, int((column != 0).sum()))
        if bad:
            _unknown_grades(name, cells, unknown, layout, rows, notes)
            codes[unknown, place] = 0
    return codes


def _meanings(layout: Layout) -> dict[str, int]:
    values = layout.values
    own = {grade: values.index(grade) for grade in layout.grades}
    return {"": 0} | {code.upper(): values.index(meaning) for code, meaning in layout.codes.items()} | own


def _unknown_grades(name: str, cells: Cells, unknown: np.ndarray, layout: Layout, rows: Rows, notes: Notes) -> None:
    known = (*layout.grades, *layout.codes)
    grades = ", ".join(known)
    for place in np.unique(cells.places[unknown]).tolist()[:200]:
        word = cells.words[place]
        key = "grades.unknown_grade/scb" if may_be_shown(word, known) else "grades.unknown_grade/not_shown"
        notes.fault(rows[unknown & (cells.places == place)], key, name, grade=word, grades=grades)
    # A column of a thousand different texts is not listed text by text.
    listed = np.isin(cells.places, np.unique(cells.places[unknown])[200:])
    notes.fault(rows[unknown & listed], "grades.unknown_grade/not_shown", name, grades=grades)


def language_given(columns: dict[str, Cells], shape: Shape) -> dict[str, np.ndarray]:
    """Return, for each language subject, whether its language is given; the code for none is not a language."""
    none = {"", *shape.layout.codes}
    return {
        subject: columns[name].look_up([word not in none for word in columns[name].words], bool)
        for name, subject in shape.layout.language_column.items()
        if name in columns
    }


def dates(cells: Cells, shape: Shape, rows: Rows, keep: np.ndarray, notes: Notes) -> tuple[np.ndarray, np.ndarray]:
    """Return the cohort of each row, the year in which the pupil leaves year 9, and its day as yyyymmdd."""
    read = [read_date(word) for word in cells.words]
    layout = shape.layout
    cohorts = [int(date[:4]) + 9 - layout.year if date else 0 for date in read]
    cohort = cells.look_up(cohorts, np.int16)
    late = cells.look_up([bool(date) and int(date[5:7]) > _LAST_MONTH for date in read], bool)  # type: ignore[index]
    notes.late += int((late & keep).sum())
    notes.misfit(DATE, int((keep & (cohort == 0)).sum()), int(keep.sum()))
    notes.fault(rows[keep & (cohort == 0)], "values.not_date/scb", DATE)
    outside = keep & (cohort != 0) & ((cohort < layout.first_cohort) | (cohort > layout.last_cohort))
    span = f"{layout.first_cohort}-{layout.last_cohort}"
    notes.fault(rows[outside], "cohorts.no_scale/scb", DATE, layout=layout.name, span=span)
    return cohort, cells.look_up([int(date.replace("-", "")) if date else 0 for date in read], np.int32)


def schools(cells: Cells | None, rows: Rows, keep: np.ndarray, codes: dict[str, int], notes: Notes) -> np.ndarray:
    """Return the index of each row's school in the list of schools, -1 if there is none."""
    if cells is None:
        return np.full(len(rows), -1, dtype=np.int32)
    good = [len(word) == 8 and word.isascii() and word.isdigit() for word in cells.words]
    places = [codes.setdefault(word, len(codes)) if fits else -1 for word, fits in zip(cells.words, good, strict=True)]
    school = cells.look_up(places, np.int32)
    wrong = keep & (school < 0)
    notes.misfit(SCHOOL, int((wrong & ~cells.blank()).sum()), int(keep.sum()))
    notes.remark(rows[wrong], "scb.no_school_code", SCHOOL)
    return school


def names_given(table: pa.Table, keep: np.ndarray, notes: Notes) -> None:
    """Count pupils whose name is empty or marked as protected, and detect cells that are not names."""
    columns = [table.column(name) for name in (FIRST, LAST) if name in table.column_names]
    if not columns:
        return
    hidden = np.ones(len(keep), dtype=bool)
    marked = np.zeros(len(keep), dtype=bool)
    for column in columns:
        hidden &= _as_bool(pc.equal(pc.binary_length(pc.ascii_trim_whitespace(column)), 0))
        marked |= _as_bool(pc.match_substring_regex(column, "(?i)skydd|sekretess"))
        # A few cells of each block show what a column contains.
        digits = _as_bool(pc.match_substring_regex(column.slice(0, _SAMPLE), "[0-9]{4}"))
        name = FIRST if column is columns[0] and FIRST in table.column_names else LAST
        notes.misfit(name, int((digits & keep[:_SAMPLE]).sum()), int(keep[:_SAMPLE].sum()))
    notes.protected += int(((hidden | marked) & keep).sum())


def _as_bool(column: pa.ChunkedArray) -> np.ndarray:
    return np.asarray(column.combine_chunks().to_numpy(zero_copy_only=False), dtype=bool)
