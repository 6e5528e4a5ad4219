"""Rounded releases: nothing small is left anywhere, all tables agree, nobody is preferred, and pages say so."""

import json
import stat
from functools import cache
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
from examples import examples
from hypothesis import HealthCheck, Phase, assume, example, given, settings
from hypothesis import strategies as st
from made import municipality
from made_release import verify

from nbanalytics.analysis.flows import student_states
from nbanalytics.disclosure import Policy
from nbanalytics.errors import DisclosureError
from nbanalytics.pages.baseline_board import BaselineBoard
from nbanalytics.pages.board import Board
from nbanalytics.readers.write import write_records
from nbanalytics.release import build_release, read_release
from nbanalytics.release.declared import parse_declared, standard
from nbanalytics.release.files import signed
from nbanalytics.release.ledger import publish_release, rounding_secret
from nbanalytics.release.persons import persons_of
from nbanalytics.release.rounded import round_persons, usual, worth_publishing

FILTERS = ["cohort", "school", "sex", "newly_arrived"]
NOT_COUNTS = {"mean_points", "mean_merit", "mean_absence", "hazard", "survival"}
KEY, OTHER = b"0123456789abcdef0123456789abcdef", b"fedcba9876543210fedcba9876543210"
FEW = parse_declared({"max_crossed": 1, "tables": {"groups": {}}})


STUDENTS = 160


@cache
def few():
    """The six groups by one filter: quick to build and to attack."""
    return build_release(municipality(STUDENTS), created="2026-01-02", secret=KEY, contents=FEW)


@cache
def whole(secret=KEY):
    """The same of all students; with no secret it is exact."""
    return build_release(municipality(STUDENTS), created="2026-01-03", secret=secret, contents=FEW.crossed(0))


@pytest.fixture(scope="module")
def release():
    """Every table that is worth publishing, by one filter."""
    tables = {name: {} for name in standard().tables if name != "lost_subjects"}
    contents = parse_declared({"max_crossed": 1, "tables": tables})
    return build_release(municipality(STUDENTS), created="2026-01-02", secret=KEY, contents=contents)


@pytest.fixture(scope="module")
def persons():
    return persons_of(municipality(STUDENTS))


def counts_of(release, name):
    """The rows of the counts of a table; hidden ones without a value."""
    table = release.tables[name]
    return table[~table["measure"].isin(NOT_COUNTS)].reset_index(drop=True)


def dimensions_of(release, name):
    return release.manifest["tables"][name]["dimensions"]


# ------------------------------------------------------------------ what is published


def nothing_small(release):
    """Every count, and every difference of two nested cells, is 0 or at least the threshold: pair by pair."""
    least = release.manifest["policy"]["min_cell"]
    for name in release.tables:
        rows = counts_of(release, name)
        shown = rows[rows["status"] == "ok"]
        assert ((shown["value"] == 0) | (shown["value"] >= least)).all()
        for dimension in dimensions_of(release, name):
            others = [column for column in (*dimensions_of(release, name), "measure") if column != dimension]
            whole = shown[shown[dimension] == "*"].set_index(others)["value"]
            parts = shown[shown[dimension] != "*"].set_index(others)["value"]
            left = (whole.reindex(parts.index) - parts).dropna()
            assert (left >= 0).all()
            assert ((left == 0) | (left >= least)).all()
    return True


def all_agrees(release):
    """Every sum of one table, and between tables, of which all cells are shown."""
    seen = 0
    for name, entry in release.manifest["tables"].items():
        rows = counts_of(release, name)
        for measure, what in entry["measures"].items():
            of_measure = rows[rows["measure"] == measure]
            for dimension in what.get("sums_over", ()):
                others = [column for column in entry["dimensions"] if column != dimension]
                parts = of_measure[of_measure[dimension] != "*"].groupby(others)["value"]
                added = parts.sum()[parts.count() == parts.size()]
                whole = (
                    of_measure[of_measure[dimension] == "*"].set_index(others)["value"].reindex(added.index).dropna()
                )
                assert (added[whole.index] == whole).all()
                seen += len(whole)
    return seen


