"""Pages that everybody can read: axe-core, contrast, keyboard, narrow screens, in both languages and colour schemes."""

import os
import re
from pathlib import Path

import pytest
from browsing import FITTED, READY, SIZES, in_both_schemes, overflow, saved, site_of, wait_for_charts
from releases import hostile_names, released
from serving import running

from nbanalytics.text.words import labels, messages

pytestmark = pytest.mark.browser

FOLDERS = {"sv": "", "en": "en/"}
PAGES = ["index.html", "board.html", "baseline.html", "accessibility.html"]
BOARDS = ["board.html", "baseline.html"]
#: What a page is opened in; then it is looked at in the other colour scheme, too.
SCHEMES = {"sv": "light", "en": "dark"}
FULL = {"sv": "wide", "en": "narrow"}
LEVELS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "best-practice"]
SHOTS = Path(os.environ["NBANALYTICS_SHOTS"]) if "NBANALYTICS_SHOTS" in os.environ else None


@pytest.fixture(scope="module")
def server():
    with running() as started:
        yield started.address


@pytest.fixture
def visit(browser, site):
    """Open a page; at the end its console must be clean."""
    contexts, troubles = [], []

    def go(path, size=SIZES["wide"], at=site, **look):
        context = browser.new_context(viewport=dict(zip(("width", "height"), size, strict=True)), **look)
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: troubles.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: troubles.append(str(error)))
        page.goto(at + path)
        if page.locator("[data-nba-model]").count():
            page.wait_for_selector(READY)
        return page

    yield go
    for context in contexts:
        context.close()
    assert [text for text in troubles if "404" not in text] == []


def axe(page):
    """Run axe-core on a page; what it finds, with where."""
    import axe_playwright_python

    page.evaluate((Path(axe_playwright_python.__file__).parent / "axe.min.js").read_text(encoding="utf-8"))
    options = {"runOnly": LEVELS, "preload": False, "resultTypes": ["violations"]}
    found = page.evaluate("options => axe.run(document, options)", options)
    assert len(found["passes"]) > 10
    return [(fault["id"], node["html"][:120]) for fault in found["violations"] for node in fault["nodes"]]


def opened(page):
    for summary in page.locator("summary:visible").all():
        summary.click()
    return page


# Contrast of all text that is HTML, as WCAG computes it; that of the charts' colours is in test_palette.
FAINT = """() => {
  const numbers = (text) => (text.match(/[\\d.]+/g) ?? []).map(Number);
  const light = ([r, g, b]) => [r, g, b].map((v) => v / 255)
    .map((v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4))
    .reduce((sum, v, at) => sum + v * [0.2126, 0.7152, 0.0722][at], 0);
  const ground = (node) => {
    for (let at = node; at; at = at.parentElement) {
      const found = numbers(getComputedStyle(at).backgroundColor);
      if (found.length === 3 || found[3] > 0.99) return found;
    }
    return [255, 255, 255];
  };
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  const faint = [];
  while (walker.nextNode()) {
    const node = walker.currentNode.parentElement;
    if (!walker.currentNode.textContent.trim() || node.closest("svg, script, style, noscript, select")) continue;
    if (!node.checkVisibility({ visibilityProperty: true })) continue;
    const style = getComputedStyle(node), size = parseFloat(style.fontSize);
    const [a, b] = [light(numbers(style.color)), light(ground(node))].sort((x, y) => y - x);
    const least = size >= 24 || (size >= 18.66 && style.fontWeight >= 700) ? 3 : 4.5;
    if ((a + 0.05) / (b + 0.05) < least) faint.push([walker.currentNode.textContent.slice(0, 40), style.color]);
  }
  return faint;
}"""


