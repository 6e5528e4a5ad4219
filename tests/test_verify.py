"""The attack on published folders: hand-made releases whose weaknesses are known."""

import json
from itertools import combinations, pairwise, product

import numpy as np
import pytest
from examples import examples
from hypothesis import given, settings
from hypothesis import strategies as st
from made_release import GROUPS, made_release, verify
from typer.testing import CliRunner

from nbanalytics.cli import app
from nbanalytics.disclosure import bounds
from nbanalytics.errors import ReleaseError
from nbanalytics.release import write_release
from nbanalytics.release.knowledge import CELL, knowledge_of
from nbanalytics.release.verify import verify as attack

#: Two cohorts in two schools; the 3 and the 4 are what nobody may learn.
COUNTS = {
    ("2018", "S1"): (40, 3, 20),
    ("2018", "S2"): (30, 12, 21),
    ("2019", "S1"): (50, 14, 22),
    ("2019", "S2"): (45, 4, 23),
}
SMALL = {("2018", "S1", "3"), ("2019", "S2", "3")}
SQUARE = {(cohort, school, "3") for cohort, school in product(["2018", "2019"], ["S1", "S2"])}
#: In each line of the table one more is hidden along every dimension, and the complement of each total with it.
SAFE = {(cohort, school, group) for cohort, school in product(["2018", "2019"], ["S1", "S2"]) for group in ("3", "5")}


def kinds(*releases):
    return set(verify(releases).table["kind"])


def test_a_release_with_nothing_hidden_that_need_be_hidden_has_no_weakness():
    found = verify([made_release(dict.fromkeys(COUNTS, (30, 20, 20)))])
    assert found.holds
    assert found.counts == {"cells": 36, "hidden": 0, "proven": 0, "unproven": 0}
    assert "no weakness" in repr(found)


def test_primary_suppression_alone_is_subtracted_away():
    found = verify([made_release(COUNTS, SMALL)])
    assert set(found.table["kind"]) == {"exact"}
    assert list(found.table["where"]) == [
        "groups, students: cohort 2018, school S1, group 3",
        "groups, students: cohort 2019, school S2, group 3",
    ]
    assert "it is 3, fewer than 5" in found.text()


def test_a_square_of_hidden_cells_in_one_group_is_still_given_by_the_totals_of_each_school():
    assert "exact" in kinds(made_release(COUNTS, SQUARE))


def test_counts_that_are_not_proven_yet_name_what_to_do():
    hurried = attack([made_release(COUNTS, SAFE)], seconds=0.0)
    assert hurried.holds
    assert hurried.counts["unproven"] > 0
    assert hurried.text().endswith("unproven in 0 seconds (look longer, for example with --seconds 60)")
    assert "--seconds" not in verify([made_release(COUNTS, SAFE)]).text()


def test_a_square_in_two_groups_hides_both():
    found = verify([made_release(COUNTS, SAFE)])
    assert found.holds, found.text()
    assert found.counts["hidden"] == found.counts["proven"] == 8


def test_a_small_number_left_in_the_open_is_told():
    assert kinds(made_release(COUNTS)) == {"exact"}


def test_narrow_bounds_are_told():
    counts = {("2018", "S1"): (40, 2, 2), ("2018", "S2"): (40, 7, 9)}
    hidden = {("2018", "S1", "3"), ("2018", "S1", "5"), ("*", "S1", "3"), ("*", "S1", "5")}
    hidden |= {("2018", "S2", "3"), ("2018", "S2", "5"), ("*", "S2", "3"), ("*", "S2", "5")}
    # 4 together in S1, so each is 0 to 4: not known to be small, not known to be none; but 40 of 44 are shown.
    assert kinds(made_release(counts, hidden)) == {"complement"}
    more = {("2018", "S1"): (40, 2, 2), ("2018", "S2"): (40, 0, 9)}
    shown = hidden - {("2018", "S2", "3"), ("*", "S2", "3")}
    assert "exact" in kinds(made_release(more, shown))


def test_an_outcome_that_leaves_few_outside_is_told():
    counts = {("2018", "S1"): (44, 2, 0), ("2018", "S2"): (30, 12, 21)}
    found = verify([made_release(counts, {("2018", "S1", "3"), ("*", "S1", "3")})])
    assert {"exact", "complement"} <= set(found.table["kind"])


