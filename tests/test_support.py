"""The support register: coverage, waiting time, caseload, levels of prevention, and the theory of change."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from made import ENGINES, in_engine, records_of
from test_figures import checked_by_plotly

from nbanalytics import figures
from nbanalytics.analysis.indicators import indicators, read_indicators
from nbanalytics.errors import DataError
from nbanalytics.readers import check_records
from nbanalytics.support import (
    caseload,
    coverage,
    follow_theory,
    handover,
    kaa_outcomes,
    prevention_levels,
    read_theory,
    support_outcome,
    time_to_support,
)
from nbanalytics.support.register import median_of, product_limit
from nbanalytics.text import Words

# ------------------------------------------------------------------ what check says of the register


def check_register(folder, rows, students="P1,2018,\nP2,2018,8VT\n"):
    (folder / "students.csv").write_text(f"student_id,cohort,moved_in\n{students}", encoding="utf-8")
    grades = "student_id,term,subject,grade\nP1,6VT,SV,C\nP1,9VT,SV,C\nP2,9VT,SV,C\n"
    (folder / "grades.csv").write_text(grades, encoding="utf-8")
    (folder / "support.csv").write_text(f"student_id,kind,level,start,end,intensity\n{rows}", encoding="utf-8")
    return [finding.sentence() for finding in check_records(folder).findings]


def test_faults_of_the_register_are_listed_with_row_and_remedy(tmp_path):
    told = check_register(
        tmp_path,
        "P1,coach,indicated,2016-09-01,2017-03-01,weekly\n"
        "P1,coach,indicated,2017-02-01,2017-06-01,weekly\n"  # row 3 begins before row 2 has ended
        "P1,plan,indicated,2017-06-01,2017-05-01,weekly\n"  # row 4 is reversed
        "P1,plan,important,2017-09-01,,often\n"  # row 5: unknown level and intensity
        "P2,coach,selective,2016-12-31,,monthly\n",  # row 6: P2 came in spring of year 8, 1 January 2017
    )
    text = "\n".join(told)
    assert "begins before an earlier period of the same kind has ended (1 row: 3). End the earlier one" in text
    assert "support ends before it starts (1 row: 4). Correct one of the dates." in text
    assert "unknown value (1 row: 5). Use one of universal, selective, indicated." in text
    assert "unknown value (1 row: 5). Use one of weekly, several_a_month, monthly." in text
    assert "begins before the student moved in (1 row: 6). Check start, and moved_in in students" in text
    assert len(told) == 5


def test_periods_that_follow_upon_each_other_are_no_overlap(tmp_path):
    rows = (
        "P1,coach,indicated,2016-09-01,2017-03-01,\nP1,coach,indicated,2017-03-01,,\n"
        "P1,plan,indicated,2016-10-01,,\nP2,coach,indicated,2017-01-01,,\n"
    )
    assert check_register(tmp_path, rows) == []


def test_a_period_without_end_overlaps_all_that_follow(tmp_path):
    rows = (
        "P1,coach,indicated,2016-09-01,,\nP1,coach,indicated,2017-03-01,2017-04-01,\nP1,coach,indicated,2018-03-01,,\n"
    )
    assert "(2 rows: 3, 4)" in "".join(check_register(tmp_path, rows))


def test_faulty_registers_in_memory_are_refused(sample):
    assert len(caseload(sample).table)
    turned = sample.support.assign(end="2010-01-01")
    with pytest.raises(DataError, match=f"{len(turned)} periods of support end before they start"):
        caseload(replace(sample, support=turned))
    with pytest.raises(DataError, match="have an unknown level"):
        caseload(replace(sample, support=sample.support.assign(level="some")))
    with pytest.raises(DataError, match="no support register"):
        caseload(replace(sample, support=None))


# ------------------------------------------------------------------ coverage


@pytest.fixture
def four():
    """Four students in 6VT (spring 2015): two with F in MA, one of these with a coach; one without, one unknown."""
    courses = {
        "P1": {"6VT": "CCFCCCCC"},
        "P2": {"6VT": "CCFCCCCC"},
        "P3": {"6VT": "CCCCCCCC"},
        "P4": {"7HT": "CCCCCCCC"},
    }
    support = pd.DataFrame(
        {
            "student_id": ["P1", "P1", "P2", "P3"],
            "kind": ["coach", "coach", "homework", "coach"],
            "level": ["indicated", "indicated", "universal", "selective"],
            "start": ["2014-09-01", "2015-03-01", "2015-01-10", "2015-02-01"],
            "end": ["2015-04-01", "2015-05-01", None, "2015-02-20"],  # P1 has two periods at once
            "actor": ["A", "A", "B", "A"],
            "intensity": ["weekly", "monthly", None, "weekly"],
        }
    )
    return replace(records_of(courses), support=support)


def only(name):
    return [one for one in read_indicators() if one.name in (name, "support_in_place")]


def test_coverage_by_hand(four):
    row = coverage(four, indicators(four, "6VT", only("core_missing"))).table.iloc[0]
    assert row[["students", "unknown", "with_signal", "without_support"]].tolist() == [4, 1, 2, 1]
    assert (row["share"], row["low"] < 0.5 < row["high"]) == (0.5, True)


def test_coverage_by_school_adds_up(sample):
    found = indicators(sample, ["6VT", "7HT"])
    whole, parts = coverage(sample, found).table, coverage(sample, found, by=["school_id"]).table
    counted = ["students", "unknown", "with_signal", "without_support"]
    summed = parts.groupby("term")[counted].sum()
    pd.testing.assert_frame_equal(summed, whole.set_index("term")[counted], check_like=True)
    with pytest.raises(DataError, match="no column shoes"):
        coverage(sample, found, by=["shoes"])


def test_support_is_lost_at_the_transition_in_the_sample(sample):
    """Progression 02: support did not follow the pupil from year 6 to year 7."""
    table = coverage(sample, indicators(sample)).table.set_index("term")
    assert table.loc["7HT", "low"] > table.loc["6VT", "high"]
    assert table.loc["7HT", "low"] > table.loc["8HT", "high"]


@pytest.mark.parametrize("engine", ENGINES)
def test_any_engine_gives_the_same(four, engine):
    from nbanalytics.support import handover

    same = in_engine(four, engine)
    found, expected = (indicators(records, "6VT") for records in (same, four))
    pd.testing.assert_frame_equal(found.table, expected.table, check_dtype=False)
    pd.testing.assert_frame_equal(coverage(same, found).table, coverage(four, expected).table, check_dtype=False)
    assert handover(same).table["status"].tolist() == handover(four).table["status"].tolist()
    assert caseload(same).table["students"].tolist() == caseload(four).table["students"].tolist()


# ------------------------------------------------------------------ waiting time

#: Acute myelogenous leukaemia (Miller 1981), the data set aml of R's survival package: maintained, and not maintained.
MAINTAINED = ([9, 13, 13, 18, 23, 28, 31, 34, 45, 48, 161], [1, 1, 0, 1, 1, 0, 1, 1, 0, 1, 0])
OTHERS = ([5, 5, 8, 8, 12, 16, 23, 27, 30, 33, 43, 45], [1, 1, 1, 1, 1, 0, 1, 1, 1, 1, 1, 1])


def test_the_curve_is_that_of_r():
    """R: summary(survfit(Surv(time, status) ~ x, data = aml)), survival 3.5."""
    days, event = MAINTAINED
    curve = product_limit(np.array(days), np.array(event, dtype=bool))
    died = curve[curve["events"] > 0]
    assert died["days"].tolist() == [9, 13, 18, 23, 31, 34, 48]
    assert died["at_risk"].tolist() == [11, 10, 8, 7, 5, 4, 2]
    np.testing.assert_allclose(died["waiting"], [0.909, 0.818, 0.716, 0.614, 0.491, 0.368, 0.184], atol=5e-4)
    np.testing.assert_allclose(died["low"], [0.7541, 0.6192, 0.4884, 0.3769, 0.2549, 0.1549, 0.0359], atol=5e-5)
    np.testing.assert_allclose(died["high"], [1, 1, 1, 0.999, 0.946, 0.875, 0.944], atol=5e-4)


@pytest.mark.parametrize(("data", "median", "low"), [(MAINTAINED, 31, 18), (OTHERS, 23, 8)])
def test_the_median_is_that_of_r(data, median, low):
    """R: survfit(Surv(time, status) ~ x, data = aml) prints median 31 (18, NA) and 23 (8, NA)."""
    days, event = data
    found = median_of(product_limit(np.array(days), np.array(event, dtype=bool)))
    assert found[:2] == (median, low)
    assert np.isnan(found[2])


@given(st.lists(st.tuples(st.integers(0, 50), st.booleans()), min_size=1, max_size=40))
def test_waiting_never_rises_and_nobody_disappears(rows):
    days, event = (np.array(column) for column in zip(*rows, strict=True))
    curve = product_limit(days, event.astype(bool))
    assert (curve["waiting"].diff().dropna() <= 1e-12).all()
    assert curve[["events", "censored"]].to_numpy().sum() == len(rows)
    assert curve["at_risk"].iloc[0] == len(rows)


def test_waiting_time_by_hand():
    """Signals in 6VT are known on 30 June 2015."""
    courses = {name: {"6VT": "CCFCCCCC", "7HT": "CCCCCCCC"} for name in ("P1", "P2", "P3", "P4", "P5")}
    courses["P5"] = {"6VT": "CCCCCCCC", "7HT": "CCCCCCCC", "9VT": "CCCCCCCC"}
    support = pd.DataFrame(
        {
            "student_id": ["P1", "P2", "P4", "P4"],
            "kind": ["coach", "coach", "homework", "coach"],
            "level": ["indicated", "selective", "universal", "indicated"],
            "start": ["2015-07-10", "2015-05-01", "2015-07-02", "2019-01-01"],  # P4's coach came after year 9
            "end": [None, None, None, None],
        }
    )
    records = replace(records_of(courses, moved_out=[None, None, "7HT", None, None]), support=support)
    found = time_to_support(records, indicators(records, declared=only("core_missing")))
    assert (found.students, found.already, found.not_followed) == (3, 1, 0)
    assert found.table["days"].tolist() == [10, 184, 1096]  # P1 on 10 July, P3 left on 31 December, P4 in June 2018
    assert found.table[["events", "censored"]].to_numpy().tolist() == [[1, 0], [0, 1], [0, 1]]
    assert found.table["waiting"].round(4).tolist() == [0.6667, 0.6667, 0.6667]
    assert "1 of 3 students got support" in repr(found)
    so_far = replace(records, grades=records.grades[records.grades["term"] != "9VT"])  # nobody was seen after 7HT
    found = time_to_support(so_far, indicators(so_far, declared=only("core_missing")))
    assert found.table[["days", "events", "censored"]].to_numpy().tolist() == [[10, 1, 0], [184, 0, 2]]


def test_waiting_needs_somebody_who_is_followed(four):
    with pytest.raises(DataError, match="Use more terms"):
        time_to_support(four, indicators(four, "6VT", only("core_missing")))


# ------------------------------------------------------------------ caseload


def test_the_youth_coach_of_individ_och_helhet(sample):
    """Individ och helhet, Mönsterås and Högsby: about 100 young people met, about 5 a week, about 15 more regularly
    with somewhat longer intervals, about 30 every month. The years are those with three cohorts in years 7 to 9.
    """
    years = caseload(sample, only=["youth_coach"]).years.pivot(
        index="school_year", columns="intensity", values="students"
    )
    usual = years.loc["2017/18":"2022/23"]
    assert len(usual) == 6
    for name, about, off in (("*", 100, 5), ("weekly", 5, 0), ("several_a_month", 15, 1), ("monthly", 30, 1)):
        assert usual[name].between(about - off, about + off).all(), name


def test_caseload_by_hand(four):
    found = caseload(four)
    table = found.table.set_index(["month", "actor", "intensity"])["students"]
    assert table["2015-03-01", "A", "*"] == 1  # one student with two periods
    assert (table["2015-03-01", "A", "weekly"], table["2015-03-01", "A", "monthly"]) == (1, 1)
    assert table["2015-02-01", "A", "*"] == 2
    assert table["2015-05-01", "B", "now_and_then"] == 1  # goes on to the last date of the register
    assert found.settings["until"] == "2015-05-01"
    assert found.years.set_index(["school_year", "actor", "intensity"])["students"]["2014/15", "A", "*"] == 2
    with pytest.raises(DataError, match="Check the spelling of C"):
        caseload(four, only=["C"])
    with pytest.raises(DataError, match=r"cannot be divided by intensity\. Choose actor, kind or level"):
        caseload(four, by="intensity")


def test_caseload_by_level_is_a_count_of_periods(sample):
    """Brute force for one month."""
    table = caseload(sample, by="level").table
    support = sample.support
    here = support[(support["start"] <= "2020-01-31") & (support["end"].fillna("9") >= "2020-01-01")]
    expected = here.groupby("level")["student_id"].nunique().to_dict()
    january = table[(table["month"] == "2020-01-01") & (table["intensity"] == "*")]
    assert dict(zip(january["level"], january["students"], strict=True)) == expected


# ------------------------------------------------------------------ three levels of prevention


def test_prevention_by_hand(four):
    found = prevention_levels(four, indicators(four, "6VT", only("core_missing")), "6VT")
    counts = found.table.set_index(["need", "support"])["students"]
    assert counts[counts > 0].to_dict() == {
        ("universal", "selective"): 1,
        ("selective", "universal"): 1,
        ("selective", "indicated"): 1,
        ("unknown", "none"): 1,
    }
    assert found.met.set_index("need").loc["selective", ["students", "met", "share"]].tolist() == [2, 1, 0.5]
    assert np.isnan(found.met.set_index("need").loc["indicated", "share"])


def test_every_student_has_one_need_and_one_support(sample):
    found = prevention_levels(sample, indicators(sample, "7HT"), "7HT")
    assert found.table["students"].sum() == found.students
    assert found.table.groupby("need")["share"].sum().round(9).eq(1).all()


def test_levels_out_of_order(four):
    found = indicators(four, "6VT", only("core_missing"))
    with pytest.raises(DataError, match="in order"):
        prevention_levels(four, found, "6VT", selective=2, indicated=2)
    with pytest.raises(DataError, match="not computed for 9VT"):
        prevention_levels(four, found, "9VT")


# ------------------------------------------------------------------ theory of change

THEORY = """title = "Together over the transition"
[[step]]
need = "F in mathematics"
activity = "A coach"
expected = "Fewer without a pass"
indicator = "core_missing"
who = "The student health team"
when = "Autumn of year 7"
baseline = "6VT"
follow = ["7HT"]
"""


def test_plan_and_values_on_one_page(tmp_path):
    (tmp_path / "theory.toml").write_text(THEORY, encoding="utf-8")
    courses = {f"P{n}": {"6VT": "CCFCCCCC", "7HT": "CCCCCCCC" if n < 9 else "CCFCCCCC"} for n in range(12)}
    courses["P12"] = {"6VT": "CCFCCCCC"}  # unknown in 7HT
    found = follow_theory(read_theory(tmp_path / "theory.toml"), records_of(courses))
    first, then = found.table.to_dict("records")
    assert (first["role"], first["share"], first["known"], first["activity"]) == ("baseline", 1.0, 13, "A coach")
    assert (then["role"], then["share"], then["known"], then["direction"]) == ("follow", 0.25, 12, "as_expected")
    # Twelve students' own changes, nine of -1 and three of 0; t-quantile of 11 degrees of freedom 2.200985.
    half = 2.200985 * (9 * 3 / 12 / 11) ** 0.5 / 12**0.5
    assert (then["change"], then["paired"]) == (-0.75, 12)
    np.testing.assert_allclose([then["change_low"], then["change_high"]], [-0.75 - half, -0.75 + half], rtol=1e-6)
    assert repr(found).startswith("Together over the transition")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (THEORY.replace("core_missing", "core_mising"), "'core_mising' is not declared. Did you mean 'core_missing'"),
        (THEORY.replace('["7HT"]', '"7HT"'), "follow = '7HT' must be a list"),
        (THEORY + "[extra]\n", "unknown key 'extra'"),
        (THEORY.replace("=", "", 1), "line 1 is not TOML"),
    ],
)
def test_a_bad_theory_is_refused(tmp_path, text, words):
    (tmp_path / "theory.toml").write_text(text, encoding="utf-8")
    with pytest.raises(DataError, match=words):
        read_theory(tmp_path / "theory.toml")


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ('["7HT"]', '["6HT"]', "followed up before its baseline"),
        ('["7HT"]', '["10HT"]', "names the term 10HT"),
        ("core_missing", "test_failed", "None of the indicators' tables"),
    ],
)
def test_a_theory_that_does_not_fit_the_records(tmp_path, old, new, words):
    (tmp_path / "theory.toml").write_text(THEORY.replace(old, new), encoding="utf-8")
    with pytest.raises(DataError, match=words):
        follow_theory(read_theory(tmp_path / "theory.toml"), records_of({"P1": {"6VT": "CCFCCCCC"}}))


def test_an_indicator_without_a_value_in_the_first_term(tmp_path, sample):
    changed = THEORY.replace("core_missing", "grade_fall").replace('"6VT"', '"6HT"')
    (tmp_path / "theory.toml").write_text(changed, encoding="utf-8")
    with pytest.raises(DataError, match="has no value in 6HT"):
        follow_theory(read_theory(tmp_path / "theory.toml"), sample.cohort(2018))


# ------------------------------------------------------------------ figures


@pytest.mark.parametrize("lang", ["sv", "en"])
def test_every_chart_has_its_table_and_words(sample, lang):
    found, words = indicators(sample, ["6VT", "7HT"]), Words(lang)
    load = caseload(sample, only=["youth_coach"])
    covered = coverage(sample, found)
    support = support_outcome(sample.cohort([2018, 2019]), "7VT", "8VT")
    unlike = support.balance.query("outcome == 'points'")
    charts = {
        "caseload": figures.caseload_over_time(load, words),
        "coverage": figures.coverage_by_term(covered, words),
        "love": figures.love_plot(unlike, words),
        "events": figures.event_study(support, words),
        "kaa": figures.kaa_shares(kaa_outcomes(sample), words),
        "handover": figures.handover_bars(handover(sample, "6VT"), words),
    }
    for chart in charts.values():
        assert chart.plain() == checked_by_plotly(chart)
        assert all(len(row) == len(chart.table.columns) for row in chart.table.rows)
    drawn = charts["caseload"].figure()
    assert len(drawn.data) == 5
    assert len({trace.line.dash for trace in drawn.data}) == 5  # not told apart by colour alone
    most = load.table.loc[load.table["intensity"] == "*", "students"].max()
    assert max(drawn.data[0].y) == most
    months = pd.period_range(load.table["month"].min(), load.table["month"].max(), freq="M")  # summers, too
    assert len(charts["caseload"].table.rows) == len(months)
    assert str(most) in charts["caseload"].alt
    assert charts["coverage"].drawing["data"][0]["x"] == covered.table["share"].tolist()
    assert len(charts["coverage"].table.rows) == 2
    assert charts["coverage"].alt.count("%") == 2
    assert len(charts["love"].drawing["data"][1]["x"]) == len(unlike)
    largest = unlike.loc[unlike["before"].abs().idxmax(), "covariate"]
    assert charts["love"].table.rows[0][0] == largest
    assert [row[1] for row in charts["events"].table.rows[:4]] == [
        words.label("term", t) for t in support.events["term"][:4]
    ]
    assert "0" in charts["love"].alt
    bars = charts["kaa"].figure().data
    assert len(bars) == 4
    assert all(bar.marker.pattern.bgcolor == bar.marker.color for bar in bars)  # or a patterned bar would be white
    assert "63" not in charts["kaa"].alt
    assert "70" in charts["kaa"].alt
    assert len(charts["kaa"].table.rows) == 7


def test_a_term_without_signals_is_drawn_and_told(four):
    chart = figures.coverage_by_term(coverage(four, indicators(four, ["7HT"], only("core_missing"))))
    assert chart.drawing["data"][0]["x"] == []
    assert chart.table.rows[0][-2:] == [".", "."]
