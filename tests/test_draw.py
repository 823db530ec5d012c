"""The page in which one draws a digit: its solver against the package's, the page as a file by
pointer and by keyboard, the widget in a front end.

What is computed in JavaScript is asked of Node, or of Chromium where there is no Node.
FRONT_END=notebook, voila or classic:PYTHON (its interpreter) takes the place of JupyterLab.
"""

import hashlib
import json
import os
import shutil
import subprocess
import sys

import nbformat
import pytest
import torch
from browser import (
    ROOT,
    VIEWPORT,
    Server,
    chromium_page,
    comes_to,
    run_notebook,
    write_notebook,
)

from rlvebm_utils import Dictionary, certificate, encode, fista, ista, lambda_max
from rlvebm_utils.course import live
from rlvebm_utils.course.live.draw import page_data, write_draw_page
from rlvebm_utils.course.live.strokes import as_bytes, load_strokes, pack, recorded, unpack
from rlvebm_utils.course.widgets.draw import draw_digit
from tools import strokes as tool
from tools.panels import stray_widgets, write_index

FRONT_END, _, PYTHON = os.environ.get("FRONT_END", "lab").partition(":")
ARTEFACTS = ROOT / "artefacts"
LEVELS = (0.05, 0.15, 0.5)

lab_only = pytest.mark.skipif(FRONT_END != "lab", reason="the same in every front end")


@pytest.fixture(scope="module")
def dictionary() -> Dictionary:
    return load_strokes()


@pytest.fixture(scope="module")
def digits() -> torch.Tensor:
    """Fifty digits that the strokes were not learned from, as bytes (50, 784)."""
    return (255 * tool.digits()[1][:50]).round().byte()


@pytest.fixture(scope="module")
def browser(chromium):
    with chromium_page(chromium) as page:
        yield page.context.browser


@pytest.fixture(scope="module")
def javascript(request):
    """A function (module, body, given): what an async function of ``given`` with this body returns;
    it can use all of the module.
    """
    node = shutil.which("node")
    browser = None if node else request.getfixturevalue("browser")

    def ask(name: str, body: str, given):
        source = f"{live.module(name)}\nconst asked = async (given) => {{ {body} }};\n"
        call = f"await asked({json.dumps(given)})"
        if browser is None:
            return in_node(node, f"{source}console.log(JSON.stringify({call}));")
        page = browser.new_page()
        page.add_script_tag(type="module", content=f"{source}window.told = {{ it: {call} }};")
        page.wait_for_function("window.told")
        told = page.evaluate("window.told.it")
        page.close()
        return told

    return ask


def in_node(node: str, script: str):
    command = [node, "--input-type=module", "-"]
    run = subprocess.run(command, input=script, capture_output=True, text=True, timeout=120)
    assert run.returncode == 0, run.stderr
    return json.loads(run.stdout)


# One problem for all cases: WᵀW is computed once.
SOLVE = """
    const first = new Problem(Uint8Array.from(given.atoms), 28, 1);
    return given.cases.map(({ pixels, lam, off }) => {
        const problem = Object.assign(Object.create(Problem.prototype), first, { lam });
        problem.z = new Float64Array(first.D.n);
        problem.on = Uint8Array.from(first.on, (_, j) => (off.includes(j) ? 0 : 1));
        problem.pixels = Uint8Array.from(pixels);
        let rounds = 0;
        do { problem.solve(); } while (!problem.settled && ++rounds < 100);
        const { fit, price, energy, bound, gap } = problem.found;
        const { lamMax, settled } = problem;
        return { z: [...problem.z], fit, price, energy, bound, gap, lamMax, settled };
    });"""


@pytest.fixture(scope="module")
def solve(javascript):
    """A function: what the page finds for (pixels, λ, strokes that are left out), many of them."""
    atoms = unpack(recorded()["atoms"]).flatten().tolist()

    def find(cases: list) -> list[dict]:
        told = [{"pixels": y.tolist(), "lam": lam, "off": off} for y, lam, off in cases]
        return javascript("problem.js", SOLVE, {"atoms": atoms, "cases": told})

    return find


