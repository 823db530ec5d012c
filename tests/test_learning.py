"""Dictionary learning: planted atoms come back, columns keep unit length, no atom stays unused."""

import re
import warnings

import numpy as np
import pytest
import scipy.optimize
import sklearn.decomposition
import torch
from problems import normal, random_dictionary, unit

from rlvebm_utils import Dictionary, fista, learn_dictionary, learning
from rlvebm_utils.learning import update_atoms


def planted(N, d, n, seed=0, active=2, nonnegative=False):
    """Samples made of few atoms each, and the atoms."""
    generator = torch.Generator().manual_seed(seed)
    W = random_dictionary(d, n, seed=seed)
    if nonnegative:
        W = unit((W - 0.1).clamp(min=0) + 1e-3)
    z = torch.randn(N, n, generator=generator, dtype=torch.float64)
    z = z.sign() * (z.abs() + 0.5)
    z *= torch.rand(N, n, generator=generator) < active / n
    if nonnegative:
        z = z.abs()
    y = z @ W.T
    return y + 0.01 * torch.randn(N, d, generator=generator, dtype=torch.float64), W


def likeness(W, V):
    """|cosine| of each atom of W with its own partner in V: the best assignment."""
    cosines = (unit(W).T @ unit(V)).abs().numpy()
    rows, columns = scipy.optimize.linear_sum_assignment(-cosines)
    return torch.tensor(cosines[rows, columns])


def mean_energy(W, y, lam, nonnegative=False):
    W = W.to(y.dtype)
    return float(fista(Dictionary(W), y, lam, nonnegative=nonnegative, tol=1e-5).energy.mean())


def lengths(W):
    return torch.linalg.vector_norm(W, dim=0)


Y, ATOMS = planted(2000, 24, 20)
OPTIONS = {"steps": 60, "batch_size": 200}


@pytest.mark.parametrize("nonnegative", [False, True])
def test_planted_atoms_come_back(nonnegative):
    """Up to sign and order."""
    y, W = planted(2000, 24, 20, seed=1, nonnegative=nonnegative)
    found = learn_dictionary(y, 20, 0.3, nonnegative=nonnegative, steps=150, batch_size=200)
    cosines = likeness(W, found.dictionary.W)
    assert (cosines > 0.98).sum() >= 19, cosines
    chance = likeness(W, random_dictionary(24, 20, seed=99))
    assert (chance > 0.98).sum() == 0


@pytest.mark.filterwarnings("ignore:Objective did not converge")  # scikit-learn's inner solver
def test_energy_falls_as_low_as_scikit_learn():
    """On samples that were held out, after as many passes; the planted atoms are the yardstick."""
    train, test, lam = Y[:1500], Y[1500:], 0.3
    ours = learn_dictionary(train, 20, lam, steps=150, batch_size=200)
    theirs = sklearn.decomposition.MiniBatchDictionaryLearning(
        20, alpha=lam, fit_algorithm="cd", batch_size=200, max_iter=20, random_state=0
    ).fit(train.numpy())
    reached = mean_energy(ours.dictionary.W, test, lam)
    assert reached < 1.01 * mean_energy(unit(torch.tensor(theirs.components_.T)), test, lam)
    assert reached < 1.05 * mean_energy(ATOMS, test, lam)
    assert reached < 0.7 * mean_energy(random_dictionary(24, 20, seed=7), test, lam)


def test_energy_is_that_of_each_batch():
    run = learn_dictionary(Y, 20, 0.1, **OPTIONS, snapshots=(0,))
    assert run.energy.shape == (60,)
    assert run.energy.dtype == torch.float64
    assert run.energy[-10:].mean() < 0.6 * run.energy[0]
    # The first batch against the first atoms: near the mean over all samples.
    assert float(run.energy[0]) == pytest.approx(mean_energy(run.snapshots[0], Y, 0.1), rel=0.1)


@pytest.mark.parametrize("nonnegative", [False, True])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_atoms_have_unit_length(dtype, nonnegative):
    y = Y.to(dtype)
    steps = (0, 1, 2, 5, 60)
    run = learn_dictionary(y, 30, 0.1, nonnegative=nonnegative, **OPTIONS, snapshots=steps)
    assert sorted(run.snapshots) == list(steps)
    limit = 1e-12 if dtype == torch.float64 else 1e-6
    for W in (*run.snapshots.values(), run.dictionary.W):
        assert W.dtype == dtype
        assert W.shape == (24, 30)
        assert (lengths(W) - 1).abs().max() <= limit
        assert not nonnegative or (W >= 0).all()
    assert torch.equal(run.snapshots[60], run.dictionary.W)
    assert not torch.equal(run.snapshots[5], run.snapshots[60])


