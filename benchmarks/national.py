"""Six groups of 27 national cohorts: `nbanalytics cohorts` beside the same question in hand-written SQL.

Run: python benchmarks/national.py [--students 3000000] [--pairs 3] [--folder DIR]
Both run in separate processes on the same Parquet folder, in turns. Prints the ratio of their medians and the peak
memory of each.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import duckdb

SUBJECTS = ["BL", "EN", "HKK", "IDH", "MA", "MU", "BI", "FY", "KE", "GE", "HI", "RE", "SH", "SL", "SV", "TK"]
COHORTS = range(2000, 2027)
DECLARATION = """\
[records]
name = "Generated national register"
synthetic = true

# One scale for all 27 cohorts, so that they can be compared.
[[scale]]
name = "A-F"
points = { F = 0, E = 10, D = 12.5, C = 15, B = 17.5, A = 20 }
passing = ["E", "D", "C", "B", "A"]

[[rule]]
name = "vocational"
[[rule.way]]
required = [["SV", "SVA"], ["EN"], ["MA"]]
passes = 8
"""

BY_HAND = """
WITH terms AS (
    SELECT student_id, term,
        avg(CASE grade WHEN 'F' THEN 0 WHEN 'E' THEN 10 WHEN 'D' THEN 12.5 WHEN 'C' THEN 15 WHEN 'B' THEN 17.5
            WHEN 'A' THEN 20 END) FILTER (subject NOT IN ('M1', 'M2', 'ML')) AS points,
        max((subject IN ('SV', 'SVA') AND grade IN ('A', 'B', 'C', 'D', 'E'))::INT) AS sv,
        max((subject = 'EN' AND grade IN ('A', 'B', 'C', 'D', 'E'))::INT) AS en,
        max((subject = 'MA' AND grade IN ('A', 'B', 'C', 'D', 'E'))::INT) AS ma,
        sum((subject NOT IN ('SV', 'SVA') AND grade IN ('A', 'B', 'C', 'D', 'E'))::INT) AS others
    FROM '{folder}/grades.parquet' WHERE term IN ('6VT', '9VT') GROUP BY student_id, term
), ends AS (
    SELECT student_id,
        max(CASE WHEN term = '6VT' THEN points END) AS p6, max(CASE WHEN term = '9VT' THEN points END) AS p9,
        bool_or(CASE WHEN term = '6VT' THEN sv + en + ma = 3 AND others + sv >= 8 END) AS e6,
        bool_or(CASE WHEN term = '9VT' THEN sv + en + ma = 3 AND others + sv >= 8 END) AS e9
    FROM terms GROUP BY student_id
)
SELECT cohort,
    CASE WHEN e6 AND NOT e9 THEN 6 WHEN e9 AND NOT e6 THEN 5 WHEN e6 AND p9 >= p6 THEN 1 WHEN e6 AND p9 < p6 THEN 2
         WHEN NOT e6 AND p9 >= p6 THEN 4 WHEN NOT e6 AND p9 < p6 THEN 3 END AS "group",
    count(*) AS students
