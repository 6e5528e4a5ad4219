"""Releases: the closed set of protected aggregate tables that a board sees, built from records, written and read.

The names are loaded when they are first used: a page that reads a release pays neither for building one nor for scipy.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from nbanalytics.release.build import build_release
    from nbanalytics.release.files import read_release, write_release
    from nbanalytics.release.model import Release

_HOMES = {"build_release": "build", "read_release": "files", "write_release": "files", "Release": "model"}
__all__ = ["Release", "build_release", "read_release", "write_release"]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'nbanalytics.release' has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
