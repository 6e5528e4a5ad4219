"""The files that pages load: held in memory, named by their content, compressed once."""

from __future__ import annotations

import gzip
import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath

from nbanalytics.figures.script import plotly_script

PAGES = Path(__file__).parent.parent / "pages"
_KINDS = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
}
_EXPORTED = "export default { render };"


def fingerprint(*parts: bytes) -> str:
    """Return a short name for contents that changes with them."""
    return hashlib.sha256(b"\0".join(parts)).hexdigest()[:16]


@dataclass(frozen=True)
class Asset:
    """One file, made when it is first asked for.

    Attributes
    ----------
    make
        Gives its bytes.
    kind
        Its content type.
    """

    make: Callable[[], bytes]
    kind: str

    @classmethod
    def named(cls, name: str, make: Callable[[], bytes]) -> Asset:
        """Return a file whose type its name tells."""
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


def page_script(edition: str) -> bytes:
    """Return the script of an edition's pages: the board's own, what editions share, and the edition's.

    It is one classic script, since browsers load no modules from a folder.
    """
    board = _read("board.js")
    if board.count(_EXPORTED) != 1:
        raise ValueError(f"board.js must end with {_EXPORTED!r} once")
    board = board.replace(_EXPORTED, "const board = { render };")
    return f'(() => {{\n"use strict";\n{board}\n{_read("page.js")}\n{_read(edition)}}})();\n'.encode()


def load_assets() -> dict[str, Asset]:
    """Return the stylesheet and scripts by name."""
    makers: dict[str, Callable[[], bytes]] = {
        "nbanalytics.css": lambda: _read("nbanalytics.css").encode(),
        "static.js": lambda: page_script("static.js"),
        "live.js": lambda: page_script("live.js"),
        "plotly.js": plotly_script,
    }
    return {name: Asset.named(name, make) for name, make in makers.items()}


def hashed(name: str, asset: Asset) -> str:
    """Return a file's name with its fingerprint, so that browsers may keep it for good."""
    stem, _, ending = name.rpartition(".")
    return f"{stem}.{asset.version}.{ending}"
