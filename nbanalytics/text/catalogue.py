"""Look messages and labels up by key and language; the words themselves are in two TOML files beside this one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from functools import cache
from types import MappingProxyType
from typing import cast

from nbanalytics.toml_files import packaged_toml

LANGUAGES = ("sv", "en")
# The two terms that a page compares stand in many of its messages, whoever says them.
_COMPARED: ContextVar[tuple[str, str]] = ContextVar("compared", default=("6VT", "9VT"))
# What a publication calls things itself: another country has other schools and rules.
Words = Mapping[str, Mapping[str, str]]
_OWN: ContextVar[Words] = ContextVar("own", default=MappingProxyType({}))


@contextmanager
def comparing(start: str, end: str) -> Iterator[None]:
    """Let the messages within speak of other terms than spring of year 6 and of year 9.

    Parameters
    ----------
    start, end
        Codes of the terms that are compared.

    Examples
    --------
    >>> with comparing("7VT", "9VT"):
    ...     say("tile.followed.note", "en")
    'with grades in both year 7 and year 9'
    """
    token = _COMPARED.set((start, end))
    try:
        yield
    finally:
        _COMPARED.reset(token)


@contextmanager
def wording(own: Words) -> Iterator[None]:
    """Let a publication's own words take the place of the catalogue's within.

    Parameters
    ----------
    own
        Language to key to text. A key is that of a message (``"groups.lead"``), or a kind of label and its code
        (``"stage.upper_secondary"``).

    Examples
    --------
    >>> with wording({"en": {"stage.upper_secondary": "High school"}}):
    ...     label("stage", "upper_secondary", "en")
    'High school'
    """
    token = _OWN.set(own)
    try:
        yield
    finally:
        _OWN.reset(token)


@cache
def messages() -> dict[str, dict[str, str]]:
    """Return every message by key and language."""
    return cast("dict[str, dict[str, str]]", _read("messages.toml"))


@cache
def labels() -> dict[str, dict[str, dict[str, str]]]:
    """Return every label by kind, code and language."""
    return cast("dict[str, dict[str, dict[str, str]]]", _read("labels.toml"))


def _read(name: str) -> object:
    return packaged_toml("nbanalytics.text", name)


def _language(lang: str) -> str:
    if lang not in LANGUAGES:
        raise ValueError(f"no words in the language {lang!r}; there are {', '.join(LANGUAGES)}")
    return lang


def say(key: str, lang: str = "sv", **values: str) -> str:
    """Return a message of the catalogue with its blanks filled.

    Parameters
    ----------
    key
        Name of the message, such as ``"groups.title"``.
    lang
        ``"sv"`` or ``"en"``.
    **values
        Text for each blank; numbers are formatted first (see :func:`nbanalytics.text.number`). The blanks
        ``from_year`` and ``to_year`` are filled with the terms of :func:`comparing`.

    Returns
    -------
    str
        The message.

    Raises
    ------
    KeyError
        If there is no such message, or a blank has no value.

    Examples
    --------
    >>> say("groups.title"), say("groups.title", "en")
    ('Sex grupper', 'Six groups')
    """
    start, end = _COMPARED.get()
    years = {"from_year": label("year", start, lang), "to_year": label("year", end, lang)}
    own = _OWN.get().get(_language(lang), {}).get(key)
    if own is not None:
        with suppress(KeyError, IndexError, ValueError):  # words with a blank that the message does not have
            return own.format(**years | values)
    return messages()[key][lang].format(**years | values)


def label(kind: str, code: object, lang: str = "sv", names: Mapping[str, str] | None = None) -> str:
    """Return the words for a code: a group, stage, state, term, subject or value of a filter.

    Parameters
    ----------
    kind
        Dimension of the code: ``"group"``, ``"stage"``, ``"state"``, ``"term"``, ``"term_long"``, ``"subject"``,
        ``"school"``, ``"sex"``, ...
    code
        The code as it stands in the table.
    lang
        ``"sv"`` or ``"en"``.
    names
        Labels to use where the catalogue has none, such as the names of schools in a release's manifest.

    Returns
    -------
    str
        The label; the code itself where nobody has named it.

    Examples
    --------
    >>> label("state", "not_eligible"), label("subject", "MA"), label("school", "S1", names={"S1": "Bergsskolan"})
    ('Ej behörig', 'Matematik', 'Bergsskolan')
    """
    text = str(code)
    own = _OWN.get().get(_language(lang), {}).get(f"{kind}.{text}")
    if own is not None:
        return own
    known = labels().get(kind, {}).get(text)
    if known is not None:
        return known[_language(lang)]
    return (names or {}).get(text, text)
