"""What a manifest tells of its own making gives nothing of the hidden counts away."""

from dataclasses import replace

import numpy as np
import pytest
from test_rounded_release import KEY, municipality

from nbanalytics.disclosure import Policy
from nbanalytics.errors import DisclosureError
from nbanalytics.pages.board import Board
from nbanalytics.readers import write_records
from nbanalytics.release import read_release
from nbanalytics.release.build import build_release
from nbanalytics.release.declared import parse_declared
from nbanalytics.release.persons import persons_of
from nbanalytics.release.report import ReleaseReport, coarsely, headline
from nbanalytics.release.rounded import round_persons, worth_publishing
from nbanalytics.serve import default_release

GROUPS = parse_declared({"max_crossed": 0, "tables": {"groups": {}}})


@pytest.fixture(scope="module")
def groups():
    """30 students, 25 of them in groups: 3 are hidden in three cells, so that each of these has one."""
    return build_release(municipality(30), contents=GROUPS, created="2026-01-02")


def test_of_few_hidden_counts_nobody_is_told_how_many_are_small(groups):
    """Three hidden, three students in them, three for what they say: that would be one in each."""
    table = groups.tables["groups"]
    shown = table[table["status"] == "ok"].set_index("group")["value"]
    assert shown["*"] - shown.drop("*").sum() == (table["status"] == "suppressed").sum() == 3
    assert groups.manifest["hidden"]["counts_primary"] is None
    assert groups.manifest["hidden"]["counts_secondary"] is None
    assert "3 hidden for what they say or to protect these" in repr(ReleaseReport.read(groups.manifest))


def test_a_share_of_few_students_is_not_told(groups):
    """That 28 counted students of whom 25 are kept are 89 % gives the 3 back."""
    assert [row["students_kept"] for row in groups.manifest["report"]] == [None, None]
    assert "are kept" not in repr(ReleaseReport.read(groups.manifest))


@pytest.mark.parametrize("kept", [20, 126, 900, 4000])
@pytest.mark.parametrize("slack", [10, 20])
def test_what_is_kept_fits_sums_that_are_apart(kept, slack):
    """For every number of hidden students there are others, that far away, of which the same is told."""

    def told(hidden):
        return coarsely(kept / (kept + hidden), kept, slack)

    hidden = np.arange(1, 8 * kept)
    every = np.array([np.nan if (share := told(int(number))) is None else share for number in hidden])
    for share in np.unique(every[~np.isnan(every)]):
        same = hidden[every == share]
        assert same[-1] - same[0] >= slack / 2 - 1
    assert told(0) in (1.0, None)


def test_how_far_rounded_counts_are_off_does_not_tell_a_count():
    rounded = round_persons(persons_of(municipality(60)), Policy(), KEY)
    _, said = worth_publishing(rounded, Policy(), GROUPS)
    for row in said["rounding"]["errors"]:
        assert set(row) == {"table", "error", "share"}
        assert row["error"] in (None, 0, 2.5, 5.0, 7.5)
        assert row["share"] is None or round(10 * row["share"]) == pytest.approx(10 * row["share"])


LOST = {"start": "eligible", "end": "not_eligible"}


def test_the_headline_counts_the_views_that_a_reader_can_choose():
    """Looked up view by view, as a page does."""
    release = read_release(default_release())
    found = headline(release)
    for filters in (0, 1, 2):
        views = [one for one in Board(release).selections() if sum(v != "*" for v in one.values()) == filters]
        shown = sum(release.cells("eligibility", **one, **LOST)["status"].item() == "ok" for one in views)
        row = found.table.query("part == 'lost' and filters == @filters").iloc[0]
        assert (row["views"], row["shown"]) == (len(views), shown)


def test_a_view_whose_answer_is_hidden_is_named():
    release = read_release(default_release())
    table = release.tables["eligibility"]
    lost = (table["start"] == "eligible") & (table["end"] == "not_eligible")
    closed = lost & ((table["cohort"] == "2019") | (table["sex"] == "girl"))
    status = table["status"].mask(lost, "ok").mask(closed, "suppressed")
    tables = {**release.tables, "eligibility": table.assign(status=status)}
    manifest = {name: entry for name, entry in release.manifest.items() if name != "ranges"}
    found = headline(replace(release, tables=tables, manifest=manifest))
    assert set(found.hidden) == {"Girls", "2019"}
    assert "is shown in 13 of 15 one-filter views, 1 of 1 unfiltered" in found.text()
    assert found.share(1) == 13 / 15
    found.refuse_below(0.8)
    with pytest.raises(DisclosureError, match="13 of 15 one-filter views"):
        found.refuse_below(0.9)
    ranges = {"2019|*|*|*|eligible|not_eligible": [3, 12], "*|*|girl|*|eligible|not_eligible": [10, 40]}
    near = headline(replace(release, tables=tables, manifest=manifest | {"ranges": ranges}))
    assert near.hidden == ("Girls",)
    assert "13 of 15 one-filter views and within a few students in 1 more" in near.text()
    near.refuse_below(0.9)


def test_a_release_without_the_number_has_no_headline(groups):
    """Of the six groups it is group 6; a release of other tables does not have it."""
    shown = groups.cells("groups", group="6")["status"].item() == "ok"
    assert headline(groups).share(0) == shown
    other = replace(groups, tables={})
    assert "no number of students who lost" in headline(other).text()
    with pytest.raises(DisclosureError):
        headline(other).refuse_below(0.0)


def test_the_command_writes_nothing_below_the_headline_that_is_wanted(run, tmp_path):
    write_records(municipality(30), tmp_path / "records")
    (tmp_path / "few.toml").write_text("max_crossed = 1\n[tables.groups]\n", "utf-8")
    out, arguments = tmp_path / "release", ("--declare", tmp_path / "few.toml")
    status, _, message = run("release", tmp_path / "records", "--out", out, *arguments, "--require-headline", "0.9")
    assert status == 1
    assert "Nothing was written: The answer" in message
    assert not out.exists()
    status, _, message = run("release", tmp_path / "records", "--out", out, *arguments)
    assert status == 0
    assert message.startswith("The answer (how many lost eligibility) is shown in ")
