"""A page on paper: A4, whole charts, its title and number on each sheet, words that can be searched, light colours."""

import os
from functools import cache

import pytest
from browsing import READY, wait_for_charts

if os.environ.get("CI"):
    import pypdfium2
else:
    pypdfium2 = pytest.importorskip("pypdfium2")

pytestmark = pytest.mark.browser

A4 = (595, 842)  # points
LINES = ".nba-chart svg text:not(:has(tspan)), .nba-chart svg tspan"
PAPERS = {
    "sv": ("board.html", "När tappar vi dem?", "Sida", "Så kan resultatet tolkas"),
    "en": ("en/board.html", "When do we lose them?", "Page", "How to read the result"),
}


@pytest.fixture(scope="module")
def printed(browser, site):
    """Print a page as somebody does who looks at it on a wide screen; each is printed once."""
    contexts = []

    @cache
    def make(path, **look):
        context = browser.new_context(viewport={"width": 1440, "height": 900}, **look)
        contexts.append(context)
        page = context.new_page()
        page.goto(site + path)
        page.wait_for_selector(READY)
        wait_for_charts(page)
        return page, pypdfium2.PdfDocument(page.pdf(prefer_css_page_size=True, print_background=True))

    yield make
    for context in contexts:
        context.close()


def texts(paper):
    return [" ".join(sheet.get_textpage().get_text_range().split()) for sheet in paper]


@pytest.mark.parametrize("lang", PAPERS)
def test_a_report_has_numbered_sheets_of_a4_with_its_title_and_words_that_can_be_searched(printed, lang):
    path, title, sheet, reading = PAPERS[lang]
    _, paper = printed(path)
    assert 4 <= len(paper) <= 10
    assert all(page.get_size() == pytest.approx(A4, abs=1) for page in paper)
    said = texts(paper)
    assert title in said[0]
    assert reading in " ".join(said)
    for rank, text in enumerate(said, start=1):
        assert "Kvarnviken" in text
        assert f"{sheet} {rank} / {len(paper)}" in text
        assert len(text) > 120  # no sheet is all but empty


def test_no_chart_is_cut_and_each_stands_with_its_heading(printed):
    page, paper = printed("board.html")
    said = texts(paper)
    for card in page.locator("section[class*=nba-section]").all():
        words = [" ".join(text.split()) for text in card.locator(LINES).all_text_contents()]
        words = [text for text in {*words, " ".join(card.locator("h2").inner_text().split())} if len(text) > 4]
        sheets = [rank for rank, text in enumerate(said) if all(word in text for word in words)]
        assert sheets, words


def test_every_table_is_printed_and_nothing_to_click(printed):
    page, paper = printed("board.html")
    everything = " ".join(texts(paper))
    for row in page.locator("table tbody tr").all():
        cells = [" ".join(text.split()) for text in row.locator("th, td").all_text_contents()]
        assert cells[0] in everything
    assert "Bild (PNG)" not in everything
    assert "Alla avgångsår" not in everything  # the filters; what was chosen is told in a sentence
    assert "Visar: avgångsår 2018–2025, alla skolor." in everything


def test_a_report_is_light_whatever_the_screen_was(printed):
    for scheme in ("light", "dark"):
        _, paper = printed("board.html", color_scheme=scheme)
        for sheet in paper:
            picture = sheet.render(scale=0.3, grayscale=True).to_numpy()
            assert picture[2, 2] == 255
            assert (picture < 100).mean() < 0.12  # ink on paper, and no dark ground of a chart
