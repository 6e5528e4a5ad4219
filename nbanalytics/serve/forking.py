"""Kernels that are split off from one process that has everything loaded (see :mod:`nbanalytics.serve.zygote`)."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any, cast

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
