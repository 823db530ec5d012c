"""The playground's panel: each curve is the solver's own, and every control is followed."""

import html
import math
import re

import ipywidgets
import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
from drawn import lines, tiles

from rlvebm_utils import Dictionary, energy, fista, ista
from rlvebm_utils.course.widgets import playground
from rlvebm_utils.course.widgets.chart import SIZE
from rlvebm_utils.course.widgets.playground import (
    BAND,
    SOLVERS,
    Codes,
    ceiling,
    prepare,
    solver_panel,
)

LAM, DEPTHS = 0.1, (1, 2, 4)


@pytest.fixture(scope="module")
def problems():
    generator = torch.Generator().manual_seed(0)
    made = {}
    for name in ("wide", "square"):
        W = torch.randn(16, 32 if name == "wide" else 16, generator=generator, dtype=torch.float64)
        W /= W.norm(dim=0)
        codes = torch.randn(60, W.shape[1], generator=generator, dtype=torch.float64)
        keep = torch.rand(codes.shape, generator=generator) < 0.3
        made[name] = prepare(Dictionary(W), (keep * codes) @ W.T, LAM, depths=DEPTHS, steps=60)
    return made


@pytest.fixture
def panel(problems):
    return solver_panel(problems, lam=LAM)


def test_prepare_keeps_ten_samples_and_trains_on_the_others(problems):
    problem = problems["wide"]
    assert problem.samples.shape == (10, 16) and list(problem.networks) == list(DEPTHS)
    y, W = problem.samples, problem.dictionary
    for depth, network in problem.networks.items():
        untrained = energy(W, y, ista(W, y, LAM, tol=None, max_iter=depth).z, LAM).mean()
        with torch.no_grad():
            assert energy(W, y, network(y), LAM).mean() < untrained


def test_prepare_takes_a_learned_dictionary(problems):
    from rlvebm_utils import learn_dictionary

    y = torch.randn(40, 9, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    learned = learn_dictionary(y, 6, LAM, steps=3)
    assert prepare(learned, y, LAM, depths=(1,), steps=5).dictionary is learned.dictionary


def test_networks_never_see_the_samples_that_are_shown(monkeypatch):
    seen = []
    monkeypatch.setattr(playground, "train_lista", lambda network, y, **options: seen.append(y))
    samples = torch.rand(30, 16, dtype=torch.float64)
    shown = prepare(Dictionary(torch.eye(16, dtype=torch.float64)), samples, 0.1).samples
    rows = {tuple(row) for row in shown.tolist()}
    assert len(rows) == 10 and len(seen) == len(playground.DEPTHS)
    assert not any(tuple(row) in rows for y in seen for row in y.tolist())


@pytest.mark.parametrize("steps", DEPTHS)
def test_each_solver_stops_after_the_steps_of_the_slider(panel, problems, steps):
    problem, lam = problems["square"], 0.2
    y, W = problem.samples[3], problem.dictionary
    state = panel.state(lam=lam, steps=steps, data=1, sample=3)
    least = float(fista(W, y, lam, tol=1e-10, max_iter=100_000).energy)
    with torch.no_grad():
        codes = {
            "ISTA": ista(W, y, lam, tol=None, max_iter=steps).z,
            "FISTA": fista(W, y, lam, tol=None, max_iter=steps).z,
            "LISTA": problem.networks[steps](y, lam=lam),
        }
    start = 0.5 * float(y.square().sum())
    said = panel.shown(state)["E above the least: ISTA, FISTA, LISTA"]
    assert said.endswith(" %") and list(codes) == list(SOLVERS)
    for number, (name, z) in zip(said[:-2].split(", "), codes.items(), strict=True):
        at, above = state["above"][name]
        due = float(energy(W, y, z, lam)) / least - 1
        assert above[list(at).index(steps)] == pytest.approx(due, abs=2e-4)
        assert above[0] == pytest.approx(start / least - 1, rel=1e-3), "all start from no code"
        assert float(number) == pytest.approx(100 * due, rel=0.01, abs=0.02)
        assert torch.equal(state["codes"][name], z)
        torch.testing.assert_close(state["decoded"][name], W.decode(z))


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("lam", 0.4, "λ = 0.400"),
        ("steps", 1, "steps: 1."),
        ("data", 1, "square, sample 1"),
        ("sample", 7, "wide, sample 8"),
        ("sample", 10, "wide, your own picture"),
    ],
)
def test_every_control_is_followed(panel, name, value, words):
    before = panel.html
    assert words not in alt(panel)
    panel.controls[name].value = value
    assert panel.error is None and words in alt(panel) and panel.html != before


def alt(panel) -> str:
    return html.unescape(re.search(r'role="img" aria-label="([^"]*)"', panel.html)[1])


def test_controls_have_names_and_the_figure_without_a_kernel(panel):
    assert all(control.description for control in panel.controls.values())
    assert isinstance(panel.controls["steps"], ipywidgets.SelectionSlider)
    figure, words = panel.still_figure()
    assert [words.count(f"steps: {depth}.") for depth in DEPTHS] == [1] * len(DEPTHS)
    drawn = [ax.get_title() for ax in figure.axes] + [
        child.get_title() for ax in figure.axes for child in ax.child_axes
    ]
    assert not any("step" in one for one in drawn if "=" not in one), "true of its column alone"
    plt.close(figure)


