"""The model: latent performance by pupil, term and subject, and the grades that follow from it."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nbanalytics.simulation.parameters import (
    ADAPTED,
    END,
    FIRST_LOWER,
    NO_ROW,
    NOT_TAUGHT,
    POINTS,
    START,
    STRECK,
    SUBJECTS,
    SVA,
    Parameters,
)
from nbanalytics.simulation.students import (
    N_TERMS,
    YEARS6_9,
    Background,
    Bools,
    Floats,
    Ints,
    Schools,
    draw_background,
)

NEVER = -1


@dataclass(frozen=True)
class Absence:
    """Absence of each pupil (rows) and term (columns), per cent, with the process behind it."""

    valid: Floats
    invalid: Floats
    problematic: Floats  # the part that the onset adds
    onset: Ints  # position of the first term with problematic absence, NEVER if none
    hazard: Floats  # the hazard of onset in this term

    @property
    def total(self) -> Floats:
        """Valid and invalid together."""
        return self.valid + self.invalid


def draw_absence(rng: np.random.Generator, ability: Floats, parameters: Parameters) -> Absence:
    """Draw absence; the hazard of onset is greater for low achievers, vulnerable pupils, and in 7HT.

    Parameters
    ----------
    rng : numpy.random.Generator
    ability : ndarray, shape (pupils,)
        Standard scores.
    parameters : Parameters
    """
    p, n = parameters, len(ability)
    frailty = p.onset_frailty * rng.standard_normal(n)
    risk = np.exp(p.onset_ability * np.clip(ability, -2.5, 2.5) + frailty)
    hazard = 1 - np.exp(-np.outer(risk, p.onset))
    comes = rng.random((n, N_TERMS)) < hazard
    onset = np.where(comes.any(axis=1), comes.argmax(axis=1), NEVER)

    problematic = _course(rng, onset, p)
    unlawful = rng.beta(2.0, 3.0, n)[:, None]
    usual = p.usual_absence * np.exp(0.4 * rng.standard_normal(n) - 0.12 * ability)[:, None]
    usual = usual * np.exp(0.04 * np.arange(N_TERMS) + 0.35 * rng.standard_normal((n, N_TERMS)))
    usual = np.minimum(usual, 35.0)
    skipped = rng.gamma(0.7, 1.0, (n, N_TERMS)) * np.exp(-0.25 * ability)[:, None]
    valid = usual + (1 - unlawful) * problematic
    invalid = skipped + unlawful * problematic
    excess = np.maximum((valid + invalid) / 100, 1.0)
    return Absence(np.round(valid / excess, 1), np.round(invalid / excess, 1), problematic, onset, hazard)


def _course(rng: np.random.Generator, onset: Ints, p: Parameters) -> Floats:
    """Problematic absence term by term: it grows from the onset until the pupil, perhaps, comes back."""
    n = len(onset)
    since = np.where(onset[:, None] == NEVER, -1, np.arange(N_TERMS) - onset[:, None])
    severity = np.exp(p.severity_log_mean + p.severity_log_sd * rng.standard_normal(n))[:, None]
    wobble = np.exp(0.2 * rng.standard_normal((n, N_TERMS)))
    back = (rng.random((n, N_TERMS)) < p.recover) & (since > 0)
    recovered: Bools = np.cumsum(back, axis=1) > 0
    course = severity * (1 + p.severity_growth * np.maximum(since, 0)) * wobble * np.where(recovered, 0.3, 1.0)
    return np.where(since >= 0, np.minimum(course, 92.0), 0.0)


Codes = NDArray[np.int8]
Latent = NDArray[np.float32]

NAMES = tuple(SUBJECTS)
AT = {name: position for position, name in enumerate(NAMES)}
CORE = (AT["SV"], AT["EN"], AT["MA"])
NOT_COMPARABLE = (AT["M1"], AT["M2"], AT["ML"])
SCIENCE = ("BI", "FY", "KE")
SOCIAL = ("GE", "HI", "RE", "SH")
#: Position of each term between the demands of year 6 and those of the end of year 9.
PROGRESS = (0.0, 0.0, 0.3, 0.45, 0.6, 0.75, 0.9, 1.0)
YEAR6 = slice(0, FIRST_LOWER)
#: Terms with national tests, 6VT and 9VT.
TEST_TERMS = (START, END)


@dataclass(frozen=True)
class Population:
    """A simulated cohort as arrays: pupils in rows, then terms, then subjects.

    ``grades`` holds codes: 0 to 5 for F to A, negative for marks and for no row. ``without`` are the same pupils'
    counterfactual eligibility by term without the named cause.
    """

    background: Background
    absence: Absence
    ability: Floats
    seen: Bools
    grades: Codes
    tests: Codes
    without: dict[str, Bools]

    def take(self, chosen: NDArray[np.int64]) -> Population:
        """Keep the chosen pupils, in the order given."""

        def rows(of: Background | Absence) -> dict[str, Any]:
            values = {field.name: getattr(of, field.name) for field in fields(of)}
            return {name: value[chosen] if isinstance(value, np.ndarray) else value for name, value in values.items()}

        return Population(
            background=Background(**rows(self.background)),
            absence=Absence(**rows(self.absence)),
            ability=self.ability[chosen],
            seen=self.seen[chosen],
            grades=self.grades[chosen],
            tests=self.tests[chosen],
            without={name: value[chosen] for name, value in self.without.items()},
        )

    @property
    def eligible(self) -> Bools:
        """Eligible by term (vocational rule); False where the pupil is not seen."""
        return eligible(self.grades)

    @property
    def mean_points(self) -> Floats:
        """Mean grade points by term over comparable subjects; NaN where there are none."""
        points = points_of(self.grades)
        points[:, :, NOT_COMPARABLE] = np.nan
        counted = np.isfinite(points).sum(axis=2)
        return np.where(counted > 0, np.nansum(points, axis=2) / np.maximum(counted, 1), np.nan)


def points_of(grades: Codes) -> Floats:
    """Grade points; NaN for marks."""
    return np.where(grades >= 0, np.array(POINTS)[np.maximum(grades, 0)], np.nan)


def eligible(grades: Codes) -> Bools:
    """Whether Swedish, English, mathematics and five more are passed, by pupil and term."""
    passed = grades > 0
    return np.asarray(passed[:, :, CORE].all(axis=2) & (passed.sum(axis=2) >= 8))


def draw_population(
    rng: np.random.Generator, cohort: int, n: int, schools: Schools, parameters: Parameters
) -> Population:
    """Draw a cohort with its grades, absence and national tests."""
    background = draw_background(rng, cohort, n, schools, parameters)
    level = _level(background, schools, parameters)
    start = rng.standard_normal(n)
    ability = level + parameters.ability_sd * start
    standard = (ability - ability.mean()) / ability.std() if n > 1 else ability
    absence = draw_absence(rng, standard, parameters)
    dip = _dip(rng, standard, parameters)
    latent = _latent(rng, background, schools, level, start, parameters)
    penalty = _penalty(absence, parameters).astype(np.float32)
    streck = _streck(rng, absence, parameters)
    outside = _outside(rng, background, standard, schools, parameters)
    seen = _seen(rng, background, parameters)

    def grade(with_absence: bool, with_transition: bool) -> Codes:
        shown = latent - penalty[:, :, None] * with_absence - dip[:, :, None] * with_transition
        codes = _cut(shown, background, np.array(PROGRESS), np.array(parameters.fail_bump))
        if with_absence:
            codes[streck & (codes >= 0)] = STRECK
        return np.where(outside != 0, outside, codes).astype(np.int8)

    grades = grade(True, True)
    without = {
        "absence": eligible(grade(False, True)),
        "transition": eligible(grade(True, False)),
        "both": eligible(grade(False, False)),
    }
    tests = _tests(rng, latent - penalty[:, :, None] - dip[:, :, None], grades, background)
    grades[~seen] = NO_ROW
    tests[~seen[:, TEST_TERMS]] = NO_ROW
    return Population(background, absence, standard, seen, grades, tests, without)


def year_effect(cohort: int, effects: tuple[tuple[int, float], ...]) -> float:
    """Effect of a cohort's year; before and after the known years, that of the nearest one."""
    known = dict(effects)
    if cohort in known:
        return known[cohort]
    return 0.0 if cohort < min(known) else known[max(known)]


