"""Entities of SS12000, and its persons and grades as students and grades: who, in which cohort, with which grade."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from nbanalytics.declaration import Declaration
from nbanalytics.errors import GradingError, visible
from nbanalytics.grading import Scale
from nbanalytics.municipal import ss12000_pages
from nbanalytics.municipal.merge import real_grades
from nbanalytics.municipal.pseudonyms import SEXES, Key, as_text, identities
from nbanalytics.municipal.ss12000_pages import BY_PAGE, KEPT
from nbanalytics.readers.findings import Finding, Noted, UnreadableError, fatal, message
from nbanalytics.readers.grid import may_name
from nbanalytics.readers.words import SEX, grade_words, loosely, read_date, read_grade, subject_words
from nbanalytics.readers.workbook import read_by
from nbanalytics.toml_files import packaged_toml

#: Kinds without which nothing is about pupils: the others only explain these.
_ABOUT_PUPILS = ("Grade", "AggregatedAttendance", "Attendance", "Person")


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
    unusable: Finding | None = None
    unread: dict[str, None] = field(default_factory=dict)
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
        found = read_by(Path(ss12000_pages.__file__), file, BY_PAGE)
        entities.unread |= dict.fromkeys(name for name in found["unread"] if may_name(name.partition(".")[2]))
        for page in found["pages"]:
            more, entries = page["more"], page["entries"]
            _take(entries, entities, seen)
            empty_ends += not entries and more is False
            kinds = {kind for kind, _ in entries[:1]} - {""}
            for kind in kinds if more is not None else ():
                ends.setdefault(kind, []).append(not more)
        spans.append(f"{file.name} {first}–{entities.rows}")
    if len(files) > 1:
        shown = "; ".join(spans[:10]) + ("; …" if len(spans) > 10 else "")
        entities.told.append(f"row numbers run through all files: {shown}")
    if not any(entities.by_kind[kind] for kind in _ABOUT_PUPILS):
        entities.unusable = fatal("entities.no_pupils", label, kinds=", ".join(_ABOUT_PUPILS))
    unended = [kind for kind, last in ends.items() if not any(last)]
    for kind in unended if len(unended) > empty_ends else ():
        entities.missing.append(f"the last page of {kind}: every page names a next one, so entities are missing")
    return entities


def _take(entries: list[tuple[str, dict[str, Any] | None]], entities: Entities, seen: set[tuple[str, str]]) -> None:
    unknown: dict[str, list[int]] = {}
    for row, (kind, content) in enumerate(entries, entities.rows + 1):
        if not kind or content is None:
            unknown.setdefault("not an object" if content is None else "not an entity that is read", []).append(row)
            continue
        entity = Entity(row, kind, content)
        identifier = entity.refers("id")
        if identifier and (kind, identifier) in seen:
            entities.reject(row, "rows.repeated/entity", "id", kind=kind)
            continue
        seen.add((kind, identifier))
        entities.by_kind[kind].append(entity)
    entities.rows += len(entries)
    for what, rows in unknown.items():
        entities.noted.note(rows, message("entities.unknown", what=what, kinds=", ".join(KEPT)))


def spring_of(day: str) -> int:
    """Return the year of the spring term of the school year that a date (yyyy-mm-dd) is in."""
    return int(day[:4]) + (int(day[5:7]) >= 7)


def year_in_school(text: str) -> int | None:
    """Return the year in school from a text: 0 to 10, ``"9"`` or ``"Åk 9"``."""
    match = re.fullmatch(r"(?:åk|årskurs)?\.?\s*([0-9]|10)", text.casefold(), re.ASCII)
    return int(match.group(1)) if match else None


def spring_of_grade(entity: Entity, semester: str, day: str | None) -> int | None:
    """Return the year of the spring of a grade's school year: by ``schoolYear``, ``year`` or date; None without any."""
    both = re.fullmatch(r"(20[0-9]{2})\s*[/–-]\s*(?:20)?([0-9]{2})", entity.text("schoolYear"), re.ASCII)
    if both and (int(both[1]) + 1) % 100 == int(both[2]):
        return int(both[1]) + 1
    year = entity.text("year")
    if re.fullmatch(r"(19|20)[0-9]{2}", year, re.ASCII):
        return int(year) + (semester == "HT")
    if day is None:
        return None
    # A grade of the autumn may be registered after New Year, one of the spring after the summer school.
    return spring_of(day) if semester == "HT" else int(day[:4])


