"""Pages for who is turned away: readable, in the visitor's language, and without a way into what is closed."""

import re
import shutil

import pytest
from browsing import in_both_schemes
from patience import eventually
from serving import admit, get, running
from test_accessibility import FAINT, axe, strange

from nbanalytics.serve import default_release

pytestmark = pytest.mark.browser

TITLES = {
    "token": {"sv": "Du behöver en nyckel", "en": "You need a key"},
    "host": {"sv": "Servern svarar inte under det namnet", "en": "The server does not answer to that name"},
    "size": {"sv": "Begäran är för stor", "en": "The request is too large"},
    "missing": {"sv": "Sidan finns inte", "en": "There is no such page"},
    "full": {"sv": "Fullt just nu", "en": "Full at the moment"},
    "unavailable": {
        "sv": "Översikterna kan inte visas just nu",
        "en": "The dashboards cannot be shown at the moment",
    },
}
LOCALES = {"sv": "sv-SE", "en": "en-GB"}


@pytest.fixture(scope="module")
def release(tmp_path_factory):
    return shutil.copytree(default_release(), tmp_path_factory.mktemp("served") / "release")


@pytest.fixture(scope="module")
def server(release):
    announced = r"http://127\.0\.0\.1:\d+/\?token=[\w-]{20,}"
    with running(announced, release=str(release), names=["skola.example"], live_limit=0) as started:
        yield started


def title(page):
    return re.search(r"<h1>([^<]+)</h1>", page)[1]


@pytest.fixture
def readable(browser):
    """Look at a page in both languages and colour schemes, as a browser that has shown the token or has not."""

    def look(server, path, kind, known=True):
        for lang, locale in LOCALES.items():
            context = browser.new_context(locale=locale, viewport={"width": 360, "height": 700})
            if known:
                admit(context, server)
            page = context.new_page()
            page.goto(server.address + path)
            assert page.locator("h1").inner_text() == TITLES[kind][lang]
            assert page.locator("html").get_attribute("lang") == lang
            for scheme in in_both_schemes(page):
                assert axe(page) == [], (kind, lang, scheme)
                assert page.evaluate(FAINT) == []
                bar = page.locator(".nba-bar").evaluate("node => getComputedStyle(node).backgroundColor")
                assert bar != "rgba(0, 0, 0, 0)"  # it has the look of the others
            assert strange(page, lang) == set()
            context.close()

    return look


def test_who_has_no_token_gets_a_page_like_the_others_that_leads_nowhere(server, readable):
    readable(server, "board", "token", known=False)
    status, _, page = get(f"{server.address}board")
    assert status == 403
    assert not re.findall(r'(?:href|src)="(?!#innehall|data:)', page)


def test_pages_that_are_missing_or_full(server, readable):
    readable(server, "nothing", "missing")
    readable(server, "live/board", "full")


def test_the_language_is_that_of_the_address_then_that_of_the_browser(server):
    for path, asked, lang in (
        ("", "", "sv"),
        ("", "en-GB,en;q=0.9,sv;q=0.8", "en"),
        ("", "de,sv;q=0.5", "sv"),
        ("board?lang=en", "sv-SE", "en"),
        ("board?lang=%3Cb%3E", "sv-SE", "sv"),
        ("en/board", "sv-SE", "en"),
    ):
        status, _, page = get(server.address + path, Accept_Language=asked)
        assert (status, title(page)) == (403, TITLES["token"][lang]), path
        assert f'<html lang="{lang}">' in page


def test_a_foreign_host_and_a_request_too_large_are_told_so_and_nothing_is_named(server):
    for lang, locale in LOCALES.items():
        for kind, headers in {"host": {"Host": "evil.example"}, "size": {"X-Much": "a" * 20_000}}.items():
            status, _, page = get(f"{server.address}board", Accept_Language=locale, **headers)
            assert (status, title(page)) == (403, TITLES[kind][lang])
            assert "skola.example" not in page
            assert "evil" not in page


def test_a_release_that_was_altered_or_is_gone(server, release, readable):
    """The last test: the server's release is gone after it."""
    table = release / "tables" / "groups.csv"
    table.write_bytes(table.read_bytes().replace(b"1", b"2"))
    kept = get(server.announced)[1]["Set-Cookie"].partition(";")[0]
    assert eventually(lambda: get(f"{server.address}board", Cookie=kept)[0] == 503)
    readable(server, "board", "unavailable")
    shutil.rmtree(release)
    readable(server, "live/board", "unavailable")
