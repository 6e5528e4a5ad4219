"""Asking a web service page by page: time-outs, retries with back-off, one host only, and a cache on disk."""

from __future__ import annotations

import hashlib
import http.client
import json
import random
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urljoin, urlsplit, urlunsplit

from nbanalytics.errors import DataError
from nbanalytics.files import replacing_file

#: An answer is at most so many pages of so many bytes: more is a fault of the service, not statistics.
MOST_PAGES, MOST_BYTES = 1_000, 50_000_000
#: The longest pause before another try, in seconds.
LONGEST_PAUSE = 30.0
_AGAIN = frozenset({408, 425, 429, 500, 502, 503, 504})
_CHUNK = 65_536


class _FaultOfTheMoment(Exception):
    """A try failed in a way that another try may mend, perhaps after the seconds that the service asks for."""

    def __init__(self, what: str, wait: float = 0.0) -> None:
        super().__init__(what)
        self.wait = wait


class _SameHost(urllib.request.HTTPRedirectHandler):
    """Follow a redirect only where a page could have been asked for in the first place."""

    def redirect_request(self, req: Any, fp: Any, code: int, msg: str, headers: Any, newurl: str) -> Any:
        if _host(newurl) != _host(req.full_url):
            raise DataError(
                f"{_host(req.full_url)} sends the question on to another host, {_host(newurl)}. "
                "That is not followed; check the base URL."
            )
        return super().redirect_request(req, fp, code, msg, headers, newurl)


