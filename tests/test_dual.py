"""The dual point that is dragged: its arithmetic against the package's, the page as a file by
pointer and by keyboard, the widget in JupyterLab.
"""

import sys

import pytest
import torch
from browser import ROOT, VIEWPORT, Server, chromium_page, live_page, run_notebook, write_notebook
from problems import normal

from rlvebm_utils import Dictionary, fista
from rlvebm_utils.course.widgets.dual import REACH, dual_point

ARTEFACTS = ROOT / "artefacts"
ANGLES = torch.tensor([10.0, 75.0, 140.0], dtype=torch.float64).deg2rad()
W = torch.stack([ANGLES.cos(), ANGLES.sin()])
Y = torch.tensor([1.6, 1.0], dtype=torch.float64)
LAM = 0.7


@pytest.fixture(scope="module")
def browser(chromium):
    with chromium_page(chromium) as page:
        yield page.context.browser


@pytest.fixture
def page(browser, tmp_path):
    path = dual_point(W, Y, lam=LAM).export_html(tmp_path / "dual.html")
    assert path.stat().st_size < 100_000
    with live_page(browser, path) as page:
        yield page


def shown(page) -> dict[str, str]:
    cells = page.locator(".rlv-dual dl > div").evaluate_all(
        "all => all.map(one => [one.className, one.querySelector('dd').textContent])"
    )
    return dict(cells)


def number(text: str) -> float:
    return float(text.replace("−", "-"))


def check(page) -> dict:
    """What stands on the page is what the package finds for its y, u and λ."""
    state, told = page.evaluate("window.page.state()"), shown(page)
    y, u = (torch.tensor(state[name], dtype=torch.float64) for name in ("y", "u"))
    best = fista(Dictionary(W), y, state["lam"], tol=1e-12)
    floor = float(y @ u - 0.5 * u @ u)
    past = ((W.T @ u).abs() > state["lam"]).nonzero()[:, 0].tolist()
    assert number(told["floor"]) == pytest.approx(floor, abs=0.006)
    assert number(told["least"]) == pytest.approx(float(best.energy), abs=0.006)
    assert state["least"] == pytest.approx(float(best.energy), abs=1e-9)
    assert told["verdict"] == ("no" if past else "yes, proved")
    assert told["broken"] == (", ".join(f"atom {j + 1}" for j in past) or "none")
    if not past:
        assert floor <= float(best.energy) + 1e-9
    torch.testing.assert_close(
        torch.tensor(state["best"], dtype=torch.float64), y - W @ best.z, atol=1e-6, rtol=0
    )
    return state


def drag(page, start, end) -> None:
    """With the mouse, from one point of the plane to another."""
    box = page.locator(".rlv-dual .plane").bounding_box()

    def at(point):
        share = [(1 + point[0] / REACH) / 2, (1 - point[1] / REACH) / 2]
        return box["x"] + share[0] * box["width"], box["y"] + share[1] * box["height"]

    page.mouse.move(*at(start))
    page.mouse.down()
    page.mouse.move(*at(end), steps=5)
    page.mouse.up()


def test_a_point_dragged_with_the_mouse(page):
    start = check(page)
    assert start["floor"] < start["least"]
    drag(page, start["u"], start["best"])
    near = check(page)
    assert near["floor"] == pytest.approx(near["least"], abs=0.03)
    drag(page, near["u"], [1.5, 1.2])
    beyond = check(page)
    assert beyond["floor"] > beyond["least"] and beyond["broken"]
    broken = page.locator(".edge.broken").count()
    assert broken == len(beyond["broken"])
    drag(page, beyond["y"], [-1.0, 1.4])
    moved = check(page)
    assert moved["u"] == beyond["u"] and moved["y"] == pytest.approx([-1.0, 1.4], abs=0.02)
    ARTEFACTS.mkdir(exist_ok=True)
    page.locator(".rlv-dual").screenshot(path=ARTEFACTS / "dual.png")


