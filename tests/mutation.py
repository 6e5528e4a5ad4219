"""Do the tests fail when the code is wrong? Small faults are put into a copy, one at a time: ``make mutation``.

Each fault is one comparison, operator, number, ``not`` or condition that is another. A module's own tests and doctests
run on each; what they do not notice is listed, with its line, and is either a test that is missing or no fault at all.

``python tests/mutation.py --sample 20 --only intervals flows`` tries twenty drawn faults of each of two modules.
"""

from __future__ import annotations

import argparse
import ast
import contextlib
import copy
import os
import random
import shutil
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
#: What is tried: the files of a module, and its own tests.
MODULES = {
    "grading": (["grading.py"], ["grading"]),
    "eligibility": (["eligibility.py"], ["grading"]),
    "intervals": (["intervals.py"], ["intervals"]),
    "cohorts": (["analysis/cohorts/*.py"], ["cohorts", "by_hand"]),
    "flows": (["analysis/flows/*.py"], ["flows", "unfinished"]),
    "droppoints": (["analysis/droppoints/*.py"], ["droppoints", "lifetable", "lost_subjects", "by_hand"]),
    "progression": (["analysis/progression/*.py"], ["progression", "by_hand"]),
    "baseline": (["analysis/baseline/*.py"], ["baseline", "screening"]),
    "disclosure": (
        ["disclosure/primary.py", "disclosure/engine.py", "disclosure/policy.py", "disclosure/rounding.py"],
        ["disclosure", "disclosure_engine", "disclosure_rounding", "disclosure_attack"],
    ),
    "release": (["release/cube.py", "release/tables.py", "release/persons.py"], ["release", "sample_release"]),
}
#: Calls and keywords in which a fault changes nothing that anybody could notice.
KEYWORDS = {"strict", "stacklevel", "frozen", "slots", "check_dtype", "copy", "init", "repr"}
COMPARED = {
    ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt, ast.Eq: ast.NotEq, ast.NotEq: ast.Eq,
    ast.In: ast.NotIn, ast.NotIn: ast.In, ast.Is: ast.IsNot, ast.IsNot: ast.Is,
}  # fmt: skip
COMPUTED = {
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Div, ast.Div: ast.Mult, ast.FloorDiv: ast.Mult,
    ast.Mod: ast.Mult, ast.Pow: ast.Mult, ast.BitAnd: ast.BitOr, ast.BitOr: ast.BitAnd,
}  # fmt: skip


@dataclass(frozen=True)
class Fault:
    """A place in a file, and the text of the file with the fault in it."""

    module: str
    file: str
    line: int
    says: str
    text: str


def _children(node: ast.AST) -> Iterator[tuple[ast.AST, str, int | None]]:
    """Where another node may stand in a node; not in annotations, decorators, messages and declared keywords."""
    skipped = {"annotation", "returns", "decorator_list", "type_params"}
    for name, value in ast.iter_fields(node):
        if name in skipped or isinstance(node, (ast.Raise, ast.JoinedStr, ast.Import, ast.ImportFrom)):
            continue
        if isinstance(node, ast.keyword) and node.arg in KEYWORDS:
            continue
        for place, child in enumerate(value) if isinstance(value, list) else [(None, value)]:
            if isinstance(child, ast.AST):
                yield child, name, place


def _faulty(node: ast.AST) -> Iterator[ast.AST]:
    """Every way in which a node can be a little wrong."""
    match node:
        case ast.Compare(left=left, ops=ops, comparators=others):
            for place, sign in enumerate(ops):
                changed = [COMPARED[type(sign)]() if at == place else one for at, one in enumerate(ops)]
                yield ast.Compare(left, changed, others)
        case ast.BinOp(left=left, op=sign, right=right) if type(sign) in COMPUTED:
            yield ast.BinOp(left, COMPUTED[type(sign)](), right)
        case ast.BoolOp(op=sign, values=values):
            yield ast.BoolOp(ast.Or() if isinstance(sign, ast.And) else ast.And(), values)
        case ast.UnaryOp(operand=operand):
            yield operand
        case ast.Constant(value=bool(value)):
            yield ast.Constant(not value)
        case ast.Constant(value=int(value) | float(value)):
            yield ast.Constant(value + 1)
        case ast.IfExp(test=ast.Name() | ast.Attribute() | ast.Call() | ast.BoolOp() as test, body=body, orelse=orelse):
            yield ast.IfExp(ast.UnaryOp(ast.Not(), test), body, orelse)
        # Comparisons and `not` are turned round by themselves.
        case ast.If(test=ast.Name() | ast.Attribute() | ast.Call() | ast.BoolOp() as test, body=body, orelse=orelse):
            yield ast.If(ast.UnaryOp(ast.Not(), test), body, orelse)


def _places(tree: ast.AST) -> Iterator[tuple[ast.AST, str, int | None, ast.AST]]:
    """Every node that may be wrong, with where it stands."""
    for child, name, place in _children(tree):
        yield tree, name, place, child
        yield from _places(child)


def faults(module: str) -> list[Fault]:
    """Every fault that is tried in a module."""
    found = []
    for pattern in MODULES[module][0]:
        files = sorted((ROOT / "nbanalytics").glob(pattern))
        if not files:
            raise SystemExit(f"No file {pattern} in nbanalytics: correct MODULES in {Path(__file__).name}.")
        for file in files:
            found += _faults_of(module, file)
    return found