def _level(b: Background, schools: Schools, p: Parameters) -> Floats:
    """What composition and school give each pupil."""
    mean = b.parents_mean.mean()
    school_mean = mean + p.school_composition * schools.composition[b.school] * 0.6
    newcomer = np.array([0.0, p.early, p.years1_5, p.years6_9])[b.immigration]
    level = p.education * (b.parents_mean - mean) + p.context * (school_mean - mean)
    return np.asarray(level + newcomer + year_effect(b.cohort, p.year_effect))


def _dip(rng: np.random.Generator, standard: Floats, p: Parameters) -> Latent:
    size = rng.exponential(p.transition_mean, len(standard)) * np.exp(-p.transition_low * standard)
    return np.outer(np.minimum(size, 2.0), p.transition_fade).astype(np.float32)


def _walk(rng: np.random.Generator, start: Latent, keep: float, keep_transition: float) -> Latent:
    """Stationary autoregression over terms, looser between 6VT and 7HT; terms are axis 1 of the result."""
    steps = [start]
    for term in range(1, N_TERMS):
        rho = keep_transition if term == FIRST_LOWER else keep
        fresh = rng.standard_normal(start.shape, dtype=np.float32)
        steps.append(np.float32(rho) * steps[-1] + np.float32(np.sqrt(1 - rho**2)) * fresh)
    return np.stack(steps, axis=1)