def test_no_count_and_no_difference_of_nested_cells_is_small(release):
    assert nothing_small(release)


def test_all_sums_of_every_table_hold(release):
    assert all_agrees(release) > 300


def test_tables_agree_with_each_other(release):
    """Nodes are the sums of their links, groups are eligibility, the life table goes on from term to term."""
    states, links = counts_of(release, "states"), counts_of(release, "transitions")
    into = links.groupby([*FILTERS, "stage_to", "state_to"])["value"].agg(["sum", "count", "size"]).reset_index()
    into = into.rename(columns={"stage_to": "stage", "state_to": "state"})
    both = states.merge(into, on=[*FILTERS, "stage", "state"]).dropna(subset="value")
    both = both[both["count"] == both["size"]]
    assert len(both) > 50
    assert (both["value"] == both["sum"]).all()
    groups = counts_of(release, "groups").pivot(index=FILTERS, columns="group", values="value")
    ends = counts_of(release, "eligibility").pivot(index=FILTERS, columns=["start", "end"], values="value")
    off = (groups["5"] - ends["not_eligible", "eligible"]).dropna()
    assert len(off)
    assert (off == 0).all()
    life = counts_of(release, "droppoints").pivot(index=[*FILTERS, "term"], columns="measure", values="value")
    life = life.unstack("term")
    terms = release.manifest["dimensions"]["term"]["values"][1:]
    for term, later in pairwise(terms):
        rest = life["at_risk", term] - life["lost", term] - life["censored", term] - life["at_risk", later]
        assert (rest.dropna() == 0).all()


def test_any_union_of_cells_of_any_tables_is_zero_or_five_and_more(release):
    rng = np.random.default_rng(0)
    every = pd.concat([counts_of(release, name)["value"].dropna() for name in release.tables]).to_numpy()
    for _ in range(500):
        union = (rng.choice(every, 6) * rng.choice([-1, 0, 1], 6)).sum()
        assert union == 0 or abs(union) >= 5


def test_the_attack_finds_nothing_in_what_is_published(release):
    found = verify([release])
    assert found.holds, found.text()
    assert found.counts["hidden"] > 0
    assert found.counts["unproven"] == 0


def sizes(release):
    states = counts_of(release, "states")
    stage = release.manifest["dimensions"]["stage"]["values"][0]
    return states[(states["stage"] == stage) & (states["state"] == "*")].set_index(FILTERS)


def test_nothing_is_said_of_groups_that_are_small_in_truth_or_rounded(release, persons):
    shown = sizes(release)
    assert shown["value"].dropna().ge(10).sum() + shown["value"].dropna().eq(0).sum() == shown["value"].notna().sum()
    people = persons.table[FILTERS]
    small = set()
    for place in shown.index:
        chosen = [people[name] == value for name, value in zip(FILTERS, place, strict=True) if value != "*"]
        if chosen and 0 < np.logical_and.reduce(chosen).sum() < 10:
            small.add(place)
    assert small
    for name in release.tables:
        rows = counts_of(release, name).set_index(FILTERS)
        assert (rows[[place in small for place in rows.index]]["status"] == "suppressed").all()


def test_nobody_is_shown_to_share_an_unfavourable_outcome_with_the_whole_group(release):
    groups = counts_of(release, "groups").pivot(index=FILTERS, columns="group", values="value").dropna()
    assert ((groups["*"] == 0) | (groups[["1", "2", "5"]].sum(axis=1) > 0)).all()
    ends = counts_of(release, "eligibility").pivot(index=[*FILTERS, "start"], columns="end", values="value").dropna()
    assert ((ends["*"] == 0) | (ends["eligible"] > 0)).all()
    life = counts_of(release, "droppoints").pivot(index=[*FILTERS, "term"], columns="measure", values="value").dropna()
    assert ((life["at_risk"] == 0) | (life["lost"] < life["at_risk"])).all()


