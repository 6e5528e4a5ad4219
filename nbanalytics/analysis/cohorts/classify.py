"""Six groups by eligibility in two terms and the change of the mean grade points between them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import product
from typing import Literal

import narwhals as nw
import pandas as pd

from nbanalytics.errors import DataError
from nbanalytics.frames import NOISE, Frame, NativeFrame, any_of, cases, collect, column_names, open_frame
from nbanalytics.records import StudentRecords
from nbanalytics.results import Settings, Shown
from nbanalytics.schools import MIN_SCHOOLS, THESE, estimand_of, labels, share_over_schools
from nbanalytics.students import student_table
from nbanalytics.text import ENGLISH

GROUPS = (1, 2, 3, 4, 5, 6)
TABLE_COLUMNS = (
    "student_id",
    "cohort",
    "start_points",
    "end_points",
    "start_eligible",
    "end_eligible",
    "change",
    "direction",
    "group",
    "reason",
)


@dataclass(frozen=True)
class GroupRule:
    """How a student is put in a group.

    Attributes
    ----------
    threshold : float
        Changes of at most this size, in mean grade points, are "no change".
    no_change : "positive" or "negative"
        Where "no change" belongs. The source documents do not say; the default is positive: nothing was lost.
    eligibility : str, optional
        Name of the eligibility rule; by default the one of the declaration.
    passes : int, optional
        Passes in all that the rule asks for; by default as many as it says.
    required : sequence of str, optional
        What must be passed, such as ``("SV/SVA", "EN", "MA")``; by default what the rule says.
    """

    threshold: float = 0.0
    no_change: Literal["positive", "negative"] = "positive"
    eligibility: str | None = None
    passes: int | None = None
    required: tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        if self.passes is not None and self.passes < 0:
            raise DataError(f"The rule asks for {self.passes} passes; give 0 or more.")
        if self.required is not None:
            object.__setattr__(self, "required", tuple(self.required))
        if not self.threshold >= 0:
            raise DataError(f"The threshold of change is {self.threshold}; give 0 or more grade points.")
        if self.no_change not in ("positive", "negative"):
            raise DataError(f"no_change is {self.no_change!r}; choose 'positive' or 'negative'.")


@dataclass(frozen=True, repr=False)
class Classification(Shown):
    """Every student of the records with a group or the reason for having none.

    Attributes
    ----------
    table : dataframe
        Of the records' kind, one row per student: ``student_id, cohort, start_points, end_points`` (mean grade
        points), ``start_eligible, end_eligible, change`` (end minus start), ``direction`` (raised, unchanged,
        lowered), ``group`` (1-6 or missing), ``reason`` (why there is no group, or missing).
    counts : pandas.DataFrame
        ``cohort, group, students``, every group of every cohort, also those with nobody.
    unclassified : pandas.DataFrame
        ``cohort, reason, students``.
    rule : GroupRule
    start, end : str
        The terms compared.
    students : int
        All students, with and without a group.
    """

    table: NativeFrame
    counts: pd.DataFrame
    unclassified: pd.DataFrame
    rule: GroupRule
    start: str
    end: str
    students: int = field(default=0)

    def _words(self) -> str:
        grouped = int(self.counts["students"].sum())
        return (
            f"{grouped} of {self.students} students have a group by eligibility in {self.start} and {self.end} and the "
            f"change of their mean grade points; {self.students - grouped} are without a group"
        )

    def _settings(self) -> Settings:
        required = None if self.rule.required is None else tuple(self.rule.required)
        return {
            "terms": (self.start, self.end),
            "eligibility": self.rule.eligibility or "the rule of the records",
            "passes": self.rule.passes,
            "required": required,
            "no change": f"up to {self.rule.threshold:g} points, counted as {self.rule.no_change}",
        }

    def shares(self, records: StudentRecords | None = None, *, estimand: str | None = None) -> pd.DataFrame:
        """Give each group as a share of the students of its cohort who have a group, with its interval.

        Parameters
        ----------
        records : StudentRecords, optional
            The records that were classified: their ``school_id`` makes intervals of schools like these. Without them
            intervals speak of other pupils of these schools.
        estimand : str, optional
            Of :func:`nbanalytics.schools.estimand_of`; a cohort in fewer than three schools has ``these_schools``.

        Returns
        -------
        pandas.DataFrame
            ``cohort, group, students, share, low, high, estimand``: 95 % intervals of
            :func:`nbanalytics.schools.share_over_schools`, missing for a cohort without anybody in a group.

        Raises
        ------
        DataError
            If schools like these are asked about with fewer than three.
        """
        table = self.counts.rename(columns={"students": "some"}).assign(school="")
        if records is not None and "school_id" in column_names(open_frame(records.students)):
            own = collect(open_frame(self.table).select("student_id", "cohort", "group")).dropna(subset=["group"])
            schools = collect(open_frame(records.students).select("student_id", "school_id"))
            own["school"] = labels(own["student_id"].map(schools.set_index("student_id")["school_id"]))
            table = own.groupby(["cohort", "group", "school"]).size().rename("some").reset_index()
        kind = estimand_of(table["school"] if (table["school"] != "").any() else None, estimand)
        rows = []
        for cohort, part in table.groupby("cohort"):
            wide = part.pivot_table("some", "school", "group", "sum").reindex(columns=list(GROUPS)).fillna(0)
            all_ = wide.sum(axis=1)
            about = kind if (all_ > 0).sum() >= MIN_SCHOOLS else THESE
            for group in GROUPS if all_.sum() else ():
                bounds = share_over_schools(wide[group], all_, about)
                rows.append((cohort, group, int(wide[group].sum()), wide[group].sum() / all_.sum(), *bounds, about))
        columns = ["cohort", "group", "students", "share", "low", "high", "estimand"]
        return pd.DataFrame(rows, columns=columns)

    def _shown(self) -> pd.DataFrame:
        wide = self.counts.pivot(index="group", columns="cohort", values="students").reset_index()
        named = pd.DataFrame(
            {"group": wide["group"], "name": [ENGLISH.label("group", group) for group in wide["group"]]}
        )
        without = self.unclassified.groupby("cohort")["students"].sum()
        cohorts = [name for name in wide if name != "group"]
        shown = pd.concat([named, wide[cohorts]], axis=1).astype(object)
        if len(cohorts) == 1 and self.counts["students"].sum():
            shown = pd.concat([shown, self.shares()[["share", "low", "high"]]], axis=1)
        last = {"group": "", "name": "without a group", **{name: int(without.get(name, 0)) for name in cohorts}}
        return pd.concat([shown, pd.DataFrame([last])], ignore_index=True).rename(columns=str)


def classify(records: StudentRecords, rule: GroupRule | None = None) -> Classification:
    """Put every student in one of six groups.

    1 and 2 are eligible in both terms, with a positive and a negative development of the mean grade points;
    3 and 4 in neither, negative and positive; 5 becomes eligible; 6 loses eligibility.

    Parameters
    ----------
    records : StudentRecords
        In any dataframe.
    rule : GroupRule, optional

    Returns
    -------
    Classification

    Raises
    ------
    DataError
        If no student can be followed, because one of the two terms has no grades at all, or a student has no cohort.

    Notes
    -----
    The groups of Karlskoga's Progression 02 (report 2019, appendix 8.5.2). Eligible in year 6 is a constructed
    measure: the rule of year 9 on the grades of year 6.

    Examples
    --------
    >>> from nbanalytics.simulation import simulate
    >>> result = classify(simulate(seed=1, cohorts=[2018]).records)
    >>> result.counts["students"].tolist()[4:]
    [15, 23]
    """
    rule = rule or GroupRule()
    records = under(records.refuse_uncountable("students", "grades"), rule)
    start, end = records.declaration.start, records.declaration.end
    ends = _both_ends(records, start, end)
    directed = ends.with_columns(change=nw.col("end_points") - nw.col("start_points")).with_columns(
        direction=_direction(rule.threshold)
    )
    table = (
        directed.with_columns(group=_group(rule))
        .with_columns(reason=_reason(records, start, end))
        .with_columns(start_eligible=_flag("start_eligible"), end_eligible=_flag("end_eligible"))
        .select(*TABLE_COLUMNS)
    )
    counts, unclassified = _count(table, records.cohorts())
    students = int(counts["students"].sum() + unclassified["students"].sum())
    if students and not counts["students"].sum():
        together = unclassified.groupby("reason")["students"].sum()
        reasons = ", ".join(f"{reason}: {number}" for reason, number in together.items())
        raise DataError(
            f"None of {students} students can be followed from {start} to {end} ({reasons})",
            "Add the grades of the "
            "term that is missing, or declare other terms in [terms] start and end of records.toml.",
        )
    return Classification(nw.to_native(table), counts, unclassified, rule, start, end, students)


def under(records: StudentRecords, rule: GroupRule) -> StudentRecords:
    """Return the records with the eligibility rule that the groups are made by.

    Raises
    ------
    DataError
        If passes are requested where eligibility is a mean.
    """
    declaration = records.declaration
    if rule.eligibility is not None:
        declaration = replace(declaration, rule=rule.eligibility)
    if rule.passes is None and rule.required is None:
        return records.under(declaration)
    catalogue = declaration.catalogue.varied(declaration.rule, rule.passes, rule.required)
    varied = records.under(replace(declaration, catalogue=catalogue))
    means = [cohort for grading, cohorts in varied.gradings() if not grading.rule.ways for cohort in cohorts]
    if means:
        listed = ", ".join(map(str, means))
        raise DataError(
            f"The rule {declaration.rule} of cohort {listed} asks for a mean, not for passes",
            "Leave out passes and required, or choose other cohorts.",
        )
    return varied


def _both_ends(records: StudentRecords, start: str, end: str) -> Frame:
    """One row per student: points and eligibility in the two terms, missing where there are no grade rows at all."""
    moves = [name for name in ("moved_in", "moved_out") if name in column_names(open_frame(records.students))]
    columns = {f"{when}_{kind}": f"{kind}_{term}" for when, term in (("start", start), ("end", end))
               for kind in ("points", "eligible")}  # fmt: skip
    table = student_table(records, [*moves, *columns.values()])
    return table.select("student_id", "cohort", *moves, **{name: nw.col(column) for name, column in columns.items()})


def _flag(name: str) -> nw.Expr:
    """Turn 1/0 into a boolean that stays missing where the number is."""
    return cases((nw.col(name) == 1, True), (nw.col(name) == 0, False))


def _direction(threshold: float) -> nw.Expr:
    change, beyond = nw.col("change"), threshold + NOISE
    return cases((change > beyond, "raised"), (change < -beyond, "lowered"), (~change.is_null(), "unchanged"))


def _group(rule: GroupRule) -> nw.Expr:
    at_start, at_end = nw.col("start_eligible") == 1, nw.col("end_eligible") == 1
    seen = ~nw.col("start_eligible").is_null() & ~nw.col("end_eligible").is_null()
    known = seen & ~nw.col("direction").is_null()
    positive = any_of(nw.col("direction"), ["raised", *(["unchanged"] if rule.no_change == "positive" else [])])
    return cases(
        (seen & at_start & ~at_end, 6),
        (seen & ~at_start & at_end, 5),
        (known & at_start & positive, 1),
        (known & at_start, 2),
        (known & positive, 4),
        (known, 3),
    )


def _reason(records: StudentRecords, start: str, end: str) -> nw.Expr:
    """Why a student has no group; a known move explains a missing term better than its absence does."""
    names = column_names(open_frame(records.students))
    terms = records.declaration.terms
    no_start, no_end = nw.col("start_eligible").is_null(), nw.col("end_eligible").is_null()
    moves = []
    if "moved_in" in names:
        late = any_of(nw.col("moved_in"), terms[terms.index(start) + 1 :])
        moves.append((no_start & late, f"moved in after {start}"))
    if "moved_out" in names:
        early = any_of(nw.col("moved_out"), terms[: terms.index(end)])
        moves.append((no_end & early, f"moved out before {end}"))
    return cases(
        (~nw.col("group").is_null(), nw.lit(None, dtype=nw.String)),
        *moves,
        (no_start & no_end, f"no grades in {start} and {end}"),
        (no_start, f"no grades in {start}"),
        (no_end, f"no grades in {end}"),
        # Marks such as streck give a row but no points: eligibility is known, the direction of change is not.
        (nw.col("start_points").is_null(), f"no grade points in {start}"),
        otherwise=f"no grade points in {end}",
    )


def _count(table: Frame, cohorts: list[int]) -> tuple[pd.DataFrame, pd.DataFrame]:
    counted = collect(table.group_by("cohort", "group", "reason").agg(nw.col("student_id").count().alias("students")))
    grouped = counted.dropna(subset=["group"])
    index = pd.MultiIndex.from_product([cohorts, GROUPS], names=["cohort", "group"])
    keys = [grouped["cohort"].astype(int), grouped["group"].astype(int)]
    counts = grouped["students"].groupby(keys).sum().reindex(index, fill_value=0).reset_index()
    without = counted[counted["group"].isna()]
    without = without.astype({"cohort": int, "students": int})[["cohort", "reason", "students"]]
    return counts.astype(int), without.sort_values(["cohort", "reason"], ignore_index=True)


@dataclass(frozen=True, repr=False)
class Sensitivity(Shown):
    """Counts of the six groups under every combination of settings.

    Attributes
    ----------
    table : pandas.DataFrame
        ``eligibility`` (rule), ``threshold``, ``no_change``, ``cohort, group, students`` and ``moved``: the
        difference from the first combination.
    students : int
        Students with a group under the first combination.
    """

    table: pd.DataFrame
    students: int

    def _words(self) -> str:
        settings = self.table[["eligibility", "threshold", "no_change"]].drop_duplicates()
        return f"Six groups of {self.students} students, counted under {len(settings)} combinations of settings"

    def _shown(self) -> pd.DataFrame:
        keys = ["eligibility", "threshold", "no_change"]
        summed = self.table.groupby([*keys, "group"], sort=False)["students"].sum().unstack("group")
        return summed.rename(columns=lambda group: f"group {group}").rename_axis(columns=None).reset_index()

    def _settings(self) -> Settings:
        return {f"group {group}": ENGLISH.label("group", group) for group in GROUPS}


def sensitivity(
    records: StudentRecords,
    thresholds: Sequence[float] = (0.0, 0.25, 0.5, 1.0, 1.5, 2.0),
    no_change: Sequence[str] = ("positive", "negative"),
    eligibility: Sequence[str] | None = None,
) -> Sensitivity:
    """Count the six groups under every combination of threshold, place of "no change" and eligibility rule.

    Parameters
    ----------
    records : StudentRecords
    thresholds : sequence of float
        Sizes of change, in mean grade points, that count as none.
    no_change : sequence of {"positive", "negative"}
        Where a change counts that is none.
    eligibility : sequence of str, optional
        Names of eligibility rules; by default only the declaration's.

    Returns
    -------
    Sensitivity
        Groups 5 and 6 depend on the eligibility rule alone; the others also on the change.

    Raises
    ------
    DataError
        If there is no threshold, or no place for "no change".

    Examples
    --------
    >>> from nbanalytics.simulation import simulate
    >>> result = sensitivity(simulate(seed=1, cohorts=[2018]).records, thresholds=(0, 1))
    >>> result.table.query("group == 6")["students"].unique().tolist()
    [23]
    """
    settings = list(product(eligibility or (records.declaration.rule,), no_change, thresholds))
    if not settings:
        raise DataError("There is nothing to vary", 'Give at least one threshold, and "positive" or "negative".')
    parts = []
    for rule_name, place, threshold in settings:
        counts = classify(records, GroupRule(threshold, place, rule_name)).counts  # type: ignore[arg-type]
        parts.append(counts.assign(eligibility=rule_name, threshold=float(threshold), no_change=place))
    table = pd.concat(parts, ignore_index=True)
    reference = parts[0].set_index(["cohort", "group"])["students"].rename("reference")
    table = table.join(reference, on=["cohort", "group"])
    table["moved"] = table["students"] - table["reference"]
    order = ["eligibility", "threshold", "no_change", "cohort", "group", "students", "moved"]
    return Sensitivity(table[order], int(reference.sum()))
