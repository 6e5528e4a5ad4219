"""Protecting full cubes: nbanalytics beside tau-argus (`pytauargus`, FREQ 5, OPT), and a municipality's release.

Run: python benchmarks/disclosure.py [--seeds 5] [--records data/sample]
Told are seconds and published cells of both on the same cubes, their ratio, what the attack finds in what tau-argus
publishes, and the seconds of the standard release. Both hide the cells of 1 to 4 students at first; empty cells are
published. The cubes are drawn: schools, cohorts and outcomes of unequal sizes.
"""

from __future__ import annotations

import argparse
import contextlib
import tempfile
import time

import numpy as np

from nbanalytics.disclosure import SystemBuilder, exposed, protect, replay

CUBES = {
    "300 students: school x sex x newly arrived x outcome": (300, (3, 2, 2, 2), 1.0),
    "1,500 students: cohort x school x sex x newly arrived x outcome": (1500, (5, 3, 2, 2, 2), 10.0),
}


def draw(students: int, shape: tuple[int, ...], seed: int) -> np.ndarray:
    """Draw a cube whose margins are skewed: few newly arrived, most with a good outcome."""
    rng = np.random.default_rng(seed)
    weights = np.ones(shape)
    for axis, size in enumerate(shape):
        share = rng.dirichlet(np.full(size, 8.0))
        if axis >= len(shape) - 2:
            share = np.array([0.88, 0.12])
        weights = weights * share.reshape([-1 if other == axis else 1 for other in range(len(shape))])
    return rng.multinomial(students, (weights / weights.sum()).ravel()).reshape(shape)


def system_of(cube: np.ndarray):
    """Number the cells of a cube and its totals; the total stands first along each axis."""
    for axis in range(cube.ndim):
        cube = np.concatenate([cube.sum(axis=axis, keepdims=True), cube], axis=axis)
    small = (cube > 0) & (cube < 5)
    builder = SystemBuilder()
    ids = builder.add_cells(cube, np.ones(cube.shape, dtype=bool), small, small)
    for axis in range(cube.ndim):
        builder.add_margins(ids, axis)
    return builder.build()


def tau_argus(cube: np.ndarray) -> np.ndarray:
    """Hide with tau-argus; which cells it hides, in the order of the system."""
    import pytauargus

    names = [f"axis{axis}" for axis in range(cube.ndim)]
    places = np.repeat(np.argwhere(cube >= 0), cube.ravel(), axis=0)
    students = {name: [f"v{place}" for place in places[:, axis]] for axis, name in enumerate(names)}
    # It writes logs where it stands.
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        result = pytauargus.protect(
            {**students, "students": [1] * len(places)}, names, "students", "FREQ(5,30)", "OPT(1)"
        )
    hidden = np.zeros([size + 1 for size in cube.shape], dtype=bool)
    for row in result.tables[0].rows:
        codes = [str(row[name]).strip() for name in names]
        place = tuple(int(code[1:]) + 1 if code.startswith("v") else 0 for code in codes)
        hidden[place] = row["status"] in ("U", "M")
    return hidden.ravel()


def compare(words: str, students: int, shape: tuple[int, ...], seeds: int) -> None:
    """Time both on the same cubes and print what each publishes."""
    ours, theirs, published, tau_published, found = [], [], 0, 0, 0
    for seed in range(seeds):
        cube = draw(students, shape, seed)
        system = system_of(cube)
        start = time.perf_counter()
        protection = protect(system)
        ours.append(time.perf_counter() - start)
        assert not replay(system, protection)
        start = time.perf_counter()
        hidden = tau_argus(cube)
        theirs.append(time.perf_counter() - start)
        published += int((~protection.hidden).sum())
        tau_published += int((~hidden).sum())
        found += int(exposed(system, hidden).sum())
    print(f"{words} ({len(system.values)} cells, {seeds} cubes)")
    print(f"  nbanalytics {np.median(ours):6.2f} s (worst {max(ours):.2f}), {published} cells published")
    print(f"  tau-argus   {np.median(theirs):6.2f} s (worst {max(theirs):.2f}), {tau_published} cells published, "
          f"{found} of its hidden cells computed by the attack")  # fmt: skip
    print(f"  cells published, nbanalytics / tau-argus: {published / tau_published:.3f}")


def main() -> None:
    """Run all and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--records", help="folder of records whose standard release is built")
    given = parser.parse_args()
    for words, (students, shape, budget) in CUBES.items():
        compare(words, students, shape, given.seeds)
        print(f"  budget {budget:.0f} s")
    if given.records:
        from nbanalytics import build_release, read_records

        records = read_records(given.records)
        start = time.perf_counter()
        build_release(records, progress=print)
        print(f"standard release of {given.records}: {time.perf_counter() - start:.1f} s (budget 60 s)")


if __name__ == "__main__":
    main()