def test_hazards_are_made_of_the_rounded_counts_and_means_of_all_students(release, persons):
    life = release.cells("droppoints").pivot(index="term", columns="measure", values="value").dropna()
    assert life["hazard"].to_numpy() == pytest.approx((life["lost"] / life["at_risk"]).to_numpy(), abs=5e-5)
    mean = release.cells("points", "mean_points")["value"].iloc[0]
    followed = persons.table[persons.table["group"].notna()]
    assert mean == pytest.approx(followed["points_start"].mean(), abs=0.005)


@pytest.mark.slow
@settings(max_examples=examples(60), phases=[Phase.explicit, Phase.generate], suppress_health_check=list(HealthCheck))
@given(st.integers(30, 900), st.integers(0, 10**6), st.sampled_from([0, 1, 2]), st.sampled_from([5, 7]))
@example(252, 511821, 2, 7)  # a small group of whom all lost
@example(90, 250, 1, 5)  # a state from which nobody anywhere came to a favourable one
def test_whatever_the_students_the_guarantees_hold(students, seed, crossed, least):
    tables = {name: {} for name in standard().tables if name != "lost_subjects"}
    contents = parse_declared({"max_crossed": crossed, "tables": tables})
    policy, records = Policy(min_cell=least, min_group=2 * least), municipality(students, seed)
    try:
        release = build_release(records, policy, created="2026-01-02", secret=KEY, contents=contents)
    except DisclosureError:
        assume(False)  # too noisy: refused
    assert nothing_small(release)
    assert all_agrees(release)
    assert verify([release]).holds


@pytest.mark.parametrize(("students", "seed", "crossed"), [(60, 4, 0), (90, 250, 1)])
def test_nobody_is_known_to_come_from_a_state_that_leads_to_nothing_good(students, seed, crossed):
    """Of a state from which no student came to a favourable one, such a one is left open that its stage has."""
    contents = parse_declared({"max_crossed": crossed, "tables": {"states": {}, "transitions": {}}})
    release = build_release(municipality(students, seed), created="2026-01-02", secret=KEY, contents=contents)
    assert verify([release]).holds


# ------------------------------------------------------------------ how far it is off


def states_of(persons):
    """How many students are in each state of each stage."""
    counts = {stage: persons.table[f"at_{stage}"].value_counts() for stage in persons.stages}
    return pd.concat(counts)


@pytest.mark.slow
def test_no_count_is_biased():
    """Over 200 keys the mean of each count is the true one, within four standard errors."""
    persons = persons_of(municipality(60))
    true = states_of(persons)
    drawn = (round_persons(persons, Policy(), number.to_bytes(32, "big")).persons for number in range(200))
    table = pd.concat([states_of(one).reindex(true.index, fill_value=0) for one in drawn], axis=1)
    error = np.maximum(table.std(axis=1), 1) / np.sqrt(200)
    assert ((table.mean(axis=1) - true).abs() < 4 * error).all()


def test_the_manifest_says_how_far_the_counts_are_off(release):
    """Against the states counted anew, a row per student and stage."""
    rounding = release.manifest["rounding"]
    assert release.manifest["protection"] == "rounded"
    assert rounding["unit"] == 5
    records = municipality(STUDENTS)
    states = student_states(records)
    true = states.groupby(["stage", "state"]).size()
    whole = counts_of(release, "states")
    whole = whole[(whole[FILTERS] == "*").all(axis=1) & (whole["state"] != "*")].set_index(["stage", "state"])["value"]
    both = pd.concat([true, whole], axis=1, keys=["true", "rounded"]).fillna({"true": 0}).dropna()
    off = (both["true"] - both["rounded"]).abs()
    assert off.sum() < 0.12 * both["true"].sum()
    assert off.max() <= 20
    said = {row["table"]: row for row in rounding["errors"]}
    assert set(said) == {*release.tables, "all"}
    assert all(2 * row["error"] == round(2 * row["error"]) and 0 <= row["share"] <= 0.5 for row in said.values())


