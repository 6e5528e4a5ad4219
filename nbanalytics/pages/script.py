"""The scripts of the pages: Plotly's, which a page loads once, and the page's own."""

from __future__ import annotations

from importlib.resources import files

#: What pages are made of, in the order in which it stands before a page's own script.
_SHARED = ("parts.js", "downloads.js", "charts.js")


def plotly_script() -> bytes:
    """Return the JavaScript of Plotly, a partial bundle with the trace types in use (``pages/build-plotly.mjs``)."""
    return files("nbanalytics").joinpath("pages", "plotly.partial.min.js").read_bytes()


def page_module(*own: str) -> str:
    """Return a page's script as one module: what all pages share, and its own.

    Parameters
    ----------
    *own
        Its own scripts, of the folder ``pages``; that of the boards if none is named.

    Returns
    -------
    str
        JavaScript that ends with what the module exports; one file, since a notebook's widget can load no other.
    """
    pages = files("nbanalytics").joinpath("pages")
    return "\n".join(pages.joinpath(part).read_text(encoding="utf-8") for part in (*_SHARED, *(own or ("board.js",))))
