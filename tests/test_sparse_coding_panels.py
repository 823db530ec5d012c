"""The sliders of notebook 02 for shrinkage, steps, the lower bound and a walk across kinks: what
they show, moved away from where they start, against arithmetic of our own.
"""

import re

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
from drawn import lines, marks, pictures, same, tiles
from problems import normal
from sklearn.linear_model import Lasso

from rlvebm_utils import Dictionary
from rlvebm_utils.course.plots.style import BLUE, GREEN, ORANGE, SKY, VERMILION
from rlvebm_utils.course.widgets.chart import SIZE, Chart, Line
from rlvebm_utils.course.widgets.sparse_coding import (
    STEPS,
    bound_panel,
    kink_panel,
    shrink_panel,
    step_panel,
)

LAM, INK = 0.3, "gray_r"


def positive(d: int, n: int, seed: int) -> torch.Tensor:
    W = normal(d, n, seed=seed).double().abs() ** 2
    return W / W.norm(dim=0)


@pytest.fixture(scope="module")
def problem():
    """Atoms that resemble each other, as digits do, and eight samples."""
    W = positive(16, 24, seed=3)
    return Dictionary(W), 3 * positive(16, 8, seed=4).T.contiguous()


def energies(W, Y, Z, lam):
    return 0.5 * np.square(Y - Z @ W.T).sum(1) + lam * abs(Z).sum(1)


def lasso(W, y, lam):
    model = Lasso(lam / len(y), fit_intercept=False, tol=1e-13, max_iter=200_000)
    return model.fit(W, y).coef_


def move(panel, **values) -> dict:
    for name, value in values.items():
        panel.controls[name].value = value
    assert panel.error is None
    return tiles(panel)


def seen(tile, xlim, ylim, colour=None) -> np.ndarray:
    """The dots of a chart, as values again."""
    groups = tile.select(f'g[fill="{colour}"]') if colour else [tile]
    points = np.concatenate([marks(one, "circle", "cx", "cy") for one in groups])
    (x0, x1), (y0, y1) = xlim, ylim
    share = points.reshape(-1, 2) / SIZE
    return np.stack([x0 + share[:, 0] * (x1 - x0), y1 - share[:, 1] * (y1 - y0)], 1)


def test_marks_stand_on_the_curve_and_in_the_legend():
    drawing = [
        Line([0.0, 4.0], [-1.0, 3.0], BLUE, mark="■", label="<one>"),
        Line([0.0, 4.0], [1.0, 1.0], GREEN, label="two"),
        Line([1.0], [2.0], VERMILION, dots=3),
    ]
    chart = Chart(drawing, "a title", "time", (0, 4), (-1, 3))

    class Panel:
        html = chart.html()

    tile = tiles(Panel)["a title"]
    (curve,) = lines(tile, BLUE)
    squares = tile.select_one(f'path[fill="{BLUE}"]')["d"]
    starts = np.array(re.findall(r"M([\d.]+) ([\d.]+)m", squares), dtype=float)
    np.testing.assert_allclose(starts, curve.reshape(-1, 2))
    assert tile.select("p")[1].get_text().split(" ") == ["■", "<one>━", "two"]
    axes = plt.figure().subplots()
    chart.plot(axes)
    assert [one.get_text() for one in axes.get_legend().get_texts()] == ["<one>", "two"]
    assert [one.get_marker() for one in axes.lines] == ["s", "None", "o"]
    plt.close(axes.figure)


def test_a_chart_is_where_its_numbers_are():
    x, y = np.array([0.0, 1.0, 4.0]), np.array([2.0, -1.0, 0.5])
    drawing = [Line(x, y, BLUE), Line(x, y, VERMILION, dots=3), Line([0, 9], [0, 9], GREEN)]
    chart = Chart(drawing, "a title", "time", (0, 4), (-1, 3), yticks=[(0.0, "zero")])

    class Panel:
        html = chart.html()

    tile = tiles(Panel)["a title"]
    np.testing.assert_allclose(seen(tile, (0, 4), (-1, 3)), np.stack([x, y], 1), atol=0.02)
    (path,) = lines(tile, BLUE)
    np.testing.assert_allclose(path.reshape(-1, 2), marks(tile, "circle", "cx", "cy"), atol=0.1)
    (cut,) = lines(tile, GREEN)
    assert abs(cut).max() <= 1.2 * max(SIZE), "what is far outside is not drawn far outside"
    assert "zero" in tile.get_text() and "time" in tile.get_text()
    axes = plt.figure().subplots()
    chart.plot(axes)
    np.testing.assert_allclose(axes.lines[0].get_xydata(), np.stack([x, y], 1))
    assert axes.get_xlim() == (0, 4) and axes.get_ylim() == (-1, 3)
    assert axes.lines[1].get_marker() == "o" and axes.lines[0].get_marker() == "None"
    plt.close()


@pytest.mark.parametrize(("v", "t"), [(-2.4, 0.5), (0.7, 1.1), (2.0, 0.0)])
def test_shrinkage(v, t):
    shown = move(panel := shrink_panel(v=1.0, t=0.8), v=v, t=t)
    x = np.linspace(-3, 3, 60001)
    cost = 0.5 * (x - v) ** 2 + t * abs(x)
    best = x[cost.argmin()]
    assert panel.shown(panel.state(**panel.values))["best x"] == f"{best + 0.0:.1f}".replace(
        "-", "−"
    )
    left, right = shown.values()
    np.testing.assert_allclose(seen(left, (-3, 3), (0, 6)), [[best, cost.min()]], atol=0.05)
    np.testing.assert_allclose(seen(right, (-3, 3), (-3, 3)), [[v, best]], atol=0.05)
    (fit,), (price,) = lines(left, SKY), lines(left, ORANGE)
    middle = len(fit) // 4 * 2  # x = 0
    at_zero = [6 - 6 * one[middle + 1] / SIZE[1] for one in (fit, price)]
    np.testing.assert_allclose(at_zero, [min(v**2 / 2, 7.2), 0], atol=0.05)


