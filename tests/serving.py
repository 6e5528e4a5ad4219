"""A server in a process of its own, and what tests ask of it."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPMessage
from typing import Any

import psutil
from patience import PATIENCE

START = "import json, sys; from nbanalytics.serve import serve; serve(**json.loads(sys.argv[1]))"
#: As quick to start and to end as can be: a view is made when it is asked for, and none ahead of the visitors.
AT_ONCE = f"from nbanalytics.serve.shelf import Shelf; Shelf.prepare = lambda self: None; {START}"
EXPLORE = "import json, sys; from nbanalytics.serve.explore import explore; explore(**json.loads(sys.argv[1]))"


@dataclass(frozen=True)
class Server:
    """Its address with the token if there is one, and its process."""

    announced: str
    process: subprocess.Popen[str]

    @property
    def address(self) -> str:
        return self.announced.partition("?")[0]

    @property
    def port(self) -> int:
        return int(re.search(r":(\d+)/", self.address)[1])  # type: ignore[index]

    def kernels(self) -> set[int]:
        """Processes that were split off for pages, those that wait for a visitor included."""
        own = psutil.Process(self.process.pid)
        return {kernel.pid for child in own.children() for kernel in child.children(recursive=True)}

    def raw(self, data: bytes, seconds: float = PATIENCE) -> bytes:
        """Send bytes as they are, and return the first line of the answer; nothing if the line was cut."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=seconds) as line:
            try:
                line.sendall(data)
                return line.recv(65536).split(b"\r\n", 1)[0]
            except ConnectionError:
                return b""


def admit(context: Any, server: Server) -> None:
    """Give a browser the cookie of who has shown the token, without the page that it leads to."""
    name, _, value = get(server.announced)[1]["Set-Cookie"].partition(";")[0].partition("=")
    context.add_cookies([{"name": name, "value": value, "url": server.address}])


@contextmanager
def running(announced: str = r"http://127\.0\.0\.1:\d+/.*", start: str = AT_ONCE, **settings: Any) -> Iterator[Server]:
    """Run a server with these settings of `serve`, and see that it ends as it should."""
    command = [sys.executable, "-c", start, json.dumps({"port": 0} | settings)]
    with subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONUNBUFFERED": "1"},
    ) as process:
        assert process.stdout is not None
        line = process.stdout.readline().strip()
        if not re.fullmatch(announced, line):
            process.kill()
            raise AssertionError(process.communicate()[1])
        try:
            yield Server(line, process)
        finally:
            process.send_signal(signal.SIGTERM)
            ended = process.wait(timeout=PATIENCE)
        assert ended == 0


def get(address: str, method: str = "GET", data: bytes | None = None, **headers: str) -> tuple[int, HTTPMessage, str]:
    """Return status, headers and text of an address; redirects are not followed."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    request = urllib.request.Request(address, method=method, data=data, headers=named)
    try:
        with _opener.open(request, timeout=PATIENCE) as answer:
            return answer.status, answer.headers, answer.read().decode("utf-8", "replace")
    except urllib.error.HTTPError as refusal:
        with refusal:
            return refusal.code, refusal.headers, refusal.read().decode("utf-8", "replace")


class _Stay(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: Any, **__: Any) -> None:
        return None


_opener = urllib.request.build_opener(_Stay)
