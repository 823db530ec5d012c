"""Every slider panel of every notebook, in a front end in headless Chromium: all sliders are moved.

By mouse and by keyboard, and it is what the panel *shows* that is checked: the kernel is asked what
`compute` gives for what the slider on the page says. Of each notebook only the cells that its
panels need are run (tools/panels.py), and the static output under the panel has to come out as the
whole notebook gave it. A screenshot of each panel is kept in `artefacts/`. Without Chromium the
tests are skipped; in CI that is a failure.

FRONT_END=notebook, voila or classic:PYTHON (its interpreter) takes the place of JupyterLab.
"""

import os
import sys
from functools import partial
from pathlib import Path
from unittest import mock

import jupytext
import nbformat
import pytest
from browser import (
    CONFIG,
    ROOT,
    VIEWPORT,
    Server,
    chromium_page,
    comes_to,
    panels,
    run_notebook,
    write_notebook,
)
from jupyter_server.services.kernels.connection.channels import ZMQChannelsWebsocketConnection
from jupyter_server.services.kernels.websocket import KernelWebsocketHandler as WebSocketHandler
from traitlets.config import PyFileConfigLoader

from tools.notebooks import texts
from tools.panels import only_panels, tags

ARTEFACTS = ROOT / "artefacts"
FRONT_END, _, PYTHON = os.environ.get("FRONT_END", "lab").partition(":")


def notebooks_with(kind: str) -> dict[str, list]:
    """By name, of each notebook that has such cells, those and the ones that they need."""
    found = {text.stem: only_panels(jupytext.read(text), [kind]).cells for text in texts()}
    return {name: cells for name, cells in found.items() if any(kind in tags(one) for one in cells)}


NOTEBOOKS, LIVE = notebooks_with("slider"), notebooks_with("live")

pytestmark = pytest.mark.browser
lab_only = pytest.mark.skipif(FRONT_END != "lab", reason="looks at JupyterLab alone")

SMALL = """\
import torch
from rlvebm_utils import Dictionary
from rlvebm_utils.course.widgets import SliderPanel, Stems, log_slider, sparse_coding_panel

torch.manual_seed(0)
W = torch.rand(64, 40, dtype=torch.float64) ** 4
W /= W.norm(dim=0)
Y = (torch.rand(3, 40) < 0.2).double() @ W.T + 0.05 * torch.rand(3, 64)
sparse_coding_panel(Dictionary(W), Y, lam=0.15, shape=(8, 8), nonnegative=True)
"""

APART = [SMALL[: SMALL.rindex("sparse")], SMALL[SMALL.rindex("sparse") :]]  # the panel by itself

BOXES = """\
from rlvebm_utils import fista
from rlvebm_utils.course.widgets.lista import learned_panel, rounds_panel

torch.set_default_dtype(torch.float64)
dictionary, lam = Dictionary(W), 0.15
L = dictionary.lipschitz()
eye, same = torch.eye(40), torch.full((40,), lam / L)
start, longer = (
    {"W_e": c * W / L, "S": eye - c * W.T @ W / L, "theta": c * same} for c in (1, 2)
)
rounds_panel(dictionary, Y, lam, start, longer)
"""

CHOICES = """\
names = ("W_e", "S", "theta", "W_e+S", "W_e+theta", "S+theta", "W_e+S+theta")
codes = [fista(dictionary, Y, lam, tol=None, max_iter=2 + k).z.tolist() for k in range(7)]
runs = {f"{name}/0": {"energy": 0.1 / (k + 1), "codes": codes[k]} for k, name in enumerate(names)}
learned_panel(dictionary, Y, lam, runs, {"energy": 0.3, "codes": torch.zeros(3, 40).double()})
"""

FAILING = """\
def compute(lam):
    if lam > 1:
        raise RuntimeError("<too> large")
    return {"z": [lam, 2 * lam]}

SliderPanel(compute, lambda a: [Stems(a["z"], "z", "place", 2)], {"lam": log_slider(0.1, 10, 0.5)})
"""


@pytest.fixture(scope="module")
def server(chromium, tmp_path_factory):
    """A front end over the notebooks' panels, and two small notebooks made here."""
    root = tmp_path_factory.mktemp("notebooks")
    ours = {"small": [SMALL], "failing": [SMALL, FAILING], "apart": [*APART, "print(len(W))"]}
    ours["boxes"] = [SMALL, BOXES, CHOICES]
    ours |= {f"live-{name}": cells for name, cells in LIVE.items()}
    for name, cells in {**NOTEBOOKS, **ours}.items():
        write_notebook(root / f"{name}.ipynb", cells)
    scratch = tmp_path_factory.mktemp("jupyter")
    python = PYTHON or sys.executable
    with Server(root, scratch, front_end=FRONT_END, python=python) as server:
        yield server


