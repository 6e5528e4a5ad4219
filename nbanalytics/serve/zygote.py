"""A process that has everything loaded and splits off a kernel whenever the server asks for one.

A kernel of its own takes a second to start and a hundred megabytes; one that is split off shares what was loaded.
Run by :mod:`nbanalytics.serve.app` as ``python -m nbanalytics.serve.zygote SOCKET FOLDER LANG
KIND``, where the kind is ``release``, ``records`` or ``staff``.
"""

from __future__ import annotations

import array
import gc
import json
import os
import signal
import socket
import sys
import threading
from pathlib import Path
from typing import Any


def main(number: int, folder: str, lang: str, kind: str) -> None:
    """Load what dashboards need, then wait for requests until the server closes its end."""
    control = socket.socket(fileno=number)
    _load()
    {"release": _open_release, "records": _open_records, "staff": _open_staff}[kind](folder, lang)
    gc.collect()
    gc.freeze()  # the collector would write to every page of memory that is shared
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for the kernels: each has a line to the server
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    control.sendall(b"ready")
    while request := _receive(control):
        asked, line = request
        if os.fork() == 0:
            control.close()
            _become_kernel(asked, line)
        line.close()


def _load() -> None:
    """Import what every kernel needs, so that all of them share it."""
    import ipykernel.ipkernel
    import ipykernel.kernelapp
    import ipykernel.zmqshell  # noqa: F401


def _open_release(folder: str, lang: str) -> None:
    """Open the release and draw a page once."""
    from nbanalytics.export import open_verified
    from nbanalytics.pages.widgets import BoardPage, give

    release = open_verified(Path(folder))
    give(release, lang)
    BoardPage(release).close()


def _open_records(folder: str, lang: str) -> None:
    """Read the records, do what the explorer does once, and draw its page."""
    from nbanalytics.pages.explorer import Explorer
    from nbanalytics.pages.widgets import ExplorerPage, give

    give(Explorer.of(folder, lang), lang)
    ExplorerPage(folder, lang).close()


def _open_staff(folder: str, lang: str) -> None:
    """Read the records, do what the staff's page does once, and draw it."""
    from nbanalytics.pages.staff_board import StaffBoard
    from nbanalytics.pages.widgets import StaffPage, give

    give(StaffBoard.of(folder, lang), lang)
    StaffPage(folder, lang).close()


def _receive(control: socket.socket) -> tuple[dict[str, Any], socket.socket] | None:
    """Return the next request and the line on which its kernel reports; None when the server is gone."""
    space = socket.CMSG_LEN(array.array("i").itemsize)
    text, ancillary, _, _ = control.recvmsg(65536, space)
    if not text or not ancillary:
        return None
    return json.loads(text), socket.socket(fileno=array.array("i", ancillary[0][2])[0])


def _become_kernel(asked: dict[str, Any], line: socket.socket) -> None:
    from ipykernel.kernelapp import IPKernelApp

    os.setsid()
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    os.chdir(asked["cwd"])
    line.sendall(b"%d\n" % os.getpid())
    threading.Thread(target=_end_with_server, args=(line,), daemon=True).start()
    app: Any = IPKernelApp.instance()
    app.initialize(["-f", asked["connection_file"], "--HistoryManager.enabled=False", "--quiet"])
    app.start()
    os._exit(0)


def _end_with_server(line: socket.socket) -> None:
    line.recv(1)
    os._exit(0)


if __name__ == "__main__":
    main(int(sys.argv[1]), *sys.argv[2:5])
