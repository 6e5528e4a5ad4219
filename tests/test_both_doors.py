"""The same words, the same number: every measure of a release is what the analysis of its records gives."""

from itertools import combinations

import numpy as np
import pandas as pd
import pytest
from conftest import ROOT

import nbanalytics as nb
from nbanalytics.disclosure import Policy
from nbanalytics.figures.baseline import shares_of
from nbanalytics.frames import collect
from nbanalytics.release import read_release
from nbanalytics.release.cube import to_rows
from nbanalytics.release.declared import standard
from nbanalytics.release.model import FILTERS
from nbanalytics.release.persons import persons_of
from nbanalytics.release.tables import count_tables
from nbanalytics.simulation import simulate
from nbanalytics.students import absence_by_term
from nbanalytics.text import Cells

COLUMNS = dict(zip(FILTERS, ("cohort", "school_id", "sex", "newly_arrived"), strict=True))
#: Filters that are set together: none, each, and some pairs.
CHOICES = [(), *[(name,) for name in FILTERS], *combinations(FILTERS[:3], 2)]
#: Each filter once; `make test-slow` goes through all.
FEW = [(), ("cohort",), ("newly_arrived",), ("school", "sex")]
choices = pytest.mark.parametrize(
    "choices", [pytest.param(FEW, id="few"), pytest.param(CHOICES, id="all", marks=pytest.mark.slow)]
)


def filtered(table, chosen):
    """Give the columns of a result the names and words of the release's filters."""
    table = table.rename(columns={COLUMNS[name]: name for name in chosen})
    words = {True: "yes", False: "no"}
    for name in FILTERS:
        values = table[name].map(lambda value: words.get(value, str(value))) if name in chosen else "*"
        table = table.assign(**{name: values})
    return table


def rows(table, measure, value, **dimensions):
    """Rows as a release has them."""
    made = table[list(FILTERS)].assign(**{name: table[column] for name, column in dimensions.items()})
    return made.assign(measure=measure, value=table[value].astype(float)).reset_index(drop=True)


def with_total(table, *columns):
    """Add the rows with ``*`` over a dimension."""
    total = table.assign(**dict.fromkeys(columns, "*"))
    keys = [name for name in table if name != "value"]
    return pd.concat([table, total.groupby(keys, as_index=False)["value"].sum()], ignore_index=True)


def analysed(records, chosen, merit):
    """Every measure of a release, by the public functions of the analysis."""
    by = [COLUMNS[name] for name in chosen]
    students = collect(records.students)
    classified = collect(nb.classify(records).table).dropna(subset=["group"])
    people = classified.merge(students.drop(columns="cohort"), on="student_id").astype({"group": int})
    people["one"] = 1
    flow = filtered(nb.eligibility_flow(_Table(people), by=by), chosen)
    groups = people.groupby([*by, "group"])["one"].sum().reset_index()
    flows, losses = nb.flows(records, by=by), nb.losses(records)
    states = with_total(
        rows(filtered(flows.states, chosen), "students", "students", stage="stage", state="state"), "state"
    )
    ways = {name: name for name in ("stage_from", "state_from", "stage_to", "state_to")}
    life = filtered(losses.life_table(by), chosen)
    causes = (
        nb.lost_subjects(records, losses).table.merge(students.drop(columns="cohort"), on="student_id").assign(one=1)
    )
    causes = filtered(causes.groupby([*by, "term", "subject"])["one"].sum().reset_index(), chosen)
    yield (
        "groups",
        with_total(rows(filtered(groups, chosen), "students", "one", group="group").astype({"group": str}), "group"),
    )
    yield "eligibility", rows(flow, "students", "students", start="start", end="end")
    yield "states", states
    yield "transitions", rows(filtered(flows.transitions, chosen), "students", "students", **ways)
    for measure in ("at_risk", "lost", "censored", "hazard", "survival"):
        yield "droppoints", rows(life, measure, measure, term="term")
    yield "lost_subjects", with_total(rows(causes, "students", "one", term="term", subject="subject"), "term")
    yield from means(records, people, students, by, chosen, merit)
    yield from baselines(records, by, chosen)


class _Table:
    def __init__(self, table):
        self.table = table


def merit_values(records):
    """Merit values by student and term, without students who have no pass."""
    gradings = ((records.declaration.grading(cohort), cohort) for cohort in records.cohorts())
    merit = pd.concat(nb.merit_value(records.cohort(cohort).grades, grading) for grading, cohort in gradings)
    return merit[merit["n_passed"] > 0].set_index(["student_id", "term"])["merit_value"]


