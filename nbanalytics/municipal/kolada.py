"""Kolada v3: official indicators of Swedish municipalities, requested over the web and cached on disk."""

from __future__ import annotations

import hashlib
import json
import re
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import KW_ONLY, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urljoin, urlsplit, urlunsplit

from nbanalytics.errors import DataError
from nbanalytics.files import replacing_file

if TYPE_CHECKING:
    import pandas as pd
    from requests import Session

#: The public service.
BASE_URL = "https://api.kolada.se/v3"
#: Limits of an answer in pages and bytes: more is a fault of the service.
MOST_PAGES, MOST_BYTES = 1_000, 50_000_000
#: The longest pause before another attempt, in seconds.
LONGEST_PAUSE = 30.0
_AGAIN = frozenset({408, 425, 429, 500, 502, 503, 504})
_CHUNK = 65_536


class _FaultOfTheMoment(Exception):
    """An attempt failed, but another may succeed, perhaps after the seconds that the service requests."""

    def __init__(self, what: str, wait: float = 0.0) -> None:
        super().__init__(what)
        self.wait = wait


def _session() -> Session:
    """Return a session of requests that only follows redirects within the service."""
    try:
        import requests
    except ImportError:
        raise DataError(
            "Kolada needs the library requests", "Install it: pip install '.[research]' in the project's folder."
        ) from None

    class SameHost(requests.Session):
        def get_redirect_target(self, resp: Any) -> Any:
            target = super().get_redirect_target(resp)
            if target and _host(urljoin(resp.url, target)) != _host(resp.url):
                raise DataError(
                    f"{_host(resp.url)} redirects the request to another host",
                    "The redirect was not followed; check the base URL.",
                )
            return target

    session = SameHost()
    # Without compression a page has as many bytes as are counted.
    session.headers.update({"Accept": "application/json", "Accept-Encoding": "identity", "User-Agent": "nbanalytics"})
    return session


