"""Who publishes a release and what it calls things: from the declaration to the pages, and refused where wrong."""

import pytest
from releases import released

from nbanalytics.errors import DisclosureError
from nbanalytics.export import Site, open_verified
from nbanalytics.pages.board import Board
from nbanalytics.release.declared import parse_declared
from nbanalytics.serve import default_release

PUBLISHER = {
    "name": "Kvarnvikens kommun",
    "email": "hej@kommunen.example",
    "phone": "0123-45 67 89",
    "status": "partially",
    "assessed": "2026-11-01",
    "problems": ["Ett diagram går inte att förstora <ensamt>."],
}


def statement(manifest_change, tmp_path, lang="sv"):
    def change(manifest, tables):
        manifest.update(manifest_change)

    site = Site(open_verified(released(tmp_path / "release", change)), [], lang)
    return site.pages["accessibility.html"].body.decode()


def test_the_statement_is_filled_in_by_the_publisher(tmp_path):
    page = statement({"publisher": PUBLISHER}, tmp_path)
    assert "Kvarnvikens kommun står bakom" in page
    assert "lagen (2018:1937)" in page
    assert "delvis förenlig" in page
    assert "1 november 2026" in page
    assert 'href="mailto:hej@kommunen.example"' in page
    assert "&lt;ensamt&gt;" in page


def test_a_statement_that_nobody_filled_in_says_so(tmp_path):
    page = statement({}, tmp_path)
    assert "Utgivaren har inte fyllt i sina uppgifter" in page
    assert "har ännu inte bedömt" in page


def test_another_country_meets_no_swedish_law(tmp_path):
    page = statement({"publisher": PUBLISHER | {"country": "NO"}}, tmp_path, "en")
    assert "Swedish" not in page
    assert "Digg" not in page


def test_a_publication_calls_things_by_its_own_words():
    release = open_verified(default_release())
    words = {"stage.upper_secondary": "High school", "about.eligible.other.text": "Meets the demands of {to_year}."}
    manifest = {
        **release.manifest,
        "words": {"en": words | {"state.vocational": "Trade school", "flows.title": "A {blank} that there is not"}},
        "source": {**release.manifest["source"], "rule": "entrance"},
    }
    board = Board(type(release)(manifest, release.tables), "en")
    view, page = board.view(board.start()), board.page()
    flows = next(part for part in view["sections"] if part["id"] == "flows")
    assert "High school: trade school" not in flows["alt"]
    assert "trade school" in flows["alt"]
    assert "High school" in str(flows["table"])
    assert flows["title"] == "From year 6 onwards"  # words with an unknown blank are not used
    assert "Meets the demands of year 9." in str(page["about"])
    assert "ocational" not in str(view) + str(page)


def test_the_words_of_a_declaration_reach_the_release():
    declared = parse_declared({"publisher": PUBLISHER, "words": {"sv": {"groups.title": "Grupperna"}}})
    assert declared.presented["publisher"]["name"] == "Kvarnvikens kommun"
    assert declared.presented["words"] == {"sv": {"groups.title": "Grupperna"}}
    assert declared.crossed(1).presented == declared.presented


@pytest.mark.parametrize(
    ("data", "told"),
    [
        ({"publisher": {"status": "perfect"}}, "fully, partially, unassessed"),
        ({"publisher": {"assessed": "i höstas"}}, "assessed = 'i höstas' must be a date"),
        ({"words": {"fi": {}}}, "unknown key 'fi'"),
        ({"words": {"sv": {"groups": {"title": "x"}}}}, "in quotation marks"),
    ],
)
def test_a_wrong_declaration_is_refused_in_words(data, told):
    with pytest.raises(DisclosureError, match=told):
        parse_declared(data)