@pytest.mark.parametrize("lang", FOLDERS)
@pytest.mark.parametrize("name", PAGES)
def test_axe_finds_nothing_and_no_text_is_faint(visit, name, lang):
    page = visit(FOLDERS[lang] + name, color_scheme=SCHEMES[lang])
    assert page.locator("html").get_attribute("lang") == lang
    if name in BOARDS:
        opened(page).locator(".nba-chart svg").first.wait_for()
    for scheme in in_both_schemes(page):
        assert axe(page) == [], scheme
        assert page.evaluate(FAINT) == []


@pytest.mark.parametrize("hash_", ["#cohort=2018&school=S1&sex=girl", "#cohort=1899"])
def test_axe_finds_nothing_where_a_selection_is_not_shown(visit, hash_):
    page = visit(f"board.html{hash_}")
    for scheme in in_both_schemes(page):
        assert page.locator(".nba-problem:visible, .nba-stray:visible").count() == 1
        assert axe(page) == [], scheme
        assert page.evaluate(FAINT) == []


def test_axe_finds_nothing_on_the_live_page_and_on_pages_of_words(visit, server):
    for path, lang in {"live/board": "sv", "live/board?lang=en": "en", "nothing": "sv", "en/nothing": "en"}.items():
        page = visit(path, at=server, color_scheme=SCHEMES[lang], locale="sv-SE")
        assert page.locator("html").get_attribute("lang") == lang, path
        for scheme in in_both_schemes(page):
            assert axe(page) == [], (path, scheme)
            assert page.evaluate(FAINT) == []
        assert page.get_by_role("link", name=messages()["statement.link"][lang]).count() == 1


def test_the_live_page_speaks_the_language_that_its_switch_asks_for(visit, server):
    page = visit("live/board#sex=girl", at=server)
    assert "Publicerad" in page.locator(".nba-foot:visible").inner_text()
    page.get_by_role("link", name="English").click()
    page.wait_for_selector(f"{READY}[lang=en]")
    assert page.title() == "When do we lose them?"
    assert "girls" in page.locator(".nba-where").inner_text()
    assert "Published" in page.locator(".nba-foot:visible").inner_text()
    assert page.locator("h1:visible").count() == 1
    assert strange(page, "en") == set()


def test_every_control_and_chart_is_reached_by_the_keyboard_with_a_focus_that_is_seen(visit):
    page = visit("board.html")
    wait_for_charts(page)
    wanted = page.locator("main :is(select, summary, button, a, .nba-chart, .nba-frame[tabindex]):visible").count()
    reached = set()
    for _ in range(wanted + 8):
        page.keyboard.press("Tab")
        place, seen = page.evaluate(
            """() => { const node = document.activeElement, style = getComputedStyle(node);
              const all = [...document.querySelectorAll('main *')];
              return [all.indexOf(node), node === document.body
                || (style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) >= 2)]; }"""
        )
        assert seen
        reached.add(place)
    assert len(reached - {-1}) == wanted


def test_the_arrow_keys_read_a_chart_mark_by_mark(visit):
    page = visit("board.html")
    wait_for_charts(page)
    for section, first in {
        "groups": "Behöriga båda åren",
        "flows": "Årskurs 6",
        "terms": "Åk 7",
        "subjects": "Matematik",
    }.items():
        card = page.locator(f".nba-section-{section}")
        card.locator(".nba-chart").focus()
        assert card.locator(".nba-pointed").inner_text() == messages()["chart.keys"]["sv"]
        page.keyboard.press("ArrowRight")
        assert first in card.locator(".nba-pointed").inner_text()
        page.keyboard.press("End")
        assert re.search(r"\d|\.\.", card.locator(".nba-pointed").inner_text())


# Text that is cut off by a box of its own; what can be scrolled, and what is there for the ear only, is none.
CUT = """() => [...document.querySelectorAll('main *')].filter((node) => {
    const style = getComputedStyle(node);
    if (node.closest('svg, .nba-hush, caption, select') || !node.checkVisibility()) return false;
    return ['hidden', 'clip'].includes(style.overflowX) && node.scrollWidth > node.clientWidth + 1;
  }).map((node) => node.className + ': ' + node.textContent.slice(0, 40))"""


