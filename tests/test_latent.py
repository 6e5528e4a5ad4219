"""True changes and noise apart: a planted chain, its likelihood by brute force, and no noise at all."""

from itertools import product

import numpy as np
import pytest
from made import ENGINES, in_engine, municipality, records_of, same

import nbanalytics as nb
from nbanalytics.analysis.droppoints.latent import Chain, _emission, _first_values, _round, fit_chain
from nbanalytics.errors import DataError

LOSS, BACK = (0.02, 0.09, 0.03, 0.03, 0.02), (0.1, 0.1, 0.15, 0.2, 0.2)


def chain_of(students, errors, holes=0.0, seed=1):
    """Draw true states (0 eligible) by LOSS and BACK, and what is seen of them; 2 is a hole."""
    rng = np.random.default_rng(seed)
    states = [(rng.random(students) < 0.2).astype(int)]
    for lost, back in zip(LOSS, BACK, strict=True):
        away = np.where(states[-1] == 0, lost, 1 - back)
        states.append((rng.random(students) < away).astype(int))
    true = np.stack(states, axis=1)
    wrong = rng.random(true.shape) < np.where(true == 0, *errors)
    seen = np.where(rng.random(true.shape) < holes, 2, np.where(wrong, 1 - true, true))
    courses, numbers = np.unique(seen, axis=0, return_counts=True)
    return courses, numbers[None].astype(float)


def fitted(courses, weights, kind="equal", start=0.05):
    return fit_chain(courses, weights, _first_values(courses, weights[0], (start, start)), kind)


@pytest.mark.parametrize(("errors", "kind"), [((0.03, 0.03), "equal"), ((0.02, 0.08), "apart")])
def test_a_planted_chain_comes_back(errors, kind):
    """What is seen says twice the chances that are planted: by errors of 3 % in each of two terms."""
    courses, weights = chain_of(20_000, errors, holes=0.05)
    found, _ = fitted(courses, weights, kind)
    assert found.seen[0, [0, 1], [1, 0]] == pytest.approx(errors, abs=0.012)
    assert found.steps[0, :, 0, 1] == pytest.approx(LOSS, abs=0.01)
    assert found.steps[0, :, 1, 0] == pytest.approx(BACK, abs=0.04)
    observed = _first_values(courses, weights[0], errors).steps[0, :, 0, 1]
    assert (observed > np.array(LOSS) + 0.02).all()


def test_without_misclassification_the_chances_are_those_seen():
    courses, weights = chain_of(20_000, (0.0, 0.0))
    found, _ = fitted(courses, weights)
    seen = _first_values(courses, weights[0], (0.0, 0.0))
    assert found.seen[0, 0, 1] < 0.003
    assert found.steps == pytest.approx(seen.steps, abs=0.004)
    exact, _ = fit_chain(courses, weights, seen)
    counts = [[((courses[:, t] == 0) & keep) @ weights[0] for keep in (True, courses[:, t + 1] == 1)] for t in range(5)]
    assert exact.steps[0, :, 0, 1] == pytest.approx([lost / of for of, lost in counts])


def test_the_likelihood_is_that_of_all_paths_and_rises():
    courses, weights = chain_of(60, (0.05, 0.05), holes=0.1)
    chain = Chain(np.array([[0.8, 0.2]]), np.tile([[0.95, 0.05], [0.1, 0.9]], (1, 5, 1, 1)), _emission(0.04, 0.07))
    by_hand = 0.0
    for course, number in zip(courses, weights[0], strict=True):
        paths = (
            chain.start[0, path[0]]
            * np.prod([chain.steps[0, t, path[t], path[t + 1]] for t in range(5)])
            * np.prod([chain.seen[0, state, seen] for state, seen in zip(path, course, strict=True)])
            for path in product((0, 1), repeat=6)
        )
        by_hand += number * np.log(sum(paths))
    following, likelihood = _round(courses, weights, chain, "apart")
    assert likelihood[0] == pytest.approx(by_hand)
    for _ in range(5):
        before = likelihood
        following, likelihood = _round(courses, weights, following, "apart")
        assert likelihood[0] >= before[0] - 1e-9


PASSED, FAILED = "EEEEEEEE", "EEFEEEEE"


def test_a_loss_of_one_term_counts_as_noise_and_a_lasting_one_as_real():
    terms = ("6VT", "7HT", "7VT", "8HT", "8VT", "9HT", "9VT")
    lasting = {f"L{n}": {t: PASSED if t == "6VT" else FAILED for t in terms} for n in range(20)}
    short = {f"S{n}": {t: FAILED if t == terms[1 + n % 5] else PASSED for t in terms} for n in range(20)}
    stay = {f"P{n}": dict.fromkeys(terms, PASSED) for n in range(160)}
    found = nb.latent_transitions(records_of({**lasting, **short, **stay}), estimand="these_schools")
    first = found.table.query("way == 'lost' and to == '7HT'").iloc[0]
    assert (first["changed"], first["observed"]) == (24, 24 / 200)
    later = found.table.query("way == 'lost' and t > 2")
    assert 20 <= first["real"] < 22.5
    assert (later["changed"].sum(), later["real"].sum()) == (16, pytest.approx(0, abs=2))
    assert first["low"] < 0.1 < first["high"]
    measures = found.measures.set_index("measure")
    assert measures.loc["error_eligible", "value"] == pytest.approx(20 / (200 * 7), rel=0.2)
    assert measures.loc["real", "value"] == pytest.approx(20 / 40, abs=0.08)
    assert measures.loc["ratio", "status"] == "boundary"
    assert found.settings["same_end"] == found.settings["starts"]
    assert "% of losses seen are real by this model" in repr(found)


def test_no_noise_at_all_is_a_boundary_without_interval():
    terms = ("6VT", "7HT", "7VT", "8HT")
    lost = {f"L{n}": {t: FAILED if terms.index(t) > n % 3 else PASSED for t in terms} for n in range(30)}
    found = nb.latent_transitions(records_of({**lost, **{f"P{n}": dict.fromkeys(terms, PASSED) for n in range(60)}}))
    assert found.measures.set_index("measure").loc["error_eligible", "status"] == "boundary"
    rows = found.table.query("way == 'lost' and changed > 0")
    assert rows["probability"].to_numpy() == pytest.approx(rows["observed"].to_numpy(), abs=1e-3)
    assert rows["real"].to_numpy() == pytest.approx(rows["changed"].to_numpy(), abs=0.05)


@pytest.mark.parametrize("engine", ENGINES)
def test_any_engine_gives_the_same(engine):
    records = municipality(students=60)
    expected = nb.latent_transitions(records)
    found = nb.latent_transitions(in_engine(records, engine))
    same(found.table, expected.table)
    same(found.measures, expected.measures)


def test_what_cannot_be_told_apart_is_refused_in_words():
    with pytest.raises(DataError, match="Choose among: equal, apart"):
        nb.latent_transitions(municipality(), errors="both")
    with pytest.raises(DataError, match="50 are needed to tell change from noise"):
        nb.latent_transitions(records_of({"P": {"6VT": PASSED, "7HT": PASSED}}), estimand="these_schools")
