"""Records without an optional column or table: every command and analysis copes, or says in words what is missing."""

import inspect
import traceback
from dataclasses import replace
from functools import cache, partial

import numpy as np
import pytest

import nbanalytics as nb
from nbanalytics.disclosure import Policy
from nbanalytics.errors import NbanalyticsError
from nbanalytics.pages.explorer import Explorer
from nbanalytics.pages.staff_board import StaffBoard
from nbanalytics.release.declared import standard
from nbanalytics.release.persons import persons_of
from nbanalytics.release.tables import count_tables
from nbanalytics.schema import TABLES
from nbanalytics.simulation import simulate

OPTIONAL_TABLES = [name for name, table in TABLES.items() if not table.required]
OPTIONAL_COLUMNS = [
    f"{name}.{column.name}" for name, table in TABLES.items() for column in table.columns if not column.required
]
#: One that has gone wrong, and all at once; `make test-slow` goes through the others.
TELLING = ("absence.invalid", "everything")
EVERY = [
    pytest.param(what, marks=() if what in TELLING else pytest.mark.slow)
    for what in (*OPTIONAL_TABLES, *OPTIONAL_COLUMNS, "everything")
]


@cache
def town():
    return simulate(seed=4, cohorts=[2021, 2022], students_per_cohort=60).records


@cache
def without(what):
    """The town without a table, a column, or everything optional."""
    if what == "everything":
        required = [column.name for column in TABLES["students"].columns if column.required]
        return replace(town(), students=town().students[required], **dict.fromkeys(OPTIONAL_TABLES))
    table, _, column = what.partition(".")
    kept = getattr(town(), table).drop(columns=column) if column else None
    return replace(town(), **{table: kept})


def found(records):
    return nb.indicators(records, ["6VT", "7HT"])


#: What a function takes besides records; those that are not here take records only.
FURTHER = {
    "baseline": lambda records: ("9VT",),
    "follow_up": lambda records: ("6VT", "9VT"),
    "follow_up_cohorts": lambda records: ("9VT", 2021, 2022),
    "individual_baseline": lambda records: ("9VT",),
    **{name: lambda records: ("6VT",) for name in (
        "screening_and_loss", "screening_groups", "screening_profile", "screening_reliability", "features",
        "periods_at_risk",
    )},
    "expected_by_chance": lambda records: (nb.classify(records),),
    "subgroups": lambda records: (nb.classify(records),),
    "selection_list": lambda records: (nb.subgroups(records, nb.classify(records)),),
    "absence_around_loss": lambda records: (nb.losses(records),),
    "lost_subjects": lambda records: (nb.losses(records),),
    "coverage": lambda records: (found(records),),
    "time_to_support": lambda records: (found(records),),
    "prevention_levels": lambda records: (found(records), "7HT"),
    "support_outcome": lambda records: ("6VT", "9VT"),
    "compare": lambda records: (nb.national_values(),),
    "outcome": lambda records: ("absence", "6VT"),
    "dataset": lambda records: ("lost", "6VT"),
    "as_of": lambda records: ("7HT",),
    "sensitivity": lambda records: ((0.0,), ("positive",)),
}  # fmt: skip
#: They write, or are among the commands.
ELSEWHERE = {"write_records", "write_workbook", "build_release", "names_of"}


def analyses():
    """Every public function whose first parameter is records."""
    made = {}
    for module in (nb, nb.support, nb.municipality, nb.risk):
        for name in module.__all__:
            function = getattr(module, name)
            if inspect.isfunction(function) and next(iter(inspect.signature(function).parameters), "") == "records":
                made[name] = function
    # A growth model of its own needs more students than this town has.
    prior = np.linspace(0, 20, 200)
    baseline = nb.fit_growth(prior, prior + np.tile([-1.0, 1.0], 100))
    made["growth_percentiles"] = partial(nb.growth_percentiles, baseline=baseline)
    made["what_if"] = partial(nb.what_if, way="lost", times=0.5)
    return {name: function for name, function in made.items() if name not in ELSEWHERE}


PAGES = {
    "explore": lambda records: Explorer(records).view(Explorer(records).start()),
    "staff": lambda records: StaffBoard(records).view(StaffBoard(records).start()),
    "release": lambda records: count_tables(persons_of(records), Policy(), standard()),
}


def fault_of(call):
    """None if the call gives a result or is refused in words; else the fault, with the line that it is from."""
    try:
        call()
    except NbanalyticsError as refusal:
        return None if len(str(refusal).split(". ")) > 1 else f"says not what to do: {refusal}"
    except Exception as error:  # what this test is for
        last = traceback.extract_tb(error.__traceback__)[-1]
        return f"{error!r} ({last.filename.rpartition('/')[2]}:{last.lineno})"
    return None


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("what", EVERY)
def test_every_analysis_and_page_copes_without(what):
    records = without(what)
    calls = {
        name: lambda name=name, function=function: function(records, *FURTHER.get(name, lambda records: ())(records))
        for name, function in analyses().items()
    }
    calls |= {name: lambda made=made: made(records) for name, made in PAGES.items()}
    faults = {name: fault for name, call in calls.items() if (fault := fault_of(call))}
    assert faults == {}


@pytest.mark.filterwarnings("ignore")
def test_with_everything_every_analysis_gives_a_result():
    """Else a call of this file that is always refused would say nothing."""
    lacking = {"kaa_outcomes"}  # nobody of these cohorts is in the activity yet
    calls = {name: (function, FURTHER.get(name, lambda records: ())(town())) for name, function in analyses().items()}
    results = {name: function(town(), *further) for name, (function, further) in calls.items() if name not in lacking}
    assert [name for name, result in results.items() if result is None] == []


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("what", EVERY)
def test_every_command_copes_without(what, run, tmp_path):
    records, release = tmp_path / "records", tmp_path / "release"
    nb.write_records(without(what), records)
    declared = tmp_path / "few.toml"
    declared.write_text("max_crossed = 1\n[tables.baseline]\n[tables.absence]\n[tables.states]\n", encoding="utf-8")
    commands = [
        ("check", records),
        ("cohorts", records),
        ("release", records, "--out", release, "--declare", declared),
        ("export", release, "--out", tmp_path / "site"),
        ("workbook", records, "--out", tmp_path / "book.xlsx"),
        ("handover", records, "--out", tmp_path / "list.xlsx"),
    ]
    faults = {}
    for command in commands:
        status, _, told = run(*command)
        refused = status == 1 and told.strip() and "Traceback" not in told
        if status != 0 and not refused:
            faults[command[0]] = (status, told)
    assert faults == {}