def test_errors_are_those_of_every_declared_count(persons):
    rounded = round_persons(persons, Policy(), KEY)
    found = rounded.errors(Policy(), FEW).set_index("table")
    groups = ["1", "2", "3", "4", "5", "6"]
    off, every = [], []
    for name in (None, *FILTERS):
        for table, kept in ((persons.table, every), (rounded.persons.table, off)):
            column = table[name] if name else pd.Series("*", index=table.index)
            kept.append(
                pd.crosstab(column, table["group"])
                .reindex(columns=groups, fill_value=0)
                .assign(all=lambda x: x.sum(axis=1))
            )
    true, rough = pd.concat(every), pd.concat(off)
    errors = (true - rough.reindex(true.index, fill_value=0)).abs()
    assert found.loc["groups", "error"] == pytest.approx(errors.to_numpy().mean())
    assert found.loc["groups", "share"] == pytest.approx(errors.to_numpy().sum() / true.to_numpy().sum())


def test_noise_is_refused_where_it_was_asked_for_and_left_out_where_not(persons):
    rounded = round_persons(persons_of(municipality(60)), Policy(), KEY)
    with pytest.raises(DisclosureError, match=r"lost_subjects \d+%.*--declare"):
        worth_publishing(rounded, Policy(), parse_declared({"tables": {"groups": {}, "lost_subjects": {}}}))
    contents, said = worth_publishing(rounded, Policy())
    assert "lost_subjects" in said["rounding"]["left_out"]
    assert set(contents.tables) | set(said["rounding"]["left_out"]) == set(usual().tables)


def test_numbers_that_the_public_knows_cannot_be_kept():
    known = pd.DataFrame({"table": ["groups"], "measure": ["students"], "value": [40]})
    with pytest.raises(DisclosureError, match="1 known cells"):
        build_release(municipality(60), secret=KEY, known=known)


# ------------------------------------------------------------------ the key


def test_the_same_key_draws_the_same_students_and_another_others(persons):
    first, again, other = (round_persons(persons, Policy(), key).persons for key in (KEY, KEY, OTHER))
    pd.testing.assert_frame_equal(first.table, again.table)
    pd.testing.assert_frame_equal(first.causes, again.causes)
    assert not states_of(other).equals(states_of(first))


def test_a_cohort_is_rounded_the_same_whichever_are_beside_it(persons):
    records = municipality(STUDENTS)
    alone = round_persons(persons_of(records.cohort(2018)), Policy(), KEY).persons.table
    beside = round_persons(persons, Policy(), KEY).persons.table
    columns = [f"at_{stage}" for stage in persons.stages]
    beside = beside[beside["cohort"] == "2018"]
    pd.testing.assert_frame_equal(alone[columns], beside[columns].reset_index(drop=True))


def test_a_key_is_made_beside_the_ledger_for_its_owner_only(tmp_path):
    ledger = tmp_path / "releases.ledger"
    secret = rounding_secret(ledger=ledger)
    made = tmp_path / "releases.ledger.key"
    assert stat.S_IMODE(made.stat().st_mode) == 0o600
    assert rounding_secret(ledger=ledger) == secret == rounding_secret(key=made)
    assert rounding_secret() != rounding_secret()


# ------------------------------------------------------------------ the check of what is published


def altered(release, change):
    tables = {name: table.copy() for name, table in release.tables.items()}
    manifest = json.loads(json.dumps({**release.manifest}))
    change(manifest, tables)
    return signed(manifest, tables)


def place(table, **at):
    chosen = dict.fromkeys(FILTERS, "*") | at
    return np.logical_and.reduce([table[name] == value for name, value in chosen.items()])


def nudge(manifest, tables):
    table = tables["groups"]
    table.loc[place(table, group="1", measure="students"), "value"] -= 1


def finer(manifest, tables):
    manifest["rounding"]["unit"] = 1


def small_group(manifest, tables):
    for table in tables.values():
        counted = ~table["measure"].isin(NOT_COUNTS) & (table["status"] == "ok")
        table.loc[counted, "value"] = (table.loc[counted, "value"] > 0) * 5.0