def means(records, people, students, by, chosen, merit):
    start, end = records.declaration.start, records.declaration.end
    for year, term, column in (("6", start, "start_points"), ("9", end, "end_points")):
        both = people.assign(year=year, merit=people["student_id"].map(merit.xs(term, level="term")))
        keys = [*by, "year"]
        for measure, (what, how) in {
            "students": ("one", "sum"),
            "mean_points": (column, "mean"),
            "mean_merit": ("merit", "mean"),
        }.items():
            found = both.groupby(keys)[what].agg(how).reset_index()
            yield "points", rows(filtered(found, chosen), measure, what, year="year")
    if records.absence is None:
        return
    total = collect(absence_by_term(records)).dropna(subset=["total"]).merge(students, on="student_id")
    kept = total[total["term"].isin(records.declaration.stages)]
    sums = kept.groupby([*by, "term"])["total"].agg(["size", "mean"]).reset_index()
    yield "absence", rows(filtered(sums, chosen), "students", "size", term="term")
    yield "absence", rows(filtered(sums, chosen), "mean_absence", "mean", term="term")


def baselines(records, by, chosen):
    whole = filtered(nb.flows(records, by=by).states, chosen)
    whole = whole.groupby([*FILTERS, "stage"])["students"].sum().rename("all").reset_index()
    for term in records.declaration.stages:
        found = nb.baseline(records, term, by=by, of="graded").table.query("group == 'all' and measure != 'absence'")
        found = filtered(found, chosen).merge(whole[whole["stage"] == term], on=list(FILTERS)).assign(term=term)
        counts = {"yes": found["count"], "no": found["n"] - found["count"], "unknown": found["all"] - found["n"]}
        counts["*"] = found["all"]
        for result, count in counts.items():
            table = found.assign(result=result, number=count)
            yield "baseline", rows(table, "students", "number", term="term", indicator="measure", result="result")


def compared(records, tables, decimals, choices):
    """Compare what a release shows with the analysis; return how many cells, by table and measure."""
    seen, merit = {}, merit_values(records)
    for chosen in choices:
        for name, table in analysed(records, chosen, merit):
            places = [column for column in table if column != "value"]
            shown = tables[name].merge(table.astype(dict.fromkeys(places, str)), on=places, suffixes=("", "_analysed"))
            for measure, part in shown.groupby("measure"):
                gap = (part["value"] - part["value_analysed"]).abs()
                assert gap.max() <= 0.5 * 10.0 ** -decimals.get(measure, 9) + 1e-9, (name, measure, chosen)
                seen[name, measure] = seen.get((name, measure), 0) + len(part)
    return seen


@choices
def test_the_sample_release_shows_what_the_notebooks_count(sample, choices):
    release = read_release(ROOT / "dashboards" / "release")
    tables = {name: table[table["status"] == "ok"] for name, table in release.tables.items()}
    decimals = {"mean_points": 2, "mean_merit": 1, "mean_absence": 1, "hazard": 4, "survival": 4}
    seen = compared(sample, tables, decimals, choices)
    declared = {(name, measure) for name, table in tables.items() for measure in set(table["measure"])}
    assert set(seen) == declared
    assert sum(seen.values()) > 300 * len(choices)


@choices
def test_a_town_with_movers_and_students_without_grades_is_counted_the_same(choices):
    records = simulate(seed=5, cohorts=[2018, 2019], students_per_cohort=90).records
    rng = np.random.default_rng(5)
    students = records.students.assign(
        moved_out=np.where(rng.random(len(records.students)) < 0.1, "7VT", records.students["moved_out"]),
        sex=records.students["sex"].where(rng.random(len(records.students)) > 0.05),
    )
    gone = set(students.loc[students["moved_out"] == "7VT", "student_id"])
    grades = records.grades[
        ~records.grades["student_id"].isin(gone) | records.grades["term"].isin(["6HT", "6VT", "7HT"])
    ]
    grades = grades[~((grades["student_id"].isin(students["student_id"].iloc[::9])) & (grades["term"] == "9VT"))]
    records = nb.StudentRecords(students, grades, absence=records.absence, declaration=records.declaration)
    counted = count_tables(persons_of(records), Policy(), standard())
    tables = {}
    for entry in counted:
        part = to_rows(entry.cube).assign(value=entry.cube.counts[entry.cube.declared].astype(float))
        tables[entry.cube.table] = pd.concat([tables.get(entry.cube.table), part])
    seen = compared(records, tables, {}, choices)
    wanted = {(entry.cube.table, entry.cube.measure) for entry in counted}
    assert wanted <= set(seen)
    states = nb.flows(records).states.query("stage == '9VT'").set_index("state")["students"]
    assert states["moved"] > 5
    assert states["unknown"] > 5


@pytest.mark.parametrize(("of", "known"), [("all", 302), ("graded", 300)])
def test_the_share_eligible_has_two_names_with_a_number_each(sample, of, known):
    """Cohort 2019 in 9VT: 258 eligible, of 302 who should have had grades, of whom 300 have them."""
    row = nb.baseline(sample.cohort(2019), "9VT", of=of).table.iloc[0]
    flow = nb.share_eligible(nb.flows(sample.cohort(2019)), of=of).set_index("stage").loc["9VT"]
    people = nb.municipality.own_values(sample.cohort(2019)).iloc[0]
    assert (row["count"], row["n"]) == (flow["eligible"], flow["students"]) == (258, known)
    assert people["n"] == 302
    shown = read_release(ROOT / "dashboards" / "release").cells("baseline", cohort=2019)
    assert shares_of(Cells(shown), "eligible")[-1][1:] == (258, 300)
