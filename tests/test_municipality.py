"""The municipality's report: official numbers typed from their publications, and what is counted by other means."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from made import PASS, records_of
from scipy import stats
from test_figures import checked_by_plotly

from nbanalytics.errors import DataError
from nbanalytics.figures import funnel_plot, years_beside
from nbanalytics.municipal.skolverket import read_skolverket
from nbanalytics.municipality import (
    compare,
    from_kolada,
    from_skolverket,
    funnel,
    funnel_limits,
    national_values,
    own_values,
    salsa,
    salsa_expected,
    school_names,
    trends,
)
from nbanalytics.municipality.funnel import over_dispersion
from nbanalytics.municipality.leavers import leavers
from nbanalytics.readers import check_records
from nbanalytics.text import Words

# ---------------------------------------------------------------- own values


def test_the_leavers_are_counted_by_hand(karlskoga):
    """Plain loops: 16 best grades and M2 beside them; all passed is no F and no streck."""
    points = {"A": 20, "B": 17.5, "C": 15, "D": 12.5, "E": 10, "F": 0}
    grades = karlskoga.grades[karlskoga.grades["term"] == "9VT"]
    table = leavers(karlskoga).set_index("student_id")
    for student, rows in grades.groupby("student_id"):
        own = dict(zip(rows["subject"], rows["grade"], strict=True))
        others = sorted((points[g] for s, g in own.items() if g in points and s != "M2"), reverse=True)
        merit = sum(others[:16]) + points.get(own.get("M2"), 0)
        passed = [s for s, g in own.items() if points.get(g, 0) > 0]
        assert table.loc[student, "merit_value"] == pytest.approx(merit)
        assert table.loc[student, "n_passed"] == len(passed)
        assert table.loc[student, "all_passed"] == (bool(passed) and not set(own.values()) & {"F", "-"})
    assert int(table["eligible"].sum()) == 251
    assert len(table) == 313


def test_own_values_are_those_of_the_official_definitions(karlskoga):
    table = own_values(karlskoga).set_index(["measure", "group"])
    people = leavers(karlskoga)
    assert table.loc[("eligible_vocational", "all"), "value"] == pytest.approx(100 * 251 / 313)
    merit = people.loc[people["n_passed"] > 0, "merit_value"]
    row = table.loc[("merit_value_17", "all")]
    assert (row["n"], row["value"]) == (len(merit), pytest.approx(merit.mean()))
    assert (row["low"], row["high"]) == pytest.approx(stats.t.interval(0.95, len(merit) - 1, merit.mean(), merit.sem()))
    girls = people[people["sex"] == "girl"]
    assert table.loc[("passed_all", "girls"), "value"] == pytest.approx(100 * girls["all_passed"].mean())


def test_a_student_without_grades_is_in_the_denominator_and_in_no_mean():
    records = records_of({f"P{n}": {"9VT": PASS} for n in range(10)} | {"P10": {"6VT": PASS}})
    table = own_values(records, min_students=5).set_index(["measure", "group"])
    assert table.loc[("eligible_vocational", "all"), ["n", "value"]].tolist() == [11, pytest.approx(1000 / 11)]
    assert table.loc[("merit_value_17", "all"), ["n", "value"]].tolist() == [10, 80]
    assert own_values(records, min_students=12)["value"].isna().all()


# ---------------------------------------------------------------- official values


def test_the_nation_is_as_published():
    """Skolverket's official statistics by way of a compilation: shares eligible, merit value (17), passes in all."""
    values = national_values().set_index(["measure", "group", "year"])["value"].sort_index()
    eligible = {2018: 84.4, 2020: 85.6, 2021: 86.2, 2022: 85.0, 2023: 85.2, 2024: 83.7, 2025: 84.1}
    assert values["eligible_vocational", "all"].to_dict() == eligible
    assert (values["eligible_vocational", "girls", 2018], values["eligible_vocational", "boys", 2018]) == (86.7, 82.3)
    merit = [values["merit_value_17", group, 2018] for group in ("all", "girls", "boys")]
    assert merit == [228.7, 243.2, 215.3]
    assert values["passed_all", "all", 2018] == 75.6
    assert national_values()["source"].ne("").all()


EXPORT = """Slutbetyg i grundskolan
Valt läsår: 2017/18

Kommun;Kommun-kod;Typ av huvudman;Andel (%) behöriga till yrkesprogram;Genomsnittligt meritvärde (17)
Bergstad;0180;Samtliga;84,4;228,7
Bergstad;0180;Kommunal;82,0;221,0
Dalby;1280;Samtliga;..;210,5
"""


