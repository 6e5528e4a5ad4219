"""Every declaration in TOML goes through one reader: all kinds of fault, each with one wording in all files."""

from __future__ import annotations

import ast
import copy
import pickle
import re
import tomllib
from pathlib import Path
from typing import Any

import pytest

import nbanalytics
from nbanalytics.analysis.baseline import screening
from nbanalytics.analysis.indicators.measures import read_indicators
from nbanalytics.declaration import parse_declaration
from nbanalytics.disclosure.policy import parse_policy
from nbanalytics.errors import DataError, NbanalyticsError
from nbanalytics.grading import parse_catalogue
from nbanalytics.municipal import scb_layouts
from nbanalytics.municipal.absence_mapping import parse_mapping
from nbanalytics.release.declared import parse_declared
from nbanalytics.support import theory
from nbanalytics.toml_files import read_table, read_toml

FILE = "own.toml"
ERRORS = {"DataError", "GradingError", "UnreadableError"}
PACKAGE = Path(nbanalytics.__file__).parent
SHAPES = (
    r"unknown key .+",
    r"the key '.+' is missing",
    r"(.+ )?must be (?!not).+",
    r".+ must not be empty",
    r".+: .+ is unknown",
    r"\[\[.+\]\] declares .+ more than once",
)
#: What one file says must fit together beyond its single keys; these are the rules of that file.
OWN_RULES = (
    r"neither \[\[rule.way\]\] nor mean_at_least is declared",
    r".+ is passing or the meaning of an alias, but not in points or marks",
    r".+ is not a declared subject",
    r".+ in start, end or stages is not in order",
    r"start .+ is not before end .+",
    r"the term .+ begins like a formula",
    r"a code or name begins like a formula",
    r"a control character stands in .+",
    r"student, or one of valid, invalid and total, is missing",
    r".+ is weaker than the floor.*|.+ which is weaker than the floor",
    r".+ is made of .+, which is not declared",
    r"dimensions leaves out .+",
    r"the measure .+ comes from the table .+",
    r"the indicator .+ is not declared",
)


def packaged(*parts: str) -> dict[str, Any]:
    return tomllib.loads(PACKAGE.joinpath(*parts).read_text(encoding="utf-8"))


STEP = dict.fromkeys(("need", "activity", "expected", "who", "when"), "x")
RECORDS = """
[records]
name = "Own"
synthetic = true
[terms]
order = ["1", "2"]
start = "1"
end = "2"
stages = ["1", "2"]
[grading]
rule = "own"
scale = "own"
[[scale]]
name = "own"
points = { U = 0, G = 1.5 }
passing = ["G"]
marks = ["-"]
aliases = { g = "G" }
first_cohort = 2000
[[rule]]
name = "own"
[[rule.way]]
required = [["MA"]]
passes = 1
[subject.DA]
sv = "Dans"
comparable = false
block = ["MA"]
[subjects]
alternates = [["SV", "SVA"]]
language = "MA"
"""
RELEASE = """
filters = ["cohort"]
max_crossed = 1
[tables.groups]
dimensions = ["group"]
measures = ["students"]
max_crossed = 1
[publisher]
name = "Own"
status = "fully"
assessed = 2026-11-21
problems = ["one"]
[words.sv]
"stage.x" = "y"
"""


def from_file(read):
    """Give what is parsed to a function that reads a file."""

    def parse(data, where, monkeypatch):
        module = __import__(read.__module__, fromlist=["x"])
        monkeypatch.setattr(module, "read_toml", lambda *_: data)
        return read(where)

    return parse


def direct(read):
    return lambda data, where, monkeypatch: read(data, where)


DECLARATIONS = {
    "records": (direct(parse_declaration), tomllib.loads(RECORDS)),
    "grading": (direct(lambda data, where: parse_catalogue(data, None, where)), packaged("grading.toml")),
    "policy": (direct(parse_policy), packaged("disclosure", "policy.toml")),
    "release": (direct(parse_declared), tomllib.loads(RELEASE)),
    "indicators": (from_file(read_indicators), packaged("analysis", "indicators", "indicators.toml")),
    "theory": (
        from_file(theory.read_theory),
        {"title": "x", "step": [{**STEP, "indicator": "absence", "baseline": "7HT", "follow": ["7VT"]}]},
    ),
    "absence": (
        direct(parse_mapping),
        {
            "columns": {"student": "Pnr", "valid": 4},
            "file": {"sheet": "A", "header_row": 2, "term_column": 3, "percent": "0-1"},
        },
    ),
    "scb": (
        direct(lambda data, where: read_table(scb_layouts._LayoutFile, data, where)),
        packaged("municipal", "scb_layouts.toml"),
    ),
    "screening": (
        direct(lambda data, where: read_table(screening._ScreeningFile, data, where)),
        packaged("analysis", "baseline", "screening.toml"),
    ),
}


def places(value, path=()):
    """Every place in a parsed file: keys of tables and of the tables in lists, the first of each list only."""
    if isinstance(value, dict):
        for key, inner in list(value.items())[:14]:
            yield (*path, key)
            yield from places(inner, (*path, key))
    if isinstance(value, list) and value and isinstance(value[0], dict):
        yield from places(value[0], (*path, 0))


def at(data, path):
    for key in path:
        data = data[key]
    return data


