"""The accessibility statement: the model text of Swedish law, filled in by the publication's declaration.

Source of the model text: the Agency for Digital Government's regulations MDFFS 2019:2, after Commission Implementing
Decision (EU) 2018/1523.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any

from babel.dates import format_date

from nbanalytics.export.frame import STATEMENT, Frame
from nbanalytics.pages.explained import published, title_of
from nbanalytics.text import say

_WAYS = {"email": "mailto:", "phone": "tel:", "web": ""}


def statement(frame: Frame) -> str:
    """Write the page.

    Parameters
    ----------
    frame
        What stands around it; its manifest holds the ``publisher`` if the publication declares one.

    Returns
    -------
    str
        HTML.
    """
    lang, manifest = frame.lang, frame.manifest
    publisher: Mapping[str, Any] = manifest.get("publisher", {})
    status = str(publisher.get("status", "unassessed"))
    country = "SE" if publisher.get("country", "SE") == "SE" else "other"
    who = str(publisher.get("name", "")) or say("statement.nobody", lang)
    first = [say(f"statement.who.{country}", lang, publisher=who, title=title_of(manifest, lang))]
    if not publisher:
        first.append(say("statement.unfilled", lang))
    problems = [str(text) for text in publisher.get("problems", ())]
    sections = [
        _section("", *first),
        _section("statement.how", say(f"statement.how.{status}", lang), say("statement.charts", lang)),
        _section("statement.problems", points=problems) if problems else None,
        _section("statement.report", say("statement.report.text", lang), ways=_ways(publisher, lang)),
        _section("statement.law", say("statement.law.text", lang)) if country == "SE" else None,
        _section("statement.technical", say(f"statement.technical.{status}", lang)),
        _section("statement.tested", say("statement.tested.text", lang), *_days(publisher, manifest, lang)),
    ]
    told = [section | {"heading": say(section["heading"], lang) if section["heading"] else ""}
            for section in sections if section]  # fmt: skip
    return frame.fill("statement.html.j2", name=STATEMENT, title=say("statement.title", lang), sections=told)


def _section(heading: str, *texts: str, points: Any = (), ways: Any = ()) -> dict[str, Any]:
    return {"heading": heading, "texts": texts, "points": points, "ways": ways}


def _ways(publisher: Mapping[str, Any], lang: str) -> list[dict[str, str]]:
    """Ways to reach the publisher; an address on the web is told, not linked: pages lead to nothing outside."""
    return [
        {
            "term": say(f"statement.{key}", lang),
            "text": str(publisher[key]),
            "href": f"{scheme}{str(publisher[key]).replace(' ', '')}" if scheme else "",
        }
        for key, scheme in _WAYS.items()
        if publisher.get(key)
    ]


def _days(publisher: Mapping[str, Any], manifest: Mapping[str, Any], lang: str) -> list[str]:
    said = []
    if assessed := publisher.get("assessed"):
        day = format_date(date.fromisoformat(str(assessed)), "long", "sv_SE" if lang == "sv" else "en_GB")
        said.append(say("statement.assessed", lang, date=day))
    if day := published(manifest, lang):
        said.append(say("statement.published", lang, date=day))
    return said