def test_codes_start_from_the_last_ones():
    """So that three iterations a step do nearly what twenty do; from zero they stay 20 % above."""
    few, many = (learn_dictionary(Y, 20, 0.3, **OPTIONS, iterations=k).energy for k in (3, 20))
    assert few[-10:].mean() < 1.14 * many[-10:].mean()


def first_atoms(monkeypatch, W):
    """Start from these instead of random ones."""
    monkeypatch.setattr(learning, "first_atoms", lambda *_: W.clone())


def test_atoms_that_no_sample_uses_are_replaced(monkeypatch):
    """Samples in 8 of 24 dimensions; half of the first atoms point into the others."""
    y = Y.clone()
    y[:, 8:] = 0
    W = random_dictionary(24, 24)
    W[8:, :12] = 0
    W[:8, 12:] = 0
    first_atoms(monkeypatch, unit(W))
    run = learn_dictionary(y, 24, 0.05, **OPTIONS)
    assert run.reseeded >= 12
    assert lengths(run.dictionary.W[:8]).min() > 0.999  # all point where the samples are
    codes = fista(run.dictionary, y, 0.05).z
    assert (codes != 0).any(0).all()
    assert (lengths(run.dictionary.W) - 1).abs().max() <= 1e-12
    monkeypatch.undo()
    with_half = learn_dictionary(y, 12, 0.05, **OPTIONS)
    assert run.energy[-10:].mean() < 0.97 * with_half.energy[-10:].mean()


@pytest.mark.parametrize("nonnegative", [False, True])
def test_no_atom_is_replaced_by_nothing(monkeypatch, nonnegative):
    """More unused atoms than samples with an error to learn from: the rest stay as they are."""
    y = torch.zeros(40, 6, dtype=torch.float64)
    y[::10] = torch.tensor([1.0, 0, 0, 0, 0, 0]).double()
    W = torch.eye(6, dtype=torch.float64)
    first_atoms(monkeypatch, torch.cat([W[:, :1], W[:, 1:], W[:, 1:]], dim=1))
    run = learn_dictionary(y, 11, 0.2, nonnegative=nonnegative, steps=3, batch_size=40)
    assert (lengths(run.dictionary.W) - 1).abs().max() <= 1e-12
    assert 0 < run.reseeded


def test_nothing_to_learn_above_lambda_max():
    """All codes are zero: the atoms stay, the energy is that of z = 0."""
    with pytest.warns(UserWarning, match="all codes were zero"):
        run = learn_dictionary(Y, 20, 1e3, steps=5, batch_size=2000, snapshots=(0,))
    assert torch.equal(run.dictionary.W, run.snapshots[0])
    assert run.reseeded == 0
    assert torch.allclose(run.energy, 0.5 * Y.square().sum(1).mean())


@pytest.mark.parametrize("nonnegative", [False, True])
def test_a_lambda_that_leaves_no_code_is_said(nonnegative):
    """And what λ would."""
    with pytest.warns(UserWarning, match="^lam: all codes were zero at λ = 1e") as said:
        run = learn_dictionary(Y, 5, 1e6, steps=3, nonnegative=nonnegative)
    assert len(said) == 1 and said[0].filename == __file__
    below = float(re.search(r"a λ below (\S+)", str(said[0].message))[1])
    codes = [fista(run.dictionary, Y, s * below, nonnegative=nonnegative).z for s in (0.98, 1.02)]
    assert [bool(z.any()) for z in codes] == [True, False]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        learn_dictionary(Y, 5, 0.1, steps=3, nonnegative=nonnegative)


def test_an_interrupt_keeps_what_was_learned(monkeypatch):
    def stops_after_seven(steps, *_, **__):
        yield from list(steps)[:7]
        raise KeyboardInterrupt

    monkeypatch.setattr(learning, "track", stops_after_seven)
    y, _ = planted(200, 10, 15)
    run = learn_dictionary(y, 15, 0.1, steps=50, batch_size=20, snapshots=(7,))
    assert run.interrupted and run.energy.shape == (7,)
    assert torch.equal(run.dictionary.W, run.snapshots[7])


