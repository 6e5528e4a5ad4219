"""649 real pupils of another country, by the recipe that docs/records.md gives any reader."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from nbanalytics.analysis.cohorts import classify
from nbanalytics.analysis.droppoints import losses
from nbanalytics.frames import collect
from nbanalytics.readers import check_records, read_records
from nbanalytics.records import StudentRecords

ROOT = Path(__file__).resolve().parents[1]
SOURCE = ROOT / "tests" / "reference" / "student-por.csv"


@pytest.fixture(scope="module")
def pupils(tmp_path_factory: pytest.TempPathFactory) -> StudentRecords:
    """What the recipe in the docs makes of the file."""
    page = (ROOT / "docs" / "records.md").read_text(encoding="utf-8")
    recipe = re.search(r"<!-- recipe: student-por -->\n```python\n(.*?)```", page, re.DOTALL)
    assert recipe is not None
    where = tmp_path_factory.mktemp("uci")
    shutil.copy(SOURCE, where)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(where)
        exec(compile(recipe.group(1), "docs/records.md", "exec"), {})
    assert check_records(where / "student-por").exit_code == 0
    return read_records(where / "student-por")


def test_the_six_groups(pupils: StudentRecords) -> None:
    table = collect(classify(pupils).table)
    counts = table.groupby(["start_eligible", "end_eligible", "direction"]).size()
    assert counts[True, True].to_dict() == {"lowered": 81, "raised": 236, "unchanged": 163}
    assert counts[False, False].to_dict() == {"lowered": 27, "raised": 39, "unchanged": 22}
    assert counts[False, True].sum() == 69
    assert counts[True, False].sum() == 12
    assert counts.sum() == 649


def test_when_the_pass_is_lost(pupils: StudentRecords) -> None:
    table = collect(losses(pupils).table)
    lost = table[table["event"] == 1]
    assert lost["lost_term"].value_counts().to_dict() == {"G2": 38, "G3": 3}
    assert lost.loc[lost["lost_term"] == "G2", "regained_at_end"].sum() == 29
    assert lost.loc[lost["lost_term"] == "G2", "recovered_term"].eq("G3").sum() == 29
