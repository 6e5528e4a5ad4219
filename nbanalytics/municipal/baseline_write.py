"""Writing the form of the baseline analysis: the empty template for schools, or one filled in from a table."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from nbanalytics.errors import DataError
from nbanalytics.excel import Lines, Sheet, SheetColumn, write_sheets

if TYPE_CHECKING:
    import pandas as pd
import re
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from nbanalytics.grading import STRECK, Scale, default_catalogue
from nbanalytics.readers.words import FLAG, SEX, loosely, read_date, read_number

SHEET, INSTRUCTIONS = "Formulär", "Instruktion"
#: More rows than pupils in any school.
MOST_ROWS = 20_000
#: What Excel shows where a formula has no value.
FORMULA_ERRORS = frozenset(
    {"#DIV/0!", "#N/A", "#NAME?", "#NULL!", "#NUM!", "#REF!", "#VALUE!", "#SPILL!", "#CALC!", "#GETTING_DATA"}
)
#: What a school writes where a value is missing.
MISSING = "x"
#: Subjects of the form, and the years with grades; in the years before a pupil reaches the criteria or not.
SUBJECTS = ("SV", "SVA", "MA", "EN")
GRADED_YEARS, UNGRADED_YEARS = range(6, 10), range(1, 6)
#: The column of the table with the names of the columns in which the school wrote ``x``.
DECLARED = "declared_missing"
#: The form uses this scale.
SCALE: Scale = default_catalogue().grading(2020).scale

#: The value of a cell: text, a number, a flag, a date, or what pandas writes for a missing one.
Cell: TypeAlias = Any
FormKind = Literal["text", "list", "date", "sex", "year", "flag", "grade", "count", "percent", "comment"]


@dataclass(frozen=True)
class Field:
    """A column of the form: its name in the table, its heading in Swedish, how it is recognised, and its choices."""

    name: str
    heading: str
    kind: FormKind
    pattern: str
    choices: tuple[str, ...] = ()
    width: int = 14


_GRADES = (*reversed(SCALE.order), STRECK, MISSING)
FIELDS: tuple[Field, ...] = (
    Field("school", "Skola", "text", r"skola\w{0,6}|skolansnamn|skolenhet\w*", width=26),
    Field("enrolment_date", "Inskrivningsdatum (åååå-mm-dd)", "date", r"inskrivningsdatum.*", width=20),
    Field(
        "list_number", "Lista för avidentifiering", "list", r".*avidentifiering.*|listnummer|nummerpålista.*", width=18
    ),
    Field("sex", "Juridiskt kön", "sex", r"(juridiskt)?kön", ("Flicka", "Pojke", MISSING)),
    Field("year", "Årskurs", "year", r"årskurs|åk", (*map(str, range(1, 10)), MISSING), width=10),
    Field("newly_arrived", "Nyanländ", "flag", r"nyanländ.*", ("Ja", "Nej", MISSING), width=11),
    *(
        Field(code, f"Betyg i {code} (åk 6–9)", "grade", rf"betygi?{code.lower()}(åk6.?9)?", _GRADES)
        for code in SUBJECTS
    ),
    Field(
        "passes",
        "Antal godkända betyg totalt, inklusive kärnämnen (åk 6–9)",
        "count",
        r"antalgodkända.*",
        width=24,
    ),
    Field(
        "reaches_criteria",
        "Når kunskapskraven (åk 1–5)",
        "flag",
        r"(når|bedömsnå|uppnår).*(krav|kriteri|mål).*|kunskapsmål.*",
        ("Ja", "Nej", MISSING),
        width=18,
    ),
    Field(
        "absence",
        "Frånvaro (giltig och ogiltig) i procent vid senaste mättillfället, genomsnitt över terminen",
        "percent",
        r".*frånvaro.*",
        width=32,
    ),
    Field("comment", "Eventuell förtydligande kommentar", "comment", r".*kommentar.*", width=36),
)
#: Columns of the table, in order.
COLUMNS = (*(field.name for field in FIELDS if field.kind != "comment"), DECLARED)
#: Columns that the form must have.
NEEDED = ("school", "list_number", "year")


def field_of(heading: str) -> Field | None:
    """Return the field that a heading names.

    Examples
    --------
    >>> [field_of(text).name for text in ("Betyg i  SVA", "Årskurs*", "Frånvaro i %")]
    ['SVA', 'year', 'absence']
    """
    plain = re.sub(r"[^\w–]+", "", loosely(heading[:300]))
    return next((field for field in FIELDS if re.fullmatch(field.pattern, plain)), None)


def understood(cell: Cell, kind: FormKind) -> Cell | None:
    """Return the meaning of a cell that is neither empty nor ``x``, or None if it is invalid there.

    Examples
    --------
    >>> understood("åk 7", "year"), understood("12,5 %", "percent"), understood("Kalle", "list")
    (7, 12.5, None)
    """
    if isinstance(cell, datetime | date):
        return _plausible(cell.isoformat()[:10]) if kind == "date" else None
    text = plain_text(cell)
    word = text.casefold()
    if kind == "text":
        odd = len(text) > 100 or re.search(r"\d{6}", text) or not text.isprintable() or text in FORMULA_ERRORS
        return None if odd else text
    if kind == "list":
        return text if re.fullmatch(r"[^\W\d_]{0,3}[ ._-]?[0-9]{1,5}[^\W\d_]?", text) else None
    if kind == "date":
        return _plausible(read_date(text))
    if kind == "sex":
        return {**SEX, "tjej": "girl", "kille": "boy"}.get(word)
    if kind == "year":
        match = re.fullmatch(r"(?:åk|årskurs)?\.?\s*([1-9])", word)
        return int(match.group(1)) if match else None
    if kind == "flag":
        return {"true": True, "false": False}.get(FLAG.get(word, ""))
    if kind == "grade":
        dashes = dict.fromkeys(("–", "—", "−", "streck"), STRECK)
        grade = dashes.get(word, text.upper())
        return grade if grade in SCALE.points or grade == STRECK else None
    number = read_number(text)
    if kind == "count":
        return int(number) if number is not None and 0 <= number <= 25 and number == int(number) else None
    return number if number is not None and 0 <= number <= 100 else None


def plain_text(cell: Cell) -> str:
    """Return a cell as trimmed text; whole numbers stored as 7.0 are 7."""
    if isinstance(cell, bool):
        return "ja" if cell else "nej"
    if isinstance(cell, float) and cell.is_integer() and abs(cell) < 1e15:
        return str(int(cell))
    return str(cell).replace("\u00a0", " ").strip()


def _plausible(day: str | None) -> str | None:
    return day if day is not None and "1990" <= day[:4] <= "2100" else None


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
        raise DataError(f"A form has 1 to {MOST_ROWS:,} rows, not {rows:,}", "Choose another number.")
    if school is not None and (understood(school, "text") != school or not school or school.casefold() == MISSING):
        raise DataError("The school's name is empty, too long or has invalid characters", "Correct it.")
    _write(path, [{"school": school, "list_number": str(number)} for number in range(1, rows + 1)], private=False)


def write_form(table: pd.DataFrame, path: str | Path) -> None:
    """Write a baseline table as a filled-in form, which reads back unchanged.

    Parameters
    ----------
    table : DataFrame
        With the columns of the table ``baseline``; see :func:`nbanalytics.municipal.baseline_form.read_baseline_form`.
    path : str or Path
        An .xlsx file that only its owner may read; one that exists is replaced.

    Raises
    ------
    DataError
        If a column is missing, a value would not read back as it is, or the file cannot be written.
    """
    absent = [name for name in COLUMNS if name not in table.columns]
    if absent or len(table) > MOST_ROWS:
        what = f"has no column {', '.join(absent)}" if absent else f"has more than {MOST_ROWS:,} rows"
        raise DataError(f"The baseline table {what}", "Correct the table.")
    rows = [_answers(place, row) for place, row in enumerate(table[list(COLUMNS)].to_dict("records"), start=1)]
    _write(path, rows, private=True)


def _answers(place: int, row: Mapping[Hashable, Cell]) -> dict[str, Cell]:
    declared = set("" if _empty(row[DECLARED]) else str(row[DECLARED]).split())
    answers: dict[str, Cell] = {}
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
                f"Column {field.name}: a value would be read back differently (row {place} of the table)",
                "Correct it, or leave it missing.",
            )
    if not set(answers) - {"school", "list_number"} or answers.get("list_number", MISSING) == MISSING:
        raise DataError(
            f"A row has no list number, or only school and list number (row {place} of the table)",
            "Such a row would not be read; fill it in or remove it.",
        )
    return answers


def _cell(value: Cell, field: Field) -> Cell:
    """Return the answer for a value."""
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
        return str(value)  # it would be read back differently, which is then reported


def _empty(value: Cell) -> bool:
    import pandas as pd

    return bool(pd.isna(value))


def _write(path: str | Path, rows: Sequence[Mapping[str, Cell]], private: bool) -> None:
    columns = tuple(
        SheetColumn(
            field.heading,
            [row.get(field.name) for row in rows],
            width=field.width,
            number_format="yyyy-mm-dd" if field.kind == "date" else "General",
            choices=field.choices,
            to_fill_in=True,
        )
        for field in FIELDS
    )
    write_sheets(path, [Sheet(SHEET, columns, heading_height=62), Lines(INSTRUCTIONS, _TEXT)], private=private)
