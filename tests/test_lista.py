"""LISTA is ISTA before training, better than ISTA after it, and says where it is not."""

import copy

import pytest
import torch
from problems import normal, problem, random_dictionary

from rlvebm_utils import (
    Dictionary,
    Operator,
    energy,
    fista,
    ista,
    lambda_max,
    lista,
    nonnegative_soft_threshold,
    soft_threshold,
)
from rlvebm_utils.lista import LISTA, loss_of, train_lista

LAM = 0.2


@pytest.fixture(autouse=True)
def _one_thread():
    """These problems are small; waiting for a second thread costs more than it saves."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


class Circular(Operator):
    """A small convolutional operator, to see what LISTA asks of one: codes (N, n, T) → (N, T)."""

    sample_ndim, code_ndim = 1, 2

    def __init__(self, K):
        self.atoms = K  # kernels (n, width)
        self.n_atoms = len(K)

    def with_atoms(self, atoms):
        return Circular(atoms)

    def code_shape(self, sample_shape):
        return (self.n_atoms, *sample_shape)

    def _shifted(self, x):  # (…, T) → (…, width, T)
        return torch.stack([x.roll(i, -1) for i in range(self.atoms.shape[1])], -2)

    def decode(self, z):
        return torch.einsum("nw,bnwt->bt", self.atoms, self._shifted(z))

    def adjoint(self, r):
        back = torch.stack([r.roll(-i, -1) for i in range(self.atoms.shape[1])], -2)
        return torch.einsum("nw,bwt->bnt", self.atoms, back)

    def lipschitz(self):
        return float(torch.fft.fft(self.atoms, 16).abs().square().sum(0).max())


def planted(count: int, seed: int, nonnegative=False, d=16, n=24):
    """Samples that few atoms of one dictionary make up, with a little noise."""
    generator = torch.Generator().manual_seed(seed)
    W = random_dictionary(d, n, seed=0)
    z = torch.randn(count, n, generator=generator, dtype=W.dtype)
    z = z.abs() if nonnegative else z
    z *= torch.rand(count, n, generator=generator, dtype=W.dtype) < 3 / n
    noise = torch.randn(count, d, generator=generator, dtype=W.dtype)
    return Dictionary(W), z @ W.T + 0.02 * noise


def excess(network, dictionary, y) -> float:
    """How far the network's codes are above the least energy, on average, as a share of it."""
    best = fista(dictionary, y, LAM, nonnegative=network.nonnegative, tol=1e-9).energy
    with torch.no_grad():
        return float(energy(dictionary, y, network(y), LAM).mean() / best.mean() - 1)


def trained(**options):
    dictionary, y = planted(1000, seed=1)
    network = LISTA(dictionary, LAM, 3, **options)
    train_lista(network, y, steps=150, batch_size=100)
    return dictionary, network


# ---- Untrained: ISTA ----


@pytest.mark.parametrize("nonnegative", [False, True])
@pytest.mark.parametrize("shared", [False, True])
@pytest.mark.parametrize("steps", [1, 2, 7, 40])
@pytest.mark.parametrize("share", [1e-3, 0.1, 0.6, 1.5])
@pytest.mark.parametrize("shape", [(8, 30), (30, 8), (12, 20)])
def test_untrained_equals_ista(shape, share, steps, shared, nonnegative):
    p = problem("", random_dictionary(*shape), seed=3, nonnegative=nonnegative)
    lam = share * float(lambda_max(p.dictionary, p.y).median())
    network = LISTA(p.dictionary, lam, steps, shared=shared, nonnegative=nonnegative)
    expected = ista(p.dictionary, p.y, lam, nonnegative=nonnegative, tol=None, max_iter=steps).z
    assert torch.allclose(network(p.y), expected, rtol=1e-12, atol=1e-13)
    assert torch.allclose(network(p.y[0]), expected[0], rtol=1e-12, atol=1e-13)
    assert network(p.y[:1]).shape == (1, shape[1])


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_keeps_the_dtype(dtype):
    dictionary, y = planted(5, seed=2)
    dictionary, y = dictionary.to(dtype=dtype), y.to(dtype)
    z = LISTA(dictionary, LAM, 4)(y)
    assert z.dtype == dtype
    expected = ista(dictionary, y, LAM, tol=None, max_iter=4).z
    assert torch.allclose(z, expected, atol=100 * torch.finfo(dtype).eps)


