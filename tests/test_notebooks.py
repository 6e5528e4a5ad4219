"""The notebooks hold prose and calls, and a wrong number in them fails."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import nbanalytics

ROOT = Path(__file__).resolve().parents[1]
RESEARCH = sorted((ROOT / "notebooks").glob("*.ipynb"))
ALL = [*RESEARCH, *sorted((ROOT / "dashboards").glob("*.ipynb")), *sorted((ROOT / "staff").glob("*.ipynb"))]
GOLDEN = {"keep_output", "nbval-check-output"}


def cells_of(path, kind="code"):
    notebook = json.loads(path.read_text(encoding="utf-8"))
    return [cell for cell in notebook["cells"] if cell["cell_type"] == kind]


def source(cell):
    return "".join(cell["source"])


def golden(cell):
    return set(cell["metadata"].get("tags", ())) >= GOLDEN


def test_there_are_notebooks():
    numbers = [path.name[:2] for path in RESEARCH]
    assert {"01", "02", "03", "04", "05", "06", "08"} <= set(numbers)
    assert len(set(numbers)) == len(numbers)
    assert len(ALL) > len(RESEARCH)


def test_a_notebook_holds_prose_and_calls():
    wrong = []
    for path in ALL:
        for cell in cells_of(path):
            lines = source(cell).splitlines()
            if len(lines) > 15 or any(line.lstrip().startswith(("def ", "class ", "async def ")) for line in lines):
                wrong.append((path.name, source(cell)))
        prose = [line for cell in cells_of(path, "markdown") for line in source(cell).splitlines()]
        if sum(line.startswith("# ") for line in prose) != 1:
            wrong.append((path.name, "one top heading"))
    assert wrong == []


def test_only_golden_cells_keep_their_output_and_it_is_text():
    wrong = [
        (path.name, source(cell))
        for path in ALL
        for cell in cells_of(path)
        if bool(cell["outputs"]) != golden(cell) or any(out["output_type"] != "stream" for out in cell["outputs"])
    ]
    assert wrong == []


def test_every_research_notebook_compares_numbers():
    wrong = []
    for path in RESEARCH:
        texts = ["".join(cell["outputs"][0]["text"]) for cell in cells_of(path) if golden(cell)]
        if len(texts) < 4 or not all(any(sign.isdigit() for sign in text) for text in texts):
            wrong.append(path.name)
    assert wrong == []


def test_a_notebook_begins_with_its_answer_and_what_it_says_in_numbers_is_compared():
    """Numbers of two digits or with decimals in the answer and the reading stand in golden cells, too; not years."""
    wrong = []
    for path in RESEARCH:
        prose = [source(cell) for cell in cells_of(path, "markdown")]
        if not (prose[0].startswith("# ") and "**In short:**" in prose[0] and prose[-1].startswith("## Reading")):
            wrong.append((path.name, "In short, Reading"))
        compared = "".join("".join(cell["outputs"][0]["text"]) for cell in cells_of(path) if golden(cell))
        numbers = r"\b(?:\d+\.\d+|\d{2,})\b"
        said = re.findall(numbers, prose[0].partition("**In short:**")[2].partition("\n\n")[0] + prose[-1])
        said = {number for number in said if not re.fullmatch(r"20\d\d|0\d", number)}
        wrong += [(path.name, number) for number in sorted(said - set(re.findall(numbers, compared)))]
    assert wrong == []


def test_what_strips_notebooks_before_a_commit_leaves_those_that_are_committed_as_they_are(tmp_path):
    hooks = (ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8")
    arguments = re.search(r"id: nbstripout\n\s+args: \[(.*)\]", hooks)[1].split(", ")
    paths = [ALL[0], ALL[-1]]
    copies = [Path(shutil.copy(path, tmp_path)) for path in paths]
    subprocess.run([sys.executable, "-m", "nbstripout", *arguments, *map(str, copies)], check=True)
    assert [copy.name for copy, path in zip(copies, paths, strict=True) if copy.read_bytes() != path.read_bytes()] == []


def test_the_heat_map_of_drop_points_is_drawn(karlskoga):
    """A figure of a notebook is not compared; this one once had no marks, since a count was taken for a place."""
    cells = [source(cell) for cell in cells_of(next(path for path in RESEARCH if path.name.startswith("03")))]
    made = {"cohort": karlskoga, "lost": nbanalytics.losses(karlskoga), "nb": nbanalytics}
    exec(next(cell for cell in cells if cell.startswith("causes = ")), made)
    drawn = eval(next(cell for cell in cells if cell.startswith("nb.figures.subjects_heatmap(")), made)
    assert max(number or 0 for line in drawn.drawing["data"][0]["z"] for number in line) == 14


def nbval(path):
    command = [
        sys.executable,
        "-m",
        "pytest",
        "--nbval-lax",
        "-q",
        "-p",
        "no:cacheprovider",
        "-c",
        "/dev/null",
        str(path),
    ]
    # What whoever runs the tests adds to pytest's output is not part of what is looked at.
    plain = {name: value for name, value in os.environ.items() if name != "PYTEST_ADDOPTS"}
    return subprocess.run(command, cwd=path.parent, env=plain, capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    ("shown", "status"), [pytest.param("group 6: 23", 0, marks=pytest.mark.slow), ("group 6: 24", 1)]
)
def test_a_wrong_golden_number_fails(tmp_path, shown, status):
    """The first notebook, cut to what its golden counts need, once as it is and once with a number altered."""
    notebook = json.loads(RESEARCH[0].read_text(encoding="utf-8"))
    code = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
    load = next(cell for cell in code if "read_records" in source(cell))
    chosen = next(cell for cell in code if "choice.records" in source(cell))
    groups = next(cell for cell in code if "groups = nb.classify(" in source(cell))
    counts = next(cell for cell in code if golden(cell) and "group 6:" in source(cell))
    text = "".join(counts["outputs"][0]["text"])
    assert "group 6: 23" in text
    counts["outputs"][0]["text"] = text.replace("group 6: 23", shown)
    notebook["cells"] = [load, chosen, groups, counts]
    (tmp_path / "notebooks").mkdir()
    (tmp_path / "data").symlink_to(ROOT / "data")
    copy = tmp_path / "notebooks" / "golden.ipynb"
    copy.write_text(json.dumps(notebook), encoding="utf-8")
    done = nbval(copy)
    assert done.returncode == status, done.stdout
    assert ("group 6: 24" in done.stdout) == (status == 1)
