"""The server: the gallery, the dashboards, and 404 for everything else."""

import json
import re
import signal
from types import SimpleNamespace

import pytest
from patience import eventually
from releases import another_title, released
from serving import START, get, running

from nbanalytics.errors import NbanalyticsError, ReleaseError
from nbanalytics.serve import default_release, find_dashboards, serve
from nbanalytics.serve.handlers import ChannelHandler


@pytest.fixture(scope="module")
def server():
    """Address of a running server with the sample's release."""
    with running() as started:
        yield started.address


def test_the_gallery_lists_the_dashboards_in_swedish(server):
    status, _, page = get(server)
    assert status == 200
    assert '<html lang="sv">' in page
    assert "<main" in page
    for entry in find_dashboards():
        assert f'href="{entry.slug}"' in page
        assert entry.words("title") in page
        assert entry.words("description") in page


@pytest.mark.parametrize("path", ["board", "live/board"])
def test_a_dashboard_answers_with_its_first_view_and_without_its_code(server, path):
    status, headers, page = get(f"{server}{path}")
    assert status == 200
    assert '<html lang="sv">' in page
    assert "<title>När tappar vi dem?</title>" in page
    assert "data-nba-model" in page
    assert "BoardPage(" not in page
    assert "script-src 'self'" in headers["Content-Security-Policy"]
    assert ("data-nba-kernel" in page) == path.startswith("live")


@pytest.mark.parametrize("path", ["", "board", "live/board"])
def test_nothing_is_asked_from_outside(server, path):
    page = get(f"{server}{path}")[2]
    used = re.findall(r"(?:src|href|action)=[\"']?([^\"'\s>]+)", page)
    assert used
    assert [address for address in used if re.match(r"(?:[a-z]+:)?//", address)] == []
    assert "https://" not in page


@pytest.mark.parametrize("path", ["board", "live/board"])
def test_every_script_and_style_of_the_page_is_there_compressed_and_kept(server, path):
    page = get(f"{server}{path}")[2]
    assets = set(re.findall(r"\"/?(assets/[^\"]+)", page))
    assert len(assets) == 3
    for name in assets:
        status, headers, _ = get(server + name, Accept_Encoding="gzip")
        assert status == 200
        assert headers["Content-Encoding"] == "gzip"
        assert "immutable" in headers["Cache-Control"]


def test_the_views_of_the_static_page_are_there(server):
    page = get(f"{server}board")[2]
    folder = re.search(r'"data":"([^"]+)"', page)[1]
    status, headers, script = get(f"{server}{folder}/2-1.js")
    assert status == 200
    assert script.startswith(f'nbanalyticsViews("{folder}/2-1", ')
    assert "immutable" in headers["Cache-Control"]


def test_who_has_a_page_already_is_told_so(server):
    tag = get(f"{server}board")[1]["Etag"]
    status, _, page = get(f"{server}board", If_None_Match=tag)
    assert (status, page) == (304, "")


#: What a Jupyter server would answer, and what lies beside the pages.
ELSEWHERE = (
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
    "live/other",
    "live/board.ipynb",
    "data/release/manifest.json",
    "data/../release/manifest.json",
    "assets/board.py",
    "assets/../board.ipynb",
    "notebooks/01-cohort.ipynb",
    ".git/config",
    "login",
    "%2e%2e/%2e%2e/etc/passwd",
)


def test_nothing_else_is_served(server):
    for path in ELSEWHERE:
        status, _, page = get(server + path)
        assert status == 404, path
        assert "Traceback" not in page, path


def test_a_template_or_theme_in_the_address_changes_nothing(server):
    status, _, page = get(f"{server}live/board?template=nonexist&theme=dark")
    assert status == 200
    assert "data-nba-model" in page


@pytest.mark.parametrize("path", ["", "board", "live/board"])
def test_a_foreign_host_is_refused(server, path):
    assert get(f"{server}{path}", Host="evil.example")[0] == 403


def test_a_full_server_says_so_and_leads_to_the_static_page():
    with running(live_limit=0) as server:
        status, headers, page = get(f"{server.address}live/board?cohort=2018")
        assert status == 503
        assert headers["Retry-After"]
        assert "fler besökare" in page
        assert 'href="/board"' in page
        assert get(f"{server.address}board")[0] == 200
        server.process.send_signal(signal.SIGTERM)
        assert "2018" not in server.process.stderr.read()  # nothing is told of what visitors asked for


def test_a_release_that_is_replaced_is_shown_whole_and_the_old_one_to_those_who_have_it(tmp_path):
    folder = released(tmp_path / "release")
    with running(start=START, release=str(folder)) as server:  # it makes the views of either ahead
        address = server.address
        old = get(f"{address}board")[2]
        views = re.search(r'"data":"([^"]+)"', old)[1]
        released(folder, another_title)
        assert eventually(lambda: "En annan publicering" in get(f"{address}board")[2])
        assert re.search(r'"data":"([^"]+)"', get(f"{address}board")[2])[1] != views
        assert get(f"{address}{views}/2-1.js")[0] == 200
        assert "En annan publicering" in get(f"{address}live/board")[2]


def test_a_release_that_is_altered_or_goes_missing_is_told_in_words_until_it_is_back(tmp_path):
    folder = released(tmp_path / "release")
    table = folder / "tables" / "groups.csv"
    whole = table.read_bytes()
    with running(release=str(folder)) as server:
        address = server.address
        assert get(f"{address}board")[0] == 200
        table.write_bytes(whole.replace(b"2018", b"2019", 1))
        assert eventually(lambda: get(f"{address}board")[0] == 503)
        page = get(f"{address}live/board")[2]
        assert "har ändrats på servern" in page
        assert "groups.csv" not in page
        table.write_bytes(whole)
        assert eventually(lambda: get(f"{address}board")[0] == 200)


def test_only_marked_notebooks_are_dashboards(tmp_path):
    book = {"cells": [], "nbformat": 4, "nbformat_minor": 5, "metadata": {"title": "A"}}
    (tmp_path / "secret.ipynb").write_text(json.dumps(book), encoding="utf-8")
    book["metadata"]["nbanalytics"] = {"dashboard": True}
    (tmp_path / "shown.ipynb").write_text(json.dumps(book), encoding="utf-8")
    assert [entry.slug for entry in find_dashboards(tmp_path)] == ["shown"]


def test_a_dashboard_says_whether_it_needs_a_kernel(tmp_path):
    book = {"cells": [], "nbformat": 4, "nbformat_minor": 5, "metadata": {"nbanalytics": {"dashboard": True}}}
    (tmp_path / "plain.ipynb").write_text(json.dumps(book), encoding="utf-8")
    book["metadata"]["nbanalytics"]["edition"] = "live"
    (tmp_path / "probing.ipynb").write_text(json.dumps(book), encoding="utf-8")
    assert {entry.slug: entry.edition for entry in find_dashboards(tmp_path)} == {"plain": "static", "probing": "live"}
    book["metadata"]["nbanalytics"]["edition"] = "printed"
    (tmp_path / "wrong.ipynb").write_text(json.dumps(book), encoding="utf-8")
    with pytest.raises(NbanalyticsError, match="printed"):
        find_dashboards(tmp_path)


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


def test_a_page_s_line_outlives_its_first_pings():
    """With one ping's time to answer, every live page would lose its line before it was asked for the first time."""
    handler = ChannelHandler.__new__(ChannelHandler)
    handler.application, handler.ws_connection = SimpleNamespace(settings={}), object()
    assert handler.ping_timeout >= 2 * handler.ping_interval > 0
