"""What notebook 04 stands on: atoms of photographs are Gabor functions if learning is sound."""

import numpy as np
import pytest
import torch

from rlvebm_utils import Dictionary, fista, learn_dictionary, learning
from rlvebm_utils.course.data import extract_patches, load_photographs, whiten
from rlvebm_utils.course.gabor import fit_gabors
from rlvebm_utils.course.plots.atoms import sheet
from rlvebm_utils.course.widgets.atoms import covered, dictionary_panel, training_panel

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
        assert waves.signed and not ink.signed


def test_the_lambda_slider_stops_where_atoms_were_learned_and_codes_with_them(runs):
    dictionaries = {0.2: runs["waves"].dictionary, 2.0: Dictionary(torch.eye(16).double())}
    y = torch.randn(30, 16, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    notes = {"note": {0.2: "low", 2.0: "high"}}
    panel = dictionary_panel({"waves": dictionaries}, {"waves": (y, False)}, notes, lam=0.2)
    assert [label for label, _ in panel.controls["lam"].options] == ["0.200", "2.00"]
    z = fista(dictionaries[0.2], y, 0.2, tol=1e-3).z
    # With the identity for a dictionary, an entry is in use if it is larger than λ.
    for lam, in_use, note in ((0.2, z != 0, "low"), (2.0, y.abs() > 2, "high")):
        panel.controls["lam"].value = lam
        assert panel.error is None and note in panel.html
        use = panel.state(lam=lam)["use"]["waves"]
        assert use == pytest.approx(float(in_use.double().sum(1).mean()))
        (sheet_shown,) = panel.draw(panel.state(lam=lam))
        assert np.array_equal(sheet_shown.image, sheet(dictionaries[lam].W, 8, 64))


def test_panels_refuse_what_does_not_go_together(runs):
    with pytest.raises(ValueError, match="runs: expected at least one"):
        training_panel({})
    fewer = {"ink": runs["ink"], "other": learn_dictionary(torch.eye(16), 4, 0.1, steps=2)}
    with pytest.raises(ValueError, match="the snapshots of the first run"):
        training_panel(fewer)
    d = runs["waves"].dictionary
    with pytest.raises(ValueError, match="samples: expected some for 'a'"):
        dictionary_panel({"a": {1.0: d, 2.0: d}}, {}, {}, lam=1.0)
    with pytest.raises(ValueError, match="expected"):
        dictionary_panel({"a": {1.0: d, 2.0: d}, "b": {1.0: d}}, {"a": (d.W.T, False)}, {}, lam=1.0)


def test_an_atom_of_k_equal_pixels_covers_k():
    W = torch.zeros(16, 4).double()
    for k in range(4):
        W[: k + 1, k] = -3.0
    assert covered(W).tolist() == [1, 2, 3, 4]


def test_a_sheet_has_every_atom_at_its_place():
    W = torch.eye(4).double()[:, :3] * 5
    expected = [[1, 0, 0, 0, 1], [0, 0, 0, 0, 0], [0, 0, 0, 0, 0], [0, 0, 0, 0, 0], [1, 0, 0, 0, 0]]
    assert sheet(W, 2).tolist() == expected
