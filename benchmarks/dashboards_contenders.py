"""Who is compared: how each is installed, started, reached, and how its filter is used."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
RIVALS = HERE / "rivals"
RELEASE = HERE.parent / "dashboards" / "release"
OURS = "from nbanalytics.serve import serve; serve({release!r}, port={port})"
PACKAGES = ("dash", "panel", "streamlit")
WORDS = ("Flickor", "Pojkar")  # what the filter is set to, by rank
STATIC, LIVE, RIVAL = "ours, static", "ours, live", "Dash"


@dataclass
class Contender:
    """One way to publish the page, and what was measured of it, round by round."""

    name: str
    path: str
    server: str
    choose: Callable[[Any, int], Any]
    found: dict[str, dict[int, float]] = field(default_factory=dict)

    def add(self, what: str, value: float | None, turn: int = 0) -> None:
        if value is not None:
            self.found.setdefault(what, {})[turn] = value

    def median(self, what: str) -> float:
        return statistics.median(self.found.get(what, {}).values() or [float("nan")])

    def ratio(self, other: Contender, what: str) -> float:
        """Median over the rounds that both have, each beside the other's same round."""
        ours, theirs = self.found.get(what, {}), other.found.get(what, {})
        return statistics.median([ours[turn] / theirs[turn] for turn in ours if turn in theirs] or [float("nan")])


async def native(page: Any, rank: int) -> None:
    await page.locator("select").nth(2).select_option(index=rank + 1)


async def dash(page: Any, rank: int) -> None:
    await page.locator("#sex").click()
    await page.get_by_text(WORDS[rank], exact=True).last.click()


async def streamlit(page: Any, rank: int) -> None:
    await page.locator("[data-testid=stSelectbox] [role=combobox]").nth(2).click()
    await page.get_by_role("option", name=WORDS[rank], exact=True).click()


def contenders() -> list[Contender]:
    return [
        Contender(STATIC, "board", "ours", native),
        Contender(LIVE, "live/board", "ours", native),
        Contender(RIVAL, "", "dash", dash),
        Contender("Panel", "", "panel", native),
        Contender("Streamlit", "", "streamlit", streamlit),
        Contender("plain Voila", "", "voila", native),
    ]


def rivals_python(folder: Path) -> str:
    """Make an environment with the rivals on top of this one, unless it is there and whole."""
    python, whole = folder / "bin" / "python", folder / "rivals.installed"
    if whole.exists():
        return str(python)
    subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
    beneath = next(path for path in sys.path if path.endswith("site-packages"))
    target = next(folder.glob("lib/python3*/site-packages"))
    line = f"import site; site.addsitedir({beneath!r})\n"  # editable installs are found, too
    (target / "zz_beneath.pth").write_text(line, encoding="utf-8")
    installed = subprocess.run([str(python), "-m", "pip", "install", "--quiet", *PACKAGES], capture_output=True)
    if installed.returncode == 0:
        whole.touch()
    else:  # each rival that is missing will tell so when it is started
        print(f"not all rivals were installed: {last_line(installed.stderr.decode())}", flush=True)
    return str(python)


def last_line(text: str) -> str:
    return next((line.strip() for line in reversed(text.splitlines()) if line.strip()), "no word of why")


def command(server: str, port: int, python: str, work: Path) -> list[str]:
    """How a server is started."""
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
