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
from nbanalytics.pages.board import Board
from nbanalytics.pages.widgets import BoardPage

if TYPE_CHECKING:
    from nbanalytics.release import Release
from datetime import date
from pathlib import Path

from markupsafe import escape

from nbanalytics.errors import NbanalyticsError
from nbanalytics.figures.style import ACCENT
from nbanalytics.files import replacing_folder
from nbanalytics.pages.explained import published, title_of
from nbanalytics.release.files import SITE
from nbanalytics.text import Words

_WIDTH, _HEIGHT, _EDGE, _TOP = 320, 150, 24, 18
_FLOOR = _HEIGHT - 16


def picture(view: Mapping[str, Any] | None, words: Words) -> Markup:
    """Draw the first chart of a view as a small SVG; a hidden cell is a dashed outline. Without a view it is empty."""
    for section in view["sections"] if view else ():
        traces = section["figure"]["data"]
        if changes := _changes(traces):
            return _drawn(changes, section["title"], words, floor=False)
        for trace in traces:
            heights = trace.get("x") if trace.get("orientation") == "h" else trace.get("y")
            if trace["type"] == "bar" and heights and any(heights):
                return _drawn(_bars(heights, trace.get("marker", {}).get("color")), section["title"], words)
            if trace["type"] == "scatter" and _numbers(heights) and "markers" in trace.get("mode", "markers"):
                return _drawn(_points(heights), section["title"], words)
    return _drawn([], "", words)


def _numbers(values: Any) -> bool:
    return bool(values) and all(value is None or isinstance(value, int | float) for value in values) and any(values)


def _changes(traces: Sequence[Mapping[str, Any]]) -> list[str]:
    """Draw rows with a ring, a dot and a bar behind them, where that is what the chart shows."""
    ranges = next((trace for trace in traces if trace["type"] == "bar" and "base" in trace), None)
    points = [trace["x"] for trace in traces if trace["type"] == "scatter"]
    if ranges is None or len(points) != 2:
        return []
    rows = [row for row in zip(ranges["base"], ranges["x"], *points, strict=True) if None not in row]
    ends = [end for low, wide, start, later in rows for end in (low, low + wide, start, later)]
    if not ends or max(ends) == min(ends):
        return []
    scale, step = (_WIDTH - 2 * _EDGE) / (max(ends) - min(ends)), (_HEIGHT - 2 * _TOP) / len(rows)
    marks = []
    for rank, (low, wide, *both) in enumerate(rows):
        y = _TOP + step * (rank + 0.5)
        left, start, later = (_EDGE + scale * (value - min(ends)) for value in (low, *both))
        marks += [
            f'<rect class="nba-mini-pale" x="{left:.0f}" y="{y - 8:.0f}" width="{scale * wide:.0f}" height="16"/>',
            f'<line class="nba-mini-line" x1="{start:.0f}" x2="{later:.0f}" y1="{y:.0f}" y2="{y:.0f}"/>',
            f'<circle class="nba-mini-ring" r="6" cx="{start:.0f}" cy="{y:.0f}"/>',
            f'<circle class="nba-mini nba-mini-strong" r="6" cx="{later:.0f}" cy="{y:.0f}"/>',
        ]
    return marks


def _bars(heights: Sequence[float | None], colours: Any) -> list[str]:
    most = max(value for value in heights if value)
    step = (_WIDTH - 2 * _EDGE) / len(heights)
    bars = []
    for rank, value in enumerate(heights):
        strong = isinstance(colours, list) and colours[rank] == ACCENT
        kind = "nba-mini-hidden" if value is None else f"nba-mini{' nba-mini-strong' if strong else ''}"
        tall = round(6 + (_FLOOR - _TOP - 6) * (value or 0) / most)
        place = f'x="{_EDGE + step * (rank + 0.17):.0f}" y="{_FLOOR - tall}" width="{step * 0.66:.0f}"'
        bars.append(f'<rect class="{kind}" {place} height="{tall}" rx="2"/>')
    return bars


def _points(heights: Sequence[float | None]) -> list[str]:
    known = [value for value in heights if value is not None]
    low, span = min(known), (max(known) - min(known)) or 1.0
    step = (_WIDTH - 2 * _EDGE) / len(heights)
    return [
        f'<circle class="nba-mini" r="6" cx="{_EDGE + step * (rank + 0.5):.0f}" '
        f'cy="{_FLOOR - 14 - (_FLOOR - _TOP - 24) * (value - low) / span:.0f}"/>'
        for rank, value in enumerate(heights)
        if value is not None
    ]