# ---- the strokes ----


@lab_only
def test_the_strokes_are_what_their_file_says():
    told, atoms = recorded(), unpack(recorded()["atoms"])
    assert atoms.shape == (256, 784) and (atoms.amax(1) == 255).all()
    assert told["sha256"] == hashlib.sha256(atoms.numpy().tobytes()).hexdigest()
    assert told["samples"] == pack(tool.samples())
    said, found = told["held_out"], tool.quality(atoms)
    assert found["mean_energy"] == pytest.approx(said["mean_energy"], rel=1e-4)
    assert found["mean_nonzeros"] == pytest.approx(said["mean_nonzeros"], rel=1e-2)


@lab_only
def test_the_strokes_can_be_learned_again():
    """With a third of the passes and other rounding: other strokes, as good within 3 %."""
    said, found = recorded()["held_out"], tool.quality(tool.learn(passes=10))
    assert found["mean_energy"] == pytest.approx(said["mean_energy"], rel=0.03)
    assert found["mean_nonzeros"] == pytest.approx(said["mean_nonzeros"], rel=0.05)


@lab_only
def test_bytes_are_nearly_the_atoms(dictionary):
    W = torch.rand(784, 5, dtype=torch.float64)
    W /= W.norm(dim=0)
    again = draw_digit(Dictionary(W)).dictionary.W
    assert (again - W).abs().max() < 1 / 255 * W.max() and not torch.equal(again, W)
    torch.testing.assert_close(dictionary.W.norm(dim=0), torch.ones(256).double())
    with pytest.raises(ValueError, match="W: expected atoms without negative entries"):
        as_bytes(-W)
    with pytest.raises(ValueError, match="dictionary: expected atoms of 784 pixels, got W of"):
        page_data(Dictionary(W[:10]))
    with pytest.raises(ValueError, match=r"digits: expected shape \(10, 784\), got \(5, 784\)"):
        page_data(digits=W.T)


# ---- the solver ----


@lab_only
def test_energies_are_those_of_fista_and_the_certificate_is_true(solve, dictionary, digits):
    found = solve([(y, lam, []) for lam in LEVELS for y in digits])
    y = digits.double().repeat(len(LEVELS), 1) / 255
    lam = torch.tensor(LEVELS, dtype=torch.float64).repeat_interleave(len(digits))
    column = {
        name: torch.tensor([one[name] for one in found], dtype=torch.float64) for name in found[0]
    }
    ours = fista(dictionary, y, lam, nonnegative=True, tol=1e-5)
    torch.testing.assert_close(column["energy"], ours.energy, rtol=2e-5, atol=0)
    best = encode(dictionary, y, lam, nonnegative=True, tol=1e-9).energy
    assert (column["bound"] <= best * (1 + 1e-9)).all()
    assert column["settled"].all() and (column["gap"] <= 1e-6).all()
    # All that is said of a code is what the package finds in the same code.
    known = certificate(dictionary, y, column["z"], lam, nonnegative=True)
    for name, value in (("energy", known.energy), ("bound", known.dual)):
        torch.testing.assert_close(column[name], value, rtol=1e-10, atol=1e-10)
    torch.testing.assert_close(column["fit"] + column["price"], column["energy"])
    torch.testing.assert_close(column["price"], lam * column["z"].sum(1))
    torch.testing.assert_close(column["lamMax"], lambda_max(dictionary, y, nonnegative=True))


@lab_only
def test_a_small_price_is_certified_too(solve, dictionary, digits):
    """λ = 0.01, where the first sweeps overshoot and the bound is nothing at first."""
    found = solve([(y, 0.01, []) for y in digits[:20]])
    best = encode(dictionary, digits[:20].double() / 255, 0.01, nonnegative=True, tol=1e-7).energy
    energies = torch.tensor([one["energy"] for one in found], dtype=torch.float64)
    torch.testing.assert_close(energies, best, rtol=1e-5, atol=0)


