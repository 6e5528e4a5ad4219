"""Writing the form of the baseline analysis: the empty template for schools, or one filled in from a table."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nbanalytics.errors import DataError
from nbanalytics.municipal.baseline_layout import (
    COLUMNS,
    DECLARED,
    FIELDS,
    INSTRUCTIONS,
    MISSING,
    MOST_ROWS,
    SHEET,
    Field,
    understood,
)
from nbanalytics.readers.workbook_save import save_workbook

if TYPE_CHECKING:
    import pandas as pd

_TEXT = (
    "Nulägesanalys: nollvärde för kunskapsläge och frånvaro",
    "",
    "Fyll i en rad för varje elev på bladet Formulär. Ändra inte rubrikerna på rad 1.",
    "Klicka i en ruta: finns en rullist väljer du ett svar ur den, annars skriver du själv.",
    "Saknas ett värde: välj eller skriv x. En tom ruta betyder att frågan inte är besvarad (än).",
    "",
    "Skriv aldrig namn eller personnummer, inte heller i kommentaren.",
    "Lista för avidentifiering: elevens löpnummer på skolans egen lista. Listan stannar på skolan.",
    "Inskrivningsdatum: åååå-mm-dd, till exempel 2020-08-18.",
    "Juridiskt kön: Flicka eller Pojke enligt folkbokföringen.",
    "Nyanländ: Ja eller Nej enligt skollagens definition (3 kap. 12 a §).",
    "Betyg i SV, SVA, MA och EN: årskurs 6–9, senaste terminsbetyget. Streck skrivs -. "
    "Läser eleven SVA lämnas SV tom, och tvärtom.",
    "Antal godkända betyg: alla ämnen, kärnämnena medräknade (årskurs 6–9).",
    "Når kunskapskraven: årskurs 1–5, Ja eller Nej.",
    "Frånvaro: giltig och ogiltig tillsammans, i procent av terminen (0–100), till exempel 12,5.",
    "Kommentaren läses inte in i analysen.",
    "",
    "En rad där bara skola och listnummer är ifyllda räknas som tom.",
)


def write_template(path: str | Path, school: str | None = None, rows: int = 40) -> None:
    """Write the empty form for a school to fill in, in Swedish.

    Parameters
    ----------
    path : str or Path
        An .xlsx file; one that exists is replaced.
    school : str, optional
        The school's name, filled in on every row.
    rows : int
        Rows for pupils, with list numbers from 1.

    Raises
    ------
    DataError
        If the name cannot be one, ``rows`` is not between 1 and 20,000, or the file cannot be written.
    """
    if not 1 <= rows <= MOST_ROWS:
        raise DataError(f"A form has 1 to {MOST_ROWS:,} rows, not {rows:,}. Choose another number.")
    if school is not None and (understood(school, "text") != school or not school or school.casefold() == MISSING):
        raise DataError("The school's name is empty, too long or has characters that no name has. Mend it.")
    _write(Path(path), [{"school": school, "list_number": str(number)} for number in range(1, rows + 1)])


def write_form(table: pd.DataFrame, path: str | Path) -> None:
    """Write a baseline table as a form that is filled in and reads back equal.

    Parameters
    ----------
    table : DataFrame
        With the columns of the table ``baseline``; see :func:`nbanalytics.municipal.baseline_form.read_baseline_form`.
    path : str or Path
        An .xlsx file; one that exists is replaced.

    Raises
    ------
    DataError
        If a column is missing, a value would not read back as it is, or the file cannot be written.
    """
    absent = [name for name in COLUMNS if name not in table.columns]
    if absent or len(table) > MOST_ROWS:
        what = f"has no column {', '.join(absent)}" if absent else f"has more than {MOST_ROWS:,} rows"
        raise DataError(f"The baseline table {what}. Mend the table.")
    rows = [_answers(place, row) for place, row in enumerate(table[list(COLUMNS)].to_dict("records"), start=1)]
    _write(Path(path), rows)


def _answers(place: int, row: dict[Any, Any]) -> dict[str, Any]:
    declared = set("" if _empty(row[DECLARED]) else str(row[DECLARED]).split())
    answers: dict[str, Any] = {}
    for field in FIELDS[:-1]:
        value = row[field.name]
        if field.name in declared:
            answers[field.name] = MISSING
        elif not _empty(value):
            answers[field.name] = _cell(value, field)
        given = not _empty(value)
        cell = answers.get(field.name)
        means = None if cell is None or field.name in declared else understood(cell, field.kind)
        same = (not given) if means is None else (means == value and cell != MISSING)
        if not same:
            raise DataError(
                f"Column {field.name}: a value would not read back as it is (row {place} of the table). "
                "Mend it, or leave it missing."
            )
    if not set(answers) - {"school", "list_number"} or answers.get("list_number", MISSING) == MISSING:
        raise DataError(
            f"A row has no list number, or nothing beside school and list number (row {place} of the table). "
            "Such a row would not be read; fill it in or leave it out."
        )
    return answers


def _cell(value: Any, field: Field) -> Any:
    """Return the answer that means a value."""
    if field.kind == "flag":
        return "Ja" if value else "Nej"
    if field.kind == "sex":
        return {"girl": "Flicka", "boy": "Pojke"}.get(value, value)
    try:
        if field.kind == "date":
            return date.fromisoformat(str(value))
        if field.kind in ("year", "count"):
            return int(value) if value == int(value) else value
        return float(value) if field.kind == "percent" else str(value)
    except (TypeError, ValueError, OverflowError):
        return str(value)  # it will not read back as it is, which is then told


def _empty(value: Any) -> bool:
    import pandas as pd

    return bool(pd.isna(value))


def _write(path: Path, rows: list[dict[str, Any]]) -> None:
    from openpyxl import Workbook
    from openpyxl.styles import Alignment, Font
    from openpyxl.utils.exceptions import IllegalCharacterError

    book = Workbook()
    sheet = book.active
    sheet.title = SHEET
    _write_headings(sheet, max(len(rows), 1) + 1)
    try:
        _write_rows(sheet, rows)
    except IllegalCharacterError:
        raise DataError("The table has a character that Excel cannot hold. Take it away.") from None
    words = book.create_sheet(INSTRUCTIONS)
    words.column_dimensions["A"].width = 100
    for number, line in enumerate(_TEXT, start=1):
        words.cell(number, 1, line).alignment = Alignment(wrap_text=True, vertical="top")
    words["A1"].font = Font(bold=True, size=14)
    save_workbook(book, path)


def _write_headings(sheet: Any, last: int) -> None:
    """Write the first row, and the answers to choose from down to the last."""
    from openpyxl.styles import Alignment, Font, PatternFill
    from openpyxl.utils import get_column_letter
    from openpyxl.worksheet.datavalidation import DataValidation

    sheet.freeze_panes = "A2"
    sheet.row_dimensions[1].height = 62
    for number, field in enumerate(FIELDS, start=1):
        letter = get_column_letter(number)
        head = sheet.cell(1, number, field.heading)
        head.font, head.fill = Font(bold=True), PatternFill("solid", fgColor="DDE6EE")
        head.alignment = Alignment(wrap_text=True, vertical="top")
        sheet.column_dimensions[letter].width = field.width
        if field.choices:
            rule = DataValidation("list", formula1=f'"{",".join(field.choices)}"', allow_blank=True)
            rule.error, rule.errorTitle, rule.showErrorMessage = "Välj ett svar ur listan.", "Inte i listan", True
            sheet.add_data_validation(rule)
            rule.add(f"{letter}2:{letter}{last}")


def _write_rows(sheet: Any, rows: list[dict[str, Any]]) -> None:
    for place, row in enumerate(rows, start=2):
        for number, field in enumerate(FIELDS, start=1):
            value = row.get(field.name)
            if value is not None:
                cell = sheet.cell(place, number, value)
                if isinstance(value, str):
                    cell.data_type = "s"  # a name that begins with = is a name, not a formula
            if field.kind == "date":
                sheet.cell(place, number).number_format = "yyyy-mm-dd"
