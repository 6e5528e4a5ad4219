"""Records built from dataframes: checked as files are, and never counted twice."""

import contextlib
from dataclasses import replace

import duckdb
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from made import ENGINES, SUBJECTS, in_engine, municipality

import nbanalytics as nb
from nbanalytics.errors import DataError
from nbanalytics.frames import collect
from nbanalytics.readers import check_records
from nbanalytics.simulation import simulate

STUDENTS = pd.DataFrame({"student_id": ["P1", "P2"], "cohort": [2018, 2018], "moved_out": [None, "8VT"]})
GRADES = pd.DataFrame(
    [(p, t, s, "C") for p in ("P1", "P2") for t in ("6VT", "9VT") for s in SUBJECTS],
    columns=["student_id", "term", "subject", "grade"],
)
WIDE = GRADES.pivot(index=["student_id", "term"], columns="subject", values="grade").reset_index()


def changed(table, row, **cells):
    """Return a table with other cells in one row."""
    table = table.copy()
    for name, cell in cells.items():
        table.loc[row, name] = cell
    return table


FAULTS = {
    "a student twice": {"students": pd.concat([STUDENTS, STUDENTS.iloc[:1]])},
    "a grade twice": {"grades": pd.concat([GRADES, GRADES.iloc[:2]])},
    "two grades that contradict": {"grades": pd.concat([GRADES, GRADES.iloc[:1].assign(grade="E")])},
    "an unknown grade": {"grades": changed(GRADES, 3, grade="Q")},
    "an unknown subject": {"grades": changed(GRADES, 3, subject="XX")},
    "an unknown term": {"grades": changed(GRADES, 3, term="12VT")},
    "a student who is not in students": {"grades": changed(GRADES, 3, student_id="P3")},
    "a missing column": {"grades": GRADES.drop(columns="grade")},
    "a column spelled otherwise": {"grades": GRADES.rename(columns={"grade": "grad"})},
    "a missing cohort": {"students": changed(STUDENTS.astype({"cohort": "Int64"}), 1, cohort=None)},
    "no rows": {"students": STUDENTS.iloc[:0], "grades": GRADES.iloc[:0]},
    "absence beyond 100": {
        "absence": pd.DataFrame({"student_id": ["P1"], "term": ["6VT"], "valid": [130.0], "invalid": [0.0]})
    },
    "a wide grade that is none": {"grades": changed(WIDE, 1, MA="Q")},
}


@pytest.mark.parametrize("fault", FAULTS)
def test_dataframes_are_refused_in_the_words_of_a_folder(fault, tmp_path):
    tables = {"students": STUDENTS, "grades": GRADES, **FAULTS[fault]}
    for name, table in tables.items():
        table.to_csv(tmp_path / f"{name}.csv", index=False)
    found = check_records(tmp_path)
    assert found.faults
    with pytest.raises(DataError) as error:
        nb.records_from_frames(**tables)
    message = str(error.value)
    for finding in found.faults:
        if finding.follows:
            continue
        assert f"{finding.what}" in message
        assert finding.remedy in message
        if finding.count:
            assert f"({finding.count} row" in message
            # A header stands above the first row of a file; a dataframe counts from 0.
            assert f": {finding.rows[0] - 2}" in message
    assert not any(word in message for word in ("P1", "P2", "P3", "/"))


@pytest.mark.parametrize("grades", [GRADES, WIDE], ids=["long", "wide"])
@pytest.mark.parametrize("engine", [*ENGINES, "pyarrow", "string", "numpy_nullable", "pandas-pyarrow", "category"])
def test_every_dataframe_gives_the_same_records(engine, grades):
    def made(table):
        if engine in ("string", "category"):
            return table.astype({name: engine for name in table if name != "cohort"})
        if engine in ("numpy_nullable", "pandas-pyarrow"):
            return table.convert_dtypes(dtype_backend=engine.removeprefix("pandas-"))
        arrow = pa.Table.from_pandas(table, preserve_index=False)
        polars = pl.from_arrow(arrow)
        kinds = {"pyarrow": arrow, "polars": polars, "polars-lazy": polars.lazy(), "duckdb": duckdb.from_arrow(arrow)}
        return kinds.get(engine, table)

    records = nb.records_from_frames(made(STUDENTS), made(grades))
    order = ["student_id", "term", "subject"]
    found = collect(records.grades).sort_values(order, ignore_index=True)
    pd.testing.assert_frame_equal(found, GRADES.sort_values(order, ignore_index=True), check_dtype=False)
    assert collect(records.students)["moved_out"].isna().tolist() == [True, False]
    assert nb.classify(records).students == 2


