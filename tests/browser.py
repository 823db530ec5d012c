"""Drive a notebook in headless Chromium: start a server, open a notebook, run it, move its sliders.

Used by `test_browser.py` and by `benchmarks/sliders.py`. Nothing here waits for ever, and
whatever is started is stopped: the server runs in a process session of its own, which is ended
as a whole. The front end is JupyterLab, Notebook 7, the classic notebook of Colab's generation or
Voila.
"""

from __future__ import annotations

import contextlib
import json
import math
import os
import re
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path

import nbformat

ROOT = Path(__file__).resolve().parent.parent
CONFIG = ROOT / "tools" / "jupyter"  # the settings of `make lab`

CHROMIUM_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
CHROMIUM_ARGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
VIEWPORT = {"width": 1366, "height": 768}  # the commonest small laptop screen

# A slider's handle: ipywidgets 8 draws it with noUiSlider, ipywidgets 7 with jQuery UI.
HANDLE = ".noUi-handle, .ui-slider-handle"


def find_chromium() -> str | None:
    """Path of a Chromium or Chrome that is installed here, or None."""
    return next(filter(None, map(shutil.which, CHROMIUM_NAMES)), None)


# ------------------------------------------------------------------------------ the server


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def _settings(folder: Path, windowing: str) -> None:
    """User settings: no news or update pop-up; `windowing` "none" keeps every cell in the page."""
    wanted = {
        "apputils-extension/notification": {
            "fetchNews": "false",
            "checkForUpdates": False,
            "doNotDisturbMode": True,
        },
        "notebook-extension/tracker": {"windowingMode": windowing},
    }
    for name, value in wanted.items():
        path = folder / "@jupyterlab" / f"{name}.jupyterlab-settings"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(value))


JUPYTER = (
    "--allow-root",
    "--ServerApp.root_dir={root}",
    "--ServerApp.ip=127.0.0.1",
    "--ServerApp.port={port}",
    "--ServerApp.port_retries=0",
    "--IdentityProvider.token={token}",
)
CLASSIC = (
    "--allow-root",
    "--NotebookApp.notebook_dir={root}",
    "--NotebookApp.ip=127.0.0.1",
    "--NotebookApp.port={port}",
    "--NotebookApp.port_retries=0",
    "--NotebookApp.token={token}",
)
VOILA = ("{root}", "--Voila.ip=127.0.0.1", "--port={port}", "--token={token}")

RUN_JUPYTERLAB = """() => {
    const open = window.jupyterapp.shell.currentWidget, { ready } = open.sessionContext;
    ready.then(() => open.sessionContext.session.kernel.info).then(
        () => window.jupyterapp.commands.execute('notebook:run-all-cells'));
}"""
OPENED_JUPYTERLAB = """() => {
    const open = window.jupyterapp?.shell?.currentWidget;
    return Boolean(open?.context?.isReady && open.content?.model && open.sessionContext);
}"""
# The widget manager asks the kernel for widgets as it loads; cells that run meanwhile keep the
# kernel from answering, and the page then waits for ever at the first widget.
OPENED_CLASSIC = """() => {
    const kernel = window.Jupyter?.notebook?.kernel;
    const rests = kernel?.is_connected() && !Jupyter.notebook.kernel_busy;
    return Boolean(rests && kernel.widget_manager);
}"""
RUN_CLASSIC = """() => {
    const run = () => setTimeout(() => Jupyter.notebook.execute_all_cells(), 3000);
    Jupyter.notebook.kernel.execute('import ipywidgets', {shell: {reply: run}});
}"""


@dataclass(frozen=True)
class FrontEnd:
    """How one is started, where a notebook stands in it, and how all its cells are run."""

    command: tuple[str, ...]
    address: str
    opened: str = "() => true"
    run: str = "() => {}"


