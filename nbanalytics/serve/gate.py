"""What every request passes first, whatever it asks for: room for its line, its size, its host and the token."""

from __future__ import annotations

import hmac
import os
import re
import secrets
import socket
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import lru_cache, partial
from http.client import responses
from http.cookies import CookieError, SimpleCookie
from ipaddress import IPv6Address, ip_address, ip_network
from typing import Any
from urllib.parse import parse_qsl, quote, urlencode, urlsplit

from tornado.httpserver import HTTPServer
from tornado.httputil import (
    HTTPConnection,
    HTTPHeaders,
    HTTPMessageDelegate,
    HTTPServerRequest,
    RequestStartLine,
    ResponseStartLine,
)
from tornado.ioloop import IOLoop
from tornado.iostream import IOStream
from tornado.routing import Router
from tornado.web import Application

from nbanalytics.errors import NbanalyticsError
from nbanalytics.export.frame import other_language
from nbanalytics.export.gallery import ONWARD, refusal
from nbanalytics.municipal.pseudonyms import estimated_bits
from nbanalytics.text import LANGUAGES

LOOPBACK = "127.0.0.1"
TOKEN_VARIABLE = "NBANALYTICS_TOKEN"
#: What a token that somebody chose has at least: characters, and bits by :func:`estimated_bits`. Guesses at it have to
#: be asked of the server one by one.
_SHORTEST, _LEAST_BITS = 16, 64
_DRAW = 'python -c "import secrets; print(secrets.token_urlsafe(24))"'
_BASE = re.compile(r"/([A-Za-z0-9_~-][A-Za-z0-9._~-]*/)*")
_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?")


@dataclass(frozen=True)
class Access:
    """How the server is reached.

    Attributes
    ----------
    address
        IP address to listen on.
    names
        Hosts that requests may name; any other is refused, so that no page elsewhere can point a browser here.
    base_url
        Path that all addresses begin with; begins and ends with ``/``.
    token
        What a visitor has to show; empty if nothing.
    secret
        Key of this start, which makes the cookie: one of an earlier start opens nothing.
    """

    address: str
    names: frozenset[str]
    base_url: str
    token: str = field(repr=False)
    secret: bytes = field(default_factory=lambda: secrets.token_bytes(32), repr=False)

    @property
    def cookie(self) -> str:
        """What a browser that has shown the token keeps: it opens this server and says nothing of the token."""
        return hmac.new(self.secret, self.token.encode(), "sha256").hexdigest() if self.token else ""

    @property
    def named(self) -> str:
        """A name that the server answers to; empty if there is none."""
        return min(self.names, default="")

    def knows(self, host: str) -> bool:
        """Whether a request's ``Host`` is one of the server's names, whatever the port."""
        name = host.rpartition(":")[0] if re.search(r":\d*$", host) and not host.endswith("]") else host
        return name.strip("[]").lower() in self.names

    def admits(self, shown: str) -> bool:
        """Whether this is the token."""
        return hmac.compare_digest(shown.encode(), self.token.encode())

    def remembers(self, kept: str) -> bool:
        """Whether this is what a browser keeps that has shown the token."""
        return hmac.compare_digest(kept.encode(), self.cookie.encode())