@lab_only
def test_strokes_that_are_left_out_are_not_used(solve, dictionary, digits):
    y = digits[3]
    (full,) = solve([(y, 0.15, [])])
    z = torch.tensor(full["z"])
    out = z.argsort(descending=True)[:3].tolist()
    (found,) = solve([(y, 0.15, out)])
    others = [j for j in range(256) if j not in out]
    rest = Dictionary(dictionary.W[:, others])
    best = fista(rest, y.double() / 255, 0.15, nonnegative=True, tol=1e-8)
    assert all(found["z"][j] == 0 for j in out) and found["energy"] > full["energy"]
    assert found["energy"] == pytest.approx(float(best.energy), rel=2e-6)
    assert full["bound"] < found["bound"] <= float(best.energy) * (1 + 1e-9)


@lab_only
def test_sheets_without_a_digit(solve, dictionary, digits):
    """Nothing on it, all ink, λ at and above λ_max, no stroke left to use."""
    empty, ink = torch.zeros(784).byte(), torch.full((784,), 255).byte()
    lam_max = float(lambda_max(dictionary, digits[0].double() / 255, nonnegative=True))
    cases = [(empty, 0.15, []), (ink, 0.15, []), (digits[0], lam_max, [])]
    cases += [(digits[0], 2 * lam_max, []), (digits[0], 0.1, list(range(256)))]
    nothing, full, *zeros = solve(cases)
    assert nothing["z"] == [0] * 256 and nothing["energy"] == nothing["gap"] == 0
    best = fista(dictionary, torch.ones(784).double(), 0.15, nonnegative=True, tol=1e-8).energy
    assert full["energy"] == pytest.approx(float(best), rel=2e-6)
    for one in zeros:
        assert one["z"] == [0] * 256 and one["gap"] < 1e-12
        half = float(digits[0].double().div(255).square().sum()) / 2
        assert one["energy"] == one["fit"] == pytest.approx(half)


@lab_only
def test_the_race_is_run_by_the_solvers_of_the_package(javascript, dictionary, digits):
    body = """
        const problem = new Problem(Uint8Array.from(given.atoms), 28, 0.15);
        problem.pixels = Uint8Array.from(given.pixels);
        problem.solve();
        problem.startRace(given.steps);
        while (problem.race.advance(Infinity));
        return problem.race.runners;"""
    given = {"atoms": unpack(recorded()["atoms"]).flatten().tolist(), "steps": 60}
    found = javascript("problem.js", body, {**given, "pixels": digits[7].tolist()})
    y, options = digits[7].double() / 255, {"nonnegative": True, "tol": None, "max_iter": 60}
    for one, solver in zip(found, (ista, fista), strict=False):
        ours = solver(dictionary, y, 0.15, history=True, **options).history.energy
        torch.testing.assert_close(
            torch.tensor(one["energies"], dtype=torch.float64), ours, rtol=1e-9, atol=0
        )
    best = float(encode(dictionary, y, 0.15, nonnegative=True, tol=1e-9).energy)
    assert [one["name"] for one in found] == ["ista", "fista", "descent"]
    assert found[2]["energies"] == sorted(found[2]["energies"], reverse=True)
    assert found[2]["energies"][-1] == pytest.approx(best, rel=1e-4)
    for one in found:
        assert len(one["work"]) == len(one["energies"]) <= 61
        assert one["work"] == sorted(one["work"]) and one["work"][-1] <= 60 * 256**2


