"""The synthetic municipality: what its records hold, and that its truth is that of the records."""

from __future__ import annotations

import filecmp
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from nbanalytics.errors import DataError
from nbanalytics.readers import check_records, read_records
from nbanalytics.records import StudentRecords
from nbanalytics.simulation import COHORTS, simulate, write_sample
from nbanalytics.simulation.measures import merit
from nbanalytics.simulation.parameters import FIRST_LOWER, NO_ROW, PARAMETERS, TERMS
from nbanalytics.simulation.students import N_TERMS, draw_schools
from nbanalytics.simulation.tables import draw_ids

PLACE = {term: place for place, term in enumerate(TERMS)}


@pytest.fixture(scope="module")
def municipality():
    return simulate()


@pytest.fixture(scope="module")
def town():
    """A larger place without the picked cohort: two cohorts of 2,000 in 24 schools, looked at eight years later."""
    return simulate(seed=7, cohorts=[2018, 2019], students_per_cohort=2000, schools=24, as_of=2027)


def test_the_sample_is_what_the_generator_makes(sample, municipality):
    for name, table in municipality.records.tables().items():
        columns = list(table.columns)
        order = ("student_id", "school_id", "term", "subject", "kind", "start", "date", "question")
        key = [column for column in order if column in columns]
        made, read = (frame[columns].sort_values(key, ignore_index=True) for frame in (table, sample.tables()[name]))
        pd.testing.assert_frame_equal(made, read, check_dtype=False)


def test_the_same_seed_writes_the_same_bytes_under_5_mb_and_without_faults(tmp_path):
    for folder in ("one", "two"):
        write_sample(tmp_path / folder, seed=3, cohorts=[2018, 2019], students_per_cohort=80)
    names = sorted(path.relative_to(tmp_path / "one") for path in (tmp_path / "one").rglob("*") if path.is_file())
    match, mismatch, errors = filecmp.cmpfiles(tmp_path / "one", tmp_path / "two", names, shallow=False)
    assert (len(match), mismatch, errors) == (len(names), [], [])
    assert check_records(tmp_path / "one").findings == ()
    assert read_records(tmp_path / "one").declaration.synthetic
    assert "No real pupil" in (tmp_path / "one" / "README.md").read_text(encoding="utf-8")


def test_the_sample_is_small(pytestconfig):
    sample = pytestconfig.rootpath / "data" / "sample"
    assert sum(path.stat().st_size for path in sample.rglob("*") if path.is_file()) < 3_000_000


def test_seeds_differ_and_cohorts_do_not_depend_on_each_other():
    both, one = simulate(seed=5, cohorts=[2020, 2021]), simulate(seed=5, cohorts=[2021])
    chosen = both.records.cohort(2021).grades.reset_index(drop=True)
    pd.testing.assert_frame_equal(chosen, one.records.grades)
    other = simulate(seed=6, cohorts=[2021]).records.grades
    assert not chosen.equals(other)


def test_ids_are_opaque_and_unique():
    ids = np.concatenate([draw_ids(np.random.default_rng(cohort), 20_000, cohort) for cohort in COHORTS])
    assert len(set(ids)) == len(ids)
    assert pd.Series(ids).str.fullmatch("P[a-z2-9]{7}").all()


def test_the_arrays_agree_with_the_library(town):
    """The model decides eligibility, points and merit on arrays; the library decides them on the tables."""
    results = town.records.term_results().set_index(["student_id", "term"])
    for year, population in town.populations.items():
        own = _ids_in_order(town, year)
        for place, term in enumerate(TERMS):
            here = (population.grades[:, place] != NO_ROW).any(axis=1)
            table = results.loc[[(student, term) for student in own[here]]]
            np.testing.assert_array_equal(table["eligible"].to_numpy(bool), population.eligible[here, place])
            expected = population.mean_points[here, place]
            np.testing.assert_allclose(table["mean_points"].to_numpy(float), expected)


def test_the_merit_value_agrees_with_the_library(town):
    from nbanalytics.eligibility import merit_value

    grades = town.records.cohort(2018).grades
    grading = town.records.declaration.grading(2018)
    table = merit_value(grades[grades["term"] == "9VT"], grading).set_index("student_id")["merit_value"]
    own = pd.Series(merit(town.populations[2018]), index=_ids_in_order(town, 2018)).dropna()
    np.testing.assert_allclose(table.loc[own.index], own)


def test_the_truth_is_that_of_the_records(municipality):
    results = municipality.records.term_results()[["student_id", "term", "eligible"]]
    order = results["term"].map(PLACE)
    start = results[(results["term"] == "6VT") & results["eligible"]]["student_id"]
    lost = results[results["student_id"].isin(start) & (order >= FIRST_LOWER) & ~results["eligible"]]
    first = lost.assign(order=order).sort_values("order").groupby("student_id")["term"].first()
    truth = municipality.truth.set_index("student_id")["lost_term"].dropna()
    pd.testing.assert_series_equal(truth.sort_index(), first.sort_index(), check_names=False)