def test_tables_may_be_of_several_kinds_and_identifiers_numbers():
    students = pl.DataFrame({"student_id": [1, 2], "cohort": [2018, 2018]})
    grades = GRADES.assign(student_id=GRADES["student_id"].str.slice(1).astype(float))
    records = nb.records_from_frames(students, grades)
    assert isinstance(records.grades, pl.DataFrame)
    assert records.students["student_id"].to_list() == ["1", "2"]
    assert nb.classify(records).counts["students"].sum() == 2
    mixed = grades.astype({"student_id": object})
    mixed.loc[0, "student_id"] = "1"
    assert len(collect(nb.records_from_frames(students, mixed).grades)) == len(GRADES)


def test_words_are_understood_as_in_files_and_faulty_rows_can_be_left_out():
    students = STUDENTS.assign(sex=["flicka", "p"])
    grades = changed(GRADES.assign(term=GRADES["term"].replace({"6VT": "VT 6"})), 0, grade="Q")
    records = nb.records_from_frames(students, grades, on_fault="reject")
    assert records.students["sex"].tolist() == ["girl", "boy"]
    assert len(records.grades) == len(GRADES) - 1


def test_what_is_no_dataframe_is_refused():
    with pytest.raises(DataError, match=r"grades is 'list', not a dataframe"):
        nb.records_from_frames(STUDENTS, [1])
    with pytest.raises(DataError, match="table grades is missing"):
        nb.records_from_frames(STUDENTS, None)
    with pytest.raises(DataError, match="lists or structures"):
        nb.records_from_frames(STUDENTS, GRADES.assign(grade=[["C"]] * len(GRADES)))


# ------------------------------------------------------------------ records that nobody checked


#: Every public analysis of records, with the least that it takes.
ANALYSES = {
    "absence_around_loss": lambda r: nb.absence_around_loss(r, nb.losses(BASE)),
    "baseline": lambda r: nb.baseline(r, "9VT"),
    "caseload": lambda r: nb.caseload(r, "kind"),
    "classify": lambda r: nb.classify(r),
    "coverage": lambda r: nb.coverage(r, nb.indicators(BASE)),
    "flows": lambda r: nb.flows(r),
    "follow_up": lambda r: nb.follow_up(r, "6VT", "9VT"),
    "follow_up_cohorts": lambda r: nb.follow_up_cohorts(r, "9VT", 2018, 2019),
    "funnel": lambda r: nb.funnel(r),
    "grade_pairs": lambda r: nb.grade_pairs(r),
    "handover": lambda r: nb.handover(r, "6VT"),
    "indicators": lambda r: nb.indicators(r),
    "individual_baseline": lambda r: nb.individual_baseline(r, "6VT"),
    "losses": lambda r: nb.losses(r),
    "lost_subjects": lambda r: nb.lost_subjects(r, nb.losses(BASE)),
    "match_rate": lambda r: nb.match_rate(r),
    "prevention_levels": lambda r: nb.prevention_levels(r, nb.indicators(BASE), "9VT"),
    "progression": lambda r: nb.progression(r),
    "sensitivity": lambda r: nb.sensitivity(r),
    "student_states": lambda r: nb.student_states(r),
    "subgroups": lambda r: nb.subgroups(r, nb.classify(r)),
    "time_to_support": lambda r: nb.time_to_support(r, nb.indicators(BASE)),
    "workbook_views": lambda r: nb.workbook_views(r),
}
BASE = simulate(seed=1, cohorts=[2018, 2019]).records


@pytest.mark.parametrize("table", ["students", "grades", "support"])
@pytest.mark.parametrize("analysis", ANALYSES)
def test_nothing_is_counted_twice(analysis, table):
    twice = pd.concat([getattr(BASE, table), getattr(BASE, table).iloc[:3]], ignore_index=True)
    records = replace(BASE, **{table: twice})
    with pytest.raises(DataError, match=rf"{table}: the same student.* more than once \(6 rows\)"):
        ANALYSES[analysis](records)