@lab_only
def test_the_pen(javascript):
    """A line is ink along its length and nowhere else; what is moved comes back; erased is gone."""
    body = """
        const sheet = new Uint8Array(784);
        stroke(sheet, 28, { x: 5, y: 14 }, { x: 20, y: 14 });
        const line = [...sheet];
        const moved = [...shifted(sheet, 28, 3, -2)];
        const back = [...shifted(shifted(sheet, 28, 3, -2), 28, -3, 2)];
        const middle = [...centred(shifted(sheet, 28, 4, 5), 28)];
        stroke(sheet, 28, { x: 0, y: 14 }, { x: 28, y: 14 }, { erase: true });
        return { line, moved, back, middle, erased: [...sheet] };"""
    found = {
        name: torch.tensor(v).reshape(28, 28) for name, v in javascript("pen.js", body, 0).items()
    }
    line = found["line"]
    assert (line[13:15, 5:20] > 200).all() and line[:10].sum() == line[18:].sum() == 0
    assert torch.equal(found["moved"], line.roll((-2, 3), (0, 1)))
    assert torch.equal(found["back"], line)
    ink = found["middle"].double()
    for sums in (ink.sum(0), ink.sum(1)):
        assert abs(float((torch.arange(28) + 0.5).double() @ sums / ink.sum()) - 14) <= 0.5
    assert found["erased"].max() < 60


# ---- the page ----


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    return write_draw_page(tmp_path_factory.mktemp("page") / "draw.html")


@pytest.fixture
def page(browser, file):
    """The page, opened from its file without a network. What goes wrong in it fails the test."""
    page = browser.new_page(offline=True, viewport={"width": 1366, "height": 768}, has_touch=True)
    wrong, asked = [], []
    # Chromium warns when a canvas is read often, and that is done by the tests alone.
    page.on("console", lambda one: one.type == "error" and wrong.append(one.text))
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("request", lambda request: asked.append(request.url))
    page.goto(file.as_uri())
    settle(page)
    yield page
    assert wrong == []
    assert {url.partition(":")[0] for url in asked} <= {"file", "data"}
    page.close()


def settle(page) -> dict:
    """Wait until nothing is drawn any more; returns what the page says of itself."""
    page.wait_for_function("window.page")
    page.evaluate(
        """() => new Promise((resolve) => {
            let timer;
            const again = () => { clearTimeout(timer); timer = setTimeout(resolve, 300); };
            document.getElementById("page").addEventListener("drawn", again);
            requestAnimationFrame(() => requestAnimationFrame(again));  // a late frame counts
        })"""
    )
    return page.evaluate("window.page.state()")


def number(text: str) -> float:
    return float(text.replace("−", "-").split()[0])


def shown(page) -> dict[str, str]:
    """The numbers on the page."""
    cells = page.locator(".numbers > div").evaluate_all(
        "all => all.map(one => [one.className, one.querySelector('dd').textContent])"
    )
    return dict(cells)


def check_numbers(page, dictionary) -> dict:
    """What stands on the page is what the package finds for the pixels on the sheet."""
    state, told = settle(page), shown(page)
    y = torch.tensor(state["pixels"]).double() / 255
    on = [j for j in range(256) if j not in state["off"]]
    best = fista(Dictionary(dictionary.W[:, on]), y, state["lam"], nonnegative=True, tol=1e-7)
    fit = float(best.energy - state["lam"] * best.z.sum())
    assert number(told["energy"]) == pytest.approx(float(best.energy), rel=6e-3)
    assert number(told["fit"]) == pytest.approx(fit, rel=2e-2, abs=1e-6)
    assert number(told["price"]) == pytest.approx(state["lam"] * float(best.z.sum()), rel=2e-2)
    assert state["energy"] == pytest.approx(float(best.energy), rel=1e-5)
    assert int(told["nonzeros"]) == sum(entry > 0 for entry in state["z"])
    tiles = page.locator(".strokes button")
    assert tiles.count() == int(told["nonzeros"]) + len(state["off"])
    ink = page.locator(".sheet .ink").evaluate(
        "one => [...one.getContext('2d').getImageData(0, 0, 28, 28).data]"
    )
    assert max(abs(a - b) for a, b in zip(ink[3::4], state["pixels"], strict=True)) <= 1
    return state


def draw_line(page, *points: tuple[float, float]) -> None:
    """With the mouse; points as shares of the sheet."""
    box = page.locator(".sheet").bounding_box()
    (x, y), *others = [
        (box["x"] + a * box["width"], box["y"] + b * box["height"]) for a, b in points
    ]
    page.mouse.move(x, y)
    page.mouse.down()
    for x, y in others:
        page.mouse.move(x, y, steps=12)
    page.mouse.up()


