"""How fast the sliders are: from key press to pixels, in JupyterLab in headless Chromium.

    python benchmarks/sliders.py [--plain] [NOTEBOOK …]

The server is set up as `make lab` does it; with --plain, as Jupyter comes, and nothing is written.

Runs the cells that the slider panels of each notebook need (all notebooks, if none is named), and
for every panel:

- presses an arrow key 60 times. In the page a clock runs from the key's own time stamp, over the
  change of the picture, to the moment after the browser has painted the frame with it;
- drags the handle through 60 moves, one every 40 ms, and counts the frames that show a new picture
  (where the slider passes fewer stops than that, no more can differ);
- drags once more while the screen is recorded, and counts frames in which a part of the panel that
  should have something on it has nothing.

Writes benchmarks/sliders.json; what it says of other notebooks stays. Timings depend on the machine
and on what else it does: the load average stands beside them.
"""

from __future__ import annotations

import base64
import datetime
import io
import json
import os
import platform
import sys
import tempfile
import time
from pathlib import Path

import ipywidgets
import jupytext
import numpy as np
from PIL import Image

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

import browser  # noqa: E402

from tools.notebooks import texts  # noqa: E402
from tools.panels import only_panels  # noqa: E402

RESULT = ROOT / "benchmarks" / "sliders.json"
PRESSES = 60
MOVES = 60
PACE = 0.040  # seconds from one mouse move to the next

# A new picture is one assignment: the frame is replaced. Painted is when the next task runs after
# the animation frame that follows.
WATCH = """panel => {
    window.painted = [];
    window.keyTime = null;
    panel.addEventListener('keydown', event => { window.keyTime = event.timeStamp; }, true);
    const picture = panel.querySelector('.rlv-frame').parentElement;
    new MutationObserver(() => {
        const pressed = window.keyTime;
        requestAnimationFrame(() => {
            const channel = new MessageChannel();
            channel.port1.onmessage = () => window.painted.push([pressed, performance.now()]);
            channel.port2.postMessage(null);
        });
    }).observe(picture, { childList: true });
}"""


def key_presses(panel, handle, stops: int) -> list[float]:
    """Milliseconds from each key press to its pixels; half of the steps up, half down."""
    handle.focus()
    times, way = [], min(10, stops)
    for press in range(PRESSES):
        panel.page.evaluate("window.painted = []")
        panel.page.keyboard.press("ArrowRight" if press % (2 * way) < way else "ArrowLeft")
        panel.page.wait_for_function("window.painted.length > 0", timeout=5000)
        pressed, shown = panel.page.evaluate("window.painted[0]")
        times.append(shown - pressed)
        panel.page.wait_for_timeout(60)  # the next press finds everything at rest
    return times


def drag(panel, handle) -> None:
    """From the left to the middle of the track, at an even pace, as a hand would."""
    page = panel.page
    start = handle.bounding_box()
    track = handle.locator("xpath=ancestor::*[contains(@class, 'slider-container')][1]")
    track = track.bounding_box()
    middle = start["y"] + start["height"] / 2
    page.mouse.move(start["x"] + start["width"] / 2, middle)
    page.mouse.down()
    begun = time.perf_counter()
    for move in range(1, MOVES + 1):
        page.mouse.move(track["x"] + track["width"] * (0.1 + 0.5 * move / MOVES), middle)
        wait = begun + move * PACE - time.perf_counter()
        page.wait_for_timeout(max(1000 * wait, 0))
    page.mouse.up()


def redraws(panel, handle) -> int:
    panel.drag(handle, 0.1)
    panel.settle()
    panel.page.evaluate("window.painted = []")
    drag(panel, handle)
    count = panel.page.evaluate("window.painted.length")  # what comes after is not counted
    panel.settle()
    return count


def blank_frames(panel, handle) -> tuple[int, int]:
    """(frames with an empty part, frames) of a recording of the drag."""
    panel.drag(handle, 0.1)
    panel.settle()
    panel.box.scroll_into_view_if_needed()
    parts = panel.box.locator(".rlv-numbers, .rlv-picture:first-child img, .rlv-stems svg").all()
    boxes = [part.bounding_box() for part in parts]
    session = panel.page.context.new_cdp_session(panel.page)
    recorded = []

    def keep(frame):
        recorded.append(frame["data"])
        session.send("Page.screencastFrameAck", {"sessionId": frame["sessionId"]})

    session.on("Page.screencastFrame", keep)
    session.send("Page.startScreencast", {"format": "jpeg", "quality": 60})
    drag(panel, handle)
    panel.settle()
    session.send("Page.stopScreencast")
    width = panel.page.viewport_size["width"]
    return sum(_has_a_hole(frame, boxes, width) for frame in recorded), len(recorded)


