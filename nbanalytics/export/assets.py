"""The files that pages load: kept in memory, named by their content, compressed once."""

from __future__ import annotations

import gzip
import hashlib
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath

from nbanalytics.figures.style import DARK
from nbanalytics.pages.widgets import page_module, plotly_script

PAGES = Path(__file__).parent.parent / "pages"
_KINDS = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
}
_EXPORTED = re.compile(r"export default (\{[^}]*\});\s*$")


def fingerprint(*parts: bytes) -> str:
    """Return a short name that changes with the contents."""
    return hashlib.sha256(b"\0".join(parts)).hexdigest()[:16]


@dataclass(frozen=True)
class Asset:
    """One file, made when it is first requested by ``make``, with its content type ``kind``."""

    make: Callable[[], bytes]
    kind: str

    @classmethod
    def named(cls, name: str, make: Callable[[], bytes]) -> Asset:
        """Return a file, with the type of its suffix."""
        return cls(make, _KINDS[PurePosixPath(name).suffix])

    @cached_property
    def body(self) -> bytes:
        """Its bytes."""
        return self.make()

    @cached_property
    def packed(self) -> bytes:
        """Its bytes compressed by gzip."""
        return gzip.compress(self.body, 6, mtime=0)

    @cached_property
    def version(self) -> str:
        """Fingerprint of its content."""
        return fingerprint(self.body)

    @property
    def ready(self) -> bool:
        """Whether it was made already."""
        return "packed" in self.__dict__


def _read(name: str) -> str:
    return (PAGES / name).read_text(encoding="utf-8")


def page_script(edition: str, content: str | None = None) -> bytes:
    """Return the script of an edition's pages: the content's own (the board's by default), the shared, the edition's.

    It is one classic script, since browsers load no modules from a folder. The content is a module that ends with its
    exports.
    """
    board, changed = _EXPORTED.subn(r"const board = \1;", page_module() if content is None else content)
    if changed != 1:
        raise ValueError("a page's module must end with 'export default { … };'")
    return f'(() => {{\n"use strict";\n{board}\n{_read("page.js")}\n{_read(edition)}}})();\n'.encode()


def dark_pictures() -> str:
    """Return the style that gives the pictures of charts the colours of a page in dark colours."""
    marks = (f'.nba-chart > svg [{kind}="{light}"] {{ {kind}: {dark}; }}'
             for light, dark in DARK.items() for kind in ("fill", "stroke"))  # fmt: skip
    return f"@media screen and (prefers-color-scheme: dark) {{ {' '.join(marks)} }}\n"


def load_assets(content: str | None = None, style: str = "") -> dict[str, Asset]:
    """Return stylesheet and scripts by name; those of the board, or of other content with a style of its own."""
    makers: dict[str, Callable[[], bytes]] = {
        "nbanalytics.css": lambda: (_read("nbanalytics.css") + dark_pictures() + style).encode(),
        "static.js": lambda: page_script("static.js", content),
        "live.js": lambda: page_script("live.js", content),
        "plotly.js": plotly_script,
    }
    return {name: Asset.named(name, make) for name, make in makers.items()}


def hashed(name: str, asset: Asset) -> str:
    """Return a file's name with its fingerprint, so that browsers may keep it for good."""
    stem, _, ending = name.rpartition(".")
    return f"{stem}.{asset.version}.{ending}"
