"""What the documents claim and a program can check: links, files, commands, names and floors."""

import ast
import importlib
import re
import shlex
from importlib.util import find_spec

import pytest
import typer
from conftest import ROOT
from test_architecture import FLOORS

from nbanalytics.cli import app

DOCUMENTS = [
    *sorted(ROOT.glob("*.md")),
    *sorted((ROOT / "docs").glob("*.md")),
    *sorted((ROOT / "benchmarks").glob("*.md")),
    ROOT / "data" / "sample" / "README.md",
]
FOLDERS = ("nbanalytics", "tests", "docs", "data", "dashboards", "notebooks", "benchmarks")
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.M | re.S)
COMMANDS = typer.main.get_command(app).commands
#: Keys of a notebook's metadata, which look like names of Python.
METADATA = {f"nbanalytics.{key}" for key in ("dashboard", "edition", "en", "en.source", "order")}
TARGETS = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text("utf-8"), re.M))

each_document = pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))


def prose_of(path):
    return BLOCK.sub("", path.read_text("utf-8"))


def blocks_of(path, *languages):
    return [text for language, text in BLOCK.findall(path.read_text("utf-8")) if language in languages]


def quoted_in(path):
    return re.findall(r"`([^`\n]+)`", prose_of(path))


def anchors_of(path):
    """The headings as GitHub makes anchors of them."""
    headings = re.findall(r"^#+ (.+)$", prose_of(path), re.M)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def commands_in(path):
    """Every call of the command line and of make, in blocks and in the text."""
    lines = [line for block in blocks_of(path, "sh", "bash", "") for line in block.splitlines()]
    lines += re.findall(r"^    (.+)$", prose_of(path), re.M)
    calls = [line.split("#")[0].strip().removeprefix("$ ") for line in lines] + quoted_in(path)
    return [shlex.split(call) for call in calls if re.match(r"(nbanalytics|make) [\w-]", call)]


@each_document
def test_links_lead_somewhere(path):
    for link in re.findall(r"\]\(([^)\s]+)\)", prose_of(path)):
        if re.match(r"[a-z]+:", link):
            continue
        name, _, anchor = link.partition("#")
        target = (path.parent / name).resolve() if name else path
        assert target.exists(), link
        assert not anchor or anchor in anchors_of(target), link


@each_document
def test_files_that_are_named_are_there(path):
    named = [text for text in quoted_in(path) if re.fullmatch(r"[\w.-]+(/[\w.-]+)*/?", text)]
    missing = [text for text in named if text.split("/")[0] in FOLDERS and not (ROOT / text).exists()]
    assert missing == []


@each_document
def test_commands_and_their_options_are_there(path):
    for program, name, *rest in commands_in(path):
        if program == "make":
            assert name in TARGETS, name
            continue
        assert name in COMMANDS, name
        known = {
            option for parameter in COMMANDS[name].params for option in (*parameter.opts, *parameter.secondary_opts)
        }
        assert {word for word in (word.strip("[]") for word in rest) if word.startswith("--")} <= known, (name, rest)


@each_document
def test_what_code_imports_is_there(path):
    for block in blocks_of(path, "python"):
        for node in ast.walk(ast.parse(block)):
            if isinstance(node, ast.ImportFrom) and node.module.split(".")[0] == "nbanalytics":
                home = importlib.import_module(node.module)
                assert [alias.name for alias in node.names if not hasattr(home, alias.name)] == []


@each_document
def test_dotted_names_are_there(path):
    dotted = {text.removesuffix("()") for text in quoted_in(path) if re.fullmatch(r"nbanalytics(\.\w+)+(\(\))?", text)}
    for home, name in (text.rsplit(".", 1) for text in dotted - METADATA):
        assert hasattr(importlib.import_module(home), name) or find_spec(f"{home}.{name}"), f"{home}.{name}"


def test_the_map_has_the_floors_in_their_order():
    rows = re.findall(r"^\| `(\w+)/?`", (ROOT / "ARCHITECTURE.md").read_text("utf-8"), re.M)
    assert tuple(rows) == FLOORS


def test_every_page_of_the_documents_is_reached_from_the_readme():
    reached, waiting = set(), [ROOT / "README.md"]
    while waiting:
        page = waiting.pop()
        if page in reached or page.suffix != ".md" or not page.exists():
            continue
        reached.add(page)
        links = re.findall(r"\]\(([^)#\s]+)", prose_of(page))
        waiting += [(page.parent / link).resolve() for link in links if not re.match(r"[a-z]+:", link)]
    assert {page for page in DOCUMENTS if page.parent.name == "docs"} <= reached


def test_every_command_is_in_a_document():
    told = {name for path in DOCUMENTS for program, name, *_ in commands_in(path) if program == "nbanalytics"}
    assert set(COMMANDS) <= told