def _has_a_hole(frame: str, boxes: list[dict], width: int) -> bool:
    image = Image.open(io.BytesIO(base64.b64decode(frame))).convert("L")
    scale = image.width / width
    for box in boxes:
        left, top = box["x"] + 2, box["y"] + 2  # within the border
        right, bottom = box["x"] + box["width"] - 2, box["y"] + box["height"] - 2
        cut = image.crop(tuple(round(scale * side) for side in (left, top, right, bottom)))
        if np.asarray(cut, dtype=float).std() < 3:
            return True
    return False


def measure(page, server, name: str) -> list[dict]:
    browser.run_notebook(page, server, name)
    results = []
    for number, panel in enumerate(browser.panels(page)):
        panel.box.scroll_into_view_if_needed()
        panel.settle()
        panel.box.evaluate(WATCH)
        handle = panel.handles()[0]
        panel.press(handle, "Home")
        panel.settle()
        stops = panel.room(handle)
        times = key_presses(panel, handle, stops)
        count = redraws(panel, handle)
        blank, recorded = blank_frames(panel, handle)
        results.append(
            {
                "notebook": Path(name).stem,
                "panel": number,
                "title": panel.box.locator(".rlv-title").inner_text(),
                "median_ms": round(float(np.median(times)), 1),
                "p90_ms": round(float(np.quantile(times, 0.9)), 1),
                "redraws": count,
                "moves": MOVES,
                "stops_passed": round(0.6 * stops) - round(0.1 * stops),  # as many can differ
                "blank_frames": blank,
                "recorded_frames": recorded,
                "load_average": round(os.getloadavg()[0], 2),
                "date": datetime.date.today().isoformat(),
            }
        )
        print(json.dumps(results[-1], ensure_ascii=False), flush=True)
    server.shut_down_kernels()
    return results


def _priority() -> str:
    """Real-time priority (`chrt -r 1 …`) makes a busy machine look like an idle one: say so."""
    known = hasattr(os, "sched_getscheduler")
    ordinary = not known or os.sched_getscheduler(0) == os.SCHED_OTHER
    return "ordinary" if ordinary else "real-time"


def others(measured) -> list[dict]:
    """What the file says of notebooks that were not measured now, and are still there."""
    if not RESULT.exists():
        return []
    known = json.loads(RESULT.read_text(encoding="utf-8"))["panels"]
    kept = {text.stem for text in texts()} - set(measured)
    return [one for one in known if one["notebook"] in kept]


def main(names: list[str], plain: bool) -> None:
    chromium = browser.find_chromium()
    if chromium is None:
        sys.exit("no Chromium or Chrome on PATH")
    with tempfile.TemporaryDirectory() as folder:
        root, scratch = Path(folder) / "notebooks", Path(folder) / "jupyter"
        root.mkdir()
        found = {text.stem: only_panels(jupytext.read(text)).cells for text in texts()}
        found = {name: cells for name, cells in found.items() if cells}
        if names:
            found = {name: found[name] for name in names if name in found}
        if not found:
            sys.exit(f"no notebook with a slider among {names or 'notebooks/'}")
        for name, cells in found.items():
            browser.write_notebook(root / f"{name}.ipynb", cells)
        results = []
        # JupyterLab as people have it: cells out of sight are not in the page.
        config = None if plain else browser.CONFIG
        with browser.Server(root, scratch, config=config, windowing="defer") as server:
            for name in found:
                with browser.chromium_page(chromium) as page:
                    results += measure(page, server, f"{name}.ipynb")
    if plain:
        return
    report = {
        "machine": f"{os.cpu_count()} cores, {platform.machine()}, {platform.system()}",
        "priority": _priority(),
        "ipywidgets": ipywidgets.__version__,
        "pace_ms": round(1000 * PACE),
        "panels": sorted(results + others(found), key=lambda one: (one["notebook"], one["panel"])),
    }
    RESULT.write_text(json.dumps(report, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    arguments = sys.argv[1:]
    main([one for one in arguments if one != "--plain"], plain="--plain" in arguments)
