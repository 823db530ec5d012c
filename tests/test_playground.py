"""The playground's panel: each curve is the solver's own, and every control is followed."""

import html
import re

import ipywidgets
import matplotlib.pyplot as plt
import pytest
import torch

from rlvebm_utils import Dictionary, energy, fista, ista
from rlvebm_utils.course.widgets import playground
from rlvebm_utils.course.widgets.playground import Curves, prepare, solver_panel

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
    assert len(rows) == 10 and len(seen) == 4
    assert not any(tuple(row) in rows for y in seen for row in y.tolist())


@pytest.mark.parametrize("steps", DEPTHS)
def test_each_solver_stops_after_the_steps_of_the_slider(panel, problems, steps):
    problem, lam = problems["square"], 0.2
    y, W = problem.samples[3], problem.dictionary
    state = panel.state(lam=lam, steps=steps, problem=1, sample=3, solver=1)
    least = float(fista(W, y, lam, tol=1e-10, max_iter=100_000).energy)
    with torch.no_grad():
        codes = {
            "ISTA": ista(W, y, lam, tol=None, max_iter=steps).z,
            "FISTA": fista(W, y, lam, tol=None, max_iter=steps).z,
            "LISTA": problem.networks[steps](y, lam=lam),
        }
    for name, z in codes.items():
        due = float(energy(W, y, z, lam))
        assert state["above"][name] == pytest.approx(due / least - 1, abs=2e-4)
        at = list(state["lines"][name][0]).index(steps)
        assert state["lines"][name][1][at] == pytest.approx(due)
        start = 0.5 * float(y.square().sum())
        assert state["lines"][name][1][0] == pytest.approx(start), "all start from an empty code"
    assert torch.equal(state["z"], codes["FISTA"]), "the solver that was picked"
    assert state["nonzeros"] == int((state["z"] != 0).sum())


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("lam", 0.4, "λ = 0.400"),
        ("steps", 1, "after 1 steps"),
        ("problem", 1, "square, sample 1"),
        ("sample", 7, "wide, sample 8"),
        ("solver", 2, "LISTA uses"),
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
    assert words.count("after") >= len(DEPTHS)
    plt.close(figure)


def test_curves_place_their_points():
    """The top of the picture is the largest value, its right end the last step."""
    lines = {"ISTA": ([0, 1, 2], [10.0, 6.0, 4.0]), "LISTA": ([0, 2], [10.0, 2.0])}
    curves = Curves(lines, level=2.0, at=1, title="<energy>")
    shown = curves.html()
    assert "&lt;energy&gt;" in shown and shown.count("<path") == 6
    (ista_path, lista_path) = re.findall(r'stroke-width="2.5" d="M([^"]*)"', shown)
    points = [tuple(map(float, one.split())) for one in ista_path.split("L")]
    assert points[0] == (0, 0) and points[-1][0] == 400
    assert points[0][1] < points[1][1] < points[2][1] < float(lista_path.split()[-1]) <= 120
    figure, axes = plt.subplots()
    curves.plot(axes)
    assert [len(line.get_xdata()) for line in axes.lines[:2]] == [3, 2]
    plt.close(figure)
