"""Small Parquet files that stand for gigabytes are refused in words, within the memory that tables need."""

import re
import subprocess
import sys

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from nbanalytics.readers import check_records, open_records, read_records, scan_records, write_records
from nbanalytics.readers.findings import UnreadableError
from nbanalytics.readers.folder import read_parquet
from nbanalytics.simulation import simulate

limited = pytest.mark.skipif(sys.platform != "linux", reason="only there memory is limited reliably")
#: The command, in a process that may take so much.
LIMITED = """
import resource
resource.setrlimit(resource.RLIMIT_AS, (4_000_000_000,) * 2)
from nbanalytics import cli
from nbanalytics.readers import folder
folder.MEMORY_TO_COUNT, folder.MOST_BYTES = "200MB", 100_000_000
cli.main()
"""


def repeated_text(path):
    """A thousand times a text of a million letters, which stands in the file once."""
    words = pa.array(["x" * 1_000_000])
    column = pa.DictionaryArray.from_arrays(pa.array(np.zeros(1_000, dtype=np.int32)), words)
    table = pa.table({"student_id": column, "cohort": pa.array(np.full(1_000, 2018))})
    pq.write_table(table, path, compression="zstd", store_schema=False, dictionary_pagesize_limit=10_000_000)


def large_page(path):
    """One text of 300 MB."""
    table = pa.table({"student_id": ["\0" * 300_000_000], "cohort": [2018]})
    pq.write_table(table, path, compression="zstd", use_dictionary=False, write_statistics=False)


def rows_of_nothing(path):
    """Thirty million rows without a value: runs of one length."""
    table = pa.table({"student_id": pa.nulls(30_000_000, pa.string()), "cohort": pa.nulls(30_000_000, pa.int64())})
    pq.write_table(table, path, compression="zstd", row_group_size=30_000_000)


BOMBS = {one.__name__: one for one in (repeated_text, large_page, rows_of_nothing)}
REASONS = r"more than those of any table|needs more memory than any table|says that it has 30,000,000 rows"


@pytest.fixture(scope="module", params=BOMBS)
def folder(request, tmp_path_factory):
    where = tmp_path_factory.mktemp(request.param) / "records"
    write_records(simulate(seed=1, cohorts=[2018], students_per_cohort=5).records, where, format="parquet")
    (where / ".checked.json").unlink(missing_ok=True)
    BOMBS[request.param](where / "students.parquet")
    return where


@limited
def test_a_parquet_bomb_is_refused_in_words(folder, monkeypatch):
    monkeypatch.setattr("nbanalytics.readers.folder.MEMORY_TO_COUNT", "200MB")
    monkeypatch.setattr("nbanalytics.readers.folder.MOST_BYTES", 100_000_000)
    assert (folder / "students.parquet").stat().st_size < 200_000
    for read in (open_records, read_records, scan_records):
        with pytest.raises(Exception, match="cannot be used") as raised:
            read(folder)
        assert re.search(rf"students\.parquet\n.*({REASONS})", str(raised.value))
    report = check_records(folder)
    assert [finding.code for finding in report.findings if finding.weight == "fatal"][:1] == ["files.unreadable"]
    with pytest.raises(UnreadableError, match=REASONS):
        read_parquet(folder / "students.parquet")


@limited
@pytest.mark.parametrize("command", ["check", "cohorts"])
def test_the_commands_take_no_more_memory_than_tables_need(folder, command):
    done = subprocess.run(
        [sys.executable, "-c", LIMITED, command, str(folder)], capture_output=True, text=True, check=False
    )
    said = done.stdout + done.stderr
    assert done.returncode in (1, 2), said
    assert "students.parquet" in said
    assert "Traceback" not in said


def test_a_table_is_read_whatever_its_cells_repeat(tmp_path):
    """What repeats one school for every pupil is no bomb."""
    records = simulate(seed=1, cohorts=[2018, 2019]).records
    write_records(records, tmp_path / "records", format="parquet")
    assert len(read_records(tmp_path / "records").grades) == len(records.grades)
    assert scan_records(tmp_path / "records").cohorts() == [2018, 2019]