FRONT_ENDS = {
    "lab": FrontEnd(
        ("jupyterlab", *JUPYTER, "--LabApp.expose_app_in_browser=True", "--LabApp.news_url=None"),
        "lab/tree/{name}?token={token}&reset",
        OPENED_JUPYTERLAB,
        RUN_JUPYTERLAB,
    ),
    "notebook": FrontEnd(
        ("notebook", *JUPYTER, "--JupyterNotebookApp.expose_app_in_browser=True"),
        "notebooks/{name}?token={token}",
        OPENED_JUPYTERLAB,
        RUN_JUPYTERLAB,
    ),
    "classic": FrontEnd(
        ("notebook", *CLASSIC), "notebooks/{name}?token={token}", OPENED_CLASSIC, RUN_CLASSIC
    ),
    "voila": FrontEnd(("voila", *VOILA), "voila/render/{name}?token={token}"),
}


class Server:
    """`with Server(root, scratch) as server:` a front end on a free port of 127.0.0.1."""

    def __init__(
        self,
        root: Path,
        scratch: Path,
        *,
        front_end: str = "lab",
        python: str = sys.executable,  # of the environment that has the front end and the kernel
        config: Path | None = CONFIG,
        windowing: str = "none",
        timeout: float = 60,
    ):
        self.root, self.scratch, self.timeout = Path(root), Path(scratch), timeout
        self.front_end, self.python = FRONT_ENDS[front_end], python
        self.config, self.windowing = config, windowing
        self.token = secrets.token_hex(16)
        self.port = _free_port()
        self.url = f"http://127.0.0.1:{self.port}"

    def _environment(self) -> dict[str, str]:
        """A Jupyter with no memory: configuration, settings and run files in the scratch folder."""
        environment = dict(os.environ)
        for name in ("CONFIG_DIR", "DATA_DIR", "RUNTIME_DIR"):
            environment[f"JUPYTER_{name}"] = str(self.scratch / name.lower())
        environment["JUPYTER_CONFIG_PATH"] = str(self.config or "")
        environment["JUPYTERLAB_SETTINGS_DIR"] = str(self.scratch / "settings")
        environment["JUPYTERLAB_WORKSPACES_DIR"] = str(self.scratch / "workspaces")
        # The kernels find this project's package here.
        paths = [str(ROOT), os.environ.get("PYTHONPATH", "")]
        environment["PYTHONPATH"] = os.pathsep.join(filter(None, paths))
        environment["IPYTHONDIR"] = str(self.scratch / "ipython")
        return environment

    def __enter__(self) -> Server:
        self.scratch.mkdir(parents=True, exist_ok=True)
        _settings(self.scratch / "settings", self.windowing)
        module, *flags = self.front_end.command
        flags = [one.format(**vars(self)) for one in flags]
        self.log_path = self.scratch / "jupyter.log"
        with open(self.log_path, "w") as log:
            self.process = subprocess.Popen(
                [self.python, "-m", module, "--no-browser", *flags],
                stdout=log,
                stderr=subprocess.STDOUT,
                env=self._environment(),
                start_new_session=True,
            )
        try:
            self._wait_until_ready()
        except BaseException:
            self.__exit__()
            raise
        return self

    def _wait_until_ready(self) -> None:
        deadline = time.monotonic() + self.timeout
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                break
            with contextlib.suppress(OSError):
                self.ask("")
                return
            time.sleep(0.1)
        raise RuntimeError(f"no server:\n{self.log_path.read_text()[-2000:]}")

    def ask(self, path: str, method: str = "GET") -> bytes:
        """The server's answer to a request."""
        address = f"{self.url}/{path}?token={self.token}"
        request = urllib.request.Request(address, method=method)
        with urllib.request.urlopen(request, timeout=5) as answer:
            return answer.read()

    def shut_down_kernels(self) -> None:
        """End what the last notebook left; Voila does so when its page closes."""
        with contextlib.suppress(urllib.error.HTTPError):
            for kernel in json.loads(self.ask("api/kernels")):
                self.ask(f"api/kernels/{kernel['id']}", "DELETE")

    def __exit__(self, *exception) -> None:
        """End the server and its kernels: first a request, then by force."""
        for stop, patience in ((signal.SIGTERM, 10), (signal.SIGKILL, 5)):
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, stop)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(patience)
        # Kernels live in sessions of their own: the server has ended them on SIGTERM.