def test_all_by_keyboard(page):
    before = check(page)
    page.locator(".handle.u").focus()
    for key in ("ArrowRight", "ArrowRight", "ArrowUp"):
        page.keyboard.press(key)
    after = check(page)
    assert after["u"] == pytest.approx([before["u"][0] + 0.1, before["u"][1] + 0.05])
    label = page.locator(".handle.u").get_attribute("aria-label")
    assert f"{after['u'][0]:.2f}" in label
    page.get_by_role("slider", name="λ").press("Home")
    small = check(page)
    assert small["lam"] == 0.1 and small["broken"]


def test_the_promised_set_is_that_of_all_atoms(page):
    """Its corners lie on two edges; a point is inside just where no promise is broken."""
    corners = torch.tensor(
        [
            [float(one) for one in pair.split(",")]
            for pair in page.locator(".area").get_attribute("points").split()
        ],
        dtype=torch.float64,
    )
    corners[:, 1] *= -1
    reach = (corners @ W).abs()
    assert len(corners) == 6 and ((reach - LAM).abs() < 1e-6).sum(1).eq(2).all()
    assert (reach <= LAM + 1e-6).all()


def test_no_promised_point_is_above_the_least_energy(page):
    for y, u in zip(normal(30, 2, seed=0), normal(30, 2, seed=1), strict=True):
        page.evaluate("page.set", {"y": y.tolist(), "u": u.tolist()})
        check(page)


CELL = """\
import ipywidgets, torch
from rlvebm_utils.course.widgets.dual import dual_point

W, y = torch.eye(2, dtype=torch.float64), torch.tensor([1.6, 1.0], dtype=torch.float64)
plane, told = dual_point(W, y, lam=0.7), ipywidgets.HTML()
told.add_class("rlv-told")
plane.observe(lambda _: setattr(told, "value", f"{plane.u[0]:.3f} {plane.u[1]:.3f}"), "u")
display(plane, told)
"""


@pytest.mark.browser
def test_the_widget_in_a_front_end(browser, tmp_path):
    (tmp_path / "notebooks").mkdir()
    write_notebook(tmp_path / "notebooks" / "dual.ipynb", [CELL])
    with Server(tmp_path / "notebooks", tmp_path / "jupyter", python=sys.executable) as server:
        page = browser.new_page(viewport=VIEWPORT)
        run_notebook(page, server, "dual.ipynb")
        page.locator(".rlv-dual .handle.u").wait_for()
        page.locator(".rlv-dual").scroll_into_view_if_needed()
        drag(page, [0.32, 0.2], [0.7, 0.7])
        page.wait_for_function("document.querySelector('.rlv-told')?.textContent.trim()")
        u = [float(one) for one in page.locator(".rlv-told").inner_text().split()]
        assert u == pytest.approx([0.7, 0.7], abs=0.03)
        page.close()


def test_what_a_notebook_keeps(monkeypatch):
    """In a notebook that is opened without a kernel: a sentence, and a figure with its words."""
    plane, kept = dual_point(W, Y, lam=LAM), []
    monkeypatch.setattr("IPython.display.display", lambda data, **_: kept.append(data))
    plane._ipython_display_()
    widget, figure, words = kept
    assert widget["text/plain"].startswith("Live page “Drag u")
    assert len(figure["image/png"]) > 1000
    least = float(fista(Dictionary(W), Y, LAM, tol=1e-12).energy)
    assert f"floor {least:.2f}, proved" in words["text/html"]
    assert words["text/html"].count("proves nothing") == 1


@pytest.mark.parametrize(
    ("atoms", "y", "lam", "said"),
    [
        (W, Y[:1], 0.7, r"W, y: expected shapes \(2, n\) and \(2,\), got \(2, 3\) and \(1,\)"),
        (2 * W, Y, 0.7, "W: expected atoms of length 1"),
        (W, Y, -1.0, "lam: expected"),
    ],
)
def test_what_it_cannot_show(atoms, y, lam, said):
    with pytest.raises(ValueError, match=said):
        dual_point(atoms, y, lam=lam)
