"""The numbers of the model: everything that was tuned so that the targets are met, in one place."""

from __future__ import annotations

from dataclasses import dataclass

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
    """What the simulated municipality is like; latent effects are in standard deviations of a subject's performance.

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