# ---- scales ----


def scales(panel) -> tuple:
    """The ticks of the chart, and the limit that the bands of the codes name."""
    shown = tiles(panel)
    chart = [one.get_text() for one in shown["E above the least (%)"].select("svg > g text")]
    codes = [one.get_text() for one in shown["codes z, on one scale"].select("i")]
    return chart, codes


def test_no_axis_moves_while_a_slider_does(panel):
    before = scales(panel)
    assert before[0][-5:] == ["≤ 0.01", "1", "100", "10⁴", "steps"]
    assert len(before[1]) == 3 and len(set(before[1])) == 1, "one scale for all three codes"
    for lam in np.geomspace(LAM / 10, 10 * LAM, 7):
        for steps in DEPTHS:
            panel.set(lam=lam, steps=steps)
            assert scales(panel) == before
            state = panel.state(**panel.values)
            top = max(float(z.abs().max()) for z in state["codes"].values())
            assert top <= state["limit"], "nothing is cut off"


def test_the_scale_of_the_codes_is_read_as_it_is_written():
    assert [ceiling(one) for one in (0.31, 0.2, 7.5, 0.0, 12)] == [
        pytest.approx(0.4),
        pytest.approx(0.2),
        8,
        1,
        20,
    ]


def test_the_curves_are_logarithms_and_have_a_legend(panel):
    state = panel.state(**panel.values)
    chart = tiles(panel)["E above the least (%)"]
    legend = chart.select("p")[1].get_text()
    for name, (colour, mark) in SOLVERS.items():
        steps, above = state["above"][name]
        x, y = lines(chart, colour)[0].reshape(-1, 2).T
        last = DEPTHS[-1]
        np.testing.assert_allclose(x, SIZE[0] * (np.array(steps) / last + 0.02) / 1.04, atol=0.06)
        shown = [math.log10(max(100 * one, 0.01)) for one in above]
        np.testing.assert_allclose(y, SIZE[1] * (4 - np.array(shown)) / 6, atol=0.06)
        assert f"{mark} {name}" in legend
    assert len({mark for _, mark in SOLVERS.values()}) == 3, "not by its colour alone"


def test_codes_stand_atom_under_atom():
    codes = {name: torch.zeros(4, dtype=torch.float64) for name in SOLVERS}
    codes["FISTA"][2] = -0.25

    class Shown:
        html = Codes(codes, 0.5, "codes").html()

    tile = tiles(Shown)["codes"]
    x, zero, y = lines(tile, SOLVERS["FISTA"][0])[0]
    assert (x, zero, y) == (720 * 2.5 / 4, BAND / 2, 0.75 * BAND)
    assert "1 of 4 atoms" in tile.get_text() and "from −0.5 to 0.5" in tile.get_text()
    axes = plt.figure().subplots()
    Codes(codes, 0.5, "codes").plot(axes)
    (segment,) = axes.collections[1].get_segments()
    assert segment[:, 0].tolist() == [3, 3] and segment[1, 1] - segment[0, 1] == -0.25
    plt.close(axes.figure)


# ---- a picture of one's own ----


def test_what_is_drawn_becomes_the_sample(panel, problems):
    panel.own.pixels = [255 if k % 28 < 14 else 0 for k in range(784)]
    assert panel.values["sample"] == 10 and "your own picture" in alt(panel)
    y, length = panel.state(**panel.values)["y"].reshape(4, 4), problems["wide"].samples.norm(dim=1)
    assert (y[:, :2] < 0).all() and (y[:, 2:] > 0).all(), "these samples have both signs"
    assert float(y.norm()) == pytest.approx(float(length.mean()))
    before = panel.html
    panel.own.pixels = panel.own.pixels[::-1]
    assert panel.html != before, "drawn anew though no control has moved"


def test_the_same_picture_once_more_is_shown_again(panel):
    panel.own.changes += 1  # as when a file is opened again after Reset
    assert panel.values["sample"] == 10


def test_ink_stays_above_zero_where_the_samples_do(problems):
    one = problems["wide"]
    positive = playground.Problem(one.dictionary, one.samples.abs(), one.networks)
    ink = torch.zeros(28, 28, dtype=torch.float64)
    assert not positive.take(ink).any()
    ink[:7, :7] = 1
    y = positive.take(ink)
    assert (y.nonzero() == 0).all() and float(y[0]) > 0


def test_an_empty_sheet_is_no_error(panel):
    panel.own.pixels = [0] * 784
    assert panel.error is None and "LISTA 0" in alt(panel)


def test_the_picture_that_is_saved_names_its_settings(panel):
    panel.set(steps=1, data=1)
    figure = panel.keep.figure()
    title = figure.get_suptitle()
    assert "square, no. 1, λ = 0.1, steps: 1" in title
    excess = panel.shown(panel.state(**panel.values))[panel.headline][:-2].split(", ")
    for name, one in zip(SOLVERS, excess, strict=True):
        assert f"{name} {one} %" in title
    assert len(figure.axes) == 3
    panel.keep.save("png")
    assert 'download="playground_lam-0.1_steps-1_data-square_sample-no.-1.png"' in (
        panel.keep.saved.value
    )
