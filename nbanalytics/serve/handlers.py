"""What each address of the server answers."""

from __future__ import annotations

from typing import Any

from jupyter_server.base.handlers import JupyterHandler
from tornado.ioloop import IOLoop
from tornado.web import HTTPError
from voila.shutdown_kernel_handler import VoilaShutdownKernelHandler
from voila.tornado.handler import TornadoVoilaHandler

from nbanalytics.export.assets import Asset
from nbanalytics.export.gallery import words_page
from nbanalytics.serve.shelf import Shelf

_YEAR = 365 * 24 * 3600


class FileHandler(JupyterHandler):
    """Answer with files held in memory. What they hold is public within the server, and known before anyone asks."""

    def initialize(self, shelf: Shelf) -> None:
        """Keep where the files are."""
        self._shelf = shelf

    def prepare(self) -> None:  # type: ignore[override]
        """Refuse other hosts; the rest of what a Jupyter server prepares is for pages that run code."""
        if not self.check_host():
            raise HTTPError(403)

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
            self.finish(words_page("page.unavailable.title", "page.unavailable", **self._shelf.look(self.base_url)))
            return
        await self.send(site.pages[self._name], "no-cache")


class LastingHandler(FileHandler):
    """Answer with a file whose name stands for its content: browsers may keep it for good."""

    async def get(self, address: str) -> None:
        """Send the file."""
        asset = self._shelf.lasting(address)
        if asset is None:
            raise HTTPError(404)
        await self.send(asset, f"public, max-age={_YEAR}, immutable")


class MissingHandler(JupyterHandler):
    """Answer 404, in words and without a trace of what exists."""

    def initialize(self, shelf: Shelf) -> None:
        """Keep where the stylesheet is."""
        self._shelf = shelf

    def check_xsrf_cookie(self) -> None:
        """Let every method get the same 404."""

    async def get(self, *_path: str) -> None:
        """Refuse whatever was asked for."""
        self.set_status(404)
        self.set_header("Content-Type", "text/html; charset=utf-8")
        self.finish(words_page("gallery.missing", **self._shelf.look(self.base_url)))

    head = post = put = patch = delete = options = get


class DashboardHandler(TornadoVoilaHandler):  # type: ignore[misc]
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

    async def get(self) -> None:
        """Send the dashboard; a polite page when there is no room or no release."""
        self.request.arguments = {}  # a page is the same whatever is asked in its address
        site, look = self._shelf.site, self._shelf.look(self.base_url)
        if site is None:
            self._say(words_page("page.unavailable.title", "page.unavailable", **look))
            return
        if self._open_pages() >= self._limit:
            static = f"{self._slug}.html" in site.pages
            way = (f"{self.base_url}{self._slug}", "page.ordinary") if static else (self.base_url, "gallery.back")
            self._say(words_page("page.full.title", "page.full", *way, **look))
            return
        self._spare_heated_kernels()
        await super().get(path=None)

    def _say(self, page: str) -> None:
        self.set_status(503)
        self.set_header("Retry-After", "60")
        self.set_header("Content-Type", "text/html; charset=utf-8")
        self.finish(page)

    def _heated(self) -> list[str]:
        tasks = getattr(self.kernel_manager, "_pools", {}).get(self.notebook_path, [])
        done = [task for task in tasks if task.done() and not task.cancelled() and task.exception() is None]
        return [task.result()["kernel_id"] for task in done]

    def _open_pages(self) -> int:
        return len(self.kernel_manager.list_kernel_ids()) - len(self._heated())

    def _spare_heated_kernels(self) -> None:
        """Count kernels that waited for a visitor as fresh, or one could be culled before the page has connected."""
        from jupyter_server._tz import utcnow

        for kernel_id in self._heated():
            if (kernel := self.kernel_manager._kernels.get(kernel_id)) is not None:
                kernel.last_activity = utcnow()


class FarewellHandler(VoilaShutdownKernelHandler):  # type: ignore[misc]
    """End a page's kernel when its tab is closed.

    A browser's farewell cannot carry the token against cross-site requests; the kernel's random id, which only its own
    page knows, and the origin, which Jupyter checks, take its place.
    """

    def check_xsrf_cookie(self) -> None:
        """Accept the farewell without the token."""
