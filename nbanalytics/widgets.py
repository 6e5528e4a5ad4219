"""The board's page as one widget: native filters, key figures, charts with their tables, and how to read them."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anywidget
import traitlets

from nbanalytics.figures.board import SECTIONS, Board, ReleaseLike
from nbanalytics.figures.script import plotly_script

if TYPE_CHECKING:
    from nbanalytics.release import Release

RELEASE_VARIABLE = "NBANALYTICS_RELEASE"
PAGE_TYPE = "application/vnd.nbanalytics.page+json"
_PAGES = Path(__file__).parent / "pages"


def open_release(default: str | Path = "release") -> Release:
    """Read the release that the server was started with.

    Parameters
    ----------
    default
        Folder to read where no server says which, as in JupyterLab: beside the notebook.

    Returns
    -------
    Release
        The release.

    Raises
    ------
    ReleaseError
        If the folder is missing, incomplete or altered.
    """
    from nbanalytics.release import read_release

    return read_release(Path(os.environ.get(RELEASE_VARIABLE) or default))


class BoardPage(anywidget.AnyWidget):
    """Show the page "När tappar vi dem?" of a release.

    The browser draws what it is given and tells which selection it wants; every selection is looked up among the cells
    that the release declares.

    Parameters
    ----------
    release
        A release (see :func:`open_release`).
    lang
        ``"sv"`` or ``"en"``.
    sections
        Which charts, in order: ``"groups"``, ``"flows"``, ``"terms"``, ``"subjects"``.
    """

    _esm = _PAGES / "board.js"
    _css = _PAGES / "nbanalytics.css"
    page = traitlets.Dict().tag(sync=True)
    selection = traitlets.Dict().tag(sync=True)
    view = traitlets.Dict().tag(sync=True)

    def __init__(self, release: ReleaseLike, lang: str = "sv", sections: Iterable[str] = SECTIONS) -> None:
        self._board = Board(release, lang, sections)
        start = self._board.start()
        super().__init__(
            page={
                "lang": lang,
                "filters": self._board.filters(),
                "words": self._board.words(),
                "sections": list(self._board.sections),
            },
            selection=start,
            view=self._board.view(start),
        )
        self.observe(self._choose, names="selection")
        self.on_msg(self._hand_over)

    def _repr_mimebundle_(self, **kwargs: Any) -> Any:
        """Add the page's first state, so that the served page can draw before it has reached its kernel."""
        shown = super()._repr_mimebundle_(**kwargs)
        bundle = shown[0] if isinstance(shown, tuple) else shown
        if bundle is not None:
            state = {"page": self.page, "selection": self.selection, "view": self.view}
            bundle[PAGE_TYPE] = {"model": self.model_id, "state": state}
        return shown

    def _choose(self, change: Any) -> None:
        self.view = self._board.view(change["new"])

    def _hand_over(self, _widget: Any, message: Any, _buffers: Any) -> None:
        """Send plotly's script to a page that has none, such as JupyterLab's."""
        if isinstance(message, dict) and message.get("kind") == "plotly":
            self.send({"kind": "plotly"}, buffers=[plotly_script()])
