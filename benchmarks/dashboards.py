"""The board's content in ours (static and live), a plain Voila, Dash, Panel and Streamlit, in one run.

Run: python benchmarks/dashboards.py [--rounds 3] [--viewers 50] [--patience 1200] [--readers 500] [--parts NAMES]
[--only NAMES] [--venv FOLDER] [--pictures FOLDER]. A failure of a contender is reported; the others continue.
The rivals are installed into a virtual environment of their own on top of this one (``--venv`` keeps it). The parts:

visits   All servers run at the same time and are visited in turns, so that what else the machine does falls on each;
         ratios are medians over the rounds. First chart, all charts and bytes on the wire (bodies and websocket) of a
         visit without a cache and of a second one; a change of a filter until all charts stand in their new state.
memory   PSS of all of a server's processes, per page that is open.
crowd    Ours, live, and Dash, each alone on the machine: all viewers come at once, each with a cache of its own.
readers  The static edition alone on the machine, without a browser.

Needs Playwright and Chromium.
"""

from __future__ import annotations

import argparse
import asyncio
import signal
import sys
import tempfile
from collections.abc import Awaitable
from pathlib import Path
from typing import Any

from dashboards_browser import browsing, crowd, measure, per_viewer, reason, visit, visitor
from dashboards_contenders import LIVE, RIVAL, STATIC, Contender, contenders, rivals_python
from dashboards_readers import readers
from dashboards_report import report
from dashboards_servers import Server, rest, running

PARTS = ("visits", "memory", "crowd", "readers")


async def attempt(contender: Contender, what: str, tried: Awaitable[Any]) -> Any:
    """Wait for a measurement. A failure is reported, and the others count."""
    try:
        return await tried
    except Exception as trouble:
        print(f"  {contender.name}, {what}: {reason(trouble)}", flush=True)
        return None


async def together(args: argparse.Namespace, chosen: list[Contender], servers: dict[str, Server]) -> None:
    """Visits in turns, then memory."""
    there = [contender for contender in chosen if contender.server in servers]
    async with browsing() as browser:
        async with visitor(browser) as nobody:  # the browser's own first steps fall on no contender
            for contender in there[:1]:
                await attempt(contender, "before", visit(nobody, servers[contender.server].address + contender.path))
        for turn in range(args.rounds if "visits" in args.parts else 0):
            for contender in there:
                url = servers[contender.server].address + contender.path
                tried = measure(browser, contender, url, turn, None if turn else args.pictures)
                await attempt(contender, f"round {turn + 1}", tried)
                rest(servers.values(), 8)
            print(f"  round {turn + 1} of {args.rounds}", flush=True)
        for contender in there if "memory" in args.parts else ():
            server = servers[contender.server]
            grown = await attempt(contender, "memory", per_viewer(browser, server.address + contender.path, server))
            contender.add("memory", grown)


async def come(contender: Contender, server: Server, viewers: int, patience: float) -> None:
    async with browsing() as browser:
        found = await attempt(contender, "crowd", crowd(browser, contender, server, viewers, patience))
        for what, value in (found or {"crowd failed": viewers}).items():
            contender.add(what, value)


def read(contender: Contender, server: Server, number: int, seconds: float) -> None:
    taken, failed = asyncio.run(readers(server.address, number, seconds))
    contender.add("readers failed", failed)
    contender.add("readers", taken[int(len(taken) * 0.95)] if taken else None)


def run(args: argparse.Namespace, chosen: list[Contender], python: str) -> None:
    """Measure each part that was asked for, with the servers that it needs."""
    if {"visits", "memory"} & args.parts:
        with running(list(dict.fromkeys(contender.server for contender in chosen)), python) as servers:
            asyncio.run(together(args, chosen, servers))
    for contender in chosen if "crowd" in args.parts else ():
        if contender.name in (LIVE, RIVAL):
            print(f"  {args.viewers} viewers: {contender.name}", flush=True)
            with running([contender.server], python) as servers:
                for server in servers.values():
                    asyncio.run(come(contender, server, args.viewers, args.patience))
    for contender in chosen if "readers" in args.parts else ():
        if contender.name == STATIC:
            with running([contender.server], python) as servers:
                for server in servers.values():
                    read(contender, server, args.readers, args.spread)


def names(text: str, known: list[str], kind: str) -> list[str]:
    """Return the names of a list that are separated by /; all of them for an empty one."""
    wanted = [name.strip() for name in text.split("/") if name.strip()] or known
    if unknown := [name for name in wanted if name not in known]:
        raise argparse.ArgumentTypeError(f"there is no {kind} {unknown[0]!r}; there are {', '.join(known)}")
    return wanted


def arguments(given: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    everybody = [contender.name for contender in contenders()]
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--viewers", type=int, default=50, help="live viewers at once")
    parser.add_argument("--patience", type=float, default=1200, help="seconds that each of them waits")
    parser.add_argument("--readers", type=int, default=500, help="readers of the static edition")
    parser.add_argument("--spread", type=float, default=10, help="seconds over which those readers arrive")
    parser.add_argument(
        "--parts",
        type=lambda text: set(names(text, list(PARTS), "part")),
        default=set(PARTS),
        help=f"which of {', '.join(PARTS)}, separated by /",
    )
    parser.add_argument(
        "--only",
        type=lambda text: names(text, everybody, "contender"),
        default=everybody,
        help=f"which of {', '.join(everybody)}, separated by /",
    )
    parser.add_argument("--venv", type=Path, help="where the rivals are or will be installed")
    parser.add_argument("--pictures", type=Path, help="folder for a picture of each contender's page")
    return parser.parse_args(given)


def main() -> None:
    args = arguments()
    chosen = [contender for contender in contenders() if contender.name in args.only]
    if args.pictures is not None:
        args.pictures.mkdir(parents=True, exist_ok=True)
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # as Ctrl-C does, it ends all servers
    with tempfile.TemporaryDirectory() as folder:
        needs = {contender.server for contender in chosen} - {"ours", "voila"}
        try:
            run(args, chosen, rivals_python(args.venv or Path(folder) / "venv") if needs else sys.executable)
        except KeyboardInterrupt:
            print("interrupted; all servers have ended. Measured so far:")
    print("\n" + report(chosen))


if __name__ == "__main__":
    main()
