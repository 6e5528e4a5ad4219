"""SS12000 as JSON files: pages, lists and folders; who becomes a student, and what is told of the rest."""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path
from typing import Any

import hypothesis.strategies as st
import pytest
from examples import examples
from hypothesis import given, settings
from municipal_files import KEY

from nbanalytics.errors import DataError, NbanalyticsError
from nbanalytics.municipal import ss12000_pages
from nbanalytics.municipal.pseudonyms import Key
from nbanalytics.municipal.recognise import FileRead
from nbanalytics.municipal.ss12000 import matches, read_ss12000
from nbanalytics.readers import workbook

#: Made by the rules of identity numbers; the given and family names are words.
GIRL, BOY, TEMPORARY = "200203122387", "200207152398", "20020101TF01"
NAMES = ("Alva", "Planterad")


def person(identifier: str, civic: str | None, **more: Any) -> dict[str, Any]:
    """Make a Person as a service writes it."""
    made = {"id": identifier, "givenName": NAMES[0], "familyName": NAMES[1], "meta": {"created": "2017-01-01"}}
    enrolments = [{"enroledAt": {"id": "u1"}, "schoolType": "GR", "schoolYear": 9, "startDate": "2017-08-20"}]
    nin = {} if civic is None else {"civicNo": {"value": civic, "nationality": "SE"}}
    return made | nin | {"enrolments": enrolments, "emails": [{"value": "alva.planterad@example.org"}]} | more


def grade(student: str, value: str = "C", subject: str = "GRGRMAT01", /, **more: Any) -> dict[str, Any]:
    """Make a Grade."""
    grade.number = getattr(grade, "number", 0) + 1  # type: ignore[attr-defined]
    return {
        "id": f"g{grade.number}",  # type: ignore[attr-defined]
        "student": {"id": student, "displayName": "Alva Planterad"},
        "organisation": {"id": "u1"},
        "registeredDate": "2018-06-10",
        "gradeValue": value,
        "finalGrade": False,
        "subjectCode": subject,
        "schoolYear": "9",
        "semester": "VT",
    } | more


def unit(identifier: str = "u1", code: str | None = "12345678", name: str = "Ekskolan") -> dict[str, Any]:
    """Make a SchoolUnit."""
    code_too = {} if code is None else {"schoolUnitCode": code}
    return {"id": identifier, "displayName": name, "schoolTypes": ["GR"]} | code_too


def attendance(
    student: str, day: str, present: int | None, valid: int = 0, invalid: int = 0, **more: Any
) -> dict[str, Any]:
    """Make an Attendance with the lesson inside."""
    return {
        "student": {"id": student},
        "isReported": True,
        "attendanceMinutes": present,
        "validAbsenceMinutes": valid,
        "invalidAbsenceMinutes": invalid,
        "_embedded": {
            "calendarEvent": {"id": "e", "startTime": f"{day}T08:00:00+01:00"},
            "student": {"givenName": "Alva"},
        },
    } | more


def read(where: Path, *pages: Any, key: Key | None = KEY) -> FileRead:
    """Write pages to a folder and read it; every entity has to be counted, and nobody named."""
    for number, page in enumerate(pages):
        (where / f"page{number}.json").write_text(json.dumps(page), encoding="utf-8")
    found = read_ss12000(where, key=key)
    report = found.report
    assert report.rows == report.read + len(report.rejected)
    said = str(report) + str(report.as_dict()) + "".join(table.to_csv() for table in found.tables.values())
    for planted in (*NAMES, GIRL, BOY, GIRL[2:8], "example.org"):
        assert planted not in said
    return found


def page(*entries: Any, token: str | None = None) -> dict[str, Any]:
    """Make a page."""
    return {"data": list(entries), "pageToken": token}


