"""What each address of the server answers."""

from __future__ import annotations

import asyncio
import json
import re
import time
import uuid
from collections import Counter, deque
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from jupyter_server.base.handlers import JupyterHandler
from tornado.ioloop import IOLoop
from tornado.iostream import StreamClosedError
from tornado.web import HTTPError
from tornado.websocket import WebSocketClosedError
from voila.shutdown_kernel_handler import VoilaShutdownKernelHandler
from voila.tornado.handler import TornadoVoilaHandler
from voila.tornado.kernel_websocket_handler import VoilaKernelWebsocketHandler

from nbanalytics.export.assets import Asset
from nbanalytics.export.frame import other_language
from nbanalytics.export.gallery import words_page
from nbanalytics.serve.gate import from_elsewhere, has_files_to_spare, language_of, visitor_of
from nbanalytics.serve.settings import Limits
from nbanalytics.serve.shelf import Shelf
from nbanalytics.text import LANGUAGES

_YEAR = 365 * 24 * 3600
_KERNEL = re.compile(r'data-nba-kernel="([0-9a-f-]+)"')


def look_of(handler: JupyterHandler, shelf: Any) -> dict[str, Any]:
    """Return what a page of words needs: the language to answer in, and where its site is."""
    return {"lang": language_of(handler.request, handler.base_url), **shelf.look(handler.base_url)}


class Worded(JupyterHandler):
    """Use our own error pages: those of Jupyter and Voila name their parts and the requested address."""

    def write_error(self, status_code: int, **_trouble: Any) -> None:
        """Answer 404 to whatever cannot be asked; a fault of ours stays one, without what was at fault."""
        wrong = status_code < 500
        self.set_status(404 if wrong else status_code)
        for name, value in self.settings["headers"].items():  # a websocket's handler has none of its own
            self.set_header(name, value)
        self.set_header("Content-Type", "text/html; charset=utf-8")
        look = look_of(self, self.settings["shelf"])
        told = ("gallery.missing", "gallery.missing.why") if wrong else ("page.failed",)
        self.finish(words_page(*told, **look))

    def log_exception(self, kind: Any, value: Any, trace: Any) -> None:
        """Log a fault of ours, but never who asked for what."""
        if not isinstance(value, (HTTPError, StreamClosedError, WebSocketClosedError)):
            self.log.error("%s failed", type(self).__name__, exc_info=(kind, value, trace))


class FileHandler(Worded):
    """Answer with files in memory. What they hold is public within the server, and known before anyone asks."""

    def initialize(self, shelf: Shelf) -> None:
        """Keep where the files are."""
        self._shelf = shelf

    def prepare(self) -> None:  # type: ignore[override]
        """Do without what a Jupyter server prepares: it is for pages that run code. The gate has asked who comes."""

    async def send(self, asset: Asset, keep: str) -> None:
        """Send one file; a visitor with a current copy gets status 304."""
        if not asset.ready:
            await IOLoop.current().run_in_executor(None, lambda: asset.packed)
        self.set_header("Content-Type", asset.kind)
        self.set_header("Vary", "Accept-Encoding")
        self.set_header("Cache-Control", keep)
        packed = "gzip" in self.request.headers.get("Accept-Encoding", "")
        self.set_header("Etag", f'"{asset.version}{"-gz" if packed else ""}"')
        if self.check_etag_header():
            self.set_status(304)
            return
        if packed:
            self.set_header("Content-Encoding", "gzip")
        self.write(asset.packed if packed else asset.body)

    def compute_etag(self) -> None:
        """Leave the tag to :meth:`send`: the fingerprint is known, and need not be made for each answer."""


class PageHandler(FileHandler):
    """Answer with a page of the static edition."""

    def initialize(self, shelf: Shelf, name: str) -> None:  # type: ignore[override]
        """Keep which page it is."""
        super().initialize(shelf)
        self._name = name

    async def get(self) -> None:
        """Send the page, or say in words that there is none to be shown."""
        site = self._shelf.site
        if site is None:
            self.set_status(503)
            self.set_header("Content-Type", "text/html; charset=utf-8")
            self.finish(words_page("page.unavailable.title", "page.unavailable", **look_of(self, self._shelf)))
            return
        await self.send(site.pages[self._name], "no-cache")

    head = get  # Tornado leaves the body out


