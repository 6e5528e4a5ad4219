"""Which notebooks are dashboards, and what their cells show."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import inf
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nbanalytics.errors import NbanalyticsError
from nbanalytics.pages.widgets import BoardPage, giving

if TYPE_CHECKING:
    from nbanalytics.release import Release

_SLUG = re.compile(r"[a-z0-9][a-z0-9-]*")
_TAKEN = ("assets", "data", "live", "api", "voila", "index", "en", "sv", "accessibility")
EDITIONS = ("static", "live")


@dataclass(frozen=True)
class Dashboard:
    """A notebook that is shown to readers.

    Attributes
    ----------
    slug
        Its address.
    path, metadata
        The notebook and its metadata.
    edition
        ``"static"`` if every view is known in advance, ``"live"`` if the page needs a kernel.
    """

    slug: str
    path: Path
    metadata: Mapping[str, Any]
    edition: str

    @property
    def lang(self) -> str:
        """Language that the notebook is written in."""
        return str(self.metadata.get("lang", "sv"))

    @property
    def order(self) -> float:
        """Its place among the others; those without one come last."""
        return float(self.metadata.get("nbanalytics", {}).get("order", inf))

    def words(self, key: str, lang: str = "sv") -> str:
        """Return its ``title`` or ``description``, in a language if the notebook has it."""
        return str(_in_language(self.metadata, lang).get(key, self.metadata.get(key, self.slug)))

    def cells(self, lang: str) -> Iterator[tuple[str, str]]:
        """Return the kind and source of each cell; prose in a language if the notebook has it."""
        for cell in json.loads(self.path.read_text(encoding="utf-8"))["cells"]:
            written = "".join(cell["source"])
            translated = _in_language(cell.get("metadata", {}), lang).get("source", "")
            yield cell["cell_type"], "".join(translated) or written


def _in_language(metadata: Mapping[str, Any], lang: str) -> Mapping[str, Any]:
    found = metadata.get("nbanalytics", {}).get(lang, {})
    return found if isinstance(found, Mapping) else {}


def dashboards_folder() -> Path:
    """Return the folder with the dashboards: in the installed package, or beside it in a clone."""
    return _beside_package("dashboards")


def staff_folder() -> Path:
    """Return the folder with the pages over records, apart from the boards: a server of a folder lists all of it."""
    return _beside_package("staff")


def _beside_package(name: str) -> Path:
    package = Path(__file__).parent.parent
    inside = package / name
    return inside if inside.is_dir() else package.parent / name


def find_dashboards(folder: Path | None = None) -> list[Dashboard]:
    """List the notebooks that are marked as dashboards.

    Parameters
    ----------
    folder
        Where to look, without subfolders; by default the project's own dashboards.

    Returns
    -------
    list of Dashboard
        In the order of their metadata's ``"nbanalytics": {"order": 1}``, those without one last, then by name. A
        notebook is listed only if its metadata hold ``"nbanalytics": {"dashboard": true}``. With ``"edition": "live"``
        it gets a kernel, otherwise it is shown as static pages.
    """
    found = []
    for path in sorted((folder or dashboards_folder()).glob("*.ipynb")):
        metadata = json.loads(path.read_text(encoding="utf-8")).get("metadata", {})
        ours = metadata.get("nbanalytics", {})
        if ours.get("dashboard") is not True or not _SLUG.fullmatch(path.stem) or path.stem in _TAKEN:
            continue
        edition = str(ours.get("edition", "static"))
        if edition not in EDITIONS:
            raise NbanalyticsError(f"{path.name} names the edition {edition!r}; there are {', '.join(EDITIONS)}")
        found.append(Dashboard(path.stem, path, metadata, edition))
    return sorted(found, key=lambda entry: entry.order)


@dataclass(frozen=True)
class Part:
    """A piece of a page: prose in Markdown, or a board."""

    prose: str | None = None
    page: BoardPage | None = None


def parts_of(dashboard: Dashboard, release: Release, lang: str) -> list[Part]:
    """Run the few calls of a static dashboard in this process, on an open release, and return what its cells show."""
    shown: list[Part] = []
    names: dict[str, Any] = {"__name__": "__main__"}
    with giving(release, lang):
        for kind, source in dashboard.cells(lang):
            if kind == "markdown":
                shown.append(Part(prose=source))
            elif kind == "code" and isinstance(value := _run(source, dashboard.path.name, names), BoardPage):
                shown.append(Part(page=value))
    return shown


def _run(source: str, name: str, names: dict[str, Any]) -> Any:
    """Run a cell as a notebook would, and return the value of its last line."""
    tree = ast.parse(source, name)
    last = tree.body.pop() if tree.body and isinstance(tree.body[-1], ast.Expr) else None
    exec(compile(tree, name, "exec"), names)
    return eval(compile(ast.Expression(last.value), name, "eval"), names) if isinstance(last, ast.Expr) else None
