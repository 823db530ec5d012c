"""The page in which one drags a point y: its codes and energies against the package's, the page as
a file by pointer and by keyboard, what a notebook keeps of it.

What is computed in JavaScript is asked of Chromium.
"""

import json

import pytest
import torch
from browser import ROOT, chromium_page, comes_to, live_page

from rlvebm_utils import Dictionary, fista
from rlvebm_utils.course import live
from rlvebm_utils.course.live.point import page_data, star_atoms, star_points, write_point_page
from rlvebm_utils.course.widgets.point import drag_point

ARTEFACTS = ROOT / "artefacts"
DATA = torch.tensor([[0.0, 0.8], [0.5, -0.3]], dtype=torch.float64)


@pytest.fixture(scope="module")
def browser(chromium):
    with chromium_page(chromium) as page:
        yield page.context.browser


@pytest.fixture(scope="module")
def ask(browser):
    """A function (body, given): what a function of ``given`` with this body returns, with all of
    ``plane.js`` at hand.
    """

    def asked(body: str, given):
        page = browser.new_page()
        call = f"((given) => {{ {body} }})({json.dumps(given)})"
        source = f"{live.module('plane.js')}\nwindow.told = {{ it: {call} }};"
        page.add_script_tag(type="module", content=source)
        page.wait_for_function("window.told")
        told = page.evaluate("window.told.it")
        page.close()
        return told

    return asked


# ---- the best code ----


@pytest.mark.parametrize("lam", [0.02, 0.1, 0.5, 1.2])
@pytest.mark.parametrize("atoms", [1, 3, 5])
def test_the_page_finds_what_fista_finds(ask, lam, atoms):
    generator = torch.Generator().manual_seed(atoms)
    W = torch.randn(2, atoms, generator=generator, dtype=torch.float64)  # of any length
    Y = torch.randn(40, 2, generator=generator, dtype=torch.float64)
    body = "return given.Y.map((y) => bestCode(given.atoms, y, given.lam));"
    found = ask(body, {"atoms": W.T.tolist(), "Y": Y.tolist(), "lam": lam})
    best = fista(Dictionary(W), Y, lam, nonnegative=True, tol=1e-9)
    energies = torch.tensor([one["energy"] for one in found], dtype=torch.float64)
    torch.testing.assert_close(energies, best.energy, rtol=1e-6, atol=1e-9)
    for y, one in zip(Y, found, strict=True):
        z = torch.tensor(one["z"], dtype=torch.float64)
        assert (z >= 0).all() and (z > 0).sum() <= 2
        assert one["fit"] == pytest.approx(float(0.5 * (y - W @ z).square().sum()), abs=1e-12)
        assert one["price"] == pytest.approx(lam * float(z.sum()), abs=1e-12)
        torch.testing.assert_close(torch.tensor(one["Wz"], dtype=torch.float64), W @ z)


def test_a_free_code_reaches_every_point(ask):
    """λ = 0, and atoms all around; with two parallel atoms too."""
    Y = torch.randn(30, 2, generator=torch.Generator().manual_seed(0)).tolist()
    atoms = star_atoms().W.T.tolist()
    body = "return given.Y.map((y) => bestCode(given.atoms, y, 0).energy);"
    for W in (atoms, [*atoms, atoms[0]]):
        assert max(ask(body, {"atoms": W, "Y": Y})) < 1e-20


def test_the_map_stands_the_right_way_up(ask):
    found = ask("return [...energies([[0, 1]], 0.1, 1.5, 9)];", None)
    F = torch.tensor(found, dtype=torch.float64).reshape(9, 9)
    up = torch.linspace(1.5, -1.5, 19, dtype=torch.float64)[1::2]  # the first row is the top
    along = torch.where(up > 0.1, 0.1 * up - 0.005, 0.5 * up.square())
    torch.testing.assert_close(F, along[:, None] + 0.5 * up.square()[None])


# ---- the page ----


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    path = tmp_path_factory.mktemp("point") / "point.html"
    return write_point_page(path, star_atoms(), DATA, lam=0.1)


@pytest.fixture
def page(browser, file):
    with live_page(browser, file) as page:
        yield page


def settle(page) -> dict:
    """Wait for the next picture; returns what the page says of itself."""
    page.evaluate(
        "() => new Promise((go) => requestAnimationFrame(() => requestAnimationFrame(go)))"
    )
    return page.evaluate("window.page.state()")


def check(page) -> dict:
    """What stands on the page is what the package finds for the point that it shows."""
    state = settle(page)
    W, y = star_atoms().W, torch.tensor(state["y"], dtype=torch.float64)
    z = torch.tensor(state["z"], dtype=torch.float64)
    best = fista(star_atoms(), y, state["lam"], nonnegative=True, tol=1e-9)
    fit, price = 0.5 * float((y - W @ z).square().sum()), state["lam"] * float(z.sum())
    expected = {"fit": fit, "price": price, "energy": fit + price, "F": float(best.energy)}
    expected["above"] = fit + price - float(best.energy)
    for name, value in expected.items():
        text = page.locator(f".numbers .{name} dd").inner_text()
        assert float(text.replace("−", "-")) == pytest.approx(value, abs=6e-4), name
    dot = page.locator("svg .y")
    assert float(dot.get_attribute("cx")) == pytest.approx(state["y"][0])
    assert float(dot.get_attribute("cy")) == pytest.approx(-state["y"][1])
    walk = page.locator("svg .walk").get_attribute("d").rpartition("L")[2].split()
    if float(z.sum()) > 0:
        assert [float(v) for v in walk] == pytest.approx(
            (W @ z * torch.tensor([1, -1])).tolist(), abs=2e-3
        )
    shown = page.locator(".codes output").all_inner_texts()
    assert [float(v) for v in shown] == pytest.approx(z.tolist(), abs=6e-3)
    return state


