"""Fuzzy balls: each term by hand, against torch.distributions and by sampling; springs that act."""

import math

import numpy as np
import pytest
import scipy.stats
import torch

from rlvebm_utils.course.vae import (
    Balls,
    FuzzyBallAutoencoder,
    collapse_spring,
    information,
    overlap,
    size_term,
    train_balls,
)

# Samples along two directions of variance 4 and 1, inside [0, 1] after scaling.
GENERATOR = torch.Generator().manual_seed(0)
Y = 0.5 + 0.3 * torch.tanh(
    torch.randn(200, 2, generator=GENERATOR, dtype=torch.float64)
    @ torch.randn(2, 12, generator=GENERATOR, dtype=torch.float64)
)


def model(**options):
    return FuzzyBallAutoencoder(12, hidden=(16,), **options).double()


def noise(*shape, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, generator=generator, dtype=torch.float64)


def balls(n=5, seed=0, c=2):
    return Balls(noise(n, c, seed=seed), noise(n, c, seed=seed + 1).exp())


def encode(machine, y=Y):
    with torch.no_grad():
        return machine.encode(y)


def spread(machine):
    return float(encode(machine).mean.square().sum(1).mean().sqrt())


# ---- The terms ----


@pytest.mark.parametrize("sigma", [0.5, 1.0, None])
def test_terms_by_hand(sigma):
    size = 0.7 if sigma is None else 0.0
    machine, e = model(spring=0.3, size=size, sigma=sigma), noise(200, 2)
    terms = machine.terms(Y, e)
    out = machine.encoder(Y)
    v = out[:, 2:].exp() if sigma is None else torch.full_like(out, sigma**2)
    y_hat = 1 / (1 + (-machine.decoder(out[:, :2] + v.sqrt() * e)).exp())
    torch.testing.assert_close(terms.fit, 0.5 * ((Y - y_hat) ** 2).sum(1))
    torch.testing.assert_close(terms.spring, 0.3 * (out[:, :2] ** 2).sum(1))
    torch.testing.assert_close(terms.size, size * (v - v.log() - 1).sum(1))
    torch.testing.assert_close(terms.total, terms.fit + terms.spring + terms.size)


def test_halves_are_the_kl_divergence_of_torch():
    machine = model(spring=0.5, size=0.5, sigma=None)
    terms, b = machine.terms(Y, noise(200, 2)), machine.encode(Y)
    p = torch.distributions.Normal(torch.zeros(2, dtype=torch.float64), 1.0)
    q = torch.distributions.Normal(b.mean, b.variance.sqrt())
    kl = torch.distributions.kl_divergence(q, p).sum(1)
    torch.testing.assert_close(terms.spring + terms.size, kl, rtol=0, atol=1e-12)


def test_size_term_is_lowest_at_one():
    v = torch.linspace(0.01, 5, 500, dtype=torch.float64)
    assert size_term(torch.ones(1)).item() == 0
    assert float(v[size_term(v).argmin()]) == pytest.approx(1, abs=0.01)
    assert (size_term(v[v < 0.99]).diff() < 0).all() and (size_term(v[v > 1.01]).diff() > 0).all()


def test_points_have_the_balls_mean_and_variance():
    b = Balls(torch.tensor([[1.0, -2.0]]), torch.tensor([[0.25, 4.0]]))
    points = b.point(noise(100_000, 2).float())
    torch.testing.assert_close(points.mean(0), b.mean[0], rtol=0, atol=0.03)
    torch.testing.assert_close(points.var(0), b.variance[0], rtol=0.03, atol=0)


def test_decoder_sees_the_noise():
    machine = model()
    a, b = (machine.terms(Y, noise(200, 2, seed=s)).fit for s in (0, 1))
    assert (a != b).all()


# ---- What training does ----


