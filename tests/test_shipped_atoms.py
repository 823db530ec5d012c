"""The atoms that are shipped: all are there, one is learned again, and what they rest on."""

import math

import pytest
import torch

from rlvebm_utils.course import atoms
from rlvebm_utils.course.atoms import FIGURES, FOLDS, PHASES, PRICES, Training
from rlvebm_utils.course.data import load_photographs, whiten
from rlvebm_utils.course.gabor import fit_gabors
from tools import atoms as tool


@pytest.mark.parametrize("one", tool.trainings(), ids=lambda one: one.key)
def test_every_training_is_kept(one):
    for half in (False, True):
        told = atoms.figures(one, half=half)
        assert list(told) == list(FIGURES) and told["lam"] > 0
        assert 0 < told["explained"] < 1 and 1 <= told["covered"] <= 400
        assert math.isnan(told["share"]) == (one.data == "digits")
        if not one.price:  # dictionaries are compared at equal non-zeros
            assert told["nonzeros"] == pytest.approx(atoms.NONZEROS, rel=0.1)
    if one.fold == 0 or one == Training(fold=one.fold):
        W = atoms.atoms(one).W
        assert W.shape == (400 if one.data == "digits" else 144, one.atoms)
        torch.testing.assert_close(W.norm(dim=0), torch.ones(one.atoms).double())


def test_it_says_what_made_it():
    assert atoms.about()["command"] == tool.COMMAND
    assert atoms.FILE.stat().st_size < 1_000_000


@pytest.mark.parametrize("unknown", [Training(fold=7), Training(phases=0.1), Training("ica")])
def test_what_is_not_kept_is_named(unknown):
    for ask in (atoms.figures, atoms.atoms):
        with pytest.raises(ValueError, match="^one, part: expected what is kept, got"):
            ask(unknown)


def test_nobody_can_spoil_what_is_kept():
    atoms.atoms(Training()).W.zero_()
    assert atoms.atoms(Training()).W.any()
    atoms.patches()[0].zero_()
    assert atoms.patches()[0].any()


def test_the_figures_are_those_of_the_atoms():
    """Eight bits an entry: shares and medians stay what they were."""
    for one in (Training(), Training(phases=1.0)):
        told, W = atoms.figures(one), atoms.atoms(one)
        _, new = atoms.samples(one)
        again = dict(zip(FIGURES, tool.measured(one, W, told["lam"], new).tolist(), strict=True))
        assert again["share"] == pytest.approx(told["share"], abs=0.03)
        assert again["kurtosis"] == pytest.approx(told["kurtosis"], abs=0.3)
        for name in ("nonzeros", "explained", "frequency", "covered"):
            assert again[name] == pytest.approx(told[name], rel=0.03), name


def test_one_of_them_learned_again():
    """Other machines find other atoms, of the same kind."""
    one = Training(phases=0.6, fold=1)
    Y, new = atoms.samples(one)
    told = atoms.figures(one, half=True)
    W = tool.learn(one, told["lam"], one.length // 2, Y)
    again = dict(zip(FIGURES, tool.measured(one, W, told["lam"], new).tolist(), strict=True))
    assert again["share"] == pytest.approx(told["share"], abs=0.12)
    assert again["nonzeros"] == pytest.approx(told["nonzeros"], rel=0.05)
    assert again["explained"] == pytest.approx(told["explained"], abs=0.02)
    assert again["covered"] == pytest.approx(told["covered"], rel=0.1)


def test_lambda_leaves_the_non_zeros_that_are_asked_for():
    one = Training(atoms=72, fold=2)
    _, new = atoms.samples(one)
    W = torch.linalg.qr(torch.randn(144, 72, generator=torch.Generator().manual_seed(0)).double()).Q
    lam = tool._at_nonzeros(one, tool.Dictionary(W), 1.5, new)
    assert tool.used(one, tool.Dictionary(W), lam, new) == pytest.approx(atoms.NONZEROS, rel=0.1)
    assert tool.price(Training("digits", 0.5), 2 * torch.eye(3), new) == 1.0


def test_a_share_of_the_way_keeps_the_amplitudes_and_goes_the_short_way():
    image = whiten(load_photographs(dtype=torch.float64)["coins"])[:64, :48]
    ends = [torch.fft.rfft2(atoms.mixed(image, t, 3)) for t in (0.0, 0.5, 1.0)]
    inside = (slice(1, 32), slice(1, 24))  # elsewhere a wave is its own mirror image
    a, b, c = (spectrum[inside] for spectrum in ends)
    for one in (b, c):
        torch.testing.assert_close(one.abs(), a.abs())
    # Half of the way is at a right angle to nothing but the bisector of both ends.
    unit = [one / one.abs() for one in (a, b, c)]
    middle = unit[0] + unit[2]
    torch.testing.assert_close(unit[1], middle / middle.abs())
    torch.testing.assert_close(torch.fft.irfft2(ends[0], s=image.shape), image)


def test_folds_hold_out_other_pictures():
    kept = [atoms.patches(fold=fold) for fold in FOLDS]
    for Y, new in kept:
        assert Y.shape == (10_000, 144) and new.shape == (1000, 144)
        assert Y.mean(1).abs().max() < 1e-12 and float(Y.std()) == pytest.approx(1)
    assert torch.cdist(kept[0][1], kept[1][1]).min() > 1e-6


def test_no_picture_is_learned_from_and_held_out(monkeypatch):
    monkeypatch.setattr(atoms, "cut", lambda pictures, *_: list(map(id, pictures)))
    seen = [atoms._split.__wrapped__(0.0, 0.4, fold) for fold in FOLDS]
    for learned_from, held_out in seen:
        assert len(set(learned_from)) == 4 and len(set(held_out)) == 2
        assert not set(learned_from) & set(held_out)
    assert len({one for _, held_out in seen for one in held_out}) == 6


def test_whitened_samples_have_covariance_one():
    Y, _ = atoms.patches()
    X, back = atoms.whitened(Y)
    torch.testing.assert_close(X.T @ X / len(X), torch.eye(143).double(), atol=1e-9, rtol=0)
    torch.testing.assert_close(X @ back, Y)
    B = atoms.first_directions(7, 1)
    torch.testing.assert_close(B @ B.T, torch.eye(7).double())
    torch.testing.assert_close(atoms.orthonormal(3 * B), B)


def test_ranges_go_over_the_folds():
    told = atoms.ranges(Training(), {"edges": "share", "price": "lam"})
    lams = [atoms.figures(Training(fold=fold))["lam"] for fold in FOLDS]
    assert told["price"] == f"{min(lams):.2f} to {max(lams):.2f}"
    assert list(told) == ["edges", "price"] and told["edges"].endswith("%")


def test_edges_at_every_price_and_fewer_the_more_is_scrambled():
    """What the notebook says in words."""
    for price in PRICES:
        assert atoms.figures(Training("photographs", price))["share"] > 0.95
    for fold in FOLDS:
        shares = [atoms.figures(Training(phases=t, fold=fold))["share"] for t in PHASES]
        assert shares[0] > 0.95 and shares[2] > 0.9 and max(shares[4:]) < 0.3


def test_packing_keeps_what_a_gabor_fit_sees():
    W = atoms.atoms(Training()).W
    rows = torch.as_tensor(tool.packed(W)).double()
    again = (rows / rows.norm(dim=1, keepdim=True)).T
    torch.testing.assert_close(again, W, atol=2e-3, rtol=0)
    fit = fit_gabors(W.T.unflatten(1, (12, 12))[:10])
    assert fit.r2.min() > 0.7