def test_y_is_dragged(page):
    check(page)
    box = page.locator(".plane").bounding_box()
    middle = (box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.mouse.move(*middle)
    page.mouse.down()
    seen = []
    for right, up in ((0.1, 0.1), (0.2, 0.3), (-0.3, 0.05), (0.0, -0.4)):
        page.mouse.move(middle[0] + right * box["width"], middle[1] - up * box["height"])
        state = check(page)
        assert state["y"] == pytest.approx([3 * right, 3 * up], abs=0.02)
        seen.append(state["F"])
    page.mouse.move(box["x"] - 50, box["y"] - 50)  # beyond the edge: it stops there
    assert check(page)["y"] == [-1.5, 1.5]
    page.mouse.up()
    page.mouse.move(*middle)
    assert check(page)["y"] == [-1.5, 1.5], "let go, it stays"
    assert len(set(seen)) == 4
    assert not page.evaluate("getSelection().toString()")


def test_y_is_moved_by_keys(page):
    page.set_viewport_size({"width": 1366, "height": 300})
    plane = page.get_by_role("application")
    plane.focus()
    before, place = check(page)["y"], page.evaluate("scrollY")
    for key in ("ArrowRight", "ArrowUp", "ArrowUp", "Shift+ArrowLeft", "Shift+ArrowDown"):
        page.keyboard.press(key)
    moved = check(page)["y"]
    assert moved == pytest.approx([before[0] + 0.04, before[1] + 0.09])
    assert page.evaluate("scrollY") == place, "the arrow keys are the point's, not the page's"
    due = f"y = ({moved[0]:.2f}, {moved[1]:.2f}), z = ("
    comes_to(page, page.get_by_role("status").inner_text, lambda said: said.startswith(due))


def test_the_price_and_the_map_follow(page):
    def colours():
        return page.locator(".plane canvas").evaluate("one => one.toDataURL()")

    slider = page.get_by_role("slider", name="λ")
    maps = [colours()]
    for key in ("Home", "End"):
        slider.press(key)
        state = check(page)
        maps.append(colours())
    assert len(set(maps)) == 3
    assert state["lam"] == 1 and state["z"] == [0, 0, 0]
    slider.press("Home")
    assert check(page)["F"] == pytest.approx(0, abs=1e-12)


def test_a_code_set_by_hand_is_never_better(page):
    free = check(page)
    best = page.get_by_role("button", name="Take the best z")
    assert best.is_disabled()
    page.get_by_role("slider", name="z₁").press("End")
    mine = check(page)
    assert mine["z"][0] == 1.5 and mine["energy"] > mine["F"] == pytest.approx(free["F"])
    page.get_by_role("application").press("ArrowUp")
    assert check(page)["z"] == mine["z"], "the code stays while y moves"
    best.click()
    again = check(page)
    assert again["energy"] == again["F"] and best.is_disabled()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_no_rule_of_axe_is_broken(page, scheme):
    from axe_playwright_python.sync_playwright import Axe

    page.emulate_media(color_scheme=scheme)
    settle(page)
    ARTEFACTS.mkdir(exist_ok=True)
    page.screenshot(path=ARTEFACTS / f"point-{scheme}.png")
    found = Axe().run(page).response["violations"]
    assert [(one["id"], one["nodes"][0]["html"]) for one in found] == []


@pytest.mark.parametrize("width", [360, 800, 1366])
def test_it_fits(page, width):
    page.set_viewport_size({"width": width, "height": 768})
    settle(page)
    ARTEFACTS.mkdir(exist_ok=True)
    page.screenshot(path=ARTEFACTS / f"point-{width}.png", full_page=True)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    page.evaluate("window.page.destroy()")
    assert page.locator("#page").inner_html() == ""


def test_the_file_is_small(file):
    assert file.stat().st_size < 100_000


def test_the_points_lie_along_the_atoms():
    best = fista(star_atoms(), star_points(), 1e-3, nonnegative=True)
    assert len(best.z) == 60 and ((best.z > 1e-6).sum(1) == 1).all()


# ---- the widget ----


def test_what_a_notebook_keeps(monkeypatch, tmp_path):
    """In a notebook that is opened without a kernel: a sentence, and a figure with its words."""
    widget, shown = drag_point(star_atoms(), DATA, lam=0.2), []
    monkeypatch.setattr("IPython.display.display", lambda data, **_: shown.append(data))
    widget._ipython_display_()
    view, figure, words = shown
    assert view["text/plain"].startswith("Live page “Drag y")
    assert len(figure["image/png"]) > 1000 and "λ = 0.2" in words["text/html"]
    torch.testing.assert_close(widget.dictionary.W, star_atoms().W)
    assert widget.y.tolist() == [0.6, 0.5]
    text = widget.export_html(tmp_path / "own.html").read_text(encoding="utf-8")
    assert '"lam":0.2' in text


def test_bad_arguments_are_named():
    with pytest.raises(
        ValueError, match="dictionary: expected 1 to 9 atoms of 2 numbers, got W of"
    ):
        page_data(Dictionary(torch.eye(3)), DATA)
    with pytest.raises(ValueError, match=r"points: expected shape \(N, 2\), got \(2,\)"):
        page_data(star_atoms(), DATA[0])
    with pytest.raises(ValueError, match="lam: expected"):
        drag_point(star_atoms(), DATA, lam=0.0)
