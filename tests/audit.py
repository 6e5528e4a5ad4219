"""Known advisories about what is installed: printed loudly, never a reason to fail. `make lint` runs it.

What is published about packages changes from day to day, so a build must not depend on it.
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path

#: A release with advisories since 2014: where it seems clean, the service does not answer.
KNOWN = "jinja2==2.7.2"
SECONDS_TO_ANSWER, SECONDS = 8, 120


def audited(*options, seconds):
    """What pip-audit says about packages: name, version, advisories; nothing if it cannot say."""
    line = [sys.executable, "-m", "pip_audit", "--format", "json", "--progress-spinner", "off", "--timeout", "4"]
    try:
        done = subprocess.run([*line, *options], capture_output=True, text=True, timeout=seconds, check=False)
        return json.loads(done.stdout)["dependencies"]
    except (OSError, ValueError, KeyError, subprocess.TimeoutExpired):
        return []


def with_advisories(packages):
    return [
        f"{one['name']} {one['version']}: {wrong['id']}, fixed in {', '.join(wrong['fix_versions']) or 'no version'}"
        for one in packages
        for wrong in one.get("vulns", [])
    ]


def said():
    """The lines to print."""
    with tempfile.TemporaryDirectory() as folder:
        listed = Path(folder) / "known.txt"
        listed.write_text(KNOWN)
        known = audited("--no-deps", "--disable-pip", "--requirement", str(listed), seconds=SECONDS_TO_ANSWER)
    if not with_advisories(known):
        return ["pip-audit cannot run here: the service of advisories does not answer. Nothing was checked."]
    packages = audited("--skip-editable", seconds=SECONDS)
    checked = [one for one in packages if "vulns" in one]
    if not checked:
        return [f"pip-audit did not end within {SECONDS} seconds. Nothing was checked."]
    wrong = with_advisories(packages)
    if not wrong:
        return [f"pip-audit: no known advisory about {len(checked)} installed packages"]
    rule = "!" * 78
    return [rule, f"{len(wrong)} KNOWN ADVISORIES. Raise the lower bound in pyproject.toml:", *wrong, rule]


if __name__ == "__main__":
    print(*said(), sep="\n")
