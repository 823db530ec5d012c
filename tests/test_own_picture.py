"""A picture of one's own in the playground: what a file becomes, which files are refused, and the
whole way through a front end: draw, open, copy the settings, open them again, save the figure.

FRONT_END=notebook, voila or classic:PYTHON (its interpreter) takes the place of JupyterLab.
"""

import json
import os
import shutil
import subprocess
import sys

import numpy as np
import pytest
from browser import Server, chromium_page, comes_to, panels, run_notebook, write_notebook
from PIL import Image, ImageDraw

from rlvebm_utils.course import live
from rlvebm_utils.course.widgets.own_picture import pixels_of

FRONT_END, _, PYTHON = os.environ.get("FRONT_END", "lab").partition(":")

SMALL = """\
import torch
from rlvebm_utils import Dictionary
from rlvebm_utils.course.widgets.playground import prepare, solver_panel

torch.set_default_dtype(torch.float64)
generator, problems = torch.Generator().manual_seed(0), {}
for name, mean in (("ink", 0.0), ("signs", 1.0)):
    W = torch.rand(49, 20, generator=generator) ** 4
    W = W - mean * W.mean(0)
    dictionary = Dictionary(W / W.norm(dim=0))
    samples = dictionary.decode(torch.rand(60, 20, generator=generator) ** 9)
    problems[name] = prepare(dictionary, samples, 0.1, depths=(1, 2, 4), steps=60)
solver_panel(problems, lam=0.1)
"""


@pytest.fixture
def javascript():
    """A function (expression, given): its value in Node, for `given`, beside all of the module."""
    node = shutil.which("node")
    if not node:
        pytest.skip("no Node here")

    def ask(expression: str, given=None):
        source = live.module("own_picture.js")
        script = f"const given = {json.dumps(given)};\n{source}\nconst told = {expression};\n"
        command = [node, "--input-type=module", "-"]
        script += "console.log(JSON.stringify(told));"
        run = subprocess.run(command, input=script, capture_output=True, text=True, timeout=60)
        assert run.returncode == 0, run.stderr
        return json.loads(run.stdout)

    return ask


def test_dark_is_ink_and_what_is_transparent_is_paper(javascript):
    """Four pixels, each the mean of 2 × 2: black, white, half black over nothing, red."""
    colours = [[0, 0, 0, 255], [255, 255, 255, 255], [0, 0, 0, 128], [255, 0, 0, 255]]
    square = np.array(colours).reshape(2, 2, 4).repeat(2, 0).repeat(2, 1)
    square[0, 0] = 255  # of the first one a quarter is white
    ink = javascript("[...inkOf(Uint8Array.from(given), 2, 2)]", square.reshape(-1).tolist())
    assert ink == [191, 0, 128, round(255 * (1 - 0.299))]


@pytest.mark.parametrize(
    ("file", "told"),
    [
        ({"name": "a.png", "type": "image/png", "size": 9}, ""),
        ({"name": "a.heic", "type": "", "size": 9}, ""),
        ({"name": "a.txt", "type": "text/plain", "size": 9}, "got “a.txt”, text/plain"),
        ({"name": "a.png", "type": "image/png", "size": 31e6}, "at most 20 MB, got “a.png” of 31"),
    ],
)
def test_files_that_are_refused_unread(javascript, file, told):
    said = javascript("faultOfFile(given)", file)
    assert told in said and bool(told) == bool(said)


@pytest.mark.parametrize(
    ("size", "ink", "told"),
    [
        ((8, 900), [0, 1], ""),
        ((7, 900), [0, 1], "expected at least 8 × 8 pixels, got “a” of 7 × 900"),
        ((80, 80), [3, 3], "got “a”, whose middle has one shade"),
    ],
)
def test_pictures_that_are_refused(javascript, size, ink, told):
    said = javascript("faultOfPicture('a', ...given)", [*size, ink])
    assert told in said and bool(told) == bool(said)


