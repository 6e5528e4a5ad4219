"""What the documents claim and a program can check: links, files, commands, names and floors."""

import ast
import importlib
import inspect
import json
import re
import shlex
import tokenize
from importlib.util import find_spec

import typer
from conftest import ROOT
from test_architecture import FLOORS

import nbanalytics
from nbanalytics.cli import app

DOCUMENTS = [
    *sorted(ROOT.glob("*.md")),
    *sorted((ROOT / "docs").glob("*.md")),
    *sorted((ROOT / "benchmarks").glob("*.md")),
    ROOT / "data" / "sample" / "README.md",
]
FOLDERS = ("nbanalytics", "tests", "docs", "data", "dashboards", "staff", "notebooks", "benchmarks")
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.M | re.S)
COMMANDS = typer.main.get_command(app).commands
#: Tokens of Python that hold text; f-strings have parts of their own from Python 3.12 on.
TEXTS = {tokenize.STRING, tokenize.COMMENT, getattr(tokenize, "FSTRING_MIDDLE", tokenize.STRING)}
#: Translated phrases. Write "is reported", "fix", "must be", "is not a" ... instead.
DIALECT = re.compile(
    r"\b(?:(?:is|are|was|were|be|been) told|tells? of|told (?:apart|in words|by)|is remarked|had back"
    r"|has not come so far|means nothing here|[Mm]end(?:s|ed)?|how dear|errs about|those that are there)\b"
    r"|(?<![Tt]here )\b(?:is|are) no (?!longer\b|more\b|\w+er\b)\w+"
)
#: Keys of a notebook's metadata, which look like names of Python.
METADATA = {f"nbanalytics.{key}" for key in ("dashboard", "edition", "en", "en.source", "order")}
TARGETS = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text("utf-8"), re.M))


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


def wrong_in_documents(find):
    """What a search finds in each of the documents, with the document's name; there must be something to look at."""
    looked_at = [(path.relative_to(ROOT), text, right) for path in DOCUMENTS for text, right in find(path)]
    assert looked_at
    return [f"{path}: {text}" for path, text, right in looked_at if not right]


def test_documents_messages_and_notebooks_are_plain_english():
    texts = {path: prose_of(path) for path in (*DOCUMENTS, *sorted((ROOT / "nbanalytics").rglob("*.toml")))}
    for path in (path for folder in ("notebooks", "staff") for path in sorted((ROOT / folder).glob("*.ipynb"))):
        texts[path] = "\n\n".join("".join(cell["source"]) for cell in json.loads(path.read_text("utf-8"))["cells"])
    phrases = {path.name: [match[0] for match in DIALECT.finditer(text)] for path, text in texts.items()}
    assert {name: found for name, found in phrases.items() if found} == {}


def test_texts_of_the_package_are_plain_english():
    offenders = []
    for path in sorted((ROOT / "nbanalytics").rglob("*.py")):
        with path.open("rb") as source:
            tokens = [token for token in tokenize.tokenize(source.readline) if token.type in TEXTS]
        for token in tokens:
            found = DIALECT.findall(re.sub(r"\s+", " ", token.string))
            offenders += [f"{path.relative_to(ROOT)}:{token.start[0]}: {phrase}" for phrase in found]
    assert offenders == []


def test_links_lead_somewhere():
    def links(path):
        for link in re.findall(r"\]\(([^)\s]+)\)", prose_of(path)):
            name, _, anchor = link.partition("#")
            target = (path.parent / name).resolve() if name else path
            if not re.match(r"[a-z]+:", link):
                yield link, target.exists() and (not anchor or anchor in anchors_of(target))

    assert wrong_in_documents(links) == []


def test_files_that_are_named_are_there():
    def files(path):
        for text in quoted_in(path):
            if re.fullmatch(r"[\w.-]+(/[\w.-]+)*/?", text) and text.split("/")[0] in FOLDERS:
                yield text, (ROOT / text).exists()

    assert wrong_in_documents(files) == []


def test_commands_and_their_options_are_there():
    def calls(path):
        for program, name, *rest in commands_in(path):
            options = {word for word in (word.strip("[]") for word in rest) if word.startswith("--")}
            if program == "make":
                yield f"make {name}", name in TARGETS
            else:
                known = COMMANDS[name].params if name in COMMANDS else []
                known = {option for parameter in known for option in (*parameter.opts, *parameter.secondary_opts)}
                yield f"{name} {' '.join(rest)}", name in COMMANDS and options <= known

    assert wrong_in_documents(calls) == []


