"""Every specification holds, whatever engine holds the records."""

from __future__ import annotations

import pandas as pd
import pytest
from made import ENGINES, SPARK, in_engine
from specifications import IN_THE_DOCS, METHODS, is_numeric, specifications, with_examples

import nbanalytics as nb
from nbanalytics.errors import DataError
from nbanalytics.frames import collect, open_frame
from nbanalytics.records import StudentRecords

SPECIFICATIONS = specifications()
NUMBERS = {"students": ["cohort"], "absence": ["valid", "invalid"]}


def records_of(tables):
    """Records from the tables of a specification: grades from wide to long, numbers as numbers, the rest text."""
    frames = {name: table.copy() for name, table in tables.items()}
    wide = frames["grades"].melt(["student_id", "term"], var_name="subject", value_name="grade")
    frames["grades"] = wide[wide["grade"] != "."].reset_index(drop=True)
    if "students" not in frames:
        frames["students"] = pd.DataFrame({"student_id": frames["grades"]["student_id"].unique()}).assign(cohort="2018")
    for name, frame in frames.items():
        for column in frame:
            numeric = column in NUMBERS.get(name, ())
            frame[column] = pd.to_numeric(frame[column]) if numeric else frame[column].astype("str")
    return StudentRecords(**frames)


def in_text(value):
    """A value as the specifications write it: empty where it is missing."""
    return "" if value is None or value is pd.NA or value != value else str(value)


def compare(result, expected):
    """Rows in any order, the expected columns only, numbers as far as they are written."""
    found = result if isinstance(result, pd.DataFrame) else collect(open_frame(result))
    assert len(found) == len(expected), found
    found = found.reset_index()[list(expected.columns)]
    wanted, got = expected.copy(), found.copy()
    for column in expected:
        if is_numeric(expected[column]):
            digits = max((len(text.partition(".")[2]) for text in expected[column].dropna()), default=0)
            wanted[column] = [in_text(value) for value in expected[column].astype(float).round(digits)]
            got[column] = [in_text(value) for value in got[column].astype(float).round(digits) + 0.0]
        else:
            wanted[column], got[column] = ([in_text(value) for value in one[column]] for one in (expected, found))
    assert sorted(got.to_numpy().tolist()) == sorted(wanted.to_numpy().tolist())


def holds(specification, engine):
    """Run a specification on records of one engine."""
    records = in_engine(records_of(specification.tables), engine) if specification.tables else None
    known = {"nb": nb, "records": records, "grading": nb.default_catalogue().grading(2018)}
    if specification.refusal:
        with pytest.raises(DataError) as refused:
            eval(specification.call, known)
        assert specification.refusal in str(refused.value)
        return
    result = eval(specification.call, known)
    if isinstance(result, float):
        result = pd.DataFrame({"value": [result]})
    compare(result, specification.expected)


@pytest.mark.parametrize("engine", ENGINES)
def test_specifications_hold(engine):
    failed = {}
    for one in SPECIFICATIONS:
        try:
            holds(one, engine)
        except (Exception, pytest.fail.Exception) as fault:
            failed[f"{one.topic}: {one.title}"] = f"{type(fault).__name__}: {fault}"[:500]
    assert failed == {}


@pytest.mark.skipif(not SPARK, reason="needs Java and pyspark")
@pytest.mark.parametrize(
    "chosen",
    [pytest.param(SPECIFICATIONS[::8], id="some"), pytest.param(SPECIFICATIONS, id="all", marks=pytest.mark.slow)],
)
def test_specifications_hold_in_spark(chosen):
    failed = {}
    for one in chosen:
        try:
            holds(one, "pyspark")
        except (Exception, pytest.fail.Exception) as fault:
            failed[f"{one.topic}: {one.title}"] = f"{type(fault).__name__}: {fault}"[:500]
    assert failed == {}


def test_there_are_enough_of_them_and_each_has_a_title_of_its_own():
    assert len(SPECIFICATIONS) >= 40
    assert len({one.title for one in SPECIFICATIONS}) == len(SPECIFICATIONS)


def test_a_specification_can_fail():
    """A wrong number, a row too few and a refusal that does not come are noticed."""
    [one] = [one for one in SPECIFICATIONS if one.title == "The life table"]
    wrong = one.expected.assign(at_risk=["10", "8", "6", "6"])
    for broken in (wrong, one.expected.iloc[1:]):
        with pytest.raises(AssertionError):
            compare(nb.life_table([1, 1, 2, 2, 3, 4, 4, 4, 4, 4], [1, 1, 0, 0, 1, 0, 0, 0, 0, 0]), broken)


def test_the_worked_examples_of_the_documentation_are_the_specifications():
    page = METHODS.read_text("utf-8")
    assert page == with_examples(page), "run: python tests/spec/specifications.py"
    assert page.count("\n### ") >= sum(IN_THE_DOCS in one.text for one in SPECIFICATIONS)
