"""The atoms that are shipped: all are there, one is learned again, and what they rest on."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from rlvebm_utils.course import atoms
from rlvebm_utils.course.atoms import FIGURES, FOLDS, PHASES, PRICES, Training
from rlvebm_utils.course.claims import register
from rlvebm_utils.course.data import load_photographs, whiten
from rlvebm_utils.course.gabor import fit_gabors, gabor
from tools import atoms as tool


@pytest.mark.parametrize("one", tool.trainings(), ids=lambda one: one.key)
def test_every_training_is_kept(one):
    for half in (False, True):
        told = atoms.figures(one, half=half)
        assert list(told) == [*FIGURES, "local"] and told["lam"] > 0
        assert math.isnan(told["local"]) == ("local" not in tool.parts(one))
        assert not told["local"] > told["share"], "local are some of the Gabor functions"
        assert 0 < told["explained"] < 1 and 1 <= told["covered"] <= 400
        assert math.isnan(told["share"]) == (one.data == "digits")
        if not one.price:  # dictionaries are compared at equal non-zeros
            assert told["nonzeros"] == pytest.approx(atoms.NONZEROS, rel=0.1)
    if tool.shown(one):
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
        assert atoms.edges(W.W)[1] == pytest.approx(told["local"], abs=0.03)
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


def test_the_first_steps_made_again():
    one = Training("photographs", atoms.EARLY_PRICES[1])
    told = atoms.early(one)
    again = tool.early(one, atoms.figures(one)["lam"], atoms.samples(one)[0])
    assert again.tolist() == pytest.approx(list(told.values()), abs=0.12)
    assert told[atoms.EARLY[0]] < 0.5 < 0.9 < told[atoms.EARLY[-1]]
    with pytest.raises(ValueError, match="expected what is kept"):
        atoms.early(Training())


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


def test_local_is_nearer_to_a_gabor_function_than_to_noise():
    """The bound is the one that the notebook derives, and all three kinds are told apart by it."""
    one = torch.tensor([[5.5, 5.5, 0.6, 0.22, math.log(2), math.log(3), 1.0, 0.0]]).double()
    ideal = gabor(one, 12).flatten(1).T
    noise = torch.randn(144, 500, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    ends = [float(atoms.covered(W).median()) for W in (ideal, noise)]
    assert round(sum(ends) / 2) == atoms.LOCAL
    row, column = torch.meshgrid(torch.arange(12), torch.arange(12), indexing="ij")
    wave = torch.sin(2 * math.pi * (column + 0.3 * row) / 4).flatten()[:, None].double()
    assert atoms.edges(ideal) == (1.0, 1.0)
    assert atoms.edges(wave) == (1.0, 0.0), (
        "R² alone calls a wave across the patch a Gabor function"
    )
    assert atoms.edges(noise[:, :20]) == (0.0, 0.0)
    assert atoms.edges(torch.cat([ideal, wave], 1)) == (1.0, 0.5)


def test_it_is_neither_contrast_nor_ica():
    """What the notebook says of its controls: photographs are ahead of their twins in each."""
    photographs = (Training(), Training("even"), Training("ica", atoms=143))
    against = (Training(), Training("lent"), Training("even"), Training("ica", atoms=143))
    for fold in FOLDS:
        here = [atoms.figures(replace(one, fold=fold)) for one in photographs]
        there = [atoms.figures(replace(one, fold=fold, phases=1.0)) for one in against]
        assert min(one["share"] for one in here) > 0.7 > 0.3 > max(one["share"] for one in there)
        assert min(one["local"] for one in here) > 0.5 > 0.1 > max(one["local"] for one in there)


def test_lengths_are_made_equal_or_lent():
    photo, twin = (atoms.patches(phases=t, fold=1) for t in (0.0, 1.0))
    even, lent = (atoms.samples(Training(data, phases=1.0, fold=1)) for data in ("even", "lent"))
    for k in range(2):
        for made, lengths in ((even[k], torch.tensor(12.0)), (lent[k], photo[k].norm(dim=1))):
            torch.testing.assert_close(made.norm(dim=1), lengths.expand(len(made)).double())
            torch.testing.assert_close(made / made.norm(dim=1)[:, None], unit(twin[k]))


def unit(y):
    return y / y.norm(dim=1, keepdim=True)


def test_a_texture_is_held_out_on_the_right(monkeypatch):
    seen = []
    monkeypatch.setattr(atoms, "cut", lambda pictures, *_: seen.append(*pictures))
    for phases in (0.0, 1.0):
        atoms.texture("gravel", phases)
    whole = whiten(load_photographs(textures=True, dtype=torch.float64)["gravel"])
    torch.testing.assert_close(torch.cat(seen[:2], 1), whole)
    power = [torch.fft.rfft2(one).abs() for one in (whole, torch.cat(seen[2:], 1))]
    torch.testing.assert_close(*power)
    assert seen[0].shape[1] == 2 * whole.shape[1] // 3


def test_half_of_a_training_may_move_a_share_as_far_as_the_folds_differ():
    """Or by 5 points; the register holds it relative to the largest fold."""
    spread = register()["GABOR-1"].spread

    def over_folds(one):
        folds = [atoms.figures(replace(one, fold=fold)) for fold in FOLDS]
        return {name: np.array([told[name] for told in folds]) for name in ("share", "local")}

    ours, twins = over_folds(Training()), over_folds(Training(phases=1.0))
    series = {"share": ours["share"], "local": ours["local"], "twins": twins["share"]}
    series["ahead"] = ours["local"] - twins["local"]
    for name, values in series.items():
        assert spread[name] <= max(np.ptp(values), 0.05) / values.max() < spread[name] + 0.02, name


def test_what_is_missing_is_learned_and_nothing_else_changes(tmp_path, monkeypatch):
    here, there = Training(), Training("even")
    monkeypatch.setattr(tool, "trainings", lambda: [here, there])
    monkeypatch.setattr(tool, "shown", lambda one: False)
    learned = []

    def arrays(one):
        learned.append(one)
        return {f"{one.key}/{part}": np.full(2, 7.0) for part in tool.parts(one)}

    monkeypatch.setattr(tool, "arrays", arrays)
    target = tmp_path / "atoms.npz"
    kept = {f"{here.key}/{part}": np.arange(3.0) for part in tool.parts(here)[:-1]}
    np.savez_compressed(target, about="as it was", **kept)
    for _ in range(2):
        tool.main(target, missing=True)
    assert learned == [here, there], "each once, also where a part alone is missing"
    with np.load(target) as archive:
        assert str(archive["about"]) == "as it was"
        for key, value in kept.items():
            assert archive[key].tolist() == value.tolist()
        assert len(archive.files) == 1 + sum(len(tool.parts(one)) for one in (here, there))
    tool.main(target)
    assert learned == [here, there] * 2, "without the option all of them"


def test_packing_keeps_what_a_gabor_fit_sees():
    W = atoms.atoms(Training()).W
    rows = torch.as_tensor(tool.packed(W)).double()
    again = (rows / rows.norm(dim=1, keepdim=True)).T
    torch.testing.assert_close(again, W, atol=2e-3, rtol=0)
    fit = fit_gabors(W.T.unflatten(1, (12, 12))[:10])
    assert fit.r2.min() > 0.7
