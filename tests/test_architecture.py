"""The floors of the house: imports go downwards, heavy libraries wait, and the package says what it has."""

import ast
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import nbanalytics

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "nbanalytics"
FLOORS = (
    "errors",
    "files",
    "toml_files",
    "frames",
    "intervals",
    "results",
    "text",
    "grading",
    "eligibility",
    "schema",
    "declaration",
    "terms",
    "records",
    "persons",
    "readers",
    "municipal",
    "simulation",
    "analysis",
    "support",
    "municipality",
    "risk",
    "disclosure",
    "release",
    "figures",
    "pages",
    "export",
    "serve",
    "commands",
    "cli",
)
MODULES = sorted(path for path in PACKAGE.rglob("*.py") if path.parent != PACKAGE or not path.stem.startswith("__"))


def floor_of(path):
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imports_of(path):
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module


def test_every_module_has_a_floor():
    assert {floor_of(path) for path in MODULES} == set(FLOORS)


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_go_downwards(path):
    own = FLOORS.index(floor_of(path))
    names = [name.split(".") for name in imports_of(path) if name.startswith("nbanalytics.")]
    upwards = [".".join(name) for name in names if FLOORS.index(name[1]) > own]
    assert not upwards


@pytest.mark.parametrize(
    ("library", "homes"), [("plotly", {"figures", "pages"}), ("ipywidgets", {"pages"}), ("anywidget", {"pages"})]
)
def test_a_library_of_presentation_has_its_homes(library, homes):
    users = {floor_of(path) for path in MODULES for name in imports_of(path) if name.split(".")[0] == library}
    assert users <= homes


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_files_stay_short(path):
    assert len(path.read_text(encoding="utf-8").splitlines()) <= 320


def test_importing_the_package_or_reading_a_release_loads_no_heavy_library():
    program = (
        "import sys, nbanalytics, nbanalytics.release, nbanalytics.cli\n"
        "heavy = {'sklearn', 'statsmodels', 'plotly', 'ipywidgets', 'voila', 'polars', 'pyspark', 'scipy.stats'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_public_names_exist_and_are_documented():
    for name in nbanalytics.__all__:
        assert getattr(nbanalytics, name).__doc__, name
    with pytest.raises(AttributeError, match="no attribute 'classsify'"):
        _ = nbanalytics.classsify


def test_the_conda_environment_installs_the_package_with_its_extras_and_lists_nothing_else():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    lines = (ROOT / "environment.yml").read_text(encoding="utf-8").splitlines()
    entries = [line.strip().removeprefix("- ") for line in lines if line.strip().startswith("- ")]
    assert entries == [
        "conda-forge",
        f"python{project['requires-python']}",
        "make",
        "pip",
        "pip:",
        "--editable .[test]",
    ]
    assert "test" in project["optional-dependencies"]


def test_dependencies_have_lower_bounds_only():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    everything = [
        *project["dependencies"],
        *(line for extra in project["optional-dependencies"].values() for line in extra),
    ]
    for line in everything:
        assert line.startswith("nbanalytics[") or (">=" in line and not set("<=~!") & set(line.split(">=")[1])), line
