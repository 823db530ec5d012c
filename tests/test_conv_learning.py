"""Convolutional dictionary learning: it finds planted kernels, its sweeps go downhill, and its
correlations are what they say.
"""

import pytest
import torch
from problems import normal

from rlvebm_utils import ConvDictionary, conv_learning, fista, learn_kernels
from rlvebm_utils.conv_learning import KernelLearner, better_codes, shift
from rlvebm_utils.workers import Workers


def planted(n=3, size=5, count=12, side=24, seed=0, channels=(), nonnegative=False):
    """Kernels, and images that a few of them make up."""
    generator = torch.Generator().manual_seed(seed)
    K = conv_learning.kernel_noise(n, channels, size, generator)
    K = K / K.flatten(1).norm(dim=1).reshape(-1, *[1] * (K.ndim - 1))
    shape = (count, n, side - size + 1, side - size + 1)
    z = torch.randn(shape, generator=generator, dtype=K.dtype)
    z = z.abs() if nonnegative else z
    z *= torch.rand(shape, generator=generator, dtype=K.dtype) < 0.02
    return K, ConvDictionary(K).decode(z)


def likeness(found, true, signed=False):
    """For each true kernel the best |cosine| with a found one, over shifts of up to 2 pixels."""
    best = torch.zeros(len(true), dtype=true.dtype)
    for down in range(-2, 3):
        for right in range(-2, 3):
            cosine = true.flatten(1) @ shift(found, down, right).flatten(1).T
            best = torch.maximum(best, (cosine if signed else cosine.abs()).amax(1))
    return best


@pytest.mark.parametrize("channels", [(), (3,)])
def test_finds_planted_kernels(channels):
    true, images = planted(channels=channels)
    run = learn_kernels(images, 3, 0.3, size=5, steps=80, seed=1)
    K = run.dictionary.K
    assert K.shape == true.shape and not run.interrupted
    torch.testing.assert_close(K.flatten(1).norm(dim=1), torch.ones(3).double())
    assert likeness(K, true).min() > 0.97
    random = learn_kernels(images, 3, 0.3, size=5, steps=1, seed=1).dictionary.K
    assert likeness(random, true).mean() < 0.9


def test_learning_lowers_the_energy_of_images_never_seen():
    true, images = planted(n=4, count=30, seed=2)
    seen, unseen = images[:20], images[20:]
    run = learn_kernels(seen, 4, 0.3, size=5, steps=60, snapshots=(0, 60))

    def mean_energy(K):
        return float(fista(ConvDictionary(K), unseen, 0.3, tol=1e-3).energy.mean())

    assert mean_energy(run.snapshots[60]) < 1.1 * mean_energy(true)
    assert mean_energy(run.snapshots[60]) < 0.7 * mean_energy(run.snapshots[0])
    assert torch.equal(run.snapshots[60], run.dictionary.K)
    assert run.energy.shape == (60,) and run.energy.dtype == torch.float64


def test_signs_of_nonnegative_codes():
    true, images = planted(n=2, nonnegative=True, seed=3)
    run = learn_kernels(images, 2, 0.3, size=5, steps=80, nonnegative=True)
    assert likeness(run.dictionary.K, true, signed=True).min() > 0.95


@pytest.mark.parametrize("channels", [(), (2,)])
def test_correlations_by_their_definition(channels):
    generator = torch.Generator().manual_seed(0)
    images, a = normal(5, *channels, 9, 11, seed=1), 3
    learner = KernelLearner(images, 2, a, False, generator)
    learner.codes = normal(5, 2, 7, 9, seed=2)
    learner.remember(torch.tensor([0, 3]), 0.5)
    first_A, first_B = learner.A.clone(), learner.B.clone()
    learner.remember(torch.tensor([0, 3]), 0.5)
    torch.testing.assert_close(learner.A, 1.5 * first_A)
    torch.testing.assert_close(learner.B, 1.5 * first_B)

    Z, Y = learner.codes[[0, 3]], images[[0, 3]].reshape(2, -1, 9, 11)
    for s in range(1 - a, a):
        for t in range(1 - a, a):
            moved = torch.nn.functional.pad(Z, (a, a, a, a))
            moved = moved[..., a + s : a + s + 7, a + t : a + t + 9]  # Z(x + s)
            expected = torch.einsum("bihw,bjhw->ij", Z, moved)
            torch.testing.assert_close(first_A[:, :, s + a - 1, t + a - 1], expected)
            if s >= 0 and t >= 0:
                expected = torch.einsum("bihw,bchw->ic", Z, Y[..., s : s + 7, t : t + 9])
                torch.testing.assert_close(first_B[:, :, s, t], expected)


@pytest.mark.parametrize("zero_mean", [False, True])
@pytest.mark.parametrize("channels", [(), (3,)])
def test_sweeps_never_raise_their_objective(channels, zero_mean):
    """With the batch's codes fixed the objective is the reconstruction error."""
    images = normal(3, *channels, 12, 10, seed=1)
    learner = KernelLearner(images, 4, 4, zero_mean, torch.Generator().manual_seed(0))
    learner.codes = normal(3, 4, 9, 7, seed=2) * (normal(3, 4, 9, 7, seed=3) > 1)
    learner.remember(torch.arange(3), 1.0)

    def error():
        return float((images - ConvDictionary(learner.K).decode(learner.codes)).square().sum())

    errors = [error()]
    for _ in range(10):
        learner.sweep()
        errors.append(error())
        torch.testing.assert_close(learner.K.flatten(1).norm(dim=1), torch.ones(4).double())
        if zero_mean:
            assert learner.K.mean((-2, -1)).abs().max() < 1e-15
    assert all(
        later <= earlier * (1 + 1e-12) for earlier, later in zip(errors, errors[1:], strict=False)
    )
    assert errors[-1] < 0.95 * errors[0]