def test_balls_fly_without_a_spring_and_are_held_by_one():
    free, held, steps = model(), model(spring=0.05), range(0, 401, 20)
    norms = {}
    for name, machine in {"free": free, "held": held}.items():
        run = train_balls(machine, Y, epochs=200, learning_rate=1e-2, snapshots=steps)
        norms[name] = [float(b.mean.norm(dim=1).mean()) for b in run.snapshots.values()]
    assert scipy.stats.spearmanr(steps, norms["free"]).statistic > 0.9
    assert norms["free"][-1] > 3 * norms["held"][-1]
    assert norms["held"][-1] < 1.3 * norms["held"][-6]


@pytest.mark.parametrize(("share", "low", "high"), [(0.25, 0.3, 2.0), (4.0, 0.0, 0.1)])
def test_collapse_lies_beside_the_linear_theory(share, low, high):
    machine = model(spring=share * collapse_spring(Y))
    train_balls(machine, Y, epochs=150, learning_rate=1e-2)
    assert low <= spread(machine) <= high
    if share > 1:
        with torch.no_grad():
            pictures = machine.decode(encode(machine).mean)
        torch.testing.assert_close(pictures, Y.mean(0).expand_as(Y), rtol=0, atol=0.03)


def test_size_price_keeps_balls_from_becoming_dots():
    priced, free = model(spring=0.5, size=0.5, sigma=None), model(sigma=None)
    for machine in (priced, free):
        train_balls(machine, Y, epochs=100, learning_rate=1e-2)
    small, large = encode(free).variance.median(), encode(priced).variance.median()
    assert small < 0.02 and 0.05 < large < 1.1


def test_learning_lowers_the_energy_and_is_repeatable():
    runs = []
    for _ in range(2):
        machine = model(spring=0.01, seed=3)
        runs.append(train_balls(machine, Y, epochs=20, learning_rate=1e-2, seed=5))
    assert runs[0].energy.shape == (40, 3)
    assert torch.equal(runs[0].energy, runs[1].energy)
    assert runs[0].energy[-4:].sum(1).mean() < 0.8 * runs[0].energy[0].sum()


def test_every_epoch_has_an_order_of_its_own(monkeypatch):
    seen, step = [], FuzzyBallAutoencoder.terms
    monkeypatch.setattr(
        FuzzyBallAutoencoder, "terms", lambda self, y, *_: seen.append(y) or step(self, y, *_)
    )
    train_balls(model(), Y, epochs=2, batch_size=len(Y))
    first, second = seen
    assert not torch.equal(first, second)
    for epoch in seen:  # each sample once
        assert torch.equal(epoch.sort(0).values, Y.sort(0).values)


def test_interruption_keeps_what_was_reached(monkeypatch):
    machine, calls = model(), []
    step = FuzzyBallAutoencoder.terms

    def stop_at_the_fourth(self, *args):
        calls.append(1)
        if len(calls) == 4:
            raise KeyboardInterrupt
        return step(self, *args)

    monkeypatch.setattr(FuzzyBallAutoencoder, "terms", stop_at_the_fourth)
    run = train_balls(machine, Y, epochs=5, snapshots=(0, 2, 8))
    assert run.interrupted and run.energy.shape == (3, 3) and list(run.snapshots) == [0, 2]


def test_global_random_state_and_samples_are_left_alone():
    before, y = torch.get_rng_state(), Y.clone()
    train_balls(model(seed=9), y, epochs=1)
    assert torch.equal(torch.get_rng_state(), before) and torch.equal(y, Y)


# ---- Overlap, collapse, information ----


def test_overlap_of_equal_radii():
    a = Balls(torch.tensor([[0.0, 0.0]]), torch.full((1, 2), 4.0))
    b = Balls(torch.tensor([[3.0, 4.0]]), torch.full((1, 2), 4.0))
    assert overlap(a, b).item() == pytest.approx(math.exp(-25 / (8 * 4)))
    assert overlap(a, a).item() == pytest.approx(1)


