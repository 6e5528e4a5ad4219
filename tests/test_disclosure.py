"""Policy, primary suppression, and the simple engine against an exact attack."""

from fractions import Fraction
from importlib.resources import files

import numpy as np
import pytest
from examples import examples
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nbanalytics.disclosure import (
    Equation,
    Line,
    Policy,
    SystemBuilder,
    exposed,
    parse_policy,
    primary,
    protect,
    read_policy,
)
from nbanalytics.errors import DisclosureError


def with_totals(array):
    """Put the total in front along every axis."""
    for axis in range(array.ndim):
        array = np.concatenate([array.sum(axis=axis, keepdims=True), array], axis=axis)
    return array


def system_of(array, policy=None):
    """Make a system of a table whose last axis is an outcome and whose others are filters."""
    counts = with_totals(np.asarray(array))
    full = counts.reshape((1,) * (5 - counts.ndim) + counts.shape)
    hidden, guarded = primary(full, [full[..., :1]], [Line(full[..., :1])], policy or Policy())
    builder = SystemBuilder()
    everywhere = np.ones(counts.shape, dtype=bool)
    ids = builder.add_cells(counts, everywhere, hidden.reshape(counts.shape), guarded.reshape(counts.shape))
    for axis in range(counts.ndim):
        builder.add_margins(ids, axis)
    return builder.build()


def determined_exactly(system, hidden):
    """Hidden cells with one solution only: Gaussian elimination in fractions, written apart from the package."""
    columns = np.flatnonzero(hidden | system.virtual)
    place = {int(cell): number for number, cell in enumerate(columns)}
    rows = []
    for equation in system.equations:
        row = [Fraction(0)] * len(columns)
        for cell, sign in [(equation.total, 1), *((part, -1) for part in equation.parts)]:
            if cell in place:
                row[place[cell]] += sign
        if any(row):
            rows.append(row)
    pivots = []
    for column in range(len(columns)):
        found = next((number for number in range(len(pivots), len(rows)) if rows[number][column]), None)
        if found is None:
            continue
        top = len(pivots)
        rows[top], rows[found] = rows[found], rows[top]
        scale = rows[top][column]
        rows[top] = [value / scale for value in rows[top]]
        for number in range(len(rows)):
            if number != top and rows[number][column]:
                factor = rows[number][column]
                rows[number] = [a - factor * b for a, b in zip(rows[number], rows[top], strict=True)]
        pivots.append(column)
    alone = {column for number, column in enumerate(pivots) if sum(map(bool, rows[number])) == 1}
    return {int(columns[column]) for column in alone}


def hidden_in(equation, hidden):
    return [cell for cell in (equation.total, *equation.parts) if hidden[cell]]


def test_the_rules_hold_at_their_borders():
    """Every count, group, total and kind of outcome around the thresholds, by the rules as they are written."""
    policy = Policy()
    cases = [
        (count, group, total, bad)
        for group in range(policy.min_group + 2)
        for total in range(2 * policy.min_cell + 2)
        for count in range(total + 1)
        for bad in (False, True)
    ]
    count, group, total, bad = (np.array(column).reshape(1, 1, 1, 1, -1) for column in zip(*cases, strict=True))
    hidden, guarded = primary(count, [group], [Line(total, unfavourable=bad.astype(bool))], policy)
    expected = [
        1 <= group < policy.min_group
        or 1 <= count < policy.min_cell
        or 1 <= total - count < policy.min_cell
        or (bad and total > 0 and count == total)
        for count, group, total, bad in cases
    ]
    assert hidden.ravel().tolist() == expected
    assert guarded.ravel().tolist() == [here and count > 0 for here, (count, *_) in zip(expected, cases, strict=True)]


# ------------------------------------------------------------------ policy


def test_default_policy_is_the_file_beside_it(tmp_path):
    path = tmp_path / "policy.toml"
    path.write_text(files("nbanalytics.disclosure").joinpath("policy.toml").read_text(encoding="utf-8"), "utf-8")
    assert read_policy(path) == Policy()
    assert Policy().as_dict()["min_group"] == 10


def test_policy_may_be_stricter():
    policy = parse_policy(
        {"min_group": 15, "unfavourable": {"state": ["not_eligible", "introductory", "none", "moved"]}}
    )
    assert (policy.min_group, policy.min_cell) == (15, 5)
    assert "moved" in policy.unfavourable["state"]
    assert policy.unfavourable["group"] == ("3", "4", "6")


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ({"min_group": 9}, "weaker than the floor of 10"),
        ({"min_cell": 4}, "weaker than the floor of 5"),
        ({"min_cell": "5"}, "must be a whole number"),
        ({"min_grupp": 12}, "Did you mean 'min_group'"),
        ({"unfavourable": {"grupp": ["1"]}}, "Did you mean 'group'"),
        ({"unfavourable": {"group": ["3", "6"]}}, "leaves out 4"),
    ],
)
def test_policy_refuses(data, words):
    with pytest.raises(DisclosureError, match=words):
        parse_policy(data)


@pytest.mark.parametrize("value", [True, 12.5])
def test_a_threshold_is_a_whole_number(value):
    with pytest.raises(DisclosureError, match="must be a whole number"):
        Policy(min_group=value)


def test_policy_file_that_cannot_be_read(tmp_path):
    with pytest.raises(DisclosureError, match="Check the path"):
        read_policy(tmp_path / "none.toml")
    (tmp_path / "bad.toml").write_text("min_group =", "utf-8")
    with pytest.raises(DisclosureError, match="is not TOML"):
        read_policy(tmp_path / "bad.toml")


