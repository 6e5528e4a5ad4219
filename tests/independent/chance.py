"""Random record sets with moves, gaps, codes, streck, block grades, several cohorts and missing parts."""

from __future__ import annotations

from datetime import date, timedelta
from random import Random

import duckdb
import pandas as pd
import polars as pl
import pyarrow as pa
from definitions import KINDS, QUESTIONS, TERMS, scale, term_dates

from nbanalytics import StudentRecords

CORE = ("EN", "MA", "BL", "MU", "SL", "IDH", "HKK")
OTHER = ("TK", "NO", "BI", "FY", "KE", "SO", "GE", "HI", "RE", "SH", "M1", "M2", "ML")
TESTED = ("SV", "EN", "MA", "BI")
MARKS = ("-", "-", "adapted", "not_taught", "not_graded")
#: Types that pandas may hold a table in, and the other kinds of dataframe.
PANDAS = ("object", "str", "string", "numpy_nullable", "pyarrow", "category")
FRAMES = ("polars", "polars-lazy", "duckdb", "arrow")
OPTIONAL = {"students": ("moved_in", "moved_out", "sex", "newly_arrived"), "absence": ("valid", "invalid")}


def draw(seed, one_scale=False):
    """Draw the rows of a record set."""
    rng = Random(seed)
    choices = [(2018, 2019), (2018,), (2012,), (2032, 2033)]
    cohorts = rng.choice(choices if one_scale else [*choices, (2012, 2018, 2032), (2031, 2032)])
    drawn = {"students": [], "grades": [], "absence": [], "outcomes": [], "support": [], "followups": []}
    for number in range(rng.randint(3, 12)):
        student = f"P{number}"
        # The first two of each set are whole, so that there is something to count in every term.
        person = _person(rng, student, cohorts[number % len(cohorts)], whole=number < len(cohorts))
        drawn["students"].append(person)
        skill = rng.random() ** 0.5
        swedish = rng.choice(["SV", "SV", "SVA"])
        for term in TERMS:
            if number >= len(cohorts) and rng.random() < 0.15:
                continue
            swedish = rng.choice(["SV", "SVA"]) if rng.random() < 0.05 else swedish
            drawn["grades"] += _term(rng, person, term, swedish, skill, marks_only=rng.random() < 0.04)
            if rng.random() < 0.85:
                drawn["absence"].append({"student_id": student, "term": term, **_days(rng)})
        if rng.random() < 0.8:
            drawn["outcomes"].append({"student_id": student, "programme_kind": rng.choice([*KINDS, None])})
        support = [_support(rng, person) for _ in range(rng.choice([0, 0, 1, 2, 3]))]
        drawn["support"] += {(one["kind"], one["start"]): one for one in support}.values()  # the key of a row
        drawn["followups"] += _followups(rng, student) if rng.random() < 0.5 else []
    return _with_more(Random(-1 - seed), _without_some(rng, drawn))


def _with_more(rng, drawn):
    """Add schools, national tests and a screening; each of the two tables is missing at times."""
    for row in drawn["students"]:
        row["school_id"], row["school_id_y6"] = rng.choice("AB"), rng.choice("ABC")
    who = {row["student_id"]: list(scale(row["cohort"])[0]) for row in drawn["students"]}
    cells = [(student, subject, term) for student in who for subject in TESTED for term in ("6VT", "9VT")]
    drawn["tests"] = [
        {"student_id": student, "term": term, "subject": subject, "grade": rng.choice([*who[student], "-"])}
        for student, subject, term in cells
        if rng.random() < 0.6
    ]
    drawn["screening"] = [
        {"student_id": student, "term": term, "question": question, "answer": rng.choice(["yes", "no", "unknown"])}
        for student in who
        if rng.random() < 0.8
        for question in QUESTIONS
        for term in ("6HT", "6VT")
        if rng.random() < 0.7
    ]
    return {
        name: None if name in ("tests", "screening") and (rng.random() < 0.2 or not rows) else rows
        for name, rows in drawn.items()
    }