def test_a_municipality_in_pages(tmp_path: Path) -> None:
    six = grade("a", "B", schoolYear=6, registeredDate="2015-06-01", organisation={"id": "u2"})
    found = read(
        tmp_path,
        page(person("a", GIRL), token="next"),
        page(person("b", BOY)),
        page(grade("a"), grade("b", "F", "EN"), six),
        page(unit(), unit("u2", None, "Askskolan")),
        page(attendance("a", "2018-03-01", 45, 10, 5), attendance("a", "2018-03-02", 40)),
    )
    assert found.report.rows == 9
    assert not found.report.n_rejected
    students = found.tables["students"].set_index("student_id").loc[[KEY.pseudonym(GIRL), KEY.pseudonym(BOY)]]
    assert students["cohort"].tolist() == [2018, 2018]
    assert students["sex"].tolist() == ["girl", "boy"]
    assert students["birth_year"].tolist() == [2002, 2002]
    assert students["school_id"].tolist() == ["12345678", "12345678"]
    assert students["school_id_y6"].iloc[0] == "u2"
    grades = found.tables["grades"]
    assert sorted(zip(grades["term"], grades["subject"], grades["grade"], strict=True)) == [
        ("6VT", "MA", "B"),
        ("9VT", "EN", "F"),
        ("9VT", "MA", "C"),
    ]
    assert found.tables["absence"].drop(columns="student_id").to_dict("records") == [
        {"term": "9VT", "valid": 10.0, "invalid": 5.0}
    ]
    assert found.tables["schools"].to_dict("records") == [
        {"school_id": "12345678", "name": "Ekskolan"},
        {"school_id": "u2", "name": "Askskolan"},
    ]


@pytest.mark.parametrize(
    "content",
    [
        [person("a", GIRL), grade("a")],
        page(person("a", GIRL), grade("a")),
        [page(person("a", GIRL)), page(grade("a"))],
        {"persons": [person("a", GIRL)], "grades": page(grade("a"))},
    ],
    ids=["list", "page", "list of pages", "by kind"],
)
def test_lists_and_pages_are_the_same(tmp_path: Path, content: Any) -> None:
    found = read(tmp_path, content)
    assert found.report.rows == 2
    assert found.tables["grades"]["student_id"].tolist() == [KEY.pseudonym(GIRL)]


def test_one_entity_alone_and_a_list_of_files(tmp_path: Path) -> None:
    for name, content in (("a.json", person("a", GIRL)), ("b.json", [grade("a")])):
        (tmp_path / name).write_text("\ufeff" + json.dumps(content), encoding="utf-8")
    found = read_ss12000([tmp_path / "a.json", tmp_path / "b.json"], key=KEY)
    assert found.report.rows == 2
    assert "a.json 1–1; b.json 2–2" in found.report.assumed[0]


@pytest.mark.parametrize(
    ("more", "term", "cohort"),
    [
        ({}, "9VT", 2018),
        ({"schoolYear": "Åk 8"}, "8VT", 2019),
        ({"schoolYear": 7, "semester": "HT", "year": 2015, "registeredDate": None}, "7HT", 2018),
        ({"schoolYear": 7, "semester": "HT", "registeredDate": "2016-01-07"}, "7HT", 2018),
        ({"schoolYear": 7, "semester": "HT", "registeredDate": "2015-12-18"}, "7HT", 2018),
        ({"schoolYear": 9, "registeredDate": "2018-08-10"}, "9VT", 2018),
        ({"schoolYear": "2017/2018"}, "9VT", 2018),
        ({"schoolYear": None}, "9VT", 2018),
        ({"semester": None, "registeredDate": "2017-12-20"}, "9HT", 2018),
    ],
)
def test_term_and_cohort(tmp_path: Path, more: dict[str, Any], term: str, cohort: int) -> None:
    found = read(tmp_path, [person("a", GIRL), grade("a", **more)])
    assert found.tables["grades"]["term"].tolist() == [term]
    assert found.tables["students"]["cohort"].tolist() == [cohort]


@pytest.mark.parametrize(
    ("more", "column"),
    [
        ({"schoolYear": 5}, "schoolYear"),
        ({"schoolYear": None, "registeredDate": "2016-06-10"}, "schoolYear"),
        ({"semester": "Q1"}, "semester"),
        ({"semester": None, "registeredDate": None}, "semester"),
        ({"registeredDate": None}, "year"),
        ({"gradeValue": "MVG"}, "gradeValue"),
        ({"gradeValue": 7}, "gradeValue"),
        ({"gradeValue": "Alva Planterad"}, "gradeValue"),
        ({"subjectCode": "Alva"}, "subjectCode"),
        ({"student": None}, "student"),
        ({"schoolType": "GY"}, "schoolType"),
        ({"year": 1950}, "gradeValue"),
    ],
)
def test_grades_that_cannot_be_used_are_rejected(tmp_path: Path, more: dict[str, Any], column: str) -> None:
    report = read(tmp_path, [person("a", GIRL), grade("a", "A"), grade("a", **more)]).report
    assert report.read == 2
    ((row, reason),) = report.rejected
    assert row == 3
    assert reason.startswith(f"{column}: ")


