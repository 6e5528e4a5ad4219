"""What stands around the content of every page: header, footer, the other language, what is printed in the margins."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from nbanalytics.export.assets import PAGES
from nbanalytics.pages.explained import published, title_of
from nbanalytics.text import Words

STATEMENT = "accessibility"
#: Words that stand on pages, whatever they show.
PAGE_WORDS = (
    "page.skip",
    "page.loading",
    "page.failed",
    "page.noscript",
    "page.ways",
    "page.site",
    "gallery.back",
    "statement.link",
    "lang.other",
    "lang.code",
)
#: What the pages may load: their own files. Plotly writes its styles into the page.
POLICY = (
    "default-src 'none'; script-src {own}; style-src {own} 'unsafe-inline'; img-src 'self' data: blob:; "
    "connect-src 'self'; object-src 'none'; base-uri 'none'; form-action 'none'"
)
#: For pages in a folder, where browsers do not agree whether a file beside a page is its own.
FILE_POLICY = POLICY.format(own="'self' file:")


@cache
def _environment() -> Environment:
    return Environment(loader=FileSystemLoader(PAGES), autoescape=True, undefined=StrictUndefined, trim_blocks=True)


def margins(publication: str, words: Words) -> Markup:
    """Return the style that prints a publication's title and the number of the page in the margins."""
    special = '\\"<>&\n\r\f'
    text = "".join(f"\\{ord(sign):x} " if sign in special else sign for sign in publication)
    look = "font: 9pt sans-serif; color: #4a5967;"
    return Markup(
        f'@page {{ @top-left {{ content: "{text}"; {look} }} '
        f'@bottom-right {{ content: "{words.say("page.print")} " counter(page) " / " counter(pages); {look} }} }}'
    )


def around(manifest: Mapping[str, Any], words: Words) -> dict[str, Any]:
    """Return what stands around every page of a release: its title, the day it was published, the margins in print."""
    title = title_of(manifest, words) or words.say("gallery.title")
    day = published(manifest, words)
    return {
        "publication": title,
        "published": words.say("gallery.created", date=day) if day else "",
        "margins": margins(title, words),
    }


def other_language(lang: str) -> str:
    """Return the language that a page's switch leads to."""
    return Words(lang).say("lang.code")


@dataclass(frozen=True)
class Frame:
    """The frame of one site's pages in one language.

    Attributes
    ----------
    lang
        ``"sv"`` or ``"en"``.
    style
        Name of the stylesheet in ``assets``.
    suffix
        Ending of the pages' addresses: ``".html"`` in a folder, none on a server.
    base
        Path from the pages of the first language to the site's root; a server's own address, or empty.
    inner
        Whether these pages are in the folder of a second language.
    policy
        What pages may load, unless a server states it.
    manifest
        That of the release; empty where none is shown.
    statement
        Whether there is an accessibility statement to link to.
    """

    lang: str
    style: str
    suffix: str = ""
    base: str = ""
    inner: bool = False
    policy: str = ""
    manifest: Mapping[str, Any] = field(default_factory=dict)
    statement: bool = True

    @property
    def words(self) -> Words:
        """The words of the pages."""
        return Words(self.lang)

    @property
    def root(self) -> str:
        """Path from the pages to the site's root."""
        return self.base or ("../" if self.inner else "")

    def page(self, name: str) -> str:
        """Return the address of a page within its language."""
        return "" if name == "index" and not self.suffix else f"{name}{self.suffix}"

    def way(self, name: str) -> str:
        """Return the path to a page in the same language."""
        if self.base:
            return f"{self.base}{self.lang + '/' if self.inner else ''}{self.page(name)}"
        return self.page(name) or "./"

    def _switch(self, name: str) -> dict[str, str]:
        other = other_language(self.lang)
        href = f"{self.root}{'' if self.inner else other + '/'}{self.page(name)}"
        return {"href": href or "./", "text": self.words.say("lang.other"), "lang": other}

    def fill(self, template: str, name: str = "", home: bool = True, **values: Any) -> str:
        """Fill a template of the pages' folder with ``values``, such as ``title``; it has no address outside its site.

        ``name`` is the address of the page within its language, for the link to the other one; empty if there is none.
        ``home`` says whether the page links to the gallery.
        """
        ways = [{"href": self.way("index"), "text": self.words.say("gallery.back"), "lang": ""}] if home else []
        foot = [{"href": self.way(STATEMENT), "text": self.words.say("statement.link"), "lang": ""}]
        return _environment().get_template(template).render(
            lang=self.lang,
            root=self.root,
            style=self.style,
            policy=self.policy,
            links=[*ways, self._switch(name)] if name else ways,
            foot=foot if self.statement else [],
            words={key: self.words.say(key) for key in PAGE_WORDS},
            **around(self.manifest, self.words),
            **values,
        )  # fmt: skip
