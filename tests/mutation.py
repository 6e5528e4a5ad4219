"""Do the tests fail when the code is wrong? Small faults are put into the code, one at a time: ``make mutation``.

Each fault is one comparison, operator, number, ``not`` or condition that is another. A module's own tests and doctests
run on each; what they do not notice is listed. It is either a test that is missing, or a fault without effect: those
stand in ``equivalent.toml`` with the reason, and are left out of the score.

A process loads the libraries, the package and a module's tests, and forks. The first child runs all tests and notes how
long each takes and which functions it calls. Each further child puts one fault into the functions that are loaded, and
runs the tests that call them, the quickest first, until one fails.

``python tests/mutation.py --sample 20 --only intervals flows`` tries twenty drawn faults of each of two modules.
"""

from __future__ import annotations

import argparse
import ast
import copy
import importlib.abc
import importlib.util
import json
import os
import pickle
import random
import signal
import sys
import tempfile
import threading
import time
import tomllib
import types
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache, partial
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[1]
EQUIVALENT = Path(__file__).with_name("equivalent.toml")
SPECIFIED = "spec/test_specifications.py::test_specifications_hold[pandas]"
INDEPENDENT = "independent/test_independent.py::test_a_few_sets_agree_with_the_definitions"
#: What is tried: the files of a module, and its own tests.
MODULES = {
    "grading": (["grading.py"], ["test_grading.py", SPECIFIED]),
    "eligibility": (["eligibility.py"], ["test_grading.py", SPECIFIED, INDEPENDENT]),
    "intervals": (["intervals.py"], ["test_intervals.py"]),
    "cohorts": (["analysis/cohorts/*.py"], ["test_cohorts.py", SPECIFIED, INDEPENDENT]),
    "flows": (
        ["analysis/flows/*.py"],
        ["test_flows.py", "test_states.py", "test_courses.py", "test_unfinished.py", SPECIFIED, INDEPENDENT],
    ),
    "droppoints": (
        ["analysis/droppoints/*.py"],
        ["test_droppoints.py", "test_lifetable.py", "test_lost_subjects.py", "test_transitions.py", "test_attrition.py",
         "test_latent.py", SPECIFIED, INDEPENDENT],
    ),
    "progression": (["analysis/progression/*.py"], ["test_progression.py", SPECIFIED, INDEPENDENT]),
    "baseline": (["analysis/baseline/*.py"], ["test_baseline.py", "test_screening.py", SPECIFIED, INDEPENDENT]),
    "disclosure": (
        ["disclosure/primary.py", "disclosure/engine.py", "disclosure/policy.py", "disclosure/rounding.py"],
        ["test_disclosure.py", "test_disclosure_engine.py", "test_disclosure_rounding.py", "test_disclosure_attack.py"],
    ),
    "release": (
        ["release/cube.py", "release/tables.py", "release/persons.py"],
        [f"test_release.py::test_{name}" for name in (
            "every_count_and_every_primary_cell_is_right_before_others_are_hidden",
            "a_cell_costs_its_students_and_three_times_as_much_for_each_filter_that_is_left_open",
            "every_table_hides_by_itself_what_its_own_groups_and_totals_ask_for",
            "rows_are_counted_at_every_crossing_with_all_totals",
            "filters_are_crossed_as_far_as_declared",
            "what_is_counted_of_each_student_is_by_hand",
            "the_years_are_named_by_their_terms",
            "a_table_is_crossed_as_far_as_its_release_unless_the_standard_stops_before",
            "without_outcomes_schools_and_flags",
        )],
    ),
}  # fmt: skip
#: Keywords in which a fault changes nothing that anybody could notice.
KEYWORDS = {"strict", "stacklevel", "frozen", "slots", "check_dtype", "copy", "init", "repr"}
COMPARED = {
    ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt, ast.Eq: ast.NotEq, ast.NotEq: ast.Eq,
    ast.In: ast.NotIn, ast.NotIn: ast.In, ast.Is: ast.IsNot, ast.IsNot: ast.Is,
}  # fmt: skip
COMPUTED = {
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Div, ast.Div: ast.Mult, ast.FloorDiv: ast.Mult,
    ast.Mod: ast.Mult, ast.Pow: ast.Mult, ast.BitAnd: ast.BitOr, ast.BitOr: ast.BitAnd,
}  # fmt: skip
#: What a child ends with.
UNNOTICED, NOTICED, ELSEWHERE = 0, 1, 2


@dataclass(frozen=True)
class Fault:
    """A place in a file and what stands there instead; `code` and `fault` tell it apart whatever its line is."""

    file: str
    line: int
    number: int
    code: str
    fault: str

    @property
    def key(self) -> tuple[str, str, str]:
        """What tells it apart."""
        return self.file, self.code, self.fault

    def tree(self) -> ast.Module:
        """Return the file with the fault in it."""
        tree = _parsed(self.file)
        parent, name, place, _, wrong = list(_wrongs(tree))[self.number]
        _put(parent, name, place, wrong)
        return ast.fix_missing_locations(tree)


