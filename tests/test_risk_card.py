"""Model cards: the same numbers as the validation and the audit, and what the model must not be used for."""

import re

import pytest
from made_risk import logit, made_data

from nbanalytics.errors import DataError
from nbanalytics.risk import audit, model_card, validate
from nbanalytics.risk.evaluation.card import NOT_FOR


@pytest.fixture(scope="module")
def data():
    return made_data(cohorts=range(2016, 2022))


@pytest.fixture(scope="module")
def found(data):
    return validate(data, {"logit": logit("points", "absence")})


@pytest.fixture(scope="module")
def checked(found, data):
    return audit(found, data, by=["sex", "newly_arrived"], crossed=False, thresholds=[0.2])


def test_the_measures_are_those_of_the_comparison(found, data):
    card = model_card(found, data, "logit")
    words = card.table[card.table["section"] == "measures"].set_index("item")["words"]
    compared = found.compare().set_index("measure")
    for measure in ("auc", "brier", "calibration_slope"):
        row = compared.loc[measure]
        assert words[measure] == f"{row['value']:.3g} ({row['low']:.3g} to {row['high']:.3g})"
    assert words["precision at 10% places"].startswith(f"{compared.loc['precision', 'value']:.3g}")


def test_every_section_is_there_and_what_it_must_not_be_used_for(found, data, checked):
    card = model_card(found, data, "logit", checked)
    headings = re.findall(r"^## (.*)$", card.markdown, re.MULTILINE)
    assert headings == ["Model", "Data", "Measures", "Audit", "Intended use", "Must not be used for"]
    assert all(f"- {words}" in card.markdown for words in NOT_FOR)
    assert "three" not in card.markdown
    assert "from 6VT to 9VT, 3 whole years" in card.markdown
    assert f"{len(data)}, of whom {int(data.y.sum())} with the outcome" in card.markdown


def test_refused_groups_are_told_and_have_no_numbers(found, data, checked):
    card = model_card(found, data, "logit", checked)
    words = card.table[card.table["section"] == "audit"].set_index("item")["words"]
    refused = checked.refused["group"].tolist()
    for group in refused:
        assert words[f"newly_arrived {group}"].startswith("refused")
    tpr = checked.table.query("group == 'girl' and measure == 'tpr'").iloc[0]
    assert f"tpr {tpr['value']:.3g}" in words["sex girl"]


def test_a_card_without_an_audit_says_so(found, data):
    assert "not audited" in model_card(found, data, "logit").markdown


def test_a_card_is_written_and_shown(found, data, tmp_path):
    card = model_card(found, data, "logit")
    file = card.write(tmp_path / "cards" / "logit.md")
    assert file.read_text(encoding="utf-8") == card.markdown
    assert "<h4>Must not be used for</h4>" in card._repr_html_()
    assert not any(name in card.markdown for name in data.table["student_id"].head(50))


def test_a_model_that_was_not_validated_is_told(found, data):
    with pytest.raises(DataError, match="trees was not validated at 6VT"):
        model_card(found, data, "trees")