def test_every_loss_has_a_cause_and_an_absence_begins_before_what_it_causes(municipality):
    truth = municipality.truth
    assert (truth["cause"].notna() == truth["lost_term"].notna()).all()
    by_absence = truth[truth["cause"] == "absence"]
    assert len(by_absence) > 30
    assert (by_absence["onset_term"].map(PLACE) <= by_absence["lost_term"].map(PLACE)).all()
    assert set(truth["cause"].dropna()) <= {"absence", "transition", "absence and transition", "ability"}


def test_onsets_follow_their_true_hazard_and_peak_at_the_transition(town):
    table = town.hazards
    error = np.sqrt(table["true_hazard"] * (1 - table["true_hazard"]) / table["at_risk"])
    assert (((table["hazard"] - table["true_hazard"]) / error).abs() < 3.5).all()
    assert table.loc[table["true_hazard"].idxmax(), "term"] == "7HT"


def test_absence_pulls_grades_down_and_makes_streck(town):
    population = town.populations[2018]
    onset, means = population.absence.onset, population.mean_points
    change = means[:, 7] - means[:, 1]
    began = (onset >= FIRST_LOWER) & (onset <= 5) & np.isfinite(change)
    never = (onset < 0) & np.isfinite(change)
    assert change[began].mean() < change[never].mean() - 1.5
    streck = (population.grades == -1).any(axis=2)
    assert population.absence.total[streck].mean() > 55
    assert 0.01 < streck[:, 7].mean() < 0.06


def test_grades_exist_only_while_the_student_is_here(municipality):
    records = municipality.records
    terms = records.grades[["student_id", "term"]].drop_duplicates().merge(records.students, on="student_id")
    place = terms["term"].map(PLACE)
    assert (place >= terms["moved_in"].map(PLACE).fillna(0)).all()
    assert (place <= terms["moved_out"].map(PLACE).fillna(N_TERMS - 1)).all()
    assert records.students["moved_in"].notna().sum() > 50
    assert records.students["moved_out"].notna().sum() > 50


def test_holes_are_there(municipality):
    records = municipality.records
    seen = records.grades.groupby("student_id")["term"].nunique()
    stayed = records.students[records.students["moved_in"].isna() & records.students["moved_out"].isna()]
    assert 20 < (seen.loc[stayed["student_id"]] < N_TERMS).sum() < 200
    assert 0.01 < records.absence["valid"].isna().mean() < 0.03


def test_subjects_are_those_of_a_swedish_school(municipality):
    grades = municipality.records.grades
    early = grades["term"].isin(["6HT", "6VT"])
    of = grades.groupby(["student_id", "term"])["subject"].agg(set)
    swedish = of.map(lambda subjects: len(subjects & {"SV", "SVA"}))
    assert (swedish == 1).all()
    for block, parts in (("NO", {"BI", "FY", "KE"}), ("SO", {"GE", "HI", "RE", "SH"})):
        with_block = of[of.map(lambda subjects, block=block: block in subjects)]
        assert set(with_block.index.get_level_values("term")) == {"6HT", "6VT"}
        assert not with_block.map(lambda subjects, parts=parts: bool(subjects & parts)).any()
    assert set(grades[early & grades["subject"].isin(["TK", "HKK"])]["grade"]) == {"not_taught"}
    assert {"M1", "M2", "ML"} <= set(grades["subject"])
    assert (grades["grade"] == "adapted").any()


def test_national_tests_go_with_the_grades(town):
    records = town.records
    both = records.tests.merge(records.grades, on=["student_id", "term", "subject"], suffixes=("", "_grade"))
    steps = {grade: step for step, grade in enumerate("FEDCBA")}
    x, y = both["grade"].map(steps), both["grade_grade"].map(steps)
    assert 0.75 < np.corrcoef(x, y)[0, 1] < 0.95
    assert set(records.tests["term"]) == {"6VT", "9VT"}
    assert set(records.tests["subject"]) == {"SV", "SVA", "EN", "MA"}


def test_what_has_not_happened_yet_is_missing(municipality):
    outcomes = municipality.records.outcomes.merge(municipality.records.students, on="student_id")
    known = outcomes.groupby("cohort")[["diploma_3y", "im_to_national", "changed_programme"]].count() > 0
    assert list(known.index[known["diploma_3y"]]) == [2018, 2019, 2020, 2021, 2022]
    assert list(known.index[known["im_to_national"]]) == [2018, 2019, 2020]
    assert not known.loc[2025, "changed_programme"]
    assert outcomes["moved_out"].isna().all()