@dataclass
class Pages:
    """All pages of a request, from the service or from the cache; see :class:`Kolada` for the parameters."""

    base_url: str = BASE_URL
    _: KW_ONLY
    cache: str | Path | None = None
    max_age: float = 7 * 86_400.0
    timeout: float = 20.0
    tries: int = 4
    sleep: Callable[[float], None] = time.sleep
    clock: Callable[[], float] = time.time
    #: What a person should know of the answers so far, such as a stored one used instead of a new one.
    remarks: tuple[str, ...] = field(default=(), init=False)
    _session: Session | None = field(default=None, init=False, repr=False)

    def __post_init__(self) -> None:
        parts = urlsplit(self.base_url)
        if parts.scheme not in ("http", "https") or not parts.hostname or self.tries < 1 or self.timeout <= 0:
            raise DataError("The base URL must begin with https:// and name a host; tries and timeout must be above 0.")
        self.base_url = self.base_url.rstrip("/")

    def all_pages(self, path: str) -> list[Any]:
        """Return the ``values`` of all pages of a request.

        Raises
        ------
        DataError
            If the service cannot be reached and nothing is stored, if it refuses the request, or if its pages do not
            end or lead to another host.
        """
        url = f"{self.base_url}/{path}"
        stored = self._stored(url)
        if stored is not None and 0 <= self.clock() - stored[0] <= self.max_age:
            return stored[1]
        try:
            values = self._ask(url)
        except _FaultOfTheMoment as fault:
            if stored is None:
                raise DataError(
                    f"{_host(url)} gave no usable answer in {self.tries} attempts ({fault}), and none is stored",
                    "Check the connection and try again later.",
                ) from None
            days = max(0.0, self.clock() - stored[0]) / 86_400
            said = f"{_host(url)} gave no usable answer ({fault}): one stored {days:.0f} days ago is used for {path}"
            self.remarks = (*self.remarks, said)
            return stored[1]
        self._store(url, values)
        return values

    def _ask(self, url: str) -> list[Any]:
        values: list[Any] = []
        seen: set[str] = set()
        following: str | None = url
        while following is not None:
            if following in seen or len(seen) >= MOST_PAGES:
                raise DataError(
                    f"The pages of {_host(url)} do not end: after {len(seen)} pages the next is a repeated one, or "
                    "there are too many",
                    "Nothing was used; request less, or report it to the service.",
                )
            seen.add(following)
            page = self._page(following)
            found = page.get("values") if isinstance(page, dict) else None
            if not isinstance(page, dict) or not isinstance(found, list):
                raise DataError(f"{_host(url)} answers without a list 'values'", "Check the base URL and its version.")
            values += found
            following = self._next(page.get("next_url"), following)
        return values

    def _next(self, link: Any, current: str) -> str | None:
        if link is None or link == "":
            return None
        if not isinstance(link, str):
            raise DataError(f"{_host(current)} gives a next page that is not text", "Report it to the service.")
        try:
            absolute = urljoin(current, link)
            same = _host(absolute) == _host(self.base_url)
        except ValueError:
            same, absolute = False, ""
        if not same:
            raise DataError(
                f"{_host(current)} names a next page on another host", "It was not followed; check the base URL."
            )
        # A service behind a proxy may write http for https: the original scheme is kept.
        base, parts = urlsplit(self.base_url), urlsplit(absolute)
        return urlunsplit((base.scheme, base.netloc, parts.path, parts.query, ""))

    def _page(self, url: str) -> Any:
        from urllib3.exceptions import MaxRetryError, ProtocolError
        from urllib3.util.retry import RequestHistory, Retry

        # urllib3 makes no pause after the first fault; with one in the history the pauses are 0.5, 1, 2, … seconds.
        earlier = (RequestHistory("GET", url, None, None, None),)
        retry = Retry(
            self.tries - 1, backoff_factor=0.25, backoff_jitter=0.25, backoff_max=LONGEST_PAUSE, history=earlier
        )
        while True:
            try:
                return self._try(url, retry)
            except _FaultOfTheMoment as fault:
                try:
                    retry = retry.increment("GET", url, error=ProtocolError(str(fault)))
                except (MaxRetryError, ProtocolError):
                    raise fault from None
                self.sleep(min(LONGEST_PAUSE, max(retry.get_backoff_time(), fault.wait)))

    def _try(self, url: str, retry: Any) -> Any:
        if self._session is None:
            self._session = _session()
        from requests import RequestException, Timeout
        from urllib3.exceptions import HTTPError, InvalidHeader, ReadTimeoutError

        until = time.monotonic() + self.timeout
        try:
            with self._session.get(url, timeout=self.timeout, stream=True) as response:
                status = response.status_code
                if status in _AGAIN or status >= 500:
                    with suppress(InvalidHeader):
                        raise _FaultOfTheMoment(f"status {status}", retry.get_retry_after(response.raw) or 0.0)
                    raise _FaultOfTheMoment(f"status {status}")
                if status >= 400:
                    raise DataError(
                        f"{_host(url)} refuses the request with status {status}",
                        "Check the identifiers and the years.",
                    )
                body = _body(response.raw, until)
        except (TimeoutError, Timeout, ReadTimeoutError):
            raise _FaultOfTheMoment(f"nothing within {self.timeout:g} seconds") from None
        except RequestException:
            raise _FaultOfTheMoment("cannot be reached") from None
        except HTTPError:
            raise _FaultOfTheMoment("cut off in the middle") from None
        try:
            return json.loads(body)
        except (ValueError, RecursionError):
            # Without a stated length, this is the only sign of a truncated body.
            raise _FaultOfTheMoment("cut off in the middle, or not JSON") from None

    def _stored(self, url: str) -> tuple[float, list[Any]] | None:
        if self.cache is None:
            return None
        try:
            content = json.loads(self._file(self.cache, url).read_text(encoding="utf-8"))
            found = content["url"] == url and isinstance(content["values"], list)
            return (float(content["fetched"]), content["values"]) if found else None
        except (OSError, ValueError, KeyError, TypeError, RecursionError):
            return None  # nothing stored, or nothing that can be trusted: it is requested again

    def _store(self, url: str, values: list[Any]) -> None:
        if self.cache is None:
            return
        target = self._file(self.cache, url)
        content = json.dumps({"url": url, "fetched": self.clock(), "values": values}, ensure_ascii=False)
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            with replacing_file(target) as fresh:
                fresh.write_text(content, encoding="utf-8")
        except OSError as error:
            said = f"the cache cannot be written ({error.strerror}): answers are not kept"
            self.remarks = (*self.remarks, said)

    @staticmethod
    def _file(cache: str | Path, url: str) -> Path:
        return Path(cache) / f"kolada-{hashlib.sha256(url.encode()).hexdigest()[:32]}.json"


def _body(response: Any, until: float) -> bytes:
    """Read a body with a deadline: a server that sends single bytes never reaches the socket's time-out."""
    parts: list[bytes] = []
    size = 0
    while chunk := response.read1(_CHUNK):
        size += len(chunk)
        if size > MOST_BYTES:
            raise DataError(f"A page is larger than {MOST_BYTES // 1_000_000} MB", "Request less at a time.")
        if time.monotonic() > until:
            raise TimeoutError
        parts.append(chunk)
    return b"".join(parts)


