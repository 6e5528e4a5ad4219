"""A synthetic municipality whose truth is known: see ``docs/simulate.md``."""

from nbanalytics.simulate.municipality import COHORTS, DEFAULT_SEED, Simulation, simulate
from nbanalytics.simulate.parameters import Parameters
from nbanalytics.simulate.sample import write_sample

__all__ = ["COHORTS", "DEFAULT_SEED", "Parameters", "Simulation", "simulate", "write_sample"]
