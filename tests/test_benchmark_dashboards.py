"""The dashboards' benchmark: what it is told, and what it makes of its measurements."""

from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parent.parent / "benchmarks"


@pytest.fixture(autouse=True)
def _beside_its_modules(monkeypatch):
    monkeypatch.syspath_prepend(str(BENCHMARKS))


def measured(**found):
    from dashboards_contenders import contenders

    made = contenders()
    for contender in made:
        for what, values in found.get(contender.server, {}).items():
            for turn, value in values.items():
                contender.add(what, value, turn)
    return made


def test_ratios_are_taken_within_a_round_and_a_round_that_one_lacks_is_left_out():
    from dashboards_contenders import LIVE, RIVAL

    made = {each.name: each for each in measured(ours={"first": {0: 1, 1: 9, 2: 4}}, dash={"first": {1: 10, 2: 8}})}
    assert made[LIVE].ratio(made[RIVAL], "first") == pytest.approx((0.9 + 0.5) / 2)


def test_each_target_is_told_with_what_was_measured_and_whether_it_was_met():
    from dashboards_report import report

    text = report(measured(ours={"first": {0: 900}, "memory": {0: 60}}, dash={"first": {0: 1000}}))
    told = [[part.strip() for part in line.split("|")] for line in text.splitlines() if "|" in line]
    assert told == [
        ["target", "measured", "met"],
        ["live, first chart / Dash ≤ 0.8", "0.90", "NO"],
        ["static, first chart / Dash ≤ 0.35", "0.90", "NO"],
        ["live, MB of memory per viewer ≤ 60", "60.00", "yes"],
    ]


def test_a_crowd_that_nobody_saw_through_is_not_met():
    from dashboards_report import targets

    made = measured(ours={"crowd failed": {0: 50}}, dash={"crowd": {0: 30}})
    answers = {target.what: target.met for target in targets(made)}
    assert answers["live crowd, viewers that failed"] == "NO"
    assert answers["live crowd, slowest / Dash"] == "not measured"


@pytest.mark.parametrize("given", [["--parts", "visits/nothing"], ["--only", "Shiny"]])
def test_a_part_or_contender_that_does_not_exist_is_refused_in_words(given, capsys):
    from dashboards import arguments

    with pytest.raises(SystemExit):
        arguments(given)
    assert "there are" in capsys.readouterr().err
    assert arguments(["--parts", "memory", "--only", "Dash/Panel"]).only == ["Dash", "Panel"]


def test_a_server_that_ends_at_once_is_told_by_name_with_its_last_words(monkeypatch, capsys):
    import sys

    import dashboards_servers

    failing = [sys.executable, "-c", "raise SystemExit('no such module')"]
    monkeypatch.setattr(dashboards_servers, "command", lambda *_: failing)
    with dashboards_servers.running(["panel"], sys.executable) as found:
        assert found == {}
    assert "panel is left out: the server ended: no such module" in capsys.readouterr().out
