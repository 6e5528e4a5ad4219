"""Releases: the closed set of protected aggregate tables that a board sees, built from records, written and read."""

from nbanalytics.release.build import build_release
from nbanalytics.release.files import read_release, write_release
from nbanalytics.release.model import Release

__all__ = ["Release", "build_release", "read_release", "write_release"]