@pytest.mark.parametrize("engine", ENGINES)
def test_a_repeated_row_is_found_in_every_engine(engine):
    records = municipality()
    records = replace(records, grades=pd.concat([records.grades, records.grades.iloc[:1]], ignore_index=True))
    with pytest.raises(DataError, match=r"grades: the same student, term, subject more than once \(2 rows\)"):
        in_engine(records, engine).cohorts()


def test_records_are_checked_once_and_those_of_the_readers_not_at_all(monkeypatch):
    counted = []
    monkeypatch.setattr("nbanalytics.records._key_faults", lambda name, frame: counted.append(name) or [])
    nb.classify(nb.records_from_frames(STUDENTS, GRADES))
    assert counted == []
    plain = nb.StudentRecords(STUDENTS, GRADES)
    nb.classify(plain)
    nb.flows(plain.cohort(2018))
    assert counted == ["students", "grades"]


SHAPES = {
    "two engines": ({"students": pl.from_pandas(STUDENTS)}, "2 engines .polars: students; pandas: grades"),
    "eager and lazy": (
        {"students": pl.from_pandas(STUDENTS), "grades": pl.from_pandas(GRADES).lazy()},
        r"2 engines .polars: students; polars .lazy.: grades",
    ),
    "numbers and text": (
        {"students": STUDENTS.assign(student_id=[1, 2])},
        "several kinds .numbers in students; text in grades",
    ),
    "numbers beside text": (
        {"students": STUDENTS.assign(student_id=pd.Series([1, "P2"], dtype=object))},
        "text and other values in students",
    ),
    "no cohort": (
        {"students": STUDENTS.assign(cohort=pd.array([2018, None], dtype="Int64"))},
        r"column cohort is empty .1 row",
    ),
    "no students": ({"students": STUDENTS.iloc[:0]}, "students: the table has no rows"),
    "no column": ({"grades": GRADES.drop(columns=["term", "grade"])}, "grades: the columns are missing: term, grade"),
    "no table": ({"students": None}, "no table students"),
}


@pytest.mark.parametrize("shape", SHAPES)
def test_what_cannot_be_counted_is_refused_in_words(shape):
    tables, words = SHAPES[shape]
    records = nb.StudentRecords(**{"students": STUDENTS, "grades": GRADES, **tables})
    for analysis in (nb.classify, nb.match_rate, nb.progression, nb.indicators, nb.flows):
        with pytest.raises(DataError, match=words):
            analysis(records)


def test_records_without_a_single_grade_give_an_answer_or_words():
    for analysis in (nb.classify, nb.match_rate, nb.progression, nb.indicators, nb.flows, nb.losses):
        with contextlib.suppress(DataError):
            analysis(nb.StudentRecords(STUDENTS, GRADES.iloc[:0]))


# ------------------------------------------------------------------ types of columns


KINDS = ["object", "str", "string", "category", "numpy_nullable", "pyarrow"]


