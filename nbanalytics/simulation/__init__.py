"""A synthetic municipality with known true parameters: see ``docs/simulate.md``."""

from nbanalytics.simulation.municipality import COHORTS, DEFAULT_SEED, Simulation, simulate
from nbanalytics.simulation.parameters import Parameters
from nbanalytics.simulation.sample import write_sample

__all__ = ["COHORTS", "DEFAULT_SEED", "Parameters", "Simulation", "simulate", "write_sample"]
