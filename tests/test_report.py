"""Figures survive sharing: a notebook's exports have them, and its report opens anywhere, without a network."""

import re
import stat
from base64 import b64decode

import nbformat
import pandas as pd
import pytest
from browsing import browsing
from nbconvert import HTMLExporter
from typer.testing import CliRunner

from nbanalytics.cli import app
from nbanalytics.export import report_notebook
from nbanalytics.figures import groups_bar

CHART = groups_bar(pd.DataFrame({"group": ["5", "6"], "students": [15, 23]}))


@pytest.fixture
def notebook(tmp_path):
    """A notebook that shows a chart and text: what a kernel sends for the two outputs of a chart."""
    shown = [CHART._picture(), {"text/html": CHART._repr_html_(), "text/plain": repr(CHART)}]
    outputs = [nbformat.v4.new_output("display_data", data=data) for data in shown]
    cells = [nbformat.v4.new_markdown_cell("# Six groups"), nbformat.v4.new_code_cell("chart", outputs=outputs)]
    path = tmp_path / "mine.ipynb"
    nbformat.write(nbformat.v4.new_notebook(cells=cells), path)
    return path


def test_nbconvert_shows_the_picture_of_a_figure(notebook):
    page, _ = HTMLExporter().from_filename(notebook)
    [picture] = re.findall(r'src="data:image/svg\+xml;base64,([^"]+)"', page)
    assert b64decode(picture).decode() == CHART.svg()
    assert "<summary>" in page


def test_a_report_names_nothing_that_a_browser_would_fetch(notebook, tmp_path):
    path = report_notebook(notebook, tmp_path / "report.html", code=False, run=False)
    page = path.read_text(encoding="utf-8")
    assert not re.search(r"<(script|img|iframe)[^>]+src=.(?!data:)|<link[^>]+href=|@import|url\(.?https?:", page)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600  # it may show single students
    assert "Six groups" in page
    assert ">chart<" not in page
    assert page.count('class="nba-still"') == 1


@pytest.mark.browser
def test_a_report_opens_without_a_network_and_a_touched_figure_is_interactive(notebook, tmp_path):
    path = report_notebook(notebook, tmp_path / "report.html", run=False)
    with browsing() as browser:
        context = browser.new_context(offline=True)
        page, asked = context.new_page(), []
        page.on("request", lambda request: asked.append(request.url))
        page.goto(path.as_uri())
        assert page.locator(".nba-still svg[role=img]").count() == 1
        page.locator(".nba-still").hover()
        page.locator(".nba-still .main-svg").first.wait_for()
        assert asked == [path.as_uri()]


def test_a_notebook_is_run_first_and_a_fault_in_it_leaves_the_older_report(tmp_path):
    path, out = tmp_path / "own.ipynb", tmp_path / "own.html"
    cells = [nbformat.v4.new_code_cell("print(6 * 7)")]
    nbformat.write(nbformat.v4.new_notebook(cells=cells), path)
    done = CliRunner().invoke(app, ["report", str(path), "--out", str(out)])
    assert done.exit_code == 0, done.output
    assert "<pre>42" in out.read_text(encoding="utf-8")
    nbformat.write(nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("1 / 0")]), path)
    failed = CliRunner().invoke(app, ["report", str(path), "--out", str(out)])
    assert str(failed.exception).startswith("cell 1 of own.ipynb failed with ZeroDivisionError")
    assert "<pre>42" in out.read_text(encoding="utf-8")


def test_what_is_not_a_notebook_is_refused(tmp_path):
    (tmp_path / "list.ipynb").write_text("P1;girl", encoding="utf-8")
    done = CliRunner().invoke(app, ["report", str(tmp_path / "list.ipynb"), "--out", str(tmp_path / "out.html")])
    assert "cannot be read as a notebook" in str(done.exception)
    assert "girl" not in str(done.exception)


def test_a_report_has_what_widgets_show_and_what_is_chosen(tmp_path):
    code = [
        "import nbanalytics as nb, nbanalytics.simulation as made",
        "choice = nb.controls(made.simulate(seed=1, cohorts=[2018, 2019]).records, cohort=2018)\nchoice",
        "choice.show(lambda records, rule: nb.figures.groups_bar(nb.classify(records, rule)))",
    ]
    cells = list(map(nbformat.v4.new_code_cell, code))
    nbformat.write(nbformat.v4.new_notebook(cells=cells), tmp_path / "own.ipynb")
    page = report_notebook(tmp_path / "own.ipynb", tmp_path / "own.html", code=False).read_text(encoding="utf-8")
    assert re.search(r"313 of \d+.students chosen\.", page)
    assert page.count('class="nba-still"') == 1
    assert "Lost eligibility: 23 (" in page
    assert "jupyter.widget" not in page
