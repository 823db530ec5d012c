"""How fast the page answers the pen: a digit drawn in headless Chromium.

    python benchmarks/draw.py

Writes the page as a file and opens it. Ten times, with an empty sheet at first, the mouse goes
through 80 moves with 8 ms between them (a move that the browser answers late makes the next one
late). Of each redraw the page tells the milliseconds of work (solver, certificate, pictures, tiles,
race). From a move to its pixels a clock runs in the page: from the event's own time stamp to the
moment after the browser has painted the frame. Then the same with events that the page sends to
itself every 8 ms, whatever the browser does: there a screen of 60 pictures a second can show half
of them, and no more. At last real events every 8 ms that wait for nothing, as those of a pen: the
browser hands them on one a frame, those in between within it ("told" counts what it hands on).

Writes benchmarks/draw.json. Timings depend on the machine and on what else it does.
"""

from __future__ import annotations

import asyncio
import datetime
import json
import math
import os
import platform
import statistics
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

import browser  # noqa: E402

from rlvebm_utils.course.live.draw import write_draw_page  # noqa: E402

RESULT = ROOT / "benchmarks" / "draw.json"
MOVES, PAUSE, ROUNDS = 80, 8, 10

WATCH = """() => {
    window.work = [];
    window.latencies = [];
    window.frames = 0;
    window.told = 0;
    let moved = null;
    const page = document.getElementById("page");
    page.addEventListener("drawn", ({ detail }) => {
        if (!detail.stale) return; // the race alone, after the last change
        window.work.push(detail.work);
        const since = moved;
        moved = null;
        const channel = new MessageChannel();
        channel.port1.onmessage = () => since && window.latencies.push(performance.now() - since);
        channel.port2.postMessage(null);
    });
    const sheet = document.querySelector(".sheet");
    sheet.addEventListener("pointermove", (event) => {
        moved ??= event.timeStamp;
        window.told++;
    }, true);
    const count = () => { window.frames++; requestAnimationFrame(count); };
    count();
}"""
RESET = "() => { Object.assign(window, { work: [], latencies: [], frames: 0, told: 0 }); }"
TOLD = """() => {
    const { work, latencies, frames, told } = window;
    return { work, latencies, frames, told };
}"""

# Moves that do not wait for the browser.
SELF = """([moves, pause]) => new Promise((resolve) => {
    const sheet = document.querySelector(".sheet");
    const box = sheet.getBoundingClientRect();
    const send = (kind, k) => {
        const t = (6.2 * k) / moves;
        const at = {
            clientX: box.x + box.width * (0.5 + 0.22 * Math.sin(2 * t)),
            clientY: box.y + box.height * (0.5 - 0.35 * Math.cos(t)),
        };
        const more = { bubbles: true, isPrimary: true, pointerId: 1, buttons: 1, ...at };
        sheet.dispatchEvent(new PointerEvent(kind, more));
    };
    sheet.setPointerCapture = () => {};
    send("pointerdown", 0);
    const begun = performance.now();
    let k = 0;
    const clock = setInterval(() => {
        send("pointermove", ++k);
        if (k < moves) return;
        clearInterval(clock);
        send("pointerup", k);
        resolve(performance.now() - begun);
    }, pause);
})"""


def eight(box: dict, k: int) -> tuple[float, float]:
    """The k-th place of a figure of eight."""
    t = 6.2 * k / MOVES
    x = box["x"] + box["width"] * (0.5 + 0.22 * math.sin(2 * t))
    return x, box["y"] + box["height"] * (0.5 - 0.35 * math.cos(t))


def by_mouse(page) -> dict:
    """Real input events, one after the other."""
    box = page.locator(".sheet").bounding_box()
    page.mouse.move(*eight(box, 0))
    page.mouse.down()
    begun = time.perf_counter()
    for k in range(1, MOVES + 1):
        page.mouse.move(*eight(box, k))
        page.wait_for_timeout(PAUSE)
    took = time.perf_counter() - begun
    page.mouse.up()
    return {"pace_ms": 1000 * took / MOVES, **page.evaluate(TOLD)}


