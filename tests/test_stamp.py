"""The page in which kernels are stamped: its codes against the package's, the page as a file by
pointer, finger and keyboard, what a notebook keeps of it.

What is computed in JavaScript is asked of Chromium.
"""

import json

import pytest
import torch
from browser import ROOT, chromium_page, live_page

from rlvebm_utils import ConvDictionary, Dictionary, encode_images, energy, fista
from rlvebm_utils.course import live
from rlvebm_utils.course.kernels import drawn_kernels
from rlvebm_utils.course.live.stamp import FRAME, MAP, page_data, write_stamp_page
from rlvebm_utils.course.widgets.stamp import codes_of, stamp_page

ARTEFACTS = ROOT / "artefacts"
K = torch.cat([drawn_kernels(kind, 2, seed=3) for kind in ("edge", "bar", "centre-surround")])
CONV = ConvDictionary(K / K.flatten(1).norm(dim=1)[:, None, None])
PLACE = torch.arange(24, dtype=torch.float64)
PHOTO = 2 * torch.sin(0.6 * PLACE[:, None] + 0.35 * PLACE) * (PLACE[:, None] > 8)
START = [[0, 4, 5, 3.0], [4, 10, 9, -2.0]]


@pytest.fixture(scope="module")
def browser(chromium):
    with chromium_page(chromium) as page:
        yield page.context.browser


@pytest.fixture(scope="module")
def ask(browser):
    """A function (body, given): what a function of ``given`` with this body returns, with all of
    ``convolve.js`` at hand.
    """

    def asked(body: str, given):
        page = browser.new_page()
        call = f"((given) => {{ {body} }})({json.dumps(given)})"
        source = f"{live.module('convolve.js')}\nwindow.told = {{ it: {call} }};"
        page.add_script_tag(type="module", content=source)
        page.wait_for_function("window.told")
        told = page.evaluate("window.told.it")
        page.close()
        return told

    return asked


def given(size: int, lam: float, seed: int = 0) -> tuple[dict, torch.Tensor]:
    noise = torch.randn(size, size, generator=torch.Generator().manual_seed(seed))
    Y = noise.double()
    return {
        "K": CONV.K.flatten(1).tolist(),
        "Y": Y.flatten().tolist(),
        "size": size,
        "lam": lam,
    }, Y


# ---- sums and codes ----


def test_stamps_add_up_as_decode_says(ask):
    Z = torch.zeros(6, 8, 8, dtype=torch.float64)
    Z[0, 1, 2], Z[0, 2, 3], Z[5, 7, 0] = 1.5, -2.0, 0.5
    body = "return [...putDown(given.K, 9, Float64Array.from(given.Z), 16)];"
    found = ask(body, {"K": CONV.K.flatten(1).tolist(), "Z": Z.flatten().tolist()})
    torch.testing.assert_close(torch.tensor(found).double().reshape(16, 16), CONV.decode(Z))


def test_kernels_are_held_against_every_place(ask):
    asked, Y = given(13, 1.0)
    found = ask("return [...against(given.K, 9, Float64Array.from(given.Y), given.size)];", asked)
    torch.testing.assert_close(torch.tensor(found).double().reshape(6, 5, 5), CONV.adjoint(Y))


@pytest.mark.parametrize("lam", [0.2, 1.0, 3.0])
def test_the_page_finds_the_code_of_least_energy(ask, lam):
    asked, Y = given(20, lam)
    body = (
        "const [table, Y] = [overlaps(given.K, 9), Float64Array.from(given.Y)];"
        "return [...convolutionalCode(given.K, 9, table, Y, 20, given.lam)];"
    )
    Z = torch.tensor(ask(body, asked)).double().reshape(6, 12, 12)
    best = fista(CONV, Y, lam, tol=1e-8)
    assert float(energy(CONV, Y, Z, lam)) == pytest.approx(float(best.energy), rel=1e-5)
    assert abs(int((Z != 0).sum()) - int((best.z.abs() > 1e-6).sum())) <= 3


@pytest.mark.parametrize("lam", [0.5, 2.0])
def test_patch_codes(ask, lam):
    asked, Y = given(27, lam)
    body = "return [...patchCodes(given.K, 9, Float64Array.from(given.Y), 27, given.lam)];"
    found = torch.tensor(ask(body, asked)).double().reshape(9, 6)
    patches = Y.unfold(0, 9, 9).unfold(1, 9, 9).reshape(9, 81)
    best = fista(Dictionary(CONV.K.flatten(1).T), patches, lam, tol=1e-9)
    torch.testing.assert_close(found, best.z, rtol=0, atol=1e-3)


