"""Controls for notebooks: what is chosen is what an analysis of the same students by the same rule counts."""

from dataclasses import replace

import pytest

import nbanalytics as nb
from nbanalytics.errors import NbanalyticsError


def group_counts(records, rule):
    return nb.classify(records, rule).counts.groupby("group")["students"].sum().tolist()


def test_records_and_rule_follow_every_control(sample):
    choice, seen = nb.controls(sample, cohort=2018), []
    choice.observe(lambda change: seen.append(change["name"]), ["records", "rule"])
    assert group_counts(choice.records, choice.rule)[4:] == [15, 23]  # as Karlskoga published
    for name, value in {"school": "S2", "sex": "boy", "newly_arrived": False}.items():
        choice.parts[name].value = value
    assert seen == ["records"] * 3
    students = sample.students.query("cohort == 2018 and school_id == 'S2' and sex == 'boy' and newly_arrived == False")
    assert set(choice.records.students["student_id"]) == set(students["student_id"])
    assert repr(choice) == f"{len(students)} of 2,658\u00a0students chosen."
    choice.parts["passes"].value, choice.parts["threshold"].value, choice.parts["no_change"].value = 12, 0.3, "negative"
    choice.required[2].value = False
    rule = nb.GroupRule(0.3, "negative", passes=12, required=("SV/SVA", "EN"))
    assert choice.rule == rule
    assert group_counts(choice.records, choice.rule) == group_counts(sample.only(students), rule)
    # What takes no rule follows it, too.
    varied = replace(
        sample.declaration, catalogue=sample.declaration.catalogue.varied("vocational", 12, ["SV/SVA", "EN"])
    )
    lost = nb.losses(sample.under(varied).only(students)).table["event"].sum()
    assert (
        nb.losses(choice.records).table["event"].sum() == lost != nb.losses(sample.only(students)).table["event"].sum()
    )


def test_nothing_chosen_is_the_records_as_they_were_given(sample):
    choice = nb.controls(sample)
    assert choice.records is sample
    assert choice.rule == nb.GroupRule()
    choice.parts["cohort"].value = 2018
    choice.parts["cohort"].value = None
    assert choice.records is sample


def test_the_rule_is_the_records_own_and_says_how_many_passes_it_asks_for(sample):
    own = replace(sample.cohort(2018), declaration=replace(sample.declaration, rule="preparatory-NA-TE"))
    choice = nb.controls(own)
    assert choice.parts["eligibility"].value == "preparatory-NA-TE"
    assert choice.parts["passes"].options[0] == ("as the rule says (12)", None)
    assert [box.description for box in choice.required][2:4] == ["Mathematics", "Biology / Science (block)"]
    choice.parts["passes"].value = 9
    choice.parts["eligibility"].value = "vocational"
    assert choice.rule == nb.GroupRule(eligibility="vocational")  # another rule begins as it is written
    assert choice.parts["passes"].options[0] == ("as the rule says (8)", None)
    assert nb.controls(own, lang="sv").parts["passes"].options[0][0] == "som regeln säger (12)"


def test_a_rule_by_means_has_no_passes_to_vary(sample):
    catalogue = sample.declaration.catalogue
    mean = replace(catalogue.rules[0], name="m", ways=(), mean_at_least=11)
    catalogue = replace(catalogue, rules=(*catalogue.rules, mean))
    choice = nb.controls(sample.cohort(2018).under(replace(sample.declaration, catalogue=catalogue)))
    choice.parts["passes"].value = 9
    choice.parts["eligibility"].value = "m"
    assert (choice.parts["passes"].disabled, choice.parts["passes"].value, choice.required) == (True, None, ())
    assert group_counts(choice.records, choice.rule) == group_counts(choice.records, nb.GroupRule(eligibility="m"))


def test_the_terms_compared_can_be_chosen_and_are_never_one(sample):
    choice = nb.controls(sample, cohort=2018)
    choice.parts["terms"].value = ("7HT", "9VT")
    declared = choice.records.declaration
    assert (declared.start, declared.end, declared.stages) == ("7HT", "9VT", ("7HT", "7VT", "8VT", "9VT"))
    for one, both in {"8VT": ("8VT", "9HT"), "9VT": ("9HT", "9VT")}.items():
        choice.parts["terms"].value = (one, one)
        assert (choice.records.declaration.start, choice.records.declaration.end) == both


def test_what_is_shown_follows_and_says_what_cannot_be_computed(sample, capsys):
    choice, drawn = nb.controls(sample, cohort=2018), []
    choice.show(lambda records, rule: drawn.append(len(records.students)) or nb.classify(records, rule))
    choice.parts["cohort"].value = 2019
    choice.parts["eligibility"].value = "core-and-five"  # records and rule change: it is drawn once
    choice.parts["cohort"].value = 2019
    after = (sample.students["cohort"] == 2019).sum()
    assert drawn == [313, after, after]
    choice.parts["school"].value, choice.parts["newly_arrived"].value = "S3", True
    capsys.readouterr()
    choice.show(lambda records, rule: nb.risk.dataset(records, "lost", "4VT"))
    assert "4VT" in capsys.readouterr().out


def test_what_the_records_do_not_have_is_refused_in_words(sample):
    with pytest.raises(NbanalyticsError, match=r"no cohort 1999 in the records\. Choose among: 2018, 2019"):
        nb.controls(sample, cohort=1999)
    bare = replace(sample, students=sample.students[["student_id", "cohort"]])
    assert set(nb.controls(bare).parts) & {"cohort", "school", "sex", "newly_arrived"} == {"cohort"}
    with pytest.raises(NbanalyticsError, match="no column sex"):
        nb.controls(bare, sex="girl")


def test_a_choice_that_nobody_meets_is_said(sample):
    choice = nb.controls(sample.only(sample.students.query("school_id == 'S1' or sex == 'boy'")), school="S2")
    choice.parts["sex"].value = "girl"
    assert repr(choice) == "No student meets all choices. Remove one of them."
    assert len(choice.records.students) == 0
