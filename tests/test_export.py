"""The static edition: plain files with the same content as the live page, nothing from outside, written whole."""

import ast
import json
import re
from importlib import metadata
from pathlib import Path
from posixpath import dirname, join, normpath

import plotly
import plotly.graph_objects as go
import pytest
from plotly.basedatatypes import BaseTraceType
from releases import HOSTILE, hostile_names, newer, one_cohort, released, without_rows, without_tables
from typer.testing import CliRunner

from nbanalytics.cli import app
from nbanalytics.errors import NbanalyticsError, ReleaseError
from nbanalytics.export import Site, export, find_dashboards, open_verified, write_site
from nbanalytics.export.assets import PAGES, Asset
from nbanalytics.export.frame import FILE_POLICY
from nbanalytics.export.site import picture, stores
from nbanalytics.pages.board import Board
from nbanalytics.pages.widgets import plotly_script
from nbanalytics.serve import default_release
from nbanalytics.text import Words

FIGURES = Path(plotly.__file__).parents[0]
PACKAGE = Path(__file__).resolve().parents[1] / "nbanalytics"


@pytest.fixture(scope="module")
def release():
    return open_verified(default_release())


@pytest.fixture(scope="module")
def site(release):
    return Site(release, find_dashboards(), policy=FILE_POLICY)


def state_of(page):
    return json.loads(re.search(r'<script type="application/json">(.*?)</script>', page, re.DOTALL)[1])


def views_of(script):
    name, views = re.fullmatch(r'nbanalyticsViews\("([^"]+)", (.*)\);\n', script, re.DOTALL).groups()
    return name, json.loads(views)


def test_the_page_opens_with_the_view_that_the_board_describes(site, release):
    state = state_of(site.pages["board.html"].body.decode())
    board = Board(release)
    assert state["page"] == board.page()
    assert state["view"] == json.loads(json.dumps(board.view(board.start())))


def test_every_declared_selection_is_in_exactly_one_script(release):
    board = Board(release)
    keys = [key for found in stores(board).values() for key in found]
    assert len(keys) == len(set(keys)) == len(list(board.selections())) - 1
    sizes = [len(entry["options"]) - 1 for entry in board.filters()]
    pairs = sum(one * other for place, one in enumerate(sizes) for other in sizes[:place])
    assert len(keys) == sum(sizes) + pairs


def test_a_script_holds_its_views_under_the_places_of_their_values(site, release):
    board = Board(release)
    address = next(address for address in site.lasting if address.endswith("/board-1/2-1.js"))
    name, views = views_of(site.lasting[address].body.decode())
    assert f"{name}.js" == address
    assert set(views) == {"0.0.1.1", "0.0.1.2"}
    chosen = {"sex": board.filters()[2]["options"][1]["value"], "newly_arrived": "no"}
    assert board.filters()[3]["options"][2]["value"] == "no"
    assert views["0.0.1.2"] == json.loads(json.dumps(board.view(chosen)))


def test_pages_ask_for_nothing_from_outside_and_say_so(site):
    for name, asset in site.pages.items():
        page = asset.body.decode()
        used = re.findall(r"(?:src|href|action)=[\"']?([^\"'\s>]+)", page)
        assert used
        assert [address for address in used if re.match(r"(?:[a-z]+:)?//", address)] == []
        policy = re.search(r'http-equiv="Content-Security-Policy" content="([^"]+)"', page)[1]
        assert "default-src &#39;none&#39;" in policy, name
        assert "unsafe-eval" not in policy
        assert "http" not in policy


def test_every_file_that_a_page_names_is_there(site):
    held = {address for address, _ in site.files()}
    for address, asset in site.pages.items():
        page = asset.body.decode()
        named = re.findall(r"(?:src|href)=\"([^\"#:]+)\"", page)
        assert named
        assert {normpath(join(dirname(address), name)) for name in named} <= held