@pytest.fixture
def page(chromium, server):
    with chromium_page(chromium) as page:
        yield page
    server.shut_down_kernels()


def check_panel(panel) -> None:
    """Move every control that the panel has."""
    panel.box.scroll_into_view_if_needed()
    first = panel.shown()
    handles, lists = panel.handles(), panel.box.locator("select").all()
    boxes = panel.box.locator("input[type=checkbox]").all()
    controls = len(handles) + len(lists) + len(boxes)
    assert controls == len(panel.due()["values"]), "a control of another kind"
    assert handles
    for handle in handles:
        check_names(handle)
        check_keyboard(panel, handle)
        check_mouse(panel, handle)
    for choices in lists:
        last = choices.locator("option").count() - 1
        check_change(panel, partial(choices.select_option, index=last))
    for box in boxes:
        check_change(panel, box.click)
    panel.box.get_by_role("button", name="Reset").click()
    panel.becomes(first.words.__eq__)


def check_change(panel, change) -> None:
    """What has no number to wait for: other words come, and with them another picture."""
    before = panel.shown()
    change()
    after = panel.becomes(before.words.__ne__)
    assert after.pixels != before.pixels


def check_names(handle) -> None:
    """A screen reader finds a slider with a name and a value."""
    assert handle.get_attribute("role") == "slider"
    assert handle.get_attribute("aria-label") and handle.get_attribute("aria-valuetext")


