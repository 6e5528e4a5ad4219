"""SS12000:2020 as JSON files: grades, persons, school units and attendance, converted to tables of records."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING

from nbanalytics.declaration import Declaration
from nbanalytics.eligibility import term_results
from nbanalytics.errors import GradingError
from nbanalytics.grading import Grading
from nbanalytics.municipal.pseudonyms import Key, new_key
from nbanalytics.municipal.recognise import FileRead
from nbanalytics.municipal.ss12000_pages import looks_like_ss12000
from nbanalytics.municipal.ss12000_students import (
    LAST_YEAR,
    Entities,
    Entity,
    Grade,
    Student,
    Students,
    read_entities,
    read_grades,
    spring_of,
)
from nbanalytics.readers.report import FileReport
from nbanalytics.readers.words import read_date

if TYPE_CHECKING:
    import pandas as pd

FORMAT = "ss12000"
LAST_TERM = f"{LAST_YEAR}VT"
_MOST_NAMED = 40
_MINUTES = ("attendanceMinutes", "validAbsenceMinutes", "invalidAbsenceMinutes", "otherAttendanceMinutes")
_SUMS = ("attendanceSum", "validAbsenceSum", "invalidAbsenceSum", "otherAttendanceSum")
#: A year has half a million minutes; a larger number is wrong.
_MOST_MINUTES = 1_000_000


def matches(path: Path, head: bytes) -> bool:
    """Whether a file is SS12000, by its content."""
    return looks_like_ss12000(head)


def read_ss12000(path: str | Path | Sequence[str | Path], *, key: Key | None = None) -> FileRead:
    """Read entities of SS12000:2020 from JSON files.

    Parameters
    ----------
    path : str, Path, or sequence of them
        One file, several, or a folder of .json files; a page (``{"data": [...], "pageToken": …}``), a list of entities
        or of pages, or several kinds by name. Entities refer to each other, so files that belong together are read
        together.
    key : Key, optional
        Makes pseudonyms; without it they are valid for this reading only.

    Returns
    -------
    FileRead
        With a table for each kind of entity in the pages: ``students`` (student_id, cohort, sex, birth_year, school_id,
        school_id_y6), ``grades`` (student_id, term, subject, grade), ``absence`` (student_id, term, valid and invalid
        in per cent of the planned minutes), ``schools`` (school_id, name) and ``outcomes`` (student_id,
        eligible_after_summer, of those not eligible in 9VT who took an examination). A row of the report is an entity.

    Raises
    ------
    DataError
        If a file is not JSON, cut off, too large, or takes more memory or time than pages of a service.

    Examples
    --------
    >>> import json, tempfile
    >>> grade = {"student": {"id": "a"}, "gradeValue": "C", "subjectCode": "MA", "schoolYear": 9, "semester": "VT"}
    >>> page = Path(tempfile.mkdtemp()) / "grades.json"
    >>> _ = page.write_text(json.dumps({"data": [grade | {"year": 2018}], "pageToken": None}))
    >>> read_ss12000(page).tables["grades"][["term", "subject", "grade"]].to_dict("records")
    [{'term': '9VT', 'subject': 'MA', 'grade': 'C'}]
    """
    entities = read_entities(path)
    if key is None:
        entities.told.append("no key: the pseudonyms are valid for this reading only")
    students = Students(entities, new_key() if key is None else key)
    grades, examined = read_grades(students, Declaration())
    schools = {one.refers("id"): one.text("schoolUnitCode") or one.refers("id") for one in _units(entities)}
    absence = _absence(students, Declaration())
    tables = {
        "students": _students_table(students, schools),
        "grades": _frame([_grade_row(one) for one in grades], ["student_id", "term", "subject", "grade"]),
        "absence": _frame(absence, ["student_id", "term", "valid", "invalid"]),
        "schools": _frame(
            list({schools[one.refers("id")]: one.text("displayName") for one in _units(entities)}.items()),
            ["school_id", "name"],
        ),
    }
    outcomes = _after_summer(tables["grades"], examined)
    if len(outcomes):
        tables["outcomes"] = outcomes
    _tell(students, tables)
    findings = (*([entities.unusable] if entities.unusable else []), *entities.noted.findings())
    told = (entities.told, entities.missing, (), sorted(entities.unread)[:_MOST_NAMED])
    report = FileReport.of_rows(entities.label, FORMAT, entities.rows, findings, *told)
    registered = {one.student.pseudonym: one.day for one in sorted(grades, key=lambda one: one.day)}
    return FileRead(
        report,
        {name: table for name, table in tables.items() if len(table)},
        _days(registered),
        frozenset(students.temporary),
    )


def _after_summer(grades: pd.DataFrame, examined: Sequence[Grade]) -> pd.DataFrame:
    """Return who of those with examinations became eligible by them: the grades of 9VT with the better ones."""
    made = []
    own = grades[grades["term"].eq(LAST_TERM) & grades["student_id"].isin([one.student.pseudonym for one in examined])]
    by_student = {
        student: dict(zip(rows["subject"], rows["grade"], strict=True)) for student, rows in own.groupby("student_id")
    }
    for student, group in groupby(sorted(examined, key=_pseudonym), _pseudonym):
        exams = list(group)
        try:
            grading = Declaration().grading(int(exams[0].student.cohort or 0))
        except GradingError:
            continue
        held = by_student.get(student, {})
        better = dict(held)
        for one in exams:
            either = [better.get(one.subject, ""), one.grade]
            better[one.subject] = max(either, key=lambda grade: grading.scale.points.get(grade, -1))
        was, became = (_is_eligible(student, term, grading) for term in (held, better))
        if not was:
            made.append((student, became))
    return _frame(made, ["student_id", "eligible_after_summer"])


def _pseudonym(one: Grade) -> str:
    return one.student.pseudonym


def _is_eligible(student: str, grades: dict[str, str], grading: Grading) -> bool:
    import pandas as pd

    rows = [(student, LAST_TERM, subject, grade) for subject, grade in grades.items()]
    table = pd.DataFrame(rows, columns=["student_id", "term", "subject", "grade"], dtype="str")
    return bool(len(rows)) and bool(term_results(table, grading)["eligible"].iloc[0])


def _days(registered: dict[str, str]) -> pd.Series:
    import pandas as pd

    return pd.Series({pupil: int(day.replace("-", "") or 0) for pupil, day in registered.items()}, dtype="int64")


def _units(entities: Entities) -> list[Entity]:
    return [one for one in entities.by_kind["SchoolUnit"] if one.refers("id")]


def _grade_row(one: Grade) -> tuple[str, str, str, str]:
    return one.student.pseudonym, one.term, one.subject, one.grade


def _students_table(students: Students, schools: dict[str, str]) -> pd.DataFrame:
    rows: list[tuple[object, ...]] = []
    for student in students.by_pseudonym.values():
        if student.cohort is not None and (student.seen or student.enrolled):
            latest = max(student.seen)[2] if student.seen else ""
            latest = latest or max((one[0], one[2]) for one in [*student.enrolments, (0, 0, "")])[1]
            year_6 = max(((when, school) for when, _, school, year in student.seen if year == 6), default=(None, ""))[1]
            codes = [schools.get(school, school) or None for school in (latest, year_6)]
            rows.append((student.pseudonym, student.cohort, student.sex, student.birth_year, *codes))
    table = _frame(rows, ["student_id", "cohort", "sex", "birth_year", "school_id", "school_id_y6"])
    return table.astype({"cohort": "int64", "birth_year": "Int64"}) if len(table) else table


def _absence(students: Students, declaration: Declaration) -> list[tuple[str, str, float, float]]:
    """Add up planned and absent minutes by student and term."""
    entities = students.entities
    events = {one.refers("id"): one.text("startTime") for one in entities.by_kind["CalendarEvent"]}
    sums: dict[tuple[str, str], list[float]] = {}
    unreported: list[int] = []
    for entity in [*entities.by_kind["Attendance"], *entities.by_kind["AggregatedAttendance"]]:
        student = students.of(entity)
        if student is None:
            continue
        if entity.content.get("isReported") is False:
            unreported.append(entity.row)
            continue
        term = _term(entity, student, events, declaration, entities)
        minutes = _minutes(entity, entities) if term else None
        if minutes is not None:
            total = sums.setdefault((student.pseudonym, term), [0.0, 0.0, 0.0])
            for place, part in enumerate(minutes):
                total[place] += part
    entities.remark(unreported, "attendance.unreported", "isReported")
    return [
        (*of, 100 * valid / planned, 100 * invalid / planned)
        for of, (planned, valid, invalid) in sums.items()
        if planned
    ]


def _term(
    entity: Entity, student: Student, events: dict[str, str], declaration: Declaration, entities: Entities
) -> str:
    """Return the term of the attendance, or empty text after rejecting it."""
    texts = (
        entity.text("date"),
        entity.text("startDate"),
        entity.embedded("calendarEvent").text("startTime"),
        events.get(entity.refers("calendarEvent"), ""),
        entity.text("reportedTimestamp"),
    )
    day = next((day for day in (read_date(text[:10]) for text in texts) if day is not None), None)
    if day is None:
        entities.reject(entity, "attendance.no_date", "calendarEvent")
        return ""
    end = read_date(entity.text("endDate")[:10])
    semester = "HT" if int(day[5:7]) >= 7 else "VT"
    if end is not None and (spring_of(end), int(end[5:7]) >= 7) != (spring_of(day), semester == "HT"):
        entities.reject(entity, "attendance.several_terms", "endDate")
        return ""
    if student.cohort is None:
        entities.reject(entity, "entities.no_school_year", "student")
        return ""
    term = f"{LAST_YEAR - (student.cohort - spring_of(day))}{semester}"
    if term not in declaration.terms:
        entities.reject(entity, "entities.other_year", "student")
        return ""
    return term


def _minutes(entity: Entity, entities: Entities) -> tuple[float, float, float] | None:
    """Return planned, validly and invalidly absent minutes, or None after rejecting the entity."""
    names = _MINUTES if entity.kind == "Attendance" else _SUMS
    planned_name = "plannedMinutes" if entity.kind == "Attendance" else "offeredSum"
    values = []
    for name in (*names, planned_name):
        value = entity.content.get(name)
        number = isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= _MOST_MINUTES
        if value is not None and not number:
            entities.reject(entity, "attendance.not_minutes", name)
            return None
        values.append(None if value is None else float(value))
    present, valid, invalid, other, planned = values
    if planned is None and present is None:
        entities.reject(entity, "attendance.no_planned_minutes", planned_name)
        return None
    told = (present or 0.0) + (valid or 0.0) + (invalid or 0.0) + (other or 0.0)
    absent = (valid or 0.0) + (invalid or 0.0)
    planned = told if planned is None else planned
    if absent > planned:
        entities.reject(entity, "attendance.more_than_planned", planned_name)
        return None
    return planned, valid or 0.0, invalid or 0.0


def _tell(students: Students, tables: dict[str, pd.DataFrame]) -> None:
    """List the assumptions, and what is missing for which analysis."""
    entities = students.entities
    told, missing = entities.told, entities.missing
    others = [one for one in students.by_pseudonym.values() if not one.seen and not one.enrolled]
    if others:
        told.append(f"{len(others)} persons without grades and enrolments are not students")
    unplaced = [one for one in students.by_pseudonym.values() if one.cohort is None and one.enrolled]
    if unplaced:
        missing.append(f"{len(unplaced)} students have neither grades nor an enrolment with schoolYear: no cohort")
    several = [one for one in students.by_pseudonym.values() if len({seen[1] for seen in one.seen}) > 1]
    if several:
        told.append(f"{len(several)} students have grades of different cohorts: the latest grade decides")
    if any(not one.seen and one.cohort is not None for one in students.by_pseudonym.values()):
        told.append("the cohort of students without grades follows from the start of their latest enrolment")
    if students.strangers:
        entities.remark(students.strangers.values(), "entities.no_person", "student")
    if not entities.by_kind["Person"]:
        missing.append("no Person: nothing can be shown by sex, and students cannot be joined with other files")
    if not len(tables["grades"]):
        missing.append("no usable Grade: there is nothing to analyse")
    if not len(tables["absence"]):
        missing.append("no usable Attendance with planned minutes: the absence panel will be empty")
    if not len(tables["schools"]):
        missing.append("no SchoolUnit: schools are shown by their identifiers")
    missing.append("SS12000 does not record newly arrived students: nothing can be shown for them")


def _frame(rows: Sequence[object], columns: list[str]) -> pd.DataFrame:
    import pandas as pd

    return pd.DataFrame(rows, columns=columns).sort_values(columns[:3], ignore_index=True, kind="stable")
