"""What a visitor sees, measured in headless Chromium."""

from __future__ import annotations

import asyncio
import shutil
import statistics
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import cache
from pathlib import Path
from typing import Any

from dashboards_contenders import RELEASE, RIVALS, Contender
from dashboards_servers import Server, rest

PROBE = (RIVALS / "probe.js").read_text(encoding="utf-8")
WIDE = {"width": 1440, "height": 900}
SELDOM = "window.probeEvery = 200;"  # in a crowd, looking must not be what the machine is busy with


@asynccontextmanager
async def browsing() -> AsyncIterator[Any]:
    """Start the browser, and close it."""
    from playwright.async_api import async_playwright

    chromium = next(
        found for name in ("chromium", "chromium-browser", "google-chrome") if (found := shutil.which(name))
    )
    async with async_playwright() as player:
        browser = await player.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        yield browser
        await browser.close()


@asynccontextmanager
async def visitor(browser: Any, **settings: Any) -> AsyncIterator[Any]:
    """Somebody with an empty cache."""
    context = await browser.new_context(locale="sv-SE", **settings)
    await context.add_init_script(PROBE)
    try:
        yield context
    finally:
        await context.close()


async def seen(page: Any, key: str, patience: float = 120, every: float = 0.05) -> float:
    """Wait for a time that the probe notes; asked from outside, since our pages forbid evaluating strings."""
    until = time.monotonic() + patience
    while time.monotonic() < until:
        value = await page.evaluate("key => window.probe ? window.probe[key] : null", key)
        if value is not None:
            return float(value)
        await asyncio.sleep(every)
    raise TimeoutError(f"not seen within {patience:g} s: {key}")


async def visit(context: Any, url: str) -> tuple[Any, dict[str, float]]:
    """Open a page and count what came over the wire until all charts were drawn and a moment after."""
    page = await context.new_page()
    session = await context.new_cdp_session(page)
    await session.send("Network.enable")
    wire = {"bytes": 0.0}

    def frame(event: dict[str, Any]) -> None:
        told = event["response"]
        wire["bytes"] += len(told["payloadData"]) * (0.75 if told["opcode"] == 2 else 1)  # binary comes in base64

    def body(event: dict[str, Any]) -> None:
        wire["bytes"] += event["encodedDataLength"]

    session.on("Network.loadingFinished", body)
    session.on("Network.webSocketFrameReceived", frame)
    await page.goto(url, wait_until="commit")
    first, every = await seen(page, "first"), await seen(page, "all")
    await page.wait_for_timeout(1000)
    return page, {"first": first, "all": every, "wire": wire["bytes"] / 1e6}


async def measure(browser: Any, contender: Contender, url: str, turn: int, pictures: Path | None) -> None:
    """One visitor: a first visit, two choices that are new to the page, and a second visit."""
    async with visitor(browser, viewport=WIDE) as context:
        page, cold = await visit(context, url)
        for what in ("first", "all", "wire"):
            contender.add(what, cold[what], turn)
        await same_content(page)
        if pictures is not None:
            await page.screenshot(path=pictures / f"{contender.name}.png", full_page=True)
        taken = []
        for rank in (0, 1):
            await contender.choose(page, rank)
            taken.append(await seen(page, "changed", 60))
            await page.wait_for_timeout(300)
        contender.add("change", statistics.mean(taken), turn)
        await page.close()
        page, again = await visit(context, url)
        contender.add("second", again["first"], turn)
        contender.add("wire again", again["wire"], turn)


async def same_content(page: Any) -> None:
    """Refuse a page that shows less than the board does: the comparison would not be one."""
    shown = squeezed(await page.evaluate("() => window.probe.text()"))
    if missing := [text for text in board_texts() if squeezed(text) not in shown]:
        raise ValueError(f"its page lacks {len(missing)} texts of the board's, such as {missing[0]!r}")


def squeezed(text: str) -> str:
    return "".join(text.split())


@cache
def board_texts() -> list[str]:
    """What the page says before anything is chosen."""
    from nbanalytics.export import open_verified
    from nbanalytics.pages.board import Board

    board = Board(open_verified(RELEASE))
    view = board.view(board.start())
    sections = [text for part in view["sections"] for text in (part["title"], part["lead"], part["table"]["caption"])]
    return [view["answer"], *(tile["value"] for tile in view["tiles"]), *sections, *view["reading"]]


async def per_viewer(browser: Any, url: str, server: Server, viewers: int = 3) -> float:
    """Return by how many MB a server grows for each page that is open."""
    async with visitor(browser, viewport=WIDE) as context:
        rest([server])
        before = server.memory()
        for _ in range(viewers):
            await visit(context, url)
        rest([server])
        return (server.memory() - before) / viewers


async def crowd(browser: Any, contender: Contender, server: Server, viewers: int, patience: float) -> dict[str, float]:
    """Let as many viewers come at once, each with a cache of its own; when all have their charts, all use the filter.

    Returns when the slowest had all charts and the slowest change in seconds, the processor time that the server took,
    and how many viewers met an error or did not get what they came for within ``patience`` seconds.
    """
    drawn: list[float] = []
    changed: list[float] = []
    everyone, failed, before = asyncio.Barrier(viewers), 0, server.seconds()

    async def one(page: Any) -> None:
        errors: list[str] = []
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.on("response", lambda answer: answer.status >= 500 and errors.append(f"status {answer.status}"))
        try:
            await page.goto(server.address + contender.path, wait_until="commit", timeout=patience * 1000)
            await seen(page, "all", patience, every=1)
            drawn.append(time.perf_counter() - start)
        finally:
            await everyone.wait()
        await contender.choose(page, 0)
        changed.append(await seen(page, "changed", patience, every=1) / 1000)
        if errors:
            raise ValueError(errors[0])

    contexts = [
        await browser.new_context(viewport={"width": 800, "height": 600}, locale="sv-SE") for _ in range(viewers)
    ]
    try:
        pages = []
        for context in contexts:
            await context.add_init_script(SELDOM + PROBE)
            pages.append(await context.new_page())
        start = time.perf_counter()
        for ended in await asyncio.gather(*(one(page) for page in pages), return_exceptions=True):
            if isinstance(ended, BaseException):
                failed += 1
                print(f"  {contender.name}, a viewer: {reason(ended)}", flush=True)
        return {
            "crowd": max(drawn, default=float("nan")),
            "crowd change": max(changed, default=float("nan")),
            "crowd seconds": server.seconds() - before,
            "crowd failed": failed,
        }
    finally:
        await asyncio.gather(*(context.close() for context in contexts))


def reason(trouble: BaseException) -> str:
    return (str(trouble) or type(trouble).__name__).splitlines()[0]
