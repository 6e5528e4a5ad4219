"""The server: the gallery, the dashboards, and 404 for everything else."""

import json
import os
import re
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from nbanalytics.errors import ReleaseError
from nbanalytics.serve import default_release, find_dashboards, serve

ROOT = Path(__file__).resolve().parents[1]
START = "from nbanalytics.serve import serve; serve(port=0)"


@pytest.fixture(scope="module")
def server():
    """Address of a running server with the sample's release."""
    environment = os.environ | {"PYTHONUNBUFFERED": "1"}
    with subprocess.Popen([sys.executable, "-c", START], stdout=subprocess.PIPE, text=True, env=environment) as process:
        address = process.stdout.readline().strip()
        assert re.fullmatch(r"http://127\.0\.0\.1:\d+/", address)
        yield address
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=30) == 0


def get(address, method="GET", headers=None):
    """Return status, headers and text of an address."""
    request = urllib.request.Request(address, method=method, headers=headers or {})
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.status, answer.headers, answer.read().decode("utf-8", "replace")
    except urllib.error.HTTPError as refusal:
        with refusal:
            return refusal.code, refusal.headers, refusal.read().decode("utf-8", "replace")


def test_the_gallery_lists_the_dashboards_in_swedish(server):
    status, _, page = get(server)
    assert status == 200
    assert '<html lang="sv">' in page
    assert "<main>" in page
    for entry in find_dashboards():
        assert f'href="/{entry.slug}"' in page
        assert entry.title in page
        assert entry.description in page


def test_a_dashboard_answers_with_its_first_view_and_without_its_code(server):
    status, headers, page = get(f"{server}board")
    assert status == 200
    assert '<html lang="sv">' in page
    assert "<title>När tappar vi dem?</title>" in page
    assert "data-nba-model" in page
    assert "BoardPage(" not in page
    assert "script-src 'self'" in headers["Content-Security-Policy"]


@pytest.mark.parametrize("path", ["", "board"])
def test_nothing_is_asked_from_outside(server, path):
    page = get(f"{server}{path}")[2]
    used = re.findall(r"(?:src|href|action)=[\"']?([^\"'\s>]+)", page)
    assert used
    assert [address for address in used if not re.match(r"[/#]|data:", address)] == []
    assert "https://" not in page


def test_every_script_and_style_of_the_page_is_there_and_compressed(server):
    page = get(f"{server}board")[2]
    assets = set(re.findall(r"/(assets/[^\"]+)", page))
    assert len(assets) == 4
    for name in assets:
        status, headers, _ = get(server + name, headers={"Accept-Encoding": "gzip"})
        assert status == 200
        assert headers["Content-Encoding"] == "gzip"
        assert "immutable" in headers["Cache-Control"]


@pytest.mark.parametrize(
    "path",
    [
        "board.ipynb",
        "voila/render/board.ipynb",
        "voila/tree",
        "voila/files/board.ipynb",
        "voila/files/release/manifest.json",
        "voila/static/voila.js",
        "voila/templates/lab/static/../../../x",
        "voila/api/contents",
        "api/contents",
        "api/kernels",
        "api/terminals",
        "release/manifest.json",
        "assets/board.py",
        "assets/../board.ipynb",
        "notebooks/01-cohort.ipynb",
        ".git/config",
        "login",
        "%2e%2e/%2e%2e/etc/passwd",
    ],
)
def test_nothing_else_is_served(server, path):
    status, _, page = get(server + path)
    assert status == 404
    assert "Traceback" not in page


def test_a_template_or_theme_in_the_address_changes_nothing(server):
    status, _, page = get(f"{server}board?template=nonexist&theme=dark")
    assert status == 200
    assert "data-nba-model" in page


def test_a_foreign_host_is_refused(server):
    assert get(f"{server}board", headers={"Host": "evil.example"})[0] == 403


def test_only_marked_notebooks_are_dashboards(tmp_path):
    book = {"cells": [], "nbformat": 4, "nbformat_minor": 5, "metadata": {"title": "A"}}
    (tmp_path / "secret.ipynb").write_text(json.dumps(book), encoding="utf-8")
    book["metadata"]["nbanalytics"] = {"dashboard": True}
    (tmp_path / "shown.ipynb").write_text(json.dumps(book), encoding="utf-8")
    assert [entry.slug for entry in find_dashboards(tmp_path)] == ["shown"]


def test_the_notebook_and_the_server_agree_on_where_the_release_is():
    from nbanalytics.serve.app import RELEASE_VARIABLE
    from nbanalytics.widgets import RELEASE_VARIABLE as READ

    assert RELEASE_VARIABLE == READ


def test_a_missing_release_is_refused_before_anything_starts(tmp_path):
    with pytest.raises(ReleaseError, match=r"manifest\.json|release"):
        serve(tmp_path / "nowhere", port=0)


def test_an_altered_release_is_refused(tmp_path):
    folder = tmp_path / "release"
    (folder / "tables").mkdir(parents=True)
    for path in default_release().rglob("*.*"):
        copy = folder / path.relative_to(default_release())
        copy.write_bytes(path.read_bytes())
    table = folder / "tables" / "groups.csv"
    table.write_bytes(table.read_bytes().replace(b"2018", b"2019", 1))
    with pytest.raises(ReleaseError, match=r"groups\.csv"):
        serve(folder, port=0)


def test_the_dashboards_hold_prose_and_calls_only():
    for entry in find_dashboards():
        cells = json.loads(entry.path.read_text(encoding="utf-8"))["cells"]
        code = ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]
        assert all(len(source.splitlines()) <= 15 and "def " not in source for source in code)
        assert sum("".join(cell["source"]).startswith("# ") for cell in cells if cell["cell_type"] == "markdown") == 1
