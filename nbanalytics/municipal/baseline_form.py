"""The form of the baseline analysis (nulägesanalys) as schools fill it in: an Excel workbook, read without names."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from nbanalytics.municipal.baseline_write import (
    COLUMNS,
    DECLARED,
    FIELDS,
    FORMULA_ERRORS,
    GRADED_YEARS,
    MISSING,
    SUBJECTS,
    UNGRADED_YEARS,
    Cell,
    Field,
    plain_text,
    understood,
    write_form,
    write_template,
)
from nbanalytics.municipal.recognise import FileRead
from nbanalytics.readers.findings import Noted, UnreadableError, message
from nbanalytics.readers.report import FileReport

if TYPE_CHECKING:
    import pandas as pd

    from nbanalytics.municipal.pseudonyms import Key
from nbanalytics.municipal.baseline_write import INSTRUCTIONS, MOST_ROWS, NEEDED, field_of
from nbanalytics.readers.workbook import SheetCells, is_old, read_sheets

_HEADER_WITHIN, _MOST_CELLS = 20, 100


def find_header(sheets: Sequence[SheetCells]) -> tuple[SheetCells, int, dict[int, Field]] | None:
    """Return the sheet, the row and the columns of the form's headings, or None if there are none."""
    for sheet in sheets:
        if sheet.name == INSTRUCTIONS:
            continue
        for number, row in enumerate(sheet.rows[:_HEADER_WITHIN], 1):
            columns: dict[int, Field] = {}
            for place, cell in enumerate(row[:_MOST_CELLS]):
                named = field_of(cell) if cell else None
                if named is not None and named not in columns.values():
                    columns[place] = named
            if {named.name for named in columns.values()} >= set(NEEDED) and len(columns) > 5:
                return sheet, number, columns
    return None


def rows_of(sheet: SheetCells, header_row: int, columns: dict[int, Field]) -> list[tuple[int, dict[str, Cell]]]:
    """Return the rows with content: their number, and of each cell its value, whether a formula, whether per cent."""
    shares = {(row, column): value for row, column, value in sheet.percent}
    rows: list[tuple[int, dict[str, Cell]]] = []
    for at, row in enumerate(sheet.rows[header_row:], start=header_row):
        cells: dict[str, Cell] = {}
        for place, named in columns.items():
            text = row[place] if place < len(row) and plain_text(row[place]) else None
            is_formula = (at, place) in sheet.formulas
            if text is not None or is_formula:
                share = shares.get((at, place))
                cells[named.name] = (text if share is None else share, is_formula, share is not None)
        if cells:
            rows.append((at + 1, cells))
        if len(rows) > MOST_ROWS:
            raise UnreadableError(f"the form has more than {MOST_ROWS:,} rows", "Use one form per school.")
    return rows


__all__ = ["FORMAT", "matches", "read_baseline_form", "write_form", "write_template"]

FORMAT = "baseline-form"
_DTYPES = {"year": "Int64", "passes": "Int64", "newly_arrived": "boolean", "reaches_criteria": "boolean"}


def matches(path: Path, head: bytes) -> bool:
    """Whether a file is such a form, by its content."""
    if not head.startswith(b"PK\x03\x04"):
        return False
    try:
        return find_header(read_sheets(path, first_rows=_HEADER_WITHIN)) is not None
    except UnreadableError:
        return False


def read_baseline_form(path: str | Path, *, key: Key | None = None) -> FileRead:
    """Read a baseline form that a school has filled in; ``key`` is not used, since the form has list numbers.

    Parameters
    ----------
    path : str or Path
        An .xlsx workbook with the headings of the form in one of its first 20 rows, on any sheet.
    key : Key, optional

    Returns
    -------
    FileRead
        With a table ``baseline``, one row for each pupil: ``school, enrolment_date`` (yyyy-mm-dd), ``list_number``,
        ``sex`` (girl, boy), ``year`` (1–9), ``newly_arrived``, ``SV, SVA, MA, EN`` (grades or ``-``), ``passes``,
        ``reaches_criteria`` (years 1–5), ``absence`` (valid and invalid, per cent of the term), and
        ``declared_missing``: the names, with spaces between, of the columns in which the school wrote ``x``. A
        missing value that is not named there was left empty. The comment is not kept.

    Raises
    ------
    DataError
        If the file is not a workbook, is damaged or far too large, or does not have the form.
    """
    path = Path(path)
    try:
        if is_old(path):
            raise UnreadableError("this is not an .xlsx workbook", "Save it again as .xlsx.")
        place = find_header(read_sheets(path))
    except FileNotFoundError:
        raise UnreadableError("there is no such file", "Check the path.") from None
    if place is None:
        raise UnreadableError(
            "no sheet has the headings of the baseline form in its first rows",
            "Use the template that nbanalytics writes, or name the columns as it does.",
        )
    sheet, header_row, columns = place
    body = rows_of(sheet, header_row, columns)
    return _understand(path.name, header_row, body, columns)


