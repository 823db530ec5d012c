"""Every notebook in JupyterLab, in headless Chromium: run all, then move every slider.

By mouse and by keyboard, and it is what the panel *shows* that is checked. A screenshot of each
panel is kept in `artefacts/`. Without Chromium the tests are skipped; in CI that is a failure.
"""

import os
import shutil
from pathlib import Path
from unittest import mock

import nbformat
import pytest
from browser import (
    JupyterServer,
    chromium_page,
    find_chromium,
    open_notebook,
    panels,
    run_all,
    shut_down_kernel,
)
from jupyter_server.services.kernels.connection.channels import ZMQChannelsWebsocketConnection
from jupyter_server.services.kernels.websocket import KernelWebsocketHandler as WebSocketHandler
from traitlets.config import PyFileConfigLoader

ROOT = Path(__file__).resolve().parent.parent
ARTEFACTS = ROOT / "artefacts"
CONFIG = ROOT / "tools" / "jupyter"  # the settings of `make lab`
NOTEBOOKS = sorted(path.name for path in (ROOT / "notebooks").glob("*.ipynb"))

pytestmark = pytest.mark.browser

SMALL = """\
import torch
from rlvebm_utils import Dictionary
from rlvebm_utils.widgets import SliderPanel, Stems, log_slider, sparse_coding_panel

torch.manual_seed(0)
W = torch.rand(64, 40, dtype=torch.float64) ** 4
W /= W.norm(dim=0)
Y = (torch.rand(3, 40) < 0.2).double() @ W.T + 0.05 * torch.rand(3, 64)
sparse_coding_panel(Dictionary(W), Y, shape=(8, 8), nonnegative=True)
"""

FAILING = """\
def compute(lam):
    if lam > 1:
        raise RuntimeError("<too> large")
    return {"z": [lam, 2 * lam]}

SliderPanel(compute, lambda a: [Stems(a["z"], "z", "place", 2)], {"lam": log_slider(0.1, 10, 0.5)})
"""


# Without it JupyterLab asks which kernel to start, and waits.
KERNEL = {"name": "python3", "display_name": "Python 3 (ipykernel)", "language": "python"}


@pytest.fixture(scope="module")
def chromium() -> str:
    path = find_chromium()
    if path is None and os.environ.get("CI"):
        pytest.fail("no Chromium or Chrome on PATH: in CI the browser tests must run")
    if path is None:
        pytest.skip("no Chromium or Chrome on PATH")
    return path


@pytest.fixture(scope="module")
def server(chromium, tmp_path_factory):
    """JupyterLab over a copy of the notebooks, and two small ones made here."""
    root = tmp_path_factory.mktemp("lab")
    for folder in ("notebooks", "images"):
        if (ROOT / folder).is_dir():
            shutil.copytree(ROOT / folder, root / folder)
    for name, source in {"small": [SMALL], "failing": [SMALL, FAILING]}.items():
        cells = [nbformat.v4.new_code_cell(one) for one in source]
        notebook = nbformat.v4.new_notebook(cells=cells, metadata={"kernelspec": KERNEL})
        nbformat.write(notebook, root / f"{name}.ipynb")
    scratch = tmp_path_factory.mktemp("jupyter")
    with JupyterServer(root, scratch, extra_path=ROOT, config=CONFIG) as server:
        yield server


@pytest.fixture
def page(chromium, server):
    with chromium_page(chromium) as page:
        yield page
        shut_down_kernel(page)


def check_sliders(page, name: str) -> int:
    """Move every slider of every panel; how many there were."""
    moved = 0
    for number, panel in enumerate(panels(page)):
        panel.box.scroll_into_view_if_needed()
        panel.settle()
        for handle in panel.handles():
            check_names(panel, handle)
            check_keyboard(panel, handle)
            check_mouse(panel, handle)
            moved += 1
        ARTEFACTS.mkdir(exist_ok=True)
        panel.drag(panel.handles()[0], 0.5)
        panel.box.screenshot(path=ARTEFACTS / f"{Path(name).stem}-panel-{number}.png")
    return moved


def check_names(panel, handle) -> None:
    """A screen reader finds a slider with a name and a value, and a picture with words."""
    assert handle.get_attribute("role") == "slider"
    assert handle.get_attribute("aria-label") and handle.get_attribute("aria-valuetext")
    assert panel.words()


def check_keyboard(panel, handle) -> None:
    """Thirty steps up, or as many as there are, and back: fewer non-zeros, then as many again."""
    before, words = panel.nonzeros(), panel.words()
    steps = min(30, panel.room(handle))
    panel.press(handle, "ArrowRight", times=steps)
    assert panel.error() is None
    assert panel.words() != words, "the picture did not follow the keyboard"
    if before is not None:
        assert panel.nonzeros() < before
        assert f"{panel.nonzeros():g}" in handle.get_attribute("aria-valuetext")
    panel.press(handle, "ArrowLeft", times=steps)
    assert panel.error() is None
    assert (panel.nonzeros(), panel.words()) == (before, words)