def access(
    address: str = LOOPBACK,
    names: Sequence[str] = (),
    base_url: str = "/",
    public: bool = False,
    closed: bool = False,
) -> Access:
    """Decide who may reach the server.

    Parameters
    ----------
    address
        IP address to listen on.
    names
        Further hosts that it is reached by, such as the name that a proxy answers to.
    base_url
        Path under which a proxy passes requests on.
    public
        Whether everybody may read without a token.
    closed
        Whether a token is needed even on this machine.

    Returns
    -------
    Access
        With a token, unless it is reached from this machine alone or is public. The token is that of the environment
        variable ``NBANALYTICS_TOKEN``, or drawn at random.

    Raises
    ------
    NbanalyticsError
        If the address, a name, the path or the token cannot be used.

    Examples
    --------
    >>> access().token, len(access(names=["skola.example"]).token) > 20
    ('', True)
    """
    try:
        here = ip_address(address)
    except ValueError:
        raise NbanalyticsError(f"{address!r} is not an IP address to listen on; give one, such as {LOOPBACK}") from None
    unfit = next((name for name in names if not _NAME.fullmatch(name)), None)
    if unfit is not None:
        raise NbanalyticsError(f"{unfit!r} is not a host name; give it without scheme and port, such as skola.example")
    if here.is_unspecified and not names:
        raise NbanalyticsError(f"on {address} the server answers to names only; say which with --name")
    base = f"/{base_url.strip('/')}/".replace("//", "/")
    if not _BASE.fullmatch(base):
        raise NbanalyticsError(
            f"{base_url!r} cannot be the base URL; give a path of letters and digits, such as /skola/"
        )
    own = {LOOPBACK, "localhost", "::1"} if here.is_loopback else set()
    if not here.is_unspecified:
        own.add(str(here))
    local = here.is_loopback and not names
    asks = closed or not (local or public)
    return Access(address, frozenset(own | {name.lower() for name in names}), base, _token() if asks else "")


def _token() -> str:
    chosen = os.environ.pop(TOKEN_VARIABLE, "")  # kernels do not inherit it
    if not chosen:
        return secrets.token_urlsafe(24)
    remedy = f"unset {TOKEN_VARIABLE} and a token is drawn at each start, or draw one that you keep: {_DRAW}"
    if len(chosen) < _SHORTEST or not re.fullmatch(r"[A-Za-z0-9_-]+", chosen):
        raise NbanalyticsError(
            f"the token in {TOKEN_VARIABLE} is shorter than {_SHORTEST} characters or holds others than letters, "
            f"digits, - and _; {remedy}"
        )
    if estimated_bits(chosen) < _LEAST_BITS:
        raise NbanalyticsError(
            f"the token in {TOKEN_VARIABLE} can be guessed: it is made of words, repetitions or sequences; {remedy}"
        )
    return chosen


#: Bytes of a request's headers and body. Our own pages send a few hundred.
HEADERS, BODY = 16_384, 65_536
#: Seconds for a request's headers, and as many for its body; then its line is cut.
PATIENCE = 20.0
_MOST_LINES = 512  # open lines; a browser holds six, and a live page one more
_OWN_FILES, _PAGE_FILES = 96, 32  # file descriptors: of the server itself, and for each live page
_KEPT_BACK = 8  # descriptors of the server that serve lines when the system has none left
_UNREAD = 300.0  # seconds that an answer may lie unread
_COOKIE = "nbanalytics-{port}"


