"""Fast dictionary learning: as good as the readable learner, and sound in each of its parts."""

import pytest
import torch
from problems import needs_c, normal, random_dictionary
from test_learning import ATOMS, Y, lengths, likeness, mean_energy, planted

from rlvebm_utils import Dictionary, energy, fista, learn_dictionary
from rlvebm_utils import learn_dictionary_fast as learn
from rlvebm_utils.fast import learning as fast_learning
from rlvebm_utils.learning import update_atoms

backends = pytest.mark.parametrize("backend", ["torch", pytest.param("c", marks=needs_c)])
signs = pytest.mark.parametrize("nonnegative", [False, True])
WORK = {"torch": fast_learning._Batched, "c": fast_learning._Compiled}
OPTIONS = {"passes": 6, "batch_size": 200, "memory": 0.1}


@backends
@signs
def test_planted_atoms_come_back(backend, nonnegative):
    """Up to sign and order."""
    y, W = planted(2000, 24, 20, seed=1, nonnegative=nonnegative)
    options = dict(nonnegative=nonnegative, backend=backend, passes=15, batch_size=200)
    cosines = likeness(W, learn(y, 20, 0.3, memory=0.1, **options).dictionary.W)
    assert (cosines > 0.98).sum() >= 19, cosines


@backends
def test_as_good_as_the_readable_learner(backend):
    """On held-out samples, after as many passes with a quarter of its coding steps."""
    train, test = Y[:1500], Y[1500:]
    slow = learn_dictionary(train, 20, 0.3, steps=105, batch_size=200)
    fast = learn(train, 20, 0.3, passes=15, batch_size=200, memory=0.1, backend=backend)
    assert len(fast.energy) == len(slow.energy)
    reached = mean_energy(fast.dictionary.W, test, 0.3)
    assert reached < 1.01 * mean_energy(slow.dictionary.W, test, 0.3)
    assert reached < 1.05 * mean_energy(ATOMS, test, 0.3)


