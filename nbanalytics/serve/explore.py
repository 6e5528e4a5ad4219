"""Serve a page over records at this machine, the explorer or the staff's: always behind a token, never to others."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from nbanalytics.errors import NbanalyticsError
from nbanalytics.export.assets import Asset, hashed, load_assets
from nbanalytics.export.dashboards import Dashboard, staff_folder
from nbanalytics.pages.widgets import RECORDS_VARIABLE, explorer_script, explorer_style
from nbanalytics.serve.app import DashboardServer, server_of
from nbanalytics.serve.gate import access
from nbanalytics.serve.handlers import DashboardHandler
from nbanalytics.serve.settings import Limits
from nbanalytics.text import Words

_PAGES = 8  # a researcher's own tabs


class Desk:
    """The files that a page over records loads, where boards have the shelf of a release.

    Parameters
    ----------
    titles
        What the page is called: ``title`` and ``title_en``.
    script, style
        The page's own module and style; those of a board if left out.
    """

    def __init__(self, titles: Mapping[str, str], script: str | None = None, style: str = "") -> None:
        self.titles = titles
        assets = load_assets(script, style)
        self.names = {name: hashed(name, asset) for name, asset in assets.items()}
        self._files = {f"assets/{self.names[name]}": asset for name, asset in assets.items()}
        self.pages: dict[str, Asset] = {}

    @property
    def site(self) -> Desk:
        """Where pages are looked for: there is none but the one with a kernel."""
        return self

    def look(self, root: str) -> dict[str, Any]:
        """Return what a page of words needs to look like the others."""
        look = {"root": root, "style": self.names["nbanalytics.css"], "statement": False, "back": "page.start"}
        return look | {"titles": self.titles}

    def lasting(self, address: str) -> Asset | None:
        """Return a file whose name stands for its content."""
        return self._files.get(address)

    def prepare(self) -> None:
        """Have nothing to make beforehand."""


class ExplorerServer(DashboardServer):
    """Serve one page, which has a kernel that has read the records."""

    reads = "records"

    def _pages(self) -> list[tuple[Any, ...]]:
        [entry] = self._dashboards
        return [(path, DashboardHandler, self._live(entry)) for path in ("/", f"/live/{entry.slug}")]


class StaffServer(ExplorerServer):
    """Serve the staff's page."""

    reads = "staff"


def closed_page(name: str) -> Dashboard:
    """Return the notebook of a page over records, which is not a dashboard for boards and never listed among them."""
    path = staff_folder() / f"{name}.ipynb"
    if not path.is_file():
        raise NbanalyticsError(f"the notebook {path.name} is missing; reinstall nbanalytics with its dashboards")
    metadata = json.loads(path.read_text(encoding="utf-8"))["metadata"]
    return Dashboard(path.stem, path, metadata, "live")


def explore(
    folder: Path,
    port: int | None = None,
    open_browser: bool = False,
    announce: Callable[[str], None] = print,
    page: str = "explorer",
) -> None:
    """Serve a page over records on 127.0.0.1 until interrupted.

    Parameters
    ----------
    folder
        Folder of records.
    port
        Port to listen on; the first free one from 8866 when left out, any free one for 0.
    open_browser
        Whether to open the page in the default browser.
    announce
        Called with the address, which holds the token.
    page
        ``"explorer"`` or ``"staff"``.

    Raises
    ------
    DataError
        If the records cannot be read.
    NbanalyticsError
        If the port is taken.
    """
    from nbanalytics.readers import read_records

    read_records(folder)  # report faults here and not on an empty page
    entry, entrance, limits = closed_page(page), access(closed=True), Limits(_PAGES, each=_PAGES)
    titles = {"title": Words("sv").say(f"{page}.title"), "title_en": Words("en").say(f"{page}.title")}
    kind, desk = (
        (StaffServer, Desk(titles))
        if page == "staff"
        else (ExplorerServer, Desk(titles, explorer_script(), explorer_style()))
    )
    os.environ[RECORDS_VARIABLE] = str(folder)
    server = server_of(kind, [entry], port, open_browser, entrance, limits)
    server.prepare_pages(desk, titles, folder, [entry], announce, entrance, limits)
    server.initialize([])
    server.start()