def test_the_seed_decides():
    state = torch.get_rng_state()
    a = learn_dictionary(Y, 20, 0.1, **OPTIONS, seed=3)
    assert torch.equal(torch.get_rng_state(), state)  # the caller's random numbers are not used
    torch.rand(7)
    b = learn_dictionary(Y, 20, 0.1, **OPTIONS, seed=3, progress=True)
    other = learn_dictionary(Y, 20, 0.1, **OPTIONS, seed=4)
    assert torch.equal(a.dictionary.W, b.dictionary.W)
    assert torch.equal(a.energy, b.energy)
    assert not torch.equal(a.dictionary.W, other.dictionary.W)


def test_samples_are_left_alone():
    y = Y.clone()
    learn_dictionary(y, 20, 0.1, steps=10, nonnegative=True)
    learn_dictionary(y, 20, torch.tensor(0.1), steps=10)
    assert torch.equal(y, Y)


@pytest.mark.parametrize("N, batch_size", [(1, 1), (7, 3), (7, 7), (7, 100)])
def test_batches_of_every_size(N, batch_size):
    run = learn_dictionary(Y[:N], 5, 0.1, steps=8, batch_size=batch_size)
    assert run.energy.shape == (8,)
    assert run.dictionary.W.isfinite().all()


def test_every_sample_has_its_turn():
    for N, size, steps in ((10, 5, 6), (10, 3, 7), (4, 4, 3)):
        generator = torch.Generator().manual_seed(0)
        batches = list(learning.Batches(N, size, steps, generator))
        assert [len(rows) for rows in batches] == [size] * steps
        one_pass = torch.cat(batches[: N // size])
        assert len(one_pass.unique()) == len(one_pass)
    orders = learning.Batches(10, 10, 2, torch.Generator().manual_seed(0))
    assert not torch.equal(*orders)


# ---- The update of the atoms ----


def statistics(nonnegative):
    y, z = normal(50, 8, seed=1), normal(50, 6, seed=2)
    W = random_dictionary(8, 6, seed=3)
    if nonnegative:
        y, z, W = y.abs(), z.abs(), W.abs()
    return W, z.T @ z, y.T @ z, y, z


@pytest.mark.parametrize("nonnegative", [False, True])
def test_update_never_raises_its_objective(nonnegative):
    """The squared error of the batch whose statistics it was given."""
    W, A, B, y, z = statistics(nonnegative)
    errors = []
    for _ in range(6):
        errors.append(0.5 * (y - z @ W.T).square().sum())
        update_atoms(W, A, B, nonnegative=nonnegative)
        assert (lengths(W) - 1).abs().max() <= 1e-12
        assert not nonnegative or (W >= 0).all()
    errors = torch.stack(errors)
    assert (errors.diff() <= 1e-12).all()
    assert errors[1] < 0.95 * errors[0]


@pytest.mark.parametrize("nonnegative", [False, True])
def test_update_finds_the_best_single_atom(nonnegative):
    """Against every direction of the plane."""
    y, z = normal(30, 2, seed=1) + 1, normal(30, 1, seed=2).abs()
    W = torch.tensor([[0.6], [0.8]], dtype=torch.float64)
    update_atoms(W, z.T @ z, y.T @ z, nonnegative=nonnegative)
    angles = torch.arange(0, 6.2832, 1e-4, dtype=torch.float64)
    every = torch.stack([angles.cos(), angles.sin()])
    if nonnegative:
        every = every[:, (every >= 0).all(0)]
    errors = (y[:, :, None] - z[:, :, None] * every).square().sum((0, 1))
    torch.testing.assert_close(W[:, 0], every[:, errors.argmin()], rtol=0, atol=1e-3)


def test_update_leaves_unused_atoms_alone():
    W, A, B, y, z = statistics(False)
    z[:, 2] = 0
    before = W.clone()
    update_atoms(W, z.T @ z, y.T @ z)
    assert torch.equal(W[:, 2], before[:, 2])
    assert not np.isclose(W[:, [0, 1, 3]], before[:, [0, 1, 3]]).all(0).any()
    update_atoms(W, torch.zeros_like(A), torch.zeros_like(B))
    assert W.isfinite().all()


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device on this machine")
def test_on_a_gpu():
    here = learn_dictionary(Y, 20, 0.1, steps=20)
    there = learn_dictionary(Y.cuda(), 20, 0.1, steps=20)
    assert there.dictionary.W.device.type == "cuda"
    assert likeness(here.dictionary.W, there.dictionary.W.cpu()).min() > 0.99
