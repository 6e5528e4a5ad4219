"""A Voila that serves the gallery, the listed dashboards and what their pages need, and nothing else."""

from __future__ import annotations

import os
import shutil
import tempfile
import webbrowser
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from html import escape
from ipaddress import ip_address
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING, Any, TypeVar

from jupyter_core.paths import jupyter_path
from jupyter_server._tz import utcnow
from jupyter_server.services.kernels.handlers import _kernel_id_regex
from jupyter_server.utils import url_path_join
from tornado.ioloop import IOLoop, PeriodicCallback
from tornado.netutil import bind_sockets
from tornado.web import HTTPError, RequestHandler
from voila.app import Voila
from voila.paths import collect_static_paths, collect_template_paths

from nbanalytics.errors import NbanalyticsError
from nbanalytics.export import Dashboard
from nbanalytics.export.assets import PAGES
from nbanalytics.export.frame import PAGE_WORDS, STATEMENT, around
from nbanalytics.pages.widgets import RELEASE_VARIABLE
from nbanalytics.serve.gate import BODY, HEADERS, PATIENCE, Access, Door, Gate, has_files_to_spare, lines_and_pages
from nbanalytics.serve.handlers import (
    ChannelHandler,
    DashboardHandler,
    FarewellHandler,
    Guests,
    LastingHandler,
    MissingHandler,
    heated,
    page_routes,
)
from nbanalytics.serve.settings import SECURE, TEMPLATE, Limits, settings_for
from nbanalytics.serve.shelf import Shelf
from nbanalytics.text import LANGUAGES, Words

if TYPE_CHECKING:
    from nbanalytics.release import Release
import asyncio
import errno
import json
import signal
import socket
import subprocess
import sys
import time
from typing import cast

from jupyter_client.provisioning.factory import KernelProvisionerFactory
from jupyter_client.provisioning.local_provisioner import LocalProvisioner

#: Splitting off is safe where a process with one thread may do so: on Linux.
CAN_FORK = sys.platform == "linux"
# Seconds for the first kernel, which waits until all is loaded.
_PATIENCE = {"release": 30.0, "records": 600.0, "staff": 600.0}


class Line:
    """The server's end of the line to one kernel: the kernel lives as long as it is open. Made like a Popen."""

    stdin = stdout = stderr = None

    def __init__(self, end: socket.socket, pid: int) -> None:
        self.pid, self._end = pid, end
        self.returncode: int | None = None

    def poll(self) -> int | None:
        """Return None while the kernel lives."""
        if self.returncode is None:
            try:
                if self._end.recv(64, socket.MSG_DONTWAIT) == b"":
                    self._close()
            except BlockingIOError:
                return None
            except OSError:
                self._close()
        return self.returncode

    def _close(self) -> None:
        self.returncode = 1
        self._end.close()

    def wait(self, timeout: float | None = None) -> int | None:
        """Wait until the kernel has ended."""
        until = None if timeout is None else time.monotonic() + timeout
        while self.poll() is None:
            if until is not None and time.monotonic() > until:
                raise subprocess.TimeoutExpired("kernel", timeout or 0)
            time.sleep(0.02)
        return self.returncode

    def send_signal(self, number: int) -> None:
        """Send a signal, if the kernel lives."""
        if self.poll() is None:
            with suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def terminate(self) -> None:
        """Ask the kernel to end."""
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """End the kernel."""
        self.send_signal(signal.SIGKILL)


