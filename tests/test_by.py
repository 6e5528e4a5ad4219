"""Dividing by a column: whatever it is called, the numbers are the same, or it is refused in words."""

import inspect
from dataclasses import replace
from functools import cache, partial

import numpy as np
import pandas as pd
import pytest

import nbanalytics as nb
from nbanalytics.errors import DataError
from nbanalytics.risk import audit
from nbanalytics.risk.evaluation.validation import Validation
from nbanalytics.simulation import simulate

#: Names of columns that results have, or that are used while they are counted.
NAMES = (
    *("group", "students", "term", "subject", "known", "signal", "events", "measure", "value", "stage", "state", "t"),
    *("indicator", "kind", "place", "n", "count", "size", "share", "low", "high", "status", "start", "end", "scale"),
    *("signs", "answered", "month", "pairs", "change", "passed", "points", "eligible", "core", "absence", "counted"),
    *("graded", "fold", "y", "p", "model", "at", "duration", "event", "lost_term", "risks", "supported", "lost"),
    *("eligible_9VT", "state_9VT", "9VT", "swedish_course", "at_risk", "step", "index", "_by0", "_later", "cases"),
)
PLAIN = "a_column"


@cache
def town():
    """Two small cohorts of one municipality, with screening and a support register."""
    return simulate(seed=3, cohorts=[2021, 2022], students_per_cohort=60).records


def with_columns(names):
    """Add columns that are all the same, whatever their names."""

    def frame(table):
        groups = np.where(np.arange(len(table)) % 3, "a", "b")
        return table.assign(**{name: groups for name in names if name not in table})

    return frame


@cache
def found():
    return nb.indicators(town(), ["6VT", "7HT"])


@cache
def lost():
    return nb.losses(town())


@cache
def classified():
    return nb.classify(town())


def of_records(function, *further):
    return lambda frame, by: function(replace(town(), students=frame(town().students)), *further, by=by)


def of_losses(function):
    return lambda frame, by: function(replace(lost(), table=frame(lost().table)), by=by)


def trend(frame, by):
    return nb.trend(found(), by=by, students=frame(town().students))


def coverage(frame, by):
    return nb.coverage(replace(town(), students=frame(town().students)), found(), by=by)


def caseload(frame, by):
    return nb.caseload(replace(town(), support=frame(town().support)), by=by[0])


def eligibility_flow(frame, by):
    return nb.eligibility_flow(replace(classified(), table=frame(classified().table)), by=by)


def life_table_by(frame, by):
    return nb.life_table_by(frame(lost().table[["duration", "event"]]), by=by)


def audited(frame, by):
    size = 80
    rows = pd.DataFrame(
        {"student_id": range(size), "cohort": 2021, "school_id": list("ABCDE") * 16, "model": "m", "fold": "2021"}
    ).assign(y=[1, 0, 0, 0] * 20, p=np.linspace(0.1, 0.6, size), at="6VT")
    validation = Validation(rows, pd.DataFrame(), {"models": ("m",), "at": ("6VT",), "outcome": "lost"})
    students = frame(pd.DataFrame({"student_id": range(size)}))
    return audit(validation, students, by, crossed=False, thresholds=[0.3], min_students=10).table


def baseline_from_form(frame, by):
    form = pd.DataFrame({"school": "Ek", "list_number": [str(row) for row in range(30)], "year": 9, "sex": "girl"})
    form = form.assign(newly_arrived=False, SV="E", SVA=None, MA=["E", "F"] * 15, EN="E", passes=8)
    return nb.baseline_from_form(frame(form.assign(reaches_criteria=None, absence=4.0)), by=by)


def growth(frame, by):
    """Compared with other students: a model needs more of them than this town has."""
    prior = np.linspace(0, 20, 200)
    students = frame(town().students)
    baseline = nb.fit_growth(prior, prior + np.tile([-1.0, 1.0], 100))
    return nb.growth_percentiles(replace(town(), students=students), by=by, baseline=baseline)