def _person(rng, student, cohort, whole):
    some = [None, None, None, None, *TERMS]
    return {
        "student_id": student,
        "cohort": cohort,
        "sex": rng.choice(["girl", "boy", None]),
        "newly_arrived": rng.choice([True, False, None]),
        "moved_in": None if whole else rng.choice(some),
        "moved_out": None if whole else rng.choice(some),
    }


def _term(rng, person, term, swedish, skill, marks_only):
    points, _ = scale(person["cohort"])
    order = list(points)
    subjects = [swedish, *CORE, *(one for one in OTHER if rng.random() < 0.3)]
    if rng.random() < 0.05:
        subjects = sorted({*subjects, "SV", "SVA"})
    rows = []
    for subject in subjects:
        place = min(len(order) - 1, max(0, round(rng.gauss(skill * len(order) - 0.3, 1.2))))
        grade = rng.choice(MARKS) if marks_only or rng.random() < 0.04 else order[place]
        if rng.random() > 0.03:
            rows.append({"student_id": person["student_id"], "term": term, "subject": subject, "grade": grade})
    return rows


def _days(rng):
    """Absence in tenths, at times just on a limit, or missing."""
    return {
        "valid": rng.choice([None, 5.0, 2.5, rng.randint(0, 150) / 10]),
        "invalid": rng.choice([None, 0.0, 2.5, 5.0, rng.randint(0, 80) / 10]),
    }


def _support(rng, person):
    begun = term_dates(person["cohort"], "6HT")[0] + timedelta(days=rng.randint(-200, 1600))
    end = None if rng.random() < 0.4 else (begun + timedelta(days=rng.randint(0, 500))).isoformat()
    return {
        "student_id": person["student_id"],
        "kind": rng.choice(["coach", "teaching", "mentor"]),
        "level": rng.choice(["universal", "selective", "indicated"]),
        "start": begun.isoformat(),
        "end": end,
        "intensity": rng.choice(["weekly", "monthly", None]),
    }


def _followups(rng, student):
    entry = date(2018, 1, 1) + timedelta(days=rng.randint(0, 400))
    days = sorted({0, *(rng.randint(1, 900) for _ in range(rng.randint(0, 6)))})
    status = ["work", "study", "activity", "unknown"]
    rows = [(entry + timedelta(days=day), rng.choice(status)) for day in days]
    return [{"student_id": student, "date": day.isoformat(), "status": one} for day, one in rows]


def _without_some(rng, drawn):
    """Leave out optional columns and tables at times."""
    for table, names in OPTIONAL.items():
        for name in names:
            if rng.random() < 0.12:
                drawn[table] = [{key: cell for key, cell in row.items() if key != name} for row in drawn[table]]
    for table in ("absence", "outcomes", "support", "followups"):
        if rng.random() < 0.12 or not drawn[table]:
            drawn[table] = None
    return drawn


def frames(drawn, kind="object", seed=0):
    """Build the records as tables of a kind, their rows in any order."""
    tables = {}
    for name, rows in drawn.items():
        if rows is None:
            continue
        table = pd.DataFrame(Random(seed).sample(rows, len(rows)))
        tables[name] = _of_kind(table, kind)
    return StudentRecords(**tables)


def _of_kind(table, kind):
    text = [name for name in table if name not in ("cohort", "valid", "invalid", "newly_arrived")]
    if kind in ("object", "str", "string"):
        return table.astype(dict.fromkeys(text, kind))
    if kind == "category":
        codes = [one for one in text if one not in ("student_id", "start", "end", "date")]
        return table.astype(dict.fromkeys(codes, kind))
    if kind in ("numpy_nullable", "pyarrow"):
        return table.astype(dict.fromkeys(text, "str")).convert_dtypes(dtype_backend=kind)
    typed = table.astype(dict.fromkeys(text, "str"))
    flags = {"newly_arrived": typed["newly_arrived"].astype("boolean")} if "newly_arrived" in typed else {}
    arrow = pa.Table.from_pandas(typed.assign(**flags), preserve_index=False)
    if kind == "arrow":
        return arrow
    if kind == "duckdb":
        return duckdb.from_arrow(arrow)
    if kind == "pyspark":
        from made import spark

        return spark().createDataFrame(arrow)
    frame = pl.from_arrow(arrow)
    return frame.lazy() if kind == "polars-lazy" else frame
