"""The explorer: its counts are those of the analysis, and its line of code gives the students that it shows."""

import base64
import json
import re
from dataclasses import replace

import numpy as np
import pytest
from examples import examples
from hypothesis import given, settings
from hypothesis import strategies as st

import nbanalytics as nb
from nbanalytics.analysis.flows import flows
from nbanalytics.errors import DataError, GradingError, NbanalyticsError
from nbanalytics.pages.explorer import GROUPS, ROWS, Explorer
from nbanalytics.pages.widgets import ExplorerPage


@pytest.fixture(scope="module")
def explorer(sample):
    return Explorer(sample)


def shown(explorer, **chosen):
    return explorer.view(explorer.start() | chosen)


def counted(view, column=0):
    return [int(re.sub(r"\D", "", row["counts"][column])) for row in view["counts"]]


@pytest.mark.parametrize("no_change", ["positive", "negative"])
@pytest.mark.parametrize("threshold", [0.0, 0.3, 1.0, 5.0])
def test_counts_follow_the_rule_as_the_classification_does(sample, explorer, threshold, no_change):
    view = shown(explorer, threshold=str(threshold), no_change="*" if no_change == "positive" else no_change)
    expected = nb.classify(sample, nb.GroupRule(threshold, no_change)).counts.groupby("group")["students"].sum()
    assert counted(view) == expected.tolist()


def test_karlskoga_s_published_groups_are_shown(explorer):
    counts = counted(shown(explorer, cohort="2018"))
    assert counts[0] + counts[1] == 236
    assert counts[2] + counts[3] == 39
    assert counts[4:] == [15, 23]


selections = st.fixed_dictionaries(
    {
        "cohort": st.sampled_from(["*", "2018", "2025"]),
        "school": st.sampled_from(["*", "S1", "S2"]),
        "sex": st.sampled_from(["*", "girl", "boy"]),
        "group": st.sampled_from(["*", *GROUPS]),
        "threshold": st.sampled_from(["*", "0.4", "1.5"]),
        "no_change": st.sampled_from(["*", "negative"]),
        "passes": st.sampled_from(["*", "0", "10", "14"]),
        "required": st.sampled_from(["*", "100", "001", "000"]),
        "box": st.sampled_from(["*", "5,12.5,0,20", "10,15,7.25,9", "20,20,0,20"]),
    }
)


@settings(max_examples=examples(25))
@given(selections)
def test_the_line_of_code_gives_the_students_that_are_shown(sample, explorer, selection):
    view = explorer.view(selection)
    scope = {"records": sample}
    exec(view["code"], scope)
    chosen = set(scope["students"].students["student_id"])
    listed = [row[0] for row in view["students"]["rows"]]
    assert set(listed) <= chosen
    assert len(listed) == min(len(chosen), ROWS)
    assert int(re.match(r"[\d\s]+", view["answer"])[0].replace("\xa0", "").replace(" ", "") or 0) == len(chosen)


def test_the_line_of_code_reads_the_folder_it_was_started_with(tmp_path, sample):
    nb.write_records(sample.cohort(2018), tmp_path / "poster")
    line = Explorer.of(tmp_path / "poster").view({"group": "6"})["code"]
    scope = {}
    exec(line, scope)
    assert len(scope["students"].students) == 23


def test_a_school_s_name_in_the_line_of_code_stays_text(sample):
    hostile = "S1'); import os; ('"
    students = sample.cohort(2018).to_pandas().students
    students = students.assign(school_id=students["school_id"].replace("S1", hostile))
    records = replace(sample.cohort(2018), students=students)
    line = Explorer(records).view({"school": hostile})["code"]
    scope = {"records": records}
    exec(line, scope)
    assert "os" not in scope
    assert set(scope["students"].students["school_id"]) == {hostile}


def test_flows_and_terms_are_those_of_the_chosen_students(sample, explorer):
    view = shown(explorer, cohort="2018", group="6")
    chosen = nb.choose_students(sample, cohort=2018, group=6)
    moves = flows(chosen).transitions
    rows = view["sections"][0]["table"]["rows"]
    assert sum(int(row[2]) for row in rows) == moves["students"].sum()
    lost = nb.losses(chosen).life_table()
    assert [int(row[2]) for row in view["sections"][1]["table"]["rows"]] == lost["lost"].tolist()