def notebook(order=None):
    ours = {"dashboard": True} | ({} if order is None else {"order": order})
    return json.dumps({"cells": [], "metadata": {"title": "x", "nbanalytics": ours}})


def test_the_gallery_stands_in_the_order_that_the_notebooks_name(site, tmp_path):
    for name, order in {"alpha": None, "beta": 2, "gamma": 1, "delta": None}.items():
        (tmp_path / f"{name}.ipynb").write_text(notebook(order), encoding="utf-8")
    assert [entry.slug for entry in find_dashboards(tmp_path)] == ["gamma", "beta", "alpha", "delta"]
    page = site.pages["index.html"].body.decode()
    assert page.index('href="board.html"') < page.index('href="baseline.html"')


def test_a_picture_shows_changes_as_rings_and_dots_and_leaves_out_what_is_hidden():
    point = {"type": "scatter", "mode": "markers", "y": ["a", "b"]}
    chance = {"type": "bar", "orientation": "h", "base": [0.7, None], "x": [0.1, None], "y": ["a", "b"]}
    traces = [chance, point | {"x": [0.75, None]}, point | {"x": [0.9, None]}]
    drawn = picture({"sections": [{"title": "X", "figure": {"data": traces}}]}, Words("sv"))
    places = [float(place) for place in re.findall(r'<circle[^>]* cx="(\d+)"', drawn)]
    assert len(places) == 2
    assert places[0] < places[1]
    assert drawn.count("<rect") == 1


def test_the_site_in_english_has_english_pages(release):
    page = Site(release, find_dashboards(), "en").pages["board.html"].body.decode()
    assert '<html lang="en">' in page
    assert state_of(page)["page"]["filters"][2]["label"] == "Sex"
    assert "<h1" in page
    assert "When do we lose them?" in page
    assert "När tappar" not in page


def test_each_page_leads_to_the_same_one_in_the_other_language_and_to_the_statement(site):
    for name in ("index", "board", "accessibility"):
        swedish, english = site.pages[f"{name}.html"].body.decode(), site.pages[f"en/{name}.html"].body.decode()
        assert '<html lang="sv">' in swedish
        assert '<html lang="en">' in english
        assert f'<a href="en/{name}.html" lang="en" hreflang="en"' in swedish
        assert f'<a href="../{name}.html" lang="sv" hreflang="sv"' in english
        assert '<a href="accessibility.html">' in swedish
        assert '<a href="accessibility.html">' in english


def test_a_file_of_the_same_name_has_the_same_content(release, tmp_path):
    first, second = Site(release, find_dashboards()), Site(open_verified(default_release()), find_dashboards())
    assert list(first.lasting) == list(second.lasting)
    other = Site(open_verified(released(tmp_path / "one", one_cohort)), find_dashboards())
    shared = set(first.lasting) & set(other.lasting)
    assert {name.split("/")[0] for name in shared} == {"assets"}


def test_hostile_names_do_not_leave_their_place(tmp_path):
    hostile = Site(open_verified(released(tmp_path / "release", hostile_names)), find_dashboards())
    for asset in hostile.pages.values():
        page = asset.body.decode()
        assert "<script>document" not in page
        assert "<img src=x" not in page
    state = state_of(hostile.pages["board.html"].body.decode())
    assert state["page"]["filters"][1]["options"][1]["label"].startswith(HOSTILE)
    for part in state["view"]["sections"]:
        assert "<img" not in json.dumps(part["figure"])


@pytest.mark.parametrize("change", [without_tables, without_rows])
def test_an_empty_release_is_told_in_words(tmp_path, change):
    empty = Site(open_verified(released(tmp_path / "release", change)), find_dashboards())
    view = state_of(empty.pages["board.html"].body.decode())["view"]
    assert "inga uppgifter" in view["problem"]["text"]
    assert view["sections"] == view["tiles"] == []
    assert b"nba-gallery" in empty.pages["index.html"].body


