"""Protecting full cubes: nbanalytics beside tau-argus (`pytauargus`, FREQ 5, OPT), and a municipality's release.

Run: python benchmarks/disclosure.py [--seeds 5] [--limit 60] [--records data/sample]
Prints CPU seconds and published cells of both on the same cubes, their ratio, the number of hidden small cells that
the attack finds to be 1 to 4, and the seconds of the standard release: built, attacked, its witnesses replayed.
Both hide the cells of 1 to 4 students at first; empty cells are published. The cubes are drawn: schools,
cohorts and outcomes of unequal sizes. tau-argus searches for its optimum in a process of its own that is ended after
--limit seconds, since that takes long on the larger cubes. Compared are the cubes that both were done with.
"""

from __future__ import annotations

import argparse
import contextlib
import multiprocessing
import tempfile
import time

import numpy as np

from nbanalytics.disclosure import CellSystem, SystemBuilder, bounds, check_protection, knowledge_beside, protect

CUBES = {
    "300 students: school x sex x newly arrived x outcome": (300, (3, 2, 2, 2), 1.0),
    "1,500 students: cohort x school x newly arrived x outcome": (1500, (5, 3, 2, 2), 10.0),
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


def answer(sender, cube: np.ndarray) -> None:
    """Send what tau-argus hides and the seconds of the processor that it took."""
    start = time.process_time()
    hidden = tau_argus(cube)
    sender.send((hidden, time.process_time() - start))


def limited(cube: np.ndarray, limit: float) -> tuple[np.ndarray | None, float]:
    """Run tau-argus in a process of its own; no cells if it is not done in time."""
    context = multiprocessing.get_context("spawn")
    receiver, sender = context.Pipe(duplex=False)
    child = context.Process(target=answer, args=(sender, cube))
    child.start()
    sender.close()
    found = receiver.recv() if receiver.poll(limit) else (None, limit)
    child.kill()
    child.join()
    return found


def known_small(system: CellSystem, hidden: np.ndarray) -> int:
    """Count the hidden cells of 1 to 4 that no possible table has at 0, or at 5 or more."""
    left = np.flatnonzero(system.guarded)
    for below, above in ((0.0, -np.inf), (np.inf, 5.0)):
        limits = np.full(len(left), below), np.full(len(left), above)
        found = bounds(knowledge_beside(system, hidden), left, enough=limits)
        left = left[~((found.low_seen <= 0) | (found.high_seen >= 5))]
    return len(left)


def compare(words: str, students: int, shape: tuple[int, ...], seeds: int, limit: float) -> None:
    """Time all on the same cubes and print what each publishes."""
    systems, ours, seconds = [], [], []
    for seed in range(seeds):
        systems.append(system_of(draw(students, shape, seed)))
        start = time.process_time()
        protection = protect(systems[-1])
        seconds.append(time.process_time() - start)
        assert not check_protection(systems[-1], protection)
        ours.append(protection.hidden)
    small = sum(int(system.guarded.sum()) for system in systems)
    known = sum(map(known_small, systems, ours))
    published = sum(int((~hidden).sum()) for hidden in ours)
    print(f"{words} ({len(systems[0].values)} cells, {seeds} cubes, {small} small cells in all)")
    print(f"  nbanalytics {np.median(seconds):6.2f} s (worst {max(seconds):.2f}), {published} cells published, "
          f"{known} small cells known")  # fmt: skip
    theirs = [limited(draw(students, shape, seed), limit) for seed in range(seeds)]
    done = [number for number, (hidden, _) in enumerate(theirs) if hidden is not None]
    print(f"  tau-argus   done with {len(done)} of {seeds} cubes within {limit:.0f} s each")
    if done:
        taken = [theirs[number][1] for number in done]
        both, argus = (sum(int((~hidden).sum()) for hidden in every) for every in
                       ([ours[number] for number in done], [theirs[number][0] for number in done]))  # fmt: skip
        known = sum(known_small(systems[number], theirs[number][0]) for number in done)
        print(f"              {np.median(taken):6.2f} s (worst {max(taken):.2f}), {argus} cells published, "
              f"{known} small cells known; nbanalytics: {both}, or {both / argus:.3f} times as many")  # fmt: skip


def standard_release(records: str) -> None:
    """Build, attack and write the standard release of some records, then replay its witnesses."""
    from nbanalytics import build_release, read_records, read_release
    from nbanalytics.release.ledger import publish_release
    from nbanalytics.release.witnesses import replay

    print(f"standard release of {records} (budget 60 s for all):")
    with tempfile.TemporaryDirectory() as folder:
        start, worked = time.perf_counter(), time.process_time()
        built = build_release(read_records(records))
        print(f"  built     {time.perf_counter() - start:6.1f} s, {time.process_time() - worked:.1f} of the processor")
        publish_release(built, f"{folder}/release")
        print(f"  published {time.perf_counter() - start:6.1f} s, {time.process_time() - worked:.1f} of the processor")
        worked = time.process_time()
        found = replay(read_release(f"{folder}/release"))
        print(f"  replayed  {time.process_time() - worked:6.1f} s of the processor: {found.text()}")


def main() -> None:
    """Run all and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--limit", type=float, default=60.0, help="seconds that tau-argus may take for a cube")
    parser.add_argument("--records", help="folder of records whose standard release is built")
    given = parser.parse_args()
    for words, (students, shape, budget) in CUBES.items():
        compare(words, students, shape, given.seeds, given.limit)
        print(f"  budget {budget:.0f} s")
    if given.records:
        standard_release(given.records)


if __name__ == "__main__":
    main()
