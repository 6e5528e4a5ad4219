"""Writing Excel: the one place for how a sheet looks, for text that stays text, and for who may read the file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nbanalytics.errors import DataError
from nbanalytics.files import replacing_file

if TYPE_CHECKING:
    from openpyxl.cell import Cell
    from openpyxl.worksheet.worksheet import Worksheet

#: A sheet's name in Excel has at most so many characters, and none of these.
_MOST_CHARACTERS, _FORBIDDEN = 31, set("[]:*?/\\")
#: Width of a column that fits its content, in characters: the range, and how many rows are looked at.
_NARROWEST, _WIDEST, _MEASURED_ROWS = 11, 60, 200
_HEADING_COLOUR = "DDE6EE"


@dataclass(frozen=True)
class SheetColumn:
    """A column of a sheet; missing values and empty text become empty cells.

    Without a ``width`` (in characters) it is as wide as the content. ``number_format`` is that of cells that are not
    text, and of empty cells too where somebody will write in them (``to_fill_in``). ``choices`` are answers to choose
    from in a list, and ``wrap`` breaks long text into lines.
    """

    heading: str
    values: Sequence[object]
    width: float | None = None
    number_format: str = "General"
    wrap: bool = False
    choices: tuple[str, ...] = ()
    to_fill_in: bool = False


@dataclass(frozen=True)
class Sheet:
    """A sheet with a table: headings in the first row, which stays in view."""

    name: str
    columns: tuple[SheetColumn, ...]
    filters: bool = False
    heading_height: float | None = None


@dataclass(frozen=True)
class Lines:
    """A sheet with lines of text, the first of them a title."""

    name: str
    lines: tuple[str, ...]


def refuse_other_names(path: Path) -> None:
    """Stop before the work if a workbook's name does not end in ``.xlsx``."""
    if path.suffix.lower() != ".xlsx":
        raise DataError(f"{path.name} is not an Excel file", "End its name in .xlsx.")


def sheet_name(text: str) -> str:
    """Return a text as the name of a sheet: at most 31 characters, and none that Excel forbids.

    Examples
    --------
    >>> sheet_name("Girls/boys")
    'Girls boys'
    """
    return "".join(" " if letter in _FORBIDDEN else letter for letter in text)[:_MOST_CHARACTERS]


def write_sheets(path: str | Path, sheets: Sequence[Sheet | Lines], *, private: bool = True) -> None:
    """Write a workbook; a file that exists is replaced as a whole, or kept if anything fails.

    Text is written as text: a name that begins with ``=`` is a name, not a formula. A private file can be read by its
    owner alone (mode 0600), as all that has pupils or small groups in it.

    Raises
    ------
    DataError
        If a text has a character that Excel cannot hold, or the file cannot be written.

    Examples
    --------
    >>> import tempfile
    >>> file = Path(tempfile.mkdtemp()) / "list.xlsx"
    >>> write_sheets(file, [Sheet("List", (SheetColumn("School", ["=Ekskolan"]),))])
    >>> file.exists()
    True
    """
    from openpyxl import Workbook

    target = Path(path)
    book = Workbook()
    book.remove(book.active)
    for one in sheets:
        page = book.create_sheet(sheet_name(one.name))
        if isinstance(one, Lines):
            _write_lines(page, one)
        else:
            _write_table(page, one)
    try:
        with replacing_file(target, 0o600 if private else 0o666) as fresh, fresh.open("wb") as stream:
            book.save(stream)
    except OSError as error:
        raise DataError(f"{target.name} cannot be written ({error.strerror})", "Choose another place.") from None


def _write_lines(page: Worksheet, lines: Lines) -> None:
    from openpyxl.styles import Alignment, Font

    page.column_dimensions["A"].width = 100
    for number, text in enumerate(lines.lines, start=1):
        cell = page.cell(number, 1)
        _write_text(cell, text)
        cell.alignment = Alignment(wrap_text=True, vertical="top")
    page["A1"].font = Font(bold=True, size=14)


def _write_table(page: Worksheet, sheet: Sheet) -> None:
    from openpyxl.utils import get_column_letter
    from openpyxl.utils.exceptions import IllegalCharacterError

    page.freeze_panes = "A2"
    if sheet.heading_height is not None:
        page.row_dimensions[1].height = sheet.heading_height
    for number, column in enumerate(sheet.columns, start=1):
        letter = get_column_letter(number)
        page.column_dimensions[letter].width = _fitting(column) if column.width is None else column.width
        try:
            _write_heading(page.cell(1, number), column.heading)
            for row, value in enumerate(column.values, start=2):
                _write_cell(page, row, number, value, column)
        except IllegalCharacterError:
            raise DataError(
                f"Column {column.heading} has a character that Excel cannot hold", "Remove it from the data."
            ) from None
        if column.choices:
            _offer(page, f"{letter}2:{letter}{max(len(column.values), 1) + 1}", column.choices)
    if sheet.filters:
        page.auto_filter.ref = page.dimensions


def _fitting(column: SheetColumn) -> float:
    longest = max((len(str(value)) for value in column.values[:_MEASURED_ROWS]), default=0)
    return min(max(longest + 2, _NARROWEST), _WIDEST)


def _write_heading(cell: Cell, heading: str) -> None:
    from openpyxl.styles import Alignment, Font, PatternFill

    _write_text(cell, heading)
    cell.font, cell.fill = Font(bold=True), PatternFill("solid", fgColor=_HEADING_COLOUR)
    cell.alignment = Alignment(wrap_text=True, vertical="top")


def _write_cell(page: Worksheet, row: int, number: int, value: Any, column: SheetColumn) -> None:
    from openpyxl.styles import Alignment

    if _empty(value):
        if column.to_fill_in and column.number_format != "General":
            page.cell(row, number).number_format = column.number_format
        return
    cell = page.cell(row, number)
    if isinstance(value, str):
        _write_text(cell, value)
        if column.wrap:
            cell.alignment = Alignment(wrap_text=True, vertical="top")
        return
    # A numpy number is one that openpyxl knows only after this.
    cell.value = value.item() if hasattr(value, "item") else value
    cell.number_format = column.number_format


def _empty(value: Any) -> bool:
    import pandas as pd

    return value is None or bool(pd.isna(value)) or value == ""


def _write_text(cell: Cell, text: str) -> None:
    cell.value = text
    cell.data_type = "s"  # never a formula


def _offer(page: Worksheet, cells: str, choices: Sequence[str]) -> None:
    """Let a person choose an answer from a list; other answers are refused."""
    from openpyxl.worksheet.datavalidation import DataValidation

    rule = DataValidation("list", formula1=f'"{",".join(choices)}"', allow_blank=True)
    rule.error, rule.errorTitle, rule.showErrorMessage = "Välj ett svar ur listan.", "Inte i listan", True
    page.add_data_validation(rule)
    rule.add(cells)
