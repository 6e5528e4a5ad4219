"""The staff's page: its numbers are those of the analyses, and it is never among the boards' pages."""

import json
from dataclasses import replace

import pytest
from serving import EXPLORE, get, running

from nbanalytics.errors import DataError
from nbanalytics.export import dashboards_folder, find_dashboards
from nbanalytics.figures.staff_board import StaffBoard
from nbanalytics.indicators import indicators
from nbanalytics.readers.write import write_records
from nbanalytics.support import coverage, handover


@pytest.fixture(scope="module")
def records(sample):
    return sample.cohort([2018, 2025])


@pytest.fixture(scope="module")
def board(records):
    return StaffBoard(records, "en")


def section(view, name):
    return next(part for part in view["sections"] if part["id"] == name)


def test_it_opens_with_the_step_to_year_7_of_the_latest_cohort(board):
    assert board.start()["step"] == "6VT"
    assert board.start()["cohort"] == "2025"
    assert [entry["id"] for entry in board.filters()] == ["step", "cohort", "school", "actor"]


def test_the_list_is_that_of_the_hand_over_in_words(board, records):
    rows = section(board.view({}), "receiving")["table"]["rows"]
    told = handover(records.cohort(2025)).receiving_list("en")
    assert [row[1] for row in rows] == told["student_id"].tolist()
    assert not {"youth_coach", "known_to_nobody"} & {word for row in rows for word in row}
    assert "Youth coach" in {word for row in rows for word in row}


def test_a_school_has_its_own_students_only(board, records):
    rows = section(board.view({"school": "S2"}), "receiving")["table"]["rows"]
    home = records.students.set_index("student_id")["school_id"]
    assert rows
    assert {home[row[1]] for row in rows} == {"S2"}


def test_coverage_is_that_of_the_analysis(board, records):
    found = records.cohort(2018)
    table = coverage(found, indicators(found), by=["school_id"]).table.query("school_id == 'S1'")
    rows = section(board.view({"cohort": "2018", "school": "S1"}), "coverage")["table"]["rows"]
    assert [[row[1], row[2]] for row in rows] == [[str(a), str(b)] for a, b in
                                                 table[["with_signal", "without_support"]].to_numpy()]  # fmt: skip


def test_the_step_to_upper_secondary_has_a_programme_to_go_to(board):
    view = board.view({"step": "9VT", "cohort": "2018"})
    assert section(view, "receiving")["table"]["rows"]
    assert "To upper secondary" in view["where"]


def test_everything_it_shows_can_be_sent_and_a_strange_choice_is_that_of_the_start(board):
    assert board.view({"cohort": "1066", "school": "<b>"})["selection"] == board.start()
    assert json.loads(json.dumps(board.view({})))["answer"].startswith("Of ")
    assert json.dumps(board.page())


def test_without_a_register_it_is_refused(records):
    with pytest.raises(DataError, match="support"):
        StaffBoard(type(records)(records.students, records.grades))
    with pytest.raises(ValueError, match="no section maps"):
        StaffBoard(records, sections=["maps"])


def test_the_staffs_page_is_no_dashboard_for_boards():
    assert (dashboards_folder() / "staff.ipynb").is_file()
    assert "staff" not in [entry.slug for entry in find_dashboards()]


def test_records_without_schools_have_one_school_to_choose(records):
    few = records.cohort(2018)
    bare = replace(few, students=few.students[["student_id", "cohort"]], schools=None, outcomes=None, followups=None)
    board = StaffBoard(bare, "en")
    school = next(entry for entry in board.filters() if entry["id"] == "school")
    assert [option["value"] for option in school["options"]] == ["*"]
    view = board.view({})
    assert section(view, "receiving")["table"]["rows"]
    assert section(view, "kaa")["empty"] == "There is nothing to draw for this selection."


def test_the_page_is_served_to_who_has_the_token_and_to_nobody_else(records, tmp_path):
    write_records(records.cohort(2018), tmp_path / "records")
    with running(start=EXPLORE, folder=str(tmp_path / "records"), page="staff") as server:
        for path in ("", "live/staff", "live/explorer", "board"):
            status, _, page = get(server.address + path)
            assert status in (403, 404)
            assert "P2" not in page