@pytest.mark.parametrize("lang", FOLDERS)
def test_an_enlarged_page_loses_nothing(visit, lang):
    """WCAG 1.4.10 and 1.4.4: a window of 1280 pixels enlarged to 400 per cent has 320; one of 1440 to 200 has 720."""
    for name in PAGES:
        page = opened(visit(FOLDERS[lang] + name, size=(720, 640)))
        if name in BOARDS:
            page.locator(".nba-chart").first.dispatch_event("pointerover")
        for width in (720, 320):
            page.set_viewport_size({"width": width, "height": 640})
            page.wait_for_function(FITTED)
            assert overflow(page) <= 0, (name, width)
            assert page.evaluate(CUT) == [], (name, width)


def test_hostile_names_of_eighty_characters_are_text_and_shown_whole(visit, tmp_path):
    site = site_of(released(tmp_path / "release", hostile_names), tmp_path / "site", only="board")
    for size in ((320, 640), *SIZES.values()):
        page = visit("board.html#school=S1", size=size, at=site)
        assert page.title() == "När tappar vi dem?"
        assert "<script>" in page.locator(".nba-where").inner_text()
        assert page.locator("main script:not([type]), main img").count() == 0
        chosen = page.locator(".nba-filter", has_text="Skola").locator(".nba-chosen")
        assert len(chosen.inner_text()) >= 80
        inside = """node => { const list = node.parentElement.querySelector('select').getBoundingClientRect();
          const range = document.createRange(); range.selectNodeContents(node);
          const text = range.getBoundingClientRect();
          return text.top >= list.top && text.bottom <= list.bottom && text.right <= list.right - 20; }"""
        assert chosen.evaluate(inside), size
        assert overflow(page) <= 0
        assert page.evaluate(CUT) == []


def test_nothing_moves_for_those_who_want_it_still(visit):
    page = visit("board.html", reduced_motion="reduce")
    moving = "[...document.querySelectorAll('*')].filter((n) => getComputedStyle(n).transitionDuration !== '0s').length"
    assert page.evaluate(moving) == 0


def words_of(text):
    return set(re.findall(r"[a-zåäöé]{3,}", text.lower()))


def known(lang):
    said = [entry[lang] for entry in messages().values()]
    said += [entry[lang] for kind in labels().values() for entry in kind.values()]
    return words_of(re.sub(r"\{\w+\}", " ", " ".join(said)))


# All that a reader meets: what is seen, what is told to screen readers, and what the pointer brings up.
HEARD = """() => {
  const names = [...document.querySelectorAll('[aria-label], [title]')].filter((node) => node.checkVisibility())
    .map((node) => `${node.ariaLabel ?? ''} ${node.title ?? ''}`);
  const told = (trace) => [trace.customdata, trace.text, trace.node?.customdata, trace.link?.customdata];
  const charts = [...document.querySelectorAll('.nba-chart')].filter((node) => node.data)
    .map((node) => JSON.stringify([node.data.map(told), (node.layout.annotations ?? []).map((note) => note.text)]));
  const switches = [...document.querySelectorAll('[data-nba-switch]')].map((node) => node.textContent);
  const seen = switches.reduce((text, word) => text.replaceAll(word, ' '), document.body.innerText);
  return [document.title, seen, ...names, ...charts].join(' ');
}"""


def strange(page, lang):
    """Words of the other language on a page, by the catalogue; names of the publication are no language's."""
    other = next(code for code in FOLDERS if code != lang)
    foreign = known(other) - known(lang) - words_of("svenska english text font size color")
    own = words_of("Betygsprogression, Kvarnviken Kvarnviksskolan Norrgläntansskolan Lövhultaskolan")
    return (words_of(page.evaluate(HEARD)) & foreign) - own