def test_how_far_a_code_is_from_the_moved_one(ask):
    body = (
        "const shape = { layers: 1, side: 3, stride: 1, step: 9 };"
        "return given.map(([a, b, down, right]) => distanceMoved(a, b, shape, down, right));"
    )
    a = [0, 2, 0, 1, 0, 0, 0, 0, 0]
    moved = [0, 0, 0, 0, 0, 2, 0, 1, 0]
    cases = [[a, moved, 1, 1], [a, a, 0, 0], [a, moved, 0, 0], [a, [0] * 9, 3, 0]]
    assert ask(body, cases) == pytest.approx([0, 0, 2**0.5, 0])


# ---- the page ----


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    path = tmp_path_factory.mktemp("stamp") / "stamp.html"
    return write_stamp_page(path, CONV, PHOTO, lam=1.0)


@pytest.fixture
def page(browser, file):
    with live_page(browser, file) as page:
        settle(page)
        yield page


def settle(page) -> dict:
    """Wait for the next picture; returns what the page says of itself."""
    page.evaluate(
        "() => new Promise((go) => requestAnimationFrame(() => requestAnimationFrame(go)))"
    )
    return page.evaluate("window.page.state()")


def stamped(state) -> torch.Tensor:
    maps = torch.zeros(6, MAP, MAP, dtype=torch.float64)
    for kernel, row, column, weight in state["stamps"]:
        maps[kernel, row, column] = weight
    return CONV.decode(maps)


def check(page) -> dict:
    """The image is the sum of the stamps; the code is the package's; the numbers are theirs."""
    state = settle(page)
    Y = torch.tensor(state["Y"], dtype=torch.float64).reshape(24, 24)
    torch.testing.assert_close(Y, stamped(state), rtol=0, atol=1e-3)
    image = PHOTO if state["source"] == "photo" else Y
    ground, home = torch.zeros(FRAME, FRAME, dtype=torch.float64), 15
    down, right = state["shift"]
    ground[home + down : home + down + 24, home + right : home + right + 24] = image
    Z = torch.tensor(state["Z"], dtype=torch.float64).reshape(6, 46, 46)
    best = encode_images(CONV, ground, state["lam"], tol=1e-7)
    assert float(energy(CONV, ground, Z, state["lam"])) == pytest.approx(
        float(best.energy), rel=1e-4, abs=1e-4
    )
    shown = {name: page.locator(f".numbers .{name} dd").inner_text() for name in ("used", "moved")}
    assert int(shown["used"]) == int((Z != 0).sum())
    assert shown["moved"].replace("−", "-") == f"{down}, {right}"
    assert page.locator("svg circle").count() == len(state["stamps"])
    return state


def test_a_click_stamps_the_chosen_kernel(page):
    assert check(page)["stamps"] == []
    box = page.locator(".plane").bounding_box()

    def click(row, column):
        step = box["width"] / MAP
        page.mouse.click(box["x"] + (column + 0.5) * step, box["y"] + (row + 0.5) * step)

    page.get_by_role("button", name="kernel K3").click()
    click(5, 7)
    state = check(page)
    assert state["stamps"] == [[2, 5, 7, 3]] and state["source"] == "mine"
    slider = page.get_by_role("slider", name="strength")
    slider.press("Home")
    page.get_by_role("button", name="kernel K1").click()
    click(15, 0)
    assert check(page)["stamps"] == [[2, 5, 7, 3], [0, 15, 0, -6]]
    click(15, 0)  # once more: as strong as it gets
    assert check(page)["stamps"][1] == [0, 15, 0, -9]
    assert page.locator("svg .below").count() == 1
    page.get_by_role("button", name="Eraser").click()
    click(5, 7)
    assert check(page)["stamps"] == [[0, 15, 0, -9]]
    page.get_by_role("button", name="Empty the map").click()
    assert check(page)["stamps"] == []


def test_by_keys_alone(page):
    plane = page.get_by_role("application").first
    plane.focus()
    scroll = page.evaluate("scrollY")
    for key in ("ArrowUp", "ArrowUp", "ArrowRight", "Enter", "ArrowLeft", "Space"):
        page.keyboard.press(key)
    assert check(page)["stamps"] == [[0, 6, 9, 3], [0, 6, 8, 3]]
    page.keyboard.press("Delete")
    state = check(page)
    assert state["stamps"] == [[0, 6, 9, 3]] and state["cursor"] == [6, 8]
    for _ in range(20):
        page.keyboard.press("ArrowDown")
    assert check(page)["cursor"] == [15, 8], "the cursor stays on the map"
    assert page.evaluate("scrollY") == scroll
    page.wait_for_timeout(700)
    said = page.get_by_role("status").inner_text()
    assert said.startswith("Row 16, column 9: 1 stamps on the map. Moved by 0, 0: the convolu")