CALLS = {
    "baseline": of_records(nb.baseline, "9VT"),
    "follow_up": of_records(nb.follow_up, "6VT", "9VT"),
    "follow_up_cohorts": of_records(nb.follow_up_cohorts, "9VT", 2021, 2022),
    "screening_groups": of_records(nb.screening_groups, "6VT"),
    "flows": of_records(nb.flows),
    "share_eligible": lambda frame, by: nb.share_eligible(of_records(nb.flows)(frame, by)),
    "progression": of_records(nb.progression),
    "grade_growth": of_records(partial(nb.grade_growth, min_compared=5)),
    "growth_percentiles": growth,
    "growth_targets": lambda frame, by: nb.growth_targets(growth(frame, by), 10.0, by),
    "funnel": of_records(nb.municipality.funnel),
    "eligibility_flow": eligibility_flow,
    "recovery": of_losses(nb.recovery),
    "transition_contrast": of_records(nb.transition_contrast),
    "transition_probabilities": of_records(nb.transition_probabilities),
    "Losses.life_table": of_losses(lambda losses, by: losses.life_table(by)),
    "state_probabilities": of_records(partial(nb.state_probabilities, min_students=1)),
    "what_if": of_records(partial(nb.what_if, times=1), "lost"),
    "life_table_by": life_table_by,
    "trend": trend,
    "coverage": coverage,
    "caseload": caseload,
    "audit": audited,
    "baseline_from_form": baseline_from_form,
}
#: A form has the columns that it has.
KNOWS_ITS_COLUMNS = {"baseline_from_form"}
#: Columns that the result does not show and that are refused, since they have a meaning where it is made.
AMBIGUOUS = {
    "progression": {"subject", "swedish_course"},
    "share_eligible": {"state"},
    "Losses.life_table": {"events"},
}
#: Columns that make the result what it is; they cannot be replaced by another one of that name.
ITS_DATA = {
    **{key: {"duration", "event", "lost_term"} for key in ("recovery", "Losses.life_table")},
    "life_table_by": {"duration", "event"},
    "eligibility_flow": {"group", "change"},
    "caseload": {"start", "end", "kind"},
    "audit": {"y", "p", "model", "at", "fold"},
}
#: Their ``by`` is a term: "the term by which".
BY_A_TERM = {"outcome", "dataset", "periods_at_risk"}


def public_functions():
    for module in (nb, nb.support, nb.municipality, nb.risk):
        for name in module.__all__:
            made = getattr(module, name)
            if inspect.isfunction(made):
                yield name, made
            elif inspect.isclass(made):
                yield from (
                    (f"{name}.{each}", method)
                    for each, method in inspect.getmembers(made, inspect.isfunction)
                    if not each.startswith("_")
                )


def test_every_public_function_that_divides_is_here():
    dividing = {name for name, made in public_functions() if "by" in inspect.signature(made).parameters}
    assert dividing - BY_A_TERM == set(CALLS) - {"share_eligible", "Losses.life_table"}


def tables_of(result):
    if isinstance(result, pd.DataFrame):
        return [result]
    return [value for value in vars(result).values() if isinstance(value, pd.DataFrame)]


def outcome_of(call, names):
    """The tables, the words of a refusal, or what should never come."""
    try:
        return tables_of(call(with_columns([PLAIN, *names]), list(names)))
    except DataError as refusal:
        return str(refusal)
    except Exception as error:  # what these tests are about
        return error


@pytest.mark.filterwarnings("ignore::nbanalytics.errors.EstimationWarning")
@pytest.mark.parametrize("function", CALLS)
def test_a_column_of_any_name_gives_the_same_numbers_or_is_refused_in_words(function):
    call = CALLS[function]
    expected = outcome_of(call, [PLAIN])
    if function in KNOWS_ITS_COLUMNS:
        assert all(isinstance(outcome_of(call, [name]), str) for name in {PLAIN, *NAMES} - {"absence", "core"})
        return
    own = set() if function == "audit" else {name for table in expected for name in table} - {PLAIN}
    one_by_one = {name: outcome_of(call, [name]) for name in NAMES if name in own | AMBIGUOUS.get(function, set())}
    assert {name: found for name, found in one_by_one.items() if not isinstance(found, str)} == {}
    free = [name for name in NAMES if name not in one_by_one and name not in ITS_DATA.get(function, set())]
    for names in [[name] for name in free] if function == "caseload" else [free]:
        given = outcome_of(call, names)
        assert isinstance(given, list), given
        for one, other in zip(given, expected, strict=True):
            if function == "audit":
                for name in names:
                    rows = one[one["attribute"].isin(["all", name])].replace({"attribute": {name: PLAIN}})
                    pd.testing.assert_frame_equal(rows.reset_index(drop=True), other)
                continue
            alike = one.drop(columns=[name for name in names[1:] if name in one]).rename(columns={names[0]: PLAIN})
            pd.testing.assert_frame_equal(alike, other)
