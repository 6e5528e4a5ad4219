"""The form of the baseline analysis (nulägesanalys) as schools fill it in: an Excel workbook, read without a name."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nbanalytics.municipal.baseline_write import (
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
    write_form,
    write_template,
    wrong,
)
from nbanalytics.municipal.recognise import FileRead
from nbanalytics.readers.findings import Finding, UnreadableError, Weight, about_rows
from nbanalytics.readers.report import FileReport, reasons_by_row, rejected_rows

if TYPE_CHECKING:
    import pandas as pd

    from nbanalytics.municipal.pseudonyms import Key
import warnings
import zipfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from nbanalytics.municipal.baseline_write import INSTRUCTIONS, MOST_ROWS, NEEDED, field_of

#: A form of 20,000 pupils unpacks to a tenth of this; it is measured while unpacking, whatever the file says of itself.
MOST_UNPACKED = 100_000_000
_HEADER_WITHIN, _MOST_CELLS = 20, 100

Sheets = dict[str, Any]


@contextmanager
def opened(path: Path) -> Iterator[tuple[Sheets, Sheets]]:
    """Open a workbook twice: for the values that Excel computed, and to see where a formula stands."""
    from openpyxl import load_workbook

    _measure(path)
    books: list[Any] = []
    with ExitStack() as streams, warnings.catch_warnings():
        # Remarks of openpyxl on styles and extensions are about nothing that is read.
        warnings.simplefilter("ignore")
        try:
            for data_only in (True, False):
                # As a stream: the library looks at a path's ending, and the content is what counts.
                stream = streams.enter_context(path.open("rb"))
                books.append(load_workbook(stream, read_only=True, data_only=data_only, keep_links=False))
            values, formulas = ({sheet.title: sheet for sheet in book.worksheets} for book in books)
            yield values, formulas
        except UnreadableError:
            raise
        except Exception:
            raise UnreadableError(
                "this is not an Excel workbook, or a damaged one", "Save it again as .xlsx."
            ) from None
        finally:
            for book in books:
                book.close()


def _measure(path: Path) -> None:
    """Refuse what is no archive, and what unpacks to far more than a form."""
    unpacked = 0
    try:
        with zipfile.ZipFile(path) as parts:
            for part in parts.infolist():
                with parts.open(part) as stream:
                    while chunk := stream.read(1_000_000):
                        unpacked += len(chunk)
                        if unpacked > MOST_UNPACKED:
                            size = f"the workbook unpacks to more than {MOST_UNPACKED // 1_000_000} MB"
                            raise UnreadableError(size, "Keep only the form in it and save it again.")
    except UnreadableError:
        raise
    except FileNotFoundError:
        raise UnreadableError("there is no such file", "Check the path.") from None
    except Exception:
        raise UnreadableError("this is not an Excel workbook, or a damaged one", "Save it again as .xlsx.") from None


def find_header(sheets: Sheets) -> tuple[str, int, dict[int, Field]] | None:
    """Return the sheet, the row and the columns of the form's headings, or None if they stand nowhere."""
    for title, sheet in sheets.items():
        if title == INSTRUCTIONS:
            continue
        # The size that a sheet states of itself may be wrong; without it all rows are read.
        sheet.reset_dimensions()
        for number, row in enumerate(sheet.iter_rows(max_row=_HEADER_WITHIN, max_col=_MOST_CELLS, values_only=True), 1):
            columns: dict[int, Field] = {}
            for place, cell in enumerate(row):
                named = field_of(cell) if isinstance(cell, str) else None
                if named is not None and named not in columns.values():
                    columns[place] = named
            if {named.name for named in columns.values()} >= set(NEEDED) and len(columns) > 5:
                return title, number, columns
    return None


