"""Where plotly keeps its script, for pages that load it once."""

from __future__ import annotations

from importlib.resources import files


def plotly_script() -> bytes:
    """Return plotly's own JavaScript, as the installed package carries it."""
    return files("plotly").joinpath("package_data", "plotly.min.js").read_bytes()
