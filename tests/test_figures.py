"""Charts: order, labels, separators, and no suppressed number anywhere in what is sent to a browser."""

import itertools
import json
import re
from html import unescape
from inspect import signature
from xml.etree import ElementTree

import pandas as pd
import pytest

from nbanalytics import figures, losses
from nbanalytics.errors import DisclosureError
from nbanalytics.figures import Chart, style
from nbanalytics.figures.flows import ROOM
from nbanalytics.figures.style import safe
from nbanalytics.figures.svg import draw_svg
from nbanalytics.pages.board import SECTIONS, Board, has_marks
from nbanalytics.text import Words

SWEDISH = Words("sv")

SECRET = 3.25  # a value that is nowhere else
STAGES = ["6VT", "7VT", "upper_secondary"]


def long(dimensions, values, measure="students"):
    rows = []
    for place, value in values.items():
        place = place if isinstance(place, tuple) else (place,)
        status = "suppressed" if value == SECRET else "ok"
        rows.append(dict(zip(dimensions, place, strict=True)) | {"measure": measure, "value": value, "status": status})
    return pd.DataFrame(rows)


@pytest.fixture
def groups():
    return long(["group"], {"1": 120, "2": 116, "3": 20, "4": 19, "5": SECRET, "6": 23, "*": 313})


@pytest.fixture
def flows():
    states = {
        ("6VT", "not_eligible"): 50,
        ("6VT", "eligible"): 250,
        ("7VT", "moved"): SECRET,
        ("7VT", "not_eligible"): 60,
        ("7VT", "eligible"): 230,
        ("upper_secondary", "introductory"): 60,
        ("upper_secondary", "preparatory"): 230,
    }
    links = {
        ("7VT", "eligible", "upper_secondary", "preparatory"): 230,
        ("6VT", "eligible", "7VT", "eligible"): 225,
        ("6VT", "eligible", "7VT", "not_eligible"): 15,
        ("6VT", "eligible", "7VT", "moved"): SECRET,
        ("6VT", "not_eligible", "7VT", "not_eligible"): 45,
        ("7VT", "not_eligible", "upper_secondary", "introductory"): 60,
    }
    columns = ["stage_from", "state_from", "stage_to", "state_to"]
    return long(["stage", "state"], states), long(columns, links)


@pytest.fixture
def terms():
    lost = long(["term"], {"7HT": 18, "7VT": SECRET, "8HT": 6}, "lost")
    hazard = long(["term"], {"7HT": 0.071, "7VT": SECRET, "8HT": 0.0254}, "hazard")
    return pd.concat([lost, hazard])


@pytest.fixture
def subjects():
    values = {
        ("7HT", "MA"): 8,
        ("7HT", "EN"): SECRET,
        ("8HT", "MA"): 0,
        ("8HT", "EN"): 12,
        ("*", "MA"): 8,
        ("*", "EN"): 14,
    }
    return long(["term", "subject"], values | {("7HT", "BL"): 0, ("8HT", "BL"): 0, ("*", "BL"): 0})


@pytest.fixture
def charts(groups, flows, terms, subjects):
    return {
        "groups": figures.groups_bar(groups, SWEDISH),
        "flows": figures.flow_sankey(flows, SWEDISH),
        "terms": figures.drop_terms(terms, SWEDISH),
        "subjects": figures.subjects_heatmap(subjects, SWEDISH),
    }


@pytest.fixture
def drawn(charts):
    return {name: chart.figure() for name, chart in charts.items()}


def checked_by_plotly(chart):
    """What plotly sends of the figure that it has checked, without the template that pages do not need."""
    drawn_still(chart)
    sent = json.loads(chart.figure().to_json())
    del sent["layout"]["template"]
    return sent


def drawn_still(chart, width=720):
    """The static picture of a chart, after a look at what is wanted of all: small, whole, with every text in it."""
    picture = chart.svg(width)
    root = ElementTree.fromstring(picture)
    assert len(picture) < 30_000
    assert (root.get("aria-label") or "") == chart.alt
    assert not re.search(r"nan|inf\b|None", re.sub(r">[^<]*<|aria-label=\"[^\"]*\"", "", picture))
    written = "".join(root.itertext())
    layout, traces = chart.plain()["layout"], chart.plain()["data"]
    wanted = [note["text"] for note in layout.get("annotations", ())]
    wanted += [text for trace in traces if "text" in trace.get("mode", "") or trace["type"] == "bar"
               for text in trace.get("text", ())]  # fmt: skip
    wanted += [trace["name"] for trace in traces if layout["showlegend"] and trace.get("showlegend", True)]
    lines = [unescape(re.sub(r"</?b>", "", line)) for text in wanted for line in text.split("<br>")]
    assert [line for line in lines if line not in written] == []
    return root