LAST_YEAR, GRADED = 9, range(6, 10)
#: Compulsory school; a grade or an enrolment without a school form is assumed to be of it.
_FORMS = ("", "GR")


@dataclass
class Student:
    """A pupil, by pseudonym and without a name."""

    pseudonym: str
    sex: str | None = None
    birth_year: int | None = None
    enrolments: list[tuple[int, int | None, str]] = field(default_factory=list)  # spring, year in school, school
    enrolled: bool = False
    #: Spring and semester of a grade, its cohort, the school, and the year in school.
    seen: list[tuple[tuple[int, str], int, str, int]] = field(default_factory=list)

    def year_in(self, spring: int) -> int | None:
        """Return the year in school by an enrolment that began in that school year."""
        years = {year for start, year, _ in self.enrolments if start == spring and year is not None}
        return years.pop() if len(years) == 1 else None

    @property
    def cohort(self) -> int | None:
        """Year of leaving year 9: by the latest grade, or by the latest enrolment of a pupil without grades."""
        if self.seen:
            return max(self.seen)[1]
        known = [(start, year) for start, year, _ in self.enrolments if year is not None]
        return max(known)[0] + LAST_YEAR - max(known)[1] if known else None


@dataclass(frozen=True)
class Grade:
    """A usable grade, and the order that decides between several."""

    entity: Entity
    student: Student
    term: str
    subject: str
    grade: str
    order: tuple[bool, str, bool]

    @property
    def day(self) -> str:
        """The day on which it was registered (yyyy-mm-dd), or empty text."""
        return self.order[1]

    @property
    def school(self) -> str:
        """The school that gave it, or empty text."""
        return self.entity.refers("schoolUnit", "organisation")


