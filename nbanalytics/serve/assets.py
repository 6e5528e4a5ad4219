"""The few files that pages load from the server, held in memory, compressed once and kept by browsers."""

from __future__ import annotations

import gzip
import hashlib
from dataclasses import dataclass
from functools import cached_property

from nbanalytics.figures.script import plotly_script
from nbanalytics.serve.gallery import PAGES


@dataclass(frozen=True)
class Asset:
    """One file: its bytes and their type."""

    body: bytes
    kind: str

    @cached_property
    def version(self) -> str:
        """Fingerprint of the content, part of its address."""
        return hashlib.sha256(self.body).hexdigest()[:16]

    @cached_property
    def packed(self) -> bytes:
        """The bytes compressed by gzip."""
        return gzip.compress(self.body, 6)


def load_assets() -> dict[str, Asset]:
    """Return the assets by name."""
    script = "text/javascript; charset=utf-8"
    return {
        "nbanalytics.css": Asset((PAGES / "nbanalytics.css").read_bytes(), "text/css; charset=utf-8"),
        "board.js": Asset((PAGES / "board.js").read_bytes(), script),
        "live.js": Asset((PAGES / "live.js").read_bytes(), script),
        "plotly.min.js": Asset(plotly_script(), script),
    }
