"""Who publishes a release, and what it calls things: the parts of a declaration that are words for its readers."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any

from nbanalytics.errors import DisclosureError

STATUSES = ("fully", "partially", "unassessed")
_TEXTS = ("name", "email", "phone", "web", "country")
_PUBLISHER = (*_TEXTS, "status", "assessed", "problems")
_LANGUAGES = ("sv", "en")


def parse_presented(data: Mapping[str, Any], where: str) -> dict[str, Any]:
    """Read the tables ``[publisher]`` and ``[words.sv]``, ``[words.en]`` of a declaration.

    Parameters
    ----------
    data
        The declaration, parsed.
    where
        Its name, for errors.

    Returns
    -------
    dict
        ``publisher`` and ``words`` as they go into the manifest; each only if it is declared.

    Raises
    ------
    DisclosureError
        If a key is unknown or a value is no text.

    Examples
    --------
    >>> parse_presented({"words": {"en": {"stage.upper_secondary": "High school"}}}, "declaration.toml")
    {'words': {'en': {'stage.upper_secondary': 'High school'}}}
    """
    found: dict[str, Any] = {}
    if "publisher" in data:
        found["publisher"] = _publisher(_table(data["publisher"], f"{where}, [publisher]"), f"{where}, [publisher]")
    if "words" in data:
        words = _table(data["words"], f"{where}, [words]")
        _refuse_others(words, _LANGUAGES, f"{where}, [words]")
        found["words"] = {lang: _words(words[lang], f"{where}, [words.{lang}]") for lang in words}
    return found


def _publisher(entry: Mapping[str, Any], where: str) -> dict[str, Any]:
    _refuse_others(entry, _PUBLISHER, where)
    for key in _TEXTS:
        if not isinstance(entry.get(key, ""), str):
            raise DisclosureError(f'{where}: {key} is no text. Write it as {key} = "…".')
    if entry.get("status", "unassessed") not in STATUSES:
        raise DisclosureError(f"{where}: status is one of {', '.join(STATUSES)}. Mend it.")
    problems = entry.get("problems", [])
    if not isinstance(problems, list) or not all(isinstance(text, str) for text in problems):
        raise DisclosureError(f'{where}: problems is no list of sentences. Write it as ["…", "…"].')
    kept = dict(entry)
    if "assessed" in kept:
        try:
            kept["assessed"] = date.fromisoformat(str(kept["assessed"])).isoformat()
        except ValueError:
            raise DisclosureError(f"{where}: assessed is no date. Write it as 2026-11-21.") from None
    return kept


def _words(entry: Any, where: str) -> dict[str, str]:
    words = _table(entry, where)
    wrong = [key for key, text in words.items() if not isinstance(text, str)]
    if wrong:
        raise DisclosureError(f'{where}: {wrong[0]} is no text. Write the key in quotes, as "{wrong[0]}.…" = "…".')
    return dict(words)


def _table(value: Any, where: str) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise DisclosureError(f"{where} is no table of TOML. Give it lines of the form key = value.")
    return value


def _refuse_others(entry: Mapping[str, Any], known: tuple[str, ...], where: str) -> None:
    others = [key for key in entry if key not in known]
    if others:
        raise DisclosureError(f"{where}: there is no {others[0]!r}. Choose among: {', '.join(known)}.")