@pytest.mark.parametrize("source", ["Photograph", "My stamps"])
def test_the_code_follows_and_patches_do_not(page, source):
    page.evaluate(f"page.set({{ stamps: {json.dumps(START)} }})")
    page.get_by_role("button", name=source).click()
    frame = page.get_by_role("application").nth(1)
    box = frame.bounding_box()
    middle = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.move(*middle)
    page.mouse.down()
    page.mouse.move(middle[0] + 3 * box["width"] / FRAME, middle[1] + 4 * box["height"] / FRAME)
    page.mouse.up()
    state = check(page)
    assert state["shift"] == [4, 3] and state["off"] < 1e-2
    assert source == "My stamps" or state["offPatches"] > 0.3
    assert page.locator(".off dd").inner_text() == "0 %"
    frame.press("ArrowLeft")
    assert check(page)["shift"] == [4, 2]
    for _ in range(12):
        frame.press("ArrowDown")
    assert check(page)["shift"] == [7, 2], "the code needs room"
    page.get_by_role("button", name="Move back").click()
    state = check(page)
    assert state["shift"] == [0, 0] and state["off"] == 0


def test_the_numbers_are_those_of_the_figure_at_rest(page):
    page.evaluate("page.set({ shift: [4, 5] })")
    state = check(page)
    _, _, boxes = codes_of(CONV, PHOTO, 1.0, (4, 5))
    ways = [(down, right) for down in (0, 1) for right in (0, 1)]
    off = min((boxes[1] - boxes[0].roll(way, (1, 2))).norm() / boxes[0].norm() for way in ways)
    assert state["offPatches"] == pytest.approx(float(off), abs=0.01)


def test_the_price_empties_the_code(page):
    full = sum(v != 0 for v in check(page)["Z"])
    slider = page.get_by_role("slider", name="λ")
    slider.press("End")
    state = check(page)
    assert state["lam"] == 4 and sum(v != 0 for v in state["Z"]) < full


def test_a_finger_stamps(browser, file):
    context = browser.new_context(has_touch=True, viewport={"width": 400, "height": 800})
    page = context.new_page()
    page.goto(file.as_uri())
    page.wait_for_function("window.page")
    page.locator(".plane").tap(position={"x": 40, "y": 60})
    assert len(settle(page)["stamps"]) == 1
    context.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_no_rule_of_axe_is_broken(page, scheme):
    from axe_playwright_python.sync_playwright import Axe

    page.emulate_media(color_scheme=scheme)
    page.evaluate(f"page.set({{ stamps: {json.dumps(START)} }})")
    settle(page)
    ARTEFACTS.mkdir(exist_ok=True)
    page.screenshot(path=ARTEFACTS / f"stamp-{scheme}.png", full_page=True)
    found = Axe().run(page).response["violations"]
    assert [(one["id"], one["nodes"][0]["html"]) for one in found] == []


@pytest.mark.parametrize("width", [360, 800, 1366])
def test_it_fits(page, width):
    page.set_viewport_size({"width": width, "height": 768})
    settle(page)
    ARTEFACTS.mkdir(exist_ok=True)
    page.screenshot(path=ARTEFACTS / f"stamp-{width}.png", full_page=True)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    page.evaluate("window.page.destroy()")
    assert page.locator("#page").inner_html() == ""


def test_the_file_is_small(file):
    assert file.stat().st_size < 100_000


# ---- the widget ----


def test_what_a_notebook_keeps(monkeypatch, tmp_path):
    widget, shown = stamp_page(CONV, PHOTO, lam=0.8), []
    monkeypatch.setattr("IPython.display.display", lambda data, **_: shown.append(data))
    widget._ipython_display_()
    view, figure, words = shown
    assert view["text/plain"].startswith("Live page “Stamp an image")
    assert len(figure["image/png"]) > 1000 and "patches, at best" in words["text/html"]
    widget.stamps = START
    torch.testing.assert_close(widget.Y, CONV.decode(widget.Z), rtol=0, atol=1e-3)
    assert int((widget.Z != 0).sum()) == 2 and float(widget.Z[4, 10, 9]) == -2
    text = widget.export_html(tmp_path / "own.html").read_text(encoding="utf-8")
    assert '"lam":0.8' in text and "[4,10,9,-2.0]" in text


def test_bad_arguments_are_named():
    with pytest.raises(ValueError, match="dictionary: expected 1 to 8 square kernels, got"):
        page_data(ConvDictionary(torch.ones(9, 9, 9)), PHOTO)
    with pytest.raises(ValueError, match=r"photo: expected shape \(24, 24\), got \(5, 5\)"):
        page_data(CONV, PHOTO[:5, :5])
    with pytest.raises(ValueError, match="lam: expected"):
        stamp_page(CONV, PHOTO, lam=0.0)
