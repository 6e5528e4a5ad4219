"""The release that comes with the project is one of the sample as it is now."""

from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from nbanalytics.analysis.cohorts import classify
from nbanalytics.pages.board import Board
from nbanalytics.release import read_release

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
