"""The pages as widgets of a notebook, where no page has loaded Plotly: run by a host that does what JupyterLab does."""

import pytest

from nbanalytics.export import open_verified
from nbanalytics.pages.widgets import BoardPage, ExplorerPage, plotly_script
from nbanalytics.serve import default_release

pytestmark = pytest.mark.browser

# A model as anywidget gives it to a module: state that is set, then saved; messages with buffers.
HOST = """async ({ module, state, script }) => {
  const { default: widget } = await import(URL.createObjectURL(new Blob([module], { type: "text/javascript" })));
  const listeners = {};
  const tell = (event, ...told) => (listeners[event] ?? []).forEach((listener) => listener(...told));
  const model = {
    get: (name) => state[name],
    set: (name, value) => { state[name] = value; },
    on: (event, listener) => { (listeners[event] ??= []).push(listener); },
    send: ({ kind }) => {
      window.asked = (window.asked ?? 0) + 1;
      setTimeout(() => tell("msg:custom", { kind }, [new DataView(new TextEncoder().encode(script).buffer)]));
    },
    save_changes: async () => { state.view = await window.answer(state.selection); tell("change:view"); },
  };
  window.end = widget.render({ model, el: document.body });
}"""


# What JupyterLab 4 says of lists in an output.
JUPYTERLAB = """
.jp-OutputArea-output dl, .jp-OutputArea-output dt, .jp-OutputArea-output dd { display: block; }
.jp-OutputArea-output dl { width: 100%; overflow: hidden; padding: 0; margin: 0; }
.jp-OutputArea-output dt { font-weight: bold; float: left; width: 20%; padding: 0; margin: 0; }
.jp-OutputArea-output dd { float: left; width: 80%; padding: 0; margin: 0; }
"""


@pytest.fixture
def hosted(browser):
    """Show a widget in a page of its own; at the end nothing may have gone wrong in it."""
    contexts, troubles = [], []

    def show(widget):
        contexts.append(browser.new_context(viewport={"width": 1000, "height": 900}, locale="sv-SE"))
        page = contexts[-1].new_page()
        page.on("pageerror", lambda error: troubles.append(str(error)))

        def answer(selection):
            widget.selection = selection
            return widget.view

        page.expose_function("answer", answer)
        page.goto("about:blank")
        page.evaluate("document.body.className = 'jp-OutputArea-output'")
        for style in (JUPYTERLAB, str(widget._css)):
            page.add_style_tag(content=style)
        state = {"page": widget.page, "selection": widget.selection, "view": widget.view, "lang": widget.lang}
        page.evaluate(HOST, {"module": str(widget._esm), "state": state, "script": plotly_script().decode()})
        return page

    yield show
    for context in contexts:
        context.close()
    assert troubles == []


def choose(page, value):
    views = page.locator(".nba-board").get_attribute("data-views")
    page.get_by_label("Avgångsår").select_option(value)
    page.locator(f'.nba-board[aria-busy="false"]:not([data-views="{views}"])').wait_for()


def test_a_board_in_a_notebook_gets_plotly_from_its_kernel_once_and_follows_its_filters(hosted):
    page = hosted(BoardPage(open_verified(default_release())))
    page.locator(".nba-chart .main-svg").first.wait_for()
    page.locator(".nba-chart[data-drawn]").nth(3).wait_for()
    assert page.evaluate("window.asked") == 1
    # A key figure's name has the width of its tile, less the padding.
    names = page.locator(".nba-tile dt").evaluate_all(
        "all => all.map((dt) => dt.offsetWidth / dt.parentNode.offsetWidth)"
    )
    assert len(names) == 6
    assert min(names) > 0.7
    before = page.locator(".nba-chart").first.evaluate("node => JSON.stringify(node.data)")
    choose(page, "2018")
    assert "259" in page.locator(".nba-answer").inner_text()
    page.wait_for_function("before => JSON.stringify(document.querySelector('.nba-chart').data) !== before", arg=before)
    page.evaluate("window.end()")


def test_the_explorer_in_a_notebook_draws_its_points_charts_and_counts(hosted, sample):
    page = hosted(ExplorerPage(sample))
    page.locator(".nba-points[data-drawn]").wait_for()
    page.locator(".nba-chart[data-drawn]").nth(1).wait_for()
    choose(page, "2018")
    shown = page.locator(".nba-counts tbody td:nth-of-type(1)").all_inner_texts()
    assert shown[4:] == ["15", "23"]
    assert "cohort=2018" in page.locator(".nba-code code").inner_text()
