"""Kolada v3: official indicators of Swedish municipalities, asked for over the web and kept on disk."""

from __future__ import annotations

import random
import re
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from nbanalytics.errors import DataError
from nbanalytics.municipal.kolada_http import Pages

if TYPE_CHECKING:
    import pandas as pd

#: The public service.
BASE_URL = "https://api.kolada.se/v3"
#: The nation, in the list of municipalities.
NATION = "0000"
#: Indicators that this project speaks of, with words of their titles: sources disagree on the identifiers.
EXPECTED: dict[str, str] = {"N15428": "behöriga", "N15436": "behöriga", "N15507": "meritvärde"}
#: Kolada's genders: total, women, men.
GENDERS = {"T": "all", "K": "girls", "M": "boys"}
_PER_PAGE = 5000
#: The service refuses longer lists in one address.
_AT_ONCE = 25
_COLUMNS = ("kpi", "municipality", "period", "gender", "value", "count", "status")


class Kolada:
    """A client of Kolada v3.

    Parameters
    ----------
    base_url : str
        Where the service is.
    cache : str or Path, optional
        A folder in which answers are kept. They are used without asking for ``max_age`` seconds, and after that when
        the service cannot be reached; :attr:`remarks` then says so.
    max_age : float
        Seconds.
    timeout : float
        Seconds for one try of one page.
    tries : int
        How often a page is asked for. Between the tries the client waits about 0.5, 1, 2, … seconds, at most 30.
    sleep, clock, rng
        How to wait, what time it is, and the chance in the pauses.

    Examples
    --------
    >>> Kolada("ftp://example.org")
    Traceback (most recent call last):
    nbanalytics.errors.DataError: The base URL must begin with https:// and name a host, tries and timeout be above 0.

    Notes
    -----
    The service is described at https://api.kolada.se/v3/docs. Its data are to be cited as "Källa: Kolada".
    """

    def __init__(
        self,
        base_url: str = BASE_URL,
        *,
        cache: str | Path | None = None,
        max_age: float = 7 * 86_400.0,
        timeout: float = 20.0,
        tries: int = 4,
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.time,
        rng: random.Random | None = None,
    ) -> None:
        folder = None if cache is None else Path(cache)
        self._pages = Pages(base_url, folder, max_age, timeout, tries, sleep, clock, rng or random.Random())

    @property
    def remarks(self) -> tuple[str, ...]:
        """What a person should know of the answers so far, such as a stored one used instead of a new one."""
        return tuple(self._pages.remarks)

    def kpi(self, ids: Sequence[str] | Mapping[str, str]) -> pd.DataFrame:
        """Describe indicators, and check that they are those that were meant.

        Parameters
        ----------
        ids : sequence of str, or mapping of str to str
            Identifiers; a mapping also gives words that the title has to contain, ``{"N15428": "behöriga"}``.

        Returns
        -------
        DataFrame
            ``kpi, title, description``, in the order asked for.

        Raises
        ------
        DataError
            If an indicator is not known, or its title lacks the words; the message names both.
        """
        import pandas as pd

        wanted = _identifiers(ids, r"[A-Z]\d{5}", "an indicator (a letter and five digits)")
        found: dict[str, tuple[str, str]] = {}
        for some in _parts(wanted):
            for entry in self._values(f"kpi/{','.join(some)}"):
                title, description = _text(entry, "title"), entry.get("description")
                found[_text(entry, "id")] = (title, description if isinstance(description, str) else "")
        unknown = [kpi for kpi in wanted if kpi not in found]
        if unknown:
            raise DataError(f"Kolada has no indicator {', '.join(unknown)}. Look it up on kolada.se.")
        expected = {**EXPECTED, **(ids if isinstance(ids, Mapping) else {})}
        for kpi in wanted:
            words, title = expected.get(kpi, ""), found[kpi][0]
            if not all(word in title.casefold() for word in words.casefold().split()):
                raise DataError(
                    f"Indicator {kpi} is not what was asked for: its title is {title!r}, and {words!r} was expected in "
                    "it. Look up the right identifier on kolada.se, or give the words of its title."
                )
        return pd.DataFrame([(kpi, *found[kpi]) for kpi in wanted], columns=["kpi", "title", "description"])

    def municipalities(self) -> pd.DataFrame:
        """List municipalities, regions and the nation.

        Returns
        -------
        DataFrame
            ``municipality`` (four digits, ``0000`` the nation), ``title``, ``type`` (K municipality, L region).
        """
        import pandas as pd

        rows = [
            (_text(entry, "id"), _text(entry, "title"), str(entry.get("type") or ""))
            for entry in self._values("municipality")
        ]
        return pd.DataFrame(rows, columns=["municipality", "title", "type"])

    def values(
        self,
        kpis: Sequence[str] | Mapping[str, str],
        municipalities: Sequence[str],
        years: Iterable[int] | None = None,
    ) -> pd.DataFrame:
        """Return values of indicators; the titles are checked as in :meth:`kpi`.

        Parameters
        ----------
        kpis : sequence of str, or mapping of str to str
            Identifiers, perhaps with words of their titles.
        municipalities : sequence of str
            Codes of four digits.
        years : iterable of int, optional
            All years if it is left out.

        Returns
        -------
        DataFrame
            ``kpi, municipality, period`` (year), ``gender`` (all, girls, boys), ``value`` (missing where Kolada has
            none), ``count``, ``status`` (Kolada's own word, such as ``Missing`` or ``Private``; empty for a plain
            value).
        """
        import pandas as pd

        asked = _identifiers(kpis, r"[A-Z]\d{5}", "an indicator (a letter and five digits)")
        places = _identifiers(municipalities, r"\d{4}|G\d{1,9}", "a municipality (four digits)")
        self.kpi(kpis)
        periods = None if years is None else _identifiers([str(year) for year in years], r"\d{4}", "a year")
        rows: list[tuple[Any, ...]] = []
        for some_kpis in _parts(asked):
            for some_places in _parts(places):
                for some_years in _parts(periods) if periods is not None else [[]]:
                    path = f"data/kpi/{','.join(some_kpis)}/municipality/{','.join(some_places)}"
                    path += f"/year/{','.join(some_years)}" if some_years else ""
                    for entry in self._values(path):
                        rows += _rows(entry)
        frame = pd.DataFrame(rows, columns=list(_COLUMNS))
        frame = frame.astype({"period": "int64", "value": "float64", "count": "Int64"})
        order = ["kpi", "municipality", "period", "gender"]
        return frame.drop_duplicates().sort_values(order, kind="stable", ignore_index=True)

    def _values(self, path: str) -> list[dict[str, Any]]:
        values = self._pages.values(f"{quote(path, safe='/,')}?per_page={_PER_PAGE}")
        if not all(isinstance(entry, dict) for entry in values):
            raise _strange("an entry that is no object")
        return values