def test_a_group_that_shares_an_unfavourable_outcome_is_told():
    counts = {("2018", "S1"): (0, 14, 0), ("2018", "S2"): (30, 12, 21)}
    assert kinds(made_release(counts)) == {"shared"}


def test_a_small_group_that_can_be_computed_is_told():
    counts = {("2018", "S1"): (2, 0, 6), ("2018", "S2"): (30, 12, 21)}
    hidden = {(cohort, "S1", group) for cohort in ("*", "2018") for group in ("*", *GROUPS)}
    found = verify([made_release(counts, hidden)])
    assert "of a group of fewer than 10" in found.text()


def test_hidden_cells_of_several_schools_that_are_few_together_are_told():
    counts = {("2018", f"S{number}"): (30, few, 20 - few) for number, few in enumerate((1, 2, 12), 1)}
    hidden = {(cohort, school, group) for cohort in ("*", "2018") for school in ("S1", "S2") for group in ("3", "5")}
    assert kinds(made_release(counts, hidden)) == {"union"}


def test_numbers_that_do_not_add_up_are_told():
    release = made_release(COUNTS, SAFE)
    table = release.tables["groups"].copy()
    table.loc[0, "value"] += 1
    assert kinds(type(release)(release.manifest, {"groups": table})) == {"sums"}


def test_two_releases_that_are_safe_alone_may_not_be_together():
    """The second hides other cells of the same students: what one hides, the other shows."""
    other = {(cohort, school, group) for cohort, school, group in product(["2018", "2019"], ["S1", "S2"], ("3", "1"))}
    one, two = made_release(COUNTS, SAFE), made_release(COUNTS, other, created="2026-02-02")
    assert verify([one]).holds
    assert verify([two]).holds
    assert kinds(one, two) == {"exact"}


def test_a_correction_of_a_few_students_is_told():
    before = dict.fromkeys(COUNTS, (40, 20, 20))
    after = before | {("2018", "S1"): (40, 21, 20)}
    found = verify([made_release(before), made_release(after)])
    assert set(found.table["kind"]) == {"between"}
    assert found.settings["changed"] == ["*", "2018"]


def corrected(one, crossed=2):
    return made_release({("2018", "S1"): (40, one, 20), ("2018", "S2"): (30, 12, 21)}, crossed=crossed)


def test_every_two_of_several_releases_are_compared():
    """27 and 25 are each far from the first, 20, and near each other."""
    assert kinds(corrected(20), corrected(27)) == kinds(corrected(20), corrected(25)) == set()
    found = verify([corrected(20), corrected(27), corrected(25)])
    assert set(found.table["kind"]) == {"between"}
    assert "cohort 2018, school S1, group 3: two releases differ by 2" in found.text()


def test_a_correction_shows_where_only_all_cohorts_are_published():
    found = verify([corrected(20, crossed=0), corrected(22, crossed=0)])
    assert list(found.table["where"]) == ["groups, students: all students", "groups, students: group 3"]
    more = made_release({("2018", "S1"): (40, 20, 20), ("2018", "S2"): (30, 12, 21), ("2019", "S1"): (2, 0, 0)},
                        crossed=0)  # fmt: skip
    assert kinds(corrected(20, crossed=0), more) == set()  # all of two cohorts are not all of one


def test_what_follows_from_numbers_that_were_known_is_no_weakness():
    release = made_release({("2018", "S1"): (40, 3, 20), ("2018", "S2"): (30, 12, 21)})
    assert kinds(release) == {"exact"}
    at = [{"school": "S1"}, {"school": "S1", "group": "1"}, {"school": "S1", "group": "5"}]
    known = [{"table": "groups", "measure": "students", "at": place} for place in at]
    assert verify([type(release)({**release.manifest, "known": known}, release.tables)]).holds


def test_last_years_release_beside_this_years():
    """All cohorts of this year less all of last year are the new cohort: hidden there, it is known from the totals."""
    small = {("2019", "S1"): (30, 3, 20), ("2019", "S2"): (30, 12, 20)}
    old = {("2018", "S1"): (40, 13, 20), ("2018", "S2"): (30, 12, 21)}
    this = made_release(old | small, SAFE)
    assert verify([this]).holds, verify([this]).text()
    assert kinds(made_release(old), this) == {"exact"}


