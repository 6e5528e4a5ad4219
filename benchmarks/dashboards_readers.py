"""Readers of the static edition from one process: plain requests, as many and as soon as the machine allows."""

from __future__ import annotations

import asyncio
import gzip
import re
import time
from typing import Any


async def fetch(reader: Any, writer: Any, host: str, address: str) -> bytes:
    writer.write(f"GET {address} HTTP/1.1\r\nHost: {host}\r\nAccept-Encoding: gzip\r\n\r\n".encode())
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    if " 200 " not in head.splitlines()[0]:
        raise OSError(head.splitlines()[0])
    lines = dict(line.lower().split(": ", 1) for line in head.splitlines()[1:] if ": " in line)
    return bytes(await reader.readexactly(int(lines["content-length"])))


async def readers(url: str, number: int, seconds: float) -> tuple[list[float], int]:
    """Let readers arrive evenly over a time; each fetches the static page, its files and the views of one filter.

    Returns what each reader waited in seconds, sorted, and how many failed.
    """
    host = url.split("/")[2]
    name, port = host.split(":")

    async def one(rank: int) -> float:
        await asyncio.sleep(seconds * rank / number)
        start = time.perf_counter()
        stream = await asyncio.open_connection(name, int(port))
        page = gzip.decompress(await fetch(*stream, host, "/board")).decode()
        files = [*re.findall(r'"(assets/[^"]+)"', page), re.findall(r'"(data/[^"]+)"', page)[0] + "/one.js"]
        for address in files:
            await fetch(*stream, host, f"/{address}")
        taken = time.perf_counter() - start
        stream[1].close()
        return taken

    taken = await asyncio.gather(*(one(rank) for rank in range(number)), return_exceptions=True)
    good = sorted(value for value in taken if isinstance(value, float))
    return good, len(taken) - len(good)