def _host(url: str) -> str:
    """Return host and port, the only part of an address in messages."""
    parts = urlsplit(url)
    port = parts.port
    return f"{parts.hostname}:{port}" if port not in (None, 80, 443) else str(parts.hostname)


#: The nation, in the list of municipalities.
NATION = "0000"
#: Indicators of this project, with words of their titles: sources disagree on the identifiers.
EXPECTED: dict[str, str] = {"N15428": "behöriga", "N15436": "behöriga", "N15507": "meritvärde"}
#: Kolada's genders: total, women, men.
GENDERS = {"T": "all", "K": "girls", "M": "boys"}
_PER_PAGE = 5000
#: The longest list that the service accepts in one address.
_AT_ONCE = 25
_COLUMNS = ("kpi", "municipality", "period", "gender", "value", "count", "status")


@dataclass
class Kolada(Pages):
    """A client of Kolada v3.

    Parameters
    ----------
    base_url : str
        Where the service is.
    cache : str or Path, optional
        A folder for stored answers. They are used without a request for ``max_age`` seconds, and after that if the
        service cannot be reached; :attr:`remarks` then says so.
    max_age : float
        Seconds.
    timeout : float
        Seconds for one attempt at one page.
    tries : int
        How often a page is requested. Between attempts the client waits about 0.5, 1, 2, … seconds, at most 30.
    sleep, clock
        How to wait, and what time it is.

    Examples
    --------
    >>> Kolada("ftp://example.org")
    Traceback (most recent call last):
    nbanalytics.errors.DataError: The base URL must begin with https:// and name a host; tries and timeout must be above
    0.

    Notes
    -----
    The service is described at https://api.kolada.se/v3/docs. Its data are to be cited as "Källa: Kolada".
    """

    def kpi(self, ids: Sequence[str] | Mapping[str, str]) -> pd.DataFrame:
        """Describe indicators, and check that they are the intended ones.

        Parameters
        ----------
        ids : sequence of str, or mapping of str to str
            Identifiers; a mapping also gives words that the title has to contain, ``{"N15428": "behöriga"}``.

        Returns
        -------
        DataFrame
            ``kpi, title, description``, in the requested order.

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
            raise DataError(f"Kolada has no indicator {', '.join(unknown)}", "Look it up on kolada.se.")
        expected = {**EXPECTED, **(ids if isinstance(ids, Mapping) else {})}
        for kpi in wanted:
            words, title = expected.get(kpi, ""), found[kpi][0]
            if not all(word in title.casefold() for word in words.casefold().split()):
                raise DataError(
                    f"Indicator {kpi} is not the requested one: its title is {title!r}, and {words!r} was expected in "
                    "it",
                    "Look up the right identifier on kolada.se, or give the words of its title.",
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

        Municipalities are codes of four digits; without ``years`` all of them are given.

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
        values = self.all_pages(f"{quote(path, safe='/,')}?per_page={_PER_PAGE}")
        if not all(isinstance(entry, dict) for entry in values):
            raise _strange("an entry that is not an object")
        return values


def _rows(entry: dict[str, Any]) -> list[tuple[Any, ...]]:
    kpi, place, period = _text(entry, "kpi"), _text(entry, "municipality"), entry.get("period")
    cells = entry.get("values")
    if isinstance(period, str) and period.isdecimal() and len(period) == 4:
        period = int(period)
    if not isinstance(period, int) or isinstance(period, bool) or not 1900 <= period <= 2200:
        raise _strange("a period that is not a year")
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
        raise _strange("a value that is not a number")
    return float(value)


def _text(entry: dict[str, Any], name: str) -> str:
    value = entry.get(name)
    if not isinstance(value, str):
        raise _strange(f"an entry without {name!r}")
    return value


def _strange(what: str) -> DataError:
    return DataError(f"Kolada's answer has {what}", "Its format may have changed: check the base URL and its version.")


def _identifiers(given: Iterable[str], form: str, what: str) -> list[str]:
    if isinstance(given, str):
        raise DataError(f"Give a list of identifiers, not one text: [{given[:20]!r}].")
    asked = list(dict.fromkeys(str(identifier).strip() for identifier in given))
    wrong = [identifier for identifier in asked if not re.fullmatch(form, identifier, re.ASCII)]
    if wrong or not asked:
        shown = f"{wrong[0][:20]!r} is not {what}" if wrong else f"The list is empty; it needs {what}"
        raise DataError(shown, "Correct the requested list.")
    return asked


def _parts(identifiers: list[str]) -> list[list[str]]:
    return [identifiers[start : start + _AT_ONCE] for start in range(0, len(identifiers), _AT_ONCE)]