@pytest.mark.parametrize("nonnegative", [False, True])
def test_takes_a_convolutional_operator(nonnegative):
    operator = Circular(normal(3, 4, seed=0))
    y, L = normal(5, 16, seed=1), operator.lipschitz()
    shrink = nonnegative_soft_threshold if nonnegative else soft_threshold
    z = torch.zeros(5, 3, 16, dtype=torch.float64)
    for _ in range(6):
        z = shrink(z - operator.adjoint(operator.decode(z) - y) / L, 0.3 / L)
    network = LISTA(operator, 0.3, 6, nonnegative=nonnegative)
    assert torch.allclose(network(y), z, atol=1e-13)
    assert network.threshold.shape == (6, 3, 1)
    assert loss_of(network, y) > 0
    loss_of(network, y).backward()
    assert all(p.grad.any() for p in network.parameters())


@pytest.mark.parametrize("share", [0.25, 1.0, 4.0])
def test_another_lambda_scales_the_thresholds(share):
    dictionary, y = planted(6, seed=2)
    network = LISTA(dictionary, LAM, 5)
    expected = ista(dictionary, y, share * LAM, tol=None, max_iter=5).z
    assert torch.allclose(network(y, lam=share * LAM), expected, atol=1e-13)
    one_each = torch.full((6,), share * LAM, dtype=torch.float64)
    assert torch.allclose(network(y, lam=one_each), expected, atol=1e-13)


def test_scaled_input_is_the_same_problem_with_another_lambda():
    dictionary, network = trained()
    y = planted(20, seed=5)[1]
    with torch.no_grad():
        assert torch.allclose(network(3 * y, lam=3 * LAM), 3 * network(y), atol=1e-12)
        assert not torch.allclose(network(3 * y), 3 * network(y), atol=1e-2)


# ---- Gradients ----


@pytest.mark.parametrize("shared", [False, True])
@pytest.mark.parametrize("steps", [2, 5])
def test_gradient_reaches_every_step(steps, shared):
    """Through time: the first step's matrices learn from what the last step gave."""
    dictionary, y = planted(30, seed=1)
    network = LISTA(dictionary, LAM, steps, shared=shared)
    loss_of(network, y).backward()
    for name, parameter in network.named_parameters():
        per_step = parameter.grad.flatten(1) if parameter.ndim > 1 else parameter.grad[:, None]
        assert per_step.any(1).all(), f"no gradient reaches a step's {name}"


@pytest.mark.parametrize("codes", [None, 0.1])
def test_gradient_against_finite_differences(codes):
    """Of the whole unrolled network, so a detached step would show in its size too."""
    dictionary, y = planted(4, seed=1, d=5, n=6)
    dictionary = Dictionary(random_dictionary(5, 6))
    network = LISTA(dictionary, LAM, 3, shared=True)
    aims = None if codes is None else torch.full((4, 6), codes, dtype=torch.float64)

    def loss():
        return loss_of(network, y, aims)

    loss().backward()
    for parameter in network.parameters():
        entry = tuple(0 for _ in parameter.shape)
        with torch.no_grad():
            parameter[entry] += 1e-6
            above = float(loss())
            parameter[entry] -= 2e-6
            below = float(loss())
            parameter[entry] += 1e-6
        assert float(parameter.grad[entry]) == pytest.approx((above - below) / 2e-6, abs=1e-6)


# ---- Training ----


@pytest.mark.parametrize("loss", ["energy", "distance"])
@pytest.mark.parametrize("nonnegative", [False, True])
def test_training_pays_off_on_samples_never_seen(nonnegative, loss):
    dictionary, y = planted(1000, seed=1, nonnegative=nonnegative)
    unseen = planted(200, seed=2, nonnegative=nonnegative)[1]
    network = LISTA(dictionary, LAM, 3, nonnegative=nonnegative)
    untrained = excess(network, dictionary, unseen)
    codes = None
    if loss == "distance":
        codes = fista(dictionary, y, LAM, nonnegative=nonnegative).z
    record = train_lista(network, y, codes, steps=150, batch_size=100)
    assert excess(network, dictionary, unseen) < untrained / 2
    assert record.loss.shape == (150,) and not record.interrupted
    assert record.loss[-20:].mean() < record.loss[:5].mean()


def test_every_part_is_learned():
    _, network = trained()
    fresh = LISTA(network.dictionary, LAM, 3)
    for (name, a), (_, b) in zip(network.named_parameters(), fresh.named_parameters(), strict=True):
        assert not torch.equal(a, b), f"{name} is what it was"


def test_frozen_parameters_stay():
    dictionary, y = planted(300, seed=1)
    network = LISTA(dictionary, LAM, 3)
    network.B.requires_grad_(False)
    B = network.B.clone()
    train_lista(network, y, steps=20, batch_size=50)
    assert torch.equal(network.B, B)


