"""Municipal files joined by pseudonym into student records."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from functools import cache

import pandas as pd

from nbanalytics.declaration import Declaration
from nbanalytics.errors import DataError
from nbanalytics.grading import STRECK, default_catalogue
from nbanalytics.municipal.recognise import FileRead
from nbanalytics.readers.findings import Finding, remark
from nbanalytics.readers.report import CheckReport
from nbanalytics.records import StudentRecords
from nbanalytics.schema import TABLES

_SAME = ("sex", "birth_year")
#: How many pairs of schools a message names.
_PAIRS = 5


def settle(rows: pd.DataFrame, key: Sequence[str], standing: Sequence[str]) -> tuple[pd.Series, pd.Series]:
    """Decide between rows that say different things about the same, whatever their order.

    Of the rows with the same ``key`` those with the highest ``standing`` win: its first column decides, then the next.

    Parameters
    ----------
    rows : pandas.DataFrame
        With the columns of ``key`` and ``standing``; the other columns are what the rows say.

    Returns
    -------
    kept, tied : pandas.Series of bool
        Like ``rows``: one winner for each key, and all rows of keys whose winners differ, of which none is kept.

    Examples
    --------
    >>> rows = pd.DataFrame({"pupil": [1, 1, 2, 2], "day": [1, 2, 2, 2], "grade": ["C", "D", "E", "F"]})
    >>> kept, tied = settle(rows, ["pupil"], ["day"])
    >>> kept.tolist(), tied.tolist()
    ([False, True, False, False], [False, False, True, True])
    """
    ordered = rows.sort_values([*key, *standing], ascending=[True] * len(key) + [False] * len(standing), kind="stable")
    best = ordered.groupby(list(key), dropna=False)[list(standing)].transform("first")
    winners = ordered[(ordered[list(standing)] == best).all(axis=1)]
    said = [column for column in rows if column not in {*key, *standing}]
    once = ~winners.duplicated(list(key))
    differing = winners.drop_duplicates([*key, *said])
    differing = differing[differing.duplicated(list(key))]
    tied = pd.MultiIndex.from_frame(rows[list(key)]).isin(pd.MultiIndex.from_frame(differing[list(key)]))
    kept = rows.index.isin(winners.index[once]) & ~tied
    return pd.Series(kept, rows.index), pd.Series(tied, rows.index)


def standing_of(grades: pd.Series) -> pd.Series:
    """Return the standing of grades of the same pupil, term and subject: 2 a real grade, 1 a streck, 0 another code."""
    return grades.isin(real_grades()) * 2 + grades.eq(STRECK) * 1


@cache
def real_grades() -> frozenset[str]:
    """Return the grades of all scales, without streck and other marks."""
    return frozenset(grade for scale in default_catalogue().scales for grade in scale.points)


def pairs_of_schools(pupils: pd.Series, schools: pd.Series) -> str:
    """Name the schools that share pupils, those with most pupils first."""
    shared = schools.dropna().groupby(pupils).unique()
    pairs = Counter(" and ".join(sorted(map(str, codes))) for codes in shared if len(codes) > 1)
    named = [f"{pair} ({count:,})" if count > 1 else pair for pair, count in sorted(pairs.items())[:_PAIRS]]
    return "; ".join(named) + ("; …" if len(pairs) > _PAIRS else "")


def merge_reads(reads: Sequence[FileRead]) -> StudentRecords:
    """Join files of several years and kinds by pupil; :func:`merge_with_findings` also reports contradictions.

    The files come from :func:`nbanalytics.municipal.recognise.read_files` with one key. The records are of pandas
    tables, in the order of pseudonyms. A pupil in only one file is kept; whether the pupil moved is not known. The
    latest file of year 9 decides the cohort. Where files contradict each other, a grade goes before a streck, and then
    the later date decides; pupils with different grades of the same date are left out. The order of the files does not
    matter.

    Raises
    ------
    DataError
        If no file holds students and grades.
    """
    return merge_with_findings(reads)[0]


def merge_with_findings(reads: Sequence[FileRead]) -> tuple[StudentRecords, tuple[Finding, ...]]:
    """Join files as :func:`merge_reads` does, and return remarks about what does not fit together."""
    findings: list[Finding] = []
    parts = {
        name: [(place, read.tables[name]) for place, read in enumerate(reads) if name in read.tables] for name in TABLES
    }
    if not parts["students"] or not parts["grades"]:
        raise DataError(
            "No file has students with usable grades",
            "Add a grade file of year 6 or 9 (SCB or SS12000); `nbanalytics check` shows what each file is.",
        )
    together = {name: _together(frames) for name, frames in parts.items() if frames}
    people = _people(together["students"], reads)
    grades, undecided = _settled("grades", together["grades"], people, findings)
    people["_kept"] = _kept(people, together["grades"], grades)
    together["grades"] = grades
    out = pd.MultiIndex.from_frame(people[["student_id", "_file"]]).isin(undecided)
    students = _students(people[~out], findings)
    _tell_temporary(people, frozenset().union(*(read.temporary for read in reads)), findings)
    known = pd.Index(students["student_id"])
    tables: dict[str, pd.DataFrame] = {"students": students}
    for name, frame in together.items():
        if name != "students":
            table = _table(name, frame, known, people, findings)
            if len(table):
                tables[name] = table
    others = sorted({name for read in reads for name in read.tables} - set(TABLES))
    if others:
        findings.append(remark("merge.other_tables", "", names=", ".join(others)))
    if "grades" not in tables:
        raise DataError("The files have no grades", "Export them again with grades.")
    return StudentRecords.trusted(**tables), tuple(findings)


def report_on(name: str, reads: Sequence[FileRead]) -> CheckReport:
    """Report on files as a whole: each file, contradictions between files, and what is missing."""
    reports = [read.report for read in reads]
    own: tuple[Finding, ...] = ()
    carriers = [place for place, read in enumerate(reads) if {"students", "grades"} <= set(read.tables)]
    if carriers:
        records, own = merge_with_findings(reads)
        first = carriers[0]
        reports[first] = replace(reports[first], missing=(*reports[first].missing, *missing_of(records)))
    told = tuple(finding for report in reports for finding in report.findings)
    return CheckReport(name, tuple(reports), (*own, *told))


def missing_of(records: StudentRecords) -> tuple[str, ...]:
    """List what the records lack, and the analyses that need it."""
    texts = []
    terms = Declaration().followed_terms
    for name, consequence in (
        ("grades", "losses cannot be dated to it"),
        ("absence", "the absence panel will be empty there"),
    ):
        table = getattr(records, name)
        found = set() if table is None else set(table["term"].dropna().unique())
        lacking = [term for term in terms if term not in found]
        if table is None:
            texts.append("no absence for any term: the absence panel will be empty")
        elif lacking:
            texts.append(f"no {name} for {', '.join(lacking)}: {consequence}")
    if records.outcomes is None or "programme_kind" not in records.outcomes:
        texts.append("no programmes after year 9 (outcomes): flows end with the last term")
    return tuple(texts)


def _together(frames: Sequence[tuple[int, pd.DataFrame]]) -> pd.DataFrame:
    """Put the tables of all files below each other, each row with the place of its file."""
    return pd.concat([_plain(frame).assign(_file=place) for place, frame in frames], ignore_index=True)


def _people(students: pd.DataFrame, reads: Sequence[FileRead]) -> pd.DataFrame:
    """Add to each row of students whether its file is of year 9, and its day."""
    nine = [place for place, read in enumerate(reads) if "school_id" in read.tables.get("students", ())]
    people = students.assign(_nine=students["_file"].isin(nine), _day=0)
    for place, read in enumerate(reads):
        if read.days is not None:
            mine = people["_file"] == place
            people.loc[mine, "_day"] = people.loc[mine, "student_id"].map(read.days).fillna(0).astype("int64")
    return people


def _kept(people: pd.DataFrame, said: pd.DataFrame, kept: pd.DataFrame) -> pd.Series:
    """Count the grades of each pupil and file that are those that were kept, for pupils in files of the same year."""
    several = people["student_id"][people.duplicated(["student_id", "_nine", "cohort"])]
    of_file, of_all = (grades[grades["student_id"].isin(several)] for grades in (said, kept))
    both = of_file.merge(of_all.drop(columns="_file"), on=[*TABLES["grades"].key, "grade"])
    counts = both.groupby(["student_id", "_file"]).size()
    return pd.Series(counts.reindex(pd.MultiIndex.from_frame(people[["student_id", "_file"]])).fillna(0).to_numpy())


#: Which row of a pupil goes first: of year 9, of the latest cohort, with most of the kept grades, of the latest day.
_STANDING = ("_nine", "cohort", "_kept", "_day")


def _students(people: pd.DataFrame, findings: list[Finding]) -> pd.DataFrame:
    by_student = people.groupby("student_id", sort=True)
    for column in (*_SAME, "cohort"):
        if column in people:
            differing = int((by_student[column].nunique() > 1).sum())
            remedy = (
                "The latest file of year 9 is used: some students repeat a year."
                if column == "cohort"
                else "Compare the files; the value of the latest file of year 9 is kept."
            )
            if differing:
                noun = "student has" if differing == 1 else "students have"
                who = f"{differing:,} {noun}"
                findings.append(remark("merge.students_differ", "", differing=who, name=column, remedy=remedy))
    columns = [column.name for column in TABLES["students"].columns if column.name in people]
    # The last columns only make the result independent of the order of the files.
    ordered = people.sort_values([*_STANDING, *columns], ascending=False, kind="stable")
    students = ordered.groupby("student_id", sort=True)[columns[1:]].first().reset_index()
    _decide_schools(students, people, findings)
    for column in ("moved_in", "moved_out"):
        if column not in students:
            # Empty means not known; the files do not have it.
            students[column] = pd.Series([None] * len(students), dtype="str")
    return students[[column.name for column in TABLES["students"].columns if column.name in students]]


def _tell_temporary(people: pd.DataFrame, temporary: frozenset[str], findings: list[Finding]) -> None:
    """Report pupils with a TF-number in the files of one year only, who may be others in those of the other year."""
    years = people.groupby("cohort")["_nine"].agg(["min", "max"])
    both = people[people["cohort"].isin(years.index[years["min"] != years["max"]])]
    ours = both[both["student_id"].isin(temporary)]
    alone = ours[ours.groupby("student_id")["_nine"].transform("nunique").eq(1)]
    if len(alone):
        words = {"count": alone["student_id"].nunique(), "pupils": both["student_id"].nunique()}
        findings.append(remark("merge.temporary_numbers", "", **words))


def _decide_schools(students: pd.DataFrame, people: pd.DataFrame, findings: list[Finding]) -> None:
    """Report pupils in the files of two schools, and leave out the school where nothing decides between them."""
    for column in ("school_id", "school_id_y6"):
        rows = people.dropna(subset=column) if column in people else people[:0]
        rows = rows[rows.groupby("student_id")["cohort"].transform("max").eq(rows["cohort"])]
        rows = rows[rows["student_id"].isin(rows["student_id"][rows.duplicated("student_id")])]
        rows = rows[rows.groupby("student_id")[column].transform("nunique") > 1] if len(rows) else rows
        if not len(rows):
            continue
        tied = settle(rows[["student_id", *_STANDING, column]], ["student_id"], _STANDING)[1]
        none = rows["student_id"][tied].unique()
        students.loc[students["student_id"].isin(none), column] = None
        words = {"count": rows["student_id"].nunique(), "schools": pairs_of_schools(rows["student_id"], rows[column])}
        findings.append(remark("rows.two_schools/merge", "", **words))
        if len(none):
            findings.append(remark("rows.two_schools/none", "", count=len(none)))


def _settled(
    name: str, rows: pd.DataFrame, people: pd.DataFrame, findings: list[Finding]
) -> tuple[pd.DataFrame, pd.MultiIndex]:
    """Return one row for each key of a table; and pupil and file of the rows that nothing decides between."""
    schema = TABLES[name]
    key = list(schema.key)
    columns = [column.name for column in schema.columns if column.name in rows]
    nobody = pd.MultiIndex.from_arrays([[], []])
    again = rows[rows.duplicated(key, keep=False)]
    if not len(again):
        return rows, nobody
    different = again.drop_duplicates(columns)
    differing = pd.MultiIndex.from_frame(different.loc[different.duplicated(key), key])
    if not len(differing):
        return rows.drop_duplicates(key), nobody
    findings.append(remark("rows.contradictory/merge", "", count=len(differing), table=name, what=", ".join(key)))
    rows = _of_the_last_cohort(rows, people) if name == "grades" else rows
    own = rows[pd.MultiIndex.from_frame(rows[key]).isin(differing)]
    values = [column for column in columns if column not in key]
    if "student_id" in key:
        own = own.merge(people[["student_id", "_file", "_day"]], "left", ["student_id", "_file"]).set_axis(own.index)
    else:
        own = own.assign(_day=0)
    known = standing_of(own["grade"]) if name == "grades" else own[values].notna().sum(axis=1)
    own = own.assign(_real=known // 2 if name == "grades" else known, _known=known).fillna({"_day": 0})
    standing = ["_real", "_day", "_known"]
    kept, tied = settle(own[[*key, *standing, *values]], key, standing)
    undecided = own[tied]
    rest = pd.concat([rows.drop(own.index).drop_duplicates(key), own.loc[kept, rows.columns]])
    if not tied.any():
        return rest, nobody
    number = undecided["student_id"].nunique() if "student_id" in key else len(undecided.drop_duplicates(key))
    findings.append(
        remark("rows.undecided", "", count=number, table=name, what="pupils" if "student_id" in key else "rows")
    )
    if name != "grades":
        return rest, nobody
    # Half of a pupil's grades would be a pupil who is not eligible.
    terms = pd.MultiIndex.from_frame(undecided[["student_id", "term"]])
    gone = pd.MultiIndex.from_frame(rows[["student_id", "term"]]).isin(terms)
    out = pd.MultiIndex.from_frame(rows.loc[gone, ["student_id", "_file"]])
    return rest[~pd.MultiIndex.from_frame(rest[["student_id", "term"]]).isin(terms)], out.unique()


def _of_the_last_cohort(grades: pd.DataFrame, people: pd.DataFrame) -> pd.DataFrame:
    """Leave out the grades of a term that a pupil repeated with a later cohort."""
    cohorts = people.groupby("student_id")["cohort"].nunique()
    own = grades.loc[grades["student_id"].isin(cohorts.index[cohorts > 1]), ["student_id", "term", "_file"]]
    found = own.merge(people[["student_id", "_file", "cohort"]], "left", ["student_id", "_file"]).set_axis(own.index)
    latest = found.groupby(["student_id", "term"])["cohort"].transform("max")
    return grades.drop(own.index[found["cohort"] < latest])


def _table(
    name: str, together: pd.DataFrame, known: pd.Index, people: pd.DataFrame, findings: list[Finding]
) -> pd.DataFrame:
    schema = TABLES[name]
    columns = [column.name for column in schema.columns if column.name in together]
    unkept = [column for column in together if column not in {*columns, "_file"}]
    if unkept:
        findings.append(remark("columns.unknown/merge", "", names=", ".join(map(str, unkept)), table=name))
    if "student_id" in columns:
        strange = ~together["student_id"].isin(known)
        if strange.any():
            findings.append(remark("rows.unknown_student/merge", "", count=int(strange.sum()), table=name))
            together = together[~strange]
    if name != "grades":
        together = _settled(name, together, people, findings)[0]
    return together[columns].sort_values(list(schema.key), kind="stable", ignore_index=True)


def _plain(frame: pd.DataFrame) -> pd.DataFrame:
    """Convert categories to text, since categories of two files differ."""
    text = pd.Series([""]).dtype
    return frame.astype({name: text for name, kind in frame.dtypes.items() if kind in ("category", "object")})
