"""Student records: the validated tables that every analysis starts from, in any dataframe."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from numbers import Integral
from typing import Any, cast

import narwhals as nw

from nbanalytics.declaration import Declaration
from nbanalytics.eligibility import term_results
from nbanalytics.errors import DataError
from nbanalytics.frames import any_of, collect, open_frame
from nbanalytics.grading import Grading
from nbanalytics.schema import TABLES


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

    Examples
    --------
    >>> from nbanalytics.simulation import simulate
    >>> records = simulate(seed=1, cohorts=[2018]).records
    >>> records.cohorts()
    [2018]
    >>> records.cohort(2018).students["sex"].nunique()
    2
    """

    students: Any
    grades: Any
    absence: Any = None
    tests: Any = None
    outcomes: Any = None
    support: Any = None
    schools: Any = None
    followups: Any = None
    screening: Any = None
    declaration: Declaration = field(default_factory=Declaration)

    def __repr__(self) -> str:
        """Tell whose records they are and which tables there are, and nothing of what stands in them."""
        tables = ", ".join(
            f"{name} ({len(table):,})" if isinstance(nw.from_native(table), nw.DataFrame) else name
            for name, table in self.tables().items()
        )
        return f"StudentRecords{self.declaration.name and ' of '}{self.declaration.name}: {tables}"

    def cohorts(self) -> list[int]:
        """Cohorts present, as the years in which they leave the last term, in order."""
        unique = collect(open_frame(self.students).select("cohort").unique())
        return sorted(int(cohort) for cohort in unique["cohort"].dropna())

    def gradings(self) -> list[tuple[Grading, list[int]]]:
        """Scales and rules in use, each with the cohorts that they hold for."""
        gradings: dict[Any, tuple[Grading, list[int]]] = {}
        for cohort in self.cohorts():
            grading = self.declaration.grading(cohort)
            key = (grading.scale.name, grading.scale.version, grading.rule.name, grading.rule.version)
            gradings.setdefault(key, (grading, []))[1].append(cohort)
        return list(gradings.values())

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
        asked: list[Any] = [cohort] if isinstance(cohort, Integral | str) else list(cast("Sequence[int]", cohort))
        wanted = [int(year) if str(year).isdecimal() else year for year in asked]
        present = self.cohorts()
        absent = [str(year) for year in wanted if year not in present]
        if absent:
            known = ", ".join(str(year) for year in present) or "none at all"
            raise DataError(f"There is no cohort {', '.join(absent)} in the records", f"Choose among: {known}.")
        return self.only(open_frame(self.students).filter(any_of(nw.col("cohort"), wanted)))

    def only(self, students: Any) -> StudentRecords:
        """Keep the rows, in every table, of the students in a frame with ``student_id``."""
        kept = open_frame(students).select("student_id")
        tables = {
            name: nw.to_native(open_frame(table).join(kept, on="student_id", how="semi"))
            for name, table in self.tables().items()
            if name != "schools"
        }
        return replace(self, **tables)

    def to_pandas(self) -> StudentRecords:
        """Bring every table to pandas: for a few students, or a municipality."""
        tables: dict[str, Any] = {name: collect(table) for name, table in self.tables().items()}
        return replace(self, **tables)

    def tables(self) -> dict[str, Any]:
        """Return the tables that are there, by name."""
        named = {name: getattr(self, name) for name in TABLES}
        return {name: table for name, table in named.items() if table is not None}

    def term_results(self, terms: Sequence[str] | None = None) -> Any:
        """Points, passes and eligibility by student and term, each cohort by its own scale and rule.

        Returns
        -------
        dataframe
            Of the records' kind: ``student_id, cohort`` and the columns of
            :func:`nbanalytics.eligibility.term_results`.
        """
        students = open_frame(self.students).select("student_id", "cohort")
        return nw.to_native(students.join(open_frame(self.results(terms)), on="student_id", how="inner"))

    def results(self, terms: Sequence[str] | None = None) -> Any:
        """Return :meth:`term_results` without the cohort, which spares a join of all students."""
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