@backends
@pytest.mark.parametrize("rows", [1, 2, 63, 64, 65, 128, 129])
def test_a_batch_is_its_samples_one_by_one(backend, rows):
    """However they are shared among the threads."""
    W, y = random_dictionary(12, 20, seed=3).T.contiguous(), normal(rows, 12, seed=4)
    work, z = WORK[backend](0.3, False, 3), torch.zeros(rows, 20, dtype=torch.float64)
    told, one = work.improve(z, W, y), torch.zeros(1, 20, dtype=torch.float64)
    for row in {0, rows // 2, rows - 1}:
        alone = work.improve(one.zero_(), W, y[row : row + 1])
        torch.testing.assert_close(one[0], z[row])
        torch.testing.assert_close(alone[0], told[row])
        assert one.any()


@backends
@signs
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_codes_get_better_until_they_are_best(backend, nonnegative, dtype):
    """Each call goes on from the codes it is given; in the end they are FISTA's."""
    W, y = random_dictionary(24, 40, seed=3), normal(100, 24, seed=4)
    work = WORK[backend](0.3, nonnegative, 2)
    z, rows, y = torch.zeros(100, 40, dtype=dtype), W.T.contiguous().to(dtype), y.to(dtype)
    values = []
    for _ in range(60):
        told = work.improve(z, rows, y)
        values.append(float(energy(Dictionary(W.to(dtype)), y, z, 0.3).mean()))
        assert float(told.mean()) == pytest.approx(values[-1], rel=1e-5)
    assert not nonnegative or (z >= 0).all()
    assert all(b <= a * (1 + 1e-6) for a, b in zip(values, values[1:], strict=False))
    best = fista(Dictionary(W), y.double(), 0.3, nonnegative=nonnegative, tol=1e-6).energy.mean()
    assert values[1] > 1.001 * best
    assert values[-1] == pytest.approx(float(best), rel=2e-5)


@backends
def test_mirrored_samples_have_mirrored_codes(backend):
    """However many sweeps a code takes: when to stop does not depend on a sign."""
    W, y = random_dictionary(24, 40, seed=3), normal(100, 24, seed=4)
    y[:40] = -2 * W.T  # codes whose entries all move down
    z, mirrored = torch.zeros(2, 100, 40, dtype=torch.float64)
    for codes, samples in ((z, y), (mirrored, -y)):
        WORK[backend](0.3, False, 50).improve(codes, W.T.contiguous(), samples)
    assert (z != 0).any(1).all() and torch.equal(mirrored, -z)


@backends
@signs
def test_atoms_are_updated_as_in_the_readable_learner(backend, nonnegative):
    """Also those that no sample uses, which stay, and more of them than a block holds."""
    y, z, W = normal(300, 9, seed=1), normal(300, 50, seed=2), random_dictionary(9, 50, seed=3)
    z[:, 7] = 0
    if nonnegative:
        y, z, W = y.abs(), z.abs(), W.abs()
    A, B = z.T @ z, y.T @ z
    rows, W = W.T.contiguous(), W.clone()
    WORK[backend](0.3, nonnegative, 2).update(rows, A, B.T.contiguous())
    before = W.clone()
    update_atoms(W, A, B, nonnegative=nonnegative)
    torch.testing.assert_close(rows.T, W, rtol=0, atol=1e-10)
    assert torch.equal(rows[7], before[:, 7])


def test_statistics_are_those_of_the_batches(monkeypatch):
    """At every step, from scratch: Σ weight · zzᵀ and Σ weight · yzᵀ; the weights' window grows."""
    seen, batches = [], []

    class Watched(fast_learning._Batched):
        def improve(self, z, W, batch):
            told = super().improve(z, W, batch)
            batches.append((z.clone(), batch.clone()))
            return told

        def update(self, W, A, B):
            super().update(W, A, B)
            seen.append((A.clone(), B.clone()))

    monkeypatch.setattr(fast_learning, "_backend", lambda *_: Watched)
    learn(Y, 20, 0.3, passes=2, batch_size=200, memory=0.5)
    assert len(seen) == 20
    for t, (A, B) in enumerate(seen, start=1):
        # (1 − 1/s)² over s = k + 1 … t multiplies to (k/t)²
        weights = [(k / t) ** 2 for k in range(1, t + 1)]
        parts = list(zip(weights, batches[:t], strict=True))
        torch.testing.assert_close(A, sum(w * z.T @ z for w, (z, _) in parts))
        torch.testing.assert_close(B, sum(w * z.T @ y for w, (z, y) in parts))


@backends
def test_codes_start_from_the_last_ones(backend, monkeypatch):
    """A sample's second code starts from its first."""
    starts, ends = [], []
    original = WORK[backend]

    class Watched(original):
        def improve(self, z, W, batch):
            starts.append(z.clone())
            told = super().improve(z, W, batch)
            ends.append(z.clone())
            return told

    monkeypatch.setattr(fast_learning, "_backend", lambda *_: Watched)
    learn(Y[:200], 20, 0.3, passes=3, batch_size=200)
    assert (starts[0] == 0).all()
    # the order differs from pass to pass: compare as sets of rows
    for end, start in zip(ends, starts[1:], strict=False):
        assert (end != 0).any()
        torch.testing.assert_close(end.sort(0).values, start.sort(0).values, rtol=0, atol=0)


@backends
@signs
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_result(backend, nonnegative, dtype):
    y = Y.to(dtype)
    options = OPTIONS | {"nonnegative": nonnegative, "backend": backend}
    run = learn(y, 30, 0.1, **options, snapshots=(0, 1, 60))
    assert sorted(run.snapshots) == [0, 1, 60]
    assert run.energy.shape == (60,)
    assert run.energy.dtype == torch.float64
    assert run.energy[-10:].mean() < 0.85 * run.energy[0]
    for W in (*run.snapshots.values(), run.dictionary.W):
        assert W.dtype == dtype
        assert W.shape == (24, 30)
        assert (lengths(W) - 1).abs().max() <= (1e-12 if dtype == torch.float64 else 1e-6)
        assert not nonnegative or (W >= 0).all()
    assert torch.equal(run.snapshots[60], run.dictionary.W)
    assert not torch.equal(run.snapshots[1], run.snapshots[60])
    assert torch.equal(y, Y.to(dtype))


@backends
def test_atoms_that_no_sample_uses_are_replaced(backend, monkeypatch):
    """Samples in 8 of 24 dimensions; half of the first atoms point into the others."""
    y = Y.clone()
    y[:, 8:] = 0
    W = torch.cat([normal(12, 24, seed=1), normal(12, 24, seed=2)])
    W[:12, :8], W[12:, 8:] = 0, 0
    W /= torch.linalg.vector_norm(W, dim=1, keepdim=True)
    monkeypatch.setattr(fast_learning, "_samples_as_atoms", lambda *_: W.clone())
    run = learn(y, 24, 0.05, **OPTIONS, backend=backend)
    assert run.reseeded >= 12
    assert lengths(run.dictionary.W[:8]).min() > 0.999  # all point where the samples are
    assert (fista(run.dictionary, y, 0.05).z != 0).any(0).all()


def test_first_atoms_are_different_samples():
    y = Y.clone()
    y[0] = 0  # no direction to start from
    run = learn(y[:10], 15, 1e3, passes=1, snapshots=(0,), backend="torch")
    cosines = (y[1:10] @ run.snapshots[0]) / torch.linalg.vector_norm(y[1:10], dim=1)[:, None]
    assert (cosines.max(1).values > 1 - 1e-9).all()
    assert torch.equal(run.dictionary.W, run.snapshots[0])  # all codes are zero: nothing to learn


@backends
def test_the_seed_decides(backend):
    state = torch.get_rng_state()
    a = learn(Y, 20, 0.1, **OPTIONS, seed=3, backend=backend)
    assert torch.equal(torch.get_rng_state(), state)  # the caller's random numbers are not used
    torch.rand(7)
    b = learn(Y, 20, 0.1, **OPTIONS, seed=3, backend=backend, progress=True)
    other = learn(Y, 20, 0.1, **OPTIONS, seed=4, backend=backend)
    assert torch.equal(a.dictionary.W, b.dictionary.W)
    assert torch.equal(a.energy, b.energy)
    assert not torch.equal(a.dictionary.W, other.dictionary.W)


@backends
@pytest.mark.parametrize("N, batch_size", [(1, 1), (7, 3), (7, 100)])
def test_batches_of_every_size(backend, N, batch_size):
    run = learn(Y[:N], 5, 0.1, passes=4, batch_size=batch_size, backend=backend)
    assert run.energy.shape == (4 * max(1, N // batch_size),)
    assert run.dictionary.W.isfinite().all()


def test_a_lambda_that_leaves_no_code_is_said():
    with pytest.warns(UserWarning, match="^lam: all codes were zero at λ = 1e") as said:
        learn(Y, 5, 1e6, passes=2)
    assert len(said) == 1


def test_an_interrupt_keeps_what_was_learned(monkeypatch):
    class Interrupted(fast_learning._Batched):
        calls = 0

        def improve(self, *arguments):
            self.calls += 1
            if self.calls == 8:
                raise KeyboardInterrupt
            return super().improve(*arguments)

    monkeypatch.setattr(fast_learning, "_backend", lambda *_: Interrupted)
    run = learn(Y, 20, 0.1, **OPTIONS, snapshots=(7,))
    assert run.interrupted
    assert run.energy.shape == (7,)
    assert torch.equal(run.dictionary.W, run.snapshots[7])


BAD = {
    "y": ([1.0], torch.zeros(4, 3), torch.ones(4), torch.ones(4, 3).long(), Y[:5] / 0),
    "n_atoms": (0, 2.5),
    "lam": (-1, torch.ones(3), "much"),
    "passes": (0, 1.5),
    "batch_size": (0, "all"),
    "sweeps": (0, 2.5),
    "memory": (0, 1.5, -0.1, "short"),
    "backend": ("cuda", None),
    "seed": (-1,),
    "snapshots": ((10_000,), 3),
}


@pytest.mark.parametrize("name, value", [(n, v) for n, values in BAD.items() for v in values])
def test_bad_input_is_named(name, value):
    arguments = {"y": Y, "n_atoms": 5, "lam": 0.1} | {name: value}
    with pytest.raises((TypeError, ValueError), match=f"^{name}: "):
        learn(**arguments)


def test_c_on_other_devices():
    with pytest.raises(ValueError, match="backend: 'c' needs samples on the CPU"):
        fast_learning._backend("c", Y.to("meta"))
    assert fast_learning._backend("auto", Y.to("meta")) is fast_learning._Batched
