"""Records made by hand, by hypothesis, and in every dataframe engine at hand."""

from __future__ import annotations

import os
import shutil
import sys
from dataclasses import replace
from functools import cache
from importlib.util import find_spec

import duckdb
import pandas as pd
import polars as pl
from hypothesis import strategies as st

from nbanalytics.declaration import Declaration
from nbanalytics.frames import collect, open_frame
from nbanalytics.records import StudentRecords

SUBJECTS = ("SV", "EN", "MA", "BL", "MU", "SL", "IDH", "HKK")
#: A pass in each of them.
PASS = "EEEEEEEE"
SPARK = shutil.which("java") is not None and find_spec("pyspark") is not None
#: Engines of this process; Spark's cases are together in test_spark, in one warm JVM.
ENGINES = ["pandas", "polars", "polars-lazy", "duckdb"]


def records_of(courses, declaration=None, outcomes=None, absence=None, subjects=SUBJECTS, **columns):
    """Build records from ``{student: {term: grades}}``: a grade a subject, as text, '.' for no row; or a mapping."""
    rows = [
        (student, term, subject, grade)
        for student, terms in courses.items()
        for term, grades in terms.items()
        for subject, grade in (grades.items() if isinstance(grades, dict) else zip(subjects, grades, strict=True))
        if grade != "."
    ]
    students = pd.DataFrame({"student_id": pd.Series(list(courses), dtype="str"), "cohort": 2018}).assign(**columns)
    return StudentRecords(
        students=students,
        grades=pd.DataFrame(rows, columns=["student_id", "term", "subject", "grade"]).astype("str"),
        outcomes=outcomes,
        absence=absence,
        declaration=declaration or Declaration(),
    )


def in_engine(records, engine):
    """Return the same records as tables of another engine."""
    if engine == "pandas":
        return records
    tables = {name: _convert(table, engine) for name, table in records.tables().items()}
    return replace(records, **tables)


def _convert(table, engine):
    if engine == "duckdb":
        return duckdb.from_arrow(pl.from_pandas(table).to_arrow())
    if engine == "pyspark":
        return spark().createDataFrame(pl.from_pandas(table).to_arrow())
    frame = pl.from_pandas(table)
    return frame.lazy() if engine == "polars-lazy" else frame


@cache
def spark():
    """One Spark session for all tests; pytest's process ends it."""
    from pyspark.sql import SparkSession

    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    builder = SparkSession.builder.master("local[1]").appName("nbanalytics tests")
    # Sixty students: compiling each query costs far more than running it.
    small = {
        "spark.ui.enabled": "false",
        "spark.sql.shuffle.partitions": "1",
        "spark.default.parallelism": "1",
        "spark.sql.codegen.wholeStage": "false",
        "spark.sql.codegen.factoryMode": "NO_CODEGEN",
        "spark.sql.adaptive.enabled": "false",
        "spark.sql.autoBroadcastJoinThreshold": "-1",
        # Where in Python each column was written is kept for messages, at several calls into the JVM a column.
        "spark.python.sql.dataFrameDebugging.enabled": "false",
        # A JVM that lives for a minute never earns back what it spends on its best compiler.
        "spark.driver.extraJavaOptions": "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC",
    }
    for key, value in small.items():
        builder = builder.config(key, value)
    session = builder.getOrCreate()
    session.sparkContext.setLogLevel("ERROR")
    return session


@cache
def municipality(students=60, seed=5):
    """Return records with gaps, moves, missing values, switches of course and block grades, for all engines."""
    import numpy as np

    rng = np.random.default_rng(seed)
    terms = Declaration().terms
    people, grades, absence, outcomes = [], [], [], []
    for number in range(students):
        student = f"P{number}"
        people.append(
            {
                "student_id": student,
                "cohort": 2018 + number % 2,
                "sex": None if number % 17 == 16 else ("girl", "boy")[number % 2],
                "school_id": f"S{number % 3}",
                "newly_arrived": number % 5 == 0,
                "moved_in": "7HT" if number % 11 == 10 else None,
                "moved_out": "8HT" if number % 13 == 12 else None,
            }
        )
        outcomes.append(
            {"student_id": student, "programme_kind": (None, "preparatory", "vocational", "introductory")[number % 4]}
        )
        weak = rng.random()
        for place, term in enumerate(terms):
            gone = (number % 11 == 10 and place < 2) or (number % 13 == 12 and place > 4) or rng.random() < 0.06
            if gone:
                continue
            invalid = float(rng.integers(0, 60)) / 10
            valid = None if rng.random() < 0.1 else float(rng.integers(0, 200)) / 10
            absence.append({"student_id": student, "term": term, "valid": valid, "invalid": invalid})
            swedish = "SVA" if number % 4 == 0 or (number % 9 == 0 and place < 3) else "SV"
            block = ["NO"] if place < 2 and number % 3 == 0 else ["BI", "FY"]
            for subject in (swedish, "EN", "MA", "BL", "MU", "SL", "IDH", "HKK", "M2", *block):
                fails = rng.random() < 0.15 * weak
                grade = str(rng.choice(["F", "-", "not_taught"])) if fails else str(rng.choice(list("ABCDEE")))
                grades.append({"student_id": student, "term": term, "subject": subject, "grade": grade})
    frames = (pd.DataFrame(rows) for rows in (people, grades, absence, outcomes))
    people, grades, absence, outcomes = frames
    return StudentRecords(people, grades, absence=absence, outcomes=outcomes)


def same(found, expected):
    """Compare two small pandas tables by value; engines differ in how they write integers and missing text."""
    pd.testing.assert_frame_equal(found, expected, check_dtype=False, rtol=1e-9, atol=1e-9)


@st.composite
def made_records(draw):
    """Records of a few students who come and go, with any grades; tests compute in Polars, which is quicker."""
    terms = Declaration().terms
    grade = st.sampled_from("EEEEEEDCAF-.")
    term_grades = st.one_of(st.none(), st.lists(grade, min_size=8, max_size=8).map("".join), st.just("EEEEEEEE"))
    courses = draw(st.lists(st.lists(term_grades, min_size=len(terms), max_size=len(terms)), min_size=1, max_size=6))
    named = {
        f"P{number}": {term: grades for term, grades in zip(terms, course, strict=True) if grades is not None}
        for number, course in enumerate(courses)
    }
    some = st.sampled_from([None, *terms])
    column = st.lists(some, min_size=len(named), max_size=len(named))
    kinds = st.sampled_from([None, "preparatory", "vocational", "introductory", "none", "moved"])
    outcomes = pd.DataFrame(
        {"student_id": pd.Series(list(named), dtype="str"), "programme_kind": [draw(kinds) for _ in named]}
    )
    sex = draw(st.lists(st.sampled_from(["girl", "boy", None]), min_size=len(named), max_size=len(named)))
    return records_of(named, outcomes=outcomes, moved_in=draw(column), moved_out=draw(column), sex=sex)


def pandas(table):
    """Return a table of any engine as pandas."""
    return collect(open_frame(table))


def results_of(records):
    """Return ``{student: {term: eligible}}`` from the records, for oracles in plain Python."""
    table = pandas(in_engine(records, "polars").term_results())
    found = {student: {} for student in records.students["student_id"]}
    for row in table.itertuples():
        found[row.student_id][row.term] = bool(row.eligible)
    return found