class Gate(Router):
    """Pass requests on to the application, or turn them away before any of its code has seen them.

    Parameters
    ----------
    app
        Answers what is passed on.
    access
        Who may come in.
    port
        Part of the cookie's name: browsers do not separate the ports of a host.
    headers
        Headers of every answer.
    titles
        What the site is called, if it is not that of boards.
    """

    def __init__(
        self, app: Application, access: Access, port: int, headers: Mapping[str, str], titles: Mapping[str, str]
    ) -> None:
        self._app, self._access = app, access
        self._refusal = lru_cache(64)(partial(refusal, titles=titles))
        for lang in LANGUAGES:  # read now what has to be there when no file can be opened
            self._refusal("page.refused", lang, href="", onward=False)
        self._headers, self._cookie = dict(headers), _COOKIE.format(port=port)

    def find_handler(self, request: HTTPServerRequest, **_: Any) -> HTTPMessageDelegate | None:
        """Return what answers the request."""
        if _too_large(request):
            return self._turn(request, 403, "page.toobig")
        if not self._access.knows(request.headers.get("Host", "")):
            return self._turn(request, 403, "page.stranger")
        if self._access.token:
            known, shown = self._known(request), request.query_arguments.get("token")
            read = request.method in ("GET", "HEAD")
            admitted = shown is not None and self._access.admits(shown[-1].decode("latin-1"))
            if read and (admitted or (known and shown is not None)):
                return self._lead(request, 200, "page.welcome", admitted)
            if not known and read and request.headers.get("Sec-Fetch-Site") in ("cross-site", "same-site"):
                return self._lead(request, 403, "page.elsewhere")  # the browser may have kept its cookie back
            if not known:
                return self._turn(request, 403, "page.refused")
        return self._app.find_handler(request)

    def _known(self, request: HTTPServerRequest) -> bool:
        try:
            kept = SimpleCookie(request.headers.get("Cookie", "")).get(self._cookie)
        except CookieError:
            return False
        return kept is not None and self._access.remembers(kept.value)

    def _turn(
        self, request: HTTPServerRequest, status: int, reason: str, href: str = "", onward: bool = False
    ) -> Answer:
        headers = HTTPHeaders(self._headers | {"Content-Type": "text/html; charset=utf-8", "Cache-Control": "no-store"})
        headers["Vary"] = "Accept-Language"
        body = self._refusal(reason, language_of(request, self._access.base_url), href=href, onward=onward)
        return Answer(request, status, headers, body)

    def _lead(self, request: HTTPServerRequest, status: int, reason: str, admitted: bool = False) -> Answer:
        """Lead to the same address without the token, which would else stay in sight and in the browser's history.

        A page leads, and not a redirect: a browser that comes from elsewhere keeps a strict cookie back on redirects.
        """
        rest = [(name, value) for name, value in parse_qsl(request.query) if name != "token"]
        href = "/" + quote(request.path.lstrip("/\\"), safe="/%") + (f"?{urlencode(rest)}" if rest else "")
        answer = self._turn(request, status, reason, href, onward=status == 200)
        if status == 200:
            policy = answer.headers["Content-Security-Policy"].replace(
                "script-src 'self'", f"script-src {ONWARD.source}"
            )
            answer.headers["Content-Security-Policy"], answer.headers["Referrer-Policy"] = policy, "no-referrer"
        if admitted:
            secure = "; Secure" if request.headers.get("X-Forwarded-Proto") == "https" else ""
            kept = f"{self._cookie}={self._access.cookie}; Path={self._access.base_url}; HttpOnly; SameSite=Strict"
            answer.headers["Set-Cookie"] = kept + secure
        return answer


def from_elsewhere(request: HTTPServerRequest) -> bool:
    """Whether another site's page asks, or a browser that only expects its visitor to.

    Browsers say so themselves where they trust the connection (``Sec-Fetch-Site``); a visit by the address bar is
    ``none``. Elsewhere the page's origin or address is compared; a request that says nothing counts as a visit.
    """
    headers, host = request.headers, request.headers.get("Host", "").lower()
    if "prefetch" in headers.get("Sec-Purpose", headers.get("Purpose", "")).lower():
        return True
    site = headers.get("Sec-Fetch-Site")
    if site is not None:
        return site not in ("same-origin", "none")
    told = headers.get("Origin", headers.get("Referer"))
    return told is not None and urlsplit(told).netloc.lower() != host


def visitor_of(request: HTTPServerRequest) -> str:
    """Return who asks: the address, or the one that a proxy on this machine names; of IPv6 a household's network."""
    named = [str(request.remote_ip)]
    with suppress(ValueError):
        if ip_address(named[0]).is_loopback:
            named.insert(0, request.headers.get("X-Real-IP", ""))
    for text in named:
        with suppress(ValueError):
            found = ip_address(text)
            if isinstance(found, IPv6Address):
                return str(found.ipv4_mapped or ip_network((found, 64), strict=False))
            return str(found)
    return ""


