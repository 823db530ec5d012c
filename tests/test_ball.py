"""The page in which one drags a fuzzy ball: its decoder, fit and prices against the package's, the
page as a file by pointer and by keyboard, what a notebook keeps of it.

What is computed in JavaScript is asked of Chromium.
"""

import json

import pytest
import torch
from browser import ROOT, chromium_page, comes_to, live_page

from rlvebm_utils.course import balls, live
from rlvebm_utils.course.live.ball import (
    layers,
    noises,
    page_data,
    write_ball_page,
)
from rlvebm_utils.course.vae import Balls, FuzzyBallAutoencoder, size_term
from rlvebm_utils.course.widgets.ball import drag_ball

ARTEFACTS = ROOT / "artefacts"
GENERATOR = torch.Generator().manual_seed(0)
MODEL = FuzzyBallAutoencoder(400, sigma=None, hidden=(16, 8), seed=4).double().requires_grad_(False)
Y = torch.rand(12, 400, generator=GENERATOR, dtype=torch.float64)
LABELS = torch.arange(12) % 5
BALLS = Balls(
    torch.randn(12, 2, generator=GENERATOR, dtype=torch.float64),
    torch.rand(12, 2, generator=GENERATOR, dtype=torch.float64) + 0.01,
)
CHOSEN = [0, 3, 5, 7]
DATA = page_data(MODEL, BALLS, LABELS, Y, CHOSEN)


@pytest.fixture(scope="module")
def browser(chromium):
    with chromium_page(chromium) as page:
        yield page.context.browser


def test_the_page_decodes_what_the_package_decodes(browser):
    z = torch.randn(20, 2, generator=GENERATOR, dtype=torch.float64)
    page = browser.new_page()
    given = json.dumps({"layers": layers(MODEL), "z": z.tolist()})
    call = f"const given = {given}; const layers = unpackLayers(given.layers);"
    told = "window.told = given.z.map((one) => [...decode(layers, one)]);"
    source = f"{live.module('decoder.js')}\n{call}\n{told}"
    page.add_script_tag(type="module", content=source)
    page.wait_for_function("window.told")
    drawn = torch.tensor(page.evaluate("window.told"), dtype=torch.float64)
    page.close()
    torch.testing.assert_close(drawn, MODEL.decode(z), rtol=0, atol=1e-3)


def test_the_noise_has_the_mean_and_variance_that_it_stands_for():
    noise = noises()
    torch.testing.assert_close(noise.mean(0), torch.zeros(2).double())
    torch.testing.assert_close(noise.square().mean(0), torch.ones(2).double())


# ---- the page ----


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    return write_ball_page(tmp_path_factory.mktemp("ball") / "ball.html", DATA)


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


def fit_of(y, mean, variance):
    return float(
        (0.5 * (y - MODEL.decode(mean + variance.sqrt() * noises())).square().sum(1)).mean()
    )


def check(page) -> dict:
    """What stands on the page is what the package finds for the ball that it shows."""
    state = settle(page)
    place, T = CHOSEN[state["place"]], state["T"]
    mean = torch.tensor(state["mean"], dtype=torch.float64)
    v = torch.full((2,), state["v"], dtype=torch.float64)
    expected = {"fit": fit_of(Y[place], mean, v), "spring": T / 2 * float(mean.square().sum())}
    expected["price"] = T / 2 * float(size_term(v).sum())
    expected["total"] = sum(expected.values())
    theirs, variance = BALLS.mean[place], BALLS.variance[place]
    kl = 0.5 * (theirs.square() + size_term(variance)).sum()
    expected["theirs"] = fit_of(Y[place], theirs, variance) + T * float(kl)
    for name, value in expected.items():
        text = page.locator(f".numbers .{name} dd").inner_text()
        assert float(text.replace("−", "-")) == pytest.approx(value, abs=0.03), name
    ball = page.locator("svg .mine")
    drawn = [float(ball.get_attribute(one)) for one in ("cx", "cy", "rx", "ry")]
    x, y, radius = *state["mean"], state["v"] ** 0.5
    assert drawn == pytest.approx([x, -y, radius, radius], abs=1e-3)
    return state


