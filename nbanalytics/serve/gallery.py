"""The gallery: one page of our own that lists the dashboards."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

from babel.dates import format_date
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

from nbanalytics.serve.dashboards import Dashboard
from nbanalytics.text import Cells, say

if TYPE_CHECKING:
    from nbanalytics.release import Release

PAGES = Path(__file__).parent.parent / "pages"
_WIDTH, _HEIGHT, _BAR, _STEP = 320, 150, 30, 46


def picture(release: Release, lang: str = "sv") -> Markup:
    """Draw the six groups of a release as a small picture; a hidden group is a dashed outline."""
    cells = Cells(release.cells("groups"))
    codes = sorted(cells.codes("group"))
    values = {code: cells.value(group=code) for code in codes}
    most = max((value for value in values.values() if value), default=1.0)
    bars = []
    for rank, code in enumerate(codes):
        x, value = 28 + rank * _STEP, values[code]
        tall = round(8 + 100 * (value or 0) / most)
        colour = "#d55e00" if code == "6" else "#6f93b0"
        look = f'fill="{colour}"' if value is not None else 'fill="none" stroke="#6f93b0" stroke-dasharray="3 3"'
        bars.append(f'<rect x="{x}" y="{_HEIGHT - 16 - tall}" width="{_BAR}" height="{tall}" rx="2" {look}/>')
    words = escape(say("gallery.picture", lang))
    return Markup(
        f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="{words}">{"".join(bars)}'
        f'<line x1="20" x2="300" y1="{_HEIGHT - 16}" y2="{_HEIGHT - 16}" stroke="#4a5967"/></svg>'
    )


def _page(**values: Any) -> str:
    environment = Environment(
        loader=FileSystemLoader(PAGES), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    shared = {"lead": "", "notice": "", "created": "", "entries": None}
    return environment.get_template("page.html.j2").render(shared | values)


def gallery(
    release: Release, dashboards: Sequence[Dashboard], base_url: str = "/", version: str = "", lang: str = "sv"
) -> str:
    """Write the gallery page.

    Parameters
    ----------
    release
        What the dashboards show.
    dashboards
        The dashboards to list.
    base_url
        Where the server's pages begin.
    version
        Fingerprint of the stylesheet, so that browsers may keep it.
    lang
        ``"sv"`` or ``"en"``.

    Returns
    -------
    str
        HTML with no address outside the server.
    """
    manifest = release.manifest
    title = str(manifest.get("title", ""))
    created = format_date(
        date.fromisoformat(str(manifest["created"])[:10]), "long", "sv_SE" if lang == "sv" else "en_GB"
    )
    drawn = picture(release, lang)
    return _page(
        lang=lang,
        base_url=base_url,
        version=version,
        title=title,
        heading=say("gallery.title", lang),
        lead=say("gallery.lead", lang, title=title),
        notice=say("synthetic", lang) if manifest.get("synthetic") else "",
        created=say("gallery.created", lang, date=created),
        open=say("gallery.open", lang),
        entries=[
            {"slug": entry.slug, "title": entry.title, "description": entry.description, "picture": drawn}
            for entry in dashboards
        ],
    )


def missing_page(title: str, base_url: str = "/", version: str = "", lang: str = "sv") -> str:
    """Write the page for an address that does not exist."""
    return _page(
        lang=lang,
        base_url=base_url,
        version=version,
        title=title,
        heading=say("gallery.missing", lang),
        back=say("gallery.back", lang),
    )
