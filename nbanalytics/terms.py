"""When a school term is on the calendar: what binds dated tables to the terms of grades."""

from __future__ import annotations

import re
from datetime import date

from nbanalytics.declaration import Declaration
from nbanalytics.errors import DataError

_NAME = re.compile(r"(\d+)(HT|VT)")


def term_dates(declaration: Declaration, cohort: int, term: str) -> tuple[date, date]:
    """Return the first and the last day of a cohort's term.

    A term is a year and HT (autumn: 1 July to 31 December) or VT (spring: 1 January to 30 June), such as ``"7HT"``. The
    summer belongs to the autumn, so that the terms follow upon each other without a gap. A cohort leaves the last
    declared term in the year that it is named by.

    Raises
    ------
    DataError
        If the term, or the last declared term, is not so named.

    Examples
    --------
    >>> [day.isoformat() for day in term_dates(Declaration(), 2018, "7HT")]
    ['2015-07-01', '2015-12-31']
    """
    last = _half_years(declaration.terms[-1])
    # Who leaves in spring of a year leaves its first half-year, who leaves in autumn the one that begins in July.
    place = 2 * cohort + 1 + (last % 2 == 0) - (last - _half_years(term))
    year, spring = divmod(place, 2)
    return (date(year, 1, 1), date(year, 6, 30)) if spring else (date(year - 1, 7, 1), date(year - 1, 12, 31))


def _half_years(term: str) -> int:
    """Half-years since the beginning of year 0; autumn comes before spring."""
    named = _NAME.fullmatch(term)
    if named is None:
        raise DataError(
            f"The term {term!r} has no place on the calendar: terms with dates are named by a year and HT or VT, such "
            "as 6HT and 6VT",
            "Name the terms so in [terms] of records.toml.",
        )
    return 2 * int(named.group(1)) + (named.group(2) == "VT")