def test_subjects_by_syllabus_and_by_name(tmp_path: Path) -> None:
    syllabus = {"id": "s", "subjectCode": "GRGRSVA01", "subjectName": "Svenska som andraspråk"}
    grades = [
        grade("a", "C", "", syllabus={"id": "s"}),
        grade("a", "C", "GRGRMSP01", subjectName="Moderna språk, språkval"),
        grade("a", "C", "Biologi"),
        grade("a", "C", "idh"),
    ]
    found = read(tmp_path, [syllabus, person("a", GIRL), *grades])
    assert sorted(found.tables["grades"]["subject"]) == ["BI", "IDH", "M2", "SVA"]


def test_the_latest_of_several_grades_is_kept(tmp_path: Path) -> None:
    report = read(
        tmp_path,
        [
            person("a", GIRL),
            grade("a", "F"),
            grade("a", "E", registeredDate="2018-08-10"),
            grade("a", "E", "EN"),
            grade("a", "E", "EN"),
            grade("a", "E", "BI"),
            grade("a", "C", "BI"),
        ],
    )
    kept = report.tables["grades"]
    assert dict(zip(kept["subject"], kept["grade"], strict=True)) == {"MA": "E", "EN": "E"}
    assert [row for row, _ in report.report.rejected] == [2, 5, 6, 7]


def test_streck_stays_streck(tmp_path: Path) -> None:
    found = read(tmp_path, [person("a", GIRL), grade("a", "–")])
    assert found.tables["grades"]["grade"].tolist() == ["-"]


def test_persons_without_a_usable_number(tmp_path: Path) -> None:
    found = read(
        tmp_path,
        [person("a", None, sex="Kvinna", birthDate="2002-03-12"), person("b", TEMPORARY), person("c", "Alva")],
        [grade("a"), grade("b"), grade("c"), grade("stranger")],
    )
    students = found.tables["students"]
    assert len(set(students["student_id"])) == 4
    assert students["student_id"].str.fullmatch(r"P[A-Z2-7]{16}").all()
    temporary = students[students["student_id"] == KEY.pseudonym(TEMPORARY)].iloc[0]
    assert temporary["birth_year"] == 2002
    assert temporary["sex"] is None or temporary["sex"] != temporary["sex"]
    assert (students["sex"] == "girl").sum() == 1
    told = {finding.what for finding in found.report.findings}
    assert {"no identity number", "students without a Person"} <= told


def test_pseudonyms_are_the_same_in_every_reading_with_the_key_only(tmp_path: Path) -> None:
    entries = [person("a", None), grade("a")]
    once, again, other = (read(tmp_path, entries, key=key) for key in (KEY, KEY, None))
    assert once.tables["grades"].equals(again.tables["grades"])
    assert not once.tables["grades"].equals(other.tables["grades"])
    assert any("no key" in text for text in other.report.assumed)


def test_an_identifier_that_is_an_identity_number_fits_other_files(tmp_path: Path) -> None:
    found = read(tmp_path, [grade(GIRL)])
    assert found.tables["students"]["student_id"].tolist() == [KEY.pseudonym(GIRL)]


def test_teachers_and_guardians_are_no_students(tmp_path: Path) -> None:
    teacher = {"id": "t", "givenName": "Alva", "familyName": "Planterad", "civicNo": "197001012393"}
    found = read(tmp_path, [teacher, person("a", GIRL), grade("a")])
    assert len(found.tables["students"]) == 1
    assert any("1 persons without grades and enrolments" in text for text in found.report.assumed)


def test_students_without_grades_belong_to_the_cohort(tmp_path: Path) -> None:
    found = read(tmp_path, [person("a", GIRL), person("b", BOY), grade("a")])
    assert found.tables["students"]["cohort"].tolist() == [2018, 2018]


def test_the_latest_grade_decides_the_cohort(tmp_path: Path) -> None:
    found = read(
        tmp_path, [person("a", GIRL), grade("a"), grade("a", schoolYear=8, registeredDate="2016-06-10", id="again")]
    )
    assert found.tables["students"]["cohort"].tolist() == [2018]
    assert any("different cohorts" in text for text in found.report.assumed)


