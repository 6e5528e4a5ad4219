"""The release that comes with the project is one of the sample as it is now."""

import re
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
from test_release import FILTERS, truth_of

from nbanalytics.analysis.cohorts import classify
from nbanalytics.pages.board import Board
from nbanalytics.release import read_release
from nbanalytics.text import Words

FOLDER = Path(__file__).resolve().parents[1] / "dashboards" / "release"


@pytest.fixture(scope="module")
def release():
    return read_release(FOLDER)


def test_it_is_of_the_sample_and_says_that_it_is_synthetic(release, sample):
    assert release.manifest["synthetic"]
    assert release.manifest["source"]["students"] == len(sample.students)
    assert release.manifest["source"]["cohorts"] == sample.cohorts()


@pytest.mark.parametrize("filters", [{}, {"cohort": "2018"}, {"school": "S2"}, {"sex": "girl", "cohort": "2021"}])
def test_what_it_shows_of_the_six_groups_is_what_the_sample_holds(release, sample, filters):
    people = sample.students.rename(columns={"school_id": "school"})
    table = pd.DataFrame(classify(sample).table).merge(people.drop(columns="cohort"), on="student_id")
    for name, value in filters.items():
        table = table[table[name].astype(str) == value]
    counts = table["group"].dropna().astype(int).astype(str).value_counts()
    cells = release.cells("groups", **filters)
    shown = cells[(cells["status"] == "ok") & (cells["group"] != "*")].set_index("group")["value"]
    assert len(shown) > 0
    for group, value in shown.items():
        assert value == counts.get(group, 0)


def test_it_holds_no_students(sample):
    ids = set(sample.students["student_id"])
    for path in FOLDER.rglob("*"):
        if path.is_file():
            words = set(path.read_text(encoding="utf-8").replace(",", " ").replace('"', " ").split())
            assert not words & ids, path.name


def test_a_release_of_other_terms_is_not_called_year_6_and_year_9(release):
    source = release.manifest["source"] | {"start": "G1", "end": "G3"}
    other = Board(replace(release, manifest=release.manifest | {"source": source}))
    for board, start in ((Board(release), "årskurs 6"), (other, "G1")):
        tiles = {tile["id"]: tile["label"] for tile in board.view({})["tiles"]}
        assert tiles["start"] == f"Behöriga i {start}"
    assert "årskurs 9" not in other.view({})["answer"]


def named_of(text, pattern, words, kind, codes):
    """The codes that a sentence names as those with the most; None if it names none."""
    found = re.search(pattern, text)
    if found is None:
        return None
    return {code for code in codes if words.label(kind, code).lower() in re.split(", | och ", found[1].lower())}


def most_of(rows, column):
    top = rows["true"].max()
    return set(rows.loc[rows["true"] == top, column]) if top else set()


def test_what_is_named_as_the_most_is_the_most_in_the_records_for_every_selection(release, sample):
    """Terms and subjects, in the answer and in the reading; also where some numbers of the selection are hidden."""
    truth, words, board = truth_of(release, sample), Words("sv"), Board(release)
    lost = truth["droppoints", "lost"]
    subjects = truth["lost_subjects", "students"].query("term == '*'")
    terms, codes = list(lost["term"].unique()), list(subjects["subject"].unique())
    said = {"named": 0, "although hidden": 0, "left open": 0}
    for selection in board.selections():
        view, place = board.view(selection), tuple(selection[name] for name in FILTERS)
        reading = " ".join(view["reading"])
        for text, pattern, kind, listed, column, rows in (
            (view["answer"], r"Flest tappade behörigheten (.*?):", "term_long", terms, "term", lost),
            (reading, r"tappade flest behörigheten för första gången (.*?):", "term_long", terms, "term", lost),
            (reading, r"saknades oftast godkänt betyg i (.*?):", "subject", codes, "subject", subjects),
        ):
            own = rows[(rows[list(FILTERS)] == list(place)).all(axis=1)]
            named = named_of(text, pattern, words, kind, listed)
            closed = (own["status"] != "ok").any()
            if named is None:
                said["left open"] += bool(closed)
            else:
                assert named == most_of(own, column), (selection, pattern)
                said["named"] += 1
                said["although hidden"] += bool(closed)
        assert "bland de terminer" not in (view["answer"] + reading).lower()
    assert said["although hidden"] >= 10
    assert said["left open"] >= 10


def test_the_ranges_of_hidden_numbers_hold_the_truth_and_are_what_anyone_can_add_up(release, sample):
    """Girls and boys, or newly arrived and the others, are all: what one may be is all less what the others may be."""
    frame = truth_of(release, sample)["eligibility", "students"]
    place = frame[[*FILTERS, "start", "end"]].agg("|".join, axis=1)
    ranges, rows = release.manifest["ranges"], frame.set_index(place)
    assert len(ranges) > 50
    for key, (low, high) in ranges.items():
        row = rows.loc[key]
        assert row["status"] == "suppressed", key
        assert low <= row["true"] <= high, key
        assert low == 0 or high >= 5, key  # no range reveals that a count is one to four
    for two in (("girl", "boy"), ("yes", "no")):
        for key, (low, high) in ranges.items():
            if f"|{two[0]}|" in key and (other := key.replace(f"|{two[0]}|", f"|{two[1]}|")) in ranges:
                whole = rows.loc[key.replace(f"|{two[0]}|", "|*|")]
                if whole["status"] == "ok":
                    assert [low, high] == [whole["value"] - end for end in reversed(ranges[other])], key


def test_a_page_gives_the_range_where_the_number_is_hidden(release, sample):
    """ "73–86 of 1,870" is an answer; two dots are none."""
    low, high = release.manifest["ranges"]["*|*|*|no|eligible|not_eligible"]
    view = Board(release).view({"newly_arrived": "no"})
    tiles = {tile["id"]: tile for tile in view["tiles"]}
    assert tiles["lost"]["value"] == f"{low}–{high}"
    assert "det exakta antalet visas inte" in tiles["lost"]["note"]
    assert f"hade {low}–{high} tappat behörigheten" in view["answer"]
    few = Board(release, "en").view({"newly_arrived": "yes"})
    low, high = release.manifest["ranges"]["*|*|*|yes|eligible|not_eligible"]
    assert low == 0
    assert f"at most {high} had lost eligibility" in few["answer"]