def test_skolverkets_export_becomes_official_values(tmp_path):
    (tmp_path / "export.csv").write_text(EXPORT, encoding="utf-8-sig")
    statistics = read_skolverket(tmp_path / "export.csv").tables["statistics"]
    table = from_skolverket(statistics).set_index(["measure", "place"])
    assert set(table["year"]) == {2018}
    assert table.loc[("eligible_vocational", "0180"), "value"] == 84.4
    hidden = table.loc[("eligible_vocational", "1280")]
    assert (hidden["status"], pd.isna(hidden["value"])) == ("suppressed", True)
    assert from_skolverket(statistics, owner="municipal")["value"].tolist() == [82.0, 221.0]
    with pytest.raises(DataError, match="Take an export per municipality"):
        from_skolverket(statistics, owner="state")


def test_koladas_values_become_official_values(karlskoga):
    rows = [
        ("N15428", "0000", 2018, "all", 84.4, None, ""),
        ("N15428", "1883", 2018, "all", 81.0, 313, ""),
        ("N15507", "1883", 2018, "girls", float("nan"), None, "Private"),
    ]
    values = pd.DataFrame(rows, columns=["kpi", "municipality", "period", "gender", "value", "count", "status"])
    table = from_kolada(values, names={"1883": "Granne"})
    assert table["place"].tolist() == ["1883", "nation", "1883"]
    assert table["name"].tolist() == ["Granne", "Riket", "Granne"]
    assert table["status"].tolist() == ["ok", "ok", "Private"]
    beside = compare(karlskoga, table, places=["nation", "1883"]).table
    found = beside[beside["measure"].eq("eligible_vocational") & beside["group"].eq("all")].set_index("place")
    assert found.loc["1883", "difference"] == pytest.approx(100 * 251 / 313 - 81.0)
    assert list(found.index) == ["own", "nation", "1883"]
    with pytest.raises(DataError, match="Name the measure of each indicator"):
        from_kolada(values, measures={"N00000": "eligible_vocational"})
    with pytest.raises(DataError, match=r"more than one value of a measure, group and year \(rows 1, 2"):
        from_kolada(pd.concat([values, values.assign(kpi="N15436", value=50.0)]))


def test_a_comparison_holds_what_both_have(sample):
    result = compare(sample, national_values())
    table = result.table
    nation = table[table["place"] == "nation"]
    assert 2019 not in set(nation["year"])
    assert 2019 in set(table.loc[table["place"] == "own", "year"])
    own = table[table["place"] == "own"].set_index(["year", "group", "measure"])
    for row in nation.itertuples():
        mine = own.loc[(row.year, row.group, row.measure)]
        assert row.difference == pytest.approx(mine["value"] - row.value)
        assert row.difference_high - row.difference_low == pytest.approx(mine["high"] - mine["low"])
    with pytest.raises(DataError, match="have no place 0180"):
        compare(sample, national_values(), places=["0180"])


def test_a_trend_is_the_line_of_least_squares(sample):
    comparison = compare(sample, national_values())
    table = trends(comparison).table
    values = comparison.table.query("measure == 'eligible_vocational' and group == 'all'")
    for place, column, part in (
        ("own", "value", values[values["place"] == "own"]),
        ("nation", "value", values[values["place"] == "nation"]),
        ("own - nation", "difference", values[values["place"] == "nation"]),
    ):
        line = stats.linregress(part["year"], part[column])
        half = stats.t.ppf(0.975, len(part) - 2) * line.stderr
        row = table.query(f"measure == 'eligible_vocational' and group == 'all' and place == '{place}'").iloc[0]
        assert row[["slope", "low", "high"]].tolist() == pytest.approx(
            [line.slope, line.slope - half, line.slope + half]
        )
    few = table.query("measure == 'merit_value_17' and place == 'nation'")
    assert (few["status"] == "too_few").all()
    assert few["slope"].isna().all()


# ---------------------------------------------------------------- SALSA


def test_salsas_equation_on_its_published_means():
    """Skolverket, Beskrivning av SALSA avseende 2015/16: means 2,27, ,518 and ,050 over pupils, merit value 221,2.

    The equation is fitted over schools and the means are over pupils, so that the two do not meet exactly; the
    document's mean lies well within the standard error of 17.3.
    """
    expected, low, high = salsa_expected(2.27, 0.518, 0.050)
    assert expected == pytest.approx(93.567 + 69.846 * 2.27 - 35.271 * 0.518 - 83.641 * 0.050)
    assert expected == pytest.approx(229.665, abs=0.001)
    assert low < 221.2 < high
    assert (high - low) / 2 == pytest.approx(stats.t.ppf(0.975, 1443 - 4) * 17.33705 * np.sqrt(1 + 1 / 1443))
    with pytest.raises(DataError, match="Parents' education is from 1 to 3"):
        salsa_expected(2.27, 51.8, 0.05)