def test_a_comparison_keeps_the_other_filters(sample, explorer):
    view = shown(explorer, cohort="2018", sex="girl", other="cohort:2019")
    girls = {year: len(nb.choose_students(sample, cohort=year, sex="girl").students) for year in (2018, 2019)}
    assert sum(counted(view)) == girls[2018]
    assert sum(counted(view, 1)) == girls[2019]
    assert len(view["rival"]) == 2


def unpacked(text, kind):
    return np.frombuffer(base64.b64decode(text), kind)


def test_the_page_has_of_each_student_what_the_groups_are_made_of(sample, explorer):
    table = nb.classify(sample).table
    table = table[table["start_eligible"].notna() & table["end_eligible"].notna()]
    page = json.loads(json.dumps(explorer.page(), allow_nan=False))
    points = page["points"]
    for name, column in {"x": "start_points", "y": "end_points"}.items():
        assert np.array_equal(unpacked(points[name], "<f8"), table[column].to_numpy(float), equal_nan=True)
    for end in ("start", "end"):
        results = sample.term_results([{"start": "6VT", "end": "9VT"}[end]]).set_index("student_id")
        results = results.loc[table["student_id"]]
        assert (unpacked(points[end]["passes"], "<u2") == results["n_passed"].to_numpy()).all()
        assert ((unpacked(points[end]["met"], "<u2") == 7) == (results["missing"] == "").to_numpy()).all()
    options = next(part for part in page["filters"] if part["id"] == "cohort")["options"][1:]
    years = np.array([int(option["value"]) for option in options])
    assert (years[unpacked(points["places"]["cohort"], "<u2")] == table["cohort"].to_numpy()).all()


@pytest.mark.parametrize(
    ("chosen", "rule"),
    [
        ({"passes": "12"}, nb.GroupRule(passes=12)),
        ({"passes": "6", "required": "101"}, nb.GroupRule(passes=6, required=("SV/SVA", "MA"))),
        ({"required": "000", "threshold": "0.5"}, nb.GroupRule(0.5, required=())),
    ],
)
def test_another_rule_of_eligibility_moves_counts_flows_and_terms_as_the_analysis_does(sample, explorer, chosen, rule):
    view = shown(explorer, **chosen)
    expected = nb.classify(sample, rule).counts.groupby("group")["students"].sum()
    assert counted(view) == expected.tolist()
    assert counted(view) != counted(shown(explorer))
    scope = {"records": sample}
    exec(view["code"], scope)
    rows = view["sections"][0]["table"]["rows"]
    assert sum(int(re.sub(r"\D", "", row[2])) for row in rows) == flows(scope["students"]).transitions["students"].sum()
    assert len(rows) == len(flows(scope["students"]).transitions)
    lost = nb.losses(scope["students"]).life_table()
    assert [int(row[2]) for row in view["sections"][1]["table"]["rows"]] == lost["lost"].tolist()


def test_the_default_demands_written_out_are_the_rule(sample):
    written = nb.classify(sample, nb.GroupRule(passes=8, required=("SV/SVA", "EN", "MA")))
    assert written.counts.equals(nb.classify(sample).counts)


def test_demands_that_cannot_be_are_refused(sample):
    with pytest.raises(DataError, match="0 or more"):
        nb.GroupRule(passes=-1)
    with pytest.raises(GradingError, match="No subject XX"):
        nb.classify(sample, nb.GroupRule(required=("XX",)))
    later = replace(sample.cohort(2018), students=sample.cohort(2018).students.assign(cohort=2032))
    declared = replace(later.declaration, scale="A-F")
    with pytest.raises((DataError, GradingError), match=r"mean|hold"):
        nb.classify(replace(later, declaration=declared), nb.GroupRule(passes=8))


