"""Drive JupyterLab in headless Chromium: start a server, open a notebook, run it, move its sliders.

Used by `test_browser.py` and by `benchmarks/sliders.py`. Nothing here waits for ever, and
whatever is started is stopped: the server runs in a process session of its own, which is ended
as a whole.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

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


class JupyterServer:
    """`with JupyterServer(root, scratch) as server:` JupyterLab on a free port of 127.0.0.1."""

    def __init__(
        self,
        root: Path,
        scratch: Path,
        *,
        extra_path: Path | None = None,  # where the kernels find this project's package
        config: Path | None = None,  # a folder of settings, as `make lab` gives one
        windowing: str = "none",
        timeout: float = 60,
    ):
        self.root, self.scratch, self.timeout = Path(root), Path(scratch), timeout
        self.extra_path, self.config, self.windowing = extra_path, config, windowing
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
        paths = [str(self.extra_path or ""), os.environ.get("PYTHONPATH", "")]
        environment["PYTHONPATH"] = os.pathsep.join(filter(None, paths))
        environment["IPYTHONDIR"] = str(self.scratch / "ipython")
        return environment

    def __enter__(self) -> JupyterServer:
        self.scratch.mkdir(parents=True, exist_ok=True)
        _settings(self.scratch / "settings", self.windowing)
        command = [
            *(sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root"),
            f"--ServerApp.root_dir={self.root}",
            "--ServerApp.ip=127.0.0.1",
            f"--ServerApp.port={self.port}",
            "--ServerApp.port_retries=0",
            f"--IdentityProvider.token={self.token}",
            "--LabApp.expose_app_in_browser=True",
            "--LabApp.news_url=None",
        ]
        self.log_path = self.scratch / "jupyter.log"
        with open(self.log_path, "w") as log:
            self.process = subprocess.Popen(
                command,
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
            with contextlib.suppress(urllib.error.URLError, OSError):
                urllib.request.urlopen(f"{self.url}/api/status?token={self.token}", timeout=5)
                return
            time.sleep(0.1)
        raise RuntimeError(f"JupyterLab did not start:\n{self.log_path.read_text()[-2000:]}")

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


OPENED = """name => {
    const open = window.jupyterapp?.shell?.currentWidget;
    return Boolean(open?.context?.isReady && open.context.path === name && open.content.model);
}"""

# `evaluate` waits for ever, so a promise is never awaited there: started, and then asked for.
START_KERNEL = """() => {
    const open = window.jupyterapp.shell.currentWidget;
    window.kernelState = 'starting';
    open.sessionContext.ready.then(() => open.sessionContext.session.kernel.info).then(
        () => { window.kernelState = 'ready'; }, error => { window.kernelState = String(error); });
}"""

START_RUN = """() => {
    window.runState = 'running';
    window.jupyterapp.commands.execute('notebook:run-all-cells').then(
        () => { window.runState = 'done'; }, error => { window.runState = String(error); });
}"""

CELL_ERRORS = """() => {
    const cells = window.jupyterapp.shell.currentWidget.content.model.sharedModel.cells;
    return cells.filter(cell => cell.cell_type === 'code').flatMap(
        cell => cell.toJSON().outputs.filter(output => output.output_type === 'error')
            .map(output => `${output.ename}: ${output.evalue}`));
}"""


def open_notebook(page, server: JupyterServer, name: str) -> None:
    """Open `name` (relative to the server's root) and wait until its kernel answers."""
    page.goto(f"{server.url}/lab/tree/{name}?token={server.token}&reset")
    page.wait_for_function(OPENED, arg=name)
    page.evaluate(START_KERNEL)
    page.wait_for_function("window.kernelState !== 'starting'")
    state = page.evaluate("window.kernelState")
    assert state == "ready", f"no kernel for {name}: {state}"


RUNNING = """() => {
    const cells = window.jupyterapp.shell.currentWidget.content.widgets;
    const waiting = cells.filter(cell => cell.promptNode?.textContent.includes('*'));
    const now = waiting[0]?.model.sharedModel.source.slice(0, 200);
    return `${waiting.length} cells to go; now: ${now}`;
}"""


def run_all(page, *, timeout: float = 600) -> None:
    """Run every cell and wait for the end; an error in a cell is an AssertionError here."""
    page.evaluate(START_RUN)
    deadline = time.monotonic() + timeout
    while (state := page.evaluate("window.runState")) == "running":
        assert time.monotonic() < deadline, f"not done in {timeout} s: {page.evaluate(RUNNING)}"
        page.wait_for_timeout(500)  # asking more often takes time from the kernel
    errors = page.evaluate(CELL_ERRORS)
    assert state == "done" and not errors, f"the notebook did not run: {state} {errors}"


def shut_down_kernel(page) -> None:
    """Ask for it and go on: the server ends what is left."""
    page.evaluate("() => { window.jupyterapp?.shell.currentWidget?.sessionContext?.shutdown(); }")
    page.wait_for_timeout(500)


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


class Panel:
    """One slider panel on the page, and what it shows."""

    def __init__(self, page, box):
        self.page, self.box = page, box

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

    def nonzeros(self) -> float | None:
        """The number or percentage in the read-out "non-zeros …", if the panel has one."""
        found = [v for label, v in self.readouts().items() if label.startswith("non-zeros")]
        return float(found[0].split()[0]) if found else None

    def words(self) -> str:
        """The picture's alternative text."""
        return self.box.locator(".rlv-tiles").get_attribute("aria-label")

    def error(self) -> str | None:
        boxes = self.box.locator(".rlv-error")
        return boxes.first.inner_text() if boxes.count() else None

    def room(self, handle) -> int:
        """How many steps the slider can still go up."""
        return handle.evaluate(ROOM)

    def press(self, handle, key: str, times: int = 1) -> None:
        handle.focus()
        for _ in range(times):
            self.page.keyboard.press(key)
        self.settle()

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
        self.settle()


# How many steps a slider can still go up.
ROOM = """one => {
    const slider = one.closest(".noUi-target").noUiSlider, {range, step} = slider.options;
    return Math.round((Number(range.max) - Number(slider.get(true))) / step);
}"""


def panels(page) -> list[Panel]:
    """Every slider panel of the open notebook; a slider outside of one is an AssertionError."""
    page.wait_for_selector(".rlv-panel .rlv-frame, .rlv-panel .rlv-error")
    boxes = page.locator(".rlv-panel")
    stray = page.locator(HANDLE).count() - boxes.locator(HANDLE).count()
    assert stray == 0, f"{stray} sliders stand outside of a panel: nobody tests what they show"
    return [Panel(page, box) for box in boxes.all()]
