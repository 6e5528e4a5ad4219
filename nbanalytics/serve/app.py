"""A Voila that serves the gallery, the listed dashboards and what their pages need, on this machine only."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jupyter_client.kernelspec import KernelSpec, KernelSpecManager
from jupyter_core.paths import jupyter_path
from jupyter_server.services.kernels.handlers import _kernel_id_regex
from jupyter_server.utils import url_path_join
from tornado.httpserver import HTTPServer
from tornado.ioloop import IOLoop
from tornado.netutil import bind_sockets
from traitlets.config import Config
from voila.app import Voila
from voila.paths import collect_static_paths, collect_template_paths
from voila.tornado.kernel_websocket_handler import VoilaKernelWebsocketHandler

from nbanalytics.errors import NbanalyticsError
from nbanalytics.serve.assets import load_assets
from nbanalytics.serve.dashboards import Dashboard
from nbanalytics.serve.gallery import PAGES, gallery, missing_page
from nbanalytics.serve.handlers import (
    AssetHandler,
    DashboardHandler,
    FarewellHandler,
    MissingHandler,
    PageHandler,
)
from nbanalytics.text import LANGUAGES, say

if TYPE_CHECKING:
    from nbanalytics.release import Release

ADDRESS, FIRST_PORT, TRIES = "127.0.0.1", 8866, 50
RELEASE_VARIABLE = "NBANALYTICS_RELEASE"
TEMPLATE = "nbanalytics"
_HEATED = 2  # kernels kept ready for each dashboard; more would starve visitors on two cores
_PAGE_WORDS = ("page.skip", "page.loading", "page.failed", "page.noscript", "gallery.back")
_POLICY = (
    "default-src 'self'; script-src 'self'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data: blob:; object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'self'"
)


class ThisPython(KernelSpecManager):
    """Know one kernel only: the Python that runs the server, whatever kernels the user has installed."""

    def find_kernel_specs(self) -> dict[str, str]:
        """Return the only kernel."""
        return {"python3": str(PAGES)}

    def get_kernel_spec(self, kernel_name: str) -> KernelSpec:
        """Return the only kernel, whatever name was asked for."""
        command = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
        return KernelSpec(argv=command, display_name="Python 3", language="python", name="python3")


def settings_for(folder: Path, dashboards: Sequence[Dashboard]) -> Config:
    """Return the configuration of the server: closed, and with kernels ready for the listed dashboards alone."""
    config = Config()
    config.VoilaConfiguration = Config(
        template=TEMPLATE,
        allow_template_override="NO",
        allow_theme_override="NO",
        strip_sources=True,
        show_tracebacks=False,
        file_allowlist=[],
        extension_allowlist=["none"],
        kernel_spec_manager_class=ThisPython,
        preheat_kernel=True,
        default_pool_size=0,
    )
    config.VoilaKernelManager.kernel_pools_config = {
        "default": {"pool_size": 0},
        **{entry.path.name: {"pool_size": _HEATED} for entry in dashboards},
    }
    config.MappingKernelManager = Config(cull_idle_timeout=300, cull_interval=60, cull_connected=False)
    if os.name == "posix":  # sockets in a folder of ours, not ports that others on the machine can reach
        config.KernelManager.transport = "ipc"
    return config


class DashboardServer(Voila):  # type: ignore[misc]
    """The server. Everything that Voila offers beyond its pages is left out."""

    def prepare_release(
        self, release: Release, dashboards: Sequence[Dashboard], announce: Callable[[str], None]
    ) -> None:
        """Keep what the pages are made of."""
        self._release, self._dashboards, self._announce = release, list(dashboards), announce
        self._assets = load_assets()
        self.config.VoilaConfiguration.resources = {
            "nbanalytics": {
                "title": str(release.manifest.get("title", "")),
                "version": {name: asset.version for name, asset in self._assets.items()},
                "words": {lang: {key: say(key, lang) for key in _PAGE_WORDS} for lang in LANGUAGES},
            }
        }

    def setup_template_dirs(self) -> None:
        """Find the template in this package and what it builds upon where Jupyter keeps it."""
        roots = [str(PAGES), *jupyter_path()]
        self.template_paths = collect_template_paths(["voila", "nbconvert"], TEMPLATE, prune=True, root_dirs=roots)
        self.static_paths = collect_static_paths(["voila", "nbconvert"], TEMPLATE, prune=True, root_dirs=roots)

    def init_settings(self) -> dict[str, Any]:
        """Return the settings of the web application."""
        settings: dict[str, Any] = super().init_settings()
        return settings | {
            "allow_remote_access": False,
            "compress_response": True,
            "headers": {
                "Content-Security-Policy": _POLICY,
                "X-Content-Type-Options": "nosniff",
                "Referrer-Policy": "same-origin",
            },
            "ws_ping_timeout": 30_000,
            "default_handler_class": MissingHandler,
            "default_handler_args": {"page": self._missing},
        }

    def init_handlers(self) -> list[Any]:
        """Return every address that is answered; all others get 404."""
        routes: list[tuple[Any, ...]] = [
            ("/", PageHandler, {"page": self._gallery}),
            (r"/assets/([a-z.]+)", AssetHandler, {"assets": self._assets}),
            (rf"/api/kernels/{_kernel_id_regex}/channels", VoilaKernelWebsocketHandler),
            (rf"/voila/api/shutdown/{_kernel_id_regex}", FarewellHandler),
        ]
        shared = {
            "template_paths": self.template_paths,
            "config": self.config,
            "voila_configuration": self.voila_configuration,
        }
        routes += [
            (f"/{entry.slug}", DashboardHandler, {"notebook_path": entry.path.name, **shared})
            for entry in self._dashboards
        ]
        return [(url_path_join(self.server_url, path), *rest) for path, *rest in routes]

    def start(self) -> None:
        """Take the port, then start the kernels and serve."""
        self._sockets = self._bind()
        self.port = self._sockets[0].getsockname()[1]
        super().start()

    def _bind(self) -> list[Any]:
        wanted = [self.port] if self.port_retries == 0 else range(self.port, self.port + self.port_retries)
        for port in wanted:
            try:
                return list(bind_sockets(port, ADDRESS))
            except OSError:
                continue
        raise NbanalyticsError(
            f"port {self.port} on {ADDRESS} is taken; choose another with --port, or 0 for any free one"
        )

    def listen(self) -> None:
        """Serve until interrupted, then end every kernel."""
        server = HTTPServer(self.app)
        server.add_sockets(self._sockets)
        self._announce(f"http://{ADDRESS}:{self.port}{self.base_url}")
        if self.open_browser:
            self.launch_browser()
        self.ioloop = IOLoop.current()
        try:
            self.ioloop.start()
        except KeyboardInterrupt:
            self._announce("")
        finally:
            server.stop()
            self.stop()

    def _style(self) -> str:
        return self._assets["nbanalytics.css"].version

    def _gallery(self) -> str:
        return gallery(self._release, self._dashboards, self.base_url, self._style())

    def _missing(self) -> str:
        return missing_page(str(self._release.manifest.get("title", "")), self.base_url, self._style())


def run(
    release: Release,
    folder: Path,
    dashboards: Sequence[Dashboard],
    port: int | None,
    open_browser: bool,
    announce: Callable[[str], None],
) -> None:
    """Start the server and serve until interrupted (see :func:`nbanalytics.serve.serve`)."""
    if not dashboards:
        raise NbanalyticsError("there is no dashboard to serve; reinstall nbanalytics with its dashboards")
    os.environ[RELEASE_VARIABLE] = str(folder.resolve())
    server = DashboardServer(
        config=settings_for(folder, dashboards),
        config_file_paths=[],
        root_dir=str(dashboards[0].path.parent),
        ip=ADDRESS,
        port=FIRST_PORT if port is None else port,
        port_retries=TRIES if port is None else 0,
        open_browser=open_browser,
        log_level="ERROR",
    )
    server.prepare_release(release, dashboards, announce)
    server.initialize([])
    server.start()