def paths(root, colour):
    """The numbers of each path of a picture that is filled with a colour."""
    found = [path for path in root.iter("{http://www.w3.org/2000/svg}path") if path.get("fill") == colour]
    return [[float(n) for n in re.findall(r"-?(?:\d+\.?\d*|\.\d+)", path.get("d"))] for path in found]


def test_a_static_picture_has_bars_as_long_as_their_numbers(charts):
    """Lengths are read from the picture: M x y H end v height H x, for each bar of a colour."""
    root = drawn_still(charts["groups"])
    numbers = {style.PLAIN: [120, 116, 20, 19], style.ACCENT: [23]}
    for colour, counts in numbers.items():
        [path] = paths(root, colour)
        lengths = [path[at + 2] - path[at] for at in range(0, len(path), 5)]
        assert [length / lengths[0] for length in lengths] == pytest.approx([n / counts[0] for n in counts], abs=0.005)


def test_a_static_flow_has_links_as_thick_as_they_have_students(charts):
    links = [path for path in drawn_still(charts["flows"]).iter() if "C" in path.get("d", "")]
    thick = [float(re.search(r"v([\d.]+)C", path.get("d")).group(1)) for path in links]
    assert sorted(thick) == pytest.approx([400 / 300 * n for n in (15, 45, 60, 225, 230)], abs=0.1)
    [loss] = [path for path in links if path.get("fill-opacity") == "0.62"]  # 15 of 300 students, in 400 pixels
    assert "v20C" in loss.get("d")
    assert loss.get("fill") == style.STATE_COLOURS["not_eligible"]


@pytest.mark.parametrize("name", SECTIONS)
def test_a_static_picture_of_a_telephones_width_keeps_every_text_inside(charts, name):
    root = drawn_still(charts[name], 340)
    assert root.get("viewBox").startswith("0 0 340 ")


def test_what_cannot_be_drawn_as_a_picture_is_refused(charts):
    pie = charts["groups"].drawing | {"data": [{"type": "pie", "x": [1], "y": [1]}]}
    with pytest.raises(ValueError, match="'pie' cannot be drawn"):
        Chart(pie, "", charts["groups"].table).svg()


def test_a_drawing_is_the_checked_figure(charts, terms, subjects):
    """Pages are sent drawings that plotly has not checked: they have to be what the checked figures are."""
    table = pd.DataFrame({"points_y6": [12.0, 14.0], "points_y9": [10.0, 15.0], "group": [6, 1]})
    empty = [figures.subjects_heatmap(subjects[:0]), figures.drop_terms(terms[:0])]
    for chart in (*charts.values(), *empty, figures.cohort_scatter(table)):
        assert chart.plain() == checked_by_plotly(chart)


def test_every_chart_function_takes_words_last_and_returns_a_chart():
    functions = [getattr(figures, name) for name in figures.__all__ if name.islower()]
    assert len(functions) > 20
    odd = [
        function.__name__
        for function in functions
        if [*signature(function).parameters][-1] != "words" or signature(function).return_annotation != "Chart"
    ]
    assert odd == []


def test_a_notebook_shows_the_figure_its_text_and_its_table(charts, monkeypatch):
    shown = charts["groups"]._repr_mimebundle_()
    assert shown["application/vnd.plotly.v1+json"]["data"][0]["type"] == "bar"
    assert "Tappade behörigheten" in shown["text/html"]
    assert shown["text/html"].count("<tr") == 1 + len(charts["groups"].table.rows)
    assert repr(charts["groups"]).startswith(charts["groups"].alt)
    beneath = []
    monkeypatch.setattr("IPython.display.display", lambda data, raw: beneath.append(data))
    charts["groups"]._ipython_display_()
    figure, words = beneath
    assert words == {kind: shown[kind] for kind in ("text/html", "text/plain")}
    assert figure["application/vnd.plotly.v1+json"] == shown["application/vnd.plotly.v1+json"]
    assert figure["image/svg+xml"] == charts["groups"].svg()
    assert "text/html" not in figure  # an export would show it instead of the picture


@pytest.mark.parametrize("name", SECTIONS)
def test_a_suppressed_number_is_never_sent(charts, name):
    sent = json.dumps(charts[name].plain())
    assert "3.25" not in sent
    assert "3,25" not in charts[name].alt + str(charts[name].table.rows)
    assert '".."' in sent or name == "flows"


