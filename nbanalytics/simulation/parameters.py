"""The numbers of the model: everything that was tuned to meet the targets, in one place."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

#: National shares eligible (vocational rule) by the year a cohort leaves year 9, per cent; 2019 is interpolated.
NATIONAL_ELIGIBLE = {
    2018: 84.4,
    2019: 85.0,
    2020: 85.6,
    2021: 86.2,
    2022: 85.0,
    2023: 85.2,
    2024: 83.7,
    2025: 84.1,
}


@dataclass(frozen=True)
class Parameters:
    """Parameters of the simulated municipality; latent effects are in standard deviations of a subject's performance.

    Tuples with eight numbers are per term, 6HT to 9VT.
    """

    # who the pupils are
    girls: float = 0.487
    foreign_background: float = 0.17
    immigration: tuple[float, float, float] = (0.045, 0.050, 0.042)  # early, years 1-5, years 6-9; the rest born here
    education_cuts: tuple[float, float] = (-1.25, 0.06)  # where a parent's upper secondary, post-secondary begin
    parents_alike: float = 0.55
    school_composition: float = 0.40  # spread of the schools' social composition
    school_newly_arrived: float = 0.8  # how much more newly arrived a school a standard deviation below gets

    # ability
    ability_sd: float = 0.80
    education: float = 0.50  # per level of the parents' mean level (1, 2, 3)
    context: float = 0.97  # per level of the school's mean of it
    early: float = -0.10
    years1_5: float = -0.55
    years6_9: float = -1.98
    newly_arrived_progress: float = 0.12  # per term since arrival, for those who came in years 6-9
    school_sd: float = 0.36
    primary_sd: float = 0.12
    random_schools: bool = False  # drawn, and not spread evenly so that a few average to the nation
    shock_sd: float = 0.0  # of a school's cohort, beside what lasts of the school
    teacher_sd: float = 0.0  # of who teaches a subject in a school and school year, on the grades
    keep_ability: float = 0.989  # correlation of the personal part from term to term ...
    keep_ability_transition: float = 0.965  # ... and from 6VT to 7HT
    keep_bent: float = 0.995
    keep_noise: float = 0.80
    keep_noise_transition: float = 0.34

    # terms
    fail_bump: tuple[float, ...] = (0.10, 0.0, 0.0, 0.06, 0.10, 0.10, 0.06, 0.0)  # teachers are sterner on the way
    transition_mean: float = 0.12  # mean dip at 7HT, exponential over pupils
    transition_low: float = 0.35  # how much larger a pupil a standard deviation below the mean dips (log)
    transition_fade: tuple[float, ...] = (0.0, 0.0, 1.0, 0.85, 0.7, 0.6, 0.5, 0.4)

    # absence
    onset: tuple[float, ...] = (0.010, 0.006, 0.030, 0.015, 0.017, 0.013, 0.012, 0.006)
    onset_ability: float = -0.55
    onset_frailty: float = 0.7
    recover: float = 0.10
    severity_log_mean: float = 2.7
    severity_log_sd: float = 0.65
    severity_growth: float = 0.30
    absence_effect: float = 0.030  # lost per point of problematic absence, up to 60 points
    streck_at: float = 62.0
    streck_spread: float = 7.0
    usual_absence: float = 4.6

    # holes
    move_in: float = 0.007
    move_out: float = 0.008
    missing_term: float = 0.005
    missing_absence: float = 0.02
    adapted: float = 0.004

    # cohort years
    year_effect: tuple[tuple[int, float], ...] = (
        (2018, -0.02),
        (2019, 0.01),
        (2020, 0.05),
        (2021, 0.09),
        (2022, 0.02),
        (2023, 0.02),
        (2024, -0.04),
        (2025, -0.03),
    )
    mathematics_year_effect: tuple[tuple[int, float], ...] = ((2024, -0.06), (2025, -0.04))


PARAMETERS = Parameters()


TERMS = ("6HT", "6VT", "7HT", "7VT", "8HT", "8VT", "9HT", "9VT")
START, FIRST_LOWER, END = 1, 2, 7  # positions of 6VT, 7HT and 9VT

GRADES = ("F", "E", "D", "C", "B", "A")  # a grade's code is its position here
POINTS = (0.0, 10.0, 12.5, 15.0, 17.5, 20.0)
STRECK, ADAPTED, NOT_TAUGHT, NO_ROW = -1, -2, -3, -4
MARKS = {STRECK: "-", ADAPTED: "adapted", NOT_TAUGHT: "not_taught"}


class Subject(NamedTuple):
    """One subject of the model.

    ``common`` and ``stable`` are shares of the variance of the latent performance: the pupil's general
    ability and the pupil's stable aptitude for the subject; the rest is autocorrelated noise.
    ``girls`` is the girls' advantage in standard deviations. ``cut6`` and ``cut9`` are the latent values
    where F ends and E, D, C, B, A begin, in year 6 and at the end of year 9.
    """

    common: float
    stable: float
    girls: float
    cut6: tuple[float, ...]
    cut9: tuple[float, ...]


# The cut points are quantiles of the latent performance of 60,000 simulated pupils of the cohort 2018, at the shares of
# grades in docs/simulate.md: if the latent performance changes, they must be recomputed.
SUBJECTS: dict[str, Subject] = {
    "SV": Subject(0.72, 0.26, 0.79, (-1.69, -1.05, -0.33, 0.50, 1.19), (-2.41, -1.03, -0.24, 0.64, 1.37)),
    "EN": Subject(0.64, 0.25, 0.19, (-1.38, -1.04, -0.52, 0.14, 0.70), (-1.93, -1.09, -0.50, 0.22, 0.82)),
    "MA": Subject(0.65, 0.24, 0.2, (-1.30, -0.54, -0.03, 0.58, 1.07), (-1.65, -0.52, 0.04, 0.68, 1.20)),
    "BL": Subject(0.48, 0.12, 0.94, (-2.43, -1.17, -0.43, 0.41, 1.11), (-2.63, -1.18, -0.37, 0.51, 1.24)),
    "HKK": Subject(0.5, 0.1, 0.79, (-2.39, -1.18, -0.48, 0.33, 1.04), (-2.47, -1.21, -0.43, 0.43, 1.16)),
    "IDH": Subject(0.42, 0.22, -0.06, (-1.90, -1.06, -0.49, 0.26, 0.95), (-2.01, -1.09, -0.46, 0.33, 1.06)),
    "MU": Subject(0.46, 0.14, 0.55, (-2.20, -1.14, -0.48, 0.27, 0.93), (-2.43, -1.17, -0.44, 0.36, 1.06)),
    "SL": Subject(0.28, 0.03, 0.83, (-2.39, -1.09, -0.34, 0.49, 1.27), (-2.37, -1.08, -0.28, 0.58, 1.39)),
    "TK": Subject(0.58, 0.06, 0.53, (-2.07, -0.93, -0.27, 0.45, 1.07), (-2.22, -0.94, -0.22, 0.56, 1.22)),
    "BI": Subject(0.68, 0.05, 0.42, (-1.75, -0.87, -0.26, 0.42, 1.00), (-2.06, -0.85, -0.19, 0.55, 1.16)),
    "FY": Subject(0.68, 0.06, 0.35, (-1.75, -0.79, -0.22, 0.44, 1.00), (-1.96, -0.79, -0.15, 0.56, 1.16)),
    "KE": Subject(0.68, 0.06, 0.4, (-1.75, -0.80, -0.21, 0.44, 1.00), (-1.97, -0.79, -0.13, 0.57, 1.16)),
    "GE": Subject(0.68, 0.05, 0.48, (-1.78, -0.89, -0.30, 0.40, 1.04), (-2.09, -0.89, -0.24, 0.53, 1.21)),
    "HI": Subject(0.7, 0.06, 0.48, (-1.78, -0.87, -0.30, 0.41, 1.06), (-2.07, -0.90, -0.24, 0.53, 1.23)),
    "RE": Subject(0.69, 0.05, 0.66, (-1.81, -0.95, -0.33, 0.39, 1.04), (-2.14, -0.96, -0.28, 0.52, 1.20)),
    "SH": Subject(0.7, 0.06, 0.55, (-1.80, -0.93, -0.32, 0.38, 1.02), (-2.07, -0.94, -0.27, 0.50, 1.18)),
    "NO": Subject(0.72, 0.08, 0.4, (-1.57, -0.71, -0.18, 0.41, 0.91), (-2.07, -0.82, -0.21, 0.46, 1.00)),
    "SO": Subject(0.74, 0.08, 0.55, (-1.61, -0.76, -0.22, 0.41, 0.98), (-2.09, -0.88, -0.25, 0.45, 1.07)),
    "M1": Subject(0.5, 0.15, 0.61, (-1.84, -0.75, -0.14, 0.58, 1.14), (-1.90, -0.63, 0.05, 0.74, 1.31)),
    "M2": Subject(0.55, 0.15, 0.68, (-1.65, -0.97, -0.40, 0.28, 0.89), (-1.97, -0.97, -0.33, 0.40, 1.05)),
    "ML": Subject(0.35, 0.25, 0.44, (-2.30, -1.57, -1.04, -0.25, 0.42), (-2.60, -1.70, -1.12, -0.26, 0.47)),
}
#: Swedish as a second language: read instead of SV, and graded on its own demands.
SVA = Subject(0.7, 0.24, 0.7, (-1.32, -0.50, 0.25, 1.02, 1.70), (-2.24, -0.83, 0.02, 0.90, 1.68))