class Zygote:
    """The process that kernels are split off from.

    Parameters
    ----------
    folder
        The release or records that their pages read.
    lang
        Language of the pages.
    kind
        ``"release"``; ``"records"`` for the explorer, ``"staff"`` for the staff's page.
    """

    def __init__(self, folder: Path, lang: str = "sv", kind: str = "release") -> None:
        self._control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        # One thread each: libraries that keep threads of their own cannot be split, and many kernels share few cores.
        alone = dict.fromkeys(("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"), "1")
        with theirs:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "nbanalytics.serve.zygote", str(theirs.fileno()), str(folder), lang, kind],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
                env=os.environ | alone,
            )
        self._control.setblocking(False)
        self._patience = _PATIENCE[kind]
        self._ready: asyncio.Future[bytes] | None = None

    async def _loaded(self) -> bool:
        if self._ready is None:
            loop = asyncio.get_running_loop()
            self._ready = loop.create_task(asyncio.wait_for(loop.sock_recv(self._control, 16), self._patience))
        return await asyncio.shield(self._ready) == b"ready"

    async def split(self, connection_file: str, cwd: str) -> Line | None:
        """Return the line to a new kernel; None if there is none to be had."""
        try:
            if not await self._loaded():
                return None
            ours, theirs = socket.socketpair()
            ours.setblocking(False)
            with theirs:
                request = json.dumps({"connection_file": connection_file, "cwd": cwd}).encode()
                socket.send_fds(self._control, [request], [theirs.fileno()])
            answer = await asyncio.wait_for(asyncio.get_running_loop().sock_recv(ours, 64), self._patience)
        except (OSError, TimeoutError):
            return None
        return Line(ours, int(answer)) if answer else None

    def retire(self) -> None:
        """End the process; kernels that it has split off live on."""
        self._control.close()
        self.process.terminate()
        self.process.wait()


class Splitting(LocalProvisioner):
    """Start a kernel by splitting it off; as an ordinary process where that fails."""

    async def launch_kernel(self, cmd: list[str], **kwargs: Any) -> Any:
        """Start the kernel, and return how it is reached."""
        if not has_files_to_spare():
            raise OSError(errno.EMFILE, "no kernel is started: too few file descriptors are free")
        zygote, manager = Splitters.instance().zygote, self.parent
        if zygote is not None and manager is not None:
            line = await zygote.split(manager.connection_file, str(kwargs.get("cwd") or Path.cwd()))
            if line is not None:
                self.process = cast("Any", line)  # it has of Popen what a provisioner asks for
                self.pid, self.pgid = line.pid, None
                return self.connection_info
        return await super().launch_kernel(cmd, **kwargs)


class Splitters(KernelProvisionerFactory):
    """Provide every kernel of this server by :class:`Splitting`."""

    zygote: Zygote | None = None

    def create_provisioner_instance(self, kernel_id: str, kernel_spec: Any, parent: Any) -> Any:
        """Return what starts and watches one kernel."""
        return Splitting(kernel_id=kernel_id, kernel_spec=kernel_spec, parent=parent)

    def is_provisioner_available(self, kernel_spec: Any) -> bool:
        """Whether kernels can be provided: always."""
        return True


FIRST_PORT, TRIES = 8866, 50
_REFILLED = 60  # seconds after which a page that could not be made ready is made again
#: Leads a browser to the server; read from a file, so it may load nothing.
_LAUNCHER = """<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><meta name="referrer" content="no-referrer">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'">
<meta http-equiv="refresh" content="0; url={address}"><title>nbanalytics</title></head>
<body><p><a href="{address}">nbanalytics</a></p></body></html>
"""
_LAUNCHED = 60  # seconds that the file is there
Server = TypeVar("Server", bound="DashboardServer")