def _parsed(file: str) -> ast.Module:
    return ast.parse((ROOT / "nbanalytics" / file).read_text(encoding="utf-8"))


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
            yield copy.copy(operand)
        case ast.Constant(value=bool(value)):
            yield ast.Constant(not value)
        case ast.Constant(value=int(value) | float(value)):
            yield ast.Constant(value + 1)
        case ast.IfExp(test=ast.Name() | ast.Attribute() | ast.Call() | ast.BoolOp() as test, body=body, orelse=orelse):
            yield ast.IfExp(ast.UnaryOp(ast.Not(), test), body, orelse)
        # Comparisons and `not` are turned round by themselves.
        case ast.If(test=ast.Name() | ast.Attribute() | ast.Call() | ast.BoolOp() as test, body=body, orelse=orelse):
            yield ast.If(ast.UnaryOp(ast.Not(), test), body, orelse)


def _wrongs(tree: ast.AST) -> Iterator[tuple[ast.AST, str, int | None, ast.AST, ast.AST]]:
    """Every node that can be wrong, where it stands, and what it is then."""
    for child, name, place in _children(tree):
        for wrong in _faulty(child):
            yield tree, name, place, child, ast.copy_location(wrong, child)
        yield from _wrongs(child)


def _put(parent: ast.AST, name: str, place: int | None, node: ast.AST) -> None:
    if place is None:
        setattr(parent, name, node)
    else:
        getattr(parent, name)[place] = node


@cache
def faults_in(file: str) -> list[Fault]:
    """Every fault that is tried in a file of the package."""
    lines = (ROOT / "nbanalytics" / file).read_text(encoding="utf-8").splitlines()
    found = []
    for number, (_, _, _, node, wrong) in enumerate(_wrongs(_parsed(file))):
        line = lines[node.lineno - 1]
        if isinstance(node, ast.If):
            node, wrong = node.test, wrong.test
        after = ast.unparse(wrong)
        if node.lineno == node.end_lineno and line.isascii():
            code, fault = line.strip(), f"{line[: node.col_offset]}{after}{line[node.end_col_offset :]}".strip()
        else:
            code, fault = ast.unparse(node), after
        found.append(Fault(file, node.lineno, number, code, fault))
    return found


def files_of(module: str) -> list[str]:
    """Files of a module, from the package's folder."""
    base = ROOT / "nbanalytics"
    found = [str(path.relative_to(base)) for pattern in MODULES[module][0] for path in sorted(base.glob(pattern))]
    if len(found) < len(MODULES[module][0]):
        raise SystemExit(f"A file of {module} is not in nbanalytics: correct MODULES in {Path(__file__).name}.")
    return found


@cache
def equivalent() -> dict[tuple[str, str, str], str]:
    """Faults without effect: ``{(file, code, fault): why}``."""
    listed = tomllib.loads(EQUIVALENT.read_text(encoding="utf-8"))["because"]
    return {(group["file"], *one): group["why"] for group in listed for one in group["faults"]}


def faults(module: str) -> list[Fault]:
    """Every fault that is tried in a module, without those that have no effect."""
    found = [fault for file in files_of(module) for fault in faults_in(file)]
    return [fault for fault in found if fault.key not in equivalent()]


# ---------------------------------------------------------------- one fault in a process


def _function_at(tree: ast.Module, line: int) -> tuple[int, int] | None:
    """First and last line of the outermost function or method around a line; None outside of their bodies."""
    for node in tree.body:
        inner = node.body if isinstance(node, ast.ClassDef) else [node]
        for one in inner:
            if isinstance(one, ast.FunctionDef) and one.body[0].lineno <= line <= (one.end_lineno or line):
                return min([one.lineno, *(d.lineno for d in one.decorator_list)]), one.end_lineno or line
    return None


def _plain(value: Any) -> Any:
    """The function inside a property, a cached or static method, or what remembers its results."""
    for name in ("func", "fget", "__func__", "__wrapped__"):
        while isinstance(getattr(value, name, None), types.FunctionType):
            value = getattr(value, name)
    return value


def _adopt(old: dict[str, Any], new: dict[str, Any], file: str) -> None:
    """Let what is loaded be as the new one is: functions in place, constants wherever they were imported."""
    for name, value in new.items():
        before, after = _plain(old.get(name)), _plain(value)
        if isinstance(after, type) and after.__module__ == new.get("__name__"):
            _adopt(dict(vars(before)), {**vars(after), "__name__": after.__module__}, file)
            for key, one in vars(after).items():
                if _simple(one) and vars(before).get(key) != one:
                    setattr(before, key, one)
        elif isinstance(after, types.FunctionType) and after.__code__.co_filename in (file, "<string>"):
            before.__code__, before.__defaults__ = after.__code__, after.__defaults__
            before.__kwdefaults__ = after.__kwdefaults__
        elif _simple(value) and repr(old.get(name)) != repr(value) and not name.startswith("__"):
            for module in list(sys.modules.values()):
                space = getattr(module, "__dict__", {})
                if space.get(name) is old[name]:
                    space[name] = value