@pytest.mark.parametrize(
    "odd", [{"box": "1,2,3"}, {"box": "a,b,c,d"}, {"threshold": "-1"}, {"cohort": "1899"}, {"group": "7"}, {"x": "y"}]
)
def test_what_the_filters_do_not_have_counts_as_all(explorer, odd):
    assert explorer.view(odd)["answer"] == shown(explorer)["answer"]


def test_nobody_chosen_is_told_in_words(explorer):
    view = shown(explorer, box="0,0,20,20")
    assert view["answer"].startswith("0\u00a0elever")
    assert all(section["empty"] == "Inga elever i urvalet." for section in view["sections"])
    json.dumps(view, allow_nan=False)


def test_both_languages_say_the_same_numbers(explorer):
    english = explorer.speaking("en")
    here, there = shown(explorer, cohort="2018"), shown(english, cohort="2018")
    assert counted(here) == counted(there)
    assert there["lang"] == "en"
    assert "chosen of" in there["answer"]
    assert here["code"] == there["code"]


def test_a_range_that_ends_before_it_begins_is_refused(sample):
    with pytest.raises(DataError, match="lower bound first"):
        nb.choose_students(sample, start=(10, 5))


def test_records_without_schools_and_sexes_can_be_explored(karlskoga):
    few = karlskoga.to_pandas()
    bare = replace(few, students=few.students[["student_id", "cohort"]], schools=None, outcomes=None)
    explorer = Explorer(bare)
    assert sum(counted(shown(explorer))) == sum(counted(shown(Explorer(few))))
    with pytest.raises(DataError, match="no column sex"):
        nb.choose_students(bare, sex="girl")


def test_pages_over_records_lie_apart_from_boards_and_voila_alone_shows_neither(sample, monkeypatch):
    """Voila lists and runs every notebook of the folder that it is given, without a token."""
    from nbanalytics.export.dashboards import dashboards_folder, staff_folder
    from nbanalytics.pages.widgets import RECORDS_VARIABLE, ExplorerPage, StaffPage

    apart = {path.name for path in staff_folder().glob("*.ipynb")}
    assert apart == {"explorer.ipynb", "staff.ipynb"}
    boards = list(dashboards_folder().rglob("*.ipynb"))
    assert boards
    assert not any("records" in path.read_text(encoding="utf-8") for path in boards)
    monkeypatch.delenv(RECORDS_VARIABLE, raising=False)
    monkeypatch.setenv("VOILA_SERVER_URL", "/")
    for page, command in ((ExplorerPage, "explore"), (StaffPage, "staff")):
        with pytest.raises(NbanalyticsError, match=f"without a token. Serve it with 'nbanalytics {command} RECORDS'"):
            page(sample)


def test_the_page_gives_its_choice_as_live_data(sample):
    page, seen = ExplorerPage(sample), []
    page.observe(lambda change: seen.append((change["name"], len(page.students))), ["students", "rule"])
    assert page.rule == nb.GroupRule()
    page.selection = page.selection | {"cohort": "2018", "group": "6"}
    assert seen == [("students", 23)]
    assert set(page.students["group"]) == {6}
    assert set(page.records.students["student_id"]) == set(page.students["student_id"])
    page.selection = page.selection | {"passes": "12", "box": "5,20,0,12.5"}
    rule = nb.GroupRule(passes=12)
    chosen = nb.choose_students(sample, cohort=2018, group=6, rule=rule, start=(5, 20), end=(0, 12.5))
    assert page.rule == rule
    assert 0 < len(chosen.students) < 23
    assert set(page.students["student_id"]) == set(chosen.students["student_id"])
    assert nb.losses(page.records).table["event"].sum() == nb.losses(chosen).table["event"].sum() == len(page.students)
    watched = []
    page.observe(lambda change: watched.append(len(change["new"].students)), "records")
    page.selection = page.selection | {"box": "*"}
    assert watched == [len(page.students)]
    everybody = nb.classify(sample).table.set_index("student_id")
    page.selection = Explorer(sample).start()
    held = page.students.set_index("student_id")
    assert held["start_points"].equals(everybody.loc[held.index, "start_points"])
    assert list(held["group"]) == list(everybody.loc[held.index, "group"])
