"""One SCB grade file of a million pupils: nbanalytics beside `polars.read_csv` of the same file.

Run: python benchmarks/scb.py [--rows 1000000] [--pairs 3] [--file FILE]
Both run in separate processes, in turns. Prints the medians, the budget (polars and 5 s per million rows for
pseudonyms and checks) and each one's peak memory beside the size of the file. Identity numbers and names are drawn.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

SYLLABLES = np.array(["Al", "Be", "Ca", "Da", "El", "Fa", "Gun", "Hå", "Is", "Jo", "Kä", "Li", "Mö", "Ni", "Os", "Pia"])
GRADES = np.array(list("FEDCBA9"))
SHARES = [0.07, 0.17, 0.2, 0.25, 0.18, 0.12, 0.01]
STEP = 100_000


def generate(file: Path, rows: int) -> None:
    """Write a file of year 9; every pupil has another number, and its check digit fits."""
    rng = np.random.default_rng(1)
    with file.open("w", encoding="utf-8", newline="") as stream:
        for start in range(0, rows, STEP):
            n = min(STEP, rows - start)
            serial = np.arange(start, start + n)
            # 336 days in each of four years, and 999 birth numbers a day.
            day, birth = np.divmod(serial, 999)
            year, day = 2000 + day // 336, day % 336
            nine = (year % 100) * 10_000_000 + (day // 28 + 1) * 100_000 + (day % 28 + 1) * 1_000 + birth + 1
            digits = nine[:, None] // 10 ** np.arange(8, -1, -1) % 10 * np.array([2, 1, 2, 1, 2, 1, 2, 1, 2])
            check = -(digits // 10 + digits % 10).sum(axis=1) % 10
            drawn = rng.choice(GRADES, (n, 18), p=SHARES)
            second, language = rng.random(n) < 0.1, rng.random(n) < 0.7
            schools = 10_000_000 + rng.integers(0, 1_700, n)
            first = SYLLABLES[rng.integers(0, 16, (n, 3))]
            last = SYLLABLES[rng.integers(0, 16, (n, 3))]
            for i in range(n):
                g = drawn[i]
                m2 = f"SP;{g[17]}" if language[i] else ";2"
                swedish = f"2;{g[15]}" if second[i] else f"{g[15]};2"
                stream.write(
                    f"Betyg;20180615;1;20{nine[i]:09d}{check[i]};{schools[i]};9{'ABCD'[i % 4]};{''.join(first[i])};"
                    f"{''.join(last[i])}sson;{';'.join(g[:5])};;2;{m2};;2;{';'.join(g[5:14])};{swedish};2;{g[14]};\n"
                )


OURS = """
from nbanalytics.municipal.pseudonyms import new_key
from nbanalytics.municipal.scb import read_scb
read = read_scb({file!r}, key=new_key())
assert read.report.read == {rows}, read.report
assert len(read.tables["students"]) == {rows}
"""
POLARS = """
import polars
assert len(polars.read_csv({file!r}, separator=";", has_header=False, infer_schema_length=0)) == {rows}
"""


def run(program: str) -> tuple[float, float]:
    """Seconds and peak MB of a Python process."""
    began = time.perf_counter()
    process = subprocess.Popen([sys.executable, "-c", program])
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f"a run failed with status {status}")
    return time.perf_counter() - began, usage.ru_maxrss / 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--pairs", type=int, default=3)
    parser.add_argument("--file", type=Path, help="use this file, or make it if it is missing")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        file = options.file or Path(scratch) / "grades.txt"
        if not file.exists():
            print(f"generating {options.rows:,} pupils ...", flush=True)
            generate(file, options.rows)
        compare(file, options.rows, options.pairs)


def compare(file: Path, rows: int, pairs: int) -> None:
    times: dict[str, list[float]] = {"nbanalytics": [], "polars": []}
    peaks = dict.fromkeys(times, 0.0)
    for _ in range(pairs):
        for name, program in (("nbanalytics", OURS), ("polars", POLARS)):
            seconds, megabytes = run(program.format(file=str(file), rows=rows))
            times[name].append(seconds)
            peaks[name] = max(peaks[name], megabytes)
    megabytes = file.stat().st_size / 2**20
    print(f"{rows:,} pupils in a file of {megabytes:.0f} MB")
    print(f"{'':<14}{'median s':>10}{'peak MB':>10}{'of file':>10}")
    for name, seconds in times.items():
        print(f"{name:<14}{statistics.median(seconds):>10.2f}{peaks[name]:>10.0f}{peaks[name] / megabytes:>10.1f}")
    budget = statistics.median(times["polars"]) + 5 * rows / 1_000_000
    ratio = statistics.median(times["nbanalytics"]) / budget
    print(
        f"of the budget of {budget:.2f} s: {ratio:.2f} (target 1 or less); memory below 4 times the file at 1,000,000"
    )


if __name__ == "__main__":
    main()
