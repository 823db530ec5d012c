"""What notebook 04 stands on: atoms of photographs are Gabor functions if learning is sound."""

import math

import pytest
import torch

from rlvebm_utils import learn_dictionary, learning
from rlvebm_utils.course import atoms as shipped
from rlvebm_utils.course.atoms import covered
from rlvebm_utils.course.data import extract_patches, load_photographs, whiten
from rlvebm_utils.course.gabor import fit_gabors, gabor
from rlvebm_utils.course.plots import style
from rlvebm_utils.course.plots.atoms import KEY, sheet
from rlvebm_utils.course.widgets.atoms import dictionary_panel, gabor_panel, training_panel

SIDE = 10


def cut(filter_image):
    images = [filter_image(v) for v in load_photographs(dtype=torch.float64).values()]
    patches = extract_patches([v / v.std() for v in images], SIDE, 6000, seed=0)
    patches = patches - patches.mean(1, keepdim=True)
    patches = patches[patches.std(1) > patches.std(1).quantile(0.2)]
    return patches / patches.std()


def scrambled(image):
    noise = torch.randn(image.shape, generator=torch.Generator().manual_seed(0)).double()
    phase = torch.fft.rfft2(noise).angle()
    phase[0, 0] = 0
    return torch.fft.irfft2(torch.polar(torch.fft.rfft2(image).abs(), phase), s=image.shape)


def outcome(patches):
    """The share of Gabor functions and the median frequency: what the claim rests on."""
    W = learn_dictionary(patches, 64, 1.5, steps=60).dictionary.W
    fit = fit_gabors(W.T.reshape(-1, SIDE, SIDE))
    return float((fit.r2 > 0.7).double().mean()), float(fit.frequency.median())


@pytest.fixture(scope="module")
def patches():
    return cut(whiten)


def test_atoms_of_photographs_are_gabor_functions(patches):
    share, frequency = outcome(patches)
    assert share > 0.8 and frequency > 0.15


def test_not_without_an_update(patches, monkeypatch):
    monkeypatch.setattr(learning, "update_atoms", lambda *args, **options: None)
    assert outcome(patches)[0] < 0.2


def test_not_with_an_update_of_the_wrong_sign(patches, monkeypatch):
    right = learning.update_atoms
    monkeypatch.setattr(learning, "update_atoms", lambda W, A, B, **options: right(W, A, -B))
    assert outcome(patches)[0] < 0.5


def test_not_with_random_phases():
    assert outcome(cut(lambda image: scrambled(whiten(image))))[0] < 0.4


def test_other_frequencies_without_the_filter():
    assert outcome(cut(lambda image: image))[1] < 0.15


# ---- the panels and the sheets ----