@pytest.mark.parametrize("name", SECTIONS)
def test_numbers_are_swedish_and_nothing_is_animated_away(drawn, name):
    layout = drawn[name].layout
    assert layout.separators == ",\u00a0"
    assert layout.dragmode is False


def test_the_separators_follow_the_language(groups):
    assert figures.groups_bar(groups, Words("en")).figure().layout.separators == ".,"


def test_groups_stand_in_order_and_bear_their_names(drawn):
    names = [note.text for note in drawn["groups"].layout.annotations if note.text != ".."]
    assert [name[3] for name in names] == list("123456")
    assert names[5].endswith("Tappade behörigheten")
    assert list(drawn["groups"].data[0].x) == [120, 116, 20, 19, None, 23]
    assert drawn["groups"].data[0].text[5].replace("\u00a0", " ") == "23 (7 %)"


def nodes_of(chart):
    """Names and places of the nodes that are seen: the last two are the ends of the link that sets the scale."""
    node = chart.data[0].node
    seen = len(node.label) - 2
    return list(node.label[:seen]), list(node.x[:seen]), list(node.y[:seen])


def test_stages_go_from_left_to_right_and_states_from_top_to_bottom(drawn):
    names, across, down = nodes_of(drawn["flows"])
    assert [name.rsplit(" ", 1)[0] for name in names] == [
        "Årskurs 6: Behörig",
        "Årskurs 6: Ej behörig",
        "Årskurs 7: Behörig",
        "Årskurs 7: Ej behörig",
        "Gymnasiet: Högskoleförberedande",
        "Gymnasiet: Introduktionsprogram",
    ]
    assert across == sorted(across)
    for column in sorted(set(across)):
        held = [y for x, y in zip(across, down, strict=True) if x == column]
        assert held == sorted(set(held))
    headings = [note.text for note in drawn["flows"].layout.annotations if note.text.startswith("<b>")]
    assert headings == ["<b>Årskurs 6</b>", "<b>Årskurs 7</b>", "<b>Gymnasiet</b>"]


def test_bars_of_a_stage_do_not_overlap_and_stay_in_the_picture(drawn):
    bars = drawn["flows"].layout.shapes
    assert all(bar.y1 >= -1e-9 for bar in bars)
    for stage in {bar.xanchor for bar in bars}:
        held = [bar for bar in bars if bar.xanchor == stage]
        assert all(upper.y1 > lower.y0 for upper, lower in itertools.pairwise(held))


def test_the_unseen_link_gives_plotly_our_scale(drawn):
    link, bars = drawn["flows"].data[0].link, drawn["flows"].layout.shapes
    fullest = max(240 + 45, 230 + 60)  # what the shown links of the first and the last stage add up to
    ours = (bars[0].y0 - bars[0].y1) * ROOM / 250
    assert (ROOM - 2) / (fullest + link.value[-1]) == pytest.approx(ours, rel=0.01)


def test_a_node_whose_links_are_all_hidden_keeps_its_bar_and_moves_no_other(flows):
    states, links = flows
    hidden = long(["stage", "state"], {("upper_secondary", "vocational"): 87, ("6VT", "moved"): 6})
    chart = figures.flow_sankey((pd.concat([states, hidden]), links), SWEDISH).figure()
    link = chart.data[0].link
    assert len(nodes_of(chart)[0]) == len({*link.source, *link.target}) - 2 == 6
    assert len(chart.layout.shapes) == 8
    assert any(note.text == "Yrkesprogram 87" for note in chart.layout.annotations)


def test_a_flow_chart_of_nothing_is_empty():
    empty = pd.DataFrame({"stage": [], "state": [], "measure": [], "value": [], "status": []})
    links = pd.DataFrame(
        {"stage_from": [], "state_from": [], "stage_to": [], "state_to": [], "measure": [], "value": []}
    )
    assert figures.flow_sankey((empty, links)).drawing["data"] == []


def test_the_transition_is_told_by_more_than_its_colour(drawn):
    bars = drawn["terms"].data[0]
    assert bars.marker.color[0] != bars.marker.color[1] == bars.marker.color[2]
    assert any("6→7" in note.text for note in drawn["terms"].layout.annotations)
    assert list(bars.y) == [18, None, 6]


def test_subjects_nobody_lacked_are_left_out_and_the_most_common_is_first(drawn):
    assert list(drawn["subjects"].data[0].y) == ["Engelska", "Matematik"]
    assert [list(line) for line in drawn["subjects"].data[0].z] == [[None, 12], [8, 0]]