@lab_only
def test_the_file_is_small(file):
    assert file.stat().st_size < 500_000


@lab_only
def test_a_digit_drawn_with_the_mouse(page, dictionary):
    before = check_numbers(page, dictionary)
    assert before["energy"] > 0
    page.get_by_role("button", name="Clear").click()
    assert sum(check_numbers_of_nothing(page)["pixels"]) == 0
    draw_line(page, (0.3, 0.25), (0.7, 0.25), (0.45, 0.8))
    seven = check_numbers(page, dictionary)
    assert 40 < sum(pixel > 100 for pixel in seven["pixels"]) < 200
    page.get_by_role("button", name="Eraser").click()
    draw_line(page, (0.3, 0.25), (0.7, 0.25))
    less = check_numbers(page, dictionary)
    assert sum(less["pixels"]) < 0.8 * sum(seven["pixels"])
    page.get_by_role("button", name="Undo").click()
    assert settle(page)["pixels"] == seven["pixels"]
    page.get_by_role("button", name="Undo").click()
    page.get_by_role("button", name="Undo").click()
    assert check_numbers(page, dictionary)["pixels"] == before["pixels"]


def check_numbers_of_nothing(page) -> dict:
    state = settle(page)
    assert shown(page)["nonzeros"] == "0" and page.locator(".strokes button").count() == 0
    assert page.get_by_text("draw here").is_visible() and page.locator(".none").is_visible()
    return state


@lab_only
def test_a_digit_drawn_with_a_finger(page):
    page.get_by_role("button", name="Clear").click()
    box = page.locator(".sheet").bounding_box()
    finger = page.context.new_cdp_session(page)
    for kind, share in (("touchStart", 0.3), ("touchMove", 0.5), ("touchMove", 0.7)):
        point = {"x": box["x"] + share * box["width"], "y": box["y"] + share * box["height"]}
        finger.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": [point]})
    finger.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
    pixels = torch.tensor(settle(page)["pixels"]).reshape(28, 28)
    assert (pixels.diagonal()[9:19] > 150).all() and pixels[0].sum() == 0


@lab_only
def test_all_by_keyboard(page, dictionary):
    """A digit is picked, nudged, erased, taken back; λ is moved; a stroke is switched."""
    page.get_by_role("button", name="sample digit 7").focus()
    page.keyboard.press("Enter")
    seven = check_numbers(page, dictionary)["pixels"]
    assert seven == unpack(recorded()["samples"])[7].tolist()
    sheet = page.get_by_role("application")
    page.set_viewport_size({"width": 1366, "height": 400})
    sheet.focus()
    place = page.evaluate("scrollY")
    for key in ("ArrowRight", "ArrowRight", "ArrowDown"):
        page.keyboard.press(key)
    assert page.evaluate("scrollY") == place, "the arrow keys are the digit's, not the page's"
    moved = torch.tensor(settle(page)["pixels"]).reshape(28, 28)
    assert torch.equal(moved.roll((-1, -2), (0, 1)), torch.tensor(seven).reshape(28, 28))
    page.keyboard.press("Delete")
    assert sum(settle(page)["pixels"]) == 0
    page.keyboard.press("Control+z")
    assert settle(page)["pixels"] == moved.flatten().tolist()
    slider = page.get_by_role("slider")
    slider.focus()
    counts = []
    for key in ("Home", "ArrowRight", "End"):
        page.keyboard.press(key)
        counts.append(settle(page)["z"])
    counts = [sum(entry > 0 for entry in z) for z in counts]
    assert counts[0] >= counts[1] > counts[2] == 0
    page.evaluate("window.page.set({ lam: 0.3 })")
    settle(page)
    page.locator(".strokes button").nth(2).focus()
    label = page.evaluate("document.activeElement.ariaLabel")
    page.keyboard.press("Space")
    (out,) = check_numbers(page, dictionary)["off"]
    assert f"stroke {out + 1}, weight" in label
    page.wait_for_function(f"document.activeElement.ariaLabel == 'stroke {out + 1}, left out'")
    page.keyboard.press("Space")
    assert check_numbers(page, dictionary)["off"] == []