def _latent(
    rng: np.random.Generator, b: Background, schools: Schools, level: Floats, start: Floats, p: Parameters
) -> Latent:
    """Latent performance (pupil, term, subject) before absence and transition."""
    subjects = list(SUBJECTS.values())
    common = np.sqrt(np.array([s.common for s in subjects], dtype=np.float32))
    bent = np.sqrt(np.array([s.stable for s in subjects], dtype=np.float32))
    rest = np.sqrt(np.array([1 - s.common - s.stable for s in subjects], dtype=np.float32))
    girls = np.array([s.girls for s in subjects], dtype=np.float32)

    personal = _walk(rng, start.astype(np.float32), p.keep_ability, p.keep_ability_transition)
    ability = level[:, None] + p.ability_sd * personal + schools.effect[b.school][:, None]
    ability[:, YEAR6] += (schools.primary_effect[b.primary] - schools.effect[b.school])[:, None]
    since = np.maximum(np.arange(N_TERMS) - b.arrived[:, None], 0)
    ability = ability + np.where((b.immigration == YEARS6_9)[:, None], p.newly_arrived_progress * since, 0.0)

    shape = (b.n, len(subjects))
    lasting = _walk(rng, rng.standard_normal(shape, dtype=np.float32), p.keep_bent, p.keep_bent)
    noise = _walk(rng, rng.standard_normal(shape, dtype=np.float32), p.keep_noise, p.keep_noise_transition)
    latent = ability.astype(np.float32)[:, :, None] * common + lasting * bent + noise * rest
    latent += (np.where(b.girl, 0.5, -0.5)[:, None] * girls).astype(np.float32)[:, None, :]
    latent[:, :, AT["MA"]] += np.float32(year_effect(b.cohort, p.mathematics_year_effect))
    latent += _of_the_year(rng.spawn(1)[0], b, schools, len(subjects), p)
    for block, parts in (("NO", SCIENCE), ("SO", SOCIAL)):
        own = latent[:, :, AT[block]]
        latent[:, :, AT[block]] = 0.3 * own + 0.7 * latent[:, :, [AT[s] for s in parts]].mean(axis=2)
    return latent