FROM '{folder}/students.parquet' LEFT JOIN ends USING (student_id)
GROUP BY ALL ORDER BY ALL
"""


def generate(folder: Path, students: int) -> None:
    """Write students and grades; a grade is drawn around a level of the student that moves between the years."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "records.toml").write_text(DECLARATION)
    with duckdb.connect() as connection:
        connection.execute(f"SET memory_limit='4GB'; SET temp_directory='{folder}/spill'; SELECT setseed(0.5)")
        connection.execute(
            f"""COPY (
                SELECT format('P{{:08d}}', i) AS student_id,
                    ({COHORTS[0]} + i % {len(COHORTS)})::INT AS cohort,
                    CASE WHEN hash(i) % 2 = 0 THEN 'girl' ELSE 'boy' END AS sex,
                    format('S{{:05d}}', hash(i + 7) % 1500) AS school_id
                FROM range({students}) t(i)
            ) TO '{folder}/students.parquet' (FORMAT parquet)"""
        )
        draw = "((hash(i, {n}) % 1000003)::DOUBLE / 1000003)"
        connection.execute(
            f"""COPY (
                SELECT format('P{{:08d}}', i) AS student_id, term, subject,
                    CASE WHEN level < 0.7 THEN 'F' WHEN level < 1.3 THEN 'E' WHEN level < 1.7 THEN 'D'
                         WHEN level < 2.1 THEN 'C' WHEN level < 2.5 THEN 'B' ELSE 'A' END AS grade
                FROM (
                    SELECT i, term, subject,
                        {draw.format(n=1)} + {draw.format(n="term")} * 0.7
                        + ((hash(i, term, subject) % 1000003)::DOUBLE / 1000003) + 0.3 AS level
                    FROM range({students}) t(i), (VALUES ('6VT'), ('9VT')) u(term),
                        (SELECT unnest({SUBJECTS}) AS subject)
                )
            ) TO '{folder}/grades.parquet' (FORMAT parquet)"""
        )


def run(command: list[str]) -> tuple[float, float, str]:
    """Seconds, peak MB and output of a process."""
    began = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    output = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f"{command[0]} failed with status {status}")
    return time.perf_counter() - began, usage.ru_maxrss / 1024, output


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--students", type=int, default=3_000_000)
    parser.add_argument("--pairs", type=int, default=3)
    parser.add_argument("--folder", type=Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = options.folder or Path(scratch) / "register"
        if not (folder / "grades.parquet").exists():
            print(f"generating {options.students * len(SUBJECTS) * 2:,} grade rows ...", flush=True)
            generate(folder, options.students)
        compare(folder, Path(scratch), options.pairs)


def compare(folder: Path, scratch: Path, pairs: int) -> None:
    ours = [sys.executable, "-m", "nbanalytics", "cohorts", str(folder), "--json"]
    program = (
        "import duckdb, json; connection = duckdb.connect()\n"
        f"connection.execute(\"SET memory_limit='700MB'; SET temp_directory='{scratch}/spill'\")\n"
        f"print(json.dumps(connection.sql('''{BY_HAND.format(folder=folder)}''').fetchall()))"
    )
    by_hand = [sys.executable, "-c", program]
    print("first run checks the folder and leaves a receipt ...", flush=True)
    first, _, _ = run(ours)
    times: dict[str, list[float]] = {"nbanalytics": [], "by hand": []}
    peaks: dict[str, float] = {"nbanalytics": 0.0, "by hand": 0.0}
    outputs: dict[str, str] = {}
    for _ in range(pairs):
        for name, command in (("nbanalytics", ours), ("by hand", by_hand)):
            seconds, megabytes, outputs[name] = run(command)
            times[name].append(seconds)
            peaks[name] = max(peaks[name], megabytes)
    check_equal(*(json.loads(outputs[name].splitlines()[-1]) for name in ("nbanalytics", "by hand")))
    print(f"{'':<14}{'median s':>10}{'peak MB':>10}")
    for name, seconds in times.items():
        print(f"{name:<14}{statistics.median(seconds):>10.2f}{peaks[name]:>10.0f}")
    ratio = statistics.median(times["nbanalytics"]) / statistics.median(times["by hand"])
    print(f"ratio {ratio:.2f} (target 1.2 or less); the first run, with every check, took {first:.1f} s")


def check_equal(ours: list[dict[str, object]], by_hand: list[list[int]]) -> None:
    expected = {(cohort, str(group)): students for cohort, group, students in by_hand if group is not None}
    got = {
        (entry["cohort"], group): students
        for entry in ours
        for group, students in entry["groups"].items()  # type: ignore[attr-defined]
        if students
    }
    if got != expected:
        raise SystemExit("the two answers differ")
    print(f"the same {sum(expected.values()):,} students in the same groups")


if __name__ == "__main__":
    main()
