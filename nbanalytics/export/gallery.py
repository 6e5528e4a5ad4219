"""The pages around the dashboards: the gallery that lists them, and pages that say something in words."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from types import MappingProxyType

from markupsafe import Markup

from nbanalytics.export.assets import PAGES
from nbanalytics.export.frame import Frame
from nbanalytics.pages.explained import title_of

Titles = Mapping[str, str]
#: The site of boards is called by the catalogue's word for it on pages that show nothing of the release.
_BOARDS: Titles = MappingProxyType({})


@dataclass(frozen=True)
class Entry:
    """A dashboard in the gallery: where it is, what it is called and what it looks like."""

    href: str
    title: str
    description: str
    picture: Markup


def gallery(frame: Frame, entries: Sequence[Entry]) -> str:
    """Write the gallery page, which lists the dashboards."""
    words, manifest = frame.words, frame.manifest
    return frame.fill(
        "page.html.j2",
        name="index",
        home=False,
        title=words.say("gallery.title"),
        lead=words.say("gallery.lead", title=title_of(manifest, words)),
        notice=words.say("synthetic") if manifest.get("synthetic") else "",
        open=words.say("gallery.open"),
        inline="",
        onward="",
        entries=entries,
    )


def words_page(
    heading: str,
    lead: str = "",
    href: str = "",
    back: str = "gallery.back",
    lang: str = "sv",
    root: str = "",
    style: str = "nbanalytics.css",
    statement: bool = True,
    titles: Titles = _BOARDS,
) -> str:
    """Write a page with a message and a link.

    ``heading``, ``lead`` and ``back`` are keys of messages; ``href`` is the address of the link, by default the
    gallery; ``root`` is the address of the site, ``style`` its stylesheet in ``assets``, ``statement`` whether it has
    an accessibility statement. ``titles`` (``title``, ``title_en``) names the site, unless it is that of boards.
    """
    frame = Frame(lang, style, base=root, inner=lang != "sv", statement=statement, manifest=titles)
    return _worded(frame, heading, lead, href=href or frame.way("index"), back=frame.words.say(back))


@dataclass(frozen=True)
class Script:
    """A script of a page that may load none: the page's policy names it by its hash."""

    text: Markup

    @property
    def source(self) -> str:
        """What the policy states about it."""
        digest = hashlib.sha256(self.text.encode()).digest()
        return f"'sha256-{base64.b64encode(digest).decode()}'"


#: Follows a page's only link, with the selection that the address names after ``#``.
ONWARD = Script(Markup("location.replace(document.querySelector('main p a').href + location.hash)"))


def refusal(reason: str, lang: str, titles: Titles, href: str = "", onward: bool = False) -> bytes:
    """Write the page for a visitor who is refused: it looks like the others, and requests no file.

    ``reason`` is the key of its message, such as ``"page.refused"``, and ``titles`` is as for :func:`words_page`.
    ``href`` is the address of its only link, empty for none; with ``onward`` the browser follows the link by itself.
    """
    frame = Frame(lang, "", statement=False, manifest=titles)
    way = {"href": href, "back": frame.words.say("page.open"), "onward": ONWARD.text if onward else ""}
    return _worded(frame, f"{reason}.title", reason, inline=_look(), **way).encode()


@cache
def _look() -> Markup:
    return Markup((PAGES / "nbanalytics.css").read_text(encoding="utf-8"))


def _worded(
    frame: Frame, heading: str, lead: str, href: str = "", back: str = "", inline: str = "", onward: str = ""
) -> str:
    return frame.fill(
        "page.html.j2",
        home=False,
        title=frame.words.say(heading),
        lead=frame.words.say(lead) if lead else "",
        notice="",
        entries=None,
        href=href,
        back=back,
        inline=inline,
        onward=onward,
    )
