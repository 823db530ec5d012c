"""An operator and a penalty of one's own, from the outside: what CONTRIBUTING promises, and that
nothing computed from other atoms ever comes back.
"""

import copy
import pickle

import pytest
import torch
from problems import normal, random_dictionary

from rlvebm_utils import (
    L1,
    LISTA,
    Dictionary,
    Operator,
    Penalty,
    certificate,
    encode,
    fista,
    ista,
    kkt_residual,
    lambda_max,
)


class Blur(Operator):
    """Codes are sharp images (h, w); samples are what a periodic blur leaves of them."""

    sample_ndim = code_ndim = 2

    def __init__(self, kernel):
        self.atoms = kernel

    def with_atoms(self, atoms):
        return Blur(atoms)

    def code_shape(self, sample_shape):
        return sample_shape

    def decode(self, z, adjoint=False):
        spectrum = torch.fft.rfft2(self.atoms, s=z.shape[-2:])
        spectrum = spectrum.conj() if adjoint else spectrum
        return torch.fft.irfft2(torch.fft.rfft2(z) * spectrum, s=z.shape[-2:])

    def adjoint(self, r):
        return self.decode(r, adjoint=True)

    def lipschitz(self):
        return float(self.atoms.abs().sum() ** 2)


def as_matrix(operator: Operator, shape) -> torch.Tensor:
    n = torch.Size(shape).numel()
    return operator.decode(torch.eye(n, dtype=torch.float64).reshape(n, *shape)).flatten(1).T


@pytest.fixture(scope="module")
def blurred():
    operator = Blur(normal(3, 3, seed=3))
    sharp = normal(4, 6, 7, seed=4) * (normal(4, 6, 7, seed=5) > 1)
    y = operator.decode(sharp) + 0.1 * normal(4, 6, 7, seed=6)
    return operator, y, 0.2 * lambda_max(operator, y)


@pytest.mark.parametrize("solver", [ista, fista, encode])
@pytest.mark.parametrize("nonnegative", [False, True])
def test_an_operator_of_six_answers_is_solved(blurred, solver, nonnegative):
    operator, y, lam = blurred
    z, r = normal(4, 6, 7, seed=1), normal(4, 6, 7, seed=2)
    assert (operator.decode(z) * r).sum() == pytest.approx(float((z * operator.adjoint(r)).sum()))
    found = solver(operator, y, lam, tol=1e-8, nonnegative=nonnegative)
    dense = Dictionary(as_matrix(operator, (6, 7)))
    theirs = fista(dense, y.flatten(1), lam, tol=1e-10, nonnegative=nonnegative)
    assert found.converged.all()
    torch.testing.assert_close(found.energy, theirs.energy, rtol=1e-7, atol=0)
    assert kkt_residual(operator, y, found.z, lam, nonnegative).max() < 1e-2
    bound = certificate(dense, y.flatten(1), found.z.flatten(1), lam, nonnegative)
    torch.testing.assert_close(found.relative_gap, bound.relative_gap, rtol=1e-3, atol=1e-12)
    one = solver(operator, y[0], lam[0], tol=1e-8, nonnegative=nonnegative)
    assert one.z.shape == (6, 7) and one.made_by == found.made_by[0]


def test_an_operator_of_six_answers_is_unrolled(blurred):
    operator, y, lam = blurred
    network = LISTA(operator, float(lam[0]), 5)
    expected = ista(operator, y, float(lam[0]), tol=None, max_iter=5).z
    torch.testing.assert_close(network(y), expected, rtol=0, atol=1e-12)
    network(y).square().sum().backward()
    assert all(p.grad.any() for p in (network.A, network.B, network.threshold))
    assert network.relative_gap(y).shape == (4,)
    single = fista(operator.to(dtype=torch.float32), y.float(), lam, tol=1e-3)
    assert single.z.dtype == torch.float32 and single.converged.all()


# ---- what is computed once ----