@lab_only
def test_strokes_are_switched_and_light_up(page, dictionary):
    tiles = page.locator(".strokes button")
    first, light = check_numbers(page, dictionary), page.locator(".sheet .light")
    lit = "one => one.getContext('2d').getImageData(0, 0, 28, 28).data.some(Boolean)"
    assert not light.evaluate(lit)
    largest = max(range(256), key=first["z"].__getitem__)
    tiles.first.hover()
    assert light.evaluate(lit)
    tiles.first.click()
    state = check_numbers(page, dictionary)
    assert state["off"] == [largest] and state["energy"] > first["energy"]
    assert tiles.first.get_attribute("aria-pressed") == "false", "it stays where it was"
    assert tiles.first.inner_text() == "out"
    page.get_by_role("button", name="All back in").click()
    assert check_numbers(page, dictionary)["z"] == pytest.approx(first["z"], abs=0.05)
    spot = max(range(784), key=first["pixels"].__getitem__)
    page.locator(".sheet").hover(position={"x": 11 * (spot % 28) + 5, "y": 11 * (spot // 28) + 5})
    here = page.locator(".strokes button.here").count()
    assert 0 < here < tiles.count()


@lab_only
def test_the_race_on_the_page(page):
    settle(page)
    labels = page.locator(".plot .labels text")
    assert labels.all_inner_texts() == [] or labels.count() == 3
    assert set(labels.evaluate_all("all => all.map(one => one.textContent)")) == {
        "ISTA",
        "FISTA",
        "coordinates",
    }
    path = "all => all.map(one => one.getAttribute('d'))"
    lines = page.locator(".plot .lines path")
    by_steps = lines.evaluate_all(path)
    page.get_by_role("button", name="by work").click()
    assert all(a != b for a, b in zip(lines.evaluate_all(path), by_steps, strict=True))
    page.get_by_role("button", name="by steps").click()
    assert lines.evaluate_all(path) == by_steps
    page.get_by_role("button", name="sample digit 8").click()
    settle(page)
    assert lines.evaluate_all(path) != by_steps


@lab_only
def test_a_screen_reader_is_told(page):
    page.get_by_role("button", name="sample digit 1").click()
    settle(page)
    told = shown(page)
    due = f"{told['nonzeros']} strokes. Energy {told['energy']}: misfit {told['fit']}"
    comes_to(page, page.get_by_role("status").inner_text, lambda said: said.startswith(due))
    assert page.get_by_role("slider").get_attribute("aria-valuetext").startswith("λ = 0.150, ")
    assert page.get_by_role("img").count() == 3
    assert all(one.get_attribute("aria-label") for one in page.get_by_role("img").all())


@lab_only
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_no_rule_of_axe_is_broken(page, scheme):
    from axe_playwright_python.sync_playwright import Axe

    page.emulate_media(color_scheme=scheme)
    page.locator(".strokes button").first.click()  # one that is left out, and its button
    page.wait_for_timeout(1000)
    assert page.evaluate("document.documentElement.dataset.theme") == scheme
    ARTEFACTS.mkdir(exist_ok=True)
    page.screenshot(path=ARTEFACTS / f"draw-{scheme}.png")
    found = Axe().run(page).response["violations"]
    assert [(one["id"], one["nodes"][0]["html"]) for one in found] == []


@lab_only
@pytest.mark.parametrize("width", [390, 700, 1366])
def test_it_fits(page, width):
    page.set_viewport_size({"width": width, "height": 768})
    settle(page)
    ARTEFACTS.mkdir(exist_ok=True)
    page.screenshot(path=ARTEFACTS / f"draw-{width}.png", full_page=True)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    right = """() => [...document.querySelectorAll('.rlv-draw *')].filter(one =>
        one.getClientRects().length && !one.closest('.status') &&
        one.getBoundingClientRect().right > innerWidth - 8).map(one => one.className)"""
    assert page.evaluate(right) == []
    tile = page.locator(".strokes canvas").first.bounding_box()
    assert min(tile["width"], tile["height"]) >= 48
    if width == 1366:
        assert page.locator(".rlv-draw").bounding_box()["height"] <= 700


@lab_only
def test_other_words_and_another_start(browser, file, tmp_path):
    """mount(el, { words, start }) is all that another page needs."""
    options = json.dumps(
        {"words": {"pen": "Stift"}, "start": {"lam": 0.5, "pixels": 4, "off": [7]}}
    )
    text = file.read_text(encoding="utf-8")
    at = text.rindex('document.getElementById("page"), {')
    text = text[:at] + text[at:].replace("{", f"{{...{options},", 1).replace(
        '"start":{"lam":0.15},', ""
    )
    (tmp_path / "other.html").write_text(text, encoding="utf-8")
    page = browser.new_page()
    page.goto((tmp_path / "other.html").as_uri())
    state = settle(page)
    assert page.get_by_role("button", name="Stift").count() == 1
    assert (state["lam"], state["off"]) == (0.5, [7])
    assert state["pixels"] == unpack(recorded()["samples"])[4].tolist()
    page.evaluate("window.page.destroy()")
    assert page.locator("#page").inner_html() == ""
    page.close()


# ---- the widget ----

# What came to the kernel is shown again by it: the energy of the package for what was drawn.
CELL = """\
import ipywidgets
from IPython.display import display
from rlvebm_utils import fista
from rlvebm_utils.course.widgets.draw import draw_digit

drawing, told = draw_digit(), ipywidgets.HTML()
told.add_class("rlv-told")


def tell(_=None):
    code = fista(drawing.dictionary, drawing.y, drawing.lam, nonnegative=True, tol=1e-6)
    told.value = f"{float(drawing.y.sum()):.4f} {drawing.lam:.4f} {float(code.energy):.4f}"


drawing.observe(tell, ["pixels", "lam"])
tell()
display(drawing, told)
"""


@pytest.mark.browser
def test_the_widget_in_a_front_end(browser, tmp_path):
    """Drawn with the mouse, moved by keyboard: the kernel has the same digit and energy."""
    (tmp_path / "notebooks").mkdir()
    write_notebook(tmp_path / "notebooks" / "draw.ipynb", [CELL])
    python = PYTHON or sys.executable
    root, scratch = tmp_path / "notebooks", tmp_path / "jupyter"
    with Server(root, scratch, front_end=FRONT_END, python=python) as server:
        page = browser.new_page(viewport=VIEWPORT)
        run_notebook(page, server, "draw.ipynb")
        page.locator(".rlv-draw .strokes button").first.wait_for()
        page.locator(".rlv-draw").scroll_into_view_if_needed()
        check_kernel(page)
        page.get_by_role("button", name="Clear").click()
        draw_line(page, (0.3, 0.3), (0.6, 0.3), (0.45, 0.7))
        drawn = check_kernel(page)
        cells = page.locator(".jp-Cell, .cell").count()
        page.locator(".sheet").focus()
        for key in ("ArrowDown", "ArrowDown", "x", "Delete"):  # x would cut the cell
            page.keyboard.press(key)
        assert page.locator(".jp-Cell, .cell").count() == cells
        page.keyboard.press("Control+z")
        page.locator(".rlv-draw input[type=range]").press("ArrowRight")
        moved = check_kernel(page)
        assert moved[0] == pytest.approx(drawn[0], rel=1e-3) and moved[1] > drawn[1]
        check_looks(page)
        page.close()


def check_looks(page) -> None:
    """The front end's own styles leave it whole; in JupyterLab's dark theme it is dark."""
    page.set_viewport_size({"width": 1366, "height": 1000})
    ARTEFACTS.mkdir(exist_ok=True)
    apart = """() => [...document.querySelectorAll('.rlv-draw .numbers > div')].every(one => {
        const [label, value] = [...one.children].map(child => child.getBoundingClientRect());
        return label.bottom <= value.top + 1 && Math.abs(label.left - value.left) < 1;
    })"""
    assert page.evaluate(apart)
    page.locator(".rlv-draw").screenshot(path=ARTEFACTS / f"{FRONT_END}-draw.png")
    if FRONT_END == "lab":
        theme = "{theme: 'JupyterLab Dark'}"
        page.evaluate(f"window.jupyterapp.commands.execute('apputils:change-theme', {theme})")
        page.wait_for_function("document.body.dataset.jpThemeLight == 'false'")
        paper = "getComputedStyle(document.querySelector('.rlv-draw .sheet')).backgroundColor"
        assert page.evaluate(paper) == "rgb(22, 24, 28)"
        page.locator(".rlv-draw").screenshot(path=ARTEFACTS / "lab-draw-dark.png")


def check_kernel(page) -> list[float]:
    """What the kernel tells of the digit, its λ and its energy; the energy is the page's."""
    told = page.locator(".rlv-told")
    energy = page.locator(".rlv-draw .energy dd")
    page.wait_for_timeout(800)  # the digit travels when the pen has come to rest
    for _ in range(150):
        found = [float(one) for one in told.inner_text().split()]
        if found and number(energy.inner_text()) == pytest.approx(found[2], rel=6e-3):
            return found
        page.wait_for_timeout(200)
    raise AssertionError(f"the page says {energy.inner_text()}, the kernel {found}")


@lab_only
def test_what_a_notebook_keeps(monkeypatch):
    """In a notebook that is opened without a kernel: a sentence, and a figure with its words."""
    drawing, shown = draw_digit(lam=0.4), []
    monkeypatch.setattr("IPython.display.display", lambda data, **_: shown.append(data))
    drawing._ipython_display_()
    widget, figure, words = shown
    assert widget["text/plain"].startswith("Live page “Draw a digit")
    assert widget["application/vnd.jupyter.widget-view+json"]["model_id"] == drawing.model_id
    assert len(figure["image/png"]) > 1000 and "λ = 0.4" in words["text/html"]
    assert drawing.pixels == unpack(recorded()["samples"])[3].tolist()


@lab_only
def test_the_page_of_a_widget_has_its_strokes(tmp_path):
    W = torch.rand(784, 12, dtype=torch.float64)
    drawing = draw_digit(Dictionary(W / W.norm(dim=0)), lam=0.2)
    text = drawing.export_html(tmp_path / "own.html").read_text(encoding="utf-8")
    assert drawing.data["atoms"] in text and '"lam":0.2' in text
    with pytest.raises(ValueError, match="lam: expected"):
        draw_digit(lam=-1.0)


@lab_only
def test_the_tools_know_it(file):
    """`make export` lists the page by its title; a cell tagged `live` may show the widget."""
    (file.parent / "02-live-0.html").write_bytes(file.read_bytes())
    index = write_index(file.parent, {"02": "A notebook"}).read_text(encoding="utf-8")
    assert '<a href="02-live-0.html">Draw a digit: which strokes build it?</a>' in index
    data = {"text/plain": "Live page “Draw”", "application/vnd.jupyter.widget-view+json": {}}
    output = nbformat.v4.new_output("display_data", data)
    cell = nbformat.v4.new_code_cell("x", outputs=[output], metadata={"tags": ["live"]})
    assert stray_widgets(nbformat.v4.new_notebook(cells=[cell])) == []
    cell.metadata["tags"] = []
    assert len(stray_widgets(nbformat.v4.new_notebook(cells=[cell]))) == 1


@lab_only
def test_one_module_has_each_file_once():
    text = live.module("draw_digit.js")
    assert text.count("export class Problem") == text.count("export function solve(") == 1
    assert 'from "./' not in text
