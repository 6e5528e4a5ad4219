"""A protocol: its hash is beside what is made under it, and what is not as planned is listed."""

import pickle
import subprocess
from dataclasses import replace

import pandas as pd
import pytest
from made import municipality

import nbanalytics as nb
from nbanalytics.errors import DataError
from nbanalytics.protocols import held

TEXT = """decided = 2026-11-29
outcome = "not eligible in 7HT among those eligible in 6VT"
cohorts = [2018, 2019]
rule = "vocational"

[planned.transition_contrast]
step = 2
way = "lost"
min_at_risk = 5

[planned.Losses]
"""


@pytest.fixture
def plan(tmp_path):
    path = tmp_path / "protocol.toml"
    path.write_text(TEXT)
    found = nb.protocol(path)
    yield found
    found.stop()
    assert held() is None


def test_the_hash_is_that_of_the_file(plan, tmp_path):
    said = subprocess.run(["sha256sum", tmp_path / "protocol.toml"], capture_output=True, text=True, check=True)
    assert said.stdout.split()[0] == plan.sha256
    assert plan.sha256.startswith(plan.short)
    (tmp_path / "other.toml").write_text(TEXT.replace("min_at_risk = 5", "min_at_risk = 6"))
    other = nb.protocol(tmp_path / "other.toml")
    assert other.sha256 != plan.sha256
    assert held() is other
    other.stop()


def test_results_made_under_a_protocol_carry_it_and_others_do_not(plan):
    records = municipality()
    made = nb.transition_contrast(records)
    assert f"protocol: {plan.short}" in repr(made)
    assert f"protocol: {plan.short}" in made._repr_html_()
    assert "not as planned" not in repr(made)
    plan.stop()
    assert "protocol" not in repr(nb.transition_contrast(records))
    assert f"protocol: {plan.short}" in repr(made)
    assert f"protocol: {plan.short}" in repr(pickle.loads(pickle.dumps(made)))


def test_what_is_not_as_planned_is_listed(plan):
    records = municipality()
    other = nb.transition_contrast(records, step=3, min_at_risk=2)
    found = plan.deviations(records, other, nb.losses(records), nb.transition_probabilities(records))
    assert found.to_numpy().tolist() == [
        ["TransitionContrast", "step", "2", "3"],
        ["TransitionContrast", "min_at_risk", "5", "2"],
        ["TransitionProbabilities", "(not planned)", "", ""],
    ]
    assert "not as planned: step, min_at_risk" in repr(other)
    assert "not as planned: (not planned)" in repr(nb.transition_probabilities(records))
    assert plan.deviations(records.cohort(2018))[["setting", "planned", "done"]].to_numpy().tolist() == [
        ["cohorts", "(2018, 2019)", "(2018,)"]
    ]
    under = replace(records, declaration=replace(records.declaration, rule="IMV"))
    assert plan.deviations(under)["setting"].tolist() == ["rule"]
    assert "not as planned: rule" in repr(nb.losses(under))


def test_a_figure_says_the_protocol_in_the_picture_and_in_words(plan):
    table = pd.DataFrame({"group": ["5", "6"], "students": [15, 23]})
    chart = nb.figures.groups_bar(table)
    for shown in (chart.svg(), chart.alt, chart.figure().to_json()):
        assert plan.short in shown
    plan.stop()
    plain = nb.figures.groups_bar(table)
    assert "rotocol" not in plain.svg() + plain.alt
    assert chart.drawing["layout"]["height"] > plain.drawing["layout"]["height"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("outcome = 'lost'", "the key 'decided' is missing"),
        ("decided = 2026-11-29\noutcome = 'lost'\ncohort = [2018]", "Did you mean 'cohorts'"),
        ("decided = 2026-11-29\noutcome = 'lost'\ncohorts = ['2018']", "must be a list of whole numbers"),
        ("decided = 2026-11-29\noutcome = 'lost'\n[planned]\nclassify = 1", "must be a table"),
    ],
)
def test_a_faulty_file_is_refused_in_words_and_nothing_begins(tmp_path, text, said):
    (tmp_path / "protocol.toml").write_text(text)
    with pytest.raises(DataError, match=r"protocol\.toml") as refusal:
        nb.protocol(tmp_path / "protocol.toml")
    assert said in str(refusal.value)
    assert held() is None