def test_a_release_with_one_cohort_has_its_pages(tmp_path):
    one = Site(open_verified(released(tmp_path / "release", one_cohort)), find_dashboards())
    state = state_of(one.pages["board.html"].body.decode())
    assert [option["value"] for option in state["page"]["filters"][0]["options"]] == ["*", "2018"]
    assert "313" in state["view"]["tiles"][0]["value"]  # the cohort of the report, as the sample holds it


def test_a_release_of_a_newer_version_is_refused(tmp_path):
    folder = released(tmp_path / "release", newer)
    with pytest.raises(ReleaseError, match="Upgrade nbanalytics"):
        export(folder, tmp_path / "site")
    assert not (tmp_path / "site").exists()


class FewFiles:
    """A site of two files, so that a test of writing need not draw every view."""

    def __init__(self, *contents):
        self._contents = contents

    def files(self):
        for place, content in enumerate(self._contents):
            yield f"data/{place}.js", Asset.named("x.js", content)


def broken():
    raise OSError(28, "No space left on device")


def test_an_older_site_is_replaced_whole_or_not_at_all(tmp_path):
    folder = tmp_path / "site"
    write_site(FewFiles(lambda: b"old", lambda: b"old"), folder)
    with pytest.raises(NbanalyticsError, match="what was there is untouched"):
        write_site(FewFiles(lambda: b"new", broken), folder)
    assert (folder / "data" / "0.js").read_bytes() == b"old"
    write_site(FewFiles(lambda: b"new"), folder)
    assert (folder / "data" / "0.js").read_bytes() == b"new"
    assert not (folder / "data" / "1.js").exists()
    assert [path.name for path in tmp_path.iterdir()] == ["site"]


def test_a_folder_with_something_else_is_left_alone(tmp_path):
    (tmp_path / "thesis.txt").write_text("years of work", encoding="utf-8")
    with pytest.raises(NbanalyticsError, match="did not write"):
        write_site(FewFiles(lambda: b"new"), tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def test_the_command_writes_a_site_and_says_where(tmp_path):
    folder = released(tmp_path / "release", one_cohort)
    done = CliRunner().invoke(app, ["export", str(folder), "--out", str(tmp_path / "site"), "--lang", "en"])
    assert done.exit_code == 0, done.output
    assert "index.html" in done.output
    assert 'lang="en"' in (tmp_path / "site" / "index.html").read_text(encoding="utf-8")
    assert sum(path.stat().st_size for path in (tmp_path / "site").rglob("*") if path.is_file()) < 7e6


def traces_used():
    """Every ``type`` in a mapping of the figures that is the name of one of plotly's traces."""
    made = {
        value.value
        for path in (PACKAGE / "figures").glob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Dict)
        for key, value in zip(node.keys, node.values, strict=True)
        if isinstance(key, ast.Constant) and key.value == "type" and isinstance(value, ast.Constant)
    }
    return {kind for kind in made if issubclass(getattr(go, kind.capitalize(), object), BaseTraceType)}


def test_the_bundle_holds_every_trace_that_the_figures_draw():
    assert traces_used() == {"bar", "scatter", "sankey", "heatmap"}
    bundled = re.search(r"^traces: (.*)$", plotly_script().decode(), re.MULTILINE)[1].split()
    assert traces_used() <= set(bundled)


def test_the_bundle_says_what_it_is_and_fits_the_python_package():
    script = plotly_script().decode()
    banner = script[: script.index("*/")]
    version = re.search(r"plotly\.js v(\d+)\.", banner)[1]
    carried = (FIGURES / "package_data" / "plotly.min.js").read_text(encoding="utf-8")[:300]
    assert version == re.search(r"plotly\.js v(\d+)\.", carried)[1], metadata.version("plotly")
    assert "MIT License" in banner
    assert "locales: sv" in banner
    assert 'name:"sv"' in script
    built = (PAGES / "build-plotly.mjs").read_text(encoding="utf-8")
    assert re.search(r'PLOTLY = "([^"]+)"', built)[1] in banner