@pytest.mark.parametrize("lang", FOLDERS)
def test_a_page_is_in_one_language(visit, lang):
    for name in PAGES:
        page = visit(FOLDERS[lang] + name)
        if name in BOARDS:
            opened(page).locator(".nba-chart svg").first.wait_for()
            assert page.locator(".modebar").count() == 0
        assert strange(page, lang) == set(), name


def test_plotly_speaks_the_language_of_the_page(visit):
    for lang, folder in FOLDERS.items():
        page = visit(f"{folder}board.html")
        wait_for_charts(page)
        chart = page.locator(".nba-chart").first
        assert chart.evaluate("node => node._context.locale") == lang
        assert chart.evaluate("node => node._fullLayout.separators") == {"sv": ",\u00a0", "en": ".,"}[lang]


@pytest.mark.parametrize(("lang", "size"), [("sv", "wide"), ("sv", "narrow"), ("en", "narrow")])
def test_every_control_does_what_it_says(visit, lang, size):
    page = visit(f"{FOLDERS[lang]}board.html", size=SIZES[size])
    wait_for_charts(page)
    if SHOTS:
        SHOTS.mkdir(parents=True, exist_ok=True)
        page.screenshot(path=SHOTS / f"{lang}-{size}.png", full_page=True)
    for choice in page.locator(".nba-filter select").all():
        views, before = page.locator(".nba-board").get_attribute("data-views"), page.locator(".nba-where").inner_text()
        choice.select_option(index=1)
        page.locator(f'.nba-board:not([data-views="{views}"])').wait_for()
        assert page.locator(".nba-where").inner_text() != before
        views = page.locator(".nba-board").get_attribute("data-views")
        choice.select_option(index=0)
        page.locator(f'.nba-board:not([data-views="{views}"])').wait_for()
    for summary in page.locator("summary").all():
        summary.click()
        assert summary.evaluate("node => node.parentElement.open")
    # What is saved does not depend on the screen: once in each language is enough.
    for card in page.locator("section[class*=nba-section]").all() if size == FULL[lang] else ():
        title = card.locator("h2").inner_text()
        told = {kind: saved(page, card.locator(f"button[data-kind={kind}]")) for kind in ("csv", "png", "svg")}
        rows = [line for line in told["csv"].decode("utf-8-sig").split("\r\n") if line]
        assert len(rows) == card.locator("tbody tr").count() + 1
        assert told["png"].startswith(b"\x89PNG")
        assert title.encode() in told["svg"]
    assert overflow(page) <= 0
    page.locator("[data-nba-switch]").click()
    other = next(code for code in FOLDERS if code != lang)
    page.wait_for_selector(f"{READY}[lang={other}]")


def test_a_table_is_saved_as_spreadsheets_read_it(visit):
    for lang, first in {"sv": "Grupp;Elever;Andel", "en": "Group,Students,Share"}.items():
        page = visit(f"{FOLDERS[lang]}board.html")
        rows = saved(page, page.locator(".nba-section-groups button[data-kind=csv]")).decode("utf-8-sig").split("\r\n")
        assert rows[0] == first
        students, share = [row.split(first[5])[1:] for row in rows if row][-1]
        assert students == "2314"  # the sample's students with grades in both years, without a separator
        assert share == {"sv": "100,0%", "en": "100.0%"}[lang]


def test_a_saved_table_has_the_bounds_of_intervals_apart_and_numbers_that_machines_read(visit):
    page = opened(visit("en/baseline.html#cohort=2018"))
    card = page.locator(".nba-section-followup")
    heads, row = saved(page, card.locator("button[data-kind=csv]")).decode("utf-8-sig").split("\r\n")[:2]
    change = "Change in percentage points"
    assert heads == f'Group,Baseline,Follow-up,{change},"{change}, lower limit","{change}, upper limit",Chance alone'
    assert row == "All,82.7%,80.2%,-2.6,-6.5,+1.4,3.9"
    shown = " ".join(card.locator("tbody tr").first.inner_text().split())
    assert shown == "All 82.7% 80.2% \u22122.6 (\u22126.5 – +1.4) ± 3.9"