@pytest.mark.parametrize("kind", KINDS)
def test_the_types_of_columns_change_no_share(kind):
    ids = [f"P{i}" for i in range(10)]
    grades = [(i, t, s, "C") for i in ids[:8] for t in ("6VT", "9VT") for s in SUBJECTS]
    absence = [(i, t, 4.0, 1.0) for i in ids for t in ("6VT", "9VT")]
    students = {"student_id": ids, "cohort": 2018, "moved_out": [None] * 9 + ["6VT"]}
    students["moved_in"] = [None] * 8 + ["7HT", None]
    tables = {
        "students": pd.DataFrame(students).assign(school_id="S", school_id_y6=pd.Series(ids).where(lambda s: s < "P5")),
        "grades": pd.DataFrame(grades, columns=["student_id", "term", "subject", "grade"]),
        "absence": pd.DataFrame(absence, columns=["student_id", "term", "valid", "invalid"]),
        "outcomes": pd.DataFrame({"student_id": ids[:1], "programme_kind": ["vocational"]}),
        "support": pd.DataFrame(
            {
                "student_id": ["P1", "P1"],
                "kind": ["k", "l"],
                "level": "selective",
                "start": ["2013-01-01", "2014-01-01"],
                "intensity": ["weekly", None],
            }
        ),
    }

    def typed(table):
        if kind in ("numpy_nullable", "pyarrow"):
            return table.convert_dtypes(dtype_backend=kind)
        text = [n for n in table if n not in ("cohort", "valid", "invalid")]
        return table.astype(dict.fromkeys(text, kind))

    records = nb.StudentRecords(**{name: typed(table) for name, table in tables.items()})
    first = nb.baseline(records, "9VT").table.set_index(["group", "measure"]).loc["all"]
    # P9 moved out before; P8 moved in and has no grades: 8 of the 9 who should have had them.
    assert (first.loc["eligible", "count"], first.loc["eligible", "n"]) == (8, 9)
    assert first.loc["absence", "n"] == 9
    states = nb.flows(records).states
    assert states[states["stage"] == "9VT"]["students"].tolist() == [8, 0, 1, 1]
    passed = next(view for view in nb.workbook_views(records) if view.name == "all_passed").table.iloc[0]
    assert (passed["count"], passed["students"]) == (8, 9)
    assert nb.caseload(records, "kind").students == 1
    assert nb.handover(records, "6VT").table is not None


def test_integer_identifiers_are_written_so_that_a_register_reads_them(tmp_path):
    students = STUDENTS.assign(student_id=[1001, 1002])
    grades = GRADES.assign(student_id=GRADES["student_id"].map({"P1": 1001, "P2": 1002}))
    for form in ("csv", "parquet"):
        nb.write_records(nb.StudentRecords(students, grades), tmp_path / form, format=form)
        assert nb.read_records(tmp_path / form).students["student_id"].tolist() == ["1001", "1002"]
    assert collect(nb.scan_records(tmp_path / "parquet").students)["student_id"].tolist() == ["1001", "1002"]


def test_cohorts_of_two_scales_are_joined_in_every_engine():
    grades = [(p, t, s, v) for p, v in (("P1", "C"), ("P2", "6")) for t in ("6VT", "9VT") for s in SUBJECTS]
    students = pd.DataFrame({"student_id": ["P1", "P2"], "cohort": [2031, 2032]})
    records = nb.StudentRecords(students, pd.DataFrame(grades, columns=GRADES.columns))
    for engine in ENGINES:
        assert nb.classify(in_engine(records, engine)).counts["students"].sum() == 2
        assert len(collect(nb.losses(in_engine(records, engine)).table)) == 2


def test_a_merit_value_of_an_arrow_table_is_that_of_pandas():
    grading = nb.default_catalogue().grading(2018)
    expected = nb.merit_value(GRADES, grading)["merit_value"].tolist()
    made = nb.merit_value(pa.Table.from_pandas(GRADES, preserve_index=False), grading)
    assert isinstance(made, pa.Table)
    assert made["merit_value"].to_pylist() == expected == [8 * 15.0] * 4


@pytest.mark.parametrize(
    "support",
    [
        {"student_id": [], "kind": [], "level": [], "start": []},
        {"student_id": ["P1"], "kind": ["k"], "level": ["universal"], "start": ["2016-01-01"]},
        {"student_id": ["P2"], "kind": ["k"], "level": ["selective"], "start": ["2010-01-01"]},
    ],
    ids=["an empty register", "support for all", "support before"],
)
def test_everybody_censored_is_an_answer(support):
    grades = GRADES.assign(grade="F")
    for types in (object, "str"):
        table = pd.DataFrame(support).astype(types)
        records = nb.StudentRecords(STUDENTS[["student_id", "cohort"]], grades, support=table)
        waiting = nb.time_to_support(records, nb.indicators(records))
        assert waiting.students + waiting.already == 2
        assert waiting.table["events"].sum() == 0
        assert (waiting.table["waiting"] == 1).all()


# ------------------------------------------------------------------ limits


#: Grades by their points, in units of 2.5.
UNITS = {4: "E", 5: "D", 6: "C", 7: "B", 8: "A"}


def graded(student, total, term, subjects):
    """Return a student's grades that sum to so many units of 2.5 points."""
    low, more = divmod(total, len(subjects))
    return [(student, term, subject, UNITS[low + (place < more)]) for place, subject in enumerate(subjects)]


