"""The words of one language: messages and labels by key, and numbers as the language writes them.

The words themselves are in two TOML files beside this one; numbers are written by Babel.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import date
from decimal import ROUND_HALF_UP, Decimal, localcontext
from functools import cache, lru_cache
from typing import TYPE_CHECKING, cast

from babel.dates import format_date
from babel.numbers import format_decimal, format_percent

from nbanalytics.toml_files import packaged_toml

if TYPE_CHECKING:
    from nbanalytics.text.cells import Cell

LANGUAGES = ("sv", "en")
SUPPRESSED, NOT_APPLICABLE = "..", "."
_LOCALE = {"sv": "sv_SE", "en": "en_GB"}
_STUDENTS = {"sv": ("elev", "elever"), "en": ("student", "students")}
_MINUS, _NO_BREAK = "\u2212", "\u00a0"
#: Labels by dimension and code.
Names = Mapping[str, Mapping[str, str]]


@cache
def messages() -> dict[str, dict[str, str]]:
    """Return every message by key and language."""
    return cast("dict[str, dict[str, str]]", packaged_toml("nbanalytics.text", "messages.toml"))


@cache
def labels() -> dict[str, dict[str, dict[str, str]]]:
    """Return every label by kind, code and language."""
    return cast("dict[str, dict[str, dict[str, str]]]", packaged_toml("nbanalytics.text", "labels.toml"))


@dataclass(frozen=True)
class Words:
    """The words that a chart or page uses: a language, and a publisher's own words.

    Parameters
    ----------
    lang
        ``"sv"`` or ``"en"``; a ValueError says that there are no words in another language.
    names
        Labels of codes that the catalogue does not have, by dimension, such as the names of schools:
        ``{"school": {"S1": "Bergsskolan"}}``.
    own
        A publisher's own words in this language. They replace the catalogue's. A key is that of a message
        (``"groups.lead"``), or a kind of label and its code (``"stage.upper_secondary"``).
    compared
        Codes of the two terms that a page compares; many messages name their years.

    Examples
    --------
    >>> words = Words("en", names={"school": {"S1": "Bergsskolan"}}, own={"state.eligible": "On track"})
    >>> words.label("school", "S1"), words.label("state", "eligible"), words.label("state", "not_eligible")
    ('Bergsskolan', 'On track', 'Not eligible')
    >>> Words("en", compared=("7VT", "9VT")).say("tile.followed.note")
    'with grades in both year 7 and year 9'
    """

    lang: str = "en"
    names: Names = field(default_factory=dict)
    own: Mapping[str, str] = field(default_factory=dict)
    compared: tuple[str, str] = ("6VT", "9VT")

    def __post_init__(self) -> None:
        if self.lang not in LANGUAGES:
            raise ValueError(f"no words in the language {self.lang!r}; there are {', '.join(LANGUAGES)}")

    def say(self, key: str, **values: str) -> str:
        """Return a message, such as ``"groups.title"``, with its blanks filled.

        Numbers among ``values`` are formatted first. The blanks ``from_year`` and ``to_year`` are filled with the years
        of ``compared``. A KeyError says that there is no such message, or that a blank has no value.

        Examples
        --------
        >>> Words("sv").say("groups.title"), Words("en").say("groups.title")
        ('Sex grupper', 'Six groups')
        """
        start, end = self.compared
        filled = {"from_year": self.label("year", start), "to_year": self.label("year", end)} | values
        if key in self.own:
            with suppress(KeyError, IndexError, ValueError):  # words with a blank that the message does not have
                return self.own[key].format(**filled)
        return messages()[key][self.lang].format(**filled)

    def label(self, kind: str, code: object) -> str:
        """Return the words for a code of a kind (``"group"``, ``"term"``, ``"school"``, ...), or the code itself.

        Examples
        --------
        >>> Words("sv").label("state", "not_eligible"), Words("sv").label("subject", "MA")
        ('Ej behörig', 'Matematik')
        """
        text = str(code)
        own = self.own.get(f"{kind}.{text}")
        if own is not None:
            return own
        known = labels().get(kind, {}).get(text)
        return known[self.lang] if known is not None else self.names.get(kind, {}).get(text, text)

    def number(self, value: float, decimals: int = 0) -> str:
        """Write a number with a fixed number of decimals; a half is rounded away from zero, as in Excel.

        A negative number has the minus sign (U+2212), never a hyphen; a number that is rounded to zero has no sign.

        Examples
        --------
        >>> Words("sv").number(12345.6, 1).replace(chr(160), " "), Words("en").number(12345.6, 1)
        ('12 345,6', '12,345.6')
        >>> Words("sv").number(-0.31, 1), Words("sv").number(-0.04, 1), Words("sv").number(12.5)
        ('−0,3', '0,0', '13')
        """
        return _decimal(value, self.lang, decimals)

    def signed(self, value: float, decimals: int = 0) -> str:
        """Write a change: a number with its sign, unless it is rounded to zero.

        Examples
        --------
        >>> Words("en").signed(2.65, 1), Words("en").signed(-0.31, 1), Words("en").signed(0.04, 1)
        ('+2.7', '−0.3', '0.0')
        """
        text = self.number(value, decimals)
        return f"+{text}" if value > 0 and re.search("[1-9]", text) else text

    def percent(self, share: float, decimals: int = 0) -> str:
        """Write a share from 0 to 1 as a percentage; in Swedish with a no-break space before the sign.

        Examples
        --------
        >>> Words("sv").percent(0.844).replace(chr(160), " "), Words("en").percent(0.844, 1)
        ('84 %', '84.4%')
        """
        return _percentage(share, self.lang, decimals)

    def students(self, count: float) -> str:
        """Write a number of students with the right form of the noun, after a no-break space.

        Examples
        --------
        >>> Words("sv").students(23).replace(chr(160), " "), Words("en").students(1).replace(chr(160), " ")
        ('23 elever', '1 student')
        """
        return f"{self.number(count)}{_NO_BREAK}{_STUDENTS[self.lang][count != 1]}"

    def students_within(self, low: float, high: float) -> str:
        """Write a number of students of which only the smallest and the largest it can be are known."""
        return f"{self.span(low, high)}{_NO_BREAK}{_STUDENTS[self.lang][high != 1]}"

    def span(self, low: float, high: float) -> str:
        """Write the smallest and the largest that a number can be.

        Examples
        --------
        >>> Words("sv").span(82, 86), Words("sv").span(0, 4), Words("en").span(0, 4), Words("en").span(7, 7)
        ('82–86', 'högst 4', 'at most 4', '7')
        """
        if low == high:
            return self.number(low)
        return self.say("span.most", high=self.number(high)) if low <= 0 else f"{self.number(low)}–{self.number(high)}"

    def cell(self, cell: Cell, kind: str = "count") -> str:
        """Write one cell of a release: its span or ``".."`` if it is suppressed, ``"."`` if it does not apply.

        ``kind`` is ``"count"``, ``"share"`` (written in per cent with one decimal) or ``"mean"`` (one decimal).

        Examples
        --------
        >>> from nbanalytics.text import Cell
        >>> written = Words("sv")
        >>> written.cell(Cell({}, "lost", None, "suppressed")), written.cell(Cell({}, "merit", 228.71, "ok"), "mean")
        ('..', '228,7')
        """
        if cell.status == "suppressed":
            return SUPPRESSED if cell.span is None else self.span(*cell.span)
        if cell.status != "ok" or cell.value is None:
            return NOT_APPLICABLE
        if kind == "share":
            return self.percent(cell.value, 1)
        return self.number(cell.value, 1 if kind == "mean" else 0)

    def date(self, day: date) -> str:
        """Write a date in full.

        Examples
        --------
        >>> Words("en").date(date(2026, 3, 1)), Words("sv").date(date(2026, 3, 1))
        ('1 March 2026', '1 mars 2026')
        """
        return str(format_date(day, "long", _LOCALE[self.lang]))


# A page writes the same few numbers in its charts, their tables and their text alternatives.
@lru_cache(maxsize=4096)
def _decimal(value: float, lang: str, decimals: int) -> str:
    pattern = "#,##0" + ("." + "0" * decimals if decimals else "")
    with localcontext(rounding=ROUND_HALF_UP):
        return _minus(str(format_decimal(_exact(value), format=pattern, locale=_LOCALE[lang])))


@lru_cache(maxsize=4096)
def _percentage(share: float, lang: str, decimals: int) -> str:
    zeros = "." + "0" * decimals if decimals else ""
    pattern = f"#,##0{zeros}{_NO_BREAK if lang == 'sv' else ''}%"
    with localcontext(rounding=ROUND_HALF_UP):
        return _minus(str(format_percent(_exact(share), format=pattern, locale=_LOCALE[lang])))


def _exact(value: float) -> Decimal:
    """Return a number without the error of computing it, so that a half is rounded away from zero as in Excel."""
    return Decimal(f"{value:.12g}")


def _minus(text: str) -> str:
    bare = text.lstrip(f"-{_MINUS}")
    return text if bare == text else f"{_MINUS}{bare}" if re.search("[1-9]", bare) else bare


ENGLISH = Words("en")