class SlashHandler(FileHandler):
    """Lead from an address with a slash too many, or one too few, to the page."""

    def initialize(self, shelf: Shelf, to: str) -> None:  # type: ignore[override]
        """Keep where the page is."""
        super().initialize(shelf)
        self._to = to

    async def get(self) -> None:
        """Lead on."""
        query = f"?{self.request.query}" if self.request.query else ""
        self.redirect(f"{self.base_url}{self._to}{query}", permanent=True)

    head = get


def page_routes(shelf: Shelf, name: str) -> list[tuple[Any, ...]]:
    """Return the addresses of a page of the static edition: in Swedish, and in English under ``/en/``."""
    address = "" if name == "index" else name
    folders = ("", f"{other_language('sv')}/")
    kept: dict[str, Any] = {"shelf": shelf}
    routes: list[tuple[Any, ...]] = []
    for folder in folders:
        page = f"{folder}{address}"
        routes.append((f"/{page}", PageHandler, kept | {"name": f"{folder}{name}.html"}))
        if page:
            other = page.removesuffix("/") if page.endswith("/") else f"{page}/"
            routes.append((f"/{other}", SlashHandler, kept | {"to": page}))
    return routes


class LastingHandler(FileHandler):
    """Answer with a file whose name stands for its content: browsers may keep it for good."""

    async def get(self, address: str) -> None:
        """Send the file."""
        asset = self._shelf.lasting(address)
        if asset is None:
            raise HTTPError(404)
        await self.send(asset, f"public, max-age={_YEAR}, immutable")

    head = get


class MissingHandler(Worded):
    """Answer 404, in words and without a trace of what exists."""

    def check_xsrf_cookie(self) -> None:
        """Let every method get the same 404."""

    async def get(self, *_path: str) -> None:
        """Refuse whatever was asked for."""
        self.write_error(404)

    head = post = put = patch = delete = options = get

    def prepare(self) -> None:  # type: ignore[override]
        """Do without what a Jupyter server prepares."""


def heated(kernel_manager: Any) -> list[str]:
    """Return the ids of the kernels that wait for a visitor; forget pages that could not be made ready."""
    ready = []
    for pool in getattr(kernel_manager, "_pools", {}).values():
        for started in [task for task in pool if task.done()]:
            if _failed(started) or _failed(started.result()["task"]):
                pool.remove(started)
            else:
                ready.append(started.result()["kernel_id"])
    return ready


def _failed(task: asyncio.Task[Any]) -> bool:
    return task.done() and (task.cancelled() or task.exception() is not None)


#: Seconds after which a page's kernel ends if the page holds no line to it.
UNCLAIMED = 20.0
#: Lines to one kernel: its page's, and that of the same page as it is loaded anew.
_LINES = 2
#: Messages that no page sends, after which a line is cut; and messages in ten seconds.
_STRAYS, _ASKED = 20, 200


@dataclass
class _Page:
    """A page that was sent: to whom, how many lines it holds, and since when it holds none."""

    visitor: str
    since: float
    lines: int = 0


class Guests:
    """Who has live pages: so many in all, so many each, and none that its visitor has left.

    Parameters
    ----------
    limits
        How many there may be.
    kernel_manager
        Where their kernels are.
    """

    def __init__(self, limits: Limits, kernel_manager: Any) -> None:
        self._limits, self._kernels = limits, kernel_manager
        self._coming: Counter[str] = Counter()
        self._pages: dict[str, _Page] = {}

    def refuses(self, visitor: str) -> str:
        """Return the key of the words for why there is no room for a visitor; empty if there is."""
        held = Counter(page.visitor for page in self._pages.values()) + self._coming
        running = len(self._kernels.list_kernel_ids()) - len(heated(self._kernels))
        if max(held.total(), running) >= self._limits.pages or not has_files_to_spare():
            return "page.full"
        return "page.share" if held[visitor] >= self._limits.each else ""

    def comes(self, visitor: str) -> None:
        """Count a page that is being made for a visitor."""
        self._coming[visitor] += 1

    def is_served(self, visitor: str, kernel_id: str) -> None:
        """Count a page that was sent, or could not be made if it has no kernel."""
        self._coming[visitor] -= 1
        if kernel_id:
            self._pages[kernel_id] = _Page(visitor, time.monotonic())

    def claims(self, kernel_id: str) -> bool:
        """Whether a page may open a line to its kernel; it is counted then."""
        page = self._pages.get(kernel_id)
        if page is None or page.lines >= _LINES or kernel_id not in self._kernels or not has_files_to_spare():
            return False
        page.lines += 1
        return True

    def leaves(self, kernel_id: str) -> None:
        """Count a line that was closed."""
        if (page := self._pages.get(kernel_id)) is not None:
            page.lines, page.since = page.lines - 1, time.monotonic()

    async def sweep(self) -> None:
        """End the kernels of pages that hold no line: they were never shown, or are closed."""
        now = time.monotonic()
        for kernel_id, page in list(self._pages.items()):
            if kernel_id not in self._kernels:
                self._pages.pop(kernel_id, None)
            elif page.lines <= 0 and now - page.since > UNCLAIMED:
                with suppress(KeyError, HTTPError):  # it may be ending already
                    await self._kernels.shutdown_kernel(kernel_id, now=True)