def check_mouse(panel, handle) -> None:
    """To the right, to the end, and back to the left: fewer, none, and again more non-zeros."""
    seen = []
    for share in (0.4, 0.8, 1.0, 0.4):
        panel.drag(handle, share)
        assert panel.error() is None
        loaded = panel.box.locator(".rlv-tiles img").evaluate_all(
            "all => all.every(one => one.complete && one.naturalWidth > 0)"
        )
        assert loaded, "a picture in the panel is blank"
        seen.append((panel.nonzeros(), panel.words()))
    counts, words = zip(*seen, strict=True)
    assert words[0] != words[1] != words[2] != words[3]
    if counts[0] is not None:
        assert counts[0] > counts[1] > counts[2] == 0 < counts[3]


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_every_slider_of_every_notebook(page, server, name):
    open_notebook(page, server, f"notebooks/{name}")
    run_all(page)
    has_slider = "slider" in {
        tag
        for cell in nbformat.read(ROOT / "notebooks" / name, 4).cells
        for tag in cell.metadata.get("tags", [])
    }
    if has_slider:
        assert check_sliders(page, name) > 0


def test_the_panel_alone(page, server):
    """On a dictionary of forty random atoms, whatever the notebooks hold."""
    open_notebook(page, server, "small.ipynb")
    run_all(page)
    assert check_sliders(page, "small") == 1
    slider = page.get_by_role("slider", name="λ")
    assert slider.count() == 1, "found by its name, as a screen reader finds it"

    (panel,) = panels(page)
    first = panel.words()
    panel.box.locator("select").select_option("no. 3")
    panel.settle()
    assert panel.words().startswith("digit no. 3") and panel.words() != first
    panel.box.get_by_role("button", name="Reset").click()
    panel.settle()
    assert panel.words().startswith("digit no. 1 at λ = 0.15")


def test_an_error_appears_in_the_panel_and_goes(page, server):
    open_notebook(page, server, "failing.ipynb")
    run_all(page)
    panel = panels(page)[1]
    (handle,) = panel.handles()
    panel.drag(handle, 0.9)
    assert "RuntimeError: <too> large" in panel.error()
    assert panel.box.locator("svg").count() == 0
    panel.drag(handle, 0.1)
    assert panel.error() is None and panel.box.locator("svg").count() == 1


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


def test_the_panel_fits_a_small_screen(page, server):
    """1366 pixels wide; and at 200 %, where half of them are left: nothing is cut off."""
    open_notebook(page, server, "small.ipynb")
    run_all(page)
    (panel,) = panels(page)
    ARTEFACTS.mkdir(exist_ok=True)
    for zoom in (1, 2):
        page.set_viewport_size({"width": 1366 // zoom, "height": 1200})  # all of it in the shot
        panel.settle()
        assert panel.box.evaluate(CUT_OFF) == []
        box = panel.box.bounding_box()
        assert box["x"] >= 0 and box["x"] + box["width"] <= 1366 // zoom
        panel.box.screenshot(path=ARTEFACTS / f"small-zoom-{zoom}.png")


CUT_OFF = """panel => {
    const right = panel.getBoundingClientRect().right;
    return [...panel.querySelectorAll('.rlv-frame *, .widget-slider, select, button')]
        .filter(one => one.getBoundingClientRect().right > right + 1)
        .map(one => one.className || one.tagName);
}"""


def test_the_exported_page_moves_without_a_kernel(chromium, tmp_path):
    """From a file, by keyboard, with what is shown checked."""
    scope: dict = {}
    exec(SMALL.rpartition("\n")[0].rpartition("\n")[0], scope)
    panel = scope["sparse_coding_panel"](
        scope["Dictionary"](scope["W"]), scope["Y"], shape=(8, 8), nonnegative=True
    )
    path = panel.export_html(tmp_path / "panel.html", frames=12)
    with chromium_page(chromium) as page:
        requests = []
        page.on("request", lambda request: requests.append(request.url))
        page.goto(path.as_uri())
        slider = page.get_by_role("slider", name="λ")
        count = page.locator(".rlv-numbers b").nth(1)
        slider.press("Home")
        most = int(count.inner_text().split()[0])
        words = page.locator(".rlv-tiles").get_attribute("aria-label")
        slider.press("End")
        assert most > 0 and count.inner_text() == "0 of 40"
        assert slider.get_attribute("aria-valuetext") == page.locator("output").inner_text() != ""
        assert page.locator(".rlv-tiles").get_attribute("aria-label") != words
        assert {url.split(":")[0] for url in requests} <= {"file", "data"}