def test_labels_from_outside_are_shown_as_text():
    assert safe("<script>alert(1)</script>") == "&lt;script&gt;alert(1)&lt;/script&gt;"
    table = long(["term", "subject"], {("7HT", "<b>X</b>"): 9, ("*", "<b>X</b>"): 9})
    assert "<b>X" not in json.dumps(figures.subjects_heatmap(table).plain())


def test_the_scatter_tells_groups_by_colour_and_shape():
    table = pd.DataFrame({"points_y6": [12.0, 14.0, 9.0], "points_y9": [10.0, 15.0, 9.0], "group": [6, 1, 4]})
    chart = figures.cohort_scatter(table, SWEDISH)
    line, *traces = chart.figure().data
    assert (list(line.x), list(line.y)) == ([0, 15], [0, 15])
    assert [trace.name[:7] for trace in traces] == ["Grupp 1", "Grupp 4", "Grupp 6"]
    assert len({trace.marker.symbol for trace in traces}) == len({trace.marker.color for trace in traces}) == 3
    assert "1 ligger över" in chart.alt.replace("\u00a0", " ")
    assert [row[1:] for row in chart.table.rows] == [["1", "0", "0"], ["0", "0", "1"], ["0", "1", "0"]]


@pytest.mark.parametrize(("highest", "end"), [(17.5, 20), (20.0, 20), (9.5, 10), (88.0, 90)])
def test_the_axes_of_the_scatter_follow_the_scale(highest, end):
    chart = figures.cohort_scatter(pd.DataFrame({"points_y6": [5.0], "points_y9": [highest], "group": [1]}))
    assert chart.drawing["data"][0]["x"] == [0, end]


def test_the_scatter_says_which_columns_it_needs():
    with pytest.raises(ValueError, match="points_y6 or points_6"):
        figures.cohort_scatter(pd.DataFrame({"group": [1]}))


class MadeRelease:
    """A release in memory with just what the board's page asks for."""

    def __init__(self, groups, flows, terms, subjects):
        flow = {("*", "*"): 313, ("eligible", "*"): 259, ("*", "eligible"): 251}
        flow |= {("eligible", "not_eligible"): 23, ("not_eligible", "eligible"): SECRET}
        self.tables = {
            "eligibility": long(["start", "end"], flow),
            "points": long(["year"], {"6": 190.5, "9": 195.6}, "mean_merit"),
            "groups": groups,
            "states": flows[0],
            "transitions": flows[1],
            "droppoints": terms,
            "lost_subjects": subjects,
        }
        cohorts, schools = ["2017", "2018"], {"S1": "Bergsskolan <b>"}
        self.manifest = {
            "max_crossed": 1,
            "synthetic": True,
            "policy": {"min_cell": 5},
            "tables": dict.fromkeys(self.tables),
            "dimensions": {
                "cohort": {"values": cohorts, "labels": {}},
                "school": {"values": list(schools), "labels": schools},
            },
        }

    def cells(self, table, /, **selection):
        if len(selection) > self.manifest["max_crossed"]:
            raise DisclosureError("not declared")
        return self.tables[table]


@pytest.fixture
def board(groups, flows, terms, subjects):
    return Board(MadeRelease(groups, flows, terms, subjects))


def test_the_page_is_json_and_hides_what_is_suppressed(board):
    view = board.view(board.start())
    sent = json.dumps(view)
    assert "3.25" not in sent
    assert "3,25" not in sent
    assert view["problem"] is None
    assert [part["id"] for part in view["sections"]] == list(SECTIONS)
    assert {tile["id"]: tile["value"] for tile in view["tiles"]}["gained"] == ".."


def test_the_page_opens_with_everybody_and_only_filters_that_exist(board):
    assert set(board.start().values()) == {"*"}
    assert [entry["id"] for entry in board.filters()] == ["cohort", "school"]
    assert board.filters()[0]["options"][0] == {"value": "*", "label": "Alla avgångsår"}


def test_each_chart_has_its_table_its_text_and_words_on_what_is_hidden(board):
    for part in board.view({})["sections"]:
        assert part["alt"]
        assert part["table"]["rows"]
        assert all(len(row) == len(part["table"]["columns"]) for row in part["table"]["rows"])
        assert "visas som .. gäller färre än 5 elever" in part["help"][2]["text"]


def test_a_combination_that_is_not_declared_is_told_with_the_way_out(board):
    view = board.view({"cohort": "2018", "school": "S1"})
    assert "inte publicerad" in view["problem"]["text"]
    assert [way["filter"] for way in view["problem"]["remove"]] == ["cohort", "school"]
    assert view["sections"] == view["tiles"] == []