def test_same_seed_same_network_another_seed_another():
    dictionary, y = planted(300, seed=1)
    networks = [LISTA(dictionary, LAM, 2) for _ in range(3)]
    for network, seed in zip(networks, (4, 4, 5), strict=True):
        torch.manual_seed(seed * 100 + id(network) % 7)  # the global generator plays no part
        train_lista(network, y, steps=10, batch_size=50, seed=seed)
    first, again, other = networks
    assert torch.equal(first.A, again.A) and not torch.equal(first.A, other.A)


@pytest.mark.parametrize("rate", [0.0, 1.0])  # one that does nothing, one that does harm
def test_bad_training_is_undone(rate):
    dictionary, y = planted(300, seed=1)
    network = LISTA(dictionary, LAM, 3)
    start = copy.deepcopy(network.state_dict())
    with pytest.warns(UserWarning, match="undone"):
        train_lista(network, y, steps=20, batch_size=50, learning_rate=rate)
    for name, value in network.named_parameters():
        assert torch.equal(value, start[name])


def test_an_interrupt_keeps_what_was_learned(monkeypatch):
    def stops_after_thirty(steps, *_, **__):
        yield from list(steps)[:30]
        raise KeyboardInterrupt

    monkeypatch.setattr(lista, "track", stops_after_thirty)
    dictionary, y = planted(300, seed=1)
    network = LISTA(dictionary, LAM, 3)
    before = float(loss_of(network, y).detach())
    record = train_lista(network, y, steps=1000, batch_size=50)
    assert record.interrupted and len(record.loss) == 30
    assert float(loss_of(network, y).detach()) < before
    assert network.trusted(y).double().mean() > 0.9


@pytest.mark.parametrize("logit", [-1e3, -3.0, 0.0, 3.0, 1e3])
def test_no_step_goes_past_two_over_l(logit):
    """Whatever is learned of the step sizes and thresholds, iterating does not diverge."""
    dictionary, y = planted(20, seed=1)
    network = LISTA(dictionary, LAM, 400, shared=True)
    with torch.no_grad():
        network.step_logit.fill_(logit)
        network.threshold.mul_(-1)  # used as 0
        assert (network.step >= 0).all() and (network.step <= 2).all()
        z = network(y)
    fit = 0.5 * (y - dictionary.decode(z)).square().sum(1)
    assert (fit <= 0.5 * y.square().sum(1) * (1 + 1e-9)).all()


# ---- Trust ----


def test_the_gap_bounds_the_true_excess():
    dictionary, network = trained()
    y = torch.cat([planted(50, seed=3)[1], normal(50, 16, seed=4)])
    best = fista(dictionary, y, LAM, tol=1e-10).energy
    with torch.no_grad():
        above = energy(dictionary, y, network(y), LAM) / best - 1
    assert (network.relative_gap(y) >= above - 1e-9).all()


@pytest.mark.parametrize("nonnegative", [False, True])
def test_the_gap_closes_at_the_best_code_of_its_own_problem(nonnegative):
    """Whose codes may, or may not, be negative."""
    dictionary, y = planted(20, seed=3, nonnegative=nonnegative)
    y = y - 0.3  # so that some coefficients would like to be negative
    best = fista(dictionary, y, LAM, nonnegative=nonnegative, tol=1e-9).z
    network = LISTA(dictionary, LAM, 2, nonnegative=nonnegative)
    assert (network.relative_gap(y, best) < 1e-8).all()
    other = fista(dictionary, y, LAM, nonnegative=not nonnegative, tol=1e-9)
    assert not torch.allclose(best, other.z, atol=1e-3)


def test_trusts_what_it_knows_and_nothing_else():
    _, network = trained()
    known, scaled = planted(500, seed=3)[1], 5 * planted(500, seed=3)[1]
    assert network.trusted(known).double().mean() > 0.9
    assert network.trusted(scaled).double().mean() < 0.5
    assert network.trusted(scaled, lam=5 * LAM).double().mean() > 0.9  # the same problem again
    assert network.trusted(known[0]).shape == ()


def test_trust_needs_something_to_compare_with():
    dictionary, y = planted(10, seed=1)
    network = LISTA(dictionary, LAM, 3)
    with pytest.raises(RuntimeError, match="calibrate"):
        network.trusted(y)
    assert network.trusted(y, gap=1e9).all() and not network.trusted(y, gap=0.0).any()


def test_calibration_leaves_out_the_share_it_names():
    dictionary, y = planted(1000, seed=1)
    network = LISTA(dictionary, LAM, 3)
    gap = network.calibrate(y, share=0.8)
    gaps = network.relative_gap(y)
    assert (gaps <= gap).double().mean() == pytest.approx(0.8, abs=0.002)
    assert torch.equal(network.trusted(y), gaps <= gap)


