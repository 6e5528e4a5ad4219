"""The colours of the charts: contrast computed as WCAG 2.1 defines it, in light and in dark, and for the colour-blind.

Oracles: the relative luminance and contrast ratio of WCAG 2.1 (1.4.3: 4.5 to 1 for text; 1.4.11: 3 to 1 for marks); the
matrices of Machado, Oliveira and Fernandes 2009, severity 1.0, for what protanopes and deuteranopes see.
"""

import json
import re

import numpy as np
import pytest

from nbanalytics.export import open_verified
from nbanalytics.figures import style
from nbanalytics.pages.board import Board
from nbanalytics.serve import default_release

SEES = {
    "protan": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "deutan": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
}
LIGHT = {colour: colour for colour in style.DARK}
MARKS = {*style.STATE_COLOURS.values(), style.PLAIN, style.ACCENT, style.SKY, style.PURPLE, style.ORANGE}
WORDS = {style.INK, style.MUTED, style.LOSS}


def linear(colour):
    values = np.array([int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)])
    return np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)


def contrast(one, other):
    light, dark = sorted((float(linear(colour) @ [0.2126, 0.7152, 0.0722]) for colour in (one, other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def lab(rgb):
    """CIE L*a*b* of linear sRGB, white D65."""
    xyz = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]]) @ rgb
    scaled = xyz / np.array([0.9505, 1.0, 1.089])
    x, y, z = np.where(scaled > 0.008856, np.cbrt(scaled), 7.787 * scaled + 16 / 116)
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])


def test_the_contrast_is_that_of_wcag():
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.005)  # the well-known grey that just fails


@pytest.mark.parametrize("scheme", [LIGHT, style.DARK], ids=["light", "dark"])
def test_marks_and_words_stand_out_from_the_paper(scheme):
    paper = scheme[style.PAPER]
    weak = {colour: contrast(scheme[colour], paper) for colour in MARKS if contrast(scheme[colour], paper) < 3}
    assert weak == {}
    assert all(contrast(scheme[colour], paper) >= 4.5 for colour in WORDS)


@pytest.mark.parametrize("scheme", [LIGHT, style.DARK], ids=["light", "dark"])
def test_the_numbers_of_a_heat_map_are_read_on_both_its_ends(scheme):
    assert all(contrast(scheme[style.INK], scheme[end]) >= 4.5 for end in (style.SHADE, style.DEEP))


@pytest.mark.parametrize("eye", SEES)
@pytest.mark.parametrize("scheme", [LIGHT, style.DARK], ids=["light", "dark"])
def test_eligible_and_not_are_told_apart_by_colour_blind_readers(scheme, eye):
    seen = [lab(np.clip(np.array(SEES[eye]) @ linear(scheme[colour]), 0, 1)) for colour in (style.BLUE, style.ACCENT)]
    assert np.linalg.norm(seen[0] - seen[1]) > 30  # 2.3 is a difference that is just seen


@pytest.mark.parametrize("lang", ["sv", "en"])
def test_every_colour_of_a_chart_has_one_for_dark_pages(lang):
    board = Board(open_verified(default_release()), lang)
    view = json.dumps([part["figure"] for part in board.view(board.start())["sections"]])
    light = {tuple(int(colour[at : at + 2], 16) for at in (1, 3, 5)) for colour in style.DARK}
    assert set(re.findall(r"#[0-9a-f]{6}", view)) <= set(style.DARK)
    clear = re.findall(r"rgba\((\d+), ?(\d+), ?(\d+), ?([\d.]+)\)", view)
    assert {tuple(map(int, found[:3])) for found in clear if float(found[3]) > 0} <= light


def test_no_state_of_a_flow_is_told_by_colour_alone():
    board = Board(open_verified(default_release()))
    flows = next(part for part in board.view(board.start())["sections"] if part["id"] == "flows")
    layout = flows["figure"]["layout"]
    assert len(layout["annotations"]) == len(layout["shapes"]) + 5  # a name for each bar, and the five stages
