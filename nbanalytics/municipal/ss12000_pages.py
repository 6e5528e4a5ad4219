"""SS12000:2020 as files: pages, lists or several kinds together, divided into entities without names."""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from nbanalytics.errors import visible
from nbanalytics.readers.findings import Noted, UnreadableError, message

#: JSON takes many times its size in memory; pages of a service are far smaller.
MOST_BYTES = 300_000_000
#: An empty object of two bytes takes a hundred times as many in memory: values are counted before they are made.
MOST_VALUES = 30_000_000
#: Fields that are kept of each kind of entity; everything else, such as names, is dropped at once.
KEPT: dict[str, tuple[str, ...]] = {
    "Grade": (
        "id", "student", "gradeValue", "finalGrade", "subjectCode", "subjectName", "syllabus", "schoolYear", "year",
        "semester", "registeredDate", "schoolType", "schoolUnit", "organisation", "_embedded",
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
#: Fields that identify the kind of an entity, the surest first: a page does not name it.
_TOLD_BY: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("Grade", ("gradeValue",)),
    ("AggregatedAttendance", ("attendanceSum", "offeredSum", "validAbsenceSum", "invalidAbsenceSum")),
    ("Attendance", ("attendanceMinutes", "validAbsenceMinutes", "invalidAbsenceMinutes")),
    ("Person", ("familyName", "givenName", "civicNo", "norEduPersonNIN", "enrolments", "birthDate")),
    ("SchoolUnit", ("schoolUnitCode", "schoolTypes")),
    ("Syllabus", ("subjectCode", "subjectName")),
    ("CalendarEvent", ("startTime",)),
)


@dataclass(frozen=True)
class Entity:
    """One entity: its number among all that were read, its kind, and its kept fields."""

    row: int
    kind: str
    content: dict[str, Any]

    def text(self, name: str) -> str:
        """Return a field as trimmed text, empty if it is missing."""
        value = self.content.get(name)
        if isinstance(value, int) and not isinstance(value, bool) and abs(value) < 10**12:
            return str(value)
        return _text(value)

    def refers(self, *names: str) -> str:
        """Return the identifier that the first of these references gives, as text or as an object with ``id``."""
        for name in names:
            value = self.content.get(name)
            value = value.get("id") if isinstance(value, dict) else value
            if _text(value):
                return _text(value)
        return ""

    def embedded(self, name: str) -> Entity:
        """Return an embedded object, or an empty one."""
        inside = self.content.get("_embedded")
        found = inside.get(name) if isinstance(inside, dict) else None
        return Entity(self.row, "", found if isinstance(found, dict) else {})


def _text(value: Any) -> str:
    """Return trimmed text; half a surrogate pair is valid in JSON but not in a table."""
    if not isinstance(value, str):
        return ""
    text = visible(value.strip())
    return text if text.isascii() else unicodedata.normalize("NFC", text.encode("utf-8", "replace").decode())


@dataclass
class Entities:
    """All entities of some files, and the findings."""

    label: str
    by_kind: dict[str, list[Entity]] = field(default_factory=lambda: {kind: [] for kind in KEPT})
    rows: int = 0
    told: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    noted: Noted = field(init=False)

    def __post_init__(self) -> None:
        self.noted = Noted(self.label)

    def reject(self, entity: Entity | int, key: str, column: str = "", **values: object) -> None:
        """Reject an entity, with the reason."""
        row = entity if isinstance(entity, int) else entity.row
        self.noted.note(row, message(key, column, **values))

    def remark(self, rows: Iterable[int], key: str, column: str) -> None:
        """Add a remark about entities that are used all the same."""
        self.noted.note(list(rows), message(key, column), "remark")


def kind_of(entry: Any) -> str:
    """Return the kind of an entity by its fields, or empty text.

    Examples
    --------
    >>> kind_of({"gradeValue": "C"}), kind_of({"givenName": "A"}), kind_of({"colour": "red"})
    ('Grade', 'Person', '')
    """
    if not isinstance(entry, dict):
        return ""
    return next((kind for kind, fields in _TOLD_BY if any(name in entry for name in fields)), "")


def files_of(path: str | Path | Sequence[str | Path]) -> list[Path]:
    """Return the files of a folder (those that end in .json), of a list, or the one file."""
    if not isinstance(path, str | Path):
        files = [Path(one) for one in path]
    elif Path(path).is_dir():
        files = sorted(Path(path).glob("*.json"))
    else:
        files = [Path(path)]
    if not files:
        raise UnreadableError("there is no .json file", "Name the folder or the files with the pages.")
    return files


def read_entities(path: str | Path | Sequence[str | Path]) -> Entities:
    """Read the entities of one or several files; see :func:`nbanalytics.municipal.ss12000.read_ss12000`."""
    files = files_of(path)
    label = files[0].name if len(files) == 1 else f"{len(files)} files of SS12000"
    entities = Entities(label)
    seen: set[tuple[str, str]] = set()
    ends: dict[str, list[bool]] = {}
    spans = []
    empty_ends = 0  # a last page without entities does not say of which kind it is
    for file in files:
        first = entities.rows + 1
        for page, more in _pages(_load(file)):
            for entry in page:
                _take(entry, entities, seen)
            empty_ends += not page and more is False
            kinds = {kind_of(entry) for entry in page[:1]} - {""}
            for kind in kinds if more is not None else ():
                ends.setdefault(kind, []).append(not more)
        spans.append(f"{file.name} {first}–{entities.rows}")
    if len(files) > 1:
        shown = "; ".join(spans[:10]) + ("; …" if len(spans) > 10 else "")
        entities.told.append(f"row numbers run through all files: {shown}")
    unended = [kind for kind, last in ends.items() if not any(last)]
    for kind in unended if len(unended) > empty_ends else ():
        entities.missing.append(f"the last page of {kind}: every page names a next one, so entities are missing")
    return entities


def _take(entry: Any, entities: Entities, seen: set[tuple[str, str]]) -> None:
    entities.rows += 1
    row, kind = entities.rows, kind_of(entry)
    if not kind:
        what = "not an entity that is read" if isinstance(entry, dict) else "not an object"
        entities.reject(row, "entities.unknown", what=what, kinds=", ".join(KEPT))
        return
    entity = Entity(row, kind, {name: _bare(name, entry[name]) for name in KEPT[kind] if name in entry})
    identifier = entity.refers("id")
    if identifier and (kind, identifier) in seen:
        entities.reject(row, "rows.repeated/entity", "id", kind=kind)
        return
    seen.add((kind, identifier))
    entities.by_kind[kind].append(entity)


def _bare(name: str, value: Any) -> Any:
    """Remove personal names from embedded entities: references keep only their identifier."""
    if name == "_embedded":
        event = value.get("calendarEvent") if isinstance(value, dict) else None
        return {"calendarEvent": {"startTime": event.get("startTime")}} if isinstance(event, dict) else {}
    if isinstance(value, dict):
        return {inner: value[inner] for inner in ("id", "value") if inner in value}
    return value


def _load(file: Path) -> Any:
    try:
        if file.stat().st_size > MOST_BYTES:
            what = f"{file.name} is larger than {MOST_BYTES // 1_000_000} MB"
            raise UnreadableError(what, "Export it page by page.")
        content = file.read_bytes()
    except OSError as error:
        raise UnreadableError(f"{file.name} cannot be opened ({error.strerror})", "Check the path.") from None
    # Each value but the first follows one of these; text may hold some, too.
    values = sum(content.count(mark) for mark in (b"[", b"{", b",", b":"))
    if values > MOST_VALUES:
        what = f"{file.name} holds more than {MOST_VALUES // 1_000_000} million values"
        raise UnreadableError(what, "Export it page by page.")
    try:
        return json.loads(
            content.decode("utf-8-sig"), parse_constant=lambda name: None, object_pairs_hook=_object_without_repeats
        )
    except UnicodeDecodeError:
        raise UnreadableError(f"{file.name} is not UTF-8, as JSON is", "Export it again.") from None
    except json.JSONDecodeError as error:
        what = f"{file.name} is not JSON, or is cut off: line {error.lineno}, character {error.colno}"
        raise UnreadableError(what, "Export it again.") from None
    except _RepeatedKeyError:
        what = f"{file.name} has an object with the same key twice, of which one would be lost"
        raise UnreadableError(what, "Export it again.") from None
    except (RecursionError, MemoryError, ValueError):
        raise UnreadableError(f"{file.name} is JSON that does not follow SS12000", "Export it again.") from None


class _RepeatedKeyError(Exception):
    """An object names a key twice; readers differ in which one they take."""


def _object_without_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) < len(pairs):
        raise _RepeatedKeyError
    return made


def _pages(content: Any) -> list[tuple[list[Any], bool | None]]:
    """Return pages, each with whether it names a next one (None if it is a list and not a page)."""
    if isinstance(content, list):
        inner = [_pages(entry) for entry in content if _is_page(entry)]
        plain = [entry for entry in content if not _is_page(entry)]
        return [*(page for pages in inner for page in pages), *([(plain, None)] if plain or not inner else [])]
    if _is_page(content):
        return [(content["data"], bool(content.get("pageToken")))]
    if isinstance(content, dict) and not kind_of(content):
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