@dataclass
class Pages:
    """All pages of a question, from the service or from the cache.

    Attributes
    ----------
    base_url : str
        Where the service is; pages of another host are never asked for.
    cache : Path, optional
        A folder for answers.
    max_age : float
        Seconds for which a stored answer is used without asking; an older one only when the service cannot be reached.
    timeout : float
        Seconds for one try, the reading of the page included.
    tries : int
        How often a page is asked for before it is given up.
    sleep, clock, rng
        How to wait, what time it is and the chance in the pauses: tests bring their own.
    remarks : list of str
        What a person should know of the answers so far.
    """

    base_url: str
    cache: Path | None = None
    max_age: float = 7 * 86_400.0
    timeout: float = 20.0
    tries: int = 4
    sleep: Callable[[float], None] = time.sleep
    clock: Callable[[], float] = time.time
    rng: random.Random = field(default_factory=random.Random)
    remarks: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        parts = urlsplit(self.base_url)
        if parts.scheme not in ("http", "https") or not parts.hostname or self.tries < 1 or self.timeout <= 0:
            raise DataError("The base URL must begin with https:// and name a host, tries and timeout be above 0.")
        self.base_url = self.base_url.rstrip("/")
        self._opener = urllib.request.build_opener(_SameHost)

    def values(self, path: str) -> list[Any]:
        """Return the ``values`` of all pages of a question.

        Raises
        ------
        DataError
            If the service cannot be reached and nothing is stored, if it refuses the question, or if its pages do
            not end or lead elsewhere.
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
                    f"{_host(url)} gave no usable answer in {self.tries} tries ({fault}), and none is stored. "
                    "Check the connection and try again later."
                ) from None
            days = max(0.0, self.clock() - stored[0]) / 86_400
            self.remarks.append(
                f"{_host(url)} gave no usable answer ({fault}): one stored {days:.0f} days ago is used for {path}"
            )
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
                    f"The pages of {_host(url)} do not end: after {len(seen)} of them the next is one that was there "
                    "already, or there are too many. Nothing of it is used; ask for less, or tell the service."
                )
            seen.add(following)
            page = self._page(following)
            found = page.get("values") if isinstance(page, dict) else None
            if not isinstance(page, dict) or not isinstance(found, list):
                raise DataError(f"{_host(url)} answers without a list 'values'. Check the base URL and its version.")
            values += found
            following = self._next(page.get("next_url"), following)
        return values

    def _next(self, link: Any, current: str) -> str | None:
        if link is None or link == "":
            return None
        if not isinstance(link, str):
            raise DataError(f"{_host(current)} names a next page that is no text. Tell the service.")
        try:
            absolute = urljoin(current, link)
            same = _host(absolute) == _host(self.base_url)
        except ValueError:
            same, absolute = False, ""
        if not same:
            raise DataError(
                f"{_host(current)} names a next page on another host. It is not followed; check the base URL."
            )
        # A service behind a proxy may write http for https: the way that was chosen at first is kept.
        base, parts = urlsplit(self.base_url), urlsplit(absolute)
        return urlunsplit((base.scheme, base.netloc, parts.path, parts.query, ""))

    def _page(self, url: str) -> Any:
        for failed in range(self.tries - 1):
            try:
                return self._try(url)
            except _FaultOfTheMoment as fault:
                pause = min(LONGEST_PAUSE, 0.5 * 2**failed) * (0.5 + self.rng.random())
                self.sleep(min(LONGEST_PAUSE, max(pause, fault.wait)))
        return self._try(url)

    def _try(self, url: str) -> Any:
        request = urllib.request.Request(url, headers={"Accept": "application/json", "User-Agent": "nbanalytics"})
        until = time.monotonic() + self.timeout
        try:
            with self._opener.open(request, timeout=self.timeout) as response:
                body = _body(response, until)
        except urllib.error.HTTPError as error:
            wait = _seconds(error.headers.get("Retry-After") if error.headers else None)
            error.close()
            if error.code in _AGAIN or error.code >= 500:
                raise _FaultOfTheMoment(f"status {error.code}", wait) from None
            raise DataError(
                f"{_host(url)} refuses the question with status {error.code}. Check the identifiers and the years."
            ) from None
        except TimeoutError:
            raise _FaultOfTheMoment(f"nothing within {self.timeout:g} seconds") from None
        except http.client.IncompleteRead:
            raise _FaultOfTheMoment("cut off in the middle") from None
        except (urllib.error.URLError, http.client.HTTPException, OSError) as error:
            reason = getattr(error, "reason", error)
            late = isinstance(reason, TimeoutError)
            raise _FaultOfTheMoment(
                f"nothing within {self.timeout:g} seconds" if late else "cannot be reached"
            ) from None
        try:
            return json.loads(body)
        except (ValueError, RecursionError):
            # Without a stated length, a body that was cut off shows only in this.
            raise _FaultOfTheMoment("cut off in the middle, or no JSON") from None

    def _stored(self, url: str) -> tuple[float, list[Any]] | None:
        if self.cache is None:
            return None
        try:
            content = json.loads(self._file(self.cache, url).read_text(encoding="utf-8"))
            found = content["url"] == url and isinstance(content["values"], list)
            return (float(content["fetched"]), content["values"]) if found else None
        except (OSError, ValueError, KeyError, TypeError, RecursionError):
            return None  # nothing stored, or nothing that can be trusted: it is asked for again

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
            self.remarks.append(f"the cache cannot be written ({error.strerror}): answers are not kept")

    @staticmethod
    def _file(cache: Path, url: str) -> Path:
        return cache / f"kolada-{hashlib.sha256(url.encode()).hexdigest()[:32]}.json"


def _body(response: Any, until: float) -> bytes:
    """Read a body to its end, but not for ever: a server that drips bytes never meets the socket's time-out."""
    parts: list[bytes] = []
    size = 0
    while chunk := response.read1(_CHUNK):
        size += len(chunk)
        if size > MOST_BYTES:
            raise DataError(f"A page is larger than {MOST_BYTES // 1_000_000} MB. Ask for less at a time.")
        if time.monotonic() > until:
            raise TimeoutError
        parts.append(chunk)
    if response.length:
        raise http.client.IncompleteRead(b"", response.length)
    return b"".join(parts)


def _host(url: str) -> str:
    """Return host and port, which is all that a message shows of an address."""
    parts = urlsplit(url)
    port = parts.port
    return f"{parts.hostname}:{port}" if port not in (None, 80, 443) else str(parts.hostname)


def _seconds(text: str | None) -> float:
    return float(text) if text is not None and text.isdecimal() and len(text) < 6 else 0.0