@pytest.mark.parametrize("number", [9, 12, 14, 15])
def test_a_change_of_exactly_the_limit_is_within_it(number):
    subjects = [*SUBJECTS, "TK", "GE", "HI", "RE", "SH", "BI", "FY"][:number]
    for units in (3, number // 2 if number % 2 == 0 else number):
        limit = units * 2.5 / number
        totals = {f"P{total}": total for total in range(4 * number, 8 * number - units + 1)}
        rows = [row for who, total in totals.items() for row in graded(who, total, "6VT", subjects)]
        rows += [row for who, total in totals.items() for row in graded(who, total + units, "9VT", subjects)]
        students = pd.DataFrame({"student_id": list(totals), "cohort": 2018})
        records = nb.StudentRecords(students, pd.DataFrame(rows, columns=GRADES.columns))
        table = nb.classify(records, nb.GroupRule(threshold=limit)).table
        assert len(table) == len(totals)
        assert table.loc[table["direction"] != "unchanged", ["student_id", "change"]].empty, units
        below = nb.classify(records, nb.GroupRule(threshold=limit - 0.01)).table
        assert (below["direction"] == "raised").all()


def test_the_limit_itself_is_a_signal():
    starts = range(0, 400)
    for rise, signal in ((50, "risk"), (49, "none")):
        absence = pd.DataFrame([(f"P{n}", "7HT", n / 10) for n in starts], columns=["student_id", "term", "valid"])
        later = absence.assign(term="7VT", valid=[(n + rise) / 10 for n in starts])
        students = absence[["student_id"]].assign(cohort=2018)
        grades = students.assign(term="7HT", subject="SV", grade="C")[list(GRADES.columns)]
        absence = pd.concat([absence, later], ignore_index=True).assign(invalid=0.0)
        table = nb.indicators(nb.StudentRecords(students, grades, absence=absence)).table
        found = table[(table["indicator"] == "absence_rise") & (table["term"] == "7VT")]
        assert len(found) == len(starts)
        assert found.loc[found["signal"] != signal, ["student_id", "value"]].empty, signal


DIVIDED = {
    "flows": lambda records, by: nb.flows(records, by).states,
    "share_eligible": lambda records, by: nb.share_eligible(nb.flows(records, by)),
    "baseline": lambda records, by: nb.baseline(records, "9VT", by).table,
    "follow_up": lambda records, by: nb.follow_up(records, "6VT", "9VT", by).table,
    "progression": lambda records, by: nb.progression(records, by).table,
    "life_table": lambda records, by: nb.losses(records).life_table(by),
    "recovery": lambda records, by: nb.recovery(nb.losses(records), by).table,
    "transition_probabilities": lambda records, by: nb.transition_probabilities(records, by).table,
    "state_probabilities": lambda records, by: nb.state_probabilities(records, by).table,
    "what_if": lambda records, by: nb.what_if(records, "lost", times=1, by=by).table,
    "trend": lambda records, by: nb.trend(nb.indicators(records, "7VT"), by, records.students).table,
    "coverage": lambda records, by: nb.coverage(records, nb.indicators(records, "7VT"), by).table,
    "funnel": lambda records, by: nb.municipality.funnel(records, by=by).table,
}


@pytest.mark.parametrize("engine", ["pandas", "polars", "duckdb"])
@pytest.mark.parametrize("kind", ["object", "boolean", "Int64"])
def test_groups_keep_their_labels(kind, engine):
    """A missing value beside flags or whole numbers does not make them 1.0 and 0.0, in any result of any engine."""
    base = municipality()
    values = [None if n % 7 == 6 else n % 5 == 0 for n in range(len(base.students))]
    flags = pd.Series(values, dtype="boolean").astype(kind)
    support = pd.DataFrame({"student_id": ["P1"], "kind": "k", "level": "selective", "start": "2016-01-01"})
    records = in_engine(replace(base, support=support, students=base.students.assign(newly_arrived=flags)), engine)
    wanted = {"0", "1", None} if kind == "Int64" else {"False", "True", None}
    for name, analysis in DIVIDED.items():
        labels = analysis(records, "newly_arrived")["newly_arrived"]
        assert {None if pd.isna(label) else str(label) for label in labels} == wanted, name
