"""What every request passes first, whatever it asks for: its size, its host and the token."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache, partial
from http.client import responses
from http.cookies import CookieError, SimpleCookie
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

from nbanalytics.export.frame import other_language
from nbanalytics.export.gallery import refusal
from nbanalytics.serve.access import Access
from nbanalytics.text import LANGUAGES

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
