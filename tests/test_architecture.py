"""The floors of the house: imports go downwards, heavy libraries wait, and the package says what it has."""

import ast
import builtins
import re
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
    "excel",
    "toml_files",
    "protocols",
    "frames",
    "intervals",
    "schools",
    "clustered",
    "results",
    "text",
    "grading",
    "eligibility",
    "schema",
    "declaration",
    "terms",
    "records",
    "students",
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


def name_of(path):
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


MODULE_OF = {name_of(path): path for path in sorted(PACKAGE.rglob("*.py"))}


def modules_imported_by(path):
    """Every module of the package that a file imports, wherever in the file."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name in MODULE_OF)
        elif isinstance(node, ast.ImportFrom) and node.module in MODULE_OF:
            inner = {f"{node.module}.{alias.name}" for alias in node.names}
            yield from (inner & set(MODULE_OF)) or {node.module}


IMPORTS = {name: set(modules_imported_by(path)) - {name} for name, path in MODULE_OF.items()}


def circles(graph):
    """Groups of modules that reach each other (Tarjan 1972)."""
    order, lowest, stack, found = {}, {}, [], []

    def visit(node):
        order[node] = lowest[node] = len(order)
        stack.append(node)
        for following in graph[node]:
            if following not in order:
                visit(following)
            if following in stack:
                lowest[node] = min(lowest[node], lowest[following])
        if lowest[node] == order[node]:
            group = stack[stack.index(node) :]
            del stack[stack.index(node) :]
            if len(group) > 1:
                found.append(sorted(group))

    for node in graph:
        if node not in order:
            visit(node)
    return found


def test_a_circle_is_found():
    assert circles({"a": {"b"}, "b": {"c"}, "c": {"b"}, "d": {"a"}}) == [["b", "c"]]


def test_no_modules_import_each_other_in_a_circle():
    assert circles(IMPORTS) == []


def test_imports_go_downwards():
    upwards = [
        f"{name} imports {other}"
        for name, others in IMPORTS.items()
        for other in others
        if name not in ("nbanalytics", "nbanalytics.__main__") and other != "nbanalytics"
        if FLOORS.index(other.split(".")[1]) > FLOORS.index(name.split(".")[1])
    ]
    assert upwards == []


@pytest.mark.parametrize(
    ("library", "homes"),
    [
        ("plotly", {"figures"}),
        ("ipywidgets", {"pages"}),
        ("anywidget", {"pages"}),
        ("openpyxl", {"excel", "municipal"}),
    ],
)
def test_a_library_of_presentation_has_its_homes(library, homes):
    users = {floor_of(path) for path in MODULES for name in imports_of(path) if name.split(".")[0] == library}
    assert users <= homes


def test_charts_know_words_and_intervals_only():
    """What a chart shows comes in as a table, so that both doors share it."""
    known = ("figures", "text", "intervals", "protocols")
    strange = [
        f"{name} imports {other}"
        for name, others in IMPORTS.items()
        if name.startswith("nbanalytics.figures")
        for other in others
        if other.split(".")[1] not in known
    ]
    assert strange == []


#: Small modules with one importer that a reader would look for under their own name.
OWN_IDEAS = {"nbanalytics.simulation.karlskoga": "the published cohort that the simulator reproduces"}


def test_a_file_holds_one_idea():
    """At most 600 lines; and what only one neighbour imports is part of it unless it is large enough to be an idea."""
    lines = {name: len(path.read_text(encoding="utf-8").splitlines()) for name, path in MODULE_OF.items()}
    lazily = {
        home
        for path in MODULE_OF.values()
        for home in re.findall(r'^    "(nbanalytics[\w.]+)": \(', path.read_text(), re.M)
    }
    importers = {name: [one for one, others in IMPORTS.items() if name in others] for name in MODULE_OF}
    long = [f"{name} has {number} lines" for name, number in lines.items() if number > 600]
    small = [
        f"{name} has {lines[name]} lines and serves {users[0]} only"
        for name, users in importers.items()
        if len(users) == 1 and lines[name] < 150 and MODULE_OF[name].name != "__init__.py"
        if name not in lazily and name not in OWN_IDEAS
        if MODULE_OF[users[0]].parent == MODULE_OF[name].parent and not MODULE_OF[users[0]].name.startswith("__")
    ]
    assert long + small == []


def test_the_house_is_small_enough_to_be_kept_in_the_head():
    assert len(MODULE_OF) < 230


def test_importing_the_package_or_reading_a_release_loads_no_heavy_library():
    program = (
        "import sys, nbanalytics, nbanalytics.release, nbanalytics.cli\n"
        "heavy = {'requests', 'urllib3'}\n"
        "heavy |= {'sklearn', 'statsmodels', 'plotly', 'ipywidgets', 'voila', 'polars', 'pyspark', 'scipy.stats'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_names_work_after_a_plain_import_whatever_was_imported_before():
    """A function that shares its name with a module must not be replaced by that module."""
    wanted = "[nb.flows, nb.baseline, nb.progression, nb.simulate, nb.indicators, nb.risk, nb.support, nb.municipality]"
    program = (
        "import importlib, sys\n"
        "for name in sys.argv[1:]: importlib.import_module(name)\n"
        "import nbanalytics as nb\n"
        f"print([type(one).__name__ for one in {wanted}], set(nb.__all__) <= set(dir(nb)), 'risk' in dir(nb))"
    )
    modules = [name for name in MODULE_OF if name.startswith(("nbanalytics.analysis", "nbanalytics.simulation"))]
    for before in ([], modules):
        done = subprocess.run([sys.executable, "-c", program, *before], capture_output=True, text=True, check=True)
        assert done.stdout.strip() == f"{['function'] * 5 + ['module'] * 3} True True"


def test_importing_every_public_name_hides_nothing_that_python_has():
    made = {}
    exec("from nbanalytics import *", made)
    assert set(made) & set(dir(builtins)) == set()


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
