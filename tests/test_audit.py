"""The look at known advisories says what it found, and says when it could not look."""

import pytest
from audit import SECONDS, audited, said

KNOWN = [{"name": "jinja2", "version": "2.7.2", "vulns": [{"id": "PYSEC-2014-8", "fix_versions": ["2.7.3"]}]}]
CLEAN = [{"name": "duckdb", "version": "9", "vulns": []}, {"name": "own", "skip_reason": "not found"}]
WRONG = [*CLEAN, {"name": "tornado", "version": "6", "vulns": [{"id": "CVE-1", "fix_versions": []}]}]


@pytest.mark.parametrize(
    ("answers", "words"),
    [
        ([[]], "cannot run here"),
        # A mirror without advisories knows no package: nothing wrong is found, and nothing was looked at.
        ([[{"name": "jinja2", "skip_reason": "not found"}]], "cannot run here"),
        ([KNOWN, []], f"did not end within {SECONDS} seconds"),
        ([KNOWN, CLEAN], "no known advisory about 1 installed packages"),
        ([KNOWN, WRONG], "1 KNOWN ADVISORIES"),
    ],
)
def test_what_is_said(monkeypatch, answers, words):
    monkeypatch.setattr("audit.audited", lambda *_, seconds: answers.pop(0))
    lines = said()
    assert words in "\n".join(lines)
    assert ("tornado 6: CVE-1, fixed in no version" in lines) == (words == "1 KNOWN ADVISORIES")


def test_what_takes_too_long_is_ended():
    assert audited("--no-deps", seconds=0.01) == []
