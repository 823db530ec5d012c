"""The diagrams in images/ are what images/draw.py draws, to the byte, and can be read aloud; a
notebook shows its own from a cell.
"""

import io
import json
import re
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import matplotlib
import numpy as np
import pytest
from PIL import Image

from rlvebm_utils.course.plots import diagrams as draw
from rlvebm_utils.course.plots import style
from tools import notebooks

IMAGES = Path(__file__).resolve().parent.parent / "images"
SVG = "{http://www.w3.org/2000/svg}"


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


# ---- in a notebook ----


@pytest.fixture
def shown(monkeypatch):
    """What a cell that shows a diagram puts out: (data, metadata) of the picture, and its words."""

    def show(name):
        outputs = []

        def put(data, metadata=None, raw=False):
            outputs.append((data, metadata))

        monkeypatch.setattr("IPython.display.display", put)
        draw.show_diagram(name)
        return outputs

    return show


@every_diagram
def test_a_cell_shows_it_with_its_words_and_in_fine_lines(name, shown):
    (picture, metadata), (words, _) = shown(name)
    _, title, description = draw.DIAGRAMS[name]
    assert picture["text/plain"] == f"{title}. {description}"
    assert title in words["text/html"]
    said = metadata["image/png"]
    assert said["alt"] == picture["text/plain"]
    pixels = Image.open(io.BytesIO(picture["image/png"])).size
    assert pixels == (2 * said["width"], 2 * said["height"])
    assert json.loads(metadata["drawn"])


def test_a_cell_shows_the_same_bytes_whatever_the_settings(shown):
    first = shown("conv_sum")
    with matplotlib.rc_context({"font.size": 30, "figure.facecolor": "red", "savefig.dpi": 33}):
        assert shown("conv_sum") == first


def test_an_unknown_diagram_is_told():
    with pytest.raises(ValueError, match="name: expected one of conv_sum, .* got 'vae'"):
        draw.show_diagram("vae")


def test_no_notebook_shows_a_file_beside_it():
    """Where a notebook is copied alone, as on Colab, such a picture is lost."""
    found = [text.stem for text in notebooks.texts() if "../images" in text.read_text("utf-8")]
    assert found == []


def test_each_diagram_is_shown_by_a_cell():
    told = "\n".join(text.read_text("utf-8") for text in notebooks.texts())
    cells = set(re.findall(r'^show_diagram\("(\w+)"\)', told, re.MULTILINE))
    files = set(re.findall(r"\.\./images/(\w+)\.svg", told))
    assert cells | files == set(draw.DIAGRAMS)


def as_png(pixels: np.ndarray) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "PNG")
    return stream.getvalue()


@pytest.mark.parametrize("colours", [2, 200, 256, 257, 5000])
def test_a_smaller_picture_has_the_same_pixels(colours):
    random = np.random.default_rng(0)
    table = random.integers(0, 256, (colours, 3), dtype=np.uint8)
    pixels = table[random.integers(0, colours, (120, 160))]
    opaque = np.concatenate([pixels, np.full((120, 160, 1), 255, np.uint8)], 2)
    small = style.smaller(as_png(opaque))
    assert np.array_equal(np.asarray(Image.open(io.BytesIO(small)).convert("RGB")), pixels)
    assert len(small) <= len(as_png(opaque))


def test_a_notebook_is_no_burden():
    sizes = {text.stem: text.with_suffix(".ipynb").stat().st_size for text in notebooks.texts()}
    assert {name for name, size in sizes.items() if size > 2e6} == set()