def test_a_chart_that_fewer_filters_may_cross_says_so_and_what_to_do(board):
    assert board.page()["words"]["filters.hint"] == "Du kan välja högst ett filter."
    board.release.manifest["max_crossed"] = 2
    board.release.manifest["tables"] = {name: {"max_crossed": 2} for name in board.release.tables}
    board.release.manifest["tables"]["droppoints"] = {"max_crossed": 1}
    crossed = Board(board.release)
    assert crossed.page()["words"]["filters.hint"].endswith("Vissa diagram visas bara med högst ett.")

    def cells(table, /, **selection):
        if len(selection) > board.release.manifest["tables"][table]["max_crossed"]:
            raise DisclosureError("not declared")
        return board.release.tables[table]

    board.release.cells = cells
    parts = {part["id"]: part for part in crossed.view({"cohort": "2018", "school": "S1"})["sections"]}
    assert parts["groups"]["empty"] == ""
    assert parts["terms"]["empty"].startswith("Visas med högst ett filter")
    assert parts["terms"]["help"][2]["text"] == parts["terms"]["empty"]


def test_a_chart_of_hidden_numbers_alone_is_told_in_words(board, terms):
    board.release.tables["droppoints"] = terms.assign(value=SECRET, status="suppressed")
    part = next(part for part in board.view({})["sections"] if part["id"] == "terms")
    assert part["empty"].startswith("För mycket är dolt")
    assert "dolda (..)" in part["help"][2]["text"]
    assert part["table"]["rows"]


def test_axes_without_a_number_are_not_drawn():
    marks = [{"type": "bar", "orientation": "h", "x": [None, float("nan")], "y": [0, 1]}]
    heat = {"type": "heatmap", "x": ["7HT"], "y": ["MA"], "z": [[None]]}
    assert not has_marks({"data": [*marks, heat]})
    for shown in ({"type": "scatter", "x": [0.0], "y": ["2018"]}, heat | {"z": [[None, 0]]}):
        assert has_marks({"data": [*marks, shown]})


def test_the_page_counts_what_is_hidden_once_and_as_its_pictures_and_key_figures_show_it(board):
    view = board.view({})
    pictures = [draw_svg(part["figure"]) for part in view["sections"] if not part["empty"]]
    seen = sum(len(re.findall(r">[^<]*(?<![\w.])\.\.(?![\w.])[^<]*</(?:text|tspan)>", text)) for text in pictures)
    seen += sum(tile["value"] == ".." for tile in view["tiles"])
    assert seen > 1
    words = [word for text in view["reading"] for word in re.findall(r"(\d+) uppgifter i diagrammen", text)]
    assert words == [str(seen)]


def test_a_title_says_what_the_chart_says_only_where_it_is_known(board, groups):
    def titles(**values):
        shown = groups["group"].map(values).fillna(groups["value"])
        board.release.tables["groups"] = groups.assign(
            value=shown, status=shown.map({SECRET: "suppressed"}).fillna("ok")
        )
        return {part["id"]: part["headline"].replace("\xa0", " ") for part in board.view({})["sections"]}

    assert titles(**{"5": 15, "6": 23})["groups"] == "23 elever tappade behörigheten, 15 blev behöriga"
    assert titles(**{"5": SECRET, "6": 1})["groups"] == "1 elev tappade behörigheten"
    assert titles(**{"5": 15, "6": SECRET})["groups"] == ""
    assert titles()["flows"] == ""


def test_charts_whose_tables_the_release_lacks_are_left_out(groups, flows, terms, subjects):
    release = MadeRelease(groups, flows, terms, subjects)
    for name in ("transitions", "lost_subjects"):
        del release.tables[name], release.manifest["tables"][name]
    view = Board(release).view({})
    assert [part["id"] for part in view["sections"]] == ["groups", "terms"]


def test_a_section_that_does_not_exist_is_told(board):
    with pytest.raises(ValueError, match="no section maps"):
        Board(board.release, sections=["maps"])


def test_the_page_speaks_english_too(board):
    english = Board(board.release, "en").view({})
    assert english["sections"][0]["title"] == "Six groups"
    assert "Av " not in english["answer"]


def test_a_life_table_of_the_analysis_is_drawn_as_it_is(karlskoga):
    lost = losses(karlskoga)
    table = lost.life_table()
    assert figures.drop_terms(table) == figures.drop_terms(lost)
    bars, hazards = figures.drop_terms(table).figure().data
    assert list(bars.y) == list(table["lost"])
    assert list(hazards.y) == list(table["hazard"])
