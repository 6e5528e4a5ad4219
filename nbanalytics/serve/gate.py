"""What every request passes first, whatever it asks for: its size, its host and the token."""

from __future__ import annotations

import hashlib
import hmac
import os
import re
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache, partial
from http.client import responses
from http.cookies import CookieError, SimpleCookie
from ipaddress import ip_address
from typing import Any
from urllib.parse import quote

from tornado.httputil import (
    HTTPConnection,
    HTTPHeaders,
    HTTPMessageDelegate,
    HTTPServerRequest,
    RequestStartLine,
    ResponseStartLine,
)
from tornado.routing import Router
from tornado.web import Application

from nbanalytics.errors import NbanalyticsError
from nbanalytics.export.frame import other_language
from nbanalytics.export.gallery import refusal
from nbanalytics.text import LANGUAGES

LOOPBACK = "127.0.0.1"
TOKEN_VARIABLE = "NBANALYTICS_TOKEN"
_SHORTEST = 16  # characters of a token that somebody chose
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
    """

    address: str
    names: frozenset[str]
    base_url: str
    token: str

    @property
    def cookie(self) -> str:
        """What a browser that has shown the token keeps: it opens this server and does not tell the token."""
        return hashlib.sha256(f"nbanalytics {self.token}".encode()).hexdigest() if self.token else ""

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
        Whether everybody may read; no token is asked for then.
    closed
        Whether a token is asked for even on this machine.

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
        raise NbanalyticsError(f"{address!r} is no IP address to listen on; give one, such as {LOOPBACK}") from None
    unfit = next((name for name in names if not _NAME.fullmatch(name)), None)
    if unfit is not None:
        raise NbanalyticsError(f"{unfit!r} is no host's name; give it without scheme and port, such as skola.example")
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
    if chosen and (len(chosen) < _SHORTEST or not re.fullmatch(r"[A-Za-z0-9_-]+", chosen)):
        raise NbanalyticsError(
            f"the token in {TOKEN_VARIABLE} is too short or holds other signs than letters, digits, - and _; "
            f"give at least {_SHORTEST}, or unset it and one is drawn"
        )
    return chosen or secrets.token_urlsafe(24)


#: Bytes of a request's headers and body. Our own pages send a few hundred.
HEADERS, BODY = 16_384, 65_536
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
        Part of the cookie's name: browsers do not tell the ports of a host apart.
    headers
        Headers of every answer.
    titles
        What the site is called, if it is not that of boards.
    """

    def __init__(
        self, app: Application, access: Access, port: int, headers: Mapping[str, str], titles: Mapping[str, str]
    ) -> None:
        self._app, self._access = app, access
        self._refusal = cache(partial(refusal, titles=titles))
        self._headers, self._cookie = dict(headers), _COOKIE.format(port=port)

    def find_handler(self, request: HTTPServerRequest, **_: Any) -> HTTPMessageDelegate | None:
        """Return what answers the request."""
        if _too_large(request):
            return self._turn(request, 403, "page.toobig")
        if not self._access.knows(request.headers.get("Host", "")):
            return self._turn(request, 403, "page.stranger")
        if self._access.token and not self._known(request):
            shown = request.query_arguments.get("token", [b""])[-1].decode("latin-1")
            welcome = request.method == "GET" and self._access.admits(shown)
            return self._turn(request, 303 if welcome else 403, "page.refused")
        return self._app.find_handler(request)

    def _known(self, request: HTTPServerRequest) -> bool:
        try:
            kept = SimpleCookie(request.headers.get("Cookie", "")).get(self._cookie)
        except CookieError:
            return False
        return kept is not None and self._access.remembers(kept.value)

    def _turn(self, request: HTTPServerRequest, status: int, reason: str) -> Answer:
        headers = HTTPHeaders(self._headers | {"Content-Type": "text/html; charset=utf-8", "Cache-Control": "no-store"})
        if status == 303:  # the same address without the token, which would else stay in the browser's history
            secure = "; Secure" if request.headers.get("X-Forwarded-Proto") == "https" else ""
            kept = f"{self._cookie}={self._access.cookie}; Path={self._access.base_url}; HttpOnly; SameSite=Lax{secure}"
            headers["Set-Cookie"], headers["Location"] = kept, "/" + quote(request.path.lstrip("/\\"), safe="/%")
        headers["Vary"] = "Accept-Language"
        told = status == 403 and request.method != "HEAD"
        body = self._refusal(reason, language_of(request, self._access.base_url)) if told else b""
        return Answer(request.connection, status, headers, body)


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

    def __init__(self, connection: HTTPConnection | None, status: int, headers: HTTPHeaders, body: bytes) -> None:
        self._connection, self._status, self._headers, self._body = connection, status, headers, body

    def headers_received(self, start_line: RequestStartLine | ResponseStartLine, headers: HTTPHeaders) -> None:
        """Send the answer."""
        if self._connection is None:
            return
        self._headers["Content-Length"] = str(len(self._body))
        line = ResponseStartLine("HTTP/1.1", self._status, responses[self._status])
        self._connection.write_headers(line, self._headers, self._body)
        self._connection.finish()
