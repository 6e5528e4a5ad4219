"""Rounded releases: a few students of each cohort, drawn so that they resemble all, are counted for everybody."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterator
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any

import numpy as np
import pandas as pd

from nbanalytics.disclosure import CellSystem, Policy
from nbanalytics.disclosure.cells import Ids, Values
from nbanalytics.disclosure.rounding import draw_alike
from nbanalytics.errors import DisclosureError
from nbanalytics.release.cube import Cube, to_rows
from nbanalytics.release.declared import Declared, standard
from nbanalytics.release.links import Cubes
from nbanalytics.release.model import FILTERS, ROUNDED
from nbanalytics.release.persons import Persons
from nbanalytics.release.report import coarsely
from nbanalytics.release.tables import Counted, count_tables

#: Students drawn among at once: the work grows with the cube of it.
_BLOCK = 1000
#: How much it counts, beside what a student has alone, that the drawn resemble their cohort; its schools, sexes and
#: newly arrived; and that they are as many as they should be.
_WHOLE, _PART, _NUMBER = 100.0, 30.0, 100.0
#: How many filters a rounded release crosses where it is not as many as in one that hides.
_LESS = {"eligibility": 1, "groups": 1, "points": 1, "lost_subjects": 0}
#: A release whose counts of a table are off by more than this share of their sum is not worth publishing.
MOST_NOISE = 0.5


@dataclass(frozen=True)
class Rounded:
    """Students as a rounded release counts them.

    Attributes
    ----------
    persons : Persons
        Each drawn student as often as it counts, and nobody else.
    truth : Persons
        Every student once.
    unit : int
        How often each drawn student counts: every count is a multiple of it.
    """

    persons: Persons
    truth: Persons
    unit: int

    def counted(self, policy: Policy, contents: Declared) -> list[Counted]:
        """Count the declared tables, with the rules of a rounded release.

        Nothing is said of a selection that has 1 to ``min_group`` - 1 students, in truth or rounded. Those at risk
        and those who lost are not such a group: nobody outside knows who they are, and their number is rounded.
        """
        sizes = {
            (entry.cube.table, entry.cube.measure): entry.groups[0]
            for entry in count_tables(self.truth, policy, contents)
        }
        return [
            replace(entry, groups=(entry.groups[0], sizes[entry.cube.table, entry.cube.measure]))
            for entry in count_tables(self.persons, policy, contents)
        ]

    def behind_means(self, cubes: Cubes, policy: Policy, contents: Declared) -> Cubes:
        """Return the cubes with the true numbers of students, which means are made and protected with."""
        true = {(entry.cube.table, entry.cube.measure): entry.cube for entry in
                count_tables(self.truth, policy, contents)}  # fmt: skip
        return {key: replace(cube, counts=true[key].counts) for key, cube in cubes.items() if key in true}

    def in_units(self, system: CellSystem) -> CellSystem:
        """Return a system that counts the drawn: a table that denies a hidden cell must be one of whole students."""
        return replace(system, values=system.values / self.unit, thresholds=np.ones(len(system.values)))

    def errors(self, policy: Policy, contents: Declared) -> pd.DataFrame:
        """Return the errors of the rounded counts.

        Returns
        -------
        DataFrame
            One row per table, and one for ``all``: ``table``; ``error``, the mean absolute difference of a count, in
            students; ``share``, the sum of the differences over the sum of the true counts; ``total``, the difference
            of the largest count of the table as a share of it; ``counts``, and the ``students`` that they show.
        """
        rounded = {(entry.cube.table, entry.cube.measure): entry.cube for entry in
                   count_tables(self.persons, policy, contents)}  # fmt: skip
        parts: dict[str, list[pd.DataFrame]] = {}
        for entry in count_tables(self.truth, policy, contents):
            true, found = _counts(entry.cube), _counts(rounded[entry.cube.table, entry.cube.measure])
            # A subject that cost no drawn student its eligibility has no row: it counts as 0.
            both = pd.DataFrame({"true": true, "rounded": found.reindex(true.index, fill_value=0)})
            parts.setdefault(entry.cube.table, []).append(both)
        tables = {name: pd.concat(held, ignore_index=True) for name, held in parts.items()}
        tables["all"] = pd.concat(tables.values(), ignore_index=True)
        return pd.DataFrame([{"table": name, **_error(both)} for name, both in tables.items()])


def worth_publishing(
    rounded: Rounded, policy: Policy, contents: Declared | None = None
) -> tuple[Declared, dict[str, Any]]:
    """Settle what a rounded release says: what is declared, or the usual tables but for those that would be noise.

    Returns
    -------
    Declared
    dict
        What the manifest says of the rounding: its ``unit``; the ``errors`` (``table, error, share``), so coarse that
        they say of nobody, and None where a table is too small even for that; the tables ``left_out``.

    Raises
    ------
    DisclosureError
        If the counts of a table that was asked for would be off by more than half of their sum.
    """
    wanted = usual() if contents is None else contents
    errors = rounded.errors(policy, wanted)
    noisy = errors[(errors["share"] > MOST_NOISE) & (errors["table"] != "all")]
    tables = {name: table for name, table in wanted.tables.items() if name not in set(noisy["table"])}
    if len(noisy) and (contents is not None or not tables):
        worst = ", ".join(f"{row.table} {row.share:.0%}" for row in noisy.itertuples())
        raise DisclosureError(
            f"Rounded, the counts of {len(noisy)} of {len(errors) - 1} tables would be off by more than "
            f"{MOST_NOISE:.0%} of their sum ({worst}), so nothing is published. Cross fewer filters or leave these "
            "tables out (--declare), take more cohorts together, or publish without --round."
        )
    kept = replace(wanted, tables=MappingProxyType(tables))
    if len(noisy):
        errors = rounded.errors(policy, kept)
    said = {"unit": rounded.unit, "errors": _coarse(errors, rounded.unit), "left_out": list(noisy["table"])}
    return kept, {"protection": ROUNDED, "rounding": said}


def _coarse(errors: pd.DataFrame, unit: int) -> list[dict[str, Any]]:
    """Return errors computed from true counts, as a manifest may show them.

    The error of a single count would reveal the count. So both numbers leave it open by two units, and the error of the
    largest count of a table is not shown.
    """
    return [
        {
            "table": row["table"],
            "error": coarsely(row["error"], row["counts"], 2 * unit, (0.5, 1.0, 2.5)),
            "share": coarsely(row["share"], row["students"], 2 * unit),
        }
        for row in errors.to_dict("records")
    ]


def round_persons(persons: Persons, policy: Policy, secret: bytes) -> Rounded:
    """Draw the students of a rounded release.

    Parameters
    ----------
    persons : Persons
    policy : Policy
        One in ``min_cell`` is drawn, and counts ``min_cell`` times.
    secret : bytes
        With the same one, a cohort whose records are the same has the same drawn students, whatever the release
        declares and whichever cohorts are beside it.

    Returns
    -------
    Rounded
    """
    unit = policy.min_cell
    drawn = np.zeros(len(persons.table), dtype=bool)
    for name, students in _blocks(persons.table):
        seed = hmac.new(secret, f"{name}|{unit}".encode(), hashlib.sha256).digest()
        rng = np.random.default_rng(int.from_bytes(seed, "big"))
        drawn[students] = draw_alike(_likeness(persons, students), unit, rng)
    causes = persons.causes[drawn[persons.causes["student"].to_numpy(dtype=int)]]
    repeated = replace(
        persons,
        table=persons.table.loc[np.repeat(np.flatnonzero(drawn), unit)].reset_index(drop=True),
        causes=causes.loc[causes.index.repeat(unit)].reset_index(drop=True),
    )
    return Rounded(repeated, persons, unit)


def usual() -> Declared:
    """Return the declaration of a rounded release: the standard one, with less crossing where it would not pay.

    Subjects by term are mostly of one or two students, of whom rounding leaves nothing but noise; the six groups by two
    filters are of a few groups so small that they must be hidden, and a third of the others with them.
    """
    contents = standard()
    tables = {name: replace(table, max_crossed=_LESS.get(name, table.max_crossed)) for name, table in
              contents.tables.items()}  # fmt: skip
    return replace(contents, tables=MappingProxyType(tables))


def _blocks(table: pd.DataFrame) -> Iterator[tuple[str, Ids]]:
    """Divide the students in cohorts, and large cohorts in parts of neighbouring schools."""
    cohorts = table["cohort"].astype("object").fillna("").astype(str)
    schools = table["school"].astype("object").fillna("").astype(str)
    for cohort in sorted(set(cohorts)):
        students = np.flatnonzero(cohorts == cohort)
        students = students[np.argsort(schools.to_numpy()[students], kind="stable")]
        parts = np.array_split(students, -(-len(students) // _BLOCK))
        yield from ((f"{cohort}|{number}", part) for number, part in enumerate(parts))


def _likeness(persons: Persons, students: Ids) -> Values:
    """What each two of some students have in common: outcomes, more if they are of one school, sex or arrival.

    An outcome counts the less the more students have it, so that the counts of few are balanced, too.
    """
    traits = _traits(persons, students)
    held = traits.sum(axis=0)
    traits = traits[:, held > 0] / np.sqrt(held[held > 0])
    alike = traits @ traits.T + _NUMBER / len(students)
    together = np.full(alike.shape, _WHOLE)
    for name in FILTERS[1:]:
        codes, values = pd.factorize(persons.table[name].iloc[students])
        if len(values):
            share = np.bincount(codes) / len(students)
            together += _PART * (codes[:, None] == codes) / share[codes]
    likeness: Values = alike * together
    return likeness


def _traits(persons: Persons, students: Ids) -> Values:
    """Which outcomes that a release counts each student has: a column for each."""
    table = persons.table.iloc[students]
    held = [table[f"at_{stage}"] for stage in persons.stages]
    held += [table[f"at_{before}"] + "|" + table[f"at_{after}"] for before, after in persons.steps]
    held += [table["group"], table["start"] + "|" + table["end"]]
    held += [table["duration"].astype(str) + "|" + table["event"].astype(str)]
    held += [table[name].isna() for name in table.columns if name.startswith("absence_")]
    held += [table[name].astype("object").fillna("") for name in table.columns if name.startswith("core_")]
    causes = persons.causes[persons.causes["student"].isin(students)]
    place = pd.Index(students).get_indexer(pd.Index(causes["student"]))
    columns = [_indicators(np.arange(len(students)), column, len(students)) for column in held]
    columns += [_indicators(place, causes["subject"], len(students))]
    columns += [_indicators(place, causes["term"] + "|" + causes["subject"], len(students))]
    return np.concatenate(columns, axis=1)


def _indicators(rows: Ids, values: pd.Series[Any], count: int) -> Values:
    codes, names = pd.factorize(values, sort=True)
    found = np.zeros((count, len(names)))
    found[rows[codes >= 0], codes[codes >= 0]] = 1.0
    return found


def _counts(cube: Cube) -> pd.Series[Any]:
    """Declared counts of a table by their place."""
    rows = to_rows(cube)
    places = pd.MultiIndex.from_frame(rows.drop(columns="measure"))
    return pd.Series(cube.counts[cube.declared], index=places)


def _error(both: pd.DataFrame) -> dict[str, float]:
    off = both["rounded"] - both["true"]
    largest = both["true"].to_numpy().argmax()
    return {
        "error": float(off.abs().mean()),
        "share": float(off.abs().sum() / max(both["true"].sum(), 1)),
        "total": float(off.iloc[largest] / max(both["true"].iloc[largest], 1)),
        "counts": len(both),
        "students": float(both["rounded"].sum()),
    }