# ---- in a front end ----


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Pictures of every kind, and files that are none."""
    folder = tmp_path_factory.mktemp("pictures")
    modes = {"colour": "RGB", "grey": "L", "alpha": "RGBA", "palette": "P"}
    drawn = Image.new("RGBA", (300, 301), (255, 255, 255, 0))
    ImageDraw.Draw(drawn).rectangle((0, 0, 150, 300), fill=(10, 20, 60, 255))
    flat = Image.new("RGBA", drawn.size, (255, 255, 255, 255))
    for name, mode in modes.items():
        one = drawn if mode == "RGBA" else Image.alpha_composite(flat, drawn).convert(mode)
        one.save(folder / f"{name}.png")
    drawn.convert("RGB").resize((31, 640)).save(folder / "tall.jpg")
    Image.new("L", (3, 900)).save(folder / "thin.png")
    flat.save(folder / "flat.png")
    (folder / "notes.txt").write_text("no picture")
    (folder / "broken.png").write_text("no picture")
    (folder / "huge.png").write_bytes(bytes(21_000_000))
    return folder


@pytest.fixture(scope="module")
def page(chromium, tmp_path_factory):
    """A page with the small playground, and its server as `page.server`."""
    root = tmp_path_factory.mktemp("notebooks")
    write_notebook(root / "small.ipynb", [SMALL])
    scratch = tmp_path_factory.mktemp("jupyter")
    python = PYTHON or sys.executable
    with (
        Server(root, scratch, front_end=FRONT_END, python=python) as server,
        chromium_page(chromium) as page,
    ):
        run_notebook(page, server, "small.ipynb")
        page.wait_for_selector(".rlv-own canvas")
        page.server = server
        yield page


@pytest.fixture
def panel(page):
    (panel,) = panels(page)
    panel.box.get_by_role("button", name="Reset").click()
    line_says(page, "lam=0.1&steps=2&data=ink&sample=no.+1")
    panel.box.locator(".clear").click()
    line_says(page, "sample=your+own")
    pictured(page, lambda ink: not ink.any())
    return panel


def line_says(page, part: str) -> str:
    """The line of settings, once it holds that."""
    line = page.locator(".rlv-panel input[type=text]")
    find = "([line, part]) => line.value.includes(part)"
    page.wait_for_function(find, arg=[line.element_handle(), part])
    return line.input_value()


def picture(line: str) -> np.ndarray:
    """The picture that a line of settings holds."""
    return np.array(pixels_of(line.partition("picture=")[2])).reshape(28, 28)


SHEET = """one => [...one.getContext('2d').getImageData(0, 0, 28, 28).data]
    .filter((_, place) => place % 4 == 3)"""


def pictured(page, wanted) -> np.ndarray:
    """The picture in the line of settings, once it is the sheet's and ``wanted``."""
    sheet = page.locator(".rlv-own canvas")

    def there(ink) -> bool:
        seen = np.array(sheet.evaluate(SHEET)).reshape(28, 28)
        return wanted(seen) and np.abs(seen - ink).max() <= 1

    return comes_to(page, lambda: picture(line_says(page, "picture=")), there)


def paste(page, line: str) -> None:
    text = page.locator(".rlv-panel input[type=text]")
    text.fill(line)
    text.press("Enter")


def told(panel, words: str) -> str:
    """What the sheet says of a file, once it says that."""
    found = panel.box.locator(".rlv-own p").filter(has_text=words)
    found.wait_for()
    return found.inner_text()


@pytest.mark.browser
def test_what_is_drawn_is_coded_and_moves_by_the_keyboard(page, panel):
    panel.settle()
    sheet = panel.box.locator(".rlv-own canvas")
    sheet.scroll_into_view_if_needed()
    box = sheet.bounding_box()
    x, y = box["x"] + 20, box["y"] + 60
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x + 80, y, steps=8)
    page.mouse.up()
    drawn = pictured(page, lambda ink: ink[13, 8:20].min() > 200)
    assert not drawn[:8].any() and not drawn[20:].any()
    assert "your own picture" in panel.shown().words
    sheet.press("ArrowDown")
    moved = pictured(page, lambda ink: (ink != drawn).any())
    assert (moved[1:] == drawn[:-1]).all()
    sheet.press("Delete")
    pictured(page, lambda ink: not ink.any())
    panel.shown()


