"""Plotly's script for pages that load it once: a partial bundle with the trace types that the figures use."""

from __future__ import annotations

from importlib.resources import files


def plotly_script() -> bytes:
    """Return the JavaScript of Plotly as ``pages/build-plotly.mjs`` bundled it."""
    return files("nbanalytics").joinpath("pages", "plotly.partial.min.js").read_bytes()