@pytest.fixture(scope="module")
def runs():
    y = torch.randn(300, 16, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    options = {"steps": 20, "batch_size": 50, "snapshots": (1, 3, 8, 20)}
    signed = learn_dictionary(y, 20, 0.5, **options)
    return {"ink": learn_dictionary(y.abs(), 20, 0.5, nonnegative=True, **options), "waves": signed}


def test_the_step_slider_stops_at_the_snapshots_and_shows_them(runs):
    panel = training_panel(runs)
    slider = panel.controls["step"]
    assert [label for label, _ in slider.options] == ["1", "3", "8", "20"]
    for place in (1, 2, 3, 0):
        slider.index = place
        step = slider.value
        assert panel.error is None and f"after step {step} " in panel.html
        state = panel.state(step=step)
        assert torch.equal(state["atoms"]["waves"], runs["waves"].snapshots[step])
        ink, waves = panel.draw(state)
        assert torch.equal(waves.W, runs["waves"].snapshots[step]) and (ink.W >= 0).all()


def test_the_step_slider_tells_its_notes(runs):
    panel = training_panel(runs, {"edges": {1: "none", 3: "few", 8: "some", 20: "many"}})
    panel.controls["step"].value = 8
    assert panel.shown(panel.state(step=8))["edges"] == "some" and "some" in panel.html
    assert "many" not in panel.html


def test_the_slider_over_dictionaries_shows_the_one_it_says(runs):
    atoms = {0.2: {"waves": runs["waves"].dictionary.W}, 2.0: {"waves": torch.eye(16).double()}}
    told = {0.2: {"note": "low"}, 2.0: {"note": "high"}}
    images = {0.2: ("picture", -torch.eye(8)), 2.0: ("picture", torch.eye(8))}
    panel = dictionary_panel(atoms, told, label="λ", title="Drag", images=images)
    assert [label for label, _ in panel.controls["value"].options] == ["0.200", "2.00"]
    for value, note in ((2.0, "high"), (0.2, "low")):
        panel.controls["value"].value = value
        assert panel.error is None and note in panel.html
        picture, shown = panel.draw(panel.state(value=value))
        assert torch.equal(shown.W, atoms[value]["waves"])
        assert (picture.image[0, 0] < 0) == (value == 2.0)  # ink is dark: −1 is white


def test_a_gabor_by_hand_is_right_when_the_sliders_are():
    table = torch.tensor([[6.0, 4.5, 0.0, 0.2, 0.6931, 1.0986, 0.7, -0.4]]).double()
    W = gabor(table, 12).flatten(1).T
    panel = gabor_panel(torch.cat([W, torch.eye(144).double()[:, :1]], 1))
    assert (panel.controls["x"].value, panel.controls["y"].value) == (6.0, 4.5)
    panel.set(across=2.0, along=3.0, theta=0, f=0.2)
    assert panel.shown(panel.state(**panel.values))["R²"] == "1.00"
    panel.set(theta=90)
    assert float(panel.shown(panel.state(**panel.values))["R²"]) < 0.5
    panel.set(f=0)  # no sine there, and no error
    assert panel.error is None
    panel.controls["atom"].value = 1
    assert panel.error is None and "Atom 2" in panel.html


def test_a_gabor_by_hand_never_beats_the_fit(patches):
    W = learn_dictionary(patches[:2000], 6, 1.5, steps=20).dictionary.W
    panel = gabor_panel(W)
    best = fit_gabors(W.T.reshape(-1, SIDE, SIDE)).r2
    for atom in range(6):
        for theta in range(0, 180, 30):
            state = panel.compute(atom, theta, 0.2, 4, 5, 2.0, 2.0)
            assert state["r2"] <= float(best[atom]) + 1e-6


def test_the_sliders_go_as_far_as_the_fits():
    """Most fits of atoms have a bell that is wider than 6 pixels, and some a centre outside."""
    W = shipped.atoms(shipped.Training()).W
    fit = fit_gabors(W.T.unflatten(1, (12, 12)))
    assert (fit.width.amax(1) > 6).double().mean() > 0.5 and (fit.centre < 0).any()
    long = torch.tensor([[-1.0, 6.0, math.pi / 6, 0.1, math.log(2.0), math.log(9.0), 0.7, -0.4]])
    panel = gabor_panel(gabor(long.double(), 12).flatten(1).T)
    panel.set(x=-1.0, y=6.0, theta=30, f=0.1, across=2.0, along=9.0)
    assert panel.shown(panel.state(**panel.values))["R²"] == "1.00"
    limits = {name: (panel.controls[name].min, panel.controls[name].max) for name in ("x", "along")}
    assert limits == {"x": (-1, 12), "along": (0.5, 12)}, "the bounds of fit_gabors"


def test_a_sheet_says_its_colours_and_its_size(runs):
    ink, waves = training_panel(runs).draw({"atoms": {n: r.dictionary.W for n, r in runs.items()}})
    assert (ink.title, waves.title) == ("ink", f"waves: {KEY}")
    figure, axes = style.new_figure()
    waves.plot(axes)
    assert axes.get_xlabel() == f"an atom: {float(covered(waves.W).median()):.0f} pixels"


def test_panels_refuse_what_does_not_go_together(runs):
    with pytest.raises(ValueError, match="runs: expected at least one"):
        training_panel({})
    fewer = {"ink": runs["ink"], "other": learn_dictionary(torch.eye(16), 4, 0.1, steps=2)}
    with pytest.raises(ValueError, match="the snapshots of the first run"):
        training_panel(fewer)
    W = runs["waves"].dictionary.W
    both, told = {1.0: {"a": W}, 2.0: {"a": W}}, {1.0: {"n": "x"}, 2.0: {"n": "y"}}
    words = {"label": "λ", "title": "Drag"}
    with pytest.raises(ValueError, match="atoms: expected at least two values"):
        dictionary_panel({1.0: {"a": W}}, told, **words)
    with pytest.raises(ValueError, match="told: expected the values"):
        dictionary_panel(both, {1.0: {"n": "x"}}, **words)
    with pytest.raises(ValueError, match="images: expected the values"):
        dictionary_panel(both, told, images={1.0: ("", W)}, **words)
    with pytest.raises(ValueError, match="atoms: expected the same names"):
        dictionary_panel({1.0: {"a": W}, 2.0: {"b": W}}, told, **words)
    with pytest.raises(ValueError, match="atoms: expected columns of side² pixels"):
        gabor_panel(torch.ones(15, 2))


def test_an_atom_of_k_equal_pixels_covers_k():
    W = torch.zeros(16, 4).double()
    for k in range(4):
        W[: k + 1, k] = -3.0
    assert covered(W).tolist() == [1, 2, 3, 4]


def test_a_sheet_has_every_atom_at_its_place():
    W = torch.eye(4).double()[:, :3] * 5
    expected = [[1, 0, 0, 0, 1], [0, 0, 0, 0, 0], [0, 0, 0, 0, 0], [0, 0, 0, 0, 0], [1, 0, 0, 0, 0]]
    assert sheet(W, 2).tolist() == expected
    between = [[1, 0, 7, 0, 1], [0, 0, 7, 0, 0], [7] * 5, [0, 0, 7, 7, 7], [1, 0, 7, 7, 7]]
    assert sheet(W, 2, line=7.0).tolist() == between
