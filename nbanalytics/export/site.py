"""The static edition of a release: every file of it, the same for a web server and for a folder."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from jinja2.utils import htmlsafe_json_dumps
from markupsafe import Markup

from nbanalytics import __version__
from nbanalytics.export.assets import Asset, fingerprint, hashed, load_assets
from nbanalytics.export.dashboards import Dashboard, Part, parts_of
from nbanalytics.export.frame import STATEMENT, Frame, other_language
from nbanalytics.export.gallery import Entry, gallery
from nbanalytics.export.pictures import picture
from nbanalytics.export.statement import statement
from nbanalytics.pages.board import Board
from nbanalytics.pages.widgets import BoardPage

if TYPE_CHECKING:
    from nbanalytics.release import Release

Selection = Mapping[str, str]


class Site:
    """The files of a release's static edition in both languages, by their address within the site.

    A page holds the view that it opens with. The other views are in scripts beside it: all that choose one filter in
    one, and those that choose more in one for each value of their first filter.

    Parameters
    ----------
    release
        A release.
    dashboards
        What to show; those that need a kernel are only listed if ``suffix`` is empty, where a server answers.
    lang
        Language of the first pages, ``"sv"`` or ``"en"``; those in the other one are in a folder named after it.
    suffix
        Ending of the pages' addresses: ``".html"`` in a folder, none on a server.
    policy
        What pages may load, if no server says so.

    Attributes
    ----------
    pages : dict of str to Asset
        The gallery ``index.html``, the dashboards and the accessibility statement, in each language.
    lasting : dict of str to Asset
        Scripts, styles and views; a name never stands for other content.
    """

    def __init__(
        self,
        release: Release,
        dashboards: Sequence[Dashboard],
        lang: str = "sv",
        suffix: str = ".html",
        policy: str = "",
    ) -> None:
        self.release = release
        assets = load_assets()
        self.names = {name: hashed(name, asset) for name, asset in assets.items()}
        self.lasting = {f"assets/{self.names[name]}": asset for name, asset in assets.items()}
        self.pages: dict[str, Asset] = {}
        style = self.names["nbanalytics.css"]
        for code in (lang, other_language(lang)):
            inner = code != lang
            frame = Frame(code, style, suffix, inner=inner, policy=policy, manifest=release.manifest)
            for name, page in self._written(frame, dashboards):
                self.pages[f"{code + '/' if inner else ''}{name}.html"] = Asset.named("page.html", page.encode)

    def files(self) -> Iterator[tuple[str, Asset]]:
        """Give every file of the edition with its address; the live edition's script is none of them."""
        yield from self.pages.items()
        live = f"assets/{self.names['live.js']}"
        yield from ((address, asset) for address, asset in self.lasting.items() if address != live)

    def _written(self, frame: Frame, dashboards: Sequence[Dashboard]) -> Iterator[tuple[str, str]]:
        """Give the pages of one language with their names; the gallery shows what the dashboards open with."""
        entries = []
        for dashboard in dashboards:
            static, view = dashboard.edition == "static", None
            if static:
                parts = parts_of(dashboard, self.release, frame.lang)
                view = next((part.page.view for part in parts if part.page is not None), None)
                yield dashboard.slug, self._dashboard(frame, dashboard, parts)
            if static or not frame.suffix:
                title, description = (dashboard.words(key, frame.lang) for key in ("title", "description"))
                href = frame.way(dashboard.slug) if static else f"{frame.root}live/{dashboard.slug}"
                entries.append(Entry(href, title, description, picture(view, frame.lang)))
        yield "index", gallery(frame, entries)
        yield STATEMENT, statement(frame)

    def _dashboard(self, frame: Frame, dashboard: Dashboard, parts: Sequence[Part]) -> str:
        from nbconvert.filters import markdown2html

        shown: list[dict[str, Any]] = []
        for part in parts:
            if part.page is not None:
                state = self._state(part.page, frame.root, f"{dashboard.slug}-{len(shown)}")
                shown.append({"prose": None, "state": state})
            else:
                shown.append({"prose": Markup(markdown2html(part.prose or "")), "state": ""})
        title = dashboard.words("title", frame.lang)
        return frame.fill("static.html.j2", dashboard.slug, title=title, names=self.names, parts=shown)

    def _state(self, shown: BoardPage, root: str, name: str) -> Markup:
        """Return a board's first state as JSON for its page, and add the scripts with its other views to the site."""
        state = {"page": shown.page, "selection": shown.selection, "view": shown.view, "root": root}
        shown.close()
        mark = fingerprint(str(self.release.manifest.get("checksum")).encode(), _json(state), __version__.encode())
        folder = f"data/{mark}/{name}"
        for store, selections in stores(shown.board).items():
            address = f"{folder}/{store}"
            self.lasting[f"{address}.js"] = Asset.named("views.js", _views(shown.board, address, selections))
        return Markup(htmlsafe_json_dumps(state | {"data": folder}, dumps=_dumps))


def stores(board: Board) -> dict[str, dict[str, Selection]]:
    """Divide the views of a board among scripts.

    Returns
    -------
    dict of str to dict
        Name of each script: its views' keys (the place of each value in its filter) and selections. The view that the
        page opens with is in none.
    """
    places = {
        filter_["id"]: {option["value"]: place for place, option in enumerate(filter_["options"])}
        for filter_ in board.filters()
    }
    found: dict[str, dict[str, Selection]] = {}
    for selection in board.selections():
        key = [places[name][selection[name]] for name in places]
        chosen = [(rank, place) for rank, place in enumerate(key) if place]
        if chosen:
            name = "one" if len(chosen) == 1 else "{}-{}".format(*chosen[0])
            found.setdefault(name, {})[".".join(map(str, key))] = selection
    return found


def _views(board: Board, address: str, selections: Mapping[str, Selection]) -> Callable[[], bytes]:
    def make() -> bytes:
        views = {key: board.view(selection) for key, selection in selections.items()}
        return b"nbanalyticsViews(%s, %s);\n" % (_json(address), _json(views))

    return make


def _dumps(value: Any, **_settings: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _json(value: Any) -> bytes:
    return _dumps(value).encode()
