"""The declared list of indicators, and the values behind them: one number for each student and term."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import pandas as pd

from nbanalytics.errors import DataError
from nbanalytics.frames import NOISE, collect
from nbanalytics.records import StudentRecords
from nbanalytics.students import absence_by_term
from nbanalytics.terms import term_dates
from nbanalytics.toml_files import Toml, packaged_toml, read_table, read_toml

#: Levels of support that somebody was chosen for; universal support is for everybody.
CHOSEN_LEVELS = ("selective", "indicated")


@dataclass(frozen=True)
class Source:
    """Records in pandas, and what several measures need of them."""

    records: StudentRecords

    @cached_property
    def results(self) -> pd.DataFrame:
        """Results by student and term, see :func:`nbanalytics.eligibility.term_results`."""
        return collect(self.records.results())

    @cached_property
    def absence(self) -> pd.DataFrame:
        """Absence by student and term, see :func:`nbanalytics.students.absence_by_term`."""
        return collect(absence_by_term(self.records))

    def cohorts_of(self, table: pd.DataFrame) -> pd.Series:
        """Return the cohort of the student of each row."""
        return table["student_id"].map(self.records.students.set_index("student_id")["cohort"])

    @cached_property
    def enrolled(self) -> pd.DataFrame:
        """Students by term while they are here: ``student_id, cohort, term, place``."""
        terms = self.records.declaration.terms
        places = {term: place for place, term in enumerate(terms)}
        students = self.records.students.reindex(columns=["student_id", "cohort", "moved_in", "moved_out"])
        rows = students.merge(pd.DataFrame({"term": terms, "place": range(len(terms))}), how="cross")
        first = rows["moved_in"].map(places).fillna(0)
        last = rows["moved_out"].map(places).fillna(len(terms) - 1)
        here: pd.DataFrame = rows[rows["place"].between(first, last)].drop(columns=["moved_in", "moved_out"])
        return here.reset_index(drop=True)

    def change(self, values: pd.DataFrame) -> pd.DataFrame:
        """Difference of ``value`` to the term before; no row where either is unknown."""
        places = {term: place for place, term in enumerate(self.records.declaration.terms)}
        now = values.assign(place=values["term"].map(places).astype("float64")).dropna(subset=["value", "place"])
        before = now[["student_id", "place", "value"]].assign(place=now["place"] + 1)
        both = now.merge(before, on=["student_id", "place"], suffixes=("", "_before"))
        return both.assign(value=both["value"] - both["value_before"])[["student_id", "term", "value"]]


class Measure(NamedTuple):
    """What a value is made of: the table it needs, how, and whether it needs the term before."""

    table: str
    values: Callable[[Source], pd.DataFrame]
    needs_before: bool = False


def active_support(records: StudentRecords, terms: pd.DataFrame) -> pd.DataFrame:
    """Return the periods of support that touch a term: ``student_id, term`` and the columns of the register.

    ``terms`` has ``cohort, student_id, term``: whom and when to ask about. A period without ``end`` touches every term
    after its start. The records are in pandas.
    """
    pairs = terms[["cohort", "term"]].drop_duplicates()
    days = [term_dates(records.declaration, int(cohort), term) for cohort, term in pairs.itertuples(index=False)]
    pairs = pairs.assign(first=[first.isoformat() for first, _ in days], last=[last.isoformat() for _, last in days])
    support: Any = records.support
    asked = terms[["student_id", "cohort", "term"]].merge(pairs, on=["cohort", "term"])
    both = asked.merge(support.astype({"start": "str"}), on="student_id")
    ended = both["end"].astype("str").where(both["end"].notna(), "9999") if "end" in both else "9999"
    touches = (both["start"] <= both["last"]) & (ended >= both["first"])
    return both[touches].drop(columns=["cohort", "first", "last"]).reset_index(drop=True)


def _value(table: pd.DataFrame, column: str) -> pd.DataFrame:
    return table[["student_id", "term"]].assign(value=table[column].astype("float64"))


def _passes(source: Source) -> pd.DataFrame:
    """No value where the scale has no pass line."""
    counted = _value(source.results, "n_passed")
    return counted[source.cohorts_of(counted).isin(source.records.cohorts_with_passes())]


def _core_missing(source: Source) -> pd.DataFrame:
    """No value where the rule requires no subject."""
    results = source.results
    missing = results["missing"].astype("str")
    counted = results[["student_id", "term"]].assign(value=(missing.str.count(",") + 1.0).where(missing != "", 0.0))
    demanding = [cohort for grading, cohorts in source.records.gradings() if grading.rule.demands for cohort in cohorts]
    return counted[source.cohorts_of(results).isin(demanding)]


def _tests_failed(source: Source) -> pd.DataFrame:
    """No value where the scale has no pass, or the test no grade: a test that was not taken is not failed."""
    tests = source.records.tests
    scales = {cohort: grading.scale for grading, cohorts in source.records.gradings() for cohort in cohorts}
    failed = {
        (cohort, grade): float(grade not in scale.passing)
        for cohort, scale in scales.items()
        if scale.passing
        for grade in scale.points
    }
    values = [failed.get(pair) for pair in zip(source.cohorts_of(tests), tests["grade"], strict=True)]
    counted = tests.assign(value=values).dropna(subset="value").groupby(["student_id", "term"])["value"].sum()
    return pd.DataFrame(counted.reset_index())


def _support(source: Source) -> pd.DataFrame:
    """Nobody in the register is a known 0."""
    active = active_support(source.records, source.enrolled)
    kinds = active[active["level"].isin(CHOSEN_LEVELS)].groupby(["student_id", "term"])["kind"].nunique()
    here = source.enrolled[["student_id", "term"]]
    joined: pd.DataFrame = here.join(kinds.rename("value"), on=["student_id", "term"])
    return joined.assign(value=joined["value"].fillna(0.0).astype("float64"))


MEASURES: dict[str, Measure] = {
    "absence": Measure("absence", lambda source: _value(source.absence, "total")),
    "invalid_absence": Measure("absence", lambda source: _value(source.absence, "invalid")),
    "absence_change": Measure("absence", lambda source: source.change(_value(source.absence, "total")), True),
    "core_missing": Measure("grades", _core_missing),
    "passes": Measure("grades", _passes),
    "points": Measure("grades", lambda source: _value(source.results, "mean_points")),
    "points_change": Measure("grades", lambda source: source.change(_value(source.results, "mean_points")), True),
    "streck": Measure("grades", lambda source: _value(source.results, "n_streck")),
    "tests_failed": Measure("tests", _tests_failed),
    "support": Measure("support", _support),
}


KINDS = ("risk", "protective")
DIRECTIONS = ("at_least", "at_most")
#: What an indicator can say of a student in a term besides its kind.
NO_SIGNAL, UNKNOWN = "none", "unknown"


@dataclass(frozen=True)
class Indicator:
    """One indicator.

    Attributes
    ----------
    name : str
    kind : {"risk", "protective"}
        What its signal means.
    table : str
        The table of records that it needs.
    measure : str
        Its value, one of :data:`nbanalytics.MEASURES`.
    direction : {"at_least", "at_most"}
        On which side of the limit the signal lies; the limit itself is a signal.
    limit : float
    unit, en, sv, source : str
        Of the value; name in English and Swedish; where the limit is from.
    terms : tuple of str
        Terms in which it is asked; none means all.
    """

    name: str
    kind: Annotated[str, Toml(choices=KINDS)]
    table: str
    measure: Annotated[str, Toml(choices=MEASURES)]
    direction: Annotated[str, Toml(choices=DIRECTIONS)]
    limit: float
    unit: str
    en: str
    sv: str
    source: str
    terms: tuple[str, ...] = ()

    def signal(self, values: pd.Series) -> pd.Series:
        """Return the signal of each value: the kind, ``none``, or ``unknown`` where the value is missing.

        Examples
        --------
        >>> absence = next(one for one in read_indicators() if one.name == "absence")
        >>> absence.signal(pd.Series([10.0, 9.9, None])).tolist()
        ['risk', 'none', 'unknown']
        """
        beyond = values >= self.limit - NOISE if self.direction == "at_least" else values <= self.limit + NOISE
        said = pd.Series(NO_SIGNAL, index=values.index, dtype="str").mask(beyond.fillna(False), self.kind)
        return said.mask(values.isna(), UNKNOWN)


@dataclass(frozen=True)
class _IndicatorFile:
    indicators: Annotated[tuple[Indicator, ...], Toml(key="indicator", filled=True, unique="name")]


def read_indicators(path: str | Path | None = None) -> tuple[Indicator, ...]:
    """Read the declared list: a TOML file like the ``indicators.toml`` beside this module, by default that file.

    Raises
    ------
    DataError
        If the file cannot be read, a key is missing or unknown, a value is not among the known ones, or a name is
        declared twice.

    Examples
    --------
    >>> sorted({indicator.kind for indicator in read_indicators()})
    ['protective', 'risk']
    """
    return _default() if path is None else _parse(read_toml(path), Path(path).name)


@cache
def _default() -> tuple[Indicator, ...]:
    return _parse(packaged_toml("nbanalytics.analysis.indicators", "indicators.toml"), "indicators.toml")


def _parse(data: Mapping[str, Any], where: str) -> tuple[Indicator, ...]:
    found = read_table(_IndicatorFile, data, where).indicators
    for place, one in enumerate(found, 1):
        home = MEASURES[one.measure].table
        if one.table != home:
            raise DataError(
                f"the measure {one.measure!r} comes from the table {home}",
                f'Write table = "{home}".',
                f"{where}, [[indicator]] number {place}",
            )
    return found