CHANGES = {
    "in place": lambda d: d.W.mul_(2),
    "by parts": lambda d: d.W.__setitem__((slice(None), slice(5)), 0),
    "behind torch's back": lambda d: d.W.numpy().__imul__(2),
    "through data": lambda d: d.W.data.mul_(2),
    "another tensor": lambda d: setattr(d, "W", 2 * d.W),
}


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
@pytest.mark.parametrize("solver", [ista, fista, encode])
def test_changed_atoms_are_noticed(change, dtype, solver):
    dictionary = Dictionary(random_dictionary(12, 20).to(dtype))
    y = normal(5, 12, seed=2).to(dtype)
    solver(dictionary, y, 0.1)
    encode(dictionary, y, 0.1)
    dictionary.unreachable(y.double())
    CHANGES[change](dictionary)
    fresh = Dictionary(dictionary.W.clone())
    found = solver(dictionary, y, 0.1)
    truth = certificate(fresh, y, found.z, 0.1)
    torch.testing.assert_close(found.energy, truth.energy, rtol=1e-6, atol=1e-9)
    assert (truth.relative_gap <= 1.01e-4).all() and found.converged.all()
    assert dictionary.lipschitz() == fresh.lipschitz()
    assert torch.equal(dictionary.gram, fresh.gram)


def test_the_operators_inside_a_network_have_numbers_of_their_own():
    dictionary, y = Dictionary(random_dictionary(12, 20)), normal(5, 12, seed=2)
    encode(dictionary, y, 0.1)
    network = LISTA(dictionary, 0.1, 3)
    with torch.no_grad():
        network.B.mul_(3).add_(0.1)
    inner = network.operators(1)[1]
    found = encode(inner, y, 0.1)
    truth = certificate(Dictionary(network.B[0].detach()), y, found.z, 0.1)
    assert found.converged.all() and truth.relative_gap.max() <= 1.01e-4
    with torch.no_grad():
        network.B.mul_(0.5)  # as an optimiser would
    found = encode(network.operators(1)[1], y, 0.1)
    truth = certificate(Dictionary(network.B[0].detach()), y, found.z, 0.1)
    assert truth.relative_gap.max() <= 1.01e-4


@pytest.mark.parametrize("solver", [ista, fista, encode])
def test_autocast_and_inference_mode_change_nothing(solver):
    W, y = random_dictionary(12, 20).float(), normal(5, 12, seed=2).float()
    expected = solver(Dictionary(W), y, 0.1)
    dictionary = Dictionary(W)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = solver(dictionary, y, 0.1)
    assert torch.equal(found.z, expected.z) and torch.equal(found.energy, expected.energy)
    assert torch.equal(solver(dictionary, y, 0.1).z, expected.z)
    with torch.inference_mode():
        found = solver(Dictionary(W.clone()), y.clone(), 0.1)
    assert torch.equal(found.z, expected.z)
    found.z.add_(1)  # an ordinary tensor, that may be changed


@pytest.mark.parametrize("lam", [0.0, 0.1])
@pytest.mark.parametrize(
    "again", [copy.copy, copy.deepcopy, lambda d: pickle.loads(pickle.dumps(d))]
)
def test_copies_after_a_solve_are_whole(lam, again):
    dictionary, y = Dictionary(random_dictionary(12, 8)), normal(5, 12, seed=2)
    before = encode(dictionary, y, lam)
    other = again(dictionary)
    assert torch.equal(encode(other, y, lam).z, before.z)


# ---- a penalty of one's own ----


class Scaled(Penalty):
    """3·‖z‖₁: what a penalty has to answer, and no more."""

    def value(self, z):
        return 3 * z.abs().flatten(1).sum(1)

    def prox(self, v, t):
        return L1().prox(v, 3 * t)

    def dual_norm(self, c):
        return c.abs().flatten(1).amax(1) / 3

    def distance(self, c, z, lam):
        return L1().distance(c, z, 3 * lam)


def test_a_penalty_of_four_answers_is_certified():
    dictionary, y = Dictionary(random_dictionary(12, 20)), normal(5, 12, seed=2)
    found = fista(dictionary, y, 0.1, penalty=Scaled(), tol=1e-9)
    plain = fista(dictionary, y, 0.3, tol=1e-9)
    torch.testing.assert_close(found.energy, plain.energy, rtol=1e-8, atol=0)
    assert found.converged.all()
    ours = lambda_max(dictionary, y, penalty=Scaled())
    torch.testing.assert_close(ours, lambda_max(dictionary, y) / 3)
    assert kkt_residual(dictionary, y, found.z, 0.1, penalty=Scaled()).max() < 1e-3
    with pytest.raises(ValueError, match="penalty: expected L1 without weights in encode, got"):
        encode(dictionary, y, 0.1, penalty=Scaled())
