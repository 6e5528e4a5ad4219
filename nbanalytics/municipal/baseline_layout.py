"""The form of the baseline analysis (nulägesanalys): its columns, their headings, and what may stand in them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Literal

from nbanalytics.grading import STRECK, Scale, default_catalogue
from nbanalytics.readers.words import FLAG, SEX, loosely, read_date, read_number

SHEET, INSTRUCTIONS = "Formulär", "Instruktion"
#: More rows than any school has pupils.
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
#: The form is from the years of this scale.
SCALE: Scale = default_catalogue().grading(2020).scale

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
#: Columns without which the sheet is no such form.
NEEDED = ("school", "list_number", "year")

_WRONG: dict[FormKind, tuple[str, str]] = {
    "text": ("not a school's name", "Write the name of the school, at most 100 characters."),
    "list": ("not a list number", "Write the running number of the list, never a name or an identity number."),
    "date": ("not a date", "Write it as yyyy-mm-dd."),
    "sex": ("not Flicka, Pojke or x", "Choose from the list."),
    "year": ("not a year from 1 to 9", "Choose from the list."),
    "flag": ("neither Ja, Nej nor x", "Choose from the list."),
    "grade": ("not a grade, - or x", "Choose from the list."),
    "count": ("not a number of passes", "Write a whole number from 0 to 25, or x."),
    "percent": ("not per cent from 0 to 100", "Write a number from 0 to 100, or x."),
}


def wrong(kind: FormKind) -> tuple[str, str]:
    """Return what is wrong with a cell of that kind that is not understood, and the remedy."""
    return _WRONG[kind]


def field_of(heading: str) -> Field | None:
    """Return the field that a heading names.

    Examples
    --------
    >>> [field_of(text).name for text in ("Betyg i  SVA", "Årskurs*", "Frånvaro i %")]
    ['SVA', 'year', 'absence']
    """
    plain = re.sub(r"[^\w–]+", "", loosely(heading[:300]))
    return next((field for field in FIELDS if re.fullmatch(field.pattern, plain)), None)


def understood(cell: Any, kind: FormKind) -> Any | None:
    """Return what a cell that is neither empty nor ``x`` means, or None if it means nothing there.

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


def plain_text(cell: Any) -> str:
    """Return a cell as trimmed text; whole numbers that Excel keeps as 7.0 are 7."""
    if isinstance(cell, bool):
        return "ja" if cell else "nej"
    if isinstance(cell, float) and cell.is_integer() and abs(cell) < 1e15:
        return str(int(cell))
    return str(cell).replace("\u00a0", " ").strip()


def _plausible(day: str | None) -> str | None:
    return day if day is not None and "1990" <= day[:4] <= "2100" else None