# ---- A module like any other ----


def test_state_dict_round_trip(tmp_path):
    dictionary, network = trained()
    y = planted(20, seed=3)[1]
    torch.save(network.state_dict(), tmp_path / "lista.pt")
    other = LISTA(dictionary, LAM, 3)
    other.load_state_dict(torch.load(tmp_path / "lista.pt"))
    with torch.no_grad():
        assert torch.equal(other(y), network(y))
    assert torch.equal(other.trusted(y), network.trusted(y))


def test_to_another_dtype_takes_the_dictionary_along():
    _, network = trained()
    y = planted(20, seed=3)[1]
    with torch.no_grad():
        expected = network(y)
        single = copy.deepcopy(network).float()
        assert torch.allclose(single(y.float()).double(), expected, atol=1e-4)
    assert single.trusted_gap.dtype == torch.float64
    assert network.dictionary.W.dtype == torch.float64  # the copy's came from the copy


def test_inputs_are_left_alone():
    dictionary, y = planted(100, seed=1)
    codes = fista(dictionary, y, LAM).z
    kept = [t.clone() for t in (dictionary.W, y, codes)]
    network = LISTA(dictionary, LAM, 2)
    train_lista(network, y, codes, steps=10, batch_size=20)
    with torch.no_grad():
        network(y, lam=0.1)
    network.trusted(y, codes)
    assert all(torch.equal(a, b) for a, b in zip(kept, (dictionary.W, y, codes), strict=True))
    assert not (y.requires_grad or codes.requires_grad or dictionary.W.requires_grad)


DICTIONARY, Y = planted(10, seed=1)


@pytest.mark.parametrize(
    ("arguments", "error", "told"),
    [
        ((DICTIONARY.W, 0.1), TypeError, "dictionary: expected an operator"),
        ((DICTIONARY, 0.0), ValueError, "lam: expected a number > 0"),
        ((DICTIONARY, -1.0), ValueError, "lam: expected finite numbers ≥ 0"),
        ((DICTIONARY, float("nan")), ValueError, "lam: expected finite"),
        ((DICTIONARY, torch.ones(3)), ValueError, "lam: expected one number"),
        ((DICTIONARY, "0.1"), TypeError, "lam: expected a number"),
        ((DICTIONARY, 0.1, 0), ValueError, "steps: expected an integer ≥ 1"),
        ((DICTIONARY, 0.1, 2.5), ValueError, "steps: expected an integer ≥ 1"),
    ],
)
def test_bad_networks_are_refused(arguments, error, told):
    with pytest.raises(error, match=told):
        LISTA(*arguments)


@pytest.mark.parametrize(
    ("y", "lam", "error", "told"),
    [
        (Y[:, :5], None, ValueError, "y: expected shape"),
        (Y.float(), None, TypeError, "y: expected torch.float64"),
        (Y * torch.nan, None, ValueError, "y: expected finite"),
        (Y.tolist(), None, TypeError, "y: expected a torch.Tensor"),
        (Y, -0.1, ValueError, "lam: expected finite numbers ≥ 0"),
        (Y, torch.ones(3), ValueError, "lam: expected one number or 10"),
    ],
)
def test_bad_samples_are_refused(y, lam, error, told):
    with pytest.raises(error, match=told):
        LISTA(DICTIONARY, 0.1, 2)(y, lam)


@pytest.mark.parametrize(
    ("change", "error", "told"),
    [
        ({"y": Y[0]}, ValueError, "y: expected a batch"),
        ({"codes": Y}, ValueError, "codes: expected shape"),
        ({"steps": 0}, ValueError, "steps: expected an integer"),
        ({"batch_size": 0}, ValueError, "batch_size: expected an integer"),
        ({"learning_rate": -0.1}, ValueError, "learning_rate: expected a number"),
        ({"seed": -1}, ValueError, "seed: expected an integer"),
        ({"lista": DICTIONARY}, TypeError, "lista: expected a LISTA"),
        ({"lista": LISTA(DICTIONARY, 0.1).requires_grad_(False)}, ValueError, "requires a grad"),
    ],
)
def test_bad_training_is_refused(change, error, told):
    network = LISTA(DICTIONARY, 0.1, 2)
    before = copy.deepcopy(network.state_dict())
    with pytest.raises(error, match=told):
        train_lista(**{"lista": network, "y": Y, **change})
    after = network.state_dict()
    assert all(torch.equal(before[name], after[name]) for name in before if name != "trusted_gap")