@pytest.mark.browser
def test_pictures_of_every_kind_are_read_and_others_refused(page, panel, files):
    """Colour, grey, alpha, a palette give the same ink; a refused file leaves what was there."""
    seen, input_ = [], panel.box.locator(".rlv-own input")
    for name in ("colour", "grey", "alpha", "palette"):
        input_.set_input_files(files / f"{name}.png")
        assert "300 × 301, its middle square" in told(panel, f"“{name}.png”")
        seen.append(pictured(page, lambda ink: ink[:, :13].min() > 220 and not ink[:, 15:].any()))
        assert np.abs(seen[0] - seen[-1]).max() <= 3
        panel.box.locator(".clear").click()
        pictured(page, lambda ink: not ink.any())
    input_.set_input_files(files / "tall.jpg")
    assert "31 × 640" in told(panel, "“tall.jpg”")
    pictured(page, np.any)
    before, words = line_says(page, "picture="), panel.shown().words
    for name, fault in {
        "notes.txt": "got “notes.txt”, text/plain",
        "broken.png": "got “broken.png”, which the browser cannot read",
        "huge.png": "at most 20 MB, got “huge.png” of 21 MB",
        "thin.png": "at least 8 × 8 pixels, got “thin.png” of 3 × 900",
        "flat.png": "got “flat.png”, whose middle has one shade",
    }.items():
        input_.set_input_files(files / name)
        assert "What was on the sheet stays." in told(panel, fault)
    page.wait_for_timeout(600)  # for what must not happen no sign can be waited for
    assert line_says(page, "picture=") == before and panel.shown().words == words


@pytest.mark.browser
def test_the_settings_are_copied_and_opened_again(page, panel, files):
    panel.box.locator(".rlv-own input").set_input_files(files / "alpha.png")
    told(panel, "“alpha.png”")
    pictured(page, np.any)
    slider = page.get_by_role("slider", name="λ")
    panel.press(slider, "ArrowRight", 4)
    panel.box.locator("select").first.select_option("signs")
    line = line_says(page, "lam=0.125893&steps=2&data=signs&sample=your+own&picture=")
    there = panel.becomes(lambda words: words.startswith("signs, your own picture, λ = 0.126"))
    panel.box.locator(".clear").click()
    pictured(page, lambda ink: not ink.any())
    panel.box.get_by_role("button", name="Reset").click()
    panel.becomes(lambda words: words.startswith("ink, sample 1, λ = 0.1"))
    paste(page, line)  # which shows the line before it is obeyed
    panel.becomes(there.words.__eq__)
    assert line_says(page, "lam=") == line
    paste(page, "steps=3")
    fault = panel.box.locator(".rlv-told").filter(
        has_text="steps: expected one of 1, 2, 4; got “3”"
    )
    fault.wait_for()
    assert panel.shown().words == there.words
    if FRONT_END == "voila":
        check_link(page, panel)


def check_link(page, panel) -> None:
    """In a tab of its own, with a kernel of its own."""
    paste(page, "steps=1")
    line_says(page, "steps=1&data=signs&sample=your+own")  # more than what was pasted
    there = panel.shown().words
    address = page.get_by_text("link to these settings").evaluate("link => link.href")
    tab = page.context.browser.new_page()
    tab.goto(f"{address}&token={page.server.token}", wait_until="commit", timeout=120_000)
    tab.wait_for_selector(".rlv-panel .rlv-tiles", timeout=120_000)
    (opened,) = panels(tab)
    due = there.split(". ")[0]
    comes_to(tab, opened.words, lambda words: words.split(". ")[0] == due)
    assert "your own picture" in due
    tab.close()


@pytest.mark.browser
def test_the_figure_is_saved(page, panel, tmp_path):
    for kind in ("png", "svg"):
        with page.expect_download() as got:
            panel.box.get_by_role("button", name=f"Save figure as {kind.upper()}").click()
        name = got.value.suggested_filename
        assert name == f"playground_lam-0.1_steps-2_data-ink_sample-your-own.{kind}"
        got.value.save_as(tmp_path / name)
    assert "<svg" in (tmp_path / name).read_text(encoding="utf-8")
    with Image.open(tmp_path / name.replace("svg", "png")) as image:
        assert image.size == (1800, 1240)


@pytest.mark.browser
@pytest.mark.parametrize("width", [1366, 683])
def test_nothing_is_cut_off(page, panel, width):
    page.set_viewport_size({"width": width, "height": 1200})
    panel.settle()
    right = panel.box.bounding_box()["x"] + panel.box.bounding_box()["width"]
    for part in panel.box.locator("canvas, button, input[type=text], .rlv-told, svg").all():
        box = part.bounding_box()
        assert box["x"] + box["width"] <= right - 8
    for title in panel.box.locator(".rlv-tile p").all():
        assert title.evaluate("one => one.scrollWidth <= one.clientWidth + 1")
    page.set_viewport_size({"width": 1366, "height": 768})
