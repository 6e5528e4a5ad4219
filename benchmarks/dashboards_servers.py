"""The servers: started together or alone, watched from outside, and ended whatever happens."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import tempfile
import time
import urllib.request
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import psutil
from dashboards_contenders import RELEASE, command, last_line


class Server:
    """One server in a session of its own, so that an interruption ends it by us and not halfway by itself."""

    def __init__(self, name: str, python: str, work: Path) -> None:
        port = free_port()
        self.name, self.address, self._log = name, f"http://127.0.0.1:{port}/", work / f"{name}.log"
        with self._log.open("wb") as log:
            self._process: subprocess.Popen[bytes] = subprocess.Popen(
                command(name, port, python, work),
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL,
                env=os.environ | {"NBANALYTICS_RELEASE": str(RELEASE)},
                start_new_session=True,
            )
        self._seen = psutil.Process(self._process.pid)

    def wait(self, patience: float = 120) -> None:
        """Wait until it answers; why it does not is in its own last words."""
        until = time.monotonic() + patience
        while time.monotonic() < until:
            try:
                urllib.request.urlopen(self.address, timeout=60).close()
                return
            except OSError:
                if self._process.poll() is not None:
                    raise OSError(f"the server ended: {last_line(self._log.read_text(errors='replace'))}") from None
                time.sleep(0.2)
        raise TimeoutError(f"no answer within {patience:g} s")

    def _members(self) -> list[psutil.Process]:
        with suppress(psutil.Error):
            return [self._seen, *self._seen.children(recursive=True)]
        return []

    def memory(self) -> float:
        """PSS of all its processes in MB: what they share is counted once."""
        return self._sum(lambda member: member.memory_full_info().pss) / 1e6

    def seconds(self) -> float:
        """Processor time that it has taken, its processes included."""
        return self._sum(lambda member: sum(member.cpu_times()[:2]))

    def _sum(self, of: Any) -> float:
        total = 0.0
        for member in self._members():
            with suppress(psutil.Error):
                total += of(member)
        return total

    def end(self) -> None:
        if self._process.poll() is None:
            self._process.terminate()

    def ended(self, patience: float = 15) -> None:
        """See that it has ended, by force if it must be."""
        try:
            self._process.wait(timeout=patience)
        except subprocess.TimeoutExpired:
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def running(names: Collection[str], python: str) -> Iterator[dict[str, Server]]:
    """Start the servers, leave out with a word those that fail, wait until all are at rest, and end them at last."""
    started: list[Server] = []
    found: dict[str, Server] = {}
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as work:
        try:
            for name in names:
                try:
                    started.append(server := Server(name, python, Path(work)))
                    server.wait()
                    found[name] = server
                except OSError as trouble:
                    print(f"  {name} is left out: {trouble}", flush=True)
            rest(found.values(), 40)
            yield found
        finally:
            for server in started:
                server.end()
            for server in started:
                server.ended()


def rest(servers: Collection[Server], patience: float = 15) -> None:
    """Wait until the servers do nothing: kernels have been heated, pages made, and what a visitor left is tidied up."""
    until, before = time.monotonic() + patience, sum(server.seconds() for server in servers)
    quiet = 0
    while quiet < 3 and time.monotonic() < until:
        time.sleep(0.4)
        now = sum(server.seconds() for server in servers)
        quiet, before = (quiet + 1 if now - before <= 0.03 else 0), now