def faults(data):
    """The file with one fault each: wrong kind, unknown word, empty, missing, unknown key, the same twice."""
    for path in places(data):
        value = at(data, path)
        wrong = 17.5 if isinstance(value, str | list | dict) else "x"
        for change in (wrong, [], {}, "", "no such word", ["no such word"], -3, True):
            yield path, ("set", change)
        yield path, ("remove", None)
        if isinstance(value, dict):
            yield path, ("add", None)
        if isinstance(value, list) and value and isinstance(value[0], dict):
            yield path, ("repeat", None)
    yield (), ("add", None)


def broken(data, path, how):
    copied = copy.deepcopy(data)
    kind, change = how
    if kind == "add":
        at(copied, path)["no such key"] = 17.5
    elif kind == "repeat":
        at(copied, path).append(copy.deepcopy(at(copied, path)[0]))
    elif kind == "remove":
        del at(copied, path[:-1])[path[-1]]
    else:
        at(copied, path[:-1])[path[-1]] = change
    return copied


@pytest.mark.parametrize("name", DECLARATIONS)
def test_every_fault_is_refused_in_the_same_words(name, monkeypatch):
    parse, data = DECLARATIONS[name]
    parse(copy.deepcopy(data), FILE, monkeypatch)
    told, odd = set(), []
    for path, how in faults(data):
        try:
            parse(broken(data, path, how), FILE, monkeypatch)
        except NbanalyticsError as error:
            shape = next((one for one in (*SHAPES, *OWN_RULES) if re.fullmatch(one, error.what)), None)
            place = re.fullmatch(rf"{FILE}(, (\[\[.+\]\] number \d+|\[.+\]|rule .+|scale .+))*", error.where)
            if shape is None or not place or not re.fullmatch(r"[A-Z].*[.?]", error.remedy):
                odd.append((path, how, str(error)))
            told.add(shape)
    assert odd == []
    assert {*SHAPES[:3]} - {SHAPES[1]} <= told


def test_what_the_reader_accepts_and_refuses():
    """One table of values: what stands in the file, and what is said of it."""
    cases = (
        ("terms", {"order": "6VT"}, '[terms]: order = \'6VT\' must be a list of texts. Write order = ["…", "…"].'),
        ("terms", {"strat": "6VT"}, "[terms]: unknown key 'strat'. Did you mean 'start'?"),
        ("terms", {"order": []}, '[terms]: order must not be empty. Write order = ["…", "…"].'),
        ("terms", "6VT", "[terms]: must be a table. Write key = value on the lines below it."),
        (
            "records",
            {"synthetic": "yes"},
            "[records]: synthetic = 'yes' must be true or false, without quotation marks.",
        ),
        ("records", {"name": 19990101}, "[records]: name = (not shown) must be text in quotation marks."),
        ("rule", [{"mean_at_least": 4}], "[[rule]] number 1: the key 'name' is missing. Add name = \"…\"."),
        ("rule", {"name": "x"}, "rule must be a list of tables. Write each as [[rule]]."),
    )
    for key, value, told in cases:
        with pytest.raises(NbanalyticsError) as refused:
            parse_declaration({key: value})
        assert told in str(refused.value)


def test_a_file_that_is_not_toml_is_refused_without_its_content(tmp_path):
    file = tmp_path / "own.toml"
    for content, told in ((b"a = 1\nAnna Andersson", "line 2 is not TOML"), (b'a = "\xe5"', "is not UTF-8")):
        file.write_bytes(content)
        with pytest.raises(DataError, match=told) as refused:
            read_toml(file)
        assert "Anna" not in str(refused.value)
        assert refused.value.where == "own.toml"
    with pytest.raises(DataError, match="cannot be read"):
        read_toml(tmp_path / "none.toml")


def test_no_other_module_checks_the_keys_of_a_declaration():
    """The words of the reader stand in no other module."""
    words = ("means nothing here", "is no table of TOML", "is not a table. ", "lacks the key", "is no section")
    offenders = [
        f"{path.relative_to(PACKAGE)}: {word}"
        for path in PACKAGE.rglob("*.py")
        for word in words
        if word in path.read_text(encoding="utf-8")
    ]
    assert offenders == []


def test_errors_about_files_have_their_remedy_in_a_field():
    """What the readers raise becomes a finding with a remedy, so that no message has to be taken apart."""
    offenders = []
    for path in [*PACKAGE.glob("readers/*.py"), *PACKAGE.glob("municipal/*.py"), PACKAGE / "declaration.py"]:
        source = path.read_text(encoding="utf-8")
        assert '.partition(". ")' not in source
        for node in ast.walk(ast.parse(source)):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") in ERRORS and len(node.args) == 1:
                text = ast.unparse(node.args[0])
                if re.search(r"[^.]\. [A-Z]", text):
                    offenders.append(f"{path.name}:{node.lineno}: {text[:80]}")
    assert offenders == []


@pytest.mark.parametrize(
    "given", [("One text. With its remedy.",), ("what", "Do it.", "own.toml"), ("what.", "Do it.")]
)
def test_an_error_keeps_its_fields_when_it_is_copied(given):
    error = pickle.loads(pickle.dumps(DataError(*given)))
    assert (str(error), error.remedy) == (str(DataError(*given)), given[1] if len(given) > 1 else "")
    assert ".." not in str(error)
