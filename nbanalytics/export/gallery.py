"""The pages around the dashboards: the gallery that lists them, and pages that say something in words."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from functools import cache
from typing import TYPE_CHECKING, Any

from babel.dates import format_date
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

from nbanalytics.export.assets import PAGES
from nbanalytics.export.dashboards import Dashboard
from nbanalytics.text import Cells, say

if TYPE_CHECKING:
    from nbanalytics.release import Release

_WIDTH, _HEIGHT, _BAR, _STEP = 320, 150, 30, 46
#: What the pages may load: their own files. Plotly writes its styles into the page.
POLICY = (
    "default-src 'none'; script-src {own}; style-src {own} 'unsafe-inline'; img-src 'self' data: blob:; "
    "connect-src 'self'; object-src 'none'; base-uri 'none'; form-action 'none'"
)
#: For pages in a folder, where browsers do not agree whether a file beside a page is its own.
FILE_POLICY = POLICY.format(own="'self' file:")


def picture(release: Release, lang: str = "sv") -> Markup:
    """Draw the six groups of a release as a small picture; a hidden group is a dashed outline."""
    cells = Cells(release.cells("groups")) if "groups" in release.manifest["tables"] else Cells.none()
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


@cache
def _environment() -> Environment:
    return Environment(loader=FileSystemLoader(PAGES), autoescape=True, undefined=StrictUndefined, trim_blocks=True)


def page(template: str, **values: Any) -> str:
    """Fill a template of the pages' folder."""
    return _environment().get_template(template).render(values)


def gallery(
    release: Release,
    dashboards: Sequence[Dashboard],
    lang: str = "sv",
    root: str = "",
    style: str = "nbanalytics.css",
    suffix: str = ".html",
    policy: str = "",
) -> str:
    """Write the gallery page.

    Parameters
    ----------
    release
        What the dashboards show.
    dashboards
        The dashboards to list.
    lang
        ``"sv"`` or ``"en"``.
    root
        Way from the page to the folder of ``assets``, such as ``"../"``.
    style
        Name of the stylesheet there.
    suffix
        Ending of the dashboards' addresses: ``".html"`` in a folder, none on a server.
    policy
        What the page may load, if no server says so.

    Returns
    -------
    str
        HTML with no address outside its site.
    """
    manifest = release.manifest
    title, drawn = str(manifest.get("title", "")), picture(release, lang)
    return page(
        "page.html.j2",
        lang=lang,
        root=root,
        style=style,
        policy=policy,
        skip=say("page.skip", lang),
        title=title,
        right=Markup("<span>{}</span>").format(published(release, lang)),
        heading=say("gallery.title", lang),
        lead=say("gallery.lead", lang, title=title),
        notice=say("synthetic", lang) if manifest.get("synthetic") else "",
        open=say("gallery.open", lang),
        entries=[
            {
                "href": f"{'live/' if entry.edition == 'live' else ''}{entry.slug}{suffix}",
                "title": entry.words("title", lang),
                "description": entry.words("description", lang),
                "picture": drawn,
            }
            for entry in dashboards
        ],
    )


def published(release: Release, lang: str) -> str:
    """Say when a release was published."""
    try:
        day = date.fromisoformat(str(release.manifest["created"])[:10])
    except (KeyError, ValueError):
        return ""
    return say("gallery.created", lang, date=format_date(day, "long", "sv_SE" if lang == "sv" else "en_GB"))


def words_page(
    heading: str,
    lead: str = "",
    href: str = "",
    back: str = "gallery.back",
    lang: str = "sv",
    root: str = "",
    style: str = "nbanalytics.css",
) -> str:
    """Write a page that says something in words and leads on.

    Parameters
    ----------
    heading, lead, back
        Keys of its words in the catalogue; without a lead there is the heading alone.
    href
        Where its link leads; the gallery when left out.
    lang, root, style
        As for :func:`gallery`.

    Returns
    -------
    str
        HTML.
    """
    return page(
        "page.html.j2",
        lang=lang,
        root=root,
        style=style,
        policy="",
        skip=say("page.skip", lang),
        title=say("gallery.title", lang),
        right="",
        heading=say(heading, lang),
        lead=say(lead, lang) if lead else "",
        notice="",
        entries=None,
        href=href or root or "./",
        back=say(back, lang),
    )
