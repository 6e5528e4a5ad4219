"""The board's page as one widget: native filters, key figures, charts with their tables, and how to read them."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

import anywidget
import traitlets

from nbanalytics.errors import NbanalyticsError
from nbanalytics.figures.svg import draw_svg
from nbanalytics.pages.baseline_board import BaselineBoard
from nbanalytics.pages.board import Board, ReleaseLike
from nbanalytics.text import LANGUAGES

if TYPE_CHECKING:
    from nbanalytics.records import StudentRecords
    from nbanalytics.release import Release

_Source = TypeVar("_Source")

#: What pages are made of, in the order in which it stands before a page's own script.
_SHARED = ("parts.js", "downloads.js", "charts.js")


def plotly_script() -> bytes:
    """Return the JavaScript of Plotly, a partial bundle with the trace types in use (``pages/build-plotly.mjs``)."""
    return files("nbanalytics").joinpath("pages", "plotly.partial.min.js").read_bytes()


def page_module(*own: str) -> str:
    """Return a page's script as one module: what all pages share, and its own scripts, by default those of the boards.

    It is one file, since a notebook's widget cannot load another.
    """
    pages = files("nbanalytics").joinpath("pages")
    return "\n".join(pages.joinpath(part).read_text(encoding="utf-8") for part in (*_SHARED, *(own or ("board.js",))))


RELEASE_VARIABLE, RECORDS_VARIABLE = "NBANALYTICS_RELEASE", "NBANALYTICS_RECORDS"
PAGE_TYPE = "application/vnd.nbanalytics.page+json"
_PAGES = Path(__file__).parent


# What the pages of this process show, where it was opened for them: a release, an Explorer or a StaffBoard.
_GIVEN: ContextVar[tuple[Any, str] | None] = ContextVar("given", default=None)


def give(source: Any, lang: str) -> None:
    """Let the pages that this process makes from now on show an open release, ``Explorer`` or ``StaffBoard``."""
    _GIVEN.set((source, lang))


@contextmanager
def giving(source: Any, lang: str) -> Iterator[None]:
    """Let the pages made within show what is open already, as :func:`give` does."""
    token = _GIVEN.set((source, lang))
    try:
        yield
    finally:
        _GIVEN.reset(token)


def _given(kind: type[_Source]) -> _Source | None:
    source, _ = _GIVEN.get() or (None, "")
    return source if isinstance(source, kind) else None


def open_release(default: str | Path = "release") -> Release:
    """Return the release that this page was given, or read the one that the server was started with.

    Parameters
    ----------
    default
        Folder to read if no server names one, as in JupyterLab: beside the notebook.

    Returns
    -------
    Release

    Raises
    ------
    ReleaseError
        If the folder is missing, incomplete or altered.
    """
    from nbanalytics.release import Release, read_release

    given = _given(Release)
    return given if given is not None else read_release(Path(os.environ.get(RELEASE_VARIABLE) or default))


#: Widths of the pictures of a chart: on a telephone and on a screen, by the width of its card (nbanalytics.css).
_WIDTHS = {"flows": (680, 1062), "subjects": (440, 498), "years": (310, 1062)}


def _widths(section: str) -> tuple[int, int]:
    return _WIDTHS.get(section, (310, 498))


class BoardPage(anywidget.AnyWidget):
    """Show the page "När tappar vi dem?" of a release.

    The browser draws what it receives and sends the selection it needs; every selection is looked up among the cells
    that the release declares.

    Parameters
    ----------
    release
        A release (see :func:`open_release`).
    lang
        ``"sv"`` or ``"en"``; by default the language that the page is published in, Swedish in a notebook.
    sections
        Which charts, in order: ``"groups"``, ``"flows"``, ``"terms"``, ``"subjects"``; by default all.
    """

    kind: ClassVar[type[Board]] = Board

    _esm: str = page_module()
    _css: Path | str = _PAGES / "nbanalytics.css"
    page = traitlets.Dict().tag(sync=True)
    selection = traitlets.Dict().tag(sync=True)
    view = traitlets.Dict().tag(sync=True)
    lang = traitlets.Enum(LANGUAGES).tag(sync=True)

    def __init__(self, release: ReleaseLike, lang: str | None = None, sections: Iterable[str] | None = None) -> None:
        given = _GIVEN.get()
        self._release, self._sections = release, sections if sections is None else tuple(sections)
        self._open(lang or (given[1] if given else "sv"))

    def _open(self, lang: str) -> None:
        self.board = self._in(lang)
        start = self.board.start()
        super().__init__(page=self.board.page(), selection=start, view=self.board.view(start), lang=self.board.lang)
        self.observe(self._choose, names=["selection", "lang"])
        self.on_msg(self._hand_over)

    def _in(self, lang: str) -> Any:
        return self.kind(self._release, lang, self._sections)

    def _repr_mimebundle_(self, **kwargs: Any) -> Any:
        """Add the page's first state, so that the served page can draw before it has reached its kernel."""
        shown = super()._repr_mimebundle_(**kwargs)
        bundle = shown[0] if isinstance(shown, tuple) else shown
        if bundle is not None:
            state = {"page": self.page, "selection": self.selection, "view": self.view, "pictures": self.pictures()}
            bundle[PAGE_TYPE] = {"model": self.model_id, "state": state}
        return shown

    def pictures(self) -> dict[str, list[tuple[int, str]]]:
        """Return the charts of the view as pictures, by section: widths and SVG, for a page that opens with this view.

        A page that shows them needs no Plotly until somebody touches it.
        """
        return {
            section["id"]: [(width, draw_svg(section["figure"], width=width)) for width in _widths(section["id"])]
            for section in self.view["sections"]
            if not section["empty"]
        }

    def _choose(self, _change: Any) -> None:
        with self.hold_sync():
            if self.board.lang != self.lang:
                self.board = self._in(self.lang)
                self.page = self.board.page()
            self.view = self.board.view(self.selection)

    def _hand_over(self, _widget: Any, message: Any, _buffers: Any) -> None:
        """Send plotly's script to a page that has none, such as JupyterLab's."""
        if isinstance(message, dict) and message.get("kind") == "plotly":
            self.send({"kind": "plotly"}, buffers=[plotly_script()])