def test_a_kernel_that_no_image_uses_is_replaced():
    _, images = planted(n=2)
    learner = KernelLearner(images, 3, 5, False, torch.Generator().manual_seed(0))
    learner.codes[:] = 0.1
    learner.codes[:, 1] = 0
    learner.remember(torch.arange(12), 1.0)
    before = learner.K.clone()
    assert learner.reseed(torch.arange(12)) == 1
    assert torch.equal(learner.K[[0, 2]], before[[0, 2]])
    assert not torch.allclose(learner.K[1], before[1])
    assert float(learner.K[1].norm()) == pytest.approx(1)
    assert not learner.A[1].any() and not learner.A[:, 1].any() and not learner.B[1].any()


def test_recentring_moves_kernels_and_leaves_the_images():
    images = normal(2, 20, 20, seed=0)
    learner = KernelLearner(images, 2, 7, False, torch.Generator().manual_seed(0))
    learner.K[0] = 0
    learner.K[0, :3, 4:] = normal(3, 3, seed=1).abs() + 1  # so its middle is its centre's
    learner.codes[:] = 0
    learner.codes[:, :, 4:10, 4:10] = normal(2, 2, 6, 6, seed=2)
    learner.K = learner.feasible(learner.K)
    before = ConvDictionary(learner.K).decode(learner.codes)
    learner.recentre()
    assert learner.K[0, 2:5, 2:5].square().sum() == pytest.approx(1)
    torch.testing.assert_close(ConvDictionary(learner.K).decode(learner.codes), before)
    assert not learner.A.any()


def test_the_same_seed_gives_the_same_kernels_and_images_stay():
    _, images = planted()
    before = images.clone()
    runs = [learn_kernels(images, 2, 0.1, size=5, steps=12, seed=s).dictionary.K for s in (4, 4, 5)]
    assert torch.equal(runs[0], runs[1]) and not torch.allclose(runs[0], runs[2])
    assert torch.equal(images, before)


def test_float32():
    _, images = planted()
    run = learn_kernels(images.float(), 3, 0.1, size=5, steps=10)
    assert run.dictionary.K.dtype == torch.float32 and run.energy.dtype == torch.float64


def test_a_lambda_that_leaves_no_code_is_said():
    _, images = planted()
    with pytest.warns(UserWarning, match="^lam: all codes were zero at λ = 1e") as said:
        learn_kernels(images, 2, 1e6, size=5, steps=3)
    assert len(said) == 1 and said[0].filename == __file__


def test_an_interrupt_keeps_what_was_learned(monkeypatch):
    _, images = planted()
    calls = []

    def interrupting(*args, **kwargs):
        calls.append(1)
        if len(calls) > 5:
            raise KeyboardInterrupt
        return better_codes(*args, **kwargs)

    monkeypatch.setattr(conv_learning, "better_codes", interrupting)
    run = learn_kernels(images, 2, 0.1, size=5, steps=50, snapshots=(5,))
    assert run.interrupted and run.energy.shape == (5,)
    assert torch.equal(run.dictionary.K, run.snapshots[5])


def test_shares_of_a_batch_add_up():
    """Of three processes and two images: what each correlates, and what one alone would."""
    images, rows, found = normal(5, 9, 11, seed=1), torch.tensor([3, 1]), []
    for rank in range(3):
        one = Workers()
        one.rank, one.size, one.total = rank, 3, lambda *parts: parts
        learner = KernelLearner(images, 2, 3, False, torch.Generator().manual_seed(0), one)
        learner.codes = normal(5, 2, 7, 9, seed=2)
        learner.remember(rows, 0.5)
        found.append(learner)
    alone = KernelLearner(images, 2, 3, False, torch.Generator().manual_seed(0))
    alone.codes = learner.codes
    alone.remember(rows, 0.5)
    torch.testing.assert_close(sum(one.A for one in found), alone.A)
    torch.testing.assert_close(sum(one.B for one in found), alone.B)
    assert found[0].A.any() and not found[2].A.any()


@pytest.mark.parametrize(
    "change, words",
    [
        ({"images": torch.ones(5, 5)}, r"images: expected \(N, height, width\) or"),
        ({"images": torch.zeros(2, 9, 9)}, "images: expected some that are not zero"),
        ({"size": 13}, "size: expected at most the images' 12, got 13"),
        ({"n_kernels": 0}, "n_kernels: expected an integer"),
        ({"steps": 0}, "steps: expected"),
        ({"sweeps": 0}, "sweeps: expected"),
        ({"iterations": 1.5}, "iterations: expected"),
        ({"batch_size": True}, "batch_size: expected"),
        ({"forgetting": 1.1}, r"forgetting: expected a number in \[0, 1\]"),
        ({"lam": torch.ones(2)}, "lam: expected one number"),
        ({"lam": -1.0}, "lam: expected finite numbers"),
        ({"seed": -1}, "seed: expected"),
        ({"snapshots": (7,)}, "snapshots: expected steps from 0 to 2, got 7"),
    ],
)
def test_bad_input(change, words):
    arguments = {"images": torch.ones(2, 12, 12), "n_kernels": 2, "lam": 0.5, "size": 5, "steps": 2}
    with pytest.raises(ValueError, match="^" + words):
        learn_kernels(**arguments | change)