class Students:
    """The pupils of some files by their identifiers; those without a Person are created on first use."""

    def __init__(self, entities: Entities, key: Key) -> None:
        self.entities, self.key = entities, key
        self.by_id: dict[str, Student] = {}
        self.by_pseudonym: dict[str, Student] = {}
        self.strangers: dict[str, int] = {}
        self.temporary: set[str] = set()
        self._read_persons(entities.by_kind["Person"])

    def of(self, entity: Entity) -> Student | None:
        """Return the pupil of an entity, or None after rejecting it."""
        identifier = entity.refers("student")
        if not identifier:
            self.entities.reject(entity, "entities.no_student", "student")
            return None
        if identifier not in self.by_id:
            self.strangers[identifier] = entity.row
            self._add(identifier, self._by_identifier(identifier))
        return self.by_id[identifier]

    def _add(self, identifier: str, pseudonym: str) -> Student:
        student = self.by_pseudonym.setdefault(pseudonym, Student(pseudonym))
        self.by_id[identifier] = student
        return student

    def _by_identifier(self, identifier: str) -> str:
        if re.fullmatch(r"[0-9]{12}", identifier, re.ASCII):
            # Some systems use the identity number as identifier: then the pseudonym matches other files.
            known = identities(pa.array([identifier], pa.string()))
            if not known.fault[0] and not known.unchecked[0]:
                return self.key.pseudonym(identifier)
        digest = hashlib.sha256(b"ss12000\0" + identifier.casefold().encode("utf-8", "surrogatepass")).digest()
        rows = np.frombuffer(digest[:12], dtype=np.uint8).reshape(1, 12)
        return str(as_text(self.key.digests(rows))[0].as_py())

    def _read_persons(self, persons: list[Entity]) -> None:
        numbers = [entity.text("civicNo") or _value(entity, "civicNo", "norEduPersonNIN") for entity in persons]
        # A lone surrogate is valid in JSON but not in text.
        safe = [number if number.isascii() else "" for number in numbers]
        found = identities(pa.array(safe, pa.string()))
        coded = as_text(self.key.digests(found.numbers)).to_pylist()
        without, short, unchecked = [], [], []
        for place, entity in enumerate(persons):
            identifier = entity.refers("id")
            known = not found.fault[place]
            if not identifier and not known:
                self.entities.reject(entity, "entities.no_identifier", "id")
                continue
            pseudonym = coded[place] if known else self._by_identifier(identifier)
            student = self._add(identifier or pseudonym, pseudonym)
            self.temporary |= {pseudonym} if known and found.temporary[place] else set()
            birth = read_date(entity.text("birthDate"))
            student.birth_year = int(found.birth_year[place]) if known else int(birth[:4]) if birth else None
            student.sex = SEX.get(loosely(entity.text("sex"))) or SEXES[int(found.sex[place])] or student.sex
            self._enrol(entity, student)
            if student.enrolled:
                without += [] if known else [entity.row]
                short += [entity.row] if found.short[place] else []
                unchecked += [entity.row] if found.unchecked[place] else []
        remark = self.entities.remark
        remark(without, "identity.missing/ss12000", "civicNo")
        remark(short, "identity.ten_digits", "civicNo")
        remark(unchecked, "identity.check_digit/ss12000", "civicNo")

    def _enrol(self, entity: Entity, student: Student) -> None:
        listed = entity.content.get("enrolments")
        for entry in listed if isinstance(listed, list) else []:
            one = Entity(entity.row, "Enrolment", entry if isinstance(entry, dict) else {})
            start = read_date(one.text("startDate")[:10])
            if one.text("schoolType").upper() in _FORMS and one.content:
                student.enrolled = True
                if start is not None:
                    school = one.refers("enroledAt", "enrolledAt")
                    student.enrolments.append((spring_of(start), year_in_school(one.text("schoolYear")), school))


@dataclass
class _Reading:
    """Settings shared by all grades of a reading."""

    students: Students
    declaration: Declaration
    syllabuses: Mapping[str, Entity]
    subjects: Mapping[str, str]
    by_date: list[int] = field(default_factory=list)
    scales: dict[int, tuple[Scale, dict[str, str]] | None] = field(default_factory=dict)

    def scale(self, cohort: int) -> tuple[Scale, dict[str, str]] | None:
        """Return the scale of a cohort and the words for its grades, or None if no scale is known for it."""
        if cohort not in self.scales:
            try:
                scale = self.declaration.grading(cohort).scale
                self.scales[cohort] = (scale, grade_words(scale))
            except GradingError:
                self.scales[cohort] = None
        return self.scales[cohort]

    def subject(self, entity: Entity) -> str | None:
        """Return the subject of a grade, by its own code or name or by those of its syllabus."""
        syllabus = self.syllabuses.get(entity.refers("syllabus"))
        for one in (entity, syllabus):
            for name in ("subjectCode", "subjectName") if one is not None else ():
                text = one.text(name) if one is not None else ""
                found = self.subjects.get(loosely(text)) or _official().get(text.upper())
                if found is not None:
                    return found
        return None


def read_grades(students: Students, declaration: Declaration) -> tuple[list[Grade], list[Grade]]:
    """Return the grades of compulsory school that can be used, and those of examinations after year 9.

    The others are rejected with a reason. Official figures are those before examinations.
    """
    entities = students.entities
    syllabuses = {one.refers("id"): one for one in entities.by_kind["Syllabus"]}
    reading = _Reading(students, declaration, syllabuses, subject_words(declaration))
    usable: dict[tuple[str, str, str], list[Grade]] = {}
    examined: list[Grade] = []
    for entity in entities.by_kind["Grade"]:
        one = _grade(entity, reading)
        if one is not None and entity.content.get("trial") is True:
            if one.term == f"{LAST_YEAR}VT":
                examined.append(one)
            else:
                entities.reject(entity, "grades.examination/other")
        elif one is not None:
            usable.setdefault((one.student.pseudonym, one.term, one.subject), []).append(one)
    entities.remark(reading.by_date, "entities.no_semester", "semester")
    entities.remark([one.entity.row for one in examined], "grades.examination", "trial")
    return [kept for same in usable.values() for kept in _latest(same, entities)], examined