# ------------------------------------------------------------------------------ the browser


@contextlib.contextmanager
def chromium_page(executable: str, *, viewport: dict | None = None, timeout: float = 30):
    """A fresh page in headless Chromium; everything asked of it times out."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=executable, args=list(CHROMIUM_ARGS), timeout=1000 * timeout
        )
        try:
            page = browser.new_page(viewport=viewport or VIEWPORT)
            page.set_default_timeout(1000 * timeout)
            yield page
        finally:
            browser.close()


@contextlib.contextmanager
def live_page(browser, path: Path):
    """A live page, opened from its file without a network; what goes wrong in it is an error."""
    page, wrong = browser.new_page(offline=True, viewport=VIEWPORT), []
    page.on("console", lambda one: one.type == "error" and wrong.append(one.text))
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.goto(path.as_uri())
    page.wait_for_function("window.page")
    yield page
    assert wrong == []
    page.close()


# JupyterLab shows an error as it shows what is written to stderr
FINISHED = ".rlv-ask, .output_error, " + ", ".join(
    f"[data-mime-type='application/vnd.jupyter.{kind}']" for kind in ("error", "stderr")
)


def run_notebook(page, server: Server, name: str, *, timeout: float = 600) -> None:
    """Open `name` (made by `write_notebook`), run every cell and wait for the end.

    An error in a cell is an AssertionError here.
    """
    address = server.front_end.address.format(name=name, token=server.token)
    # Voila runs the notebook before the page is complete.
    page.goto(f"{server.url}/{address}", wait_until="commit", timeout=1000 * timeout)
    page.wait_for_function(server.front_end.opened)
    page.evaluate(server.front_end.run)  # never awaited: `evaluate` has no time-out
    last = page.locator(FINISHED).first
    last.wait_for(timeout=1000 * timeout)
    assert "rlv-ask" in last.get_attribute("class"), f"{name} did not run: {last.inner_text()}"


# The last cell of every notebook that is tested: asked by a click, it calls each panel's `compute`
# and tells what it should show now.
PROBE = """\
import html, json, math
import ipywidgets
from IPython.display import display
from rlvebm_utils.course.widgets import SliderPanel
from tools.panels import export_displayed

ask, answer = ipywidgets.Button(description="ask"), ipywidgets.HTML()
export = ipywidgets.Button(description="export")
asked = 0


def steps_left(control):  # how many the slider can still go up
    if hasattr(control, "options"):
        return len(control.options) - 1 - control.index
    if not hasattr(control, "max"):
        return 0  # a box to tick
    value = math.log(control.value, control.base) if hasattr(control, "base") else control.value
    return round((control.max - value) / control.step)


def should_show(panel):
    values = panel.values  # once: another thread may move them meanwhile
    arrays = panel.state(**values)
    return {
        "values": {panel.controls[name].description: v for name, v in values.items()},
        "room": {one.description: steps_left(one) for one in panel.controls.values()},
        "readouts": list(panel.shown(arrays).values()),
        "words": panel.alt_text(arrays),
    }


def tell(_):
    global asked
    asked += 1
    told = [None if one.error else should_show(one) for one in SliderPanel.displayed.values()]
    answer.value = html.escape(json.dumps({"asked": asked, "panels": told}))


def write_pages(_):
    try:
        export.description = f"{len(export_displayed('.', NAME))} pages"
    except Exception as error:
        export.description = f"{type(error).__name__}: {error}"