def test_other_definitions_are_not_taken_for_the_same_cells():
    other = {(cohort, school, group) for cohort, school, group in product(["2018", "2019"], ["S1", "S2"], ("3", "1"))}
    one, two = made_release(COUNTS, SAFE), made_release(COUNTS, other, newly="another")
    assert verify([one, two]).holds


def tables_of(total, cells):
    """Every way to spread a number of students over some cells."""
    for bars in combinations(range(total + cells - 1), cells - 1):
        yield [right - left - 1 for left, right in pairwise((-1, *bars, total + cells - 1))]


def brute_force(counts, hidden):
    """Smallest and largest value of each hidden cell of one cohort in two schools, over all tables of whole numbers."""
    shown = {
        (school, group): sum(members) if group == "*" else members[GROUPS.index(group)]
        for (_, school), members in counts.items()
        for group in ("*", *GROUPS)
    }
    shown |= {("*", group): sum(shown[school, group] for school in ("S1", "S2")) for group in ("*", *GROUPS)}
    found = {}
    for table in tables_of(shown["*", "*"], 6):
        guess = {
            (school, group): table[3 * s + g] for s, school in enumerate(("S1", "S2")) for g, group in enumerate(GROUPS)
        }
        guess |= {(school, "*"): sum(guess[school, group] for group in GROUPS) for school in ("S1", "S2")}
        guess |= {("*", group): guess["S1", group] + guess["S2", group] for group in ("*", *GROUPS)}
        if all(guess[place] == value for place, value in shown.items() if place not in hidden):
            for place in hidden:
                low, high = found.get(place, (np.inf, -np.inf))
                found[place] = (min(low, guess[place]), max(high, guess[place]))
    return found


@settings(max_examples=examples(4))
@given(st.lists(st.integers(0, 3), min_size=6, max_size=6), st.sets(st.integers(0, 11), min_size=2, max_size=7))
def test_bounds_are_those_of_all_tables_counted_through(values, which):
    counts = {("2018", "S1"): tuple(values[:3]), ("2018", "S2"): tuple(values[3:])}
    places = list(product(("*", "S1", "S2"), ("*", *GROUPS)))
    hidden = {places[number] for number in which if places[number] != ("*", "*")}
    release = made_release(counts, {(cohort, *place) for cohort in ("*", "2018") for place in hidden})
    published = knowledge_of([release])
    expected = brute_force(counts, hidden)
    for (school, group), (low, high) in expected.items():
        frame = published.frames[0]["groups", "students"]
        row = frame[(frame["cohort"] == "2018") & (frame["school"] == school) & (frame["group"] == group)]
        got = bounds(published.knowledge, row[CELL].to_numpy())
        assert (got.low[0], got.high[0]) == (low, high)


# ------------------------------------------------------------------ command line


@pytest.fixture
def folders(tmp_path):
    other = {(cohort, school, group) for cohort, school, group in product(["2018", "2019"], ["S1", "S2"], ("3", "1"))}
    write_release(made_release(COUNTS, SAFE), tmp_path / "one")
    write_release(made_release(COUNTS, other), tmp_path / "two")
    return str(tmp_path / "one"), str(tmp_path / "two")


def test_verify_says_what_it_finds_and_exits_1(folders):
    run = CliRunner().invoke(app, ["verify", *folders])
    assert run.exit_code == 1
    assert "exact: groups, students: cohort 2018, school S1, group 3: it is 3, fewer than 5" in run.stdout
    assert CliRunner().invoke(app, ["verify", folders[0]]).exit_code == 0


def test_verify_as_json(folders):
    run = CliRunner().invoke(app, ["verify", folders[0], "--json"])
    said = json.loads(run.stdout)
    assert said["holds"] is True
    assert said["weaknesses"] == []
    assert said["min_cell"] == 5


def test_verify_refuses_a_folder_that_was_altered(folders, tmp_path):
    path = tmp_path / "one" / "tables" / "groups.csv"
    path.write_text(path.read_text("utf-8").replace(",40,ok", ",41,ok"), "utf-8")
    run = CliRunner().invoke(app, ["verify", folders[0]])
    assert isinstance(run.exception, ReleaseError)
    assert "was altered" in str(run.exception)