def test_absence_in_per_cent_of_the_planned_minutes(tmp_path: Path) -> None:
    whole = {
        "student": {"id": "a"},
        "activity": {"id": "x"},
        "startDate": "2016-08-15",
        "endDate": "2016-12-20",
        "attendanceSum": 600,
        "validAbsenceSum": 100,
        "invalidAbsenceSum": 50,
        "offeredSum": 1000,
    }
    event = {"id": "lesson", "startTime": "2018-02-01T08:00:00+01:00", "endTime": "x", "activity": {"id": "x"}}
    found = read(
        tmp_path,
        [person("a", GIRL), grade("a"), event, whole, whole | {"activity": {"id": "y"}}],
        [
            attendance("a", "", 30, 10, _embedded={}, calendarEvent={"id": "lesson"}),
            attendance("a", "2018-02-02", None, 0, 20, plannedMinutes=60),
            attendance("a", "2018-02-03", 0, 45, isReported=False),
        ],
    )
    rows = found.tables["absence"].drop(columns="student_id").set_index("term")
    assert rows.loc["8HT"].tolist() == [10, 5]
    assert rows.loc["9VT"].tolist() == [10, 20]
    assert not found.report.n_rejected


@pytest.mark.parametrize(
    ("one", "column"),
    [
        (attendance("a", "2018-02-02", None), "plannedMinutes"),
        (attendance("a", "2018-02-02", 10, -5), "validAbsenceMinutes"),
        (attendance("a", "2018-02-02", "Alva"), "attendanceMinutes"),  # type: ignore[arg-type]
        (attendance("a", "2018-02-02", 0, 50, plannedMinutes=40), "plannedMinutes"),
        (attendance("a", "Alva", 10), "calendarEvent"),
        (attendance("a", "2012-02-02", 10), "student"),
        (attendance("b", "2018-02-02", 10), "student"),
        ({"student": "a", "startDate": "2017-08-20", "endDate": "2018-06-10", "attendanceSum": 5}, "endDate"),
    ],
)
def test_attendance_that_cannot_be_used_is_rejected(tmp_path: Path, one: dict[str, Any], column: str) -> None:
    found = read(tmp_path, [person("a", GIRL), grade("a"), one])
    ((row, reason),) = found.report.rejected
    assert row == 3
    assert reason.startswith(f"{column}: ")
    assert "absence" not in found.tables
    assert any("absence panel will be empty" in text for text in found.report.missing)


def test_what_is_no_entity_is_counted(tmp_path: Path) -> None:
    report = read(
        tmp_path, [person("a", GIRL), grade("a", id="g"), grade("a", id="g"), {"room": 1}, 7, None, "Alva"]
    ).report
    assert report.rows == 7
    assert [row for row, _ in report.rejected] == [3, 4, 5, 6, 7]


def test_a_page_that_is_missing_is_told(tmp_path: Path) -> None:
    report = read(tmp_path, page(person("a", GIRL), token="next"), page(grade("a"))).report
    assert any(text.startswith("the last page of Person") for text in report.missing)
    assert not any("Grade" in text for text in report.missing)


def test_a_last_page_may_be_empty(tmp_path: Path) -> None:
    report = read(tmp_path, page(person("a", GIRL), token="next"), page(), page(grade("a"))).report
    assert not any("last page" in text for text in report.missing)
    assert matches(tmp_path, json.dumps(page()).encode())


def test_it_is_recognised_by_its_content(tmp_path: Path) -> None:
    for content in (page(person("a", GIRL)), [grade("a")], [unit()]):
        assert matches(tmp_path, json.dumps(content).encode()[:65536])
    for other in (b"", b"PK\x03\x04", b'{"values": []}', b"student;grade", b"[1, 2]"):
        assert not matches(tmp_path, other)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\x00" * 50,
        b"[" * 200_000,
        b'{"a":' * 200_000,
        b"[" + b"9" * 5000 + b"]",
        '{"namn": "Åsa Planterad"}'.encode("cp1252"),
        json.dumps([person("a", GIRL)]).encode()[:-20],
        json.dumps([person("a", GIRL)]).encode().replace(b'"id"', b'"id": "Planterad", "id"', 1),
        b'{"data": [{"gradeValue": "C"}], "data": []}',
    ],
    ids=[
        "empty",
        "NULs",
        "deep lists",
        "deep objects",
        "a long number",
        "Windows-1252",
        "cut off",
        "a key twice",
        "a list of entities twice",
    ],
)
def test_files_that_cannot_be_read(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "x.json").write_bytes(content)
    with pytest.raises(DataError, match=r"x\.json") as raised:
        read_ss12000(tmp_path / "x.json", key=KEY)
    assert "Planterad" not in str(raised.value)