def question_in(frame: str | bytes) -> dict[str, Any] | None:
    """Return what a page asks of its kernel, with nothing else that a frame may hold; None if not a page's request.

    Parameters
    ----------
    frame
        What came over the line: a page sends an update of its widget's selection and language, as text.

    Examples
    --------
    >>> question_in('{"channel": "shell"}') is None
    True
    """
    try:
        asked: Any = json.loads(frame) if isinstance(frame, str) else None
        data = asked["content"]["data"]
        comm, state = asked["content"]["comm_id"], data["state"]
        fits = (
            (asked["channel"], asked["header"]["msg_type"], data["method"]) == ("shell", "comm_msg", "update")
            and re.fullmatch("[0-9a-f]{32}", comm)
            and isinstance(state, dict)
            and {"selection"} <= set(state) <= {"selection", "lang"}
            and isinstance(state["selection"], dict)
            and all(isinstance(value, str | int | float | bool) for value in state["selection"].values())
            and state.get("lang", "sv") in LANGUAGES
        )
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
    header = {"msg_id": uuid.uuid4().hex, "msg_type": "comm_msg", "username": "", "session": "", "version": "5.3"}
    content = {"comm_id": comm, "data": {"method": "update", "state": state, "buffer_paths": []}}
    whole = {"header": header, "parent_header": {}, "metadata": {}, "content": content, "buffers": []}
    return whole | {"channel": "shell"} if fits else None


def answer_in(message: Any) -> dict[str, Any] | None:
    """Return what a page may hear of its kernel's message; None if it is nothing for a page.

    A page hears whether its kernel lives, and the views that it asked for. Errors, output, and who runs the kernel are
    for nobody outside.
    """
    if isinstance(message, str):
        message = json.loads(message)
    if not isinstance(message, Mapping):
        return None  # binary: no page's view is
    kind, content = message.get("msg_type") or message["header"]["msg_type"], message["content"]
    if kind == "status":
        return {"msg_type": kind, "content": {"execution_state": content.get("execution_state")}}
    data = content.get("data", {}) if kind == "comm_msg" else {}
    state = {name: value for name, value in data.get("state", {}).items() if name in ("page", "view")}
    if data.get("method") != "update" or not state:
        return None
    return {"msg_type": kind, "content": {"comm_id": content["comm_id"], "data": {"method": "update", "state": state}}}


class ChannelHandler(Worded, VoilaKernelWebsocketHandler):  # type: ignore[misc]
    """Pass on between a page and its kernel: questions in, views out, and nothing else."""

    def initialize(self, guests: Guests) -> None:
        """Keep who may have a line."""
        self._guests, self._claimed = guests, ""
        self._strays, self._asked = 0, deque[float](maxlen=_ASKED)

    async def get(self, kernel_id: str) -> None:
        """Open the line of a page that was sent."""
        if not self._guests.claims(kernel_id):
            raise HTTPError(404)
        self._claimed = kernel_id
        try:
            opened: Any = super().get(kernel_id)
            await opened
        except (KeyError, TimeoutError, RuntimeError):  # the kernel has just ended
            raise HTTPError(404) from None
        finally:
            if self.ws_connection is None:
                self._leave()

    def _leave(self) -> None:
        claimed, self._claimed = self._claimed, ""
        if claimed:
            self._guests.leaves(claimed)

    def on_close(self) -> None:
        """Give the line back."""
        self._leave()
        super().on_close()

    def select_subprotocol(self, subprotocols: list[str]) -> None:
        """Speak the one form of messages that pages speak."""

    def on_message(self, ws_message: str | bytes) -> None:
        """Pass on a page's question; drop whatever else comes, and cut the line of who goes on."""
        now = time.monotonic()
        often = len(self._asked) == _ASKED and now - self._asked[0] < 10
        self._asked.append(now)
        question = question_in(ws_message)
        self._strays += question is None
        if often or self._strays > _STRAYS:
            self.close(1008)
        elif question is not None and self.connection is not None:
            self.connection.handle_incoming_message(json.dumps(question))

    def write_message(self, message: Any, binary: bool = False) -> Any:
        """Pass on what a page may hear."""
        answer = answer_in(message)
        return None if answer is None else super().write_message(json.dumps(answer))

    @property
    def ping_timeout(self) -> int:
        """Milliseconds without an answer after which a line counts as lost: as long as three pings take.

        With one ping's time, Jupyter would cut every line just before its first ping. Tornado asks, too, before a line
        is opened, and warns of more than one.
        """
        return int(self.ping_interval) * (1 if self.ws_connection is None else 3)