def _understand(
    file: str, header_row: int, body: list[tuple[int, dict[str, Cell]]], columns: dict[int, Field]
) -> FileRead:
    faults = Noted(file)
    counts = {"unfilled": 0, "formulas": 0, "percent": 0, "comments": 0}
    rows: list[tuple[int, dict[str, Cell]]] = []
    for number, cells in body:
        counts["comments"] += cells.pop("comment", None) is not None
        if not set(cells) - {"school", "list_number"}:
            counts["unfilled"] += 1
            continue
        rows.append((number, _row(number, cells, faults, counts)))
    _twice(rows, faults)
    rejected = set(faults.rejected().tolist())
    table = _table([row for number, row in rows if number not in rejected])
    assumed, missing = _assumed(counts, header_row), _missing(table, columns)
    report = FileReport.of_rows(file, FORMAT, len(rows), faults.findings(), assumed, missing)
    return FileRead(report, {"baseline": table})


def _row(number: int, cells: dict[str, Cell], faults: Noted, counts: dict[str, int]) -> dict[str, Cell]:
    row: dict[str, Cell] = dict.fromkeys(COLUMNS)
    declared = []
    for form_field in FIELDS:
        cell = cells.get(form_field.name)
        if cell is None:
            continue
        value, is_formula, is_share = cell
        if value is None or value in FORMULA_ERRORS:
            faults.note(number, message("values.formula", form_field.name))
            continue
        counts["formulas"] += is_formula
        if plain_text(value).casefold() == MISSING:
            declared.append(form_field.name)
            continue
        if is_share and form_field.kind == "percent" and isinstance(value, int | float):
            # Excel stores 12.5 % as 0.125; rounding removes the error of multiplication.
            value, counts["percent"] = round(value * 100, 9), counts["percent"] + 1
        row[form_field.name] = understood(value, form_field.kind)
        if row[form_field.name] is None:
            faults.note(number, message(f"form.not_{form_field.kind}", form_field.name))
    row[DECLARED] = " ".join(declared)
    if row["list_number"] is None and (cells.get("list_number") is None or "list_number" in declared):
        faults.note(number, message("form.no_list_number", "list_number"))
    _fits(number, row, faults)
    return row


def _fits(number: int, row: dict[str, Cell], faults: Noted) -> None:
    """Remark on answers that the form does not ask for in that year."""
    graded = any(row[code] is not None for code in SUBJECTS) or row["passes"] is not None
    if row["year"] in UNGRADED_YEARS and graded:
        faults.note(number, message("form.grades_too_early", "year"), "remark")
    if row["year"] in GRADED_YEARS and row["reaches_criteria"] is not None:
        faults.note(number, message("form.criteria_too_late", "reaches_criteria"), "remark")
    if row["SV"] is not None and row["SVA"] is not None:
        faults.note(number, message("grades.both_alternates/form", "SVA"), "remark")


def _twice(rows: list[tuple[int, dict[str, Cell]]], faults: Noted) -> None:
    places: dict[tuple[Cell, Cell], list[tuple[int, dict[str, Cell]]]] = {}
    for number, row in rows:
        if row["list_number"] is not None:
            places.setdefault((row["school"], row["list_number"]), []).append((number, row))
    for same in places.values():
        alike = all(row == same[0][1] for _, row in same)
        key = "rows.repeated/form" if alike else "rows.contradictory/form"
        faults.note([number for number, _ in (same[1:] if alike else same)], message(key, "list_number"))


def _table(rows: list[dict[str, Cell]]) -> pd.DataFrame:
    import pandas as pd

    columns = {name: [row[name] for row in rows] for name in COLUMNS}
    return pd.DataFrame(
        {
            name: pd.Series(values, dtype="float64" if name == "absence" else _DTYPES.get(name, "string"))
            for name, values in columns.items()
        }
    )


def _assumed(counts: dict[str, int], header_row: int) -> tuple[str, ...]:
    told = {
        "unfilled": "rows with only school and list number are unfilled and not counted",
        "formulas": "cells are formulas: the values that Excel last computed are read",
        "percent": "absences are cells in Excel's per cent format: 0.125 is 12.5 per cent",
        "comments": "comments are not kept, since they may name people",
    }
    where = (f"the headings are in row {header_row}",) if header_row > 1 else ()
    return (*where, *(f"{counts[name]} {text}" for name, text in told.items() if counts[name]))


def _missing(table: pd.DataFrame, columns: dict[int, Field]) -> tuple[str, ...]:
    present = {form_field.name for form_field in columns.values()}
    told = []
    for form_field in FIELDS[:-1]:
        name = form_field.name
        declared = (
            int(table[DECLARED].str.split().map(lambda names, name=name: name in names).sum()) if len(table) else 0
        )
        if name not in present:
            told.append(f"no column {name}: it has no baseline value")
        elif declared:
            told.append(f"{name}: declared missing (x) for {declared} of {len(table)} pupils")
    if len(table) and table["absence"].notna().any() and bool((table["absence"].dropna() <= 1).all()):
        told.append("absence: no value above 1; if they are shares and not per cent, multiply them by 100")
    return tuple(told)