def rows_of(values: Any, formulas: Any, header_row: int, columns: dict[int, Field]) -> list[tuple[int, dict[str, Any]]]:
    """Return the rows with content: their number, and of each cell its value, whether a formula, whether per cent."""
    for sheet in (values, formulas):
        sheet.reset_dimensions()
    rows: list[tuple[int, dict[str, Any]]] = []
    last = max(columns) + 1
    both = zip(
        values.iter_rows(min_row=header_row + 1, max_col=last),
        formulas.iter_rows(min_row=header_row + 1, max_col=last, values_only=True),
        strict=True,
    )
    for number, (row, written) in enumerate(both, start=header_row + 1):
        if written.count(None) == len(written):
            continue  # quickly: a stray cell far below makes a million of these
        cells = {}
        for place, named in columns.items():
            cell, formula = (row[place], written[place]) if place < min(len(row), len(written)) else (None, None)
            value = (
                None if cell is None or plain_text(cell.value if cell.value is not None else "") == "" else cell.value
            )
            is_formula = _is_formula(formula) and formula != value
            if value is not None or is_formula:
                share = "%" in str(getattr(cell, "number_format", "") or "") if value is not None else False
                cells[named.name] = (value, is_formula, share)
        if cells:
            rows.append((number, cells))
        if len(rows) > MOST_ROWS:
            raise UnreadableError(f"the form has more than {MOST_ROWS:,} rows", "Give each school a form of its own.")
    return rows


def _is_formula(written: Any) -> bool:
    """Whether a formula was written: as text, or as openpyxl's own kind for one over several cells."""
    return written.startswith("=") if isinstance(written, str) else type(written).__module__.startswith("openpyxl")


__all__ = ["FORMAT", "matches", "read_baseline_form", "write_form", "write_template"]

FORMAT = "baseline-form"
_DTYPES = {"year": "Int64", "passes": "Int64", "newly_arrived": "boolean", "reaches_criteria": "boolean"}


@dataclass
class _Faults:
    """What was found, by column and kind, with its rows."""

    file: str
    rows: dict[tuple[str, str, str, str, Weight], list[int]] = field(default_factory=dict)

    def add(self, code: str, row: int, column: str, what: str, remedy: str, weight: Weight = "row") -> None:
        self.rows.setdefault((code, column, what, remedy, weight), []).append(row)

    def findings(self) -> tuple[Finding, ...]:
        """Return them as findings; remarks stop nothing."""
        return tuple(
            about_rows(code, self.file, column, what, remedy, rows, weight)
            for (code, column, what, remedy, weight), rows in self.rows.items()
        )


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
            what = "a formula without a usable value"
            faults.add("values.formula", number, form_field.name, what, "Write the value itself.")
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
            faults.add(f"form.not_{form_field.kind}", number, form_field.name, *wrong(form_field.kind))
    row[DECLARED] = " ".join(declared)
    if row["list_number"] is None and (cells.get("list_number") is None or "list_number" in declared):
        remedy = "Give every pupil a running number of the school's own list."
        faults.add("form.no_list_number", number, "list_number", "missing", remedy)
    _fits(number, row, faults)
    return row


def _fits(number: int, row: dict[str, Any], faults: _Faults) -> None:
    """Remark on answers that the form does not ask for in that year."""
    graded = any(row[code] is not None for code in SUBJECTS) or row["passes"] is not None
    if row["year"] in UNGRADED_YEARS and graded:
        what, remedy = "grades or passes before year 6", "Check that the columns are not swapped."
        faults.add("form.grades_too_early", number, "year", what, remedy, "remark")
    if row["year"] in GRADED_YEARS and row["reaches_criteria"] is not None:
        what, remedy = "an answer for years 1–5 in years 6–9", "It can be left empty."
        faults.add("form.criteria_too_late", number, "reaches_criteria", what, remedy, "remark")
    if row["SV"] is not None and row["SVA"] is not None:
        what, remedy = "grades in both SV and SVA", "They count as one; leave one empty."
        faults.add("grades.both_alternates", number, "SVA", what, remedy, "remark")


def _twice(rows: list[tuple[int, dict[str, Any]]], faults: _Faults) -> None:
    places: dict[tuple[Any, Any], list[tuple[int, dict[str, Any]]]] = {}
    for number, row in rows:
        if row["list_number"] is not None:
            places.setdefault((row["school"], row["list_number"]), []).append((number, row))
    for same in places.values():
        alike = all(row == same[0][1] for _, row in same)
        for number, _ in same[1:] if alike else (same if len(same) > 1 else []):
            code, what = (
                ("rows.repeated", "the same pupil again, row for row")
                if alike
                else ("rows.contradictory", "a list number twice in a school, with other answers")
            )
            faults.add(code, number, "list_number", what, "Keep the right row.")


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