ask.on_click(tell)
export.on_click(write_pages)
export.add_class("rlv-export")
ask.add_class("rlv-ask")
answer.add_class("rlv-answer")
display(ipywidgets.VBox([ask, export, answer]))
"""

# Without it a front end asks which kernel to start, and waits.
KERNEL = {"name": "python3", "display_name": "Python 3 (ipykernel)", "language": "python"}


def write_notebook(path: Path, cells: list) -> None:
    """Write the cells (or their source) as a notebook that ends with the probe."""
    new = nbformat.v4.new_code_cell
    cells = [
        new(cell) if isinstance(cell, str) else cell
        for cell in [*cells, f"NAME = {path.stem!r}\n{PROBE}"]
    ]
    notebook = nbformat.v4.new_notebook(cells=cells, metadata={"kernelspec": KERNEL})
    nbformat.write(notebook, path)


# ------------------------------------------------------------------------------ the panels

# Until nothing in the panel has changed for a while; a screen's worth of patience, then give up.
SETTLED = """(panel, [quiet, patience]) => new Promise((resolve, reject) => {
    let timer = setTimeout(done, quiet);
    const again = () => { clearTimeout(timer); timer = setTimeout(done, quiet); };
    const watch = new MutationObserver(again);
    const limit = setTimeout(() => { watch.disconnect(); reject(Error('no rest')); }, patience);
    function done() { clearTimeout(limit); watch.disconnect(); resolve(); }
    watch.observe(panel, { childList: true, subtree: true });
})"""


@dataclass(frozen=True)
class Shown:
    """What a panel shows, for a slider that says `value`."""

    value: str
    words: str  # the picture's alternative text
    readouts: dict[str, str]
    pixels: bytes

    def nonzeros(self) -> float | None:
        """The number or percentage in the read-out "non-zeros …", if the panel has one."""
        found = [v for label, v in self.readouts.items() if label.startswith("non-zeros")]
        return float(found[0].split()[0]) if found else None


class Panel:
    """One slider panel on the page, the `place`-th."""

    def __init__(self, page, box, place: int):
        self.page, self.box, self.place = page, box, place

    def settle(self, quiet: float = 0.5, patience: float = 20) -> None:
        """Wait until the picture stands still."""
        self.box.evaluate(SETTLED, [1000 * quiet, 1000 * patience])

    def handles(self) -> list:
        return self.box.locator(HANDLE).all()

    def readouts(self) -> dict[str, str]:
        pairs = self.box.locator(".rlv-numbers > div").evaluate_all(
            "all => all.map(one => [...one.children].map(child => child.textContent))"
        )
        return dict(pairs)

    def words(self) -> str | None:
        """The picture's alternative text."""
        picture = self.box.locator(".rlv-tiles")
        return picture.get_attribute("aria-label") if picture.count() else None

    def error(self) -> str | None:
        boxes = self.box.locator(".rlv-error")
        return boxes.first.inner_text() if boxes.count() else None

    def due(self) -> dict | None:
        """What the kernel says that the panel should show; None for an error."""
        asked = "document.querySelector('.rlv-answer .widget-html-content')?.textContent || '{}'"
        before = json.loads(self.page.evaluate(asked)).get("asked", 0)
        answered = f"JSON.parse({asked}).asked > {before}"
        for patience in (5, 10, 20, 40):  # a click before the page is complete goes unheard
            self.page.locator(".rlv-ask").evaluate("button => button.click()")
            if _comes(self.page, answered, patience):
                break
        else:
            raise AssertionError("the kernel does not answer")
        return json.loads(self.page.evaluate(asked))["panels"][self.place]

    def said(self) -> dict[str, str]:
        """What the sliders on the page say, by their labels."""
        rows = self.box.locator(".widget-slider")
        return dict(
            rows.evaluate_all(
                "all => all.map(one => ['.widget-label', '.widget-readout'].map("
                "part => one.querySelector(part).textContent))"
            )
        )

    def shown(self, handle=None, patience: float = 20) -> Shown:
        """What it shows, which must be what the kernel computes for what the sliders say."""
        deadline = time.monotonic() + patience
        while True:
            due, said, words = self.due(), self.said(), self.words()
            readouts = self.readouts()
            assert due is not None, f"an error in the panel: {self.error()}"
            agree = (
                all(_rounded(due["values"][label], text) for label, text in said.items())
                and _alike(words or "", due["words"])
                and all(map(_alike, readouts.values(), due["readouts"]))
                and len(readouts) == len(due["readouts"])
            )
            if agree:
                break
            assert time.monotonic() < deadline, f"{said}, {words}, {readouts}; due is {due}"
        self.settle(quiet=0.15)  # the same picture may come twice
        tiles = self.box.locator(".rlv-tiles")
        loaded = "all => all.every(one => one.complete && one.naturalWidth > 0)"
        assert tiles.locator("img").evaluate_all(loaded), "a picture in the panel is blank"
        label = handle.get_attribute("aria-label") if handle else next(iter(said))
        return Shown(said[label], words, readouts, tiles.screenshot())

    def becomes(self, wanted) -> Shown:
        """What it shows, once ``wanted`` holds for its words."""
        return comes_to(self.page, self.shown, lambda now: wanted(now.words))

    def room(self, handle) -> int:
        """How many steps the slider can still go up."""
        return self.due()["room"][handle.get_attribute("aria-label")]

    def press(self, handle, key: str, times: int = 1) -> None:
        handle.focus()
        for _ in range(times):
            self.page.keyboard.press(key)

    def drag(self, handle, share: float, steps: int = 20) -> None:
        """Take the handle to `share` of the track, with the mouse."""
        handle.scroll_into_view_if_needed()
        start = handle.bounding_box()
        track = handle.locator(
            "xpath=ancestor::*[contains(@class, 'slider-container')][1]"
        ).bounding_box()
        middle = start["y"] + start["height"] / 2
        self.page.mouse.move(start["x"] + start["width"] / 2, middle)
        self.page.mouse.down()
        self.page.mouse.move(track["x"] + share * track["width"], middle, steps=steps)
        self.page.mouse.up()