def by_ista(W, Y, lam, c):
    """Energies after STEPS steps of c/L, as shares of those at zero."""
    step, Z = c / np.linalg.eigvalsh(W.T @ W)[-1], np.zeros((len(Y), W.shape[1]))
    for _ in range(STEPS):
        V = Z - step * (Z @ W.T - Y) @ W
        Z = np.sign(V) * np.maximum(abs(V) - step * lam, 0)
    return energies(W, Y, Z, lam) / energies(W, Y, 0 * Z, lam)


def test_steps_settle_up_to_two_and_explode_beyond(problem):
    dictionary, Y = problem
    W = dictionary.W.numpy()
    panel = step_panel(dictionary, Y, lam=LAM)
    counts = {}
    for c in (1.0, 1.9, 2.0, 2.3, 2.6):
        factors = list(move(panel, c=c).values())[1]
        state = panel.state(**panel.values)
        last = by_ista(W, Y.numpy(), LAM, c)
        np.testing.assert_allclose(np.log(state["energies"][-1]), np.log(last), rtol=1e-6)
        counts[c] = int((last > 1).sum())
        assert panel.shown(state)["explode"] == f"{counts[c]} of 8"
        mu = np.linalg.eigvalsh(W.T @ W)
        dots = seen(factors, (0, 1.02), (-1.8, 1.2))
        np.testing.assert_allclose(np.sort(dots[:, 1]), np.sort(1 - c * mu / mu[-1]), atol=0.02)
        assert len(seen(factors, (0, 1), (0, 1), VERMILION)) == (1 if c > 2 else 0)
    assert counts[1.0] == counts[1.9] == counts[2.0] == 0 < counts[2.6]


@pytest.mark.parametrize("k", [0, 20, 200])
def test_a_floor_is_proved_as_long_as_no_atom_is_past_lambda(problem, k):
    dictionary, Y = problem
    W, y = dictionary.W.numpy(), Y[2].numpy()
    best = lasso(W, y, LAM)
    least = energies(W, y[None], best[None], LAM)[0]
    panel = bound_panel(dictionary, Y[2], lam=LAM)
    proved = []
    for s in (0.02, 0.2, 0.5, 0.9, 1.2):
        shown = move(panel, k=k, s=s)
        state = panel.state(**panel.values)
        said = panel.shown(state)
        past = int((state["wu"] > LAM).sum())
        assert said["a lower bound?"] == ("no" if past else "yes")
        assert said["atoms past λ"] == str(past)
        assert float(said["least E"]) == pytest.approx(least, abs=0.006)
        if k == 0:
            u = s * y
            np.testing.assert_allclose(state["floor"], y @ u - u @ u / 2)
            np.testing.assert_allclose(state["wu"], abs(W.T @ u))
        if not past:
            assert state["floor"] <= least + 1e-9
            proved.append(s)
        colour = VERMILION if past else GREEN
        top = 1.25 * state["value"]
        (dot,) = seen(next(iter(shown.values())), (0, 1.2), (0, top), colour)
        np.testing.assert_allclose(dot, [s, min(state["floor"], 1.2 * top)], atol=0.02 * top)
    assert 0 < len(proved) < 5
    if k == 200:
        assert 0.9 in proved, "near the best code the residual is nearly feasible"


def test_a_walk_names_who_enters_and_who_leaves(problem):
    dictionary, Y = problem
    W, ends = dictionary.W.numpy(), Y[[0, 5]]
    names = [f"atom {j}" for j in range(24)]
    panel = kink_panel(dictionary, ends, names, lam=LAM)

    def code(s):
        return lasso(W, ((1 - s) * ends[0] + s * ends[1]).numpy(), LAM)

    told = 0
    for s in (0.0, 0.31, 0.655, 1.0):
        shown = move(panel, s=s)
        z = code(s)
        order = [j for j in np.argsort(-abs(z)) if abs(z[j]) > 1e-7]
        captions = [
            one.get_text() for one in shown["active atoms, largest first"].select("li span")
        ]
        for caption, j in zip(captions, order, strict=False):
            name, _, value = caption.replace("−", "-").partition(": ")
            assert name == names[j] and float(value) == pytest.approx(z[j], abs=0.006)
        said = panel.shown(panel.state(**panel.values))
        assert said["atoms in use"] == str(len(order))
        y = ((1 - s) * ends[0] + s * ends[1]).numpy().reshape(4, 4)
        assert same(pictures(shown["y"])[0], y, INK, 0, 1)
        event = said["the last one, at s ="]
        if event == "none yet":
            continue
        at, _, words = event.partition(": ")
        name, verb = words.rsplit(" ", 1)
        j = names.index(name)
        before, after = (abs(code(float(at) + d)[j]) > 1e-6 for d in (-0.002, 0.001))
        assert (before, after) == ((False, True) if verb == "enters" else (True, False))
        told += 1
    assert told >= 2
