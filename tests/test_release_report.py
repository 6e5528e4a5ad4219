"""What a manifest tells of its own making gives nothing of the hidden counts away."""

import numpy as np
import pytest
from test_rounded_release import KEY, municipality

from nbanalytics.disclosure import Policy
from nbanalytics.release.build import build_release
from nbanalytics.release.declared import parse_declared
from nbanalytics.release.persons import persons_of
from nbanalytics.release.report import ReleaseReport, coarsely
from nbanalytics.release.rounded import round_persons, worth_publishing

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
