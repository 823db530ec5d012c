"""What a panel's reader keeps: a line of settings that opens again, a figure as a file."""

import base64
import io
import re

import numpy as np
import pytest
from PIL import Image

from rlvebm_utils.course.plots.style import new_figure
from rlvebm_utils.course.widgets import SliderPanel, check_box, linear_slider, log_slider, picker
from rlvebm_utils.course.widgets.keep import Keep, file_name, settings_of, values_of
from rlvebm_utils.course.widgets.own_picture import PIXELS, OwnPicture, pixels_of


class Bare:
    """A part that is drawn by nobody."""

    title, still, height = "bare", True, 1.0

    def html(self) -> str:
        return ""


@pytest.fixture
def panel():
    controls = {
        "lam": log_slider(0.01, 1, 0.1),
        "turn": linear_slider(0, 90, 30, label="turn", step=1),
        "data": picker(["digits, learned", "a & b = 1"]),
        "box": check_box("box"),
    }
    drawn = []
    panel = SliderPanel(lambda **values: drawn.append(values) or {}, lambda a: [Bare()], controls)
    panel.drawn = drawn
    return panel


@pytest.fixture
def keep(panel):
    return keep_of(panel)


def keep_of(panel, **options) -> Keep:
    return Keep(panel, lambda: new_figure()[0], name="a panel", **options)


def fault(keep) -> str:
    """What stands under the line, if it is a fault."""
    return re.sub("<.*?>", "", keep.hint.value) if "#b00020" in keep.hint.value else ""


def test_the_line_follows_the_controls_and_opens_them_again(panel, keep):
    start = keep.line.value
    assert start == "lam=0.1&turn=30&data=digits%2C+learned&box=False"
    there = {"lam": 0.25, "turn": 77.0, "data": 1, "box": True}
    panel.set(**there)
    line = keep.line.value
    assert line != start
    panel.reset()
    assert keep.line.value == start
    count = len(panel.drawn)
    keep.line.value = line
    assert panel.values == pytest.approx(there) and keep.line.value == line and not fault(keep)
    assert len(panel.drawn) == count + 1, "one drawing for all of them"


def test_a_part_of_the_line_and_a_whole_address_are_read(panel, keep):
    keep.line.value = "turn=45"
    assert panel.values["turn"] == 45 and panel.values["lam"] == pytest.approx(0.1)
    keep.line.value = " https://a.b/voila/render/c.ipynb?lam=0.5 "
    assert panel.values["lam"] == 0.5 and panel.values["turn"] == 45


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("lam=7", "lam: expected a number from 0.01 to 1, got “7”"),
        ("lam=nan", "lam: expected a number from 0.01 to 1, got “nan”"),
        ("turn=more", "turn: expected a number from 0 to 90, got “more”"),
        ("data=faces", "data: expected one of digits, learned, a &amp; b = 1; got “faces”"),
        ("lamda=0.2&turn=3", "settings: expected names among lam, turn, data, box; got “lamda”"),
        ("hello <b>", "settings: expected a line such as lam=0.1"),
        ("", "settings: expected a line such as lam=0.1"),
    ],
)
def test_a_wrong_line_is_told_and_changes_nothing(panel, keep, line, told):
    before, shown = panel.values, keep.line.value
    keep.line.value = line
    assert told in fault(keep) and "Nothing was changed" in fault(keep)
    assert panel.values == before and keep.line.value == shown
    panel.set(turn=31)
    assert not fault(keep), "it goes with the next move"


def test_the_picture_goes_with_the_settings_while_it_is_shown(panel):
    own, there = OwnPicture(), []
    keep = keep_of(panel, own=own, with_own=lambda: bool(there))
    assert "picture" not in keep.text
    there.append(1)
    mine = [k % 256 for k in range(PIXELS)]
    own.pixels = mine
    line = keep.line.value
    own.pixels = [0] * PIXELS
    assert keep.line.value != line
    keep.line.value = line
    assert own.pixels == mine
    keep.line.value = "turn=3&picture=eJz"
    assert "picture: expected the letters of a whole one" in fault(keep)
    assert panel.values["turn"] == 30 and own.pixels == mine


@pytest.mark.parametrize("text", ["", "?", "ü", "eJz", "eJxjYAAAAAIAAQ"])
def test_letters_of_no_picture(text):
    with pytest.raises(ValueError, match="picture: expected"):
        pixels_of(text)


def test_letters_of_a_picture_are_few():
    own = OwnPicture()
    assert any(own.pixels) and len(own.text) < 600 and pixels_of(own.text) == own.pixels
    assert re.fullmatch(r"[\w-]+", own.text)


def test_in_voila_the_address_of_the_page_counts(panel, monkeypatch):
    """Other things in it do not; what is wrong in it is told."""
    monkeypatch.setenv("SERVER_SOFTWARE", "voila/0.5.13")
    monkeypatch.setenv("QUERY_STRING", "token=abc&turn=12&data=a+%26+b+%3D+1&reset")
    keep = keep_of(panel)
    assert panel.values["turn"] == 12 and panel.values["data"] == 1 and not fault(keep)
    assert 'href="?lam=0.1&amp;turn=12&amp;data=a+%26+b+%3D+1&amp;box=False"' in keep.hint.value
    monkeypatch.setenv("QUERY_STRING", "turn=100")
    assert "turn: expected a number from 0 to 90" in fault(keep_of(panel))
    monkeypatch.setenv("QUERY_STRING", "token=abc")
    assert not fault(keep_of(panel))


def test_elsewhere_there_is_no_link(panel, monkeypatch):
    monkeypatch.setenv("QUERY_STRING", "turn=12")
    assert "href" not in keep_of(panel).hint.value and panel.values["turn"] == 30


def test_the_figure_is_saved_under_a_name_with_the_settings(panel, keep):
    for kind, button in keep.buttons.items():
        button.click()
        link = re.search(r'download="(.*?)" href="data:(.*?);base64,(.*?)"', keep.saved.value)
        assert link[1] == f"a-panel_lam-0.1_turn-30_data-digits-learned_box-False.{kind}"
        data = base64.b64decode(link[3])
        if kind == "png":
            assert link[2] == "image/png" and np.asarray(Image.open(io.BytesIO(data))).size
        else:
            assert link[2] == "image/svg+xml" and "<svg" in data.decode()
            assert "λ = 0.100" in data.decode(), "in words, too"
    panel.set(turn=31)
    assert not keep.saved.value, "it would be the link to another figure"


def test_file_names_have_plain_letters_alone():
    name = file_name("a/b", {"x": "../c d", "y": "1e-05", "z": "n: 1?"}, "png")
    assert name == "a-b_x-..-c-d_y-1e-05_z-n-1.png"


def test_values_are_read_as_they_were_written(panel):
    assert values_of(panel, settings_of(panel)) == pytest.approx(panel.values)
