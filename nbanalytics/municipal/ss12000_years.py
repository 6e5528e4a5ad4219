"""School years and years in school, as SS12000 writes them."""

from __future__ import annotations

import re

from nbanalytics.municipal.ss12000_pages import Entity


def spring_of(day: str) -> int:
    """Return the year of the spring term of the school year that a date (yyyy-mm-dd) is in.

    Examples
    --------
    >>> spring_of("2017-08-20"), spring_of("2018-06-10")
    (2018, 2018)
    """
    return int(day[:4]) + (int(day[5:7]) >= 7)


def year_in_school(text: str) -> int | None:
    """Return the year in school that a text means: 0 to 10, ``"9"`` or ``"Åk 9"``."""
    match = re.fullmatch(r"(?:åk|årskurs)?\.?\s*([0-9]|10)", text.casefold(), re.ASCII)
    return int(match.group(1)) if match else None


def spring_of_grade(entity: Entity, semester: str, day: str | None) -> int | None:
    """Return the year of the spring of a grade's school year: by ``schoolYear``, ``year`` or date; None without any."""
    both = re.fullmatch(r"(20[0-9]{2})\s*[/–-]\s*(?:20)?([0-9]{2})", entity.text("schoolYear"), re.ASCII)
    if both and (int(both[1]) + 1) % 100 == int(both[2]):
        return int(both[1]) + 1
    year = entity.text("year")
    if re.fullmatch(r"(19|20)[0-9]{2}", year, re.ASCII):
        return int(year) + (semester == "HT")
    if day is None:
        return None
    # A grade of the autumn may be registered after New Year, one of the spring after the summer school.
    return spring_of(day) if semester == "HT" else int(day[:4])