def language_of(request: HTTPServerRequest, base_url: str) -> str:
    """Return the language to answer in: that of the address, of its ``?lang=``, or the first one the browser names."""
    other = other_language("sv")
    if request.path.startswith(f"{base_url}{other}/"):
        return other
    known = "|".join(LANGUAGES)
    asked = request.query_arguments.get("lang", [b""])[-1].decode("latin-1")
    wanted = re.findall(rf"\b({known})\b", request.headers.get("Accept-Language", "").lower())
    return asked if asked in LANGUAGES else next(iter(wanted), "sv")


def _too_large(request: HTTPServerRequest) -> bool:
    size = len(request.uri or "") + sum(len(name) + len(value) for name, value in request.headers.get_all())
    length = request.headers.get("Content-Length", "0")
    chunked = "Transfer-Encoding" in request.headers
    return size > HEADERS or chunked or not length.isdecimal() or int(length) > BODY


class Answer(HTTPMessageDelegate):
    """Answer as soon as the headers are there, without waiting for a body."""

    def __init__(self, request: HTTPServerRequest, status: int, headers: HTTPHeaders, body: bytes) -> None:
        self._request, self._status, self.headers, self._body = request, status, headers, body

    def headers_received(self, start_line: RequestStartLine | ResponseStartLine, headers: HTTPHeaders) -> None:
        """Send the answer."""
        connection: HTTPConnection | None = self._request.connection
        if connection is None:
            return
        self.headers["Content-Length"] = str(len(self._body))
        line = ResponseStartLine("HTTP/1.1", self._status, responses[self._status])
        connection.write_headers(line, self.headers, b"" if self._request.method == "HEAD" else self._body)
        connection.finish()


@dataclass
class _Line:
    """One open line: since when it is in its state, and whether a whole request has come and is being answered."""

    since: float
    asked: bool = False


class Door(HTTPServer):
    """Hold so many lines open and no more: when all are taken, the one that has kept us waiting longest makes room.

    Parameters
    ----------
    gate
        What requests pass next.
    most
        Lines that may be open at the same time.
    """

    def initialize(self, gate: Router, most: int, **settings: Any) -> None:  # type: ignore[override]
        """Set up the server."""
        super().initialize(gate, **settings)
        self._most, self._lines, self._kept_back = most, dict[IOStream, _Line](), list[int]()
        self._keep_back()

    def handle_stream(self, stream: IOStream, address: Any) -> None:
        """Take a new line, if there is room or room can be made."""
        self.tidy()
        if len(self._lines) >= self._most and not self._make_room():
            stream.close()
            return
        self._lines[stream] = _Line(time.monotonic())
        super().handle_stream(stream, address)

    def start_request(self, server_conn: Any, request_conn: Any) -> HTTPMessageDelegate:
        """Watch whether the next request of a line comes in whole."""
        line = self._lines.setdefault(server_conn.stream, _Line(0.0))
        line.since, line.asked = time.monotonic(), False
        return _Watched(super().start_request(server_conn, request_conn), line)

    def tidy(self) -> None:
        """Forget lines that are closed, and cut those that leave an answer unread."""
        now = time.monotonic()
        for stream, line in list(self._lines.items()):
            if stream.writing() and line.asked and now - line.since > _UNREAD:
                stream.close()
            if stream.closed():
                del self._lines[stream]
        self._keep_back()

    def stop(self) -> None:
        """Take no more lines, and give back the descriptors of all."""
        super().stop()
        for stream in list(self._lines):
            stream.close()
        while self._give_back():
            pass

    def _keep_back(self) -> None:
        with suppress(OSError):
            while len(self._kept_back) < _KEPT_BACK:
                self._kept_back.append(os.open(os.devnull, os.O_RDONLY))

    def _give_back(self) -> bool:
        if self._kept_back:
            os.close(self._kept_back.pop())
            return True
        return False

    def _make_room(self) -> bool:
        now = time.monotonic()
        waiting = [(line.since, stream) for stream, line in self._lines.items() if not line.asked]
        unread = [
            (line.since, stream)
            for stream, line in self._lines.items()
            if line.asked and stream.writing() and now - line.since > PATIENCE
        ]
        for lines in (waiting, unread):
            if lines:
                _, oldest = min(lines, key=lambda line: line[0])
                oldest.close()
                del self._lines[oldest]
                return True
        return False

    def add_sockets(self, sockets: Iterable[socket.socket]) -> None:
        """Listen, and go on listening when the system has no file descriptor left for a new line."""
        for listening in sockets:
            self._sockets[listening.fileno()] = listening
            self._handlers[listening.fileno()] = _listen(listening, self._accept)

    def _accept(self, listening: socket.socket, pause: Callable[[], None]) -> None:
        for taken in range(128):
            try:
                connection, address = listening.accept()
            except BlockingIOError:
                return
            except ConnectionAbortedError:
                continue
            except OSError:  # no descriptor: only the first time is it certain that a line waits for one
                if not taken and not self._give_back():
                    self.tidy()
                    if not self._make_room():
                        pause()  # the line still waits: without a pause it would be asked for again and again
                return
            self._handle_connection(connection, address)


