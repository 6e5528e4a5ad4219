"""Which column of a file is which: by exact name, by a name written otherwise, or, in wide files, by subject."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

import pyarrow.compute as pc

from nbanalytics.readers.findings import SHOWN, Finding, fatal, may_be_shown, no_rows, suggestion
from nbanalytics.readers.raw import RawTable
from nbanalytics.readers.words import loosely
from nbanalytics.schema import Table

_LONG = ("subject", "grade")


@dataclass
class Header:
    """Positions of the known columns, and of the subjects where each has a column of its own."""

    columns: dict[str, int] = field(default_factory=dict)
    subjects: dict[str, int] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)
    assumed: list[str] = field(default_factory=list)

    @property
    def usable(self) -> bool:
        """Whether the rows can be looked at."""
        return not any(finding.weight == "fatal" for finding in self.findings)


def understand_header(raw: RawTable, table: Table, subjects: dict[str, str], grades: frozenset[str]) -> Header:
    """Match the first row of a file with the schema.

    Parameters
    ----------
    raw : RawTable
        The file.
    table : Table
        Its schema.
    subjects : dict
        Code of each subject by its names, from :func:`nbanalytics.readers.words.subject_words`.
    grades : frozenset of str
        Every way to write a grade; a column full of them is a subject, known or not.

    Returns
    -------
    Header
        Unusable where a needed column is missing or two columns claim to be the same.
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
        remedy = f"Put a first row of column names above the data; needed: {', '.join(wanted)}."
        header.findings.append(fatal(raw.file, "the first row holds none of the column names", remedy))
        return header
    missing = [name for name in wanted if name not in header.columns]
    meant: set[str] = set()
    for name in missing:
        near = suggestion(name, [raw.header[position] for position in strangers])
        meant.add(near)
        remedy = f"Did you mean the column {near!r}? Rename it." if near else "Add it."
        header.findings.append(fatal(raw.file, "the column is missing", remedy, column=name))
    for position in [position for position in strangers if raw.header[position] not in meant - {""}]:
        stranger = _stranger(raw, position, header, names - set(missing), bool(wide), grades)
        if stranger is not None:
            header.findings.append(stranger)
    return header


def _claim(header: Header, taken: dict[str, int], name: str, position: int, written: str, file: str) -> None:
    if name in taken:
        header.findings.append(fatal(file, f"two columns for {name}", "Keep one of them.", column=name))
        return
    taken[name] = position
    if written != name:
        header.assumed.append(f"column {written!r} is {name}")


def _stranger(
    raw: RawTable, position: int, header: Header, names: set[str], wide: bool, grades: frozenset[str]
) -> Finding | None:
    """Tell of a column that is not understood; one that is empty and has no name does not matter."""
    name = raw.header[position]
    filled = _words_of(raw, position)
    if not name and not filled:
        return None
    shown = _shown_name(name, position, len(header.columns), names)
    if wide and filled and all(word.casefold() in grades for word in filled):
        near = suggestion(name, header.subjects)
        meant = f"Did you mean {near}? " if near else ""
        declare = "Rename the column, or declare the subject as [subject.CODE] in records.toml."
        return fatal(raw.file, f"{shown} is no known subject, but holds grades", meant + declare)
    near = suggestion(name, names - set(header.columns), SHOWN) if name else ""
    if near:
        return fatal(raw.file, f"{shown} is not known", f"Did you mean {near}? Rename the column, or take it out.")
    return Finding(raw.file, "", f"{shown} is not known and was left out", "", no_rows(), 0, "remark")


def _shown_name(name: str, position: int, n_known: int, names: set[str]) -> str:
    # Where only one name is known the first row may be data: then a cell is shown only if it cannot be a name.
    safe = name and len(name) <= 40 and not re.search(r"\d{6}", name) and (n_known > 1 or may_be_shown(name, names))
    return f"the column {name!r}" if safe else f"column number {position + 1}"


def _words_of(raw: RawTable, position: int) -> set[str]:
    """Return up to some hundred different cells of a column."""
    column = raw.columns[position].slice(0, 10_000)
    words = pc.unique(column).to_pylist()[:200]
    return {str(word).strip() for word in words if word is not None and str(word).strip()}