def _faults_of(module: str, file: Path) -> Iterator[Fault]:
    tree = ast.parse(file.read_text(encoding="utf-8"))
    for parent, name, place, node in list(_places(tree)):
        for wrong in _faulty(node):
            _put(parent, name, place, ast.copy_location(wrong, node))
            text = ast.unparse(ast.fix_missing_locations(copy.deepcopy(tree)))
            _put(parent, name, place, node)
            before, after = (ast.unparse(one).partition("\n")[0] for one in (node, wrong))
            yield Fault(module, str(file.relative_to(ROOT)), node.lineno, f"{before}  →  {after}", text)


def _put(parent: ast.AST, name: str, place: int | None, node: ast.AST) -> None:
    if place is None:
        setattr(parent, name, node)
    else:
        getattr(parent, name)[place] = node


def workplace(folder: Path) -> Path:
    """Copy what is changed, and link what is only read."""
    folder.mkdir()
    for path in ROOT.iterdir():
        if path.name in ("nbanalytics", "tests"):
            shutil.copytree(path, folder / path.name, ignore=shutil.ignore_patterns("__pycache__"))
        elif not path.name.startswith("."):
            (folder / path.name).symlink_to(path)
    return folder


def run(module: str, folder: Path, seconds: float) -> int | None:
    """Run a module's tests in a copy, in a process that has loaded the libraries; None if they do not end."""
    files, tests = MODULES[module]
    paths = [f"tests/test_{name}.py" for name in tests]
    paths += [str(path.relative_to(folder)) for name in files for path in sorted((folder / "nbanalytics").glob(name))]
    child = os.fork()
    if child == 0:
        _tests(folder, paths)
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.05)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return None


def _tests(folder: Path, paths: list[str]) -> None:
    """Run tests in this process, which was made for it, and end it."""
    import pytest

    os.setpgid(0, 0)
    os.chdir(folder)
    quiet = os.open("last.log", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(quiet, 1)
    os.dup2(quiet, 2)
    sys.path[:0] = [str(folder), str(folder / "tests")]
    sys.dont_write_bytecode = True
    os.environ["NBANALYTICS_SHRINK"] = "no"
    code = 3
    try:
        options = ["-q", "-x", "-m", "not slow", "-p", "no:cacheprovider", "-p", "no:xdist", "--hypothesis-seed=1"]
        code = int(pytest.main([*options, "--no-header", "--tb=line", *paths]))
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def tried(fault: Fault, folder: Path, seconds: float) -> bool:
    """Whether the tests notice a fault; the copy is as it was afterwards."""
    file = folder / fault.file
    whole = file.read_text(encoding="utf-8")
    file.write_text(fault.text, encoding="utf-8")
    try:
        return run(fault.module, folder, seconds) != 0
    finally:
        file.write_text(whole, encoding="utf-8")


def score(module: str, chosen: list[Fault], folders: list[Path]) -> list[Fault]:
    """Try faults of a module, as many at once as there are copies; return those that nobody noticed."""
    start = time.monotonic()
    if run(module, folders[0], 3600) != 0:
        raise SystemExit(f"The tests of {module} fail without a fault: {(folders[0] / 'last.log').read_text()[-2000:]}")
    seconds = 30 + 8 * (time.monotonic() - start)
    free = list(folders)

    def one(fault: Fault) -> bool:
        folder = free.pop()
        try:
            return tried(fault, folder, seconds)
        finally:
            free.append(folder)

    with ThreadPoolExecutor(len(folders)) as workers:
        noticed = list(workers.map(one, chosen))
    return [fault for fault, seen in zip(chosen, noticed, strict=True) if not seen]


def main() -> None:
    """Try the faults that are asked for; exit status 1 if fewer than the wanted share was noticed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sample", type=int, default=0, help="faults drawn for each module (all)")
    parser.add_argument("--seed", type=int, default=1, help="seed of the draw")
    parser.add_argument("--only", nargs="*", choices=MODULES, default=list(MODULES), help="modules")
    parser.add_argument("--jobs", type=int, default=2, help="processes")
    parser.add_argument("--least", type=float, default=0.0, help="share that must be noticed")
    asked = parser.parse_args()
    import pandas  # noqa: F401
    import pytest  # noqa: F401
    import scipy.stats  # noqa: F401

    worst = 1.0
    with tempfile.TemporaryDirectory() as base:
        folders = [workplace(Path(base) / f"copy{number}") for number in range(asked.jobs)]
        for module in asked.only:
            chosen = faults(module)
            if 0 < asked.sample < len(chosen):
                chosen = random.Random(f"{asked.seed} {module}").sample(chosen, asked.sample)
            left = score(module, chosen, folders)
            share = 1 - len(left) / len(chosen)
            worst = min(worst, share)
            print(f"{module}: {len(chosen) - len(left)} of {len(chosen)} noticed ({share:.0%})", flush=True)
            for fault in left:
                print(f"    {fault.file}:{fault.line}: {fault.says}", flush=True)
    if worst < asked.least:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
