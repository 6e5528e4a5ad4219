"""Grade progression research: cohorts, flows, drop points, and releases that a board can open."""

from __future__ import annotations

__version__ = "0.1.0"