NUMBER = re.compile(r"[-−]?\d+(?:\.\d+)?(?:e[-+]?\d+)?")


def _alike(a: str, b: str) -> bool:
    """The same words; the same numbers but for rounding, and one more or less of what is counted.

    A solver that starts from its last answer stops within its tolerance, not at the same digits.
    """
    if NUMBER.sub("", a) != NUMBER.sub("", b):
        return False
    pairs = zip(NUMBER.findall(a), NUMBER.findall(b), strict=True)
    return all(_near(*(float(one.replace("−", "-")) for one in pair)) for pair in pairs)


def _rounded(value: float, text: str) -> bool:
    """Whether a slider with this value may say `text`."""
    said, half = float(text.replace("−", "-")), 0.5 * 10.0 ** -len(text.partition(".")[2])
    return math.isclose(value, said, rel_tol=0.02) or (
        "e" not in text and abs(value - said) <= 1.001 * half
    )


def _near(a: float, b: float) -> bool:
    one_apart = a.is_integer() and b.is_integer() and abs(a - b) == 1
    return one_apart or math.isclose(a, b, rel_tol=0.02, abs_tol=1e-4)


def _comes(page, condition: str, patience: float) -> bool:
    """Whether a condition on the page comes true within that many seconds."""
    from playwright.sync_api import TimeoutError as TooLate

    try:
        page.wait_for_function(condition, timeout=1000 * patience)
    except TooLate:
        return False
    return True


def comes_to(page, ask, wanted, patience: float = 30):
    """What ``ask()`` answers, once ``wanted`` holds for it.

    What follows an action is waited for, never looked up after a fixed time: on a loaded machine a
    kernel's answer, or a page's, takes as long as it takes.
    """
    deadline = time.monotonic() + patience
    while not wanted(answer := ask()):
        assert time.monotonic() < deadline, f"after {patience} s it is still {answer!r}"
        page.wait_for_timeout(100)
    return answer


def panels(page) -> list[Panel]:
    """Every slider panel of the open notebook; a widget outside of one is an AssertionError."""
    page.wait_for_selector(".rlv-panel .rlv-frame, .rlv-panel .rlv-error")
    boxes, ours = page.locator(".rlv-panel"), ".rlv-panel, .rlv-ask, .rlv-export"
    stray = (
        "[...document.querySelectorAll('.widget-slider, .widget-dropdown, .jupyter-button')]"
        f".filter(one => !one.closest('{ours}')).length"
    )
    gone = _comes(page, f"{stray} == 0", 10)  # a control may be in the page before its panel
    assert gone, f"{page.evaluate(stray)} controls stand outside of a panel: nobody tests them"
    return [Panel(page, box, place) for place, box in enumerate(boxes.all())]
