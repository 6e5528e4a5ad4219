"""Two cohorts of the sample as dictionaries, from its CSV files: what tests count by hand from."""

from __future__ import annotations

import csv
from collections import defaultdict
from fractions import Fraction
from functools import cache
from math import sqrt
from statistics import NormalDist

from conftest import SAMPLE

#: Karlskoga's, and one as the model drew it; both have everything that the sample has.
COHORTS = (2018, 2024)
TERMS = ("6HT", "6VT", "7HT", "7VT", "8HT", "8VT", "9HT", "9VT")
POINTS = {"A": Fraction(20), "B": Fraction(35, 2), "C": Fraction(15), "D": Fraction(25, 2), "E": Fraction(10), "F": 0}
CORE = {"SV", "EN", "MA"}
Z = NormalDist().inv_cdf(0.975)


def rows_of(name):
    with (SAMPLE / f"{name}.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def passed(held):
    """Subjects passed, SV and SVA as one."""
    return {"SV" if subject == "SVA" else subject for subject, grade in held.items() if grade in "ABCDE"}


def eligible(held):
    subjects = passed(held)
    return subjects >= CORE and len(subjects) >= 8


def wilson(part, whole):
    share, square = part / whole, Z * Z / whole
    half = sqrt(square * share * (1 - share) + square * square / 4)
    return (share + square / 2 - half) / (1 + square), (share + square / 2 + half) / (1 + square)


class Town:
    """The files, by student and term."""

    def __init__(self):
        self.students = {row["student_id"]: row for row in rows_of("students") if int(row["cohort"]) in COHORTS}
        self.grades, self.eligible, self.total, self.invalid = {}, {}, {}, {}
        for row in self.rows_of("grades"):
            key = row.pop("student_id"), row.pop("term")
            self.grades[key] = held = {subject: grade for subject, grade in row.items() if grade}
            self.eligible[key] = eligible(held)
        for row in self.rows_of("absence"):
            key = row["student_id"], row["term"]
            if row["invalid"]:
                self.invalid[key] = float(row["invalid"])
            if row["valid"] and row["invalid"]:
                self.total[key] = float(row["valid"]) + float(row["invalid"])
        self.outcomes = {row["student_id"]: row for row in self.rows_of("outcomes")}
        self.failed_tests = defaultdict(int)
        for row in self.rows_of("tests"):
            self.failed_tests[row["student_id"], row["term"]] += row["grade"] == "F"
        self.support = defaultdict(list)
        for row in self.rows_of("support"):
            if row["level"] != "universal":
                self.support[row["student_id"]].append((row["start"], row["end"] or "9999", row["kind"]))

    def rows_of(self, name):
        return [row for row in rows_of(name) if row["student_id"] in self.students]

    def points(self, who, term):
        """Mean grade points over subjects that compare, exactly; None without any."""
        held = self.grades.get((who, term), {})
        counted = [POINTS[g] for subject, g in held.items() if g in POINTS and subject not in ("M1", "M2", "ML")]
        return sum(counted, Fraction(0)) / len(counted) if counted else None

    def merit(self, who):
        """The sixteen best grades of 9VT and the modern language."""
        held = self.grades.get((who, "9VT"), {})
        others = sorted((POINTS.get(grade, 0) for subject, grade in held.items() if subject != "M2"), reverse=True)
        return float(sum(others[:16]) + POINTS.get(held.get("M2"), 0))

    def here(self, who, term):
        row, place = self.students[who], TERMS.index(term)
        arrived = TERMS.index(row["moved_in"]) if row["moved_in"] else 0
        left = TERMS.index(row["moved_out"]) if row["moved_out"] else len(TERMS)
        return arrived <= place <= left

    def days(self, who, term):
        """First and last day of a student's term."""
        year = int(self.students[who]["cohort"]) - (len(TERMS) - TERMS.index(term)) // 2
        return (f"{year}-01-01", f"{year}-06-30") if term.endswith("VT") else (f"{year}-07-01", f"{year}-12-31")

    def supported(self, who, first, last):
        return any(start <= last and end >= first for start, end, _ in self.support[who])

    def risks(self, who, term):
        """Names of the risk indicators that say so, and how many are known."""
        key, held = (who, term), self.grades.get((who, term))
        before = TERMS[TERMS.index(term) - 1] if term != "6HT" else None
        now, then = self.points(who, term), self.points(who, before)
        rise = self.total[key] - self.total[who, before] if key in self.total and (who, before) in self.total else None
        values = {
            "absence": (self.total.get(key), 10),
            "invalid_absence": (self.invalid.get(key), 5),
            "absence_rise": (rise, 5),
            "core_missing": (None if held is None else len(CORE - passed(held)), 1),
            "grade_fall": (None if None in (now, then) else then - now, 1.25),
            "streck": (None if held is None else list(held.values()).count("-"), 1),
            "test_failed": (self.failed_tests.get(key) if term in ("6VT", "9VT") else None, 1),
        }
        known = {name: value >= limit for name, (value, limit) in values.items() if value is not None}
        return {name for name, says in known.items() if says}, len(known)


@cache
def town_of_the_sample():
    return Town()
