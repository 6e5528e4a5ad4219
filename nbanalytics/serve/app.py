"""A Voila that serves the gallery, the listed dashboards and what their pages need, on this machine only."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jupyter_client.kernelspec import KernelSpec, KernelSpecManager
from jupyter_core.paths import jupyter_path
from jupyter_server.services.kernels.handlers import _kernel_id_regex
from jupyter_server.utils import url_path_join
from tornado.httpserver import HTTPServer
from tornado.ioloop import IOLoop
from tornado.netutil import bind_sockets
from tornado.web import HTTPError, RequestHandler
from traitlets.config import Config
from voila.app import Voila
from voila.paths import collect_static_paths, collect_template_paths
from voila.tornado.kernel_websocket_handler import VoilaKernelWebsocketHandler

from nbanalytics.errors import NbanalyticsError
from nbanalytics.export import Dashboard
from nbanalytics.export.assets import PAGES
from nbanalytics.export.gallery import POLICY
from nbanalytics.export.site import PAGE_WORDS
from nbanalytics.serve.forking import CAN_FORK, Splitters, Zygote
from nbanalytics.serve.handlers import (
    DashboardHandler,
    FarewellHandler,
    LastingHandler,
    MissingHandler,
    PageHandler,
)
from nbanalytics.serve.shelf import Shelf
from nbanalytics.text import LANGUAGES, say
from nbanalytics.widgets import RELEASE_VARIABLE

if TYPE_CHECKING:
    from nbanalytics.release import Release

ADDRESS, FIRST_PORT, TRIES = "127.0.0.1", 8866, 50
TEMPLATE = "nbanalytics"
_HEATED = 2  # pages kept ready for each dashboard; more would starve visitors on two cores
_IDLE = 900  # seconds without a choice
_POLICY = POLICY.format(own="'self'") + "; frame-ancestors 'self'"


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
    # A page whose kernel has ended gets another one when it asks for a view, so that even open tabs need not keep one.
    config.MappingKernelManager = Config(cull_idle_timeout=_IDLE, cull_interval=60, cull_connected=True)
    config.KernelRestarter.restart_limit = 0  # a kernel started anew would know nothing of its page
    if os.name == "posix":  # sockets in a folder of ours, not ports that others on the machine can reach
        config.KernelManager.transport = "ipc"
    return config


class DashboardServer(Voila):  # type: ignore[misc]
    """The server. Everything that Voila offers beyond its pages is left out."""

    def prepare_release(
        self,
        release: Release,
        folder: Path,
        dashboards: Sequence[Dashboard],
        announce: Callable[[str], None],
        live_limit: int,
    ) -> None:
        """Keep what the pages are made of."""
        self._folder, self._dashboards, self._announce, self._limit = folder, list(dashboards), announce, live_limit
        loop = IOLoop.current()
        self._shelf = Shelf(folder, release, dashboards, on_change=lambda: loop.add_callback(self._renew))
        self._splitters = Splitters.instance(parent=self)
        self._describe(release)
        self._load_kernels()

    def _describe(self, release: Release) -> None:
        site = self._shelf.site
        self.config.VoilaConfiguration.resources = {
            "nbanalytics": {
                "title": str(release.manifest.get("title", "")),
                "names": site.names if site is not None else {},
                "words": {lang: {key: say(key, lang) for key in PAGE_WORDS} for lang in LANGUAGES},
            }
        }

    def _load_kernels(self) -> None:
        """Load the release into the process that kernels are split off from; those that run keep the one they have."""
        if not CAN_FORK:
            return
        if self._splitters.zygote is not None:
            self._splitters.zygote.retire()
        self._splitters.zygote = Zygote(self._folder)

    def _renew(self) -> None:
        """After a change of release, end the pages that were kept ready: they show the old one."""
        site = self._shelf.site
        if site is None:
            return
        self._describe(site.release)
        self.voila_configuration.config.VoilaConfiguration.resources = self.config.VoilaConfiguration.resources
        self._load_kernels()
        for name, pool in list(self.kernel_manager._pools.items()):
            self.kernel_manager._pools[name] = []
            for task in pool:
                IOLoop.current().add_callback(self._end_heated, task)
            self.kernel_manager.fill_if_needed(delay=0, notebook_name=name)

    async def _end_heated(self, task: Any) -> None:
        held = await task
        if held["kernel_id"] in self.kernel_manager:
            await self.kernel_manager.shutdown_kernel(held["kernel_id"], now=True)

    def setup_template_dirs(self) -> None:
        """Find the template in this package and what it builds upon where Jupyter keeps it."""
        roots = [str(PAGES), *jupyter_path()]
        self.template_paths = collect_template_paths(["voila", "nbconvert"], TEMPLATE, prune=True, root_dirs=roots)
        self.template_paths.append(str(PAGES))
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
            "default_handler_args": {"shelf": self._shelf},
            "log_function": self._log_request,
        }

    def init_handlers(self) -> list[Any]:
        """Return every address that is answered; all others get 404."""
        routes: list[tuple[Any, ...]] = [
            ("/", PageHandler, {"shelf": self._shelf, "name": "index.html"}),
            (r"/((?:assets|data)/[a-z0-9./-]+)", LastingHandler, {"shelf": self._shelf}),
            (rf"/api/kernels/{_kernel_id_regex}/channels", VoilaKernelWebsocketHandler),
            (rf"/voila/api/shutdown/{_kernel_id_regex}", FarewellHandler),
        ]
        live = {
            "template_paths": self.template_paths,
            "config": self.config,
            "voila_configuration": self.voila_configuration,
            "shelf": self._shelf,
            "limit": self._limit,
        }
        for entry in self._dashboards:
            routes.append((f"/live/{entry.slug}", DashboardHandler, _live(entry) | live))
            if entry.edition == "static":
                routes.append((f"/{entry.slug}", PageHandler, {"shelf": self._shelf, "name": f"{entry.slug}.html"}))
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
        self._shelf.prepare()
        if self.open_browser:
            self.launch_browser()
        self.ioloop = IOLoop.current()
        try:
            self.ioloop.start()
        except KeyboardInterrupt:
            self._announce("")
        finally:
            server.stop()
            with suppress(HTTPError):  # a kernel that was just being started; it ends when its line to us does
                self.stop()
            if self._splitters.zygote is not None:
                self._splitters.zygote.retire()

    def _log_request(self, handler: RequestHandler) -> None:
        """Log that an answer failed, by the kind of its route: never who asked, nor for which selection."""
        status = handler.get_status()
        if status >= 500 and status != 503:
            self.log.error("%s answered %d", type(handler).__name__, status)


def _live(entry: Dashboard) -> dict[str, str]:
    return {"notebook_path": entry.path.name, "slug": entry.slug}


def run(
    release: Release,
    folder: Path,
    dashboards: Sequence[Dashboard],
    port: int | None,
    open_browser: bool,
    announce: Callable[[str], None],
    live_limit: int,
) -> None:
    """Start the server and serve until interrupted (see :func:`nbanalytics.serve.serve`)."""
    if not dashboards:
        raise NbanalyticsError("there is no dashboard to serve; reinstall nbanalytics with its dashboards")
    os.environ[RELEASE_VARIABLE] = str(folder)
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
    server.prepare_release(release, folder, dashboards, announce, live_limit)
    server.initialize([])
    server.start()