def _of_the_year(rng: np.random.Generator, b: Background, schools: Schools, subjects: int, p: Parameters) -> Latent:
    """What a cohort meets in its schools that does not last: shocks, and teachers who grade high or low."""
    effects = np.zeros((b.n, N_TERMS, subjects), dtype=np.float32)
    # Year 6 is spent in a school of its own, years 7 to 9 in another; a teacher stays for a school year of two terms.
    for place, first, last, number in ((b.primary, 0, 2, 2 * schools.number), (b.school, 2, N_TERMS, schools.number)):
        shock = p.shock_sd * rng.standard_normal((number, 1, 1))
        teacher = p.teacher_sd * rng.standard_normal((number, (last - first) // 2, subjects))
        effects[:, first:last] = (shock + np.repeat(teacher, 2, axis=1))[place]
    return effects


def _penalty(absence: Absence, p: Parameters) -> Floats:
    """Effect of problematic absence: this term's and, less, the previous one's."""
    now = np.minimum(absence.problematic, 60.0)
    before = np.concatenate([now[:, :1], now[:, :-1]], axis=1)
    return np.asarray(p.absence_effect * (0.65 * now + 0.35 * np.minimum(now, before)))


def _streck(rng: np.random.Generator, absence: Absence, p: Parameters) -> Bools:
    noise = p.streck_spread * rng.standard_normal((*absence.total.shape, len(NAMES)), dtype=np.float32)
    return absence.total[:, :, None] + noise > p.streck_at


def _cut(shown: Latent, b: Background, progress: Floats, bump: Floats) -> Codes:
    """Grades from latent performance: the cut points move from those of year 6 to those of year 9."""
    codes = np.empty(shown.shape, dtype=np.int8)
    for position, subject in enumerate(SUBJECTS.values()):
        codes[:, :, position] = _steps(shown[:, :, position], subject.cut6, subject.cut9, progress, bump)
    sva, swedish = b.reads_sva, AT["SV"]
    codes[sva, :, swedish] = _steps(shown[sva, :, swedish], SVA.cut6, SVA.cut9, progress, bump)
    return codes


def _steps(shown: Latent, cut6: tuple[float, ...], cut9: tuple[float, ...], progress: Floats, bump: Floats) -> Codes:
    codes = np.zeros(shown.shape, dtype=np.int8)
    for number, (year6, year9) in enumerate(zip(cut6, cut9, strict=True)):
        cut = year6 + progress * (year9 - year6) + (bump if number == 0 else 0.0)
        codes += shown > cut.astype(np.float32)
    return codes


def _outside(rng: np.random.Generator, b: Background, standard: Floats, schools: Schools, p: Parameters) -> Codes:
    """Marks and rows that do not exist, 0 where there is a grade: blocks, subjects not taken, adapted study."""
    n = b.n
    outside = np.zeros((n, N_TERMS, len(NAMES)), dtype=np.int8)
    outside[:, :, (AT["NO"], AT["SO"])] = NO_ROW
    block = schools.blocks[b.primary]
    for name, parts in (("NO", SCIENCE), ("SO", SOCIAL)):
        outside[block, YEAR6, AT[name]] = 0
        for part in parts:
            outside[block, YEAR6, AT[part]] = NO_ROW
    untaught = np.where(schools.marks_not_taught[b.primary], NOT_TAUGHT, NO_ROW).astype(np.int8)
    for name in ("HKK", "TK"):
        outside[:, YEAR6, AT[name]] = untaught[:, None]

    language = rng.random(n) < 1 / (1 + np.exp(-(1.25 + 0.9 * standard)))
    drops = np.where(rng.random(n) < 0.10, rng.integers(3, N_TERMS, n), N_TERMS)
    no_m2 = ~language[:, None] | (np.arange(N_TERMS) >= drops[:, None])
    no_m2[:, YEAR6] |= ~schools.early_language[b.primary][:, None]
    outside[:, :, AT["M2"]] = np.where(no_m2, NO_ROW, 0)
    outside[:, :, AT["M1"]] = NO_ROW
    outside[rng.random(n) < 0.015, 4:, AT["M1"]] = 0
    outside[:, :, AT["ML"]] = np.where(b.foreign & (rng.random(n) < 0.45), 0, NO_ROW)[:, None]

    adapted = rng.random(n) < p.adapted * np.exp(-0.6 * standard)
    outside[adapted] = np.where(outside[adapted] == 0, ADAPTED, outside[adapted])
    return outside


def _seen(rng: np.random.Generator, b: Background, p: Parameters) -> Bools:
    """Terms in which a pupil has grades: while here, but for a term missed now and then."""
    terms = np.arange(N_TERMS)
    here = (terms >= b.arrived[:, None]) & (terms <= b.left[:, None])
    return here & (rng.random((b.n, N_TERMS)) >= p.missing_term)


def _tests(rng: np.random.Generator, shown: Latent, grades: Codes, b: Background) -> Codes:
    """National tests in Swedish, English and mathematics, 6VT and 9VT: the latent performance measured on one day."""
    day = shown[:, TEST_TERMS, :]
    day += np.float32(0.35) * rng.standard_normal((b.n, 2, 1), dtype=np.float32)
    day += np.float32(0.35) * rng.standard_normal(day.shape, dtype=np.float32)
    codes = _cut(day, b, np.array([0.0, 1.0]), np.zeros(2))[:, :, CORE]
    absent = rng.random(codes.shape) < 0.03
    codes[absent | (grades[:, TEST_TERMS, :][:, :, CORE] < 0)] = NO_ROW
    return codes
