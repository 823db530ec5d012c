"""The diagrams in images/ are what images/draw.py draws, to the byte, and can be read aloud."""

import importlib.util
import re
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import matplotlib
import pytest

IMAGES = Path(__file__).resolve().parent.parent / "images"
SVG = "{http://www.w3.org/2000/svg}"


def _load_draw():
    spec = importlib.util.spec_from_file_location("draw", IMAGES / "draw.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


draw = _load_draw()
every_diagram = pytest.mark.parametrize("name", draw.DIAGRAMS)


def _recorded_matplotlib():
    """The version that the committed pictures were drawn with."""
    text = (IMAGES.parent / "requirements.txt").read_text(encoding="utf-8")
    return re.search(r"^matplotlib==(\S+)$", text, re.MULTILINE)[1]


def test_every_picture_has_its_drawing():
    assert {path.stem for path in IMAGES.glob("*.svg")} == set(draw.DIAGRAMS)


@every_diagram
def test_drawing_twice_gives_the_same_bytes(name):
    first = draw.svg(name)
    with matplotlib.rc_context(
        {"font.size": 30, "svg.fonttype": "none", "lines.solid_capstyle": "round"}
    ):
        assert draw.svg(name) == first  # whatever the caller's settings


@every_diagram
def test_another_process_draws_the_same_bytes(name, tmp_path):
    command = [sys.executable, IMAGES / "draw.py", tmp_path]
    subprocess.run(command, cwd=IMAGES.parent, check=True, capture_output=True, timeout=120)
    assert (tmp_path / f"{name}.svg").read_bytes() == draw.svg(name).encode()


@pytest.mark.skipif(
    matplotlib.__version__ != _recorded_matplotlib(),
    reason=f"the pictures were drawn with matplotlib {_recorded_matplotlib()}",
)
@every_diagram
def test_the_committed_picture_is_a_fresh_drawing(name):
    committed = (IMAGES / f"{name}.svg").read_text(encoding="utf-8")
    assert committed == draw.svg(name), "stale: run make figures"


@every_diagram
def test_a_picture_says_what_it_shows(name):
    root = ElementTree.parse(IMAGES / f"{name}.svg").getroot()
    _, title, description = draw.DIAGRAMS[name]
    assert root.get("role") == "img"
    spoken = [root.find(f"{SVG}*[@id='{id}']") for id in root.get("aria-labelledby").split()]
    assert [element.tag for element in spoken] == [SVG + "title", SVG + "desc"]
    assert [element.text for element in spoken] == [title, description]
    assert len(description) > 100


@every_diagram
def test_a_picture_needs_no_font_no_network_and_tells_no_date(name):
    text = (IMAGES / f"{name}.svg").read_text(encoding="utf-8")
    root = ElementTree.fromstring(text)
    assert not list(root.iter(SVG + "text")) and not list(root.iter(SVG + "image"))
    links = [value for element in root.iter() for key, value in element.items() if "href" in key]
    assert links and all(link.startswith("#") for link in links)
    assert "<dc:date>" not in text and "font-family" not in text