def _grade(entity: Entity, reading: _Reading) -> Grade | None:
    students = reading.students
    reject = students.entities.reject
    if entity.text("schoolType").upper() not in _FORMS:
        reject(entity, "entities.other_school_form", "schoolType")
        return None
    student = students.of(entity)
    if student is None:
        return None
    day = read_date(entity.text("registeredDate")[:10])
    semester = _semester(entity, day, reading)
    if semester is None:
        reject(entity, "entities.unknown_semester", "semester")
        return None
    spring = spring_of_grade(entity, semester, day)
    if spring is None:
        reject(entity, "entities.no_date", "year")
        return None
    year = year_in_school(entity.text("schoolYear"))
    year = student.year_in(spring) if year is None else year
    if year is None:
        reject(entity, "entities.no_school_year/grade", "schoolYear")
        return None
    term, cohort = f"{year}{semester}", spring + LAST_YEAR - year
    if year not in GRADED or term not in reading.declaration.terms:
        reject(entity, "entities.other_year/grade", "schoolYear")
        return None
    subject = reading.subject(entity)
    if subject is None:
        reject(entity, "values.unknown_subject/ss12000", "subjectCode")
        return None
    known = reading.scale(cohort)
    if known is None:
        reject(entity, "cohorts.no_scale/ss12000", "year")
        return None
    scale, words = known
    grade = read_grade(entity.text("gradeValue"), words, scale)
    if grade is None:
        reject(entity, "grades.unknown_grade/ss12000", "gradeValue", grades=", ".join(scale.order))
        return None
    if entity.content.get("trial") is not True:
        student.seen.append(((spring, semester), cohort, entity.refers("schoolUnit", "organisation"), year))
    final = entity.content.get("finalGrade") is True
    return Grade(entity, student, term, subject, grade, (bool(entity.text("correctionType")), day or "", final))


def _semester(entity: Entity, day: str | None, reading: _Reading) -> str | None:
    """Return HT or VT; without a semester by the date, which is noted."""
    semester = entity.text("semester").upper()
    if semester in ("HT", "VT"):
        return semester
    if semester or day is None:
        return None
    reading.by_date.append(entity.row)
    return "HT" if int(day[5:7]) >= 7 else "VT"


def _latest(same: list[Grade], entities: Entities) -> list[Grade]:
    """Keep one of several grades of a pupil in a subject and term: a correction, or else the latest.

    Of the grades of two schools a real one goes before a streck, as in other files.
    """
    several = len({one.school for one in same}) > 1
    orders = [(one.order[0], several and one.grade in real_grades(), *one.order[1:]) for one in same]
    best = max(orders)
    last = [one for one, order in zip(same, orders, strict=True) if order == best]
    for one, order in zip(same, orders, strict=True):
        if order != best:
            entities.reject(one.entity, "grades.replaced/correction" if best[0] else "grades.replaced")
    if len({one.grade for one in last}) > 1:
        for one in last:
            entities.reject(one.entity, "rows.contradictory/ss12000")
        return []
    for one in last[1:]:
        entities.reject(one.entity, "rows.repeated/ss12000")
    return last[:1]


@cache
def _official() -> dict[str, str]:
    subjects = packaged_toml("nbanalytics.municipal", "ss12000.toml")["subjects"]
    return {str(code): str(subject) for code, subject in subjects.items()}


def _value(entity: Entity, *names: str) -> str:
    for name in names:
        value: Any = entity.content.get(name)
        value = value.get("value") if isinstance(value, dict) else value
        if isinstance(value, str) and value.strip():
            return value.strip()
    return ""
