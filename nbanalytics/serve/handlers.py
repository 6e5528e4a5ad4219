"""What each address of the server answers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from jupyter_server.base.handlers import JupyterHandler
from tornado.web import HTTPError
from voila.shutdown_kernel_handler import VoilaShutdownKernelHandler
from voila.tornado.handler import TornadoVoilaHandler

from nbanalytics.serve.assets import Asset

_YEAR = 365 * 24 * 3600


class PageHandler(JupyterHandler):
    """Answer with a page that the server writes itself."""

    def initialize(self, page: Callable[[], str]) -> None:
        """Keep the function that writes the page."""
        self._page = page

    def get(self) -> None:
        """Send the page."""
        self.set_header("Content-Type", "text/html; charset=utf-8")
        self.set_header("Cache-Control", "no-cache")
        self.finish(self._page())


class MissingHandler(JupyterHandler):
    """Answer 404, in words and without a trace of what exists."""

    def initialize(self, page: Callable[[], str]) -> None:
        """Keep the function that writes the page."""
        self._page = page

    def check_xsrf_cookie(self) -> None:
        """Let every method get the same 404."""

    async def get(self, *_path: str) -> None:
        """Refuse whatever was asked for."""
        self.set_status(404)
        self.set_header("Content-Type", "text/html; charset=utf-8")
        self.finish(self._page())

    head = post = put = patch = delete = options = get


class AssetHandler(JupyterHandler):
    """Answer with a file held in memory, which browsers may keep for as long as its address names its content."""

    def initialize(self, assets: dict[str, Asset]) -> None:
        """Keep the files."""
        self._assets = assets

    def get(self, name: str) -> None:
        """Send one file."""
        asset = self._assets.get(name)
        if asset is None:
            raise HTTPError(404)
        self.set_header("Content-Type", asset.kind)
        self.set_header("Vary", "Accept-Encoding")
        self.set_etag_header()
        kept = self.get_query_argument("v", "") == asset.version
        self.set_header("Cache-Control", f"public, max-age={_YEAR}, immutable" if kept else "no-cache")
        if "gzip" in self.request.headers.get("Accept-Encoding", ""):
            self.set_header("Content-Encoding", "gzip")
            self.finish(asset.packed)
        else:
            self.finish(asset.body)


class DashboardHandler(TornadoVoilaHandler):  # type: ignore[misc]
    """Answer with one dashboard, whatever template or theme the address names."""

    def get_argument(self, name: str, *args: Any, **named: Any) -> Any:
        """Return an argument of the address, but never one that chooses a template or theme."""
        if name in ("template", "theme"):
            return named.get("default", args[0] if args else None)
        return super().get_argument(name, *args, **named)

    async def get(self) -> None:
        """Send the dashboard."""
        self._spare_heated_kernels()
        await super().get(path=None)

    def _spare_heated_kernels(self) -> None:
        """Count kernels that waited for a visitor as fresh, or one could be culled before the page has connected."""
        from jupyter_server._tz import utcnow

        manager = self.kernel_manager
        for task in getattr(manager, "_pools", {}).get(self.notebook_path, []):
            if task.done() and not task.cancelled() and task.exception() is None:
                kernel = manager._kernels.get(task.result()["kernel_id"])
                if kernel is not None:
                    kernel.last_activity = utcnow()


class FarewellHandler(VoilaShutdownKernelHandler):  # type: ignore[misc]
    """End a page's kernel when its tab is closed.

    A browser's farewell cannot carry the token against cross-site requests; the kernel's random id, which only its own
    page knows, and the origin, which Jupyter checks, take its place.
    """

    def check_xsrf_cookie(self) -> None:
        """Accept the farewell without the token."""
