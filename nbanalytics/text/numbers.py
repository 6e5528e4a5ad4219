"""Numbers as they are written in Swedish and in English, by Babel."""

from __future__ import annotations

from babel.numbers import format_decimal, format_percent

_LOCALE = {"sv": "sv_SE", "en": "en_GB"}
_STUDENTS = {"sv": ("elev", "elever"), "en": ("student", "students")}
SUPPRESSED, NOT_APPLICABLE = "..", "."


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
        The number with the separators of the language.

    Examples
    --------
    >>> number(12345.6, decimals=1).replace(chr(160), " "), number(12345.6, "en", 1)
    ('12 345,6', '12,345.6')
    """
    pattern = "#,##0" + ("." + "0" * decimals if decimals else "")
    return str(format_decimal(value, format=pattern, locale=_LOCALE[lang]))


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
    return str(format_percent(share, format=pattern.replace(" ", "\u00a0"), locale=_LOCALE[lang]))


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