def _drawn(marks: Sequence[str], title: str, words: Words, floor: bool = True) -> Markup:
    name = escape(words.say("gallery.picture", title=title.lower()) if title else words.say("gallery.picture.none"))
    line = f'<line class="nba-mini-line" x1="{_EDGE}" x2="{_WIDTH - _EDGE}" y1="{_FLOOR}" y2="{_FLOOR}"/>'
    drawn = "".join([*marks, line if floor else ""])
    return Markup(f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="{name}">{drawn}</svg>')


_WAYS = {"email": "mailto:", "phone": "tel:", "web": ""}


def statement(frame: Frame) -> str:
    """Write the accessibility statement; the manifest holds the ``publisher`` if the publication declares one."""
    words, manifest = frame.words, frame.manifest
    publisher: Mapping[str, Any] = manifest.get("publisher", {})
    status = str(publisher.get("status", "unassessed"))
    country = "SE" if publisher.get("country", "SE") == "SE" else "other"
    who = str(publisher.get("name", "")) or words.say("statement.nobody")
    first = [words.say(f"statement.who.{country}", publisher=who, title=title_of(manifest, words))]
    if not publisher:
        first.append(words.say("statement.unfilled"))
    problems = [str(text) for text in publisher.get("problems", ())]
    sections = [
        _section("", *first),
        _section("statement.how", words.say(f"statement.how.{status}"), words.say("statement.charts")),
        _section("statement.problems", points=problems) if problems else None,
        _section("statement.report", words.say("statement.report.text"), ways=_ways(publisher, words)),
        _section("statement.law", words.say("statement.law.text")) if country == "SE" else None,
        _section("statement.technical", words.say(f"statement.technical.{status}")),
        _section("statement.tested", words.say("statement.tested.text"), *_days(publisher, manifest, words)),
    ]
    told = [section | {"heading": words.say(section["heading"]) if section["heading"] else ""}
            for section in sections if section]  # fmt: skip
    return frame.fill("statement.html.j2", name=STATEMENT, title=words.say("statement.title"), sections=told)


def _section(heading: str, *texts: str, points: Any = (), ways: Any = ()) -> dict[str, Any]:
    return {"heading": heading, "texts": texts, "points": points, "ways": ways}


def _ways(publisher: Mapping[str, Any], words: Words) -> list[dict[str, str]]:
    """Return the ways to reach the publisher; a web address is not linked: pages have no external links."""
    return [
        {
            "term": words.say(f"statement.{key}"),
            "text": str(publisher[key]),
            "href": f"{scheme}{str(publisher[key]).replace(' ', '')}" if scheme else "",
        }
        for key, scheme in _WAYS.items()
        if publisher.get(key)
    ]


def _days(publisher: Mapping[str, Any], manifest: Mapping[str, Any], words: Words) -> list[str]:
    said = []
    if assessed := publisher.get("assessed"):
        day = words.date(date.fromisoformat(str(assessed)))
        said.append(words.say("statement.assessed", date=day))
    if day := published(manifest, words):
        said.append(words.say("statement.published", date=day))
    return said


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
    suffix, policy
        As of :class:`nbanalytics.export.frame.Frame`.

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
        """Return every file of the edition with its address, without the live edition's script."""
        yield from self.pages.items()
        live = f"assets/{self.names['live.js']}"
        yield from ((address, asset) for address, asset in self.lasting.items() if address != live)

    def _written(self, frame: Frame, dashboards: Sequence[Dashboard]) -> Iterator[tuple[str, str]]:
        """Return the pages of one language with their names; the gallery shows what the dashboards open with."""
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
                entries.append(Entry(href, title, description, picture(view, frame.words)))
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
        """Return a board's first state as JSON, and add the scripts with its other views to the site."""
        opened = {"page": shown.page, "selection": shown.selection, "view": shown.view, "pictures": shown.pictures()}
        state = opened | {"root": root}
        shown.close()
        mark = fingerprint(str(self.release.manifest.get("checksum")).encode(), _json(state), __version__.encode())
        folder = f"data/{mark}/{name}"
        for store, selections in stores(shown.board).items():
            address = f"{folder}/{store}"
            self.lasting[f"{address}.js"] = Asset.named("views.js", _views(shown.board, address, selections))
        return Markup(htmlsafe_json_dumps(state | {"data": folder}, dumps=_dumps))


def stores(board: Board) -> dict[str, dict[str, Selection]]:
    """Divide the views of a board among scripts: by name, the views' keys and selections.

    A key has the place of each value in its filter. The view that the page opens with is in none.
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


_SAYS = "Written by 'nbanalytics export', which replaces this folder as a whole.\n"


def write_site(site: Site, folder: str | Path, progress: Callable[[str], None] | None = None) -> Path:
    """Write a site to a folder; an older site there is replaced only when the new one is complete.

    Parameters
    ----------
    site
        The static edition of a release.
    folder
        New, empty, or an older site; nothing else is overwritten.
    progress
        Called with a message at each step.

    Returns
    -------
    Path
        The folder.

    Raises
    ------
    NbanalyticsError
        If the folder holds something else, or the files cannot be written; nothing is changed then.
    """
    target = Path(folder).absolute()
    if target.exists() and (not target.is_dir() or (any(target.iterdir()) and not (target / SITE).is_file())):
        raise NbanalyticsError(
            f"{target.name} holds something that 'nbanalytics export' did not write, so nothing was written. "
            "Give a new or empty folder."
        )
    try:
        with replacing_folder(target) as fresh:
            files = list(site.files())
            for number, (address, asset) in enumerate(files, start=1):
                if progress is not None:
                    progress(f"file {number} of {len(files)}")
                path = fresh / address
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(asset.body)
            (fresh / SITE).write_text(_SAYS, encoding="utf-8")
    except OSError as fault:
        raise NbanalyticsError(
            f"the site could not be written to {target.name} ({fault.strerror}); what was there is untouched. "
            "Check the disk and your rights to the folder, then try again."
        ) from None
    return target
