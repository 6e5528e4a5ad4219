"""The absence process: the usual absence, and for some pupils an onset after which it grows."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from nbanalytics.simulation.parameters import Parameters
from nbanalytics.simulation.students import N_TERMS, Bools, Floats, Ints

NEVER = -1


@dataclass(frozen=True)
class Absence:
    """Absence of each pupil (rows) and term (columns), per cent, with the process behind it."""

    valid: Floats
    invalid: Floats
    problematic: Floats  # the part that the onset adds
    onset: Ints  # position of the first term with problematic absence, NEVER if none
    hazard: Floats  # the chance that onset comes this term if it has not come yet

    @property
    def total(self) -> Floats:
        """Valid and invalid together."""
        return self.valid + self.invalid


def draw_absence(rng: np.random.Generator, ability: Floats, parameters: Parameters) -> Absence:
    """Draw absence; the chance of an onset is greater for the weak, the frail, and in 7HT.

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
