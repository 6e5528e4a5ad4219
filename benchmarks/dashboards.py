"""The board's content in ours (static and live), a plain Voila, Dash, Panel and Streamlit, in one run.

Run: python benchmarks/dashboards.py [--rounds 5] [--viewers 50] [--readers 500] [--parts NAMES] [--only NAMES]
[--venv FOLDER]. The parts are visits, memory, crowd and readers. What a contender fails at is told; the others go on.
The rivals are installed into a virtual environment of their own on top of this one (``--venv`` keeps it). All servers
run at the same time and are visited in turns, so that what else the machine does falls on each. Told are medians: first
chart and all charts after a visit without a cache, change of a filter, bytes on the wire as each server sends them
(bodies and websocket), and memory per viewer (PSS of all of a server's processes). Needs Playwright and Chromium.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

HERE = Path(__file__).parent
RIVALS = HERE / "rivals"
RELEASE = HERE.parent / "dashboards" / "release"
OURS = "from nbanalytics.serve import serve; serve({release!r}, port={port}, live_limit=200)"
PROBE = (RIVALS / "probe.js").read_text(encoding="utf-8")
PARTS = ("visits", "memory", "crowd", "readers")
WORDS = ("Flickor", "Pojkar")


@dataclass
class Contender:
    """One way to publish the page, and what was measured of it."""

    name: str
    path: str
    server: str
    choose: Callable[[Any, int], Any]
    found: dict[str, list[float]] = field(default_factory=dict)

    def add(self, what: str, value: float | None) -> None:
        if value is not None:
            self.found.setdefault(what, []).append(value)

    def median(self, what: str) -> float:
        return statistics.median(self.found.get(what) or [float("nan")])


async def native(page: Any, rank: int) -> None:
    await page.locator("select").nth(2).select_option(index=rank + 1)


async def dash(page: Any, rank: int) -> None:
    await page.locator("#sex").click()
    await page.get_by_text(WORDS[rank], exact=True).last.click()


async def streamlit(page: Any, rank: int) -> None:
    await page.locator("[data-testid=stSelectbox] [role=combobox], [data-testid=stSelectbox] input").nth(2).click()
    await page.get_by_role("option", name=WORDS[rank], exact=True).click()


CONTENDERS = (
    Contender("ours, static", "board", "ours", native),
    Contender("ours, live", "live/board", "ours", native),
    Contender("Dash", "", "dash", dash),
    Contender("Panel", "", "panel", native),
    Contender("Streamlit", "", "streamlit", streamlit),
    Contender("plain Voila", "", "voila", native),
)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def rivals_python(folder: Path) -> str:
    """Make an environment with the rivals on top of this one, unless it is there."""
    python = folder / "bin" / "python"
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
        beneath = next(path for path in sys.path if path.endswith("site-packages"))
        target = next(folder.glob("lib/python3*/site-packages"))
        line = f"import site; site.addsitedir({beneath!r})\n"  # editable installs are found, too
        (target / "zz_beneath.pth").write_text(line, encoding="utf-8")
        subprocess.run([str(python), "-m", "pip", "install", "--quiet", "dash", "panel", "streamlit"], check=True)
    return str(python)


def command(server: str, port: int, python: str, work: Path) -> list[str]:
    release = str(RELEASE)
    if server == "ours":
        return [sys.executable, "-c", OURS.format(release=release, port=port)]
    if server == "voila":
        source = f"import sys; sys.path.insert(0, {str(RIVALS)!r}); from plain_voila import show; show()"
        cell = {"cell_type": "code", "source": source, "metadata": {}, "outputs": [], "execution_count": None}
        kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
        book = {"cells": [cell], "metadata": kernel, "nbformat": 4, "nbformat_minor": 4}
        (work / "plain.ipynb").write_text(json.dumps(book), encoding="utf-8")
        return [sys.executable, "-m", "voila", "--no-browser", f"--port={port}", str(work / "plain.ipynb")]
    script = str(RIVALS / f"{server}_app.py")
    if server == "streamlit":
        options = ["--server.headless=true", f"--server.port={port}", "--browser.gatherUsageStats=false"]
        return [python, "-m", "streamlit", "run", script, *options, "--", release]
    return [python, script, release, str(port)]


@contextmanager
def running(servers: set[str], python: str) -> Iterator[dict[str, tuple[str, psutil.Process]]]:
    """Start the servers, wait until each answers, and end them at last."""
    import os

    started, found = [], {}
    with tempfile.TemporaryDirectory() as work:
        try:
            for server in sorted(servers):
                port = free_port()
                process = subprocess.Popen(
                    command(server, port, python, Path(work)),
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL,
                    env=os.environ | {"NBANALYTICS_RELEASE": str(RELEASE)},
                )
                started.append(process)
                found[server] = (f"http://127.0.0.1:{port}/", psutil.Process(process.pid))
                wait_for(found[server][0], process)
            time.sleep(15)  # kernels are heated, static pages made
            yield found
        finally:
            for process in started:
                process.terminate()
            for process in started:
                process.wait(timeout=60)


def wait_for(address: str, process: subprocess.Popen[bytes]) -> None:
    for _ in range(600):
        try:
            urllib.request.urlopen(address, timeout=60).close()
            return
        except OSError:
            if process.poll() is not None:
                raise SystemExit(f"a server ended: {process.args}") from None
            time.sleep(0.2)
    raise SystemExit(f"no answer: {process.args}")


def memory(process: psutil.Process) -> float:
    """PSS of a server and all its processes in MB: what they share is counted once."""
    total = 0
    for member in [process, *process.children(recursive=True)]:
        try:
            total += member.memory_full_info().pss
        except psutil.Error:
            continue
    return total / 1e6


async def wait_until(page: Any, key: str, patience: float = 120) -> float:
    """Wait for a time that the probe notes; asked from outside, since our pages forbid evaluating strings."""
    until = time.monotonic() + patience
    while time.monotonic() < until:
        value = await page.evaluate("key => window.probe ? window.probe[key] : null", key)
        if value is not None:
            return float(value)
        await asyncio.sleep(0.05)
    raise TimeoutError(f"not seen within {patience:g} s: {key}")


async def visit(context: Any, url: str) -> tuple[Any, dict[str, float]]:
    """Open a page and count what came over the wire until all charts were drawn and a moment after."""
    page = await context.new_page()
    await page.add_init_script(PROBE)
    session = await context.new_cdp_session(page)
    await session.send("Network.enable")
    wire = {"bytes": 0.0}

    def count(size: float) -> None:
        wire["bytes"] += size

    session.on("Network.loadingFinished", lambda event: count(event["encodedDataLength"]))
    session.on("Network.webSocketFrameReceived", lambda event: count(len(event["response"]["payloadData"])))
    await page.goto(url, wait_until="commit")
    first, every = await wait_until(page, "first"), await wait_until(page, "all")
    await page.wait_for_timeout(1200)
    return page, {"first": first, "all": every, "wire": wire["bytes"] / 1e6}


async def measure(browser: Any, contender: Contender, url: str) -> None:
    context = await browser.new_context(viewport={"width": 1440, "height": 900}, locale="sv-SE")
    page, cold = await visit(context, url)
    for what in ("first", "all", "wire"):
        contender.add(what, cold[what])
    for rank in (0, 1, 0):
        await contender.choose(page, rank)
        contender.add("change", await wait_until(page, "changed", 30))
        await page.wait_for_timeout(400)
    await page.close()
    page, again = await visit(context, url)
    contender.add("second", again["first"])
    contender.add("wire again", again["wire"])
    await context.close()


async def crowd(browser: Any, url: str, viewers: int) -> tuple[float, int]:
    """Open as many pages at once; return when the slowest had all its charts, and how many failed."""
    context = await browser.new_context(viewport={"width": 800, "height": 600}, locale="sv-SE")
    start = time.perf_counter()

    async def one() -> float:
        page = await context.new_page()
        await page.add_init_script(PROBE)
        await page.goto(url, wait_until="commit", timeout=300_000)
        await wait_until(page, "all", 300)
        return time.perf_counter() - start

    taken = await asyncio.gather(*(one() for _ in range(viewers)), return_exceptions=True)
    await context.close()
    failed = [trouble for trouble in taken if isinstance(trouble, BaseException)]
    return max((value for value in taken if isinstance(value, float)), default=float("nan")), len(failed)


async def per_viewer(browser: Any, url: str, process: psutil.Process, viewers: int = 5) -> float:
    before, context = memory(process), await browser.new_context(locale="sv-SE")
    for _ in range(viewers):
        await visit(context, url)
    await asyncio.sleep(3)
    grown = (memory(process) - before) / viewers
    await context.close()
    return grown


async def attempt(contender: Contender, what: str, tried: Awaitable[Any]) -> Any:
    """Wait for a measurement; one that fails is told, and the others count."""
    try:
        return await tried
    except Exception as trouble:
        print(f"  {contender.name}, {what}: {(str(trouble) or type(trouble).__name__).splitlines()[0]}", flush=True)
        return None


async def compare(args: argparse.Namespace, chosen: list[Contender], servers: dict[str, Any]) -> None:
    from playwright.async_api import async_playwright

    chromium = next(
        found for name in ("chromium", "chromium-browser", "google-chrome") if (found := shutil.which(name))
    )
    async with async_playwright() as player:
        browser = await player.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        for number in range(args.rounds if "visits" in args.parts else 0):
            for contender in chosen:
                url = servers[contender.server][0] + contender.path
                await attempt(contender, f"round {number + 1}", measure(browser, contender, url))
                await asyncio.sleep(2.5)  # a heated kernel takes the place of the one used
        for contender in chosen if "memory" in args.parts else ():
            address, process = servers[contender.server]
            grown = per_viewer(browser, address + contender.path, process)
            contender.add("memory", await attempt(contender, "memory", grown))
            await asyncio.sleep(4)
        for contender in chosen if "crowd" in args.parts else ():
            if contender.name in ("ours, static", "ours, live", "Dash"):
                url = servers[contender.server][0] + contender.path
                found = await attempt(contender, "crowd", crowd(browser, url, args.viewers))
                for what, value in zip(("crowd", "crowd failed"), found or (None, args.viewers), strict=True):
                    contender.add(what, value)
                await asyncio.sleep(10)
        await browser.close()


async def fetch(reader: Any, writer: Any, host: str, address: str) -> bytes:
    writer.write(f"GET {address} HTTP/1.1\r\nHost: {host}\r\nAccept-Encoding: gzip\r\n\r\n".encode())
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    if " 200 " not in head.splitlines()[0]:
        raise OSError(head.splitlines()[0])
    lines = dict(line.split(": ", 1) for line in head.splitlines()[1:] if ": " in line)
    return bytes(await reader.readexactly(int({key.lower(): value for key, value in lines.items()}["content-length"])))


async def readers(url: str, number: int, seconds: float) -> tuple[list[float], int]:
    """Let readers arrive evenly over a time; each fetches the static page, its files and the views of one filter."""
    import gzip
    import re

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


def report(chosen: list[Contender]) -> None:
    columns = {
        "first chart ms": "first",
        "all charts ms": "all",
        "second visit ms": "second",
        "change ms": "change",
        "MB first": "wire",
        "MB second": "wire again",
        "MB/viewer": "memory",
        "crowd s": "crowd",
        "failed": "crowd failed",
    }
    print("\n" + f"{'':14}" + "".join(f"{head:>16}" for head in columns))
    for contender in chosen:
        values = [contender.median(what) for what in columns.values()]
        print(f"{contender.name:14}" + "".join(f"{value:16.{0 if value > 50 else 2}f}" for value in values))
    by_name = {contender.name: contender for contender in chosen}
    if not {"ours, static", "ours, live", "Dash"} <= set(by_name):
        return
    static, live, rival = by_name["ours, static"], by_name["ours, live"], by_name["Dash"]
    targets = (
        ("live first chart / Dash", live.median("first") / rival.median("first"), 0.8),
        ("static first chart / Dash", static.median("first") / rival.median("first"), 0.35),
        ("live change / Dash", live.median("change") / rival.median("change"), 0.7),
        ("static change / Dash", static.median("change") / rival.median("change"), 0.7),
        ("MB on a first visit", max(static.median("wire"), live.median("wire")), 3),
        ("MB on a second visit", max(static.median("wire again"), live.median("wire again")), 0.2),
        ("MB per live viewer", live.median("memory"), 60),
        ("live crowd / Dash", live.median("crowd") / rival.median("crowd"), 3),
        ("live crowd, failed", live.median("crowd failed"), 0),
    )
    print()
    for what, value, most in targets:
        if value == value:  # a part that was left out has no number
            told(what, value, most)


def told(what: str, value: float, most: float) -> None:
    print(f"{what:32} {value:8.2f}  target ≤ {most:<5} {'met' if value <= most else 'MISSED'}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--viewers", type=int, default=50, help="live viewers at once")
    parser.add_argument("--readers", type=int, default=500, help="readers of the static edition")
    parser.add_argument("--spread", type=float, default=10, help="seconds over which those readers arrive")
    parser.add_argument("--parts", default="/".join(PARTS), help=f"which of {', '.join(PARTS)}, separated by /")
    parser.add_argument("--only", default="", help="names of contenders, separated by /")
    parser.add_argument("--venv", type=Path, help="where the rivals are or will be installed")
    args = parser.parse_args()
    args.parts = args.parts.split("/")
    if unknown := set(args.parts) - set(PARTS):
        parser.error(f"there is no part {', '.join(sorted(unknown))}; there are {', '.join(PARTS)}")
    only = [name for name in args.only.split("/") if name]
    chosen = [contender for contender in CONTENDERS if not only or contender.name in only]
    with tempfile.TemporaryDirectory() as folder:
        needed = {contender.server for contender in chosen}
        python = sys.executable
        if needed - {"ours", "voila"}:
            python = rivals_python(args.venv or Path(folder) / "venv")
        with running(needed, python) as servers:
            asyncio.run(compare(args, chosen, servers))
            if set(args.parts) - {"readers"}:
                report(chosen)
            if "readers" in args.parts and "ours" in servers:
                times, failed = asyncio.run(readers(servers["ours"][0], args.readers, args.spread))
                print(f"\n{args.readers} readers of the static edition over {args.spread:g} s, {failed} failed:")
                if times:
                    told("p95 of a page in s", times[int(len(times) * 0.95)], 1)


if __name__ == "__main__":
    main()
