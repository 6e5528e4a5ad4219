"""Spellings of terms, subjects, grades, sex and yes or no, and their meaning."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping
from datetime import date

from nbanalytics.declaration import Declaration
from nbanalytics.grading import STRECK, Scale
from nbanalytics.schema import Column

SEX = {
    **dict.fromkeys(("girl", "flicka", "f", "k", "kvinna", "female", "woman"), "girl"),
    **dict.fromkeys(("boy", "pojke", "p", "m", "man", "male"), "boy"),
}
FLAG = {
    **dict.fromkeys(("true", "1", "ja", "j", "yes", "y", "sant", "t"), "true"),
    **dict.fromkeys(("false", "0", "nej", "n", "no", "falskt", "f"), "false"),
}
_DASHES = ("–", "—", "−", "streck")


def loosely(word: str) -> str:
    """Return a word without case, spaces, hyphens and underscores, for comparing.

    Examples
    --------
    >>> loosely("Post-secondary "), loosely("years 1-5")
    ('postsecondary', 'years15')
    """
    return re.sub(r"[\s_-]+", "", unicodedata.normalize("NFC", word).casefold())


def value_words(column: Column) -> dict[str, str]:
    """Return the value for each loosely written word of a column with fixed values."""
    words = {loosely(value): value for value in column.values}
    return {**SEX, **words} if column.name == "sex" else words


def subject_words(declaration: Declaration) -> dict[str, str]:
    """Return the code of each subject by its code and its names, loosely written."""
    subjects = declaration.catalogue.subjects.values()
    named = {loosely(name): subject.code for subject in subjects for name in (subject.sv, subject.en)}
    # A code always means itself, even if it is another subject's name.
    return {**named, **{loosely(subject.code): subject.code for subject in subjects}}


def term_words(terms: Iterable[str]) -> dict[str, str]:
    """Return the declared term by its parts in any order: ``"HT 7"``, ``"7 ht"`` and ``"ht7"`` are 7HT.

    Examples
    --------
    >>> term_words(["6HT", "6VT"])[term_parts("vt 6")]
    '6VT'
    """
    words: dict[str, str] = {}
    for term in terms:
        parts = term_parts(term)
        words[parts] = "" if parts in words else term
    return {parts: term for parts, term in words.items() if term}


def term_parts(term: str) -> str:
    """Return the numbers and words of a term, in a fixed order."""
    return " ".join(sorted(re.findall(r"\d+|[^\W\d_]+", term.casefold())))


def grade_words(scale: Scale) -> dict[str, str]:
    """Return the grade for each spelling on a scale, without case."""
    words = {alias.casefold(): meaning for alias, meaning in scale.aliases.items()}
    if STRECK in scale.marks:
        words |= dict.fromkeys(_DASHES, STRECK)
    words |= {name.casefold(): name for name in (*scale.points, *scale.marks)}
    # A spreadsheet writes the grade 11 as 11.0.
    words |= {f"{name}{rest}": name for name in scale.points if name.isdigit() for rest in (".0", ",0")}
    return words


def read_grade(cell: str, words: Mapping[str, str], scale: Scale) -> str | None:
    """Return the grade that a cell means, or None if the scale has no such grade."""
    return cell if cell in scale.points or cell in scale.marks else words.get(cell.casefold())


def read_term(cell: str, terms: Mapping[str, str], declared: Iterable[str]) -> str | None:
    """Return the term that a cell means, or None."""
    return cell if cell in declared else terms.get(term_parts(cell))


def read_date(cell: str) -> str | None:
    """Return a date as ``yyyy-mm-dd``, or None if the cell is not a date.

    Examples
    --------
    >>> read_date("2017-09-01 00:00:00"), read_date("20170901"), read_date("1/9 2017")
    ('2017-09-01', '2017-09-01', None)
    """
    match = re.fullmatch(r"(\d{4})-?(\d{2})-?(\d{2})(?:[T ][\d:.]+)?", cell)
    try:
        return date(*map(int, match.groups())).isoformat() if match else None
    except ValueError:
        return None


def read_number(cell: str) -> float | None:
    """Return a number written with a point or a comma, with or without a per cent sign; None if the cell is none.

    Examples
    --------
    >>> read_number("12,5 %"), read_number("1e-3"), read_number("nan")
    (12.5, 0.001, None)
    """
    match = re.fullmatch(r"([+-]?(?:\d+(?:[.,]\d*)?|[.,]\d+)(?:[eE][+-]?\d{1,3})?)\s*%?", cell)
    return float(match.group(1).replace(",", ".")) if match else None