# ------------------------------------------------------------------ primary


def outcomes(row, bad=None):
    counts = np.array([sum(row), *row]).reshape(1, 1, 1, 1, -1)
    total = counts[..., :1]
    unfavourable = None if bad is None else np.array([False, *bad])
    hidden, guarded = primary(counts, [total], [Line(total, 4, unfavourable)], Policy())
    return hidden.ravel().tolist(), guarded.ravel().tolist()


def test_small_group_hides_everything_zeros_too():
    hidden, guarded = outcomes([9, 0])
    assert hidden == [True, True, True]
    assert guarded == [True, True, False]


def test_group_of_ten_is_shown():
    assert outcomes([5, 5])[0] == [False, False, False]


def test_small_outcome_and_its_complement():
    assert outcomes([20, 4])[0] == [False, True, True]
    assert outcomes([20, 4, 9])[0] == [False, False, True, False]


def test_zero_is_shown():
    assert outcomes([20, 0, 9])[0] == [False, False, False, False]
    assert outcomes([20, 0], bad=[False, True])[0] == [False, False, False]


def test_group_that_shares_an_unfavourable_outcome():
    hidden, guarded = outcomes([0, 12], bad=[False, True])
    assert hidden == [True, True, True] or hidden == [False, True, True]
    hidden, guarded = outcomes([0, 6, 8], bad=[False, True, True])
    assert hidden[1:] == [True, True, True]
    assert guarded[2:] == [True, True]


def test_where_all_share_an_unfavourable_outcome_the_zero_of_the_commonest_favourable_one_is_guarded():
    """All twelve of the second school are in the last outcome. Of the other two the second is the commoner one."""
    counts = np.array([[52, 15, 20, 17], [40, 15, 20, 5], [12, 0, 0, 12]]).reshape(3, 1, 1, 1, 4)
    total = counts[..., :1]
    hidden, guarded = primary(counts, [total], [Line(total, 4, np.array([False, False, False, True]))], Policy())
    assert hidden.reshape(3, 4).tolist() == [[False] * 4, [False] * 4, [True] * 4]
    assert guarded.reshape(3, 4).tolist() == [[False] * 4, [False] * 4, [True, False, True, True]]


def test_the_zero_of_a_favourable_outcome_is_guarded_where_nobody_has_one_or_the_group_is_one_student():
    assert outcomes([0, 0, 12], bad=[False, False, True])[1] == [True, True, False, True]
    assert outcomes([0, 1], bad=[False, True])[1] == [True, True, True]
    assert outcomes([0, 1], bad=None)[1] == [True, False, True]


def test_nobody_at_all_is_shown():
    assert outcomes([0, 0], bad=[False, True])[0] == [False, False, False]


# ------------------------------------------------------------------ the engine


def test_equations_are_spelled_out():
    assert Equation(0, (1, 2)) in system_of([12, 20]).equations


def test_a_hidden_cell_gets_company():
    system = system_of([[12, 3, 30], [15, 25, 30]])
    result = protect(system)
    assert result.hidden.sum() >= 4
    assert not determined_exactly(system, result.hidden)


def test_tables_that_do_not_add_up_are_refused():
    builder = SystemBuilder()
    ids = builder.add_cells(np.array([11, 5, 5]), np.ones(3, dtype=bool))
    builder.add_margins(ids, 0)
    with pytest.raises(DisclosureError, match="do not add up"):
        builder.build()


def test_nothing_hidden_if_nothing_is_small():
    result = protect(system_of([[12, 13], [15, 25]]))
    assert not result.hidden.any()
    assert result.witnesses.shape == (0, 9)


def test_progress_is_told():
    told = []
    protect(system_of([[12, 3], [15, 25]]), told.append)
    assert told[-1].startswith("part 1 of 1: ")


def test_primary_alone_protects_little():
    rng = np.random.default_rng(3)
    system = system_of(rng.multinomial(300, rng.dirichlet(np.ones(24))).reshape(3, 2, 4))
    assert exposed(system, system.primary).sum() > 0.5 * system.guarded.sum()


tables = st.builds(
    lambda shape, seed, skew: np.random.default_rng(seed).poisson(
        np.random.default_rng(seed + 1).gamma(skew, 12 / skew, shape)
    ),
    st.sampled_from([(3,), (2, 3), (3, 4), (3, 2, 3), (2, 2, 2, 2), (4, 3, 2)]),
    st.integers(0, 10**6),
    st.sampled_from([0.3, 1.0, 3.0]),
)


@settings(max_examples=examples(60), deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(tables)
def test_exact_attack_recovers_no_guarded_cell(array):
    system = system_of(array)
    result = protect(system)
    assert (result.hidden >= system.primary).all()
    found = determined_exactly(system, result.hidden)
    assert not [cell for cell in found if system.guarded[cell]]
    assert not exposed(system, result.hidden).any()
    for equation in system.equations:
        alone = hidden_in(equation, result.hidden)
        assert len(alone) != 1 or not system.guarded[alone[0]]


@settings(max_examples=examples(25), deadline=None)
@given(tables)
def test_exposed_finds_what_elimination_finds(array):
    system = system_of(array)
    found = {cell for cell in determined_exactly(system, system.primary) if system.guarded[cell]}
    # Exposed knows more: counts are not negative, so sums that leave nothing over tell zeros.
    assert found <= set(np.flatnonzero(exposed(system, system.primary)).tolist())