class DashboardServer(Voila):  # type: ignore[misc]
    """The server. Everything that Voila offers beyond its pages is left out."""

    reads = "release"  # what the kernels' process opens
    _launched = ""  # folder of the file that leads a browser here, while it is there

    def prepare_release(
        self,
        release: Release,
        folder: Path,
        dashboards: Sequence[Dashboard],
        announce: Callable[[str], None],
        access: Access,
        limits: Limits,
    ) -> None:
        """Keep what the pages are made of, and who may see them."""
        loop = IOLoop.current()
        shelf = Shelf(folder, release, dashboards, on_change=lambda: loop.add_callback(self._renew))
        self.prepare_pages(shelf, release.manifest, folder, dashboards, announce, access, limits)

    def prepare_pages(
        self,
        shelf: Any,
        manifest: Mapping[str, Any],
        folder: Path,
        dashboards: Sequence[Dashboard],
        announce: Callable[[str], None],
        access: Access,
        limits: Limits,
    ) -> None:
        """Keep where the pages' files are, and load what their kernels read."""
        self._folder, self._dashboards, self._announce = folder, list(dashboards), announce
        self._title = str(manifest.get("title", ""))
        self._access, self._shelf = access, shelf
        self._most, pages = lines_and_pages(limits.pages)
        self._limits = replace(limits, pages=pages, each=min(limits.each, pages))
        self._splitters = Splitters.instance(parent=self)
        self._describe(manifest)
        self._load_kernels()

    def _describe(self, manifest: Mapping[str, Any]) -> None:
        """Give the template the frame of a page, with at least a title."""
        site = self._shelf.site
        self.config.VoilaConfiguration.resources = {
            "nbanalytics": {
                "around": {lang: around(manifest, Words(lang)) for lang in LANGUAGES},
                "statement": self.reads == "release",
                "names": site.names if site is not None else {},
                "words": {lang: {key: Words(lang).say(key) for key in PAGE_WORDS} for lang in LANGUAGES},
            }
        }

    def _load_kernels(self) -> None:
        """Load the release into the process that kernels are split off from; those that run keep the one they have."""
        if not CAN_FORK:
            return
        if self._splitters.zygote is not None:
            self._splitters.zygote.retire()
        self._splitters.zygote = Zygote(self._folder, kind=self.reads)

    def _renew(self) -> None:
        """After a change of release, end the pages that were kept ready: they show the old one."""
        site = self._shelf.site
        if site is None:
            return
        self._describe(site.release.manifest)
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
        # A page's own script says nothing else; what would run or inspect code is dropped.
        self.kernel_manager.allowed_message_types = ["comm_msg"]
        self._guests = Guests(self._limits, self.kernel_manager)
        return settings | {
            "allow_remote_access": True,  # the gate knows the server's names
            "compress_response": True,
            "headers": SECURE,
            "websocket_max_message_size": BODY,
            "default_handler_class": MissingHandler,
            "shelf": self._shelf,
            "log_function": self._log_request,
        }

    def init_handlers(self) -> list[Any]:
        """Return every address that is answered; all others get 404."""
        routes: list[tuple[Any, ...]] = [
            *self._pages(),
            (r"/((?:assets|data)/[a-z0-9./-]+)", LastingHandler, {"shelf": self._shelf}),
            (rf"/api/kernels/{_kernel_id_regex}/channels", ChannelHandler, {"guests": self._guests}),
            (rf"/voila/api/shutdown/{_kernel_id_regex}", FarewellHandler),
        ]
        return [(url_path_join(self.server_url, path), *rest) for path, *rest in routes]

    def _pages(self) -> list[tuple[Any, ...]]:
        """Return the addresses of the pages."""
        routes = [*page_routes(self._shelf, "index"), *page_routes(self._shelf, STATEMENT)]
        for entry in self._dashboards:
            routes.append((f"/live/{entry.slug}", DashboardHandler, self._live(entry)))
            if entry.edition == "static":
                routes += page_routes(self._shelf, entry.slug)
        return routes

    def _live(self, entry: Dashboard) -> dict[str, Any]:
        """Return what answers with a page that has a kernel."""
        return {
            "notebook_path": entry.path.name,
            "slug": entry.slug,
            "template_paths": self.template_paths,
            "config": self.config,
            "voila_configuration": self.voila_configuration,
            "shelf": self._shelf,
            "guests": self._guests,
        }

    def start(self) -> None:
        """Take the port, then start the kernels and serve."""
        self._sockets = self._bind()
        self.port = self._sockets[0].getsockname()[1]
        super().start()

    def _bind(self) -> list[Any]:
        wanted = [self.port] if self.port_retries == 0 else range(self.port, self.port + self.port_retries)
        for port in wanted:
            try:
                return list(bind_sockets(port, self._access.address))
            except OSError:
                continue
        raise NbanalyticsError(
            f"port {self.port} on {self._access.address} is taken; choose another with --port, or 0 for any free one"
        )

    def listen(self) -> None:
        """Serve until interrupted, then end every kernel."""
        gate = Gate(self.app, self._access, self.port, SECURE, self._shelf.titles)
        # Headers beyond the gate's limit are answered by it; far beyond, the line is cut.
        server = Door(
            gate,
            most=self._most,
            max_header_size=4 * HEADERS,
            max_body_size=BODY,
            idle_connection_timeout=PATIENCE,
            body_timeout=PATIENCE,
        )
        server.add_sockets(self._sockets)
        self._announce(self._address())
        self._announce(f"{self._serves()} Press Ctrl+C to stop.")
        PeriodicCallback(self._keep_heated, 1000 * max(min(self._limits.idle // 3, _REFILLED), 1)).start()
        PeriodicCallback(self._guests.sweep, 1000).start()
        PeriodicCallback(server.tidy, 10_000).start()
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
            self._forget_launch()
            with suppress(HTTPError):  # a kernel that was just being started; it ends when its line to us does
                self.stop()
            if self._splitters.zygote is not None:
                self._splitters.zygote.retire()

    def _address(self) -> str:
        host = self._access.address
        if ip_address(host).is_unspecified:
            host = self._access.named or host
        token = f"?token={self._access.token}" if self._access.token else ""
        return f"http://{f'[{host}]' if ':' in host else host}:{self.port}{self.base_url}{token}"

    def _serves(self) -> str:
        return f"Serving {self._title!r} from {self._folder}."

    def launch_browser(self) -> None:
        """Open the address in the browser. A token is in no program's arguments, which everybody on a machine can read.

        The browser is given a file that only its user can read, and that leads to the address.
        """
        address, folder = self._address(), ""
        if self._access.token:
            folder = tempfile.mkdtemp(prefix="nbanalytics-")  # for its owner alone
            page = Path(folder, "open.html")
            page.write_text(_LAUNCHER.format(address=escape(address)), encoding="utf-8")
            page.chmod(0o600)
            address = page.as_uri()
            self._launched = folder
            IOLoop.current().call_later(_LAUNCHED, self._forget_launch)

        def launch() -> None:
            if not webbrowser.open(address):
                self._announce("No browser was found: open the address above in one.")

        Thread(target=launch, daemon=True).start()

    def _forget_launch(self) -> None:
        if self._launched:
            shutil.rmtree(self._launched, ignore_errors=True)
            self._launched = ""

    def _keep_heated(self) -> None:
        """Count kernels that wait for a visitor as fresh, or they would be culled, and their page be without one.

        In place of a page that could not be made ready, as when there was no file descriptor, another one is made.
        """
        kernels = self.kernel_manager
        for kernel_id in heated(kernels):
            if (kernel := kernels._kernels.get(kernel_id)) is not None:
                kernel.last_activity = utcnow()
        if has_files_to_spare():
            for name in kernels._pools:
                kernels.fill_if_needed(delay=0, notebook_name=name)

    def _log_request(self, handler: RequestHandler) -> None:
        """Log that an answer failed, by the kind of its route: never who asked, nor for which selection."""
        status = handler.get_status()
        if status >= 500 and status != 503:
            self.log.error("%s answered %d", type(handler).__name__, status)


def run(
    release: Release,
    folder: Path,
    dashboards: Sequence[Dashboard],
    port: int | None,
    open_browser: bool,
    announce: Callable[[str], None],
    access: Access,
    limits: Limits,
) -> None:
    """Start the server and serve until interrupted (see :func:`nbanalytics.serve.serve`)."""
    if not dashboards:
        raise NbanalyticsError("there is no dashboard to serve; reinstall nbanalytics with its dashboards")
    os.environ[RELEASE_VARIABLE] = str(folder)
    server = server_of(DashboardServer, dashboards, port, open_browser, access, limits)
    server.prepare_release(release, folder, dashboards, announce, access, limits)
    server.initialize([])
    server.start()


def server_of(
    kind: type[Server],
    dashboards: Sequence[Dashboard],
    port: int | None,
    open_browser: bool,
    access: Access,
    limits: Limits,
) -> Server:
    """Set a server up, so far without anything to serve."""
    return kind(
        config=settings_for(dashboards, limits.idle),
        config_file_paths=[],
        root_dir=str(dashboards[0].path.parent),
        ip=access.address,
        base_url=access.base_url,
        token="",  # the gate asks for it
        port=FIRST_PORT if port is None else port,
        port_retries=TRIES if port is None else 0,
        open_browser=open_browser,
        log_level="ERROR",
    )
