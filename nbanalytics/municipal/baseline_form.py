"""The form of the baseline analysis (nulägesanalys) as schools fill it in: an Excel workbook, read without a name."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nbanalytics.municipal.baseline_layout import (
    COLUMNS,
    DECLARED,
    FIELDS,
    FORMULA_ERRORS,
    GRADED_YEARS,
    MISSING,
    SUBJECTS,
    UNGRADED_YEARS,
    Field,
    plain_text,
    understood,
    wrong,
)
from nbanalytics.municipal.baseline_workbook import find_header, opened, rows_of
from nbanalytics.municipal.baseline_write import write_form, write_template
from nbanalytics.municipal.recognise import FileRead
from nbanalytics.readers.findings import Finding, about_rows
from nbanalytics.readers.raw import UnreadableError
from nbanalytics.readers.report import FileReport, reasons_by_row, rejected_rows

if TYPE_CHECKING:
    import pandas as pd

    from nbanalytics.municipal.pseudonyms import Key

__all__ = ["FORMAT", "matches", "read_baseline_form", "write_form", "write_template"]

FORMAT = "baseline-form"
_DTYPES = {"year": "Int64", "passes": "Int64", "newly_arrived": "boolean", "reaches_criteria": "boolean"}


@dataclass
class _Faults:
    """What was found, by column and kind, with its rows."""

    file: str
    rows: dict[tuple[str, str, str, bool], list[int]] = field(default_factory=dict)

    def add(self, row: int, column: str, what: str, remedy: str, *, remark: bool = False) -> None:
        self.rows.setdefault((column, what, remedy, remark), []).append(row)

    def findings(self) -> tuple[Finding, ...]:
        """Return them as findings; remarks stop nothing."""
        found = []
        for (column, what, remedy, remark), rows in self.rows.items():
            one = about_rows(self.file, column, what, remedy, rows)
            found.append(Finding(one.file, column, what, remedy, one.rows, one.count, "remark") if remark else one)
        return tuple(found)


def matches(path: Path, head: bytes) -> bool:
    """Whether a file is such a form, by its content."""
    if not head.startswith(b"PK\x03\x04"):
        return False
    try:
        with opened(path) as (values, _):
            return find_header(values) is not None
    except UnreadableError:
        return False


def read_baseline_form(path: str | Path, *, key: Key | None = None) -> FileRead:
    """Read a baseline form that a school has filled in.

    Parameters
    ----------
    path : str or Path
        An .xlsx workbook with the headings of the form in one of its first 20 rows, on any sheet.
    key : Key, optional
        Not used: the form has list numbers instead of identity numbers.

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
        If the file is no workbook, a damaged or a far too large one, or has no such form.

    Examples
    --------
    >>> import tempfile
    >>> form = Path(tempfile.mkdtemp()) / "form.xlsx"
    >>> write_template(form, school="Ekskolan", rows=3)
    >>> read_baseline_form(form).report.rows
    0
    """
    path = Path(path)
    with opened(path) as (values, formulas):
        place = find_header(values)
        if place is None:
            raise UnreadableError(
                "no sheet has the headings of the baseline form in its first rows",
                "Use the template that nbanalytics writes, or name the columns as it does.",
            )
        sheet, header_row, columns = place
        body = rows_of(values[sheet], formulas[sheet], header_row, columns)
    return _understand(path.name, header_row, body, columns)


def _understand(
    file: str, header_row: int, body: list[tuple[int, dict[str, Any]]], columns: dict[int, Field]
) -> FileRead:
    faults = _Faults(file)
    counts = {"unfilled": 0, "formulas": 0, "percent": 0, "comments": 0}
    rows: list[tuple[int, dict[str, Any]]] = []
    for number, cells in body:
        counts["comments"] += cells.pop("comment", None) is not None
        if not set(cells) - {"school", "list_number"}:
            counts["unfilled"] += 1
            continue
        rows.append((number, _row(number, cells, faults, counts)))
    _twice(rows, faults)
    findings = faults.findings()
    rejected = set(rejected_rows(findings).tolist())
    table = _table([row for number, row in rows if number not in rejected])
    report = FileReport(
        file=file,
        format=FORMAT,
        rows=len(rows),
        n_rejected=len(rejected),
        rejected=reasons_by_row(findings),
        assumed=_assumed(counts, header_row),
        missing=_missing(table, columns),
        findings=findings,
    )
    return FileRead(report, {"baseline": table})


def _row(number: int, cells: dict[str, Any], faults: _Faults, counts: dict[str, int]) -> dict[str, Any]:
    row: dict[str, Any] = dict.fromkeys(COLUMNS)
    declared = []
    for form_field in FIELDS:
        cell = cells.get(form_field.name)
        if cell is None:
            continue
        value, is_formula, is_share = cell
        if value is None or value in FORMULA_ERRORS:
            faults.add(number, form_field.name, "a formula without a usable value", "Write the value itself.")
            continue
        counts["formulas"] += is_formula
        if plain_text(value).casefold() == MISSING:
            declared.append(form_field.name)
            continue
        if is_share and form_field.kind == "percent" and isinstance(value, int | float):
            # 12.5 % is kept by Excel as 0.125; rounding takes away what multiplying adds.
            value, counts["percent"] = round(value * 100, 9), counts["percent"] + 1
        row[form_field.name] = understood(value, form_field.kind)
        if row[form_field.name] is None:
            faults.add(number, form_field.name, *wrong(form_field.kind))
    row[DECLARED] = " ".join(declared)
    if row["list_number"] is None and (cells.get("list_number") is None or "list_number" in declared):
        faults.add(number, "list_number", "missing", "Give every pupil a running number of the school's own list.")
    _fits(number, row, faults)
    return row


def _fits(number: int, row: dict[str, Any], faults: _Faults) -> None:
    """Remark on answers that the form does not ask for in that year."""
    graded = any(row[code] is not None for code in SUBJECTS) or row["passes"] is not None
    if row["year"] in UNGRADED_YEARS and graded:
        faults.add(
            number, "year", "grades or passes before year 6", "Check that the columns are not swapped.", remark=True
        )
    if row["year"] in GRADED_YEARS and row["reaches_criteria"] is not None:
        faults.add(
            number, "reaches_criteria", "an answer for years 1–5 in years 6–9", "It can be left empty.", remark=True
        )
    if row["SV"] is not None and row["SVA"] is not None:
        faults.add(number, "SVA", "grades in both SV and SVA", "They count as one; leave one empty.", remark=True)


def _twice(rows: list[tuple[int, dict[str, Any]]], faults: _Faults) -> None:
    places: dict[tuple[Any, Any], list[tuple[int, dict[str, Any]]]] = {}
    for number, row in rows:
        if row["list_number"] is not None:
            places.setdefault((row["school"], row["list_number"]), []).append((number, row))
    for same in places.values():
        alike = all(row == same[0][1] for _, row in same)
        for number, _ in same[1:] if alike else (same if len(same) > 1 else []):
            what = (
                "the same pupil again, row for row" if alike else "a list number twice in a school, with other answers"
            )
            faults.add(number, "list_number", what, "Keep the right row.")


def _table(rows: list[dict[str, Any]]) -> pd.DataFrame:
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
        "unfilled": "rows with nothing but school and list number are unfilled and not counted",
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
            told.append(f"no column {name}: there is no zero value of it")
        elif declared:
            told.append(f"{name}: declared missing (x) for {declared} of {len(table)} pupils")
    if len(table) and table["absence"].notna().any() and bool((table["absence"].dropna() <= 1).all()):
        told.append("absence: no value above 1; if they are shares and not per cent, multiply them by 100")
    return tuple(told)
