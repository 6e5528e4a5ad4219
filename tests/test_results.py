"""Every result shows itself alike: what was counted, by which settings, and ten rounded rows at most."""

import inspect
import re
from dataclasses import fields, is_dataclass
from importlib import import_module
from pathlib import Path

import pandas as pd
import pytest
from test_in_memory import ANALYSES, BASE

import nbanalytics as nb
from nbanalytics.results import MOST_ROWS, Shown, first_rows

PACKAGE = Path(nb.__file__).parent
#: Dataclasses with a table that are parts of something, not what an analysis returns.
PARTS = {
    *("Chart", "CountedCourses", "Cube", "Frame", "InMemory", "Indicator", "Persons", "Priority", "Source"),
    *("Term", "TidyTable", "_Mean", "_Reader"),
}


def test_every_dataclass_with_a_table_is_shown_in_one_way():
    own = []
    for path in sorted(PACKAGE.rglob("*.py")):
        name = ".".join(("nbanalytics", *path.relative_to(PACKAGE).with_suffix("").parts)).removesuffix(".__init__")
        if name == "nbanalytics.__main__":
            continue
        for one in vars(import_module(name)).values():
            if not (inspect.isclass(one) and one.__module__ == name and is_dataclass(one)) or one.__name__ in PARTS:
                continue
            described = issubclass(one, Shown) and one.__repr__ is Shown.__repr__
            tabled = any(field.name == "table" for field in fields(one)) or hasattr(one, "table")
            if tabled and not described:
                own.append(one.__name__)
    assert own == []


@pytest.fixture(scope="module")
def results():
    made = {name: analysis(BASE) for name, analysis in ANALYSES.items()}
    made = {name: found for name, found in made.items() if isinstance(found, Shown)}
    lost, groups = nb.losses(BASE), nb.classify(BASE)
    made["recovery"], made["transition_contrast"] = nb.recovery(lost), nb.transition_contrast(BASE)
    made["expected_by_chance"] = nb.expected_by_chance(BASE, groups)
    made["selection_list"] = nb.selection_list(BASE, nb.subgroups(BASE, groups))
    made["trend"] = nb.trend(nb.indicators(BASE))
    return made


def test_a_result_says_what_was_counted_and_shows_ten_rounded_rows(results):
    assert len(results) > 20
    for name, found in results.items():
        said, _, rest = repr(found).partition("\n")
        assert re.search(r"\d|student|school", said), name
        html = found._repr_html_()
        if type(found)._repr_html_ is Shown._repr_html_:
            rows, more = first_rows(found._shown())
            assert len(rows) <= MOST_ROWS
            assert html.count("<tr>") == len(rows)
            assert (more == "") == (len(found._shown()) <= MOST_ROWS or more == "no rows")
            assert more in rest
            assert not rows.map(lambda cell: bool(re.search(r"\d\.\d{8,}", cell))).any().any(), name
        settings = found._settings()
        for key in ("rule", "start", "end"):
            if settings.get(key):
                assert f"{key}: {settings[key]}" in repr(found), name
                assert f"{key}: {settings[key]}" in html, name


def test_groups_have_names(results):
    for name in ("classify", "sensitivity"):
        for words in ("Eligible both years, grades rose", "Lost eligibility"):
            assert words in repr(results[name])
            assert words in results[name]._repr_html_()
    assert "Classification(" not in repr(results["classify"])


def test_any_dataframe_is_shown():
    import polars as pl

    table = pd.DataFrame({"n": range(12), "share": [1 / 3] * 12})
    for made in (pl.from_pandas(table), pl.from_pandas(table).lazy()):
        rows, more = first_rows(made)
        assert rows["share"].tolist() == ["0.3333"] * 10
        assert more == "10 of 12 rows"
