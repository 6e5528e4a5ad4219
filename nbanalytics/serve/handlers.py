"""What each address of the server answers."""

from __future__ import annotations

from typing import Any

from jupyter_server.base.handlers import JupyterHandler
from tornado.ioloop import IOLoop
from tornado.web import HTTPError
from voila.shutdown_kernel_handler import VoilaShutdownKernelHandler
from voila.tornado.handler import TornadoVoilaHandler
from voila.tornado.kernel_websocket_handler import VoilaKernelWebsocketHandler

from nbanalytics.export.assets import Asset
from nbanalytics.export.frame import other_language
from nbanalytics.export.gallery import words_page
from nbanalytics.serve.gate import language_of
from nbanalytics.serve.shelf import Shelf

_YEAR = 365 * 24 * 3600


def look_of(handler: JupyterHandler, shelf: Any) -> dict[str, Any]:
    """Return what a page of words needs: the language to answer in, and where its site is."""
    return {"lang": language_of(handler.request, handler.base_url), **shelf.look(handler.base_url)}


class Worded(JupyterHandler):
    """Tell every trouble in our own words: those of Jupyter and Voila name their parts and the address asked for."""

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
        if not isinstance(value, HTTPError):
            self.log.error("%s failed", type(self).__name__, exc_info=(kind, value, trace))


class FileHandler(Worded):
    """Answer with files held in memory. What they hold is public within the server, and known before anyone asks."""

    def initialize(self, shelf: Shelf) -> None:
        """Keep where the files are."""
        self._shelf = shelf

    def prepare(self) -> None:  # type: ignore[override]
        """Do without what a Jupyter server prepares: it is for pages that run code. The gate has asked who comes."""

    async def send(self, asset: Asset, keep: str) -> None:
        """Send one file; a visitor who has it already is told so."""
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


def page_routes(shelf: Shelf, name: str) -> list[tuple[Any, ...]]:
    """Return the addresses of a page of the static edition: in Swedish, and in English under ``/en/``."""
    address = "" if name == "index" else name
    folders = ("", f"{other_language('sv')}/")
    kept: dict[str, Any] = {"shelf": shelf}
    return [(f"/{folder}{address}", PageHandler, kept | {"name": f"{folder}{name}.html"}) for folder in folders]


class LastingHandler(FileHandler):
    """Answer with a file whose name stands for its content: browsers may keep it for good."""

    async def get(self, address: str) -> None:
        """Send the file."""
        asset = self._shelf.lasting(address)
        if asset is None:
            raise HTTPError(404)
        await self.send(asset, f"public, max-age={_YEAR}, immutable")


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


def heated(kernel_manager: Any, notebook: str | None = None) -> list[str]:
    """Return the ids of the kernels that wait for a visitor, of one notebook or of all."""
    pools = getattr(kernel_manager, "_pools", {})
    tasks = [task for name, pool in pools.items() if notebook in (None, name) for task in pool]
    done = [task for task in tasks if task.done() and not task.cancelled() and task.exception() is None]
    return [task.result()["kernel_id"] for task in done]


class ChannelHandler(Worded, VoilaKernelWebsocketHandler):  # type: ignore[misc]
    """Pass on between a page and its kernel."""

    @property
    def ping_timeout(self) -> int:
        """Milliseconds without an answer after which a line counts as lost: as long as three pings take.

        With one ping's time, Jupyter would cut every line just before its first ping. Tornado asks, too, before a line
        is opened, and warns of more than one.
        """
        return int(self.ping_interval) * (1 if self.ws_connection is None else 3)


class DashboardHandler(Worded, TornadoVoilaHandler):  # type: ignore[misc]
    """Answer with one dashboard that has a kernel, whatever template or theme the address names."""

    def initialize(self, shelf: Shelf, limit: int, slug: str, **settings: Any) -> None:
        """Keep what decides whether there is room."""
        super().initialize(**settings)
        self._shelf, self._limit, self._slug = shelf, limit, slug

    def get_argument(self, name: str, *args: Any, **named: Any) -> Any:
        """Return an argument of the address, but never one that chooses a template or theme."""
        if name in ("template", "theme"):
            return named.get("default", args[0] if args else None)
        return super().get_argument(name, *args, **named)

    async def head(self) -> None:
        """Say nothing of a page that is made for each visitor."""
        raise HTTPError(404)

    async def get(self) -> None:
        """Send the dashboard; a polite page when there is no room or no release."""
        self.request.arguments = {}  # a page is the same whatever is asked in its address
        site, look = self._shelf.site, look_of(self, self._shelf)
        if site is None:
            self._say(words_page("page.unavailable.title", "page.unavailable", **look))
            return
        if self._open_pages() >= self._limit:
            if f"{self._slug}.html" in site.pages:
                lead, way = "page.full", {"href": f"{self.base_url}{self._slug}", "back": "page.ordinary"}
            else:
                lead, way = "page.crowded", {"href": f"{self.request.path}?lang={look['lang']}", "back": "page.again"}
            self._say(words_page("page.full.title", lead, **look | way))
            return
        await TornadoVoilaHandler.get(self, path=None)

    def _say(self, page: str) -> None:
        self.set_status(503)
        self.set_header("Retry-After", "60")
        self.set_header("Content-Type", "text/html; charset=utf-8")
        self.finish(page)

    def _open_pages(self) -> int:
        return len(self.kernel_manager.list_kernel_ids()) - len(heated(self.kernel_manager))


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
