"""The sample municipality, read once."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import doctest_cohort
import pytest
from examples import examples
from hypothesis import HealthCheck, Phase, settings

from nbanalytics import cli
from nbanalytics.readers import read_records
from nbanalytics.records import StudentRecords

# Machines of CI are slow and shared: a deadline would test them, not us. Whoever only counts failures (`make mutation`)
# does not want the smallest example of each.
PHASES = [Phase.explicit, Phase.generate, *([] if os.environ.get("NBANALYTICS_SHRINK") == "no" else [Phase.shrink])]
settings.register_profile(
    "house",
    deadline=None,
    max_examples=examples(25),
    suppress_health_check=[HealthCheck.too_slow],
    phases=[*PHASES, Phase.reuse],
)
settings.load_profile("house")

#: Files that take longest, the longest first: whoever begins one last keeps everybody waiting.
LONGEST = (
    "accessibility", "hardening", "release", "browser_board", "browser_explorer", "rounded_release", "serve",
    "round_trips", "spark", "pages_disclosure", "notebooks", "workbook", "baseline", "risk_features", "risk_models",
    "staff_board", "nginx", "refusals", "print", "disclosure_engine",
)  # fmt: skip

ROOT = Path(__file__).resolve().parents[1]
SAMPLE = ROOT / "data" / "sample"
#: Results of other programs and the open data that they are of; its README names sources and licences.
REFERENCE = ROOT / "tests" / "reference"


def pytest_configure(config: pytest.Config) -> None:
    """Let doctests of the library have what is only here: they are not in this folder."""
    config.pluginmanager.register(doctest_cohort, "doctest_cohort")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the longest files; mark what hypothesis draws examples for: `make test-slow` draws all of them."""
    rank = {f"test_{name}.py": place for place, name in enumerate(LONGEST)}
    items.sort(key=lambda item: rank.get(item.path.name, len(rank)))
    for item in items:
        if getattr(getattr(item, "obj", None), "is_hypothesis_test", False):
            item.add_marker("drawn")


@pytest.fixture(scope="session")
def sample() -> StudentRecords:
    """The sample municipality; results are frozen and nobody writes to its tables."""
    return read_records(SAMPLE)


@pytest.fixture(scope="session")
def karlskoga(sample: StudentRecords) -> StudentRecords:
    """The cohort of 2018, which reproduces Karlskoga's published counts."""
    return sample.cohort(2018)


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """A browser of its own for each file: Playwright's event loop would stop others that a process starts later."""
    from browsing import browsing

    with browsing() as opened:
        yield opened


@pytest.fixture(scope="session")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sample release's whole static edition, written once: whichever worker needs it first, the others wait."""
    import fcntl

    from nbanalytics.export import export
    from nbanalytics.serve import default_release

    base = tmp_path_factory.getbasetemp()
    shared = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
    with (shared / "edition.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        folder = shared / "edition"
        return folder if folder.exists() else export(default_release(), folder)


@pytest.fixture(scope="session")
def site(exported: Path) -> str:
    """Address of the sample release's static edition."""
    return f"{exported.as_uri()}/"


@pytest.fixture
def run(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Callable[..., tuple[int, str, str]]:
    """Run the command line in this process; returns status, stdout and stderr, what libraries write included."""

    def call(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["nbanalytics", *map(str, arguments)])
        try:
            cli.main()
            status = 0
        except SystemExit as stop:
            status = int(stop.code or 0)
        out = capfd.readouterr()
        return status, out.out, out.err

    return call
