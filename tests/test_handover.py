"""Hand-over: who carries support over a change of stage, who loses it, who is known to nobody; and who may see it."""

from __future__ import annotations

import os
import stat
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from made import records_of
from openpyxl import load_workbook
from typer.testing import CliRunner

from nbanalytics.analysis.indicators import read_indicators
from nbanalytics.cli import app
from nbanalytics.commands.handover import protected_summary, write_list
from nbanalytics.disclosure import Knowledge, Policy, SystemBuilder, bounds
from nbanalytics.errors import DataError
from nbanalytics.support import Handover, handover
from nbanalytics.support.handover import STATUSES

FAILS, PASSES = {"6VT": "CCFCCCCC", "7HT": "CCCCCCCC"}, {"6VT": "CCCCCCCC", "7HT": "CCCCCCCC"}


@pytest.fixture
def seven():
    """P1 carries, P2 loses, P3 begins, P4 is known to nobody, P5 needs nothing, P6 is unknown, P7 moves."""
    courses = {"P1": FAILS, "P2": FAILS, "P3": FAILS, "P4": FAILS, "P5": PASSES, "P6": {"7HT": "CCCCCCCC"}, "P7": FAILS}
    support = pd.DataFrame(
        {
            "student_id": ["P1", "P2", "P3", "P4", "P7"],
            "kind": ["coach", "plan", "coach", "club", "coach"],
            "level": ["indicated", "selective", "indicated", "universal", "indicated"],
            "start": ["2015-01-15", "2014-09-01", "2015-09-01", "2015-01-01", "2015-01-01"],
            "end": [None, "2015-06-08", "2015-12-01", None, "2015-06-01"],
        }
    )
    records = records_of(
        courses,
        school_id=["S1", "S1", "S2", "S2", "S1", "S2", "S1"],
        school_id_y6=["F1", "F2", "F3", None, "F1", "F2", "F1"],
        moved_out=[None] * 6 + ["6VT"],
    )
    return replace(records, support=support)


def by_hand(records, **settings):
    from nbanalytics.analysis.indicators import indicators

    declared = [one for one in read_indicators() if one.name in ("core_missing", "support_in_place")]
    return handover(records, indicators=indicators(records, "6VT", declared), **settings)


def test_every_status_by_hand(seven):
    found = by_hand(seven)
    table = found.table.set_index("student_id")
    expected = ["carried", "lost", "begun", "known_to_nobody", "no_need", "unknown", "moved"]
    assert table["status"].tolist() == expected
    assert table.loc["P1", ["from_school", "to", "reasons", "support_before", "support_after"]].tolist() == [
        *("F1", "S1", "core_missing", "coach", "coach")
    ]
    assert table.loc["P4", "from_school"] == "S2"  # where the school of year 6 is not known, the later one
    assert found.counts["students"].tolist() == [1] * 7
    shares = found.shares.set_index("measure")
    assert shares.loc["lost", ["students", "total", "share"]].tolist() == [1, 2, 0.5]
    assert shares.loc["known_to_nobody", ["students", "total", "share"]].tolist() == [1, 4, 0.25]


def test_the_list_for_the_receiving_school(seven):
    told = by_hand(seven).receiving_list("en")
    assert told["student_id"].tolist() == ["P2", "P1", "P4", "P3"]
    assert told["to"].tolist() == ["S1", "S1", "S2", "S2"]
    assert set(told["reasons"]) == {"No pass in a required subject"}
    assert set(by_hand(seven).receiving_list()["reasons"]) == {"Saknar godkänt i ett kärnämne"}


def test_support_does_not_follow_the_pupil_to_year_7_in_the_sample(sample):
    """Progression 02: support did not follow the pupil over the transition; the step to year 8 for comparison."""
    to_7, to_8 = (handover(sample, start).shares.set_index("measure") for start in ("6VT", "7VT"))
    assert to_7.loc["lost", "low"] > to_8.loc["lost", "high"]


def test_a_list_in_another_language_is_refused(seven):
    with pytest.raises(DataError, match="The language 'de' is not available"):
        handover(seven).receiving_list("de")


def test_counts_are_those_of_the_table(sample):
    found = handover(sample, "6VT")
    assert found.counts["students"].sum() == len(found.table) == found.students
    assert found.table["student_id"].is_unique
    told = found.table["status"].isin(["known_to_nobody", "lost", "carried", "begun"]).sum()
    assert len(found.receiving_list()) == told


def test_on_to_upper_secondary(sample):
    cohort = sample.cohort(2018)
    found = handover(cohort, "9VT")
    table = found.table.merge(cohort.outcomes, on="student_id")
    assert found.settings["to"] == "upper_secondary"
    assert (table["to"].fillna("") == table["programme"].fillna("")).all()
    assert set(table.loc[table["programme_kind"] == "moved", "status"]) == {"moved"}
    after = table[table["status"] != "moved"]
    mentors = cohort.support[cohort.support["kind"] == "mentor"]["student_id"]
    assert set(after.loc[after["support_after"] != "", "student_id"]) == set(mentors)


def test_all_but_two_of_39_are_still_in_the_municipality(sample):
    """Progression 02, bilaga Om interkontrollområdets olika elevgrupper: of the 39 in groups 3 and 4 all but 2 were
    still in the municipality.
    """
    from nbanalytics.analysis.cohorts import classify

    cohort = sample.cohort(2018)
    groups = classify(cohort).table
    low = groups.loc[groups["group"].isin([3, 4]), "student_id"]
    table = handover(cohort, "9VT").table
    there = table[table["student_id"].isin(low)]
    assert (len(there), (there["status"] != "moved").sum()) == (39, 37)


