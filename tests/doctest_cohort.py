"""Doctests simulate the same cohort dozens of times: each process of a test run makes it once and hands out copies."""

from __future__ import annotations

import copy
from functools import cache
from typing import Any

import pytest

import nbanalytics.simulation

_simulate = nbanalytics.simulation.simulate


@cache
def _once(seed: int, cohorts: tuple[int, ...]) -> Any:
    return _simulate(seed=seed, cohorts=cohorts)


def _copied(**settings: Any) -> Any:
    if set(settings) != {"seed", "cohorts"}:
        return _simulate(**settings)
    return copy.deepcopy(_once(settings["seed"], tuple(settings["cohorts"])))


@pytest.fixture(autouse=True)
def _simulated_once(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let doctests have the copies; tests simulate for themselves."""
    if isinstance(request.node, pytest.DoctestItem):
        monkeypatch.setattr(nbanalytics.simulation, "simulate", _copied)
