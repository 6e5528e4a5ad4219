"""Numbers as they are written in Swedish and in English, by Babel."""

from __future__ import annotations

import re

from babel.numbers import format_decimal, format_percent

_LOCALE = {"sv": "sv_SE", "en": "en_GB"}
_STUDENTS = {"sv": ("elev", "elever"), "en": ("student", "students")}
SUPPRESSED, NOT_APPLICABLE = "..", "."
_MINUS = "\u2212"


def number(value: float, lang: str = "sv", decimals: int = 0) -> str:
    """Write a number with a fixed number of decimals.

    Parameters
    ----------
    value
        The number.
    lang
        ``"sv"`` or ``"en"``.
    decimals
        Decimals that are always written.

    Returns
    -------
    str
        The number with the separators of the language. A negative one has the minus sign (U+2212), a hyphen never;
        what is rounded to zero has no sign.

    Examples
    --------
    >>> number(12345.6, decimals=1).replace(chr(160), " "), number(12345.6, "en", 1)
    ('12 345,6', '12,345.6')
    >>> number(-0.31, decimals=1), number(-0.04, decimals=1)
    ('−0,3', '0,0')
    """
    pattern = "#,##0" + ("." + "0" * decimals if decimals else "")
    return _minus(str(format_decimal(value, format=pattern, locale=_LOCALE[lang])))


def signed(value: float, lang: str = "sv", decimals: int = 0) -> str:
    """Write a change: a number with its sign, unless it is rounded to zero.

    Parameters
    ----------
    value
        The change.
    lang
        ``"sv"`` or ``"en"``.
    decimals
        Decimals that are always written.

    Returns
    -------
    str
        As of :func:`number`, with ``+`` before a positive one.

    Examples
    --------
    >>> signed(2.65, "en", 1), signed(-0.31, "en", 1), signed(0.04, "en", 1)
    ('+2.6', '−0.3', '0.0')
    """
    text = number(value, lang, decimals)
    return f"+{text}" if value > 0 and re.search("[1-9]", text) else text


def percent(share: float, lang: str = "sv", decimals: int = 0) -> str:
    """Write a share from 0 to 1 as a percentage.

    Parameters
    ----------
    share
        The share, 0 to 1.
    lang
        ``"sv"`` or ``"en"``.
    decimals
        Decimals that are always written.

    Returns
    -------
    str
        The percentage; in Swedish with a no-break space before the sign.

    Examples
    --------
    >>> percent(0.844).replace(chr(160), " "), percent(0.844, "en", 1)
    ('84 %', '84.4%')
    """
    zeros = "." + "0" * decimals if decimals else ""
    pattern = f"#,##0{zeros} %" if lang == "sv" else f"#,##0{zeros}%"
    return _minus(str(format_percent(share, format=pattern.replace(" ", "\u00a0"), locale=_LOCALE[lang])))


def _minus(text: str) -> str:
    bare = text.lstrip(f"-{_MINUS}")
    return text if bare == text else f"{_MINUS}{bare}" if re.search("[1-9]", bare) else bare


def students(count: float, lang: str = "sv") -> str:
    """Write a number of students with the right form of the noun.

    Parameters
    ----------
    count
        How many.
    lang
        ``"sv"`` or ``"en"``.

    Returns
    -------
    str
        Such as ``"1 elev"`` or ``"23 elever"``, with a no-break space.

    Examples
    --------
    >>> students(23).replace(chr(160), " "), students(1, "en").replace(chr(160), " ")
    ('23 elever', '1 student')
    """
    return f"{number(count, lang)}\u00a0{_STUDENTS[lang][count != 1]}"


def cell_text(value: float | None, status: str, lang: str = "sv", kind: str = "count") -> str:
    """Write one cell of a release, whether it may be shown or not.

    Parameters
    ----------
    value
        The value, or None where there is none.
    status
        ``"ok"``, ``"suppressed"`` or ``"not_applicable"``.
    lang
        ``"sv"`` or ``"en"``.
    kind
        ``"count"``, ``"share"`` (written in per cent with one decimal) or ``"mean"`` (one decimal).

    Returns
    -------
    str
        The number, ``".."`` for a suppressed cell, ``"."`` for one that does not apply.

    Examples
    --------
    >>> cell_text(None, "suppressed"), cell_text(7, "ok"), cell_text(228.71, "ok", kind="mean")
    ('..', '7', '228,7')
    """
    if status == "suppressed":
        return SUPPRESSED
    if status != "ok" or value is None:
        return NOT_APPLICABLE
    if kind == "share":
        return percent(value, lang, 1)
    return number(value, lang, 1 if kind == "mean" else 0)