def _listen(
    listening: socket.socket, accept: Callable[[socket.socket, Callable[[], None]], None]
) -> Callable[[], None]:
    """Call for each new line; return what ends that."""
    loop = IOLoop.current()
    open_, heard = [True], [False]

    def resume() -> None:
        if open_[0] and not heard[0]:
            heard[0] = True
            loop.add_handler(listening, lambda found, _: accept(found, pause), IOLoop.READ)

    def pause(seconds: float = 0.2) -> None:
        if heard[0]:
            heard[0] = False
            loop.remove_handler(listening)
            loop.call_later(seconds, resume)

    def end() -> None:
        open_[0] = False
        if heard[0]:
            heard[0] = False
            loop.remove_handler(listening)

    resume()
    return end


class _Watched(HTTPMessageDelegate):
    """Pass a request on, and note when all of it has come."""

    def __init__(self, onward: HTTPMessageDelegate, line: _Line) -> None:
        self._onward, self._line = onward, line

    def headers_received(self, start_line: RequestStartLine | ResponseStartLine, headers: HTTPHeaders) -> Any:
        """Pass on."""
        return self._onward.headers_received(start_line, headers)

    def data_received(self, chunk: bytes) -> Any:
        """Pass on."""
        return self._onward.data_received(chunk)

    def finish(self) -> None:
        """Pass on, and count the line as one that is being answered."""
        self._line.since, self._line.asked = time.monotonic(), True
        self._onward.finish()

    def on_connection_close(self) -> None:
        """Pass on."""
        self._onward.on_connection_close()


def lines_and_pages(pages: int) -> tuple[int, int]:
    """Return how many lines and live pages the system's file descriptors are enough for.

    Where more descriptors can be had than the process began with, they are taken.

    Parameters
    ----------
    pages
        Live pages that are wanted.
    """
    try:
        import resource
    except ImportError:  # Windows: the C runtime's files are not its sockets
        return _MOST_LINES, pages
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _MOST_LINES + _OWN_FILES + pages * _PAGE_FILES
    top = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    if soft != resource.RLIM_INFINITY and soft < top:
        with suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (top, hard))
            soft = top
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return _MOST_LINES, pages
    lines = max(min(_MOST_LINES, soft // 3), 8)
    return lines, max(min(pages, (soft - lines - _OWN_FILES) // _PAGE_FILES), 0)


def has_files_to_spare(count: int = _PAGE_FILES) -> bool:
    """Whether so many file descriptors are free: the library of the kernels' lines ends the process if one is not."""
    held: list[int] = []
    try:
        held.extend(os.open(os.devnull, os.O_RDONLY) for _ in range(count))
    except OSError:
        return False
    finally:
        for taken in held:
            os.close(taken)
    return True