def check_keyboard(panel, handle) -> None:
    """To the low end, ten steps up (or half of those there are), as many back, to the high end."""
    panel.press(handle, "Home")
    seen = [panel.shown(handle)]
    some = min(10, panel.room(handle) // 2)
    for key, times in (("ArrowRight", some), ("ArrowLeft", some), ("End", 1)):
        panel.press(handle, key, times)
        seen.append(panel.shown(handle))
        _, more, headline = handle.get_attribute("aria-valuetext").partition("; ")
        assert not more or headline.rpartition(": ")[2] in seen[-1].readouts.values()
    low, up, back, high = seen
    assert number(low) < number(up) < number(high)
    assert low.words == back.words and low.value == back.value
    check_picture(handle, low, up, high)


def check_mouse(panel, handle) -> None:
    seen = []
    for share in (0.1, 0.4, 0.8, 1.0, 0.1):
        panel.drag(handle, share)
        seen.append(panel.shown(handle))
    *up, back = seen
    values = [number(one) for one in up]
    assert values == sorted(values) and values[0] < values[1] < values[2]
    assert back.value == seen[0].value
    check_picture(handle, *up[:3])


def check_picture(handle, *seen) -> None:
    """Another value: other words, other pixels; a larger λ: fewer non-zeros."""
    for before, after in zip(seen, seen[1:], strict=False):
        assert before.words != after.words, "the alternative text does not follow the slider"
        assert before.pixels != after.pixels, "the picture does not follow the slider"
    counts = [one.nonzeros() for one in seen]
    if handle.get_attribute("aria-label") == "λ" and counts[0] is not None:
        assert counts == sorted(counts, reverse=True) and counts[0] > counts[-1]


def number(shown) -> float:
    return float(shown.value.replace("−", "-"))


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_every_slider_of_every_notebook(page, server, name):
    run_notebook(page, server, f"{name}.ipynb")
    if FRONT_END == "lab":
        assert texts_in(page.evaluate(OUTPUTS)) == recorded(name), (
            "its panels need another cell: tag it slider-setup"
        )
    found = panels(page)
    assert len(found) == sum("slider" in tags(cell) for cell in NOTEBOOKS[name])
    for place, panel in enumerate(found):
        screenshots(panel, f"{FRONT_END}-{name}-{place}")
        check_panel(panel)
    page.locator(".rlv-export").evaluate("button => button.click()")
    page.wait_for_function("document.querySelector('.rlv-export').textContent != 'export'")
    assert page.locator(".rlv-export").inner_text() == f"{len(found)} pages"
    for place in range(len(found)):
        check_exported(page, server.root / f"{name}-{place}.html")


# The front end needs a moment to follow a window that was made narrower
FITS = """live => {
    const { left, right } = live.getBoundingClientRect();
    return 0 <= left && right <= innerWidth;
}"""
# Each number of a page stands under its label, whatever the front end's own styles say of lists.
UNDER_LABELS = """live => [...live.querySelectorAll('dl > div')].every(one => {
    const [label, value] = [...one.children].map(child => child.getBoundingClientRect());
    return label.bottom <= value.top + 1 && Math.abs(label.left - value.left) < 1;
})"""
LIVE_PAGES = ".rlv-draw, .rlv-dual, .rlv-point, .rlv-ball, .rlv-stamp"


@pytest.mark.parametrize("name", LIVE)
def test_every_live_page_of_every_notebook(page, server, name):
    """By keyboard, which moves nothing else; whole at 1366 pixels and at half of them."""
    run_notebook(page, server, f"live-{name}.ipynb")
    found = page.locator(LIVE_PAGES)
    found.first.wait_for()
    assert found.count() == sum("live" in tags(cell) for cell in LIVE[name])
    cells = page.locator(".jp-Cell, .cell").count()
    ARTEFACTS.mkdir(exist_ok=True)
    for place, live in enumerate(found.all()):
        handle = live.locator("[tabindex='0']").first
        handle.scroll_into_view_if_needed()
        before = live.inner_html()
        handle.press("ArrowRight")
        handle.press("ArrowDown")
        page.wait_for_function(
            "([one, was]) => one.innerHTML != was", arg=[live.element_handle(), before]
        )
        for zoom in (2, 1):
            page.set_viewport_size({"width": 1366 // zoom, "height": 1200})
            page.wait_for_function(FITS, arg=live.element_handle())
            assert live.evaluate(UNDER_LABELS)
            live.screenshot(path=ARTEFACTS / f"{FRONT_END}-{name}-live-{place}-zoom-{zoom}.png")
    assert page.locator(".jp-Cell, .cell").count() == cells


OUTPUTS = """() => window.jupyterapp.shell.currentWidget.content.model.sharedModel.cells
    .filter(cell => cell.metadata.tags?.includes('slider')).map(cell => cell.toJSON().outputs)"""


def recorded(name: str) -> list:
    cells = nbformat.read(ROOT / "notebooks" / f"{name}.ipynb", 4).cells
    return texts_in([cell.outputs for cell in cells if "slider" in tags(cell)])


def texts_in(cells: list) -> list:
    """Of each cell the texts in its outputs, in order."""
    return [
        ["".join(one["data"].get(kind, "")) for one in outputs if "data" in one]
        for outputs in cells
        for kind in ("text/plain", "text/html")
    ]


def screenshots(panel, name: str) -> None:
    """1366 pixels wide; and at 200 %, where half of them are left: nothing is cut off."""
    ARTEFACTS.mkdir(exist_ok=True)
    for zoom in (2, 1):
        panel.page.set_viewport_size({"width": 1366 // zoom, "height": 1200})  # all in one shot
        panel.settle()
        comes_to(panel.page, partial(panel.box.evaluate, CUT_OFF), [].__eq__)  # it follows late
        box = panel.box.bounding_box()
        assert box["x"] >= 0 and box["x"] + box["width"] <= 1366 // zoom
        panel.box.screenshot(path=ARTEFACTS / f"{name}-zoom-{zoom}.png")
    panel.page.set_viewport_size(VIEWPORT)


CUT_OFF = """panel => {
    const right = panel.getBoundingClientRect().right;
    return [...panel.querySelectorAll('.rlv-frame *, .widget-slider, select, button')]
        .filter(one => one.getBoundingClientRect().right > right - 8)
        .map(one => one.className || one.tagName);
}"""


def check_exported(page, path: Path) -> None:
    """The exported page, from its file, without a kernel or a network: by keyboard and mouse."""
    assert path.stat().st_size < 500_000
    requests = []
    page = page.context.browser.new_page(offline=True)
    page.on("request", lambda request: requests.append(request.url))
    page.goto(path.as_uri())
    assert page.title() == page.get_by_role("heading").inner_text() != ""
    assert page.get_by_role("slider").count() >= 1
    for row in page.locator("label").all():
        page.reload()  # the other controls stand where they start
        check_exported_control(page, row)
    assert {url.split(":")[0] for url in requests} <= {"file", "data"}
    page.close()


def check_exported_control(page, row) -> None:
    """From its first place to the next one and to the last, and back by mouse."""
    lists, picture = row.locator("select"), page.locator(".rlv-tiles")
    control = (
        lists if lists.count() else row.get_by_role("slider", name=row.inner_text().split()[0])
    )
    seen = []
    for key in ("Home", "ArrowDown" if lists.count() else "ArrowRight", "End"):
        control.press(key)
        value = control.get_attribute("aria-valuetext")
        assert lists.count() or value == row.locator("output").inner_text() != ""
        assert picture.locator("img, svg").count() > 0
        seen.append((value, picture.get_attribute("aria-label"), picture.screenshot()))
    (lowest, low, pixels), (next_value, _, _), (highest, high, other_pixels) = seen
    assert lowest != next_value and lowest != highest and low != high and pixels != other_pixels
    if not lists.count():
        control.click(position={"x": 1, "y": 5})
        assert picture.get_attribute("aria-label") == low


def test_panels_with_boxes_to_tick(page, server):
    """Each box is ticked on and off, and what is shown is what the choice gives."""
    run_notebook(page, server, "boxes.ipynb")
    _, rounds, learned = panels(page)
    for place, panel in enumerate((rounds, learned)):
        screenshots(panel, f"{FRONT_END}-boxes-{place}")
        check_panel(panel)
    assert learned.shown().words.startswith("Learned: W_e + S + θ.")
    learned.box.get_by_label("learn S").click()
    shown = learned.becomes(lambda words: words.startswith("Learned: W_e + θ."))
    assert "2.0 %" in shown.readouts.values()


def test_the_panel_alone(page, server):
    """On a dictionary of forty random atoms, whatever the notebooks hold."""
    run_notebook(page, server, "small.ipynb")
    (panel,) = panels(page)
    screenshots(panel, f"{FRONT_END}-small")
    check_panel(panel)
    slider = page.get_by_role("slider", name="λ")
    assert slider.count() == 1, "found by its name, as a screen reader finds it"
    panel.press(slider, "End")
    assert panel.shown().nonzeros() == 0
    panel.box.locator("select").select_option("no. 3")
    panel.becomes(lambda words: words.startswith("digit no. 3"))
    panel.box.get_by_role("button", name="Reset").click()
    panel.becomes(lambda words: words.startswith("digit no. 1 at λ = 0.15"))


@lab_only
@pytest.mark.parametrize("front_end", ["notebook", "voila"])
def test_the_panel_in_another_front_end(chromium, tmp_path, front_end):
    """Notebook 7 and Voila; `make test-frontends` drags every panel there."""
    (tmp_path / "notebooks").mkdir()
    write_notebook(tmp_path / "notebooks" / "small.ipynb", [SMALL])
    with (
        Server(tmp_path / "notebooks", tmp_path / "jupyter", front_end=front_end) as server,
        chromium_page(chromium) as page,
    ):
        run_notebook(page, server, "small.ipynb")
        (panel,) = panels(page)
        check_panel(panel)


def test_an_error_appears_in_the_panel_and_goes(page, server):
    run_notebook(page, server, "failing.ipynb")
    panel = panels(page)[1]
    (handle,) = panel.handles()
    panel.drag(handle, 0.9)
    panel.box.locator(".rlv-error").wait_for()
    assert "RuntimeError: <too> large" in panel.error()
    assert panel.box.locator("svg").count() == 0
    panel.drag(handle, 0.1)
    panel.box.locator(".rlv-error").wait_for(state="detached")
    panel.shown()
    assert panel.error() is None and panel.box.locator("svg").count() == 1


# ---- a notebook that is left and found again, run out of order, in other lights and sizes ----


@lab_only
def test_a_saved_notebook_is_found_as_it_was_left(page, server):
    """Saved, opened with a new kernel: the panel's text and its still figure, and no question at
    closing. Then its cell alone, which says what is missing; then the cells in any order.
    """
    run_notebook(page, server, "apart.ipynb")
    (panel,) = panels(page)
    page.evaluate("window.jupyterapp.commands.execute('docmanager:save')")
    page.wait_for_function(f"!{NOTEBOOK}.context.model.dirty")
    assert panel.box.is_visible(), "what is saved does not concern the live page"
    server.shut_down_kernels()
    open_notebook(page, server, "apart.ipynb")
    cell = page.locator(".jp-CodeCell").nth(1)
    assert "to move it, run all cells above" in cell.inner_text()
    assert cell.locator("img").evaluate("one => one.complete && one.naturalWidth") > 100
    assert not page.get_by_text("Error displaying widget").count()
    page.screenshot(path=ARTEFACTS / "lab-reopened.png")
    assert not page.evaluate(f"{NOTEBOOK}.context.model.dirty"), "closing it would ask to save"
    run_cells(page, 1)
    assert "NameError: name 'sparse_coding_panel'" in cell.inner_text()
    run_cells(page, 0, 3, 1, 2, 0, 1)
    (panel,) = panels(page)
    panel.place = -1  # the kernel has shown it twice
    (handle,) = panel.handles()
    check_keyboard(panel, handle)


@lab_only
@pytest.mark.parametrize("theme", ["JupyterLab Light", "JupyterLab Dark"])
def test_dark_on_white_at_any_size(page, server, theme):
    """In both themes, on a small window and at 200 %: legible, whole, the slider in sight."""
    run_notebook(page, server, "small.ipynb")
    (panel,) = panels(page)
    page.evaluate(
        f"window.jupyterapp.commands.execute('apputils:change-theme', {{theme: '{theme}'}})"
    )
    page.wait_for_function(f"document.body.dataset.jpThemeName == '{theme}'")
    for width, height in ((800, 600), (1366 // 2, 768 // 2)):
        page.set_viewport_size({"width": width, "height": height})
        panel.settle()
        comes_to(panel.page, partial(panel.box.evaluate, CUT_OFF), [].__eq__)  # it follows late
        panel.box.locator(".rlv-tiles").evaluate("one => one.scrollIntoView({block: 'end'})")
        page.screenshot(path=ARTEFACTS / f"lab-{theme.split()[1].lower()}-{width}.png")
        (handle,) = panel.handles()
        before = panel.shown().words
        box = handle.bounding_box()
        assert 0 < box["y"] < height - 100, "the slider is scrolled away from its picture"
        page.mouse.click(box["x"] + 60, box["y"] + 8)  # nothing lies over it
        panel.becomes(before.__ne__)
    for control in panel.box.locator("select, button, .widget-readout, .widget-label").all():
        ink, paper = control.evaluate(COLOURS)
        assert ink < 60 and paper > 240, control.inner_text()


NOTEBOOK = "window.jupyterapp.shell.currentWidget"

# How light the text of an element is and what lies behind it, 0 to 255.
COLOURS = """element => {
    const light = colour => Math.max(...colour.match(/[0-9.]+/g).slice(0, 3).map(Number));
    let behind = element;
    while (/rgba\\(.*, 0\\)/.test(getComputedStyle(behind).backgroundColor)) {
        behind = behind.parentElement;
    }
    return [getComputedStyle(element).color, getComputedStyle(behind).backgroundColor].map(light);
}"""


def open_notebook(page, server, name: str) -> None:
    """With a new kernel, and nothing run."""
    page.goto("about:blank")
    page.goto(f"{server.url}/{server.front_end.address.format(name=name, token=server.token)}")
    page.wait_for_function(server.front_end.opened)
    page.evaluate(
        f"{NOTEBOOK}.sessionContext.ready.then(() => {NOTEBOOK}.sessionContext.session"
        ".kernel.info).then(() => { window.connected = true; })"
    )
    page.wait_for_function("window.connected")


def run_cells(page, *places: int) -> None:
    """These code cells, one after the other, whether they fail or not."""
    for place in places:
        page.evaluate(
            f"""() => {{
                window.ran = false;
                {NOTEBOOK}.content.activeCellIndex = {place};
                window.jupyterapp.commands.execute('notebook:run-cell')
                    .finally(() => {{ window.ran = true; }});
            }}"""
        )
        page.wait_for_function("window.ran")


@lab_only
def test_make_lab_sends_messages_at_once():
    """The setting without which each move of a slider shows 40 ms late; and `make lab` uses it."""
    loader = PyFileConfigLoader("jupyter_server_config.py", path=str(CONFIG))
    server_settings = loader.load_config().ServerApp
    chosen = server_settings.kernel_websocket_connection_class
    connected = []

    class Handler(WebSocketHandler):
        def __init__(self):  # no request: the connection asks for nothing else
            pass

        def set_nodelay(self, value):
            connected.append(value)

    with mock.patch.object(ZMQChannelsWebsocketConnection, "connect", lambda self: "connected"):
        connection = chosen.__new__(chosen)
        connection.websocket_handler = Handler()
        assert connection.connect() == "connected"
    assert connected == [True]
    assert "JUPYTER_CONFIG_PATH=tools/jupyter" in (ROOT / "Makefile").read_text(encoding="utf-8")