def test_support_seldom_survives_the_transition(town):
    support = town.records.support.merge(town.records.students, on="student_id")
    teaching = support[support["kind"] == "special_needs_teaching"]
    year = teaching["start"].str[:4].astype(int) - (teaching["cohort"] - 4)
    had = {place: set(teaching["student_id"][year == place]) for place in range(4)}
    kept = [len(had[place] & had[place + 1]) / len(had[place]) for place in range(3)]
    assert kept[0] < 0.35 < min(kept[1:])
    assert set(support["level"]) == {"universal", "selective", "indicated"}
    ended = support.dropna(subset="end")  # what goes on has no end yet
    assert (ended["end"] > ended["start"]).all()


def test_the_youth_coach_meets_a_hundred_young_people_a_year(municipality):
    support = municipality.records.support
    coach = support[support["kind"] == "youth_coach"]
    start = pd.to_datetime(coach["start"])
    autumn = start.dt.year - (start.dt.month < 7)
    for year in range(2017, 2023):  # the school years with three cohorts in years 7 to 9
        met = coach[autumn == year]
        number = met["intensity"].value_counts()
        assert abs(len(met) - 100) <= 12
        assert abs(number["weekly"] - 5) <= 1
        assert abs(number["several_a_month"] - 15) <= 2
        assert abs(number["monthly"] - 30) <= 4


def test_schools_differ_in_size_names_and_results(town):
    records: StudentRecords = town.records
    assert records.schools["name"].is_unique
    assert (records.schools["stage"] == "lower_secondary").sum() == 24
    assert set(records.students["school_id"]) <= set(records.schools["school_id"])
    results = records.term_results(["9VT"]).merge(records.students, on=["student_id", "cohort"])
    assert results.groupby("school_id")["eligible"].mean().std() > 0.04


def test_one_cohort_may_be_asked_for_by_its_year():
    one = simulate(seed=3, cohorts=2019, students_per_cohort=5)
    assert one.records.students.equals(simulate(seed=3, cohorts=[2019], students_per_cohort=5).records.students)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"cohorts": [2035]}, "2035 cannot be simulated"),
        ({"cohorts": []}, "none given"),
        ({"students_per_cohort": 0}, "0 pupils"),
        ({"schools": 0}, "0 schools"),
    ],
)
def test_what_cannot_be_simulated_is_refused(settings, words):
    with pytest.raises(DataError, match=words):
        simulate(**settings)


def test_a_file_is_not_overwritten_by_a_folder(tmp_path):
    (tmp_path / "out").write_text("mine")
    with pytest.raises(DataError, match="Name another folder"):
        write_sample(tmp_path / "out")


def means_of_schools(parameters):
    """Mean grade points in 9VT by cohort and school, six schools and four cohorts."""
    records = simulate(3, [2020, 2021, 2022, 2023], 300, schools=6, parameters=parameters).records
    rows = records.term_results(["9VT"]).merge(records.students[["student_id", "cohort", "school_id"]])
    return rows.groupby(["cohort", "school_id"])["mean_points"].mean().unstack()


def test_shocks_and_teachers_are_added_to_the_same_pupils():
    """The stream of other draws stays, so that two municipalities differ by what was asked for and nothing else."""
    plain = means_of_schools(PARAMETERS)
    shocked = means_of_schools(replace(PARAMETERS, shock_sd=0.3)) - plain
    taught = means_of_schools(replace(PARAMETERS, teacher_sd=0.5)) - plain
    # A standard deviation of latent performance is some three grade points.
    assert 0.3 < float(shocked.to_numpy().std()) < 2.0
    assert abs(shocked.to_numpy().mean()) < 1.0
    within = shocked - shocked.mean()
    assert float(within.to_numpy().std()) > 0.2  # from cohort to cohort of the same school
    assert 0.05 < float(taught.to_numpy().std()) < float(shocked.to_numpy().std())  # many subjects even out
    pd.testing.assert_frame_equal(means_of_schools(PARAMETERS), plain)


def test_random_schools_do_not_average_to_the_nation():
    drawn = [
        draw_schools(np.random.default_rng(seed), 3, replace(PARAMETERS, random_schools=random)).effect
        for random in (False, True)
        for seed in range(400)
    ]
    even, free = np.array(drawn[:400]), np.array(drawn[400:])
    assert np.abs(even.mean(axis=1)).max() < 1e-12
    assert free.std() == pytest.approx(PARAMETERS.school_sd, rel=0.1)
    assert free.mean(axis=1).std() == pytest.approx(PARAMETERS.school_sd / np.sqrt(3), rel=0.15)


def _ids_in_order(simulation, year):
    """Ids in the order of the arrays: the truth table has them sorted, so they are drawn again."""
    size = len(simulation.populations[year].ability)
    return draw_ids(np.random.default_rng([simulation.settings["seed"], year, 1]), size, year)