def all_bad(manifest, tables):
    table = tables["groups"]
    everyone = table[place(table, group="*")]["value"].iloc[0]
    for group in "123456":
        table.loc[place(table, group=group), "value"] = everyone if group == "6" else 0


@pytest.mark.parametrize(("change", "kind"), [(nudge, "rounding"), (finer, "rounding"), (small_group, "small")])
def test_what_is_not_rounded_is_found(change, kind):
    release = few()
    assert verify([release]).holds
    assert kind in set(verify([altered(release, change)]).table["kind"])


def test_a_group_that_shares_its_outcome_is_found():
    assert "shared" in set(verify([altered(whole(), all_bad)]).table["kind"])


def test_rounded_and_exact_numbers_of_the_same_students_are_refused_together(tmp_path):
    found = verify([whole(), whole(None)]).table
    assert found[found["kind"] == "mixed"]["where"].tolist() == ["cohorts 2018, 2019"]
    ledger, folder = tmp_path / "releases.ledger", tmp_path / "release"
    publish_release(whole(), folder, ledger)
    with pytest.raises(DisclosureError, match="undo the rounding"):
        publish_release(whole(None), folder, ledger)
    with pytest.raises(DisclosureError, match="nearer the truth"):
        publish_release(whole(OTHER), folder, ledger)
    assert read_release(folder).manifest["created"] == "2026-01-03"
    assert publish_release(few(), folder, ledger).holds


def later_cohorts(manifest, tables):
    later = {"2018": "2028", "2019": "2029"}
    manifest["dimensions"]["cohort"]["values"] = list(later.values())
    for table in tables.values():
        table["cohort"] = table["cohort"].replace(later)


def test_other_cohorts_may_be_published_the_other_way():
    found = verify([whole(), altered(whole(None), later_cohorts)])
    assert found.holds, found.text()


# ------------------------------------------------------------------ the command and the pages


def test_the_command_rounds_with_a_key_of_its_own_and_tells_how_far_it_is_off(run, tmp_path):
    write_records(municipality(60), tmp_path / "records")
    declare = tmp_path / "declaration.toml"
    declare.write_text("max_crossed = 0\n[tables.groups]\n", "utf-8")
    out, ledger = tmp_path / "release", tmp_path / "releases.ledger"
    arguments = ("--out", out, "--round", "--ledger", ledger, "--declare", declare)
    status, _, told = run("release", tmp_path / "records", *arguments)
    assert status == 0, told
    assert "rounded to multiples of 5" in told
    key = (tmp_path / "releases.ledger.key").read_bytes().strip()
    assert key not in b"".join(path.read_bytes() for path in out.rglob("*") if path.is_file())
    status, told, _ = run("verify", out)
    assert status == 0
    assert "no weakness" in told


def test_a_key_without_rounding_is_refused(run, tmp_path):
    status, _, told = run("release", tmp_path, "--out", tmp_path / "x", "--key", tmp_path / "k")
    assert status == 1
    assert "Add --round" in told


@pytest.mark.parametrize(("lang", "words"), [("sv", "avrundade till multiplar av 5"), ("en", "multiples of 5")])
@pytest.mark.parametrize("kind", [Board, BaselineBoard])
def test_a_page_says_once_that_its_counts_are_rounded_and_each_chart_behind_it(release, kind, lang, words):
    board = kind(release, lang)
    view = board.view({})
    assert [section["id"] for section in view["sections"]] == list(board.sections)
    assert sum(words in text for text in view["reading"]) == 1
    assert all(words in section["help"][-2]["text"] for section in view["sections"])
    assert all(section["figure"]["data"] for section in view["sections"])
    one = board.view({"cohort": "2018"})
    assert one["problem"] is None


def test_other_releases_say_nothing_of_rounding():
    assert "protection" not in whole(None).manifest
    assert "avrundade" not in json.dumps(Board(whole(None), "sv").view({}), ensure_ascii=False)
