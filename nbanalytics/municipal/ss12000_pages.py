"""SS12000:2020 as files: pages, lists or several kinds together, divided into entities without names.

The process that opens workbooks runs this file (:func:`nbanalytics.readers.workbook.read_by`), since JSON can take a
hundred times its size in memory. So it imports nothing from the package.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

#: JSON takes many times its size in memory; pages of a service are far smaller.
MOST_BYTES = 300_000_000
#: An empty object of two bytes takes a hundred times as many in memory, and not every system limits that.
MOST_VALUES = 30_000_000
#: Each takes memory and time afterwards, too.
MOST_ENTITIES = 2_000_000
#: Fields that are kept of each kind of entity; everything else, such as names, is dropped at once.
KEPT: dict[str, tuple[str, ...]] = {
    "Grade": (
        "id", "student", "gradeValue", "finalGrade", "subjectCode", "subjectName", "syllabus", "schoolYear", "year",
        "semester", "registeredDate", "schoolType", "schoolUnit", "organisation", "correctionType", "trial",
        "_embedded",
    ),
    "Attendance": (
        "id", "student", "isReported", "attendanceMinutes", "validAbsenceMinutes", "invalidAbsenceMinutes",
        "otherAttendanceMinutes", "plannedMinutes", "calendarEvent", "date", "reportedTimestamp", "_embedded",
    ),
    "AggregatedAttendance": (
        "student", "activity", "startDate", "endDate", "attendanceSum", "validAbsenceSum", "invalidAbsenceSum",
        "otherAttendanceSum", "offeredSum",
    ),
    "Person": ("id", "civicNo", "norEduPersonNIN", "birthDate", "sex", "enrolments"),
    "SchoolUnit": ("id", "schoolUnitCode", "displayName"),
    "Syllabus": ("id", "subjectCode", "subjectName"),
    "CalendarEvent": ("id", "startTime"),
}  # fmt: skip
#: Fields that identify the kind of an entity, the surest first: a page does not name it. Names, dates and times are in
#: the JSON of any service, and identify nothing.
_TOLD_BY: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("Grade", ("gradeValue",)),
    ("AggregatedAttendance", ("attendanceSum", "offeredSum", "validAbsenceSum", "invalidAbsenceSum")),
    ("Attendance", ("attendanceMinutes", "validAbsenceMinutes", "invalidAbsenceMinutes")),
    (
        "Person",
        ("civicNo", "norEduPersonNIN", "enrolments", "eduPersonPrincipalNames", "personStatus", "securityMarking"),
    ),
    ("SchoolUnit", ("schoolUnitCode", "schoolTypes")),
    ("Syllabus", ("subjectCode", "subjectName")),
    ("CalendarEvent", ("startTime",)),
)


def kind_of(entry: Any) -> str:
    """Return the kind of an entity by its fields, or empty text.

    Examples
    --------
    >>> kind_of({"gradeValue": "C"}), kind_of({"enrolments": []}), kind_of({"givenName": "A"})
    ('Grade', 'Person', '')
    """
    if not isinstance(entry, dict):
        return ""
    return next((kind for kind, fields in _TOLD_BY if any(name in entry for name in fields)), "")


def answer(path: str) -> dict[str, Any]:
    """Return the pages of a file, or why it is refused and what to do.

    A page says whether a next one follows (``more``, None if it is a list and not a page) and has ``entries``: kind and
    kept fields of each entity. What is not an entity has no kind, and None in place of fields if it is not an object.
    ``unread`` names the fields that are dropped, as ``kind.field``.
    """
    file = Path(path)
    _unread.clear()
    try:
        found = _pages(_load(file))
        if sum(len(page) for page, _ in found) > MOST_ENTITIES:
            raise _RefusedError(f"holds more than {MOST_ENTITIES // 1_000_000} million entities", BY_PAGE)
        pages = [{"more": more, "entries": [*map(_entry, page)]} for page, more in found]
    except _RefusedError as refused:
        return {"refused": [f"{file.name} {refused.args[0]}", refused.args[1]]}
    except MemoryError:
        return {"refused": [f"{file.name} needs more memory than the pages of a service", BY_PAGE], "grown": True}
    return {"pages": pages, "unread": [*_unread], "grown": file.stat().st_size > _GROWN}


BY_PAGE, _AGAIN = "Export it page by page.", "Export it again."
_GROWN = 10_000_000
_MOST_UNREAD = 200
_unread: dict[str, None] = {}


class _RefusedError(Exception):
    """What is wrong with the file, and the remedy."""


class _Known(dict[str, Any]):
    """The kept fields of an entity; the others are dropped while the file is read, since most of it is made of them."""

    kind = ""


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) < len(pairs):  # readers differ in which of the two they take
        raise _RefusedError("has an object with the same key twice, of which one would be lost", _AGAIN)
    kind = "" if _is_page(made) else kind_of(made)
    if not kind:
        return made
    known = _Known((name, _bare(name, made[name])) for name in KEPT[kind] if name in made)
    known.kind = kind
    if len(_unread) < _MOST_UNREAD:
        _unread.update((f"{kind}.{name}", None) for name in made if name not in KEPT[kind])
    return known


def _bare(name: str, value: Any) -> Any:
    """Remove personal names from embedded entities, and what is nested: references keep only their identifier."""
    if name == "_embedded":
        event = value.get("calendarEvent") if isinstance(value, dict) else None
        return {"calendarEvent": _plain(event, ("startTime",))} if isinstance(event, dict) else {}
    if isinstance(value, list):
        return [{inner: _reference(one[inner]) for inner in one} for one in value if isinstance(one, dict)]
    return _reference(value)


def _reference(value: Any) -> Any:
    return _plain(value, ("id", "value")) if isinstance(value, dict) else None if isinstance(value, list) else value


def _plain(entry: dict[str, Any], names: tuple[str, ...]) -> dict[str, Any]:
    return {name: entry[name] for name in names if name in entry and not isinstance(entry[name], dict | list)}


def _entry(entry: Any) -> tuple[str, dict[str, Any] | None]:
    if isinstance(entry, _Known):
        return entry.kind, entry
    return "", {} if isinstance(entry, dict) else None


def _load(file: Path) -> Any:
    try:
        if file.stat().st_size > MOST_BYTES:
            raise _RefusedError(f"is larger than {MOST_BYTES // 1_000_000} MB", BY_PAGE)
        content = file.read_bytes()
    except OSError as error:
        raise _RefusedError(f"cannot be opened ({error.strerror})", "Check the path.") from None
    # Each value but the first follows one of these; text may hold some, too.
    if sum(content.count(mark) for mark in (b"[", b"{", b",", b":")) > MOST_VALUES:
        raise _RefusedError(f"holds more than {MOST_VALUES // 1_000_000} million values", BY_PAGE)
    try:
        text = content.decode("utf-8-sig")
        del content
        return json.loads(text, parse_constant=lambda name: None, object_pairs_hook=_object)
    except UnicodeDecodeError:
        raise _RefusedError("is not UTF-8, as JSON is", _AGAIN) from None
    except json.JSONDecodeError as error:
        what = f"is not JSON, or is cut off: line {error.lineno}, character {error.colno}"
        raise _RefusedError(what, _AGAIN) from None
    except (RecursionError, ValueError):
        raise _RefusedError("is JSON that does not follow SS12000", _AGAIN) from None


def _pages(content: Any) -> list[tuple[list[Any], bool | None]]:
    """Return pages, each with whether it names a next one (None if it is a list and not a page)."""
    if isinstance(content, list):
        inner = [_pages(entry) for entry in content if _is_page(entry)]
        plain = [entry for entry in content if not _is_page(entry)]
        return [*(page for pages in inner for page in pages), *([(plain, None)] if plain or not inner else [])]
    if _is_page(content):
        return [(content["data"], bool(content.get("pageToken")))]
    if isinstance(content, dict) and not isinstance(content, _Known):
        # Several kinds in one file: {"persons": [...], "grades": {"data": [...]}}.
        parts = [value for value in content.values() if isinstance(value, list) or _is_page(value)]
        if parts:
            return [page for part in parts for page in _pages(part)]
    return [([content], None)]


def _is_page(content: Any) -> bool:
    return isinstance(content, dict) and isinstance(content.get("data"), list)


def looks_like_ss12000(head: bytes) -> bool:
    """Whether the first bytes of a file are JSON with fields of SS12000."""
    text = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    if not text.startswith((b"{", b"[")):
        return False
    names = {name for _, fields in _TOLD_BY for name in fields} - {"startTime"} | {"pageToken"}
    return any(re.search(rb'"' + name.encode() + rb'"\s*:', text) for name in names)
