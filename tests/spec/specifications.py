"""Read the specifications of this folder, and write the worked examples of docs/methods.md from them."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

HERE = Path(__file__).parent
METHODS = HERE.parents[1] / "docs" / "methods.md"
IN_THE_DOCS = "*In the docs.*"
#: The examples of the documentation stand between these, and in this order.
BEGIN, END = "<!-- examples: made from tests/spec -->", "<!-- end of the examples -->"
TOPICS = ("grading", "cohorts", "flows", "droppoints", "progression", "baseline", "support")


@dataclass(frozen=True)
class Specification:
    """Tables of records as text, a call, and what it gives."""

    topic: str
    title: str
    text: str
    call: str
    tables: dict[str, pd.DataFrame] = field(default_factory=dict)
    expected: pd.DataFrame | None = None
    refusal: str = ""


def table_of(lines: list[str]) -> pd.DataFrame:
    """Read a table of Markdown; every cell is text, an empty one is missing."""
    rows = [[cell.strip() for cell in line.strip().strip("|").split("|")] for line in lines]
    frame = pd.DataFrame(rows[2:], columns=rows[0], dtype="object")
    return frame.mask(frame == "")


def specifications() -> list[Specification]:
    """Return every specification, topic by topic."""
    found = []
    for topic in TOPICS:
        _, *parts = re.split(r"^## ", (HERE / f"{topic}.md").read_text("utf-8"), flags=re.M)
        found += [_specification(topic, part) for part in parts]
    return found


def _specification(topic: str, part: str) -> Specification:
    title, _, text = part.partition("\n")
    before, call, after = re.split(r"```(?:python\n)?", text)
    tables = {
        name: table_of(rows.strip().splitlines())
        for name, rows in re.findall(r"^`(\w+)`\n\n((?:\|.*\n)+)", before, flags=re.M)
    }
    after = after.strip()
    if after.startswith("> "):
        return Specification(topic, title, text.strip(), call.strip(), tables, refusal=after.removeprefix("> "))
    return Specification(topic, title, text.strip(), call.strip(), tables, expected=table_of(after.splitlines()))


def examples() -> str:
    """Return the worked examples of the documentation."""
    told = [one for one in specifications() if IN_THE_DOCS in one.text]
    parts = [f"### {one.title}\n\n{one.text.replace(IN_THE_DOCS, '').strip()}" for one in told]
    return "\n\n".join([BEGIN, *parts, END])


def with_examples(page: str) -> str:
    """Return the page with the examples as the specifications have them now."""
    start, end = page.index(BEGIN), page.index(END) + len(END)
    return page[:start] + examples() + page[end:]


def is_numeric(column: pd.Series) -> bool:
    """Whether all that is written in a column are numbers, one at least."""
    numbers = pd.to_numeric(column, errors="coerce").notna()
    return bool(numbers.any() and numbers.equals(column.notna()))


if __name__ == "__main__":
    METHODS.write_text(with_examples(METHODS.read_text("utf-8")), "utf-8")
