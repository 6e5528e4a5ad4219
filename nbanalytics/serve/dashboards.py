"""Which notebooks are dashboards: those in the dashboards' folder that say so in their metadata."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path

_SLUG = re.compile(r"[a-z0-9][a-z0-9-]*")


@dataclass(frozen=True)
class Dashboard:
    """A notebook that is shown to the public, with the words of its entry in the gallery."""

    slug: str
    path: Path
    title: str
    description: str
    lang: str


def dashboards_folder() -> Path:
    """Return the folder with the dashboards: in the installed package, or beside it in a clone."""
    package = Path(__file__).parent.parent
    inside = package / "dashboards"
    return inside if inside.is_dir() else package.parent / "dashboards"


def find_dashboards(folder: Path | None = None) -> list[Dashboard]:
    """List the notebooks that are marked as dashboards.

    Parameters
    ----------
    folder
        Where to look, not deeper; the project's own dashboards when left out.

    Returns
    -------
    list of Dashboard
        In the order of the notebooks' names. A notebook is listed only if its metadata hold
        ``"nbanalytics": {"dashboard": true}``.
    """
    found = []
    for path in sorted((folder or dashboards_folder()).glob("*.ipynb")):
        metadata = json.loads(path.read_text(encoding="utf-8")).get("metadata", {})
        if metadata.get("nbanalytics", {}).get("dashboard") is True and _SLUG.fullmatch(path.stem):
            found.append(
                Dashboard(
                    slug=path.stem,
                    path=path,
                    title=str(metadata.get("title", path.stem)),
                    description=str(metadata.get("description", "")),
                    lang=str(metadata.get("lang", "sv")),
                )
            )
    return found