def test_the_ball_is_dragged(page):
    reach = DATA["reach"]
    check(page)
    box = page.locator(".plane").bounding_box()
    middle = (box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.mouse.move(*middle)
    page.mouse.down()
    seen = []
    for right, up in ((0.1, 0.1), (0.2, 0.3), (-0.3, 0.05)):
        page.mouse.move(middle[0] + right * box["width"], middle[1] - up * box["height"])
        state = check(page)
        assert state["mean"] == pytest.approx([2 * reach * right, 2 * reach * up], abs=0.03)
        seen.append(state["fit"])
    page.mouse.move(box["x"] - 50, box["y"] - 50)  # beyond the edge: it stops there
    assert check(page)["mean"] == [-reach, reach]
    page.mouse.up()
    page.mouse.move(*middle)
    assert check(page)["mean"] == [-reach, reach], "let go, it stays"
    assert len(set(seen)) == 3
    assert not page.evaluate("getSelection().toString()")


def test_the_ball_is_moved_and_resized_by_keys(page):
    page.set_viewport_size({"width": 1366, "height": 300})
    page.get_by_role("application").focus()
    before, place = check(page), page.evaluate("scrollY")
    for key in ("ArrowRight", "ArrowUp", "ArrowUp", "Shift+ArrowLeft", "Shift+ArrowDown", "-", "-"):
        page.keyboard.press(key)
    after = check(page)
    assert after["mean"] == pytest.approx([before["mean"][0] + 0.04, before["mean"][1] + 0.09])
    assert after["v"] == pytest.approx(before["v"] * 10**-0.2)
    page.keyboard.press("+")
    assert check(page)["v"] == pytest.approx(before["v"] * 10**-0.1)
    assert page.evaluate("scrollY") == place, "the arrow keys are the ball's, not the page's"
    comes_to(page, page.get_by_role("status").inner_text, lambda said: said.startswith("z̄ = ("))


def test_sliders_digits_and_buttons(page):
    page.get_by_role("slider", name="variance v").press("Home")
    assert check(page)["v"] == pytest.approx(1e-3)
    page.get_by_role("slider", name="temperature T").press("End")
    hot = check(page)
    assert hot["T"] == pytest.approx(100)
    page.get_by_role("button", name="Best v here").click()
    best = check(page)
    assert best["total"] < hot["total"] and best["v"] == pytest.approx(1, rel=0.05)
    page.get_by_role("button", name="digit 2").first.click()
    other = check(page)
    mean, variance = BALLS.mean[7], BALLS.variance[7]
    assert other["place"] == 3 and other["mean"] == pytest.approx(mean.tolist(), abs=1e-3)
    assert other["v"] == pytest.approx(float(variance.prod().sqrt()), rel=1e-3)
    page.get_by_role("application").press("ArrowUp")
    page.get_by_role("button", name="The encoder's ball").click()
    assert check(page)["mean"] == other["mean"]


def test_the_best_size_is_the_lowest_point(page):
    page.evaluate("window.page.set({ T: 3, mean: [0.3, -0.2] })")
    state = settle(page)
    y, mean = Y[CHOSEN[state["place"]]], torch.tensor(state["mean"], dtype=torch.float64)
    sizes = torch.logspace(-3, 0.6, 300, dtype=torch.float64)
    costs = [fit_of(y, mean, v.expand(2)) + 3 * float(size_term(v)) for v in sizes]
    lowest = sizes[torch.tensor(costs).argmin()]
    assert state["best"] == pytest.approx(float(lowest), rel=0.02)


def test_the_fit_is_drawn_above_its_lowest(page):
    """Also where it falls as the ball grows: no line leaves the chart at its lower edge."""
    for mean in ([0.3, -0.2], [2.0, 2.0], [-2.0, 2.0], [2.0, -2.0], [-2.0, -2.0]):
        page.evaluate("mean => window.page.set({ T: 1, v: 1, mean })", mean)
        settle(page)
        path = page.locator("path.fitLine").get_attribute("d")
        heights = [float(point.split()[1]) for point in path[1:].split("L")]
        assert max(heights) == pytest.approx(120, abs=0.1), f"the line of zero, at {mean}"


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_no_rule_of_axe_is_broken(page, scheme):
    from axe_playwright_python.sync_playwright import Axe

    page.emulate_media(color_scheme=scheme)
    settle(page)
    ARTEFACTS.mkdir(exist_ok=True)
    page.screenshot(path=ARTEFACTS / f"ball-{scheme}.png", full_page=True)
    found = Axe().run(page).response["violations"]
    assert [(one["id"], one["nodes"][0]["html"]) for one in found] == []


@pytest.mark.parametrize("width", [360, 800, 1366])
def test_it_fits(page, width):
    page.set_viewport_size({"width": width, "height": 768})
    settle(page)
    ARTEFACTS.mkdir(exist_ok=True)
    page.screenshot(path=ARTEFACTS / f"ball-{width}.png", full_page=True)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    page.evaluate("window.page.destroy()")
    assert page.locator("#page").inner_html() == ""


def test_the_exported_page_is_small(tmp_path):
    *_, y, labels = balls.digits()
    one, chosen = balls.Training(), balls.one_of_each(labels)
    data = page_data(balls.trained(one), balls.held_out_balls(one), labels, y, chosen)
    assert [one["label"] for one in data["digits"]] == list(range(10))
    assert write_ball_page(tmp_path / "ball.html", data).stat().st_size < 150_000


# ---- the widget ----


def test_what_a_notebook_keeps(monkeypatch, tmp_path):
    """In a notebook that is opened without a kernel: a sentence, and a figure with its words."""
    widget, shown = drag_ball(MODEL, BALLS, LABELS, Y, CHOSEN), []
    monkeypatch.setattr("IPython.display.display", lambda data, **_: shown.append(data))
    widget._ipython_display_()
    view, figure, words = shown
    assert view["text/plain"].startswith("Live page “Drag one ball")
    assert len(figure["image/png"]) > 1000 and "falls until v = 1, then rises" in words["text/html"]
    text = widget.export_html(tmp_path / "own.html").read_text(encoding="utf-8")
    assert '"reach":' in text


def test_bad_arguments_are_named():
    with pytest.raises(ValueError, match="model: expected a code of 2 numbers, got 3"):
        page_data(FuzzyBallAutoencoder(400, 3), BALLS, LABELS, Y, CHOSEN)
    with pytest.raises(ValueError, match="balls, labels, y: expected as many of each"):
        page_data(MODEL, BALLS, LABELS[:3], Y, CHOSEN)