def test_overlap_is_the_integral():
    a, b = balls(3), balls(4, seed=7)
    found = overlap(a, b)
    x = np.linspace(-30, 30, 60_001)
    for i in range(3):
        for j in range(4):
            product = 1.0
            for c in range(2):
                p = scipy.stats.norm.pdf(x, a.mean[i, c], a.variance[i, c].sqrt())
                q = scipy.stats.norm.pdf(x, b.mean[j, c], b.variance[j, c].sqrt())
                product *= np.trapezoid(np.sqrt(p * q), x)
            assert float(found[i, j]) == pytest.approx(product, rel=1e-5)


@pytest.mark.parametrize("sigma", [0.5, 1.0, 3.0])
def test_collapse_spring_is_the_top_eigenvalue(sigma):
    top = np.linalg.eigvalsh(np.cov(Y.T.numpy(), bias=True))[-1]
    assert collapse_spring(Y, sigma) == pytest.approx(top / (2 * sigma**2))


def test_information_of_far_and_of_equal_balls():
    far = Balls(100 * torch.arange(16.0)[:, None], torch.ones(16, 1))
    same = Balls(torch.zeros(16, 1), torch.ones(16, 1))
    assert information(far, noise(16, 1).float()) == pytest.approx(4)
    assert information(same, noise(16, 1).float()) == pytest.approx(0, abs=1e-6)


# ---- Bad input ----


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"spring": -1}, "spring: expected"),
        ({"spring": math.nan}, "spring: expected"),
        ({"sigma": 0}, "sigma: expected a number > 0"),
        ({"sigma": -1.0}, "sigma: expected"),
        ({"size": -0.5, "sigma": None}, "size: expected"),
        ({"size": 0.5}, "size: expected 0 where sigma is fixed"),
        ({"code": 0}, "code: expected"),
        ({"hidden": (0,)}, "hidden: expected"),
        ({"seed": -1}, "seed: expected"),
    ],
)
def test_bad_model(options, words):
    with pytest.raises(ValueError, match=words):
        FuzzyBallAutoencoder(12, **options)


@pytest.mark.parametrize(
    ("y", "options", "error", "words"),
    [
        (Y.numpy(), {}, TypeError, "y: expected a torch.Tensor"),
        (Y[:, :5], {}, ValueError, r"y: expected samples \(N, 12\)"),
        (Y.float(), {}, ValueError, "y: expected torch.float64"),
        (Y * math.nan, {}, ValueError, "y: expected finite"),
        (Y, {"epochs": 0}, ValueError, "epochs: expected"),
        (Y, {"batch_size": 0}, ValueError, "batch_size: expected"),
        (Y, {"learning_rate": 0.0}, ValueError, "learning_rate: expected"),
        (Y, {"seed": -1}, ValueError, "seed: expected"),
        (Y, {"snapshots": 3}, TypeError, "snapshots: expected a tuple"),
        (Y, {"epochs": 1, "snapshots": (3,)}, ValueError, "snapshots: expected steps from 0 to 2"),
    ],
)
def test_bad_training(y, options, error, words):
    machine = model()
    before = [w.clone() for w in machine.parameters()]
    with pytest.raises(error, match=words):
        train_balls(machine, y, **options)
    assert all(torch.equal(a, b) for a, b in zip(before, machine.parameters(), strict=True))


def test_bad_balls():
    with pytest.raises(TypeError, match="a: expected Balls"):
        overlap(Y)
    with pytest.raises(ValueError, match=r"a.variance: expected numbers > 0"):
        overlap(Balls(torch.zeros(2, 2), torch.zeros(2, 2)))
    with pytest.raises(ValueError, match="b: expected codes of 2 entries"):
        overlap(balls(), balls(c=3))
    with pytest.raises(ValueError, match="noise: expected shape"):
        information(balls(), noise(5, 3))
    with pytest.raises(ValueError, match="y: expected at least two samples"):
        collapse_spring(Y[:1])
    with pytest.raises(TypeError, match="model: expected a FuzzyBallAutoencoder"):
        train_balls(None, Y)