def _rows(entry: dict[str, Any]) -> list[tuple[Any, ...]]:
    kpi, place, period = _text(entry, "kpi"), _text(entry, "municipality"), entry.get("period")
    cells = entry.get("values")
    if isinstance(period, str) and period.isdecimal() and len(period) == 4:
        period = int(period)
    if not isinstance(period, int) or isinstance(period, bool) or not 1900 <= period <= 2200:
        raise _strange("a period that is no year")
    if not isinstance(cells, list):
        raise _strange("an entry without a list of values")
    rows: list[tuple[Any, ...]] = []
    for cell in cells:
        gender = GENDERS.get(str(cell.get("gender"))) if isinstance(cell, dict) else None
        if gender is None:
            raise _strange("a gender other than T, K and M")
        if cell.get("isdeleted") is True:
            continue
        count = _number(cell.get("count"))
        whole = int(count) if count is not None and count == int(count) else None
        rows.append((kpi, place, period, gender, _number(cell.get("value")), whole, str(cell.get("status") or "")))
    return rows


def _number(value: Any) -> float | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) < 1e15:
        raise _strange("a value that is no number")
    return float(value)


def _text(entry: dict[str, Any], name: str) -> str:
    value = entry.get(name)
    if not isinstance(value, str):
        raise _strange(f"an entry without {name!r}")
    return value


def _strange(what: str) -> DataError:
    return DataError(f"Kolada's answer has {what}. Its format may have changed: check the base URL and its version.")


def _identifiers(given: Iterable[str], form: str, what: str) -> list[str]:
    if isinstance(given, str):
        raise DataError(f"Give a list of identifiers, not one text: [{given[:20]!r}].")
    asked = list(dict.fromkeys(str(identifier).strip() for identifier in given))
    wrong = [identifier for identifier in asked if not re.fullmatch(form, identifier, re.ASCII)]
    if wrong or not asked:
        shown = f"{wrong[0][:20]!r} is not {what}" if wrong else f"The list is empty; it needs {what}"
        raise DataError(f"{shown}. Mend the list of what is asked for.")
    return asked


def _parts(identifiers: list[str]) -> list[list[str]]:
    return [identifiers[start : start + _AT_ONCE] for start in range(0, len(identifiers), _AT_ONCE)]