def explorer_script() -> str:
    """Return the explorer's page as a module: what it shares with the board's, and its own."""
    return page_module("roster.js", "scatter.js", "explorer.js")


def explorer_style() -> str:
    """Return what the explorer adds to the style of all pages."""
    return (_PAGES / "explorer.css").read_text(encoding="utf-8")


def records_folder(default: str | Path) -> Path:
    """Return the folder of records that ``nbanalytics explore`` was started with, or the default in a notebook."""
    return Path(os.environ.get(RECORDS_VARIABLE) or default)


def _closed_page(command: str) -> None:
    """Refuse to show single students to whoever has the address: a Voila of its own asks nobody for a token."""
    if RECORDS_VARIABLE in os.environ or not any(name.startswith("VOILA_") for name in os.environ):
        return
    from IPython.display import Markdown, display

    refusal = NbanalyticsError(
        "this page shows single students, and Voila alone serves it without a token",
        f"Serve it with 'nbanalytics {command} RECORDS', or open the notebook in JupyterLab.",
    )
    # Voila does not show what an error says.
    display(Markdown(str(refusal)))  # type: ignore[no-untyped-call]
    raise refusal


class ExplorerPage(BoardPage):
    """Explore records: year 6 against year 9, one point per student, with what follows from a choice of points.

    It shows single students, and is for researchers who may see the records.

    Parameters
    ----------
    records
        Records, or their folder; not used if ``nbanalytics explore`` made the page and has opened them.
    lang
        ``"sv"`` or ``"en"``.

    Attributes
    ----------
    students : pandas.DataFrame
        The students chosen in the page, with their mean grade points and groups.
    rule : GroupRule
        The rule chosen, for :func:`nbanalytics.classify`.
    records : StudentRecords
        The records of the students chosen, under the eligibility rule chosen.

    Notes
    -----
    The three follow the page: they are traitlets, so that ``observe`` calls a function when they change. ``records``
    is made when it is asked for or observed.
    """

    _esm = explorer_script()
    _css = (_PAGES / "nbanalytics.css").read_text(encoding="utf-8") + explorer_style()
    students = traitlets.Any()
    rule = traitlets.Any()
    records = traitlets.Any()

    def __init__(self, records: StudentRecords | str | Path, lang: str = "sv") -> None:
        from nbanalytics.pages.explorer import Explorer  # a board's page does without what it imports

        _closed_page("explore")
        given = _given(Explorer)
        self._explorer = given if given is not None else Explorer.of(records)
        self._open(lang)
        self._follow()

    @traitlets.default("records")
    def _chosen_records(self) -> StudentRecords:
        from nbanalytics.analysis.cohorts.classify import under

        return under(self._explorer.records, self.rule).only(self.students[["student_id"]])

    def _choose(self, change: Any) -> None:
        super()._choose(change)
        self._follow()

    def _follow(self) -> None:
        students, rule = self._explorer.chosen(self.selection)
        with self.hold_trait_notifications():
            self.students, self.rule = students, rule
        if self._trait_notifiers.get("records"):
            self.records = self._chosen_records()
        else:
            self._trait_values.pop("records", None)  # made anew when it is asked for

    def _in(self, lang: str) -> Any:
        return self._explorer.speaking(lang)

    def pictures(self) -> dict[str, list[tuple[int, str]]]:
        """Return nothing: the points need their script at once."""
        return {}


class BaselinePage(BoardPage):
    """Show the page "Nulägesanalys och uppföljning" of a release.

    Parameters
    ----------
    release, lang
        As for :class:`BoardPage`.
    sections
        Which charts, in order: ``"followup"``, ``"course"``, ``"absences"``, ``"years"``; by default all.
    """

    kind: ClassVar[type[Board]] = BaselineBoard


class StaffPage(BoardPage):
    """Show hand-over and support of records to the staff concerned. It shows single students.

    Parameters
    ----------
    records, lang
        As for :class:`ExplorerPage`, with ``nbanalytics staff``.
    sections
        Which parts, in order: ``"handover"``, ``"receiving"``, ``"coverage"``, ``"caseload"``, ``"kaa"``; by default
        all.
    """

    def __init__(
        self, records: StudentRecords | str | Path, lang: str = "sv", sections: Iterable[str] | None = None
    ) -> None:
        from nbanalytics.pages.staff_board import StaffBoard  # a board's page does without what it imports

        _closed_page("staff")
        given = _given(StaffBoard)
        self._staff = given if given is not None else StaffBoard.of(records, lang, sections)
        self._open(lang)

    def _in(self, lang: str) -> Any:
        return self._staff.speaking(lang)