def _simple(value: Any) -> bool:
    if isinstance(value, (tuple, list, set, frozenset)):
        return all(map(_simple, value))
    if isinstance(value, dict):
        return all(map(_simple, [*value, *value.values()]))
    return isinstance(value, (int, float, str, type(None)))


def put(fault: Fault) -> None:
    """Put a fault into the module that is loaded."""
    path = str(ROOT / "nbanalytics" / fault.file)
    module = next(one for one in list(sys.modules.values()) if getattr(one, "__file__", None) == path)
    space = {"__name__": module.__name__, "__file__": path, "__package__": module.__package__}
    exec(compile(fault.tree(), path, "exec"), space)
    _adopt(vars(module), space, path)


class _Faulty(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Import one file of the package with a fault in it."""

    def __init__(self, fault: Fault) -> None:
        self.fault = fault
        self.name = ".".join(["nbanalytics", *Path(fault.file).with_suffix("").parts]).removesuffix(".__init__")

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> Any:
        if name != self.name:
            return None
        place = ROOT / "nbanalytics" / self.fault.file
        return importlib.util.spec_from_file_location(name, place, loader=self)

    def exec_module(self, module: types.ModuleType) -> None:
        exec(compile(self.fault.tree(), str(module.__file__), "exec"), vars(module))


# ---------------------------------------------------------------- tests of one module


@dataclass
class Tried:
    """A plugin of pytest: run the tests of a module once for each fault, in a child of its own."""

    chosen: list[Fault]
    jobs: int
    ended: dict[Fault, int] = field(default_factory=dict)
    killers: list[int] = field(default_factory=list)

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        """Try each fault."""
        with tempfile.NamedTemporaryFile() as file:
            status = os.waitpid(_fork(lambda: self._first(session, file.name), 3600), 0)[1]
            if status:
                raise pytest.UsageError("the tests fail without a fault")
            took, called = pickle.loads(Path(file.name).read_bytes())
        total = sum(took)
        running: dict[int, tuple[Fault, str]] = {}
        for fault in [*self.chosen, *[None] * self.jobs]:
            if fault is None or len(running) == self.jobs:
                self._wait(running)
            if fault is not None:
                order = self._order(fault, took, called)
                note = tempfile.mkstemp()[1]
                work = partial(self._one, session, fault, order, note)
                running[_fork(work, 30 + 10 * total)] = fault, note
        return True

    def _wait(self, running: dict[int, tuple[Fault, str]]) -> None:
        if not running:
            return
        child, status = os.wait()
        fault, note = running.pop(child)
        killer = Path(note).read_text()
        Path(note).unlink()
        if killer:
            self.killers = [int(killer), *(one for one in self.killers if one != int(killer))]
        self.ended[fault] = os.waitstatus_to_exitcode(status)

    def _order(self, fault: Fault, took: list[float], called: list[set[tuple[str, int]]]) -> list[int]:
        """Tests that call the function: those that noticed something last, and then the quickest."""
        place = _function_at(_parsed(fault.file), fault.line)
        tests = range(len(took))
        if place:
            path = str(ROOT / "nbanalytics" / fault.file)
            tests = [n for n in tests if any(f == path and place[0] <= line <= place[1] for f, line in called[n])]
        rank = {number: at for at, number in enumerate(self.killers[:5])}
        return sorted(tests, key=lambda n: (rank.get(n, 9) if took[n] < 1 else 9, took[n]))

    def _first(self, session: pytest.Session, file: str) -> int:
        took, called = [], []
        base = str(ROOT / "nbanalytics")
        for item, following in zip(session.items, [*session.items[1:], None], strict=True):
            seen: set[tuple[str, int]] = set()

            def note(frame: types.FrameType, event: str, _: Any, seen: set[tuple[str, int]] = seen) -> None:
                if frame.f_code.co_filename.startswith(base):
                    seen.add((frame.f_code.co_filename, frame.f_code.co_firstlineno))

            sys.settrace(note)
            threading.settrace(note)
            begun = time.process_time()
            item.config.hook.pytest_runtest_protocol(item=item, nextitem=following)
            sys.settrace(None)
            took.append(time.process_time() - begun)
            called.append(seen)
        Path(file).write_bytes(pickle.dumps((took, called)))
        return min(session.testsfailed, 1)

    def _one(self, session: pytest.Session, fault: Fault, order: list[int], note: str) -> int:
        try:
            put(fault)
        except Exception:
            return ELSEWHERE
        chosen = [session.items[number] for number in order]
        for number, item, following in zip(order, chosen, [*chosen[1:], None], strict=False):
            item.config.hook.pytest_runtest_protocol(item=item, nextitem=following)
            if session.testsfailed:
                Path(note).write_text(str(number))
                return NOTICED
        inside = _function_at(_parsed(fault.file), fault.line)
        return UNNOTICED if inside else ELSEWHERE


def _fork(work: Any, seconds: float) -> int:
    """Run something in a child, which ends with what it returns, or by an alarm if it takes too long."""
    child = os.fork()
    if child:
        return child
    code = 3
    try:
        signal.alarm(int(seconds))
        code = work()
    except BaseException as fault:
        print(repr(fault), file=sys.stderr)
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def tests_of(module: str, log: Path, plugins: list[Any], *more: str) -> int:
    """Run a module's tests in this process, which was made for it."""
    quiet = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(quiet, 1)
    os.dup2(quiet, 2)
    os.chdir(ROOT)
    sys.path[:0] = [str(ROOT), str(ROOT / "tests"), str(ROOT / "tests" / "spec")]
    sys.dont_write_bytecode = True
    os.environ["NBANALYTICS_SHRINK"] = "no"
    paths = [f"nbanalytics/{file}" for file in files_of(module)] + [f"tests/{name}" for name in MODULES[module][1]]
    options = ["-q", "-m", "not slow", "-p", "no:cacheprovider", "-p", "no:xdist", "--hypothesis-seed=1", "--tb=line"]
    return int(pytest.main([*options, *more, *paths], plugins=plugins))


def score(module: str, chosen: list[Fault], jobs: int, folder: Path) -> list[Fault]:
    """Return the faults that nobody noticed."""
    log, answer = folder / "tests.log", folder / "answer"

    def many() -> int:
        tried = Tried(chosen, jobs)
        code = tests_of(module, log, [tried])
        answer.write_bytes(pickle.dumps(tried.ended))
        return code

    def alone(fault: Fault) -> int:
        sys.meta_path.insert(0, _Faulty(fault))
        return min(tests_of(module, log, [], "-x"), 1)

    os.waitpid(_fork(many, 36000), 0)
    ended = pickle.loads(answer.read_bytes()) if answer.exists() else {}
    if len(ended) < len(chosen):
        raise SystemExit(f"The tests of {module} do not run without a fault: {log.read_text()[-2000:]}")
    for fault, code in ended.items():
        if code == ELSEWHERE:
            status = os.waitpid(_fork(partial(alone, fault), 900), 0)[1]
            ended[fault] = os.waitstatus_to_exitcode(status)
    return [fault for fault in chosen if ended[fault] == UNNOTICED]


def main() -> None:
    """Try the faults that are asked for; exit status 1 if fewer than the wanted share was noticed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sample", type=int, default=0, help="faults drawn for each module (all)")
    parser.add_argument("--seed", type=int, default=1, help="seed of the draw")
    parser.add_argument("--only", nargs="*", choices=MODULES, default=list(MODULES), help="modules")
    parser.add_argument("--jobs", type=int, default=1, help="processes")
    parser.add_argument(
        "--left", type=Path, help="a file that keeps what was not noticed; if it exists, only that is tried"
    )
    parser.add_argument("--least", type=float, default=0.0, help="share that must be noticed")
    asked = parser.parse_args()
    os.nice(15 - os.nice(0))
    for name in ("pandas", "scipy.stats", "polars", "duckdb", "narwhals", "pyarrow"):
        importlib.import_module(name)

    again = {tuple(one) for one in json.loads(asked.left.read_text())} if asked.left and asked.left.exists() else None
    unnoticed, worst = [], 1.0
    with tempfile.TemporaryDirectory() as base:
        for module in asked.only:
            chosen = [one for one in faults(module) if again is None or one.key in again]
            if not chosen:
                continue
            if 0 < asked.sample < len(chosen):
                chosen = random.Random(f"{asked.seed} {module}").sample(chosen, asked.sample)
            begun = time.monotonic()
            left = score(module, chosen, asked.jobs, Path(base))
            share = 1 - len(left) / len(chosen)
            worst = min(worst, share)
            unnoticed += [fault.key for fault in left]
            took = time.monotonic() - begun
            print(
                f"{module}: {len(chosen) - len(left)} of {len(chosen)} noticed ({share:.0%}, {took:.0f} s)", flush=True
            )
            for fault in left:
                print(f"    {fault.file}:{fault.line}: {fault.code}\n        {fault.fault}", flush=True)
    if asked.left:
        asked.left.write_text(json.dumps(unnoticed))
    if worst < asked.least:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