def by_itself(page) -> dict:
    """Events that the page sends to itself."""
    took = page.evaluate(SELF, [MOVES, PAUSE])
    return {"pace_ms": took / MOVES, **page.evaluate(TOLD)}


async def by_pen(chromium: str, address: str) -> list[dict]:
    """Real input events at their own pace; one more round than counts."""
    from playwright.async_api import async_playwright

    async with async_playwright() as playwright:
        started = await playwright.chromium.launch(
            executable_path=chromium, args=list(browser.CHROMIUM_ARGS)
        )
        page = await started.new_page(viewport=browser.VIEWPORT)
        await page.goto(address)
        await page.wait_for_function("window.page")
        await page.evaluate(WATCH)
        rounds = [await one_digit(page) for _ in range(ROUNDS + 1)]
        await started.close()
    return rounds[1:]


async def one_digit(page) -> dict:
    await page.get_by_role("button", name="Clear").click()
    await page.wait_for_timeout(1200)
    await page.evaluate(RESET)
    box = await page.locator(".sheet").bounding_box()
    devtools = await page.context.new_cdp_session(page)
    await page.mouse.move(*eight(box, 0))
    await page.mouse.down()
    begun, sent = time.perf_counter(), []
    for k in range(1, MOVES + 1):
        await asyncio.sleep(max(0, begun + k * PAUSE / 1000 - time.perf_counter()))
        x, y = eight(box, k)
        event = {"type": "mouseMoved", "x": x, "y": y, "button": "left", "buttons": 1}
        moving = devtools.send("Input.dispatchMouseEvent", event | {"pointerType": "pen"})
        sent.append(asyncio.ensure_future(moving))
    took = time.perf_counter() - begun
    await asyncio.gather(*sent)
    await page.mouse.up()
    return {"pace_ms": 1000 * took / MOVES, **await page.evaluate(TOLD)}


def fresh(page) -> None:
    page.get_by_role("button", name="Clear").click()
    page.wait_for_timeout(1200)
    page.evaluate(RESET)


def quantile(values: list[float], share: float) -> float:
    return round(sorted(values)[min(int(share * len(values)), len(values) - 1)], 2)


def drawn(page, way) -> list[dict]:
    """The same digit, drawn ROUNDS times."""
    rounds = []
    for _ in range(ROUNDS):
        fresh(page)
        rounds.append(way(page))
    return rounds


def summary(rounds: list[dict]) -> dict:
    work = [ms for one in rounds for ms in one["work"]]
    latencies = [ms for one in rounds for ms in one["latencies"]]
    return {
        "moves": MOVES,
        "ms_between_moves": round(statistics.mean(one["pace_ms"] for one in rounds), 1),
        "redraws": statistics.median(len(one["work"]) for one in rounds),
        "told": statistics.median(one["told"] for one in rounds),
        "frames": statistics.median(one["frames"] for one in rounds),
        "work_ms": {"median": quantile(work, 0.5), "p90": quantile(work, 0.9)},
        "pen_to_pixels_ms": {"median": quantile(latencies, 0.5), "p90": quantile(latencies, 0.9)},
    }


def main() -> None:
    chromium = browser.find_chromium()
    if chromium is None:
        sys.exit("no Chromium or Chrome on PATH")
    with tempfile.TemporaryDirectory() as folder:
        path = write_draw_page(Path(folder) / "draw.html")
        report = {
            "machine": f"{os.cpu_count()} cores, {platform.machine()}, {platform.system()}",
            "date": datetime.date.today().isoformat(),
            "load_average": round(os.getloadavg()[0], 2),
            "bytes": path.stat().st_size,
        }
        with browser.chromium_page(chromium) as page:
            page.goto(path.as_uri())
            page.wait_for_function("window.page")
            page.evaluate(WATCH)
            for way in (by_mouse, by_itself):  # the first time, the browser compiles
                way(page)
            for way in (by_mouse, by_itself):
                report[way.__name__] = summary(drawn(page, way))
        report["by_pen"] = summary(asyncio.run(by_pen(chromium, path.as_uri())))
    RESULT.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    print(RESULT.read_text(encoding="utf-8"))


if __name__ == "__main__":
    main()