def test_what_code_imports_is_there():
    def imports(path):
        for block in blocks_of(path, "python"):
            for node in ast.walk(ast.parse(block)):
                if isinstance(node, ast.ImportFrom) and node.module.split(".")[0] == "nbanalytics":
                    home = importlib.import_module(node.module)
                    yield from ((f"{node.module}.{alias.name}", hasattr(home, alias.name)) for alias in node.names)

    assert wrong_in_documents(imports) == []


def test_dotted_names_are_there():
    def names(path):
        whole = r"nbanalytics(\.\w+)+(\(\))?"
        dotted = {text.removesuffix("()") for text in quoted_in(path) if re.fullmatch(whole, text)}
        for home, name in (text.rsplit(".", 1) for text in dotted - METADATA):
            yield f"{home}.{name}", hasattr(importlib.import_module(home), name) or find_spec(f"{home}.{name}")

    assert wrong_in_documents(names) == []


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


def homes_of(name):
    """Functions and classes of that name that a user can import from a floor of the package."""
    floors = [importlib.import_module(f"nbanalytics.{floor}") for floor in FLOORS]
    found = [getattr(home, name, None) for home in (nbanalytics, *floors)]
    return [one for one in found if callable(one)]


def fits(call, function):
    """Whether a function takes what a call hands over, and needs no more."""
    try:
        inspect.signature(function).bind(*call.args, **{keyword.arg: keyword.value for keyword in call.keywords})
    except TypeError:
        return False
    return True


def test_every_call_in_the_readmes_table_of_questions_is_one_that_works():
    rows = re.findall(r"^\|[^|]+\| (.*?) \|[^|]+\|$", (ROOT / "README.md").read_text("utf-8"), re.M)
    calls = [text for row in rows for text in re.findall(r"`(\w+\(.*?\))`", row)]
    assert len(calls) > 15
    for text in calls:
        call = ast.parse(text, mode="eval").body
        assert any(fits(call, function) for function in homes_of(call.func.id)), text


def test_the_first_analysis_in_the_readme_runs_and_gives_what_it_says(sample, karlskoga, monkeypatch):
    block = next(text for text in blocks_of(ROOT / "README.md", "python") if "read_records(" in text)
    opened = []
    for reader in ("read_records", "check_records"):
        monkeypatch.setattr(nbanalytics, reader, lambda path: opened.append(path) or sample, raising=False)
    monkeypatch.setattr(type(sample), "text", str, raising=False)
    made = {}
    exec(block, made)
    assert opened == ["data/sample"] * 2
    said = re.search(r"subgroups\(cohort, groups\)  # (group 6: .*)", block)[1]
    assert said.removeprefix("group 6: ") in str(nbanalytics.subgroups(karlskoga, made["groups"]))


def test_the_readmes_records_from_dataframes_are_those_it_says():
    block = next(text for text in blocks_of(ROOT / "README.md", "python") if "records_from_frames(" in text)
    made = {}
    exec(block, made)
    records = made["records"]
    points = nbanalytics.merit_value(records.grades, records.declaration.grading(2018)).set_index("student_id")
    assert points["merit_value"].to_dict() == {"1": 25, "2": 0}
    assert "# 25 points, and 0" in block


def test_swedish_words_of_the_glossary_are_those_of_the_pages():
    texts = [path.read_text("utf-8") for path in (ROOT / "nbanalytics" / "text").glob("*.toml")]
    texts += [path.read_text("utf-8") for folder in ("dashboards", "staff") for path in (ROOT / folder).glob("*.ipynb")]
    pages = "".join(texts).casefold()
    rows = re.findall(r"^\| [^|]+ \| ([^|]+) \| [^|]+ \|$", (ROOT / "docs" / "glossary.md").read_text("utf-8"), re.M)
    words = {word.strip() for row in rows[1:] for word in re.split("[,:]", re.sub(r"\(.*?\)|`.*?`", "", row))}
    assert len(words) > 20
    assert {word for word in words - {"", "—"} if word.casefold() not in pages} == set()


def test_the_smallest_folder_in_the_records_page_can_be_used(tmp_path, run):
    page = (
        (ROOT / "docs" / "records.md").read_text("utf-8").partition("## The smallest folder")[2].partition("\n## ")[0]
    )
    files = re.findall(r"`(\w+\.csv)`\n\n```\n(.*?)```", page, re.S)
    assert [name for name, _ in files] == ["students.csv", "grades.csv"]
    for name, text in files:
        (tmp_path / name).write_text(text, encoding="utf-8")
    assert run("check", tmp_path)[0] == 0
    status, out, _ = run("cohorts", tmp_path)
    assert status == 0
    shown = re.search(r"```\n(Cohort .*?)```", page, re.S)[1]
    assert out.strip() == shown.strip()