@pytest.mark.parametrize(
    ("limit", "words"), [("MOST_BYTES", "larger than"), ("MOST_VALUES", "values"), ("MOST_ENTITIES", "entities")]
)
def test_what_a_file_may_hold_is_limited_where_memory_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limit: str, words: str
) -> None:
    path = tmp_path / "x.json"
    path.write_text(json.dumps(page(person("a", GIRL), grade("a"))))
    assert "pages" in ss12000_pages.answer(str(path))
    monkeypatch.setattr(ss12000_pages, limit, 1)
    what, remedy = ss12000_pages.answer(str(path))["refused"]
    assert words in what
    assert remedy == "Export it page by page."


@pytest.mark.skipif(sys.platform != "linux", reason="only there memory is limited reliably")
@pytest.mark.parametrize(
    ("limit", "most", "words"),
    [("MOST_MEMORY", 120_000_000, "needs more memory"), ("_WAITING", 0.0, "cannot be read with")],
)
def test_a_file_that_takes_too_much_ends_another_process_and_the_next_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limit: str, most: float, words: str
) -> None:
    path = tmp_path / "x.json"
    path.write_bytes(b'{"data": [' + b'{"gradeValue": 0, "id": "a", "year": 1},' * 200_000 + b"{}]}")
    with monkeypatch.context() as limited:
        limited.setattr(workbook, limit, most)
        with pytest.raises(DataError, match=rf"x\.json {words}.*page by page") as raised:
            read_ss12000(path, key=KEY)
    assert "does not follow" not in str(raised.value)
    assert read(tmp_path, [person("a", GIRL), grade("a")]).report.read == 2


def test_an_empty_folder_and_a_missing_file(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "none.json"):
        with pytest.raises(DataError):
            read_ss12000(path, key=KEY)


GRADE = ["id", "student", "gradeValue", "subjectCode", "syllabus", "schoolYear", "year", "semester", "registeredDate"]
ABSENT = [
    "isReported",
    "attendanceMinutes",
    "validAbsenceMinutes",
    "calendarEvent",
    "startDate",
    "endDate",
    "offeredSum",
]
OTHER = [
    "civicNo",
    "birthDate",
    "sex",
    "enrolments",
    "enroledAt",
    "schoolUnitCode",
    "schoolType",
    "displayName",
    "value",
]
FIELDS = [*GRADE, *ABSENT, *OTHER, "startTime", "_embedded", "data", "pageToken", "schoolUnit"]
LEAF = (
    st.none()
    | st.booleans()
    | st.integers(-5, 10**13)
    | st.floats()
    | st.sampled_from(["a", "VT", "9", "C", "MA", GIRL, "Alva Planterad", "2018-06-10", "GR", "\x00", "\ud800", ""])
)
JSON = st.recursive(
    LEAF,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(FIELDS), inner, max_size=8),
    max_leaves=20,
)


@settings(max_examples=examples(150))
@given(
    content=st.lists(JSON | st.builds(lambda more: grade("a") | more, st.dictionaries(st.sampled_from(FIELDS), LEAF)))
)
def test_any_json_gives_a_report_or_an_error(content: list[Any]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "x.json"
        path.write_text(json.dumps([person("a", GIRL), attendance("a", "2018-03-01", 9), *content]), encoding="utf-8")
        try:
            found = read_ss12000(path, key=KEY)
        except NbanalyticsError as error:
            said = str(error)
        else:
            assert found.report.rows == found.report.read + len(found.report.rejected)
            said = str(found.report) + str(found.report.as_dict())
            assert found.tables["students"]["student_id"].is_unique
    assert "Planterad" not in said
    assert GIRL not in said


@settings(max_examples=examples(60))
@given(content=st.binary(max_size=60), cut=st.floats(0, 1))
def test_any_bytes_give_a_report_or_an_error(content: bytes, cut: float) -> None:
    whole = json.dumps([person("a", GIRL), grade("a")]).encode()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "x.json"
        for attempt in (content, whole[: int(cut * len(whole))], whole.replace(b":", content[:1] or b":")):
            path.write_bytes(attempt)
            try:
                said = str(read_ss12000(path, key=KEY).report)
            except NbanalyticsError as error:
                said = str(error)
            assert "Planterad" not in said
            assert GIRL not in said
            matches(path, attempt)