class DashboardHandler(Worded, TornadoVoilaHandler):  # type: ignore[misc]
    """Answer with one dashboard that has a kernel, whatever template or theme the address names."""

    def initialize(self, shelf: Shelf, guests: Guests, slug: str, **settings: Any) -> None:
        """Keep what decides whether there is room."""
        super().initialize(**settings)
        self._shelf, self._guests, self._slug = shelf, guests, slug

    def get_argument(self, name: str, *args: Any, **named: Any) -> Any:
        """Return an argument of the address, but never one that chooses a template or theme."""
        if name in ("template", "theme"):
            return named.get("default", args[0] if args else None)
        return super().get_argument(name, *args, **named)

    async def head(self) -> None:
        """Say what a visit would be answered with, and make no page for it."""
        if self._may_come():
            self.set_header("Content-Type", "text/html")
            self.set_header("Cache-Control", "no-cache, no-store, must-revalidate")

    async def get(self) -> None:
        """Send the dashboard; a polite page when there is no room or no release, or another site's page asks."""
        if not self._may_come():
            return
        visitor, kernel_id = visitor_of(self.request), ""
        self._guests.comes(visitor)
        lost, seen = False, ""
        try:
            async for html in self.get_generator():
                seen = seen[-100:] + html
                if found := _KERNEL.search(seen):
                    kernel_id = found[1]
                if not lost:
                    self.write(html)
                    lost = not await self._sent()
        finally:
            self._guests.is_served(visitor, kernel_id)
        if lost:
            raise StreamClosedError

    async def _sent(self) -> bool:
        """Send what there is so far; who has left, or does not read it, leaves a kernel that ends as unclaimed."""
        try:
            if (sent := self.flush()) is not None:
                await asyncio.wait_for(sent, UNCLAIMED)
        except (StreamClosedError, TimeoutError):
            return False
        return True

    def _may_come(self) -> bool:
        """Whether a page is to be made; why not is said otherwise."""
        self.request.arguments = {}  # a page is the same whatever is asked in its address
        site, look = self._shelf.site, look_of(self, self._shelf)
        own = {"href": f"{self.request.path}?lang={look['lang']}"}
        if from_elsewhere(self.request):
            self._say(403, words_page("page.elsewhere.title", "page.elsewhere", **look | own | {"back": "page.open"}))
        elif site is None:
            self._say(503, words_page("page.unavailable.title", "page.unavailable", **look))
        elif reason := self._guests.refuses(visitor_of(self.request)):
            if f"{self._slug}.html" in site.pages:
                lead, way = reason, {"href": f"{self.base_url}{self._slug}", "back": "page.ordinary"}
            else:
                lead, way = reason.replace("full", "crowded"), own | {"back": "page.again"}
            self._say(503, words_page("page.full.title", lead, **look | way))
        else:
            return True
        return False

    def _say(self, status: int, page: str) -> None:
        self.set_status(status)
        if status == 503:
            self.set_header("Retry-After", "60")
        self.set_header("Content-Type", "text/html; charset=utf-8")
        self.finish(page)


class FarewellHandler(Worded, VoilaShutdownKernelHandler):  # type: ignore[misc]
    """End a page's kernel when its tab is closed.

    A browser's farewell cannot carry the token against cross-site requests; the kernel's random id, which only its own
    page knows, and the origin, which Jupyter checks, take its place.
    """

    def check_xsrf_cookie(self) -> None:
        """Accept the farewell without the token."""

    def get(self, kernel_id: str) -> None:
        """Refuse: a farewell is sent, not fetched."""
        raise HTTPError(404)

    options = get