def test_salsa_moves_as_its_coefficients_say():
    base = salsa_expected(2, 0.5, 0)[0]
    assert salsa_expected(3, 0.5, 0)[0] - base == pytest.approx(69.846)
    assert salsa_expected(2, 1, 0)[0] - base == pytest.approx(-35.271 / 2)
    assert salsa_expected(2, 0.5, 1)[0] - base == pytest.approx(-83.641)


def test_salsas_interval_holds_any_covariance_of_its_coefficients():
    """The variance of a line of three centred variables is largest if their coefficients err together."""
    away = np.array([-0.4, 0.1, 0.3])
    expected, _, high = salsa_expected(*(np.array([2.27, 0.518, 0.050]) + away))
    error = (high - expected) / stats.t.ppf(0.975, 1443 - 4)
    scaled = np.abs(away) * np.array([2.254, 5.230, 8.010])
    rng = np.random.default_rng(1)
    for _ in range(200):
        draws = rng.normal(size=(5, 3))
        likeness = np.corrcoef(draws.T)
        assert error**2 >= 17.33705**2 + 17.33705**2 / 1443 + scaled @ likeness @ scaled
    assert error**2 == pytest.approx(17.33705**2 + (17.33705 / np.sqrt(1443) + scaled.sum()) ** 2)