def test_what_cannot_be_handed_over(seven):
    with pytest.raises(DataError, match="no term 5VT"):
        handover(seven, "5VT")
    with pytest.raises(DataError, match="no support register"):
        handover(replace(seven, support=None))
    with pytest.raises(DataError, match="not computed for 7VT"):
        by_hand(seven, start="7VT")


# ------------------------------------------------------------------ the protected summary


def test_the_summary_hides_what_can_be_told_of_few(sample):
    result = handover(sample.cohort(2019), "6VT")
    table = protected_summary(result, Policy())
    true = pd.crosstab(result.table["to"].fillna("?"), result.table["status"])
    shown = table[table["shown"] & (table["school"] != "*") & (table["status"] != "*")]
    assert 0 < len(shown) < 21
    for row in shown.itertuples():
        count = true.loc[row.school].get(row.status, 0)
        assert row.students == count
        assert count == 0 or count >= 5
    assert table.loc[~table["shown"], "students"].isna().all()


def test_nothing_hidden_follows_from_a_sum(sample):
    """Attack: solve the sums of schools and statuses for the hidden cells by least squares' null space."""
    for cohort in (2018, 2020, 2024):
        table = protected_summary(handover(sample.cohort(cohort), "6VT"), Policy()).reset_index(drop=True)
        hidden = table.index[~table["shown"]]
        place = {cell: number for number, cell in enumerate(hidden)}
        sums = []
        for axis, other in (("school", "status"), ("status", "school")):
            for _, line in table.groupby(other):
                sign = np.where(line[axis] == "*", 1.0, -1.0)
                row = np.zeros(len(hidden))
                for index, value in zip(line.index, sign, strict=True):
                    if index in place:
                        row[place[index]] = value
                sums.append(row)
        _, size, turned = np.linalg.svd(np.array(sums))
        null = turned[(size > 1e-9).sum() :]
        zero_known = np.abs(null).max(axis=0, initial=0) < 1e-9
        true = handover(sample.cohort(cohort), "6VT").table
        for cell in hidden[zero_known]:
            row = table.loc[cell]
            count = ((true["to"] == row["school"]) | (row["school"] == "*")) & (
                (true["status"] == row["status"]) | (row["status"] == "*")
            )
            assert count.sum() == 0


def test_a_stricter_policy_is_kept_by_what_is_hidden_beside_the_small_counts():
    """Neither known to be 1 to 9, nor known to be none, where ten are wanted."""
    inner = np.array([[0, 8, 30, 0, 12, 0, 0], [9, 1, 17, 0, 6, 0, 0], [0, 8, 20, 0, 6, 0, 0]])
    rows = [(str(school), status) for (school, place), count in np.ndenumerate(inner)
            for status in [STATUSES[place]] * count]  # fmt: skip
    told = pd.DataFrame(rows, columns=["to", "status"]).assign(from_school="F1")
    result = Handover(told, told, told, (), {"to": "7HT"}, len(told))
    table = protected_summary(result, Policy(min_cell=10))
    builder = SystemBuilder()
    cells = builder.add_cells(np.zeros((4, 8)), np.ones((4, 8), dtype=bool))
    builder.add_margins(cells, 0)
    builder.add_margins(cells, 1)
    counts = table["students"].astype("float64").to_numpy()
    found = bounds(Knowledge(builder.build().matrix, counts), np.flatnonzero(~table["shown"]))
    assert len(found.cells) > 8
    assert not ((found.low >= 1) & (found.high < 10)).any()


# ------------------------------------------------------------------ the command


def test_the_command_writes_a_list_for_its_owner_only(tmp_path, pytestconfig):
    out = tmp_path / "list.xlsx"
    command = ["handover", str(pytestconfig.rootpath / "data" / "sample"), "--from", "6VT", "--out", str(out)]
    done = CliRunner().invoke(app, [*command, "--cohort", "2019", "--lang", "en"])
    assert done.exit_code == 0, done.output
    assert stat.S_IMODE(out.stat().st_mode) == 0o600
    sheet = load_workbook(out).active
    assert [cell.value for cell in sheet[1]][:4] == ["To school or programme", "Student", "From school", "Status"]
    assert sheet.max_row > 40
    assert os.listdir(tmp_path) == ["list.xlsx"]
    assert "Support was lost" in done.stdout
    assert ".." in done.stdout
    students = [sheet.cell(row, 2).value for row in range(2, sheet.max_row + 1)]
    assert not any(student in done.output for student in students)


def test_a_list_that_cannot_be_written_leaves_nothing(tmp_path, seven):
    found = by_hand(seven)
    with pytest.raises(DataError, match=r"End its name in \.xlsx"):
        write_list(found, tmp_path / "list.csv", "sv")
    with pytest.raises(DataError, match=r"list\.xlsx cannot be written"):
        write_list(found, tmp_path / "nowhere" / "list.xlsx", "sv")
    assert list(tmp_path.iterdir()) == []


def test_no_cell_of_the_list_is_a_formula(tmp_path, seven):
    evil = replace(seven, support=seven.support.assign(kind="=1+1"))
    write_list(by_hand(evil), tmp_path / "list.xlsx", "sv")
    sheet = load_workbook(tmp_path / "list.xlsx").active
    assert sheet.cell(2, 6).value == "=1+1"
    assert sheet.cell(2, 6).data_type == "s"
