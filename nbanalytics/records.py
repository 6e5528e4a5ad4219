"""Student records: the validated tables that every analysis starts from, in any dataframe."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from numbers import Integral
from typing import cast

import narwhals as nw
import pandas as pd

from nbanalytics.declaration import Declaration
from nbanalytics.eligibility import term_results
from nbanalytics.errors import DataError
from nbanalytics.frames import Frame, NativeFrame, any_of, collect, open_frame
from nbanalytics.grading import Grading
from nbanalytics.schema import IDENTITY_NUMBER, TABLES, Table


def refuse_identity_numbers(records: StudentRecords) -> None:
    """Stop where identifiers of students may be personal identity numbers, before anything is made of them."""
    # As text in every engine: numbers of twelve digits may be whole numbers there.
    identifiers = open_frame(records.students).select(nw.col("student_id").cast(nw.String))
    number = len(collect(identifiers.filter(nw.col("student_id").str.contains(IDENTITY_NUMBER))))
    if number:
        who = "student has an identifier that looks" if number == 1 else "students have identifiers that look"
        raise DataError(
            f"{number:,} {who} like a personal identity number",
            "Nothing was made of the records. Replace the numbers by pseudonyms in "
            "every table: 'nbanalytics import' does so with a key, as does nbanalytics.municipal.pseudonyms.",
        )


@dataclass(frozen=True, repr=False)
class StudentRecords:
    """The records of one municipality: one table each for students, grades, absence and what followed.

    Attributes
    ----------
    students, grades : dataframe
        Required. Any kind narwhals takes; the columns are in :data:`nbanalytics.schema.TABLES`.
    absence, tests, outcomes, support, schools, followups, screening : dataframe, optional
        What else is known.
    declaration : Declaration
        Scale, rule, terms and stages.

    Notes
    -----
    Build records from dataframes with :func:`nbanalytics.records_from_frames`, which checks them by all the rules for
    files. Records that are built here are checked at the first analysis only as far as counting needs it:
    :meth:`refuse_uncountable`.

    See Also
    --------
    nbanalytics.records_from_frames, nbanalytics.read_records, nbanalytics.scan_records

    Examples
    --------
    >>> from nbanalytics.simulation import simulate
    >>> records = simulate(seed=1, cohorts=[2018]).records
    >>> records.cohorts()
    [2018]
    >>> records.cohort(2018).students["sex"].nunique()
    2
    """

    students: NativeFrame
    grades: NativeFrame
    absence: NativeFrame = None
    tests: NativeFrame = None
    outcomes: NativeFrame = None
    support: NativeFrame = None
    schools: NativeFrame = None
    followups: NativeFrame = None
    screening: NativeFrame = None
    declaration: Declaration = field(default_factory=Declaration)

    def __repr__(self) -> str:
        """Show the name of the records and the tables, but none of their content."""
        tables = ", ".join(
            f"{name} ({len(table):,})" if isinstance(nw.from_native(table), nw.DataFrame) else name
            for name, table in self.tables().items()
        )
        return f"StudentRecords{self.declaration.name and ' of '}{self.declaration.name}: {tables}"

    @classmethod
    def trusted(cls, **tables: NativeFrame | Declaration) -> StudentRecords:
        """Build records of tables that the readers have checked already, so that nothing is checked twice."""
        return cls(**tables)._trust()

    def _trust(self) -> StudentRecords:
        self.__dict__["_countable"] = True
        return self

    def refuse_uncountable(self, *needed: str) -> StudentRecords:
        """Refuse tables of which an analysis would count wrong numbers, and records without a needed table.

        Every analysis calls it. The columns of the schema must be there, identifiers and engines must be of one kind,
        there must be students, key columns must be filled in, and no key may stand twice. It costs one grouping of each
        table by its key, in the table's own engine, once for each set of records: about 0.1 seconds for a million
        grades in pandas. Records from :func:`nbanalytics.read_records`, :func:`nbanalytics.scan_records` and
        :func:`nbanalytics.records_from_frames` have been checked and cost nothing.

        Raises
        ------
        DataError
            Listing what is wrong in which table, in how many rows, and what to do.
        """
        absent = [name for name in needed if getattr(self, name) is None]
        if absent:
            raise DataError(f"The records have no table {', '.join(absent)}", "Add it to the records.")
        if "_countable" not in self.__dict__:
            self._refuse_faults()
        return self._trust()

    def _refuse_faults(self) -> None:
        tables = {name: open_frame(table) for name, table in self.tables().items()}
        faults = _shape_faults(tables) or [fault for name in tables for fault in _key_faults(name, tables[name])]
        if faults:
            listed = "\n".join(f"  - {fault}" for fault in faults)
            raise DataError(
                f"The records cannot be counted as they are:\n{listed}\n"
                "records_from_frames(students, grades, ...) also says in which rows."
            )

    def cohorts(self) -> list[int]:
        """Cohorts present, as the years in which they leave the last term, in order."""
        self.refuse_uncountable("students")
        unique = collect(open_frame(self.students).select("cohort").unique())
        return sorted(int(cohort) for cohort in unique["cohort"].dropna())

    def gradings(self) -> list[tuple[Grading, list[int]]]:
        """Scales and rules in use, each with the cohorts that they hold for."""
        gradings: dict[tuple[str, ...], tuple[Grading, list[int]]] = {}
        for cohort in self.cohorts():
            grading = self.declaration.grading(cohort)
            key = (grading.scale.name, grading.scale.version, grading.rule.name, grading.rule.version)
            gradings.setdefault(key, (grading, []))[1].append(cohort)
        return list(gradings.values())

    def cohorts_with_passes(self) -> list[int]:
        """Cohorts whose scale has a pass line; the others have no share of passes."""
        return sorted(one for grading, cohorts in self.gradings() if grading.scale.passing for one in cohorts)

    def cohort(self, cohort: int | Sequence[int]) -> StudentRecords:
        """Keep the records of one cohort or of several.

        Parameters
        ----------
        cohort : int, or sequence of int
            Years in which they leave the last term; ``numpy``'s whole numbers and years as text will do.

        Raises
        ------
        DataError
            If a cohort is not there; the message names those that are.
        """
        asked: list[object] = [cohort] if isinstance(cohort, Integral | str) else list(cast("Sequence[int]", cohort))
        wanted = [int(str(year)) if str(year).isdecimal() else year for year in asked]
        present = self.cohorts()
        absent = [str(year) for year in wanted if year not in present]
        if absent:
            known = ", ".join(str(year) for year in present) or "none at all"
            raise DataError(f"There is no cohort {', '.join(absent)} in the records", f"Choose among: {known}.")
        return self.only(open_frame(self.students).filter(any_of(nw.col("cohort"), wanted)))

    def under(self, declaration: Declaration) -> StudentRecords:
        """Return the same records under another declaration; they are not checked again."""
        self.refuse_uncountable()
        return replace(self, declaration=declaration)._trust()

    def only(self, students: NativeFrame) -> StudentRecords:
        """Keep the rows, in every table, of the students in a frame with ``student_id``."""
        kept = open_frame(students).select("student_id")
        tables = {
            name: nw.to_native(open_frame(table).join(kept, on="student_id", how="semi"))
            for name, table in self.tables().items()
            if name != "schools"
        }
        return self._kept(tables)

    def _kept(self, tables: dict[str, NativeFrame]) -> StudentRecords:
        """Exchange tables for parts of themselves, which need no check of their own."""
        self.refuse_uncountable()
        return replace(self, **tables)._trust()

    def to_pandas(self) -> StudentRecords:
        """Bring every table to pandas: for a few students, or a municipality."""
        return self._kept({name: collect(table) for name, table in self.tables().items()})

    def tables(self) -> dict[str, NativeFrame]:
        """Return the tables that are there, by name."""
        named = {name: getattr(self, name) for name in TABLES}
        return {name: table for name, table in named.items() if table is not None}

    def term_results(self, terms: Sequence[str] | None = None) -> NativeFrame:
        """Points, passes and eligibility by student and term, each cohort by its own scale and rule.

        Returns
        -------
        dataframe
            Of the records' kind: ``student_id, cohort`` and the columns of
            :func:`nbanalytics.eligibility.term_results`.
        """
        self.refuse_uncountable("students", "grades")
        students = open_frame(self.students).select("student_id", "cohort")
        return nw.to_native(students.join(open_frame(self.results(terms)), on="student_id", how="inner"))

    def results(self, terms: Sequence[str] | None = None) -> NativeFrame:
        """Return :meth:`term_results` without the cohort, which spares a join of all students."""
        self.refuse_uncountable("students", "grades")
        gradings = self.gradings()
        if not gradings:
            raise DataError("The records hold no students with a cohort", "Fill in the column 'cohort' of students.")
        students = open_frame(self.students)
        parts = []
        for grading, cohorts in gradings:
            grades = open_frame(self.grades)
            if len(gradings) > 1:
                kept = students.filter(any_of(nw.col("cohort"), cohorts)).select("student_id")
                grades = grades.join(kept, on="student_id", how="semi")
            parts.append(open_frame(term_results(grades, grading, terms)))
        return nw.to_native(parts[0] if len(parts) == 1 else nw.concat(parts))


def _shape_faults(tables: dict[str, Frame]) -> list[str]:
    """Report missing columns, and tables that cannot be joined according to their schemas."""
    faults = []
    for name, frame in tables.items():
        present = frame.collect_schema().names()
        missing = [column.name for column in TABLES[name].columns if column.required and column.name not in present]
        if missing:
            word = "column is" if len(missing) == 1 else "columns are"
            faults.append(f"{name}: the {word} missing: {', '.join(missing)}. Add what is missing, or rename a column.")
    engines: dict[str, list[str]] = {}
    for name, frame in tables.items():
        lazy = " (lazy)" if isinstance(frame, nw.LazyFrame) and frame.implementation.is_polars() else ""
        engines.setdefault(f"{frame.implementation.name.lower()}{lazy}", []).append(name)
    if len(engines) > 1:
        listed = "; ".join(f"{engine}: {', '.join(names)}" for engine, names in engines.items())
        faults.append(f"the tables are of {len(engines)} engines ({listed}). Convert them to one.")
    return faults or _kinds_of_ids(tables)


def _kinds_of_ids(tables: dict[str, Frame]) -> list[str]:
    """Report identifiers that are text in one table or row and numbers in another."""
    kinds: dict[str, list[str]] = {}
    for name, frame in tables.items():
        if "student_id" not in frame.collect_schema().names():
            continue
        kind = frame.collect_schema()["student_id"]
        word = "numbers" if kind.is_numeric() else "text"
        if isinstance(frame, nw.DataFrame):
            if not len(frame):
                continue
            if kind == nw.Object:
                found = {isinstance(value, str) for value in frame["student_id"].drop_nulls().to_list()}
                word = "text and other values" if len(found) > 1 else "text" if found == {True} else "numbers"
        kinds.setdefault(word, []).append(name)
    if len(kinds) < 2 and "text and other values" not in kinds:
        return []
    listed = "; ".join(f"{kind} in {', '.join(names)}" for kind, names in kinds.items())
    return [f"student_id is of several kinds ({listed}). Make it text in every table."]


def _key_faults(name: str, frame: Frame) -> list[str]:
    """Report empty cells, rows with the same key, and a required table without rows."""
    table: Table = TABLES[name]
    key = list(table.key)
    filled = [*key, *(["cohort"] if name == "students" else [])]
    gaps = [nw.col(column).is_null().cast(nw.Int64).sum().alias(f"no_{column}") for column in filled]
    counted = collect(frame.select(nw.len().alias("rows"), *gaps))
    rows = int(counted["rows"].iloc[0])
    if not rows:
        return [f"{name}: the table has no rows. Add one row for each record."] if name == "students" else []
    faults = []
    for column in filled:
        empty = int(counted[f"no_{column}"].iloc[0])
        if empty:
            faults.append(f"{name}: column {column} is empty ({_rows(empty)}). Fill it in, or take the rows out.")
    repeated = _repeated(frame, key)
    if repeated:
        what = ", ".join(column.removesuffix("_id") for column in key)
        faults.append(f"{name}: the same {what} more than once ({_rows(repeated)}). Keep one row of each.")
    return faults


def _repeated(frame: Frame, key: list[str]) -> int:
    """Count the rows whose key stands more than once; keys with an empty cell do not count."""
    keys = frame.select(*key).drop_nulls()
    if isinstance(keys, nw.DataFrame):
        return int(keys.is_duplicated().sum())
    again = keys.group_by(*key).agg(nw.len().alias("_rows")).filter(nw.col("_rows") > 1)
    number = collect(again.select(nw.col("_rows").sum()))["_rows"].iloc[0]
    return 0 if pd.isna(number) else int(number)


def _rows(number: int) -> str:
    return f"{number:,} row" if number == 1 else f"{number:,} rows"