def school_of(n, known, name="S1"):
    records = records_of(
        {f"{name}{i}": {"9VT": PASS} for i in range(n)}, sex=["girl", "boy"] * (n // 2) + ["girl"] * (n % 2)
    )
    education = ["upper_secondary"] * known + [None] * (n - known)
    return replace(
        records,
        students=records.students.assign(school_id=name, parents_education=education, immigration=["born"] * n),
    )


@pytest.mark.parametrize(
    ("n", "known", "status"),
    [(15, 15, "ok"), (14, 14, "too_few_students"), (20, 15, "ok"), (20, 14, "too_little_background")],
)
def test_salsa_keeps_its_limits(n, known, status):
    row = salsa(school_of(n, known)).table.iloc[0]
    assert row["status"] == status
    if status == "ok":
        boys = (n // 2) / n
        assert row["expected"] == pytest.approx(93.567 + 69.846 * 2 - 35.271 * boys)
        assert row["residual"] == pytest.approx(80 - row["expected"])
    else:
        assert row[["expected", "low", "high", "residual", "within"]].isna().all()


@pytest.mark.parametrize("unknown", ["sex", "immigration"])
def test_a_school_of_which_nothing_is_known_has_too_little_background(unknown):
    records = school_of(16, 16)
    row = salsa(replace(records, students=records.students.assign(**{unknown: None}))).table.iloc[0]
    assert (row["status"], row["merit_value"]) == ("too_little_background", 80)
    assert row[["expected", "residual", "within"]].isna().all()


def test_salsa_is_no_ranking_and_wants_its_columns(sample):
    result = salsa(sample, shift=-0.2)
    assert result.table[["school_id", "cohort"]].apply(tuple, axis=1).is_monotonic_increasing
    assert not {"rank", "place"} & set(result.table.columns)
    assert "not a ranking" in repr(result)
    plain = salsa(sample).table
    assert (plain["expected"] - result.table["expected"]).to_numpy() == pytest.approx(0.2 * 69.846)
    newly = sample.students.assign(late=sample.students["immigration"] == "years6-9").groupby(["school_id", "cohort"])
    share = newly["late"].mean()
    found = plain.set_index(["school_id", "cohort"])["newly_immigrated"]
    assert np.corrcoef(share.loc[found.index], found)[0, 1] > 0.95
    with pytest.raises(DataError, match="SALSA needs parents_education"):
        salsa(replace(sample, students=sample.students.drop(columns="parents_education")))


# ---------------------------------------------------------------- the funnel


def test_the_limits_are_the_binomials():
    """Spiegelhalter (2005), A.1.1: where scipy's quantile stands, moved by the share of the last step not needed."""
    for n, target in ((12, 0.84), (100, 0.8), (313, 0.844)):
        limits = funnel_limits(n, target)
        for name, probability in {"low_95": 0.025, "high_95": 0.975, "low_998": 0.001, "high_998": 0.999}.items():
            count = stats.binom.ppf(probability, n, target)
            at, before = stats.binom.cdf([count, count - 1], n, target)
            assert limits[name] == pytest.approx((count - (at - probability) / (at - before)) / n)
        assert limits["low_998"] < limits["low_95"] < target < limits["high_95"] <= limits["high_998"] <= 1


def test_chance_alone_leaves_one_school_in_twenty_outside():
    rng = np.random.default_rng(5)
    outside = {"95": 0, "998": 0}
    for _ in range(4000):
        n = int(rng.integers(40, 160))
        limits, share = funnel_limits(n, 0.84), rng.binomial(n, 0.84) / n
        for name in outside:
            outside[name] += not limits[f"low_{name}"] <= share <= limits[f"high_{name}"]
    assert 0.03 < outside["95"] / 4000 < 0.07
    assert outside["998"] / 4000 < 0.006


def test_schools_are_placed_in_the_funnel(sample):
    result = funnel(sample, by=["school_id", "cohort"])
    people = leavers(sample)
    assert result.table["n"].sum() == len(people) == result.students
    assert result.settings["target"] == pytest.approx(people["eligible"].mean())
    for row in result.table.itertuples():
        part = people[(people["school_id"] == row.school_id) & (people["cohort"] == row.cohort)]
        assert (row.n, row.count) != (0, 0)
        assert row.value == pytest.approx(part["eligible"].mean())
        limits = funnel_limits(row.n, result.settings["target"])
        inside = limits["low_95"] <= row.value <= limits["high_95"]
        assert (row.position == "within") == inside
    small = funnel(sample, by=["school_id"], min_students=10**4)
    assert (small.table["status"] == "too_few").all()
    assert len(small.limits) == 0
    assert funnel(sample, by=["school_id"], min_students=0).limits["n"].min() == 1
    for settings, words in (
        ({"measure": "merit"}, "No funnel is defined for 'merit'"),
        ({"by": ["klass"]}, "no column klass"),
        ({"target": 1.0}, "needs one between 0 and 1"),
    ):
        with pytest.raises(DataError, match=words):
            funnel(sample, **settings)


def test_over_dispersion_by_hand():
    """Four schools around .8: z is 2.22, -3.39, 3.38 and -1.07; 2.22, -2.69, 3.04 and -1.07 when winsorised."""
    counts, sizes = [83, 93, 75, 60], [94, 138, 81, 80]
    phi, _ = over_dispersion(counts, sizes, 0.8, "multiplicative")
    assert phi == pytest.approx((2.22**2 + 2.69**2 + 3.04**2 + 1.07**2) / 4, rel=0.01)
    _, tau = over_dispersion(counts, sizes, 0.8, "additive")
    weights = [4 * n for n in sizes]
    assert tau**2 == pytest.approx((4 * phi - 3) / (sum(weights) - sum(w * w for w in weights) / sum(weights)))
    drawn = funnel_limits(100, 0.8, tau=0.1)
    angle, error = np.arcsin(0.8**0.5), (1 / 400 + 0.01) ** 0.5
    assert drawn["low_95"] == pytest.approx(np.sin(angle - 1.95996 * error) ** 2, abs=1e-5)
    assert funnel_limits(100, 0.8, phi=4.0)["high_998"] == pytest.approx(np.sin(angle + 3.0902 * 2 / 20) ** 2, abs=1e-5)
    with pytest.raises(DataError, match="no dispersion 'some'"):
        over_dispersion(counts, sizes, 0.8, "some")
    with pytest.raises(DataError, match="from 2 points"):
        over_dispersion(counts[:2], sizes[:2], 0.8, "additive")


def test_limits_with_over_dispersion_hold_schools_that_differ():
    """Forty schools of 20 to 150 students that differ by .1 on the scale: exact limits leave out a third of them."""
    rng = np.random.default_rng(8)
    outside = {"none": 0, "multiplicative": 0, "additive": 0}
    for _ in range(60):
        sizes = rng.integers(20, 150, 40)
        counts = rng.binomial(sizes, np.sin(np.arcsin(0.8**0.5) + 0.1 * rng.normal(size=40)) ** 2)
        for kind in outside:
            phi, tau = over_dispersion(counts, sizes, 0.8, kind)
            for n, count in zip(sizes, counts, strict=True):
                limits = funnel_limits(int(n), 0.8, phi, tau)
                outside[kind] += not limits["low_95"] <= count / n <= limits["high_95"]
    assert outside["none"] / 2400 > 0.2
    for kind in ("multiplicative", "additive"):
        assert 0.03 < outside[kind] / 2400 < 0.11


def test_points_of_the_funnel_are_tested_together(sample):
    alone = funnel(sample, by=["school_id", "cohort"])
    apart = funnel(sample, by=["school_id", "cohort"], dispersion="additive")
    for found in (alone, apart):
        table = found.table
        assert ((table["p_value"] < 0.05) == (table["position"] != "within")).mean() > 0.9
        assert (table["adjusted_p"] >= table["p_value"]).all()
        assert table["pooled"].std() < table["value"].std()
    assert (apart.table["position"] != "within").sum() < (alone.table["position"] != "within").sum()
    assert "dispersion: additive; tau: 0." in repr(apart)


# ---------------------------------------------------------------- names


def test_a_school_that_changes_its_name_is_one_school_with_both_names():
    rows = [
        ("S1", "Ekskolan", "2017/18"),
        ("S2", "Alskolan", "2017/18"),
        ("S1", "Nya  Ekskolan", "2018/19"),
        ("S2", "ALSKOLAN", "2018/19"),
    ]
    table = pd.DataFrame(rows, columns=["school_id", "school", "year"])
    names = school_names(table, file="lists.csv")
    assert names.table.to_records(index=False).tolist() == [("S1", "Nya Ekskolan", "Ekskolan"), ("S2", "ALSKOLAN", "")]
    told = names.findings[0].sentence()
    assert told.startswith("column school: a school (by its code) with more than one name (2 rows: 2, 4). It is one")
    assert len(names.findings) == 1
    assert names.unified(table)["school"].tolist() == ["Nya Ekskolan", "ALSKOLAN", "Nya Ekskolan", "ALSKOLAN"]
    assert school_names(table.iloc[::-1]).table["name"].tolist() == ["Nya Ekskolan", "ALSKOLAN"]
    with pytest.raises(DataError, match="no column name"):
        school_names(table, name="name")


def test_the_reader_lists_a_school_with_two_names(tmp_path):
    (tmp_path / "students.csv").write_text("student_id,cohort,school_id\nP1,2018,S1\n")
    (tmp_path / "grades.csv").write_text("student_id,term,subject,grade\nP1,6VT,MA,E\nP1,9VT,MA,E\n")
    (tmp_path / "schools.csv").write_text("school_id,name\nS1,Ekskolan\nS1,Nya Ekskolan\n")
    text = check_records(tmp_path).text()
    assert "the same school more than once, with different content (2 rows: 2, 3)" in text


# ---------------------------------------------------------------- figures


def test_the_funnel_shows_every_school_and_says_who_is_outside(karlskoga):
    result = funnel(karlskoga)
    named = funnel_plot(result, Words("en", names={"school": {"S2": "B <school>"}}))
    chart = named.figure()
    points = [x for trace in chart.data[4:] for x in trace.x]
    assert sorted(points) == sorted(result.table["n"])
    assert list(chart.data[0].y) == result.limits["low_95"].tolist()
    assert "B &lt;school&gt;" in [text for trace in chart.data[4:] for text in trace.text or ()]
    assert "B <school>" in named.alt
    assert "not a ranking" in named.alt
    assert [row[0] for row in named.table.rows] == ["S1", "B <school>", "S3"]
    assert named.plain() == checked_by_plotly(named)
    empty = funnel_plot(funnel(karlskoga, min_students=10**4), Words("sv"))
    assert empty.table.rows[0][2] == "."
    assert "Utanför 95-procentsgränserna: ingen" in empty.alt


def test_the_years_are_drawn_beside_the_nation(sample):
    result = compare(sample, national_values())
    chart = years_beside(result, words=Words("sv"))
    own, nation = chart.figure().data
    assert list(own.x) == sample.cohorts()
    assert list(nation.y) == [84.4, 85.6, 86.2, 85.0, 85.2, 83.7, 84.1]
    assert own.error_y.array[0] > 0
    assert (nation.name, nation.line.dash, nation.marker.symbol) == ("Riket", "dash", "circle")
    assert "Riket 2018: 84,4" in chart.alt
    assert chart.plain() == checked_by_plotly(chart)
    written = years_beside(result).table
    assert written.columns == ["Leaving year", "Kvarnviken", "The nation"]
    assert written.rows[1] == ["2019", "85.4", "."]
    with pytest.raises(ValueError, match="has no 'merit' of 'all'"):
        years_beside(result, "merit")
